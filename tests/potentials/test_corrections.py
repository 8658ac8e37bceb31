"""Dispersion and repulsion of the run file: what they add is what they are alone, and a committee stays one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Run

PROGRAM = Path(__file__).with_name("corrections_evaluation.py")


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_sum_is_that_of_its_parts(mpirun: Run, python: Path, tmp_path: Path, ranks: int) -> None:
    done = mpirun(ranks, [python, PROGRAM, tmp_path / "out.npz"], timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(tmp_path / "out.npz")
    assert found["dispersion/d3|energy"] < -1.0
    assert found["zbl|energy"] > 1.0
    for name in ("model", "committee", "styles"):
        for quantity in ("energy", "forces", "pressure"):
            parts = [found[f"{part}|{quantity}"] for part in (name, "dispersion/d3", "zbl")]
            scale = max(np.abs(part).max() for part in parts)
            np.testing.assert_allclose(found[f"{name} + both|{quantity}"], sum(parts), rtol=0, atol=1e-10 * scale)
    # cut off at 20 Å, where an atom has more neighbours than LAMMPS makes room for unasked
    far = found["model + far dispersion|energy"] - found["model|energy"]
    assert 1.3 * found["dispersion/d3|energy"] < far < found["dispersion/d3|energy"]
    for name in ("committee", "styles"):
        assert found[f"{name}|numbers"][0] > 1e-3
        for quantity in ("numbers", "variance"):
            alone, together = found[f"{name}|{quantity}"], found[f"{name} + both|{quantity}"]
            np.testing.assert_allclose(together, alone, rtol=1e-8, atol=1e-12)
        np.testing.assert_array_equal(found[f"{name}|guard"], 9)  # variance: its number in fix_guard.h
        np.testing.assert_array_equal(found[f"{name} + both|guard"], 9)
