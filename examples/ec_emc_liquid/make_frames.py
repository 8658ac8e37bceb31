"""Frames for labels: EC:EMC liquids of 2:10 to 10:2 molecules, 0.6 to 1.2 g/cm³, 300 to 600 K, and what they give.

python make_frames.py

Each liquid is packed and mixed with the classical force field at constant volume. Each of its frames is then moved for
0.2 ps by the small model of ../ec_emc, so that bonds and angles are those of GFN2-xTB and not those of the force field.
Packings that are kept apart give the test frames. What is there already is not made again.
"""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

import lamplighter as ll
from lamplighter.analysis.isolated_molecules import BONDED, isolated_molecules
from lamplighter.observables.scan_frames import made_from

HERE = Path(__file__).parent
MODEL = HERE.parent / "ec_emc" / "models" / "ec_emc_0.model"
WORK = Path("frames")

EC_OF_TWELVE = (2, 4, 6, 8, 10)
DENSITIES = {"train": (0.6, 0.75, 0.9, 1.05, 1.2), "test": (0.95,)}  # g/cm³
TEMPERATURES = (300, 400, 500, 600)  # K
FRAMES = 6
APART_PS = 3
SCANNED = (0.3, 1.5)  # g/cm³


def bare(frame: Atoms) -> Atoms:
    """Elements, positions and cell, and nothing else."""
    return Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)


def classical_frames(name: str, n_ec: int, density: float, temperature: int, seed: int) -> list[Atoms]:
    """`FRAMES` frames of a run at constant volume, after 10 ps at 600 K."""
    folder = WORK / name
    if not (folder / "liquid" / "structure.xyz").exists():
        parts = [{"molecule": "EC", "number": n_ec}, {"molecule": "EMC", "number": 12 - n_ec}]
        ll.build({"components": parts, "density": f"{density} g/cm3", "cutoff": "5.5 A"}, folder / "liquid", seed=seed)
    run = {
        "structure": {"file": f"{folder}/liquid/structure.xyz", "molecules": f"{folder}/liquid/molecules.yaml"},
        "potential": {"classical": "opls-aa", "cutoff": "5.5 A"},
        "timestep": "1 fs",
        "seed": seed,
        "guard": {"preset": "stability", "every": 10},
        "output": {"thermo": "1 ps", "trajectory": f"{APART_PS} ps", "restart": "10 ps"},
        "stages": [
            {"type": "minimise", "max_steps": 500},
            {"type": "nvt", "length": "10 ps", "temperature": "600 K"},
            {"type": "nvt", "length": f"{APART_PS * FRAMES} ps", "temperature": f"{temperature} K"},
        ],
    }
    done = ll.run(run, output=folder / "run", resume=True, threads=1, progress=False)
    return [Atoms(f.numbers, f.positions, cell=f.cell, pbc=True) for f in list(done.trajectory)[-FRAMES:]]


def moved(frame: Atoms, calculator: ll.Calculator, temperature: int, rng: np.random.Generator) -> Atoms:
    """After 0.2 ps with the model; shorter steps first, as the force field's bonds have other lengths."""
    atoms = bare(frame)
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    for timestep, steps in ((0.25, 200), (0.5, 300)):
        Langevin(atoms, timestep * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng).run(steps)
    return bare(atoms)


def scanned(frame: Atoms, density: float) -> Atoms:
    """The same molecules as rigid bodies at another density (g/cm³)."""
    return bare(made_from(frame, "liquid", [density], BONDED, False).frames[0])


def main() -> None:
    """Write `liquid`, `scans` and `molecules`, each as `KIND_frames.xyz` and `KIND_test_frames.xyz`."""
    calculator = ll.Calculator(MODEL, dtype="float32")
    for use, densities in DENSITIES.items():
        ending = "" if use == "train" else f"_{use}"
        liquid: list[Atoms] = []
        for place, density in enumerate(densities):
            for n_ec in EC_OF_TWELVE:
                seed = 100 * (use == "test") + 10 * place + n_ec
                rng = np.random.default_rng(seed)
                temperature = int(rng.choice(TEMPERATURES))
                name = f"{use}_{n_ec}_{density}"
                kept = WORK / f"{name}.xyz"
                if not kept.exists():
                    frames = classical_frames(name, n_ec, density, temperature, seed)
                    ase.io.write(kept, [moved(each, calculator, temperature, rng) for each in frames])
                    print(f"{name}: {temperature} K, {len(frames)} frames", flush=True)
                liquid += ase.io.read(kept, ":")
        rng = np.random.default_rng(len(liquid))
        of_scans = [scanned(each, rng.uniform(*SCANNED)) for each in liquid[3::5]]
        alone = isolated_molecules(liquid[::15]).molecules
        for kind, made in (("liquid", liquid), ("scans", of_scans), ("molecules", alone)):
            ase.io.write(f"{kind}{ending}_frames.xyz", [bare(each) for each in made])
            print(f"{kind}{ending}_frames.xyz: {len(made)} frames", flush=True)


if __name__ == "__main__":
    main()
