"""Errors of the DeePMD committee on the test sets of the MACE models, beside theirs.

Test sets: `../data/xtb_test.xyz` (clusters) and `../data/liquid_test.xyz` (periodic frames); definitions of the errors
are those of `../evaluate.py`. MACE's errors are read from `../results.json`. Writes `results.json` and `results.md`.

Example:  python evaluate.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read
from data import TYPE_MAP, types_of
from deepmd.infer import DeepPot

HERE = Path(__file__).parent
TEST_SETS = {
    "clusters": HERE.parent / "data" / "xtb_test.xyz",
    "liquid": HERE.parent / "data" / "liquid_test.xyz",
}

Prediction = dict[str, list[Any]]


def predict(model: DeepPot, frames: list[Atoms]) -> Prediction:
    """Energies (eV), forces (eV/Å, (N, 3)) and, of periodic frames, stresses (eV/Å³, (3, 3))."""
    if tuple(model.get_type_map()) != TYPE_MAP:
        raise ValueError(f"the model's type map is {model.get_type_map()}, expected {TYPE_MAP}")
    found: Prediction = {"energy": [], "forces": [], "stress": []}
    for frame in frames:
        periodic = frame.pbc.all()
        cell = frame.cell.array.reshape(1, 9) if periodic else None
        energy, forces, virial = model.eval(frame.positions.reshape(1, -1), cell, types_of(frame))[:3]
        found["energy"].append(float(energy.squeeze()))
        found["forces"].append(forces.reshape(-1, 3))
        if periodic:
            found["stress"].append(-virial.reshape(3, 3) / frame.get_volume())
    return found


def errors(prediction: Prediction, frames: list[Atoms]) -> dict[str, float]:
    """RMSE of energy (meV/atom), forces (eV/Å) and, for periodic frames, stress (meV/Å³)."""
    atoms = np.array([len(frame) for frame in frames])
    energy = (np.array(prediction["energy"]) - np.array([frame.info["energy_xtb"] for frame in frames])) / atoms
    forces = np.concatenate(prediction["forces"]) - np.concatenate([frame.arrays["forces_xtb"] for frame in frames])
    table = {"energy_rmse_meV_per_atom": 1e3 * rms(energy), "force_rmse_eV_per_A": rms(forces)}
    if prediction["stress"]:
        upper = np.triu_indices(3)
        labels = [frame.info["stress_xtb"].reshape(3, 3) for frame in frames]
        stress = [(s - label)[upper] for s, label in zip(prediction["stress"], labels, strict=True)]
        table["stress_rmse_meV_per_A3"] = 1e3 * rms(np.array(stress))
    return {key: round(value, 4) for key, value in table.items()}


def rms(values: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def mean_prediction(members: list[Prediction]) -> Prediction:
    """The committee mean of the members' predictions."""
    return {
        key: [np.mean([member[key][n] for member in members], axis=0) for n in range(len(members[0][key]))]
        for key in members[0]
    }


def markdown(results: dict[str, Any]) -> str:
    """A table for each test set."""
    lines = []
    for name, rows in results.items():
        stress = name == "liquid"
        lines += [
            f"### {name}: {rows.pop('frames')} frames",
            "",
            "| model | energy, meV/atom | forces, eV/Å |" + (" stress, meV/Å³ |" if stress else ""),
            "|---|---|---|" + ("---|" if stress else ""),
        ]
        for label, row in rows.items():
            values = f"{row['energy_rmse_meV_per_atom']:.2f} | {row['force_rmse_eV_per_A']:.3f} |"
            lines.append(f"| {label} | {values}" + (f" {row['stress_rmse_meV_per_A3']:.2f} |" if stress else ""))
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    mace = json.loads((HERE.parent / "results.json").read_text())
    models = {path.stem: DeepPot(str(path)) for path in sorted((HERE / "models").glob("*.pb"))}
    results: dict[str, Any] = {}
    for name, path in TEST_SETS.items():
        frames = read(path, ":")
        members = {label: predict(model, frames) for label, model in models.items()}
        rows = {f"DeePMD {label}": errors(prediction, frames) for label, prediction in members.items()}
        rows["DeePMD committee mean"] = errors(mean_prediction(list(members.values())), frames)
        for label in ("ec_emc_0", "committee mean"):
            kept = rows["DeePMD committee mean"]
            rows[f"MACE {label}"] = {key: mace[name][label][key] for key in kept}
        results[name] = {"frames": len(frames), **rows}
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    table = markdown(results)
    print(table)
    (HERE / "results.md").write_text(table)


if __name__ == "__main__":
    main()
