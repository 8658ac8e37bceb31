"""Dynamics on some ranks whose steps are recorded, held against those whose steps are not."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from tests.conftest import Run

PROGRAM = Path(__file__).with_name("recorded_evaluation.py")


def recorded_dynamics(mpirun: Run, ranks: int, atoms: Atoms, asked: Mapping[str, tuple[str, str]], folder: Path) -> Any:
    """What `recorded_evaluation.py` found, of which positions and recordings are as they ought to be.

    Args:
        asked: Words of the pair style and model file, by any names.
        folder: Takes files.
    """
    ase.io.write(folder / "atoms.traj", atoms)
    done = mpirun(ranks, [sys.executable, PROGRAM, folder, json.dumps(asked)], timeout=280)
    assert (folder / "found.npz").exists(), (done.stdout + done.stderr)[-3000:]
    assert "Note:" not in done.stderr, done.stderr[-3000:]
    found = np.load(folder / "found.npz")
    for name in asked:
        np.testing.assert_allclose(found[f"{name}_recorded"], found[f"{name}_usual"], rtol=0, atol=1e-10)
        _, recordings, used, _ = found[f"{name}_counts"].T
        assert recordings.max() <= 4
        assert used.min() >= 4
    return found
