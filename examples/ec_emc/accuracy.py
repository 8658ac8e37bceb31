"""Test sets of this example, and the errors of a prediction against their GFN2-xTB labels.

Test sets: `data/xtb_test.xyz` (clusters) and `data/liquid_test.xyz` (periodic frames, from trajectories that gave no
training frame). Definitions, over all frames n of a set:

    energy  sqrt(mean_n ((E_model - E_xtb) / N_n)²)                     meV/atom
    forces  sqrt(mean over all Cartesian components of all atoms)       eV/Å
    stress  sqrt(1/(6 n) Σ_n Σ_{a<=b} (σ_model - σ_xtb)²)               meV/Å³ (periodic frames)

No framework is imported here: scripts of all of them use it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

HERE = Path(__file__).parent
TEST_SETS = {
    "clusters": HERE / "data" / "xtb_test.xyz",
    "liquid": HERE / "data" / "liquid_test.xyz",
}

#: `energy` (eV), `forces` (eV/Å, (N, 3)) and, of periodic frames, `stress` (eV/Å³, (3, 3)); one entry a frame.
Prediction = dict[str, list[Any]]


def errors(prediction: Prediction, frames: list[Atoms]) -> dict[str, float]:
    """RMSE of energy (meV/atom), forces (eV/Å) and, for periodic frames, stress (meV/Å³)."""
    atoms = np.array([len(a) for a in frames])
    reference = np.array([a.info["energy_xtb"] for a in frames])
    energy = (np.array(prediction["energy"]) - reference) / atoms
    forces = np.concatenate(prediction["forces"]) - np.concatenate([a.arrays["forces_xtb"] for a in frames])
    table = {
        "frames": len(frames),
        "energy_rmse_meV_per_atom": 1e3 * rms(energy),
        "energy_mean_error_meV_per_atom": 1e3 * float(energy.mean()),
        "force_rmse_eV_per_A": rms(forces),
        "force_reference_rms_eV_per_A": rms(np.concatenate([a.arrays["forces_xtb"] for a in frames])),
    }
    if all(a.pbc.all() for a in frames):
        upper = np.triu_indices(3)
        stress = np.array(
            [(s - a.info["stress_xtb"].reshape(3, 3))[upper] for s, a in zip(prediction["stress"], frames, strict=True)]
        )
        table["stress_rmse_meV_per_A3"] = 1e3 * rms(stress)
    return {key: round(value, 4) for key, value in table.items()}


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def mean_prediction(members: list[Prediction]) -> Prediction:
    """The committee mean of the members' predictions."""
    return {
        key: [np.mean([m[key][n] for m in members], axis=0) for n in range(len(members[0][key]))] for key in members[0]
    }
