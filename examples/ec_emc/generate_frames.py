"""Make periodic frames of EC:EMC liquids with a MACE model and label them with GFN2-xTB.

Each trajectory draws a composition, a density and a temperature, packs whole molecules at low density,
compresses them to the drawn density and runs MD (Langevin NVT, or MTK NPT at 1 atm, 0.5 fs).
A part of the frames is then scaled rigidly (molecules keep their geometry, centres of mass
move) to another density, from the almost empty box to the compressed liquid. Every frame that
still holds the molecules it started with is labelled by `tblite` and written as extended XYZ:

    energy_xtb   eV, total energy (same zero as the cluster data: GFN2-xTB total energy)
    forces_xtb   eV/Å, (N, 3)
    stress_xtb   eV/Å³, (9,) the symmetric tensor row by row, ASE's sign (negative under compression)

Example:  python generate_frames.py --model models/ec_emc_0.model --output data/liquid_round2.xyz
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import mace  # noqa: F401  (before e3nn, which its import patches)
import numpy as np
import torch
from ase import Atoms, units
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.optimize import FIRE
from mace.calculators import MACECalculator
from molecules import composition, density, find_molecules, pack, scale_rigidly, unwrap
from tblite.ase import TBLite

HERE = Path(__file__).parent
TIMESTEP_FS = 0.5
ONE_ATM = 1.01325 * units.bar


def templates() -> dict[str, list[Atoms]]:
    """Whole EC and EMC molecules cut from the liquid frame of the data set."""
    liquid = unwrap(read(HERE / "data" / "ec_emc_liquid_160.xyz"))
    cut = [liquid[m] for m in find_molecules(liquid)]
    return {
        "EC": [m for m in cut if m.get_chemical_formula() == "C3H4O3"],
        "EMC": [m for m in cut if m.get_chemical_formula() == "C4H8O3"],
    }


def label(atoms: Atoms) -> Atoms:
    """A clean copy of `atoms` with GFN2-xTB energy, forces and stress under the data set's keys."""
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    bare.wrap()
    bare.calc = TBLite(method="GFN2-xTB", verbosity=0)
    labelled = Atoms(bare.numbers, bare.positions, cell=bare.cell, pbc=bare.pbc)
    labelled.info["energy_xtb"] = bare.get_potential_energy()
    labelled.arrays["forces_xtb"] = np.round(bare.get_forces(), 6)
    labelled.info["stress_xtb"] = np.round(bare.get_stress(voigt=False), 9).ravel()
    return labelled


def compress(box: Atoms, target: float, calculator: MACECalculator) -> Atoms:
    """Bring a packed box to `target` g/cm³ in rigid steps of at most 12 % with short relaxations."""
    while True:
        next_density = min(target, 1.12 * density(box))
        box = scale_rigidly(box, next_density)
        box.calc = calculator
        FIRE(box, logfile=None, maxstep=0.1).run(fmax=2.0, steps=8)
        if next_density == target:
            return box


def trajectory(
    box: Atoms,
    calculator: MACECalculator,
    ensemble: str,
    temperature: float,
    interval: int,
    frames: int,
    rng: np.random.Generator,
) -> list[Atoms]:
    """Frames every `interval` steps of an MD run at `temperature` (K).

    Stops when a molecule breaks (looked at every fifth of an interval); the last frame before that,
    where the model begins to fail, is then among the frames.
    """
    box.calc = calculator
    MaxwellBoltzmannDistribution(box, temperature_K=temperature, rng=rng)
    Stationary(box)
    if ensemble == "npt":
        dynamics = IsotropicMTKNPT(
            box,
            timestep=TIMESTEP_FS * units.fs,
            temperature_K=temperature,
            pressure_au=ONE_ATM,
            tdamp=50 * units.fs,
            pdamp=500 * units.fs,
        )
    else:
        dynamics = Langevin(
            box,
            timestep=TIMESTEP_FS * units.fs,
            temperature_K=temperature,
            friction=0.02 / units.fs,
            rng=rng,
        )
    start = composition(box)
    kept: list[Atoms] = []
    last = box.copy()
    for look in range(1, 5 * frames + 1):
        dynamics.run(interval // 5)
        if composition(box) != start:
            print(f"  stopped: {start} became {composition(box)}", flush=True)
            return [*kept, last] if (look - 1) % 5 else kept
        last = box.copy()
        if look % 5 == 0:
            kept.append(last)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="MACE model that drives the MD")
    parser.add_argument("--output", type=Path, required=True, help="extended XYZ file to write")
    parser.add_argument("--ensemble", choices=("nvt", "npt"), default="nvt")
    parser.add_argument("--trajectories", type=int, default=20)
    parser.add_argument("--frames", type=int, default=3, help="frames per trajectory")
    parser.add_argument("--interval", type=int, default=150, help="MD steps (0.5 fs) between frames")
    parser.add_argument("--molecules", type=int, default=6, help="molecules per box (1/3 EC)")
    parser.add_argument("--any-composition", action="store_true", help="1/6 to 5/6 of EC")
    parser.add_argument("--temperature", type=float, nargs=2, default=(300, 800), metavar="K")
    parser.add_argument("--density", type=float, nargs=2, default=(0.6, 1.3), metavar="g/cm3")
    parser.add_argument("--rigid", type=float, default=0.2, help="share of frames scaled rigidly")
    parser.add_argument("--rigid-density", type=float, nargs=2, default=(0.1, 1.5), metavar="g/cm3")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    rng = np.random.default_rng(arguments.seed)
    calculator = MACECalculator(model_paths=str(arguments.model), device="cpu", default_dtype="float32")
    molecules = templates()
    started = time.process_time()
    labelled: list[Atoms] = []
    for number in range(arguments.trajectories):
        share = rng.uniform(1 / 6, 5 / 6) if arguments.any_composition else 1 / 3
        ec = round(share * arguments.molecules)
        temperature = rng.uniform(*arguments.temperature)
        target = rng.uniform(*arguments.density)
        species = ["EC"] * ec + ["EMC"] * (arguments.molecules - ec)
        guests = [molecules[name][rng.integers(len(molecules[name]))] for name in species]
        packed = pack(guests, min(0.35, target), rng)
        box = compress(packed, target, calculator)
        if composition(box) != composition(packed):
            print(f"  dropped: compression made {composition(box)}", flush=True)
            continue
        frames = trajectory(box, calculator, arguments.ensemble, temperature, arguments.interval, arguments.frames, rng)
        for frame in frames:
            kind = arguments.ensemble
            if rng.random() < arguments.rigid:
                kind = "rigid"
                frame = scale_rigidly(frame, rng.uniform(*arguments.rigid_density))
            result = label(frame)
            if np.abs(result.arrays["forces_xtb"]).max() > 60:
                print("  dropped: a force above 60 eV/Å", flush=True)
                continue
            result.info |= {
                "config_type": f"liquid_{kind}",
                "Comp": f"EC({ec}):EMC({len(species) - ec})",
                "trajectory": f"{arguments.seed}-{number}",
                "temperature": round(temperature, 1),
                "density": round(density(result), 4),
            }
            labelled.append(result)
        write(arguments.output, labelled, format="extxyz")
        print(
            f"{number + 1}/{arguments.trajectories} {species.count('EC')} EC T {temperature:.0f} K "
            f"rho {target:.2f} -> {density(box):.2f} g/cm3, {len(labelled)} frames, "
            f"{time.process_time() - started:.0f} s CPU",
            flush=True,
        )


if __name__ == "__main__":
    main()
