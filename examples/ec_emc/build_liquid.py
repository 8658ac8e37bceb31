"""Build start frames of EC:EMC 3:7 (1:2 by molecules) and equilibrate them briefly with a model.

    640 atoms (16 EC + 32 EMC)    packed at random, compressed with rigid molecules, NVT
    160 atoms (4 EC + 8 EMC)      the data set's liquid frame, scaled rigidly, NVT
    4320 atoms (108 EC + 216 EMC) 3 × 3 × 3 copies of the 160-atom frame, nothing run

Written as extended XYZ with cell and pbc, molecules whole, no labels; atoms of a molecule are
contiguous. Density in g/cm³, temperature in K, time in ps.

Example:  python build_liquid.py --atoms 640 --output structures/ec_emc_640.xyz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mace  # noqa: F401  (before e3nn, which its import patches)
import numpy as np
import torch
from ase import Atoms, units
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from generate_frames import TIMESTEP_FS, compress, templates
from mace.calculators import MACECalculator
from molecules import composition, density, find_molecules, longest_bond_stretch, pack, scale_rigidly, unwrap

HERE = Path(__file__).parent


def start_frame(size: int, target: float, calculator: MACECalculator, seed: int) -> Atoms:
    """The frame before equilibration; `size` in atoms (160 or a multiple of 40), density g/cm³."""
    if size == 160:
        liquid = read(HERE / "data" / "ec_emc_liquid_160.xyz")
        return scale_rigidly(Atoms(liquid.numbers, liquid.positions, cell=liquid.cell, pbc=True), target)
    if size % 40:
        raise ValueError(f"atoms must be a multiple of 40 (1 EC + 2 EMC), got {size}")
    rng = np.random.default_rng(seed)
    molecules = templates()
    guests = [
        molecules[name][rng.integers(len(molecules[name]))] for name in ["EC"] * (size // 40) + ["EMC"] * (size // 20)
    ]
    return compress(pack(guests, 0.4, rng), target, calculator)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--atoms", type=int, choices=(160, 640, 4320), required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=HERE / "models" / "ec_emc_0.model")
    parser.add_argument("--density", type=float, default=0.92)
    parser.add_argument("--temperature", type=float, default=500.0)
    parser.add_argument("--time", type=float, default=0.25, help="NVT equilibration, ps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    if arguments.atoms == 4320:
        write(arguments.output, read(HERE / "structures" / "ec_emc_160.xyz") * (3, 3, 3))
        return
    torch.set_num_threads(arguments.threads)
    calculator = MACECalculator(model_paths=str(arguments.model), device="cpu", default_dtype="float64")
    frame = start_frame(arguments.atoms, arguments.density, calculator, arguments.seed)
    before = composition(frame)
    start = frame.copy()
    frame.calc = calculator
    rng = np.random.default_rng(arguments.seed)
    MaxwellBoltzmannDistribution(frame, temperature_K=arguments.temperature, rng=rng)
    dynamics = Langevin(
        frame,
        timestep=TIMESTEP_FS * units.fs,
        temperature_K=arguments.temperature,
        friction=0.02 / units.fs,
        rng=rng,
    )
    dynamics.run(round(1000 * arguments.time / TIMESTEP_FS))
    if composition(frame) != before:
        raise RuntimeError(f"molecules broke: {before} became {composition(frame)}")
    stretch = longest_bond_stretch(frame, start)
    print(
        f"{before}, {density(frame):.3f} g/cm3, {frame.get_temperature():.0f} K, "
        f"longest bond stretch against the start {stretch:.2f} A"
    )
    whole = unwrap(frame)
    for molecule in find_molecules(frame):
        centre = whole.positions[molecule].mean(axis=0)
        whole.positions[molecule] -= np.floor(centre / whole.cell.lengths()) * whole.cell.lengths()
    write(arguments.output, Atoms(whole.numbers, whole.positions, cell=whole.cell, pbc=True), format="extxyz")


if __name__ == "__main__":
    main()
