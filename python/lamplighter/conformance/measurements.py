"""What is found of a potential in LAMMPS.

Each measurement is a function of an open LAMMPS and of a `Job`; all ranks call it. Arrays come back in the order of
atoms of the structure.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data
from ase.units import bar
from mpi4py import MPI

from lamplighter.conformance import structures

#: LAMMPS' order: xx yy zz xy xz yz
TENSOR = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
_PRESSURE = ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")
STEP = 1e-4  # Å, of differences of energies
STRAIN = 5e-5
MOVED_ATOMS = (0, 4)
#: Å, beside the cutoff
ASIDE = (1e-3, 1e-5)
TIMESTEPS = (2.5e-4, 1.25e-4)  # ps
SAMPLES, LENGTH = 4, 0.004  # over so many ps
_STEPS = 3  # before and after a restart

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        name: Of its result.
        work: A key of `WORK`.
        lines: `pair_style` and `pair_coeff`.
        elements: Of the atom types in their order.
        build: Elements of the structures, whose atoms do not know of the order of types.
        names: Which structures.
        virials: Whether the style has virials of atoms as `compute stress/atom` gives them.
        cutoff: Å.
        style: The pair style of a committee.
        environment: Variables while it runs.
    """

    name: str
    work: str
    lines: Sequence[str]
    elements: Sequence[str]
    build: Sequence[str]
    names: Sequence[str] = ()
    virials: bool = True
    cutoff: float = 0.0
    style: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def measure(lmp: Any, job: Job) -> Arrays:
    with _environment(job.environment):
        return WORK[job.work](lmp, job)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A new folder that all ranks know, for a file that LAMMPS opens on the first; it is removed afterwards.

    No rank waits for another in the end: where one has failed, the others may never come.
    """
    comm = MPI.COMM_WORLD
    folder = Path(comm.bcast(tempfile.mkdtemp() if comm.rank == 0 else None))
    try:
        yield folder
    finally:
        if comm.rank == 0:
            shutil.rmtree(folder, ignore_errors=True)


def load(lmp: Any, atoms: Atoms, lines: Sequence[str], elements: Sequence[str], atom_style: str = "atomic") -> Prism:
    """Put a structure and its pair style into LAMMPS; atom type k is element k."""
    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    boundary = " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    with shared_folder() as folder:
        path = folder / "structure.data"
        if MPI.COMM_WORLD.rank == 0:
            write_lammps_data(path, atoms, specorder=list(elements), masses=True, atom_style=atom_style)
        MPI.COMM_WORLD.barrier()
        lmp.commands_string(
            f"clear\nunits metal\natom_style {atom_style}\natom_modify map yes\nboundary {boundary}\nnewton on\n"
            f"read_data {path}\n" + "\n".join(lines)
        )
    return prism


def forces_of(lmp: Any) -> np.ndarray:
    """(n, 3) in LAMMPS' units, in its frame of reference."""
    return np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)


def full_tensor(six: np.ndarray) -> np.ndarray:
    tensor = np.zeros((*six.shape[:-1], 3, 3))
    for k, (a, b) in enumerate(TENSOR):
        tensor[..., a, b] = tensor[..., b, a] = six[..., k]
    return tensor


def pressure_of(lmp: Any) -> np.ndarray:
    """(3, 3) bar, in LAMMPS' frame of reference."""
    return full_tensor(np.array([lmp.get_thermo(name) for name in _PRESSURE]))


def evaluate(lmp: Any, atoms: Atoms, lines: Sequence[str], elements: Sequence[str], *, virials: bool = True) -> Arrays:
    """Energy (eV), energies of atoms, forces (eV/Å), pressure tensor (bar) and virials of atoms (bar Å³)."""
    prism = load(lmp, atoms, lines, elements)
    script = "compute e all pe/atom\ncompute sum_e all reduce sum c_e\n"
    columns = "step pe pxx pyy pzz pxy pxz pyz c_sum_e"
    if virials:
        script += "compute s all stress/atom NULL pair\ncompute sum_s all reduce sum c_s[*]\n"
        columns += " c_sum_s[1]"
    lmp.commands_string(f"{script}thermo_style custom {columns}\nthermo_modify norm no\nrun 0 post no")
    back = prism.rot_mat  # columns: LAMMPS' axes in the structure's frame
    found = {
        "energy": np.array(lmp.get_thermo("pe")),
        "energies": np.array(lmp.gather("c_e", 1, 1)),
        "forces": forces_of(lmp) @ back.T,
        "pressure_bar": back @ pressure_of(lmp) @ back.T,
    }
    if virials:
        found["virials_bar_A3"] = back @ full_tensor(-np.array(lmp.gather("c_s", 1, 6)).reshape(-1, 6)) @ back.T
    return found


