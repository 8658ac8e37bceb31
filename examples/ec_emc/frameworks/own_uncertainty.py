"""What the own uncertainty of the example's NequIP model says of its force errors, beside the committee of three.

As `../own_uncertainty.py` asks of MACE: the true error of an atom is |F − F_xtb| of the first model against GFN2-xTB
labels; a measure is asked for the worst tenth of the atoms and for their order. Runs in the environment of NequIP.

Example:  python own_uncertainty.py            # prints the table; a few minutes on one core
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from ase import Atoms
from ase.io import read, write
from training_frames import read_frames, split

from lamplighter.config.potential import PotentialSection
from lamplighter.driver.evaluation import evaluate_frames, open_evaluator
from lamplighter.driver.training_statistics import learn_training_set
from lamplighter.model_files import trust
from lamplighter.potentials.native import compile_files
from lamplighter.potentials.readout_inputs import ReadoutInputs

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from ranking import WORST, with_error  # noqa: E402  (a script of the folder above)


def forces_of(model: Path, frames: list[Atoms]) -> np.ndarray:
    """Of the atoms of all frames, shape (n, 3), eV/Å."""
    with open_evaluator(PotentialSection(models=[model]), ["C", "H", "O"], threads=1) as evaluator:
        return np.concatenate([labels.forces for labels in evaluate_frames(evaluator, frames)])


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    plan = yaml.safe_load((HERE / "nequip.yaml").read_text())
    first = plan["members"][0]
    training, _ = split(read_frames(plan, HERE), first["fraction"], first["seed"])
    training = [Atoms(a.numbers, a.positions, cell=a.cell, pbc=a.pbc) for a in training]
    packages = sorted((HERE / "models" / "nequip").glob("*.zip"))
    trust.allow([trust.sha256(package) for package in packages])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        models = [folder / f"{k}.lamp" for k in range(len(packages))]
        for package, model in zip(packages, models, strict=True):
            compile_files([package], model)
        write(folder / "training.xyz", training)
        known = learn_training_set(models[0], folder / "training.xyz", training)
        inputs = ReadoutInputs(models[0])
        print(f"{known.source['frames']} training frames, {known.source['atoms']} atoms, f of {inputs.n_features}\n")
        for name in ("xtb_test", "liquid_test"):
            frames = read(HERE.parent / "data" / f"{name}.xyz", ":")
            forces = np.array([forces_of(model, frames) for model in models])
            reference = np.concatenate([a.arrays["forces_xtb"] for a in frames])
            error = np.linalg.norm(forces[0] - reference, axis=1)
            measures = {
                "U": np.concatenate(
                    [next(iter(known.elements.values())).residuals(inputs.describe(a))[0] for a in frames]
                ),
                f"committee of {len(models)}": np.square(forces - forces.mean(axis=0)).sum(axis=-1).mean(axis=0),
            }
            median, worst = np.median(error), np.quantile(error, WORST)
            print(f"### {name}: {len(frames)} frames, {len(error)} atoms")
            print(f"error of forces: median {median:.3f}, worst tenth beyond {worst:.3f} eV/Å\n")
            print("| measure | AUROC | Spearman | Spearman of the frames' largest |")
            print("|---|---|---|---|")
            for label, measure in measures.items():
                print(f"| {label} | {with_error(measure, error, [len(a) for a in frames])} |", flush=True)


if __name__ == "__main__":
    main()
