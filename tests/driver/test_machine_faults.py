"""Clocks that jump are not noticed; disks that lose what was written end the run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PROGRAMS

from lamplighter import exit_status
from lamplighter.driver.restart_file import step_of_restart

ENDLESS: dict[str, Any] = {"type": "nvt", "length": "100000000 steps", "temperature": "80 K"}
DAY_S = 86400
OUTPUT = {"thermo": "100 steps", "trajectory": "never", "restart": "never", "restart_wall": "0.3 s"}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(write_run_file: Callable[..., Path], tmp_path: Path) -> Iterator[Start]:
    """`start(*options)`: an endless run on a machine whose faults are what `faults` in the test's folder says.

    `ranks` and sections of the run file by their names.
    """
    library = tmp_path / "faults.so"
    compiler = shutil.which("cc") or shutil.which("g++") or pytest.skip("there is no compiler")
    source = Path(__file__).with_name("preloaded_faults.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-x", "c", source, "-o", library, "-ldl"], check=True)
    started: list[subprocess.Popen[str]] = []

    def go(*options: str, ranks: int = 1, **sections: Any) -> subprocess.Popen[str]:
        path = write_run_file([ENDLESS], output=OUTPUT, velocities="80 K", **sections)
        launcher = [] if ranks == 1 else [PROGRAMS / "mpirun", "-n", str(ranks)]
        started.append(
            subprocess.Popen(
                [*launcher, PROGRAMS / "lamplighter", "run", "-q", path, *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "LD_PRELOAD": str(library), "FAULTS": str(tmp_path / "faults")},
            )
        )
        return started[-1]

    yield go
    for each in started:
        if each.poll() is None:
            each.kill()


def fault(folder: Path, words: str) -> None:
    """From here on; in one piece, as the run looks all the time."""
    (folder / "next").write_text(words)
    (folder / "next").rename(folder / "faults")


def checkpoints(folder: Path) -> int:
    """The largest step of a restart file that the clock had written."""
    return max(step_of_restart(each) or 0 for each in [*folder.glob("restart.clock_?.bin"), folder / "none"])


def wait_for_checkpoints(process: subprocess.Popen[str], folder: Path, number: int) -> float:
    """How long so many more took, s."""
    began, last = time.monotonic(), checkpoints(folder)
    while number:
        assert time.monotonic() < began + 60
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.02)
        if (reached := checkpoints(folder)) > last:
            last, number = reached, number - 1
    return time.monotonic() - began


@pytest.mark.thorough
def test_a_run_takes_no_notice_of_a_clock_that_is_set(start: Start, tmp_path: Path) -> None:
    """A day ahead, then two back: no wall time is up, no step is late, restart files come as before."""
    process, folder = start("--walltime", "1h", "--margin", "2s", "--stall", "30s"), tmp_path / "run"
    wait_for_checkpoints(process, folder, 2)
    for leap in (DAY_S, -DAY_S):
        fault(tmp_path, f"realtime {leap}")
        assert wait_for_checkpoints(process, folder, 4) > 2 * 0.3
    fault(tmp_path, f"boottime {DAY_S}")  # time that has passed in truth, were it in a sleep of the machine
    out, _ = process.communicate(timeout=60)
    assert process.returncode == exit_status.LATER, out
    assert "the wall time ended the run at step" in out


@pytest.mark.thorough
@pytest.mark.parametrize("number", [errno.ESTALE, errno.EDQUOT])
def test_a_file_server_that_refuses_what_was_written_ends_the_run(start: Start, tmp_path: Path, number: int) -> None:
    process, folder = start(), tmp_path / "run"
    wait_for_checkpoints(process, folder, 1)
    fault(tmp_path, f"fsync {number}")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == exit_status.OUTPUT_LOST, out
    assert f"takes no output any more ({os.strerror(number)})" in out
    (tmp_path / "faults").unlink()
    assert json.loads((folder / "status.json").read_text())["status"] in ("failed", "running")
    process = start("--resume")
    assert wait_for_checkpoints(process, folder, 1)
    process.terminate()
    assert process.wait(timeout=60) == exit_status.LATER


@pytest.mark.mpi
def test_an_error_of_all_ranks_is_told_once_however_slow_the_disk_is(start: Start, tmp_path: Path) -> None:
    """The first rank tries the run folder when LAMMPS has failed, and the others wait for what it finds."""
    fault(tmp_path, "trial 5")
    process = start(ranks=2, potential={"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * nonsense"]})
    out, _ = process.communicate(timeout=60)
    assert process.returncode == exit_status.ERROR, out
    assert out.count("command: pair_coeff * * nonsense") == 1
    assert "of 2]" not in out