def several_structures(lmp: Any, job: Job) -> Arrays:
    results: Arrays = {}
    for name in job.names:
        found = evaluate(lmp, structures.ALL[name](job.build), job.lines, job.elements, virials=job.virials)
        results.update({f"{name}/{quantity}": value for quantity, value in found.items()})
    return results


def _energy_at(lmp: Any, places: np.ndarray) -> float:
    lmp.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(np.ascontiguousarray(places).reshape(-1)))
    lmp.command("run 0 post no")
    return float(lmp.get_thermo("pe"))


def slopes(lmp: Any, job: Job) -> Arrays:
    """Forces on some atoms of `cluster`, and the same by central differences of its energy."""
    load(lmp, structures.cluster(job.build), job.lines, job.elements)
    lmp.commands_string("thermo_style custom step pe\nthermo_modify norm no\nrun 0 post no")
    forces = forces_of(lmp)[list(MOVED_ATOMS)]
    start = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
    differences = np.zeros_like(forces)
    for row, atom in enumerate(MOVED_ATOMS):
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                places = start.copy()
                places[atom, axis] += sign * STEP
                energies.append(_energy_at(lmp, places))
            differences[row, axis] = -(energies[0] - energies[1]) / (2 * STEP)
    return {"forces": forces, "differences": differences}


def strains(lmp: Any, job: Job) -> Arrays:
    """Virial (eV) of `small_triclinic`, and the same by central differences of its energy: −dE/dε, r → (1 + ε) r."""
    load(lmp, structures.small_triclinic(job.build), job.lines, job.elements)
    lmp.commands_string("thermo_style custom step pe pxx pyy pzz pxy pxz pyz\nthermo_modify norm no\nrun 0 post no")
    (x0, y0, z0), (x1, y1, z1), xy, yz, xz, *_ = lmp.extract_box()
    volume = (x1 - x0) * (y1 - y0) * (z1 - z0)
    virial = pressure_of(lmp) * volume * bar
    cell = np.array([[x1 - x0, 0, 0], [xy, y1 - y0, 0], [xz, yz, z1 - z0]])
    differences = np.zeros((3, 3))
    for a, b in TENSOR:  # upper triangle: a strain that keeps LAMMPS' orientation of the cell
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] = sign * STRAIN
            c = cell @ (np.eye(3) + strain).T
            _set_box(lmp, (x0, y0, z0), c)
            lmp.command("run 0 post no")
            energies.append(lmp.get_thermo("pe"))
        _set_box(lmp, (x0, y0, z0), cell)
        differences[a, b] = differences[b, a] = -(energies[0] - energies[1]) / (2 * STRAIN)
    return {"virial": virial, "differences": differences}


def _set_box(lmp: Any, origin: tuple[float, float, float], cell: np.ndarray) -> None:
    """Another cell, with the atoms at the same places relative to it."""
    sides = " ".join(f"{'xyz'[k]} final {origin[k]:.17g} {origin[k] + cell[k, k]:.17g}" for k in range(3))
    tilts = f"xy final {cell[1, 0]:.17g} xz final {cell[2, 0]:.17g} yz final {cell[2, 1]:.17g}"
    lmp.command(f"change_box all {sides} {tilts} remap units box")


