"""The system that is measured: a frame of the EC:EMC liquid, repeated along the axes of its cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.io.lammpsdata import write_lammps_data
from ase.md.velocitydistribution import Stationary

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "ec_emc"
FRAME = EXAMPLE / "data" / "ec_emc_liquid_160.xyz"
MODEL = EXAMPLE / "models" / "ec_emc_0.model"
TIMESTEP_FS = 0.5
TEMPERATURE = 500.0  # K, of the first velocities
SKIN = 2.0  # Å, the default of run files
#: What `domains: {balance: shift, every: 100 steps}` of a run file becomes.
EVEN_DOMAINS = "fix domains all balance 100 1.0 shift xyz 20 1.02"


def copies(size: int, atoms_of_frame: int) -> tuple[int, int, int]:
    """How often the frame is repeated along each axis to get `size` atoms, as evenly as can be.

    Raises:
        ValueError: `size` is not a multiple of the frame's atoms.
    """
    number, rest = divmod(size, atoms_of_frame)
    if number < 1 or rest:
        raise ValueError(f"--sizes must be multiples of the {atoms_of_frame} atoms of the frame, got {size}")
    triples = [
        (number // (y * z), y, z)
        for z in range(1, number + 1)
        for y in range(z, number // z + 1)
        if number % (y * z) == 0 and number // (y * z) >= y
    ]
    return min(triples, key=lambda triple: triple[0] - triple[2])


def atoms_of_frame(frame: Path = FRAME) -> int:
    """Number of atoms of the frame."""
    return len(ase.io.read(frame))


def build(size: int, frame: Path = FRAME, seed: int = 1) -> Atoms:
    """The periodic liquid with `size` atoms and velocities (Gaussian, total momentum 0, scaled to TEMPERATURE)."""
    read = ase.io.read(frame)
    assert isinstance(read, Atoms)
    bare = Atoms(read.symbols, positions=read.positions, cell=read.cell, pbc=True)
    atoms = bare.repeat(copies(size, len(bare)))
    atoms.wrap()
    widths = np.sqrt(atoms.get_masses() * units.kB * TEMPERATURE)
    atoms.set_momenta(widths[:, None] * np.random.default_rng(seed).standard_normal((len(atoms), 3)))
    Stationary(atoms)
    atoms.set_momenta(atoms.get_momenta() * np.sqrt(TEMPERATURE / atoms.get_temperature()))
    return atoms


def elements(atoms: Atoms) -> list[str]:
    """The element of each LAMMPS type."""
    return sorted(set(atoms.get_chemical_symbols()))


def write(atoms: Atoms, folder: Path) -> None:
    """The same atoms, at full precision, for both programs: `structure.traj` (ASE), `structure.data` (LAMMPS)."""
    # for itself: ASE would wait for the other ranks, which do not write
    ase.io.write(folder / "structure.traj", atoms, parallel=False)
    write_lammps_data(
        folder / "structure.data", atoms, specorder=elements(atoms), masses=True, velocities=True, units="metal"
    )


def lammps_commands(
    folder: Path,
    symbols: list[str],
    model: Path | None = None,
    dtype: str = "float64",
    device: str = "cpu",
    engine: str = "auto",
    pair: Sequence[str] = (),
    even: bool = False,
) -> list[str]:
    """The LAMMPS script of a run at constant energy, up to its first forces; `symbols` as `elements` gives them.

    `pair`: lines of another pair style, in place of `pair_style lamplighter` with `model`. `even`: the planes between
    ranks are shifted until all have as many atoms.
    """
    pair = pair or [
        f"pair_style lamplighter dtype {dtype} device {device} engine {engine}",
        f'pair_coeff * * "{model}" {" ".join(symbols)}',
    ]
    return [
        "units metal",
        "atom_style atomic",
        "atom_modify map yes",
        "newton on",
        "boundary p p p",
        f'read_data "{folder / "structure.data"}"',
        f"neighbor {SKIN} bin",
        "neigh_modify every 1 delay 0 check yes",
        *pair,
        f"timestep {TIMESTEP_FS / 1000}",
        "fix integrate all nve",
        *([EVEN_DOMAINS] if even else []),
        "run 0 post no",
    ]


def timestep_ase() -> float:
    """The timestep in ASE's unit of time."""
    return TIMESTEP_FS * units.fs
