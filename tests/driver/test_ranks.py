"""Several MPI ranks: the same results, one message for an error of all, and no rank left waiting for a failed one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mpi

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
NVT = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}

# A rank that fails by itself while the others go on into a collective call.
FAILING_RANK = """
import sys
from mpi4py import MPI
from lamplighter.driver.environment import prepare
from lamplighter.driver.failure import end_together
from lamplighter.driver.session import Session

def program():
    env = prepare(threads=1)
    session = Session(env, ["-screen", "none", "-log", "none"], with_models=False)
    if env.rank == 1:
        raise ValueError("the words of rank 1")
    session.command("units metal")
    env.comm.Barrier()
    return 0

sys.exit(end_together(MPI.COMM_WORLD, program))
"""

ALL_RANKS_FAIL = """
import sys
from mpi4py import MPI
from lamplighter.driver.failure import end_together

def program():
    raise ValueError("the same on all ranks")

sys.exit(end_together(MPI.COMM_WORLD, program))
"""


def table(folder: Path) -> Any:
    return np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)


@pytest.mark.quick("a run on two ranks is the run on one")
def test_two_ranks_give_what_one_gives(
    write_run_file: Callable[..., Path], mpirun: Callable[..., Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    npt = {**NVT, "type": "npt", "pressure": "1 bar", "thermostat": "svr"}
    path = write_run_file([NVT, npt, {**NVT, "name": "at the mean", "mean_volume_of": "npt"}])
    assert run([PROGRAM, "run", "-q", path, "-o", "one"]).returncode == 0
    assert mpirun(2, [PROGRAM, "run", "-q", path, "-o", "two"]).returncode == 0
    one, two = table(tmp_path / "one"), table(tmp_path / "two")
    np.testing.assert_allclose(two["potential_energy_eV"], one["potential_energy_eV"], rtol=1e-9)
    np.testing.assert_allclose(two["volume_A3"], one["volume_A3"], rtol=1e-9)
    status = json.loads((tmp_path / "two" / "status.json").read_text())
    assert (status["status"], status["ranks"]) == ("completed", 2)


def test_an_error_in_the_run_file_is_told_once(write_run_file: Callable[..., Path], mpirun: Callable[..., Any]) -> None:
    done = mpirun(2, [PROGRAM, "run", write_run_file([{**NVT, "temperature": 80}])], timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("stages[0].temperature: 80 has no unit") == 1
    assert "Traceback" not in done.stderr


def test_an_error_of_lammps_on_all_ranks_is_told_once(
    write_run_file: Callable[..., Path], mpirun: Callable[..., Any], tmp_path: Path
) -> None:
    path = write_run_file([NVT], potential={"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * nonsense"]})
    done = mpirun(2, [PROGRAM, "run", path], timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("command: pair_coeff * * nonsense") == 1
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "failed"


def test_an_error_of_lammps_on_one_rank_ends_all(
    write_run_file: Callable[..., Path], mpirun: Callable[..., Any], tmp_path: Path
) -> None:
    # rank 0 alone opens the file; the others wait for what is in it
    path = write_run_file([NVT], potential={"lammps": ["pair_style eam/alloy", "pair_coeff * * none.eam Ar"]})
    began = time.monotonic()
    done = mpirun(2, [PROGRAM, "run", path], timeout=60)
    assert done.returncode != 0
    assert "[rank 0 of 2] Error: LAMMPS" in done.stderr
    assert "none.eam" in done.stderr
    assert time.monotonic() - began < 40
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["status"] == "failed"
    assert "none.eam" in status["error"]


@pytest.mark.quick("an error on one rank ends all")
def test_a_python_error_on_one_rank_ends_all(mpirun: Callable[..., Any], python: Path) -> None:
    began = time.monotonic()
    done = mpirun(2, [python, "-c", FAILING_RANK], timeout=60)
    assert done.returncode != 0
    assert "[rank 1 of 2] ValueError: the words of rank 1" in done.stderr
    assert "Traceback" in done.stderr
    assert time.monotonic() - began < 40


def test_an_error_of_all_ranks_is_told_by_the_first(mpirun: Callable[..., Any], python: Path) -> None:
    done = mpirun(3, [python, "-c", ALL_RANKS_FAIL], timeout=60)
    assert done.returncode == 70
    assert done.stderr.count("ValueError: the same on all ranks") == 1


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 75, marks=pytest.mark.quick("a signal ends all ranks")),
        (signal.SIGUSR1, 75),
    ],
)
def test_a_signal_ends_all_ranks_in_good_order(
    write_run_file: Callable[..., Path], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    path = write_run_file([{**NVT, "length": "1000000 steps"}])
    process = subprocess.Popen(
        [Path(sys.prefix) / "bin" / "mpirun", "-n", "2", PROGRAM, "run", "-q", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    thermo = tmp_path / "run" / "thermo.csv"
    deadline = time.monotonic() + 60
    while not (thermo.exists() and thermo.read_text().count("\n") > 5) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == status, out
    assert out.count("Error: ") == 1
    told = json.loads((tmp_path / "run" / "status.json").read_text())
    assert told["status"] == "failed"
    assert f"{number.name} ended the run at step" in told["error"]
    assert (tmp_path / "run" / "restart.interrupted.bin").exists()
    assert (tmp_path / "run" / "summary.json").exists()