def energy_in_time(lmp: Any, job: Job) -> Arrays:
    """Change of the total energy (eV) of `cluster` in NVE at the same times, for each of `TIMESTEPS`."""
    errors = []
    for timestep in TIMESTEPS:
        load(lmp, structures.cluster(job.build), job.lines, job.elements)
        lmp.commands_string(
            f"velocity all create 300 7 loop all\nfix move all nve\ntimestep {timestep}\n"
            "neighbor 0.5 bin\nneigh_modify every 1 delay 0 check yes\n"
            "thermo_style custom step etotal\nthermo_modify norm no\nrun 0 post no"
        )
        energies = [lmp.get_thermo("etotal")]
        for _ in range(SAMPLES):
            lmp.command(f"run {round(LENGTH / timestep / SAMPLES)} pre no post no")
            energies.append(lmp.get_thermo("etotal"))
        errors.append(np.array(energies[1:]) - energies[0])
    return {"errors": np.array(errors)}


def across_cutoff(lmp: Any, job: Job) -> Arrays:
    """Energy and forces with the last atom of `crossing` within, beside (`ASIDE`) and beyond the cutoff."""
    distances = [0.7 * job.cutoff]
    distances += [job.cutoff + side for aside in ASIDE for side in (-aside, aside)]
    distances += [job.cutoff + 0.4]
    load(lmp, structures.crossing(job.build, job.cutoff), job.lines, job.elements)
    lmp.commands_string("thermo_style custom step pe\nthermo_modify norm no\nrun 0 post no")
    places = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
    energies, forces = [], []
    for distance in distances:
        places[2, 0] = places[1, 0] + distance
        energies.append(_energy_at(lmp, places))
        forces.append(forces_of(lmp))
    return {"distances": np.array(distances), "energies": np.array(energies), "forces": np.array(forces)}


def resumed(lmp: Any, job: Job) -> Arrays:
    """Places (unwrapped, Å) and forces of `liquid` after a few steps: in one go, and resumed half-way from a file."""
    begin = (
        "neighbor 0.3 bin\nneigh_modify every 1 delay 0 check yes\nfix move all nve\ntimestep 0.0005\n"
        "compute u all property/atom xu yu zu\nthermo_style custom step pe\n"
    )

    def run(script: str) -> tuple[np.ndarray, np.ndarray]:
        lmp.commands_string(f"{script}\nrun {_STEPS} post no")
        return np.array(lmp.gather("c_u", 1, 3)).reshape(-1, 3), forces_of(lmp)

    load(lmp, structures.liquid(job.build), job.lines, job.elements)
    with shared_folder() as folder:
        path = folder / "half.restart"
        lmp.commands_string(f"velocity all create 1000 7 loop all\n{begin}run {_STEPS} post no\nwrite_restart {path}")
        straight = run("")
        lmp.commands_string("\n".join(["clear", f"read_restart {path}", *job.lines]))
        again = run(begin)
    return {"places": straight[0], "forces": straight[1], "again_places": again[0], "again_forces": again[1]}


def committee(lmp: Any, job: Job) -> Arrays:
    """How far several models disagree on `slab`."""
    load(lmp, structures.slab(job.build), job.lines, job.elements)
    lmp.commands_string(
        f"compute c all pair {job.style}\nfix v all pair 1 {job.style} variance 0\n"
        "thermo_style custom step pe c_c[1]\nthermo_modify norm no\nrun 0 post no"
    )
    return {
        "variance": np.array(lmp.gather("f_v", 1, 1)),
        "numbers": np.array([lmp.extract_compute("c", 0, 1)[k] for k in range(9)]),
        "forces": forces_of(lmp),
    }


def refused(lmp: Any, job: Job) -> Arrays:
    """What LAMMPS says to a pair style that it should refuse."""
    try:
        load(lmp, structures.lone_atoms(job.build), job.lines, job.elements)
        lmp.command("run 0 post no")
    except Exception as problem:  # LAMMPS raises plain exceptions
        return {"message": np.array(str(problem))}
    return {"message": np.array("")}


WORK: dict[str, Callable[[Any, Job], Arrays]] = {
    function.__name__: function
    for function in (
        several_structures, slopes, strains, energy_in_time, across_cutoff, resumed, committee, refused,
    )
}  # fmt: skip
