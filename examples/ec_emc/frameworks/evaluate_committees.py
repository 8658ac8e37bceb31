"""Errors of committees of other frameworks on the test sets of the MACE models.

Run it in an environment that has the framework; each run replaces that framework's part of `errors.json`. Test sets and
definitions are those of `../accuracy.py`; energies and forces come from each framework's own ASE calculator. Beside
errors of the members and of the committee mean, for each test set:

    first_5          errors of each member on the first five frames: a quick check that a model is still the same
    variance_max     median over frames of the largest force variance of an atom, max_i σ²_i (divisor K), eV²/Å²
    rank             Spearman's rank correlation, over frames, of max_i σ²_i with the true error of the forces
                     (largest squared length of the error of the mean force on an atom)

Example:  python evaluate_committees.py nequip allegro       # in the environment of NequIP
          python evaluate_committees.py deepmd deepmd_short  # in that of DeePMD-kit
          python evaluate_committees.py gap                  # in one with quippy-ase
          python evaluate_committees.py --check gap          # the first five frames only, held against errors.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read
from scipy.stats import spearmanr

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from accuracy import TEST_SETS, Prediction, errors, mean_prediction  # noqa: E402  (of the folder above)

FIRST = 5
#: Largest difference of an error on the first frames, relative, at which a model still counts as the same.
SAME = 1e-3


def nequip_calculator(model: Path) -> Any:
    """NequIP's own, which serves Allegro too."""
    from nequip.integrations.ase import NequIPCalculator

    return NequIPCalculator._from_saved_model(str(model), chemical_species_to_atom_type_map=True)


def deepmd_calculator(model: Path) -> Any:
    from deepmd.calculator import DP

    return DP(model=str(model))


def gap_calculator(model: Path) -> Any:
    from quippy.potential import Potential

    return Potential(param_filename=str(model))


#: Where the models of a committee are, and the ASE calculator that reads one.
COMMITTEES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "nequip": ("models/nequip/*.nequip.zip", nequip_calculator),
    "allegro": ("models/allegro/*.nequip.zip", nequip_calculator),
    "deepmd": ("models/deepmd/*.pb", deepmd_calculator),
    "deepmd_short": ("../deepmd/models/*.pb", deepmd_calculator),
    "gap": ("models/gap/*.xml", gap_calculator),
}


def predict(calculator: Any, frames: list[Atoms]) -> Prediction:
    """Energies (eV), forces (eV/Å, (N, 3)) and, of periodic frames, stresses (eV/Å³, (3, 3))."""
    found: Prediction = {"energy": [], "forces": [], "stress": []}
    for frame in frames:
        atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc, calculator=calculator)
        found["energy"].append(float(atoms.get_potential_energy()))
        found["forces"].append(np.array(atoms.get_forces()))
        if frame.pbc.all():
            found["stress"].append(np.array(atoms.get_stress(voigt=False)))
    return found


def disagreement(members: list[Prediction], mean: Prediction, frames: list[Atoms]) -> dict[str, float]:
    """The median of max_i σ²_i over frames, and its rank correlation with the true error."""
    largest, wrong = [], []
    for n, frame in enumerate(frames):
        forces = np.array([member["forces"][n] for member in members])
        largest.append(np.square(forces - forces.mean(axis=0)).sum(axis=-1).mean(axis=0).max())
        wrong.append(np.square(mean["forces"][n] - frame.arrays["forces_xtb"]).sum(axis=-1).max())
    return {
        "variance_max_eV2_A2": round(float(np.median(largest)), 4),
        "rank": round(float(spearmanr(largest, wrong).statistic), 3),
    }


def calculators_of(kind: str) -> list[Any]:
    """An ASE calculator for each model of the committee `kind`.

    Raises:
        FileNotFoundError: there is no model.
    """
    pattern, calculator = COMMITTEES[kind]
    files = sorted(HERE.glob(pattern))
    if not files:
        raise FileNotFoundError(f"no models of {kind}: there is no {HERE / pattern}")
    return [calculator(file) for file in files]


def check(kind: str, kept: dict[str, Any]) -> list[str]:
    """In what the members differ, on the first frames of the test sets, from `kept`, their part of `errors.json`."""
    differences = []
    calculators = calculators_of(kind)
    for name, path in TEST_SETS.items():
        frames = read(path, f":{FIRST}")
        if len(calculators) != len(kept[name]["first_5"]):
            return [f"there are {len(calculators)} models of {kind}, and errors of {len(kept[name]['first_5'])}"]
        for member, (calculator, before) in enumerate(zip(calculators, kept[name]["first_5"], strict=True)):
            now = errors(predict(calculator, frames), frames)
            for key, value in now.items():
                if abs(value - before[key]) > SAME * abs(before[key]) + 2e-4:  # four digits are kept
                    differences.append(f"{kind} {member}, {name}: {key} is {value}, was {before[key]}")
    return differences


def evaluate(kind: str) -> dict[str, Any]:
    """Errors of the committee `kind`, by test set."""
    calculators = calculators_of(kind)
    result: dict[str, Any] = {}
    for name, path in TEST_SETS.items():
        frames = read(path, ":")
        members = [predict(member, frames) for member in calculators]
        mean = mean_prediction(members)
        few = [errors({key: values[:FIRST] for key, values in member.items()}, frames[:FIRST]) for member in members]
        result[name] = {
            "members": [errors(member, frames) for member in members],
            "mean": errors(mean, frames),
            "first_5": few,
            **disagreement(members, mean, frames),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("committees", nargs="+", choices=COMMITTEES)
    parser.add_argument("--check", action="store_true", help="whether the models still give what errors.json says")
    arguments = parser.parse_args()
    file = HERE / "errors.json"
    if arguments.check:
        kept = json.loads(file.read_text())
        differences = [line for kind in arguments.committees for line in check(kind, kept[kind])]
        sys.exit("\n".join(differences) or None)
    for kind in arguments.committees:
        found = evaluate(kind)
        kept = json.loads(file.read_text()) if file.exists() else {}
        kept[kind] = found
        file.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")
        print(kind, json.dumps({name: found[name]["mean"] for name in found}))


if __name__ == "__main__":
    main()
