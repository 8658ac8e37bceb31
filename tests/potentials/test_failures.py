"""A failure on one rank ends all ranks at once; and how many ranks there are does not change a trajectory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Run

HERE = Path(__file__).parent


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_exception_on_one_rank_ends_all_with_its_traceback(
    mpirun: Run, python: Path, small_model: Path, ranks: int
) -> None:
    done = mpirun(ranks, [python, HERE / "failing_rank.py", small_model, "exception"], timeout=120)
    assert done.returncode != 0
    assert "reached the end" not in done.stdout
    assert "ArithmeticError: the model broke on this rank alone" in done.stderr
    assert "failing_rank.py" in done.stderr  # the traceback leads to the line


@pytest.mark.mpi
@pytest.mark.quick("a killed rank ends all")
def test_a_killed_rank_ends_all(mpirun: Run, python: Path, small_model: Path) -> None:
    done = mpirun(2, [python, HERE / "failing_rank.py", small_model, "kill"], timeout=120)
    assert done.returncode != 0
    assert "reached the end" not in done.stdout


@pytest.mark.mpi
def test_the_trajectory_does_not_depend_on_the_number_of_ranks(
    mpirun: Run, python: Path, small_model: Path, tmp_path: Path
) -> None:
    final = {}
    for ranks in (1, 2, 4):
        out = tmp_path / f"{ranks}.npy"
        done = mpirun(ranks, [python, HERE / "same_trajectory.py", small_model, out], timeout=200)
        assert done.returncode == 0, done.stderr[-2000:]
        final[ranks] = np.load(out)
    for ranks in (2, 4):
        np.testing.assert_allclose(final[ranks], final[1], rtol=0, atol=1e-7)
