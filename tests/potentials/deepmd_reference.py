"""Energy, forces and virial of structures by DeePMD-kit's own `DeepPot`. `deepmd_reference.py MODEL OUT.npz`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from deepmd.infer import DeepPot

sys.path.insert(0, str(Path(__file__).parent))
from deepmd_structures import STRUCTURES

import structures

model, out = sys.argv[1:]
potential = DeepPot(model)
assert sorted(potential.get_type_map()) == sorted(structures.ELEMENTS)
found: dict[str, np.ndarray] = {}
for name, build in STRUCTURES.items():
    atoms = build()
    types = [potential.get_type_map().index(symbol) for symbol in atoms.symbols]
    energy, forces, virial = potential.eval(atoms.positions.reshape(1, -1), atoms.cell.array.reshape(1, 9), types)[:3]
    found[f"{name}/energy"] = energy.squeeze()
    found[f"{name}/forces"] = forces.reshape(-1, 3)
    found[f"{name}/virial"] = virial.reshape(3, 3)
np.savez(out, **found)
