"""`lamplighter.Calculator` against MACE's own ASE calculator: the same steps of `ase.md` with the same model.

Both sides take turns in one process on one thread: velocity Verlet of a liquid, then single points of strained cells,
where every frame is put into LAMMPS anew. Energies of both are compared on the way.

Example:  python benchmarks/calculator.py
          python benchmarks/calculator.py --model my.model --structure liquid.xyz --steps 50
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from ase import Atoms, units
from ase.io import read
from ase.md.verlet import VelocityVerlet

import lamplighter as ll

EXAMPLE = Path(__file__).parents[1] / "examples" / "ec_emc"


def dynamics(atoms: Atoms, steps: int) -> float:
    """Seconds of a step of dynamics."""
    integrator = VelocityVerlet(atoms, 0.5 * units.fs)
    begin = time.perf_counter()
    integrator.run(steps)
    return (time.perf_counter() - begin) / steps


def strained(atoms: Atoms, frames: int) -> float:
    """Seconds of energy, forces and stress of a frame with another cell."""
    cell = atoms.cell.array.copy()
    begin = time.perf_counter()
    for k in range(frames):
        atoms.set_cell(cell * (1.0 + 1e-4 * (k + 1)), scale_atoms=True)
        atoms.get_forces()
        atoms.get_stress()
    seconds = (time.perf_counter() - begin) / frames
    atoms.set_cell(cell, scale_atoms=True)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=EXAMPLE / "models" / "ec_emc_0.model")
    parser.add_argument("--structure", type=Path, default=EXAMPLE / "structures" / "ec_emc_160.xyz")
    parser.add_argument("--steps", type=int, default=20, help="Steps, or frames, of a turn.")
    parser.add_argument("--turns", type=int, default=5, help="Turns of each side.")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        mace: Any = MACECalculator(model_paths=str(given.model), device="cpu", default_dtype=given.dtype)
    ours = ll.Calculator(given.model, dtype=given.dtype, threads=1)
    sides: dict[str, Atoms] = {}
    for name, calculator in (("MACE's own", mace), ("Lamplighter's", ours)):
        atoms = read(given.structure)
        assert isinstance(atoms, Atoms)
        rng = np.random.default_rng(1)
        atoms.set_velocities(rng.normal(size=(len(atoms), 3)) * np.sqrt(300 * units.kB / atoms.get_masses())[:, None])
        atoms.calc = calculator
        dynamics(atoms, 3)  # what is done once
        sides[name] = atoms
    print(f"{given.model.name}, {len(atoms)} atoms, {given.dtype}, one thread, median of {given.turns} turns")
    tasks: dict[str, Callable[[Atoms, int], float]] = {"step of ase.md": dynamics, "frame with another cell": strained}
    for task, run in tasks.items():
        times: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(given.turns):
            for name, atoms in sides.items():
                times[name].append(run(atoms, given.steps))
        ratios = [a / b for a, b in zip(*times.values(), strict=True)]
        medians = ", ".join(f"{name} {1e3 * statistics.median(each):.2f} ms" for name, each in times.items())
        print(f"{task}: {medians}; ratio {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
    energies = [atoms.get_potential_energy() for atoms in sides.values()]
    print(f"energies after {given.steps * given.turns + 3} steps differ by {abs(energies[0] - energies[1]):.1e} eV")


if __name__ == "__main__":
    main()
