"""A run in which nothing happens any more ends with a message; one that is slow, or stopped as a whole, does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lamplighter.driver import stall_watch
from lamplighter.driver.stall_watch import StallWatch, stall_limit
from lamplighter.errors import QueueProblem

BIN = Path(sys.prefix) / "bin"
ENDLESS: dict[str, Any] = {"type": "nve", "length": "100000000 steps"}


class OneRank:
    """Of mpi4py's communicator, what the watch asks."""

    def Get_rank(self) -> int:  # noqa: N802
        return 0

    def allgather(self, what: object) -> list[object]:
        return [what]


def process_of_rank(rank: int, folder: Path) -> int:
    """The process in a run folder that is a rank of mpirun."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            inside = (place / "cwd").readlink() == folder
            if inside and f"PMI_RANK={rank}".encode() in (place / "environ").read_bytes().split(b"\0"):
                return int(place.name)
        except OSError:
            continue
    pytest.fail(f"there is no rank {rank} in {folder}")


def test_times_are_measured_given_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = StallWatch(OneRank(), stall_limit("auto"), 0, lambda _: None)
    assert watch.limit_s == 3600.0  # a first step may compile
    watch._longest_s = 2.0
    assert watch.limit_s == 600.0
    watch._longest_s = 100.0
    assert watch.limit_s == 2000.0
    assert StallWatch(OneRank(), stall_limit("30min"), 0, lambda _: None).limit_s == 1800.0
    assert stall_limit("none") == float("inf")
    with pytest.raises(QueueProblem, match="--stall: 'soon' is no wall time"):
        stall_limit("soon")


def test_time_in_which_the_watch_itself_stands_still_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that leaps an hour at each look is a machine that sleeps; without leaps the same watch ends the run."""
    ended = threading.Event()
    monkeypatch.setattr(stall_watch, "end_at_once", lambda comm, status: ended.set())
    monkeypatch.setattr(stall_watch, "FORWARD_S", 0.0)
    leaps, clock, leapt = [3600.0], time.monotonic, [0.0]

    def leaping() -> float:
        leapt[0] += leaps[0]
        return clock() + leapt[0]

    monkeypatch.setattr(stall_watch, "time", SimpleNamespace(monotonic=leaping, sleep=time.sleep))
    said: list[str] = []

    def last_words(message: str) -> None:
        said.append(message)
        threading.Event().wait()  # as on a file server that is gone

    monkeypatch.setattr(stall_watch, "LAST_WORDS_S", 0.1)
    with StallWatch(OneRank(), 3.0, 0, last_words) as watch, watch.watching(lambda: 7):
        assert not ended.wait(1.2)  # four looks, each an hour after the one before
        leaps[0] = 0.0
        assert ended.wait(20)
    assert "no step has ended for 3 s (step 7" in said[0]


@pytest.mark.mpi
@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_rank_that_is_stopped_ends_all(write_run_file: Callable[..., Path], tmp_path: Path, rank: int) -> None:
    path = write_run_file([ENDLESS], velocities="80 K")
    command = [BIN / "mpirun", "-n", "2", BIN / "lamplighter", "run", "-q", path, "--stall", "15s"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    table = tmp_path / "run" / "thermo.csv"
    deadline = time.monotonic() + 120
    while not (table.exists() and table.read_text().count("\n") > 5):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    stopped = process_of_rank(rank, tmp_path / "run")
    os.kill(stopped, signal.SIGSTOP)
    try:
        out, _ = process.communicate(timeout=120)
    finally:
        if Path(f"/proc/{stopped}").exists():
            os.kill(stopped, signal.SIGKILL)
    assert process.returncode == 75, out
    assert f"rank {rank} (process {stopped} on " in out
    assert "is stopped by a signal; --resume goes on" in out
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["status"] == "failed"
    assert "no step has ended for" in status["error"]


WAITING = """
import time
from ase.calculators.lj import LennardJones

class Waiting(LennardJones):
    asked = 0

    def calculate(self, *given):
        Waiting.asked += 1
        time.sleep(1.0)  # longer than the watch's look
        if Waiting.asked > 5:
            {how}
        super().calculate(*given)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["time.sleep(1e6)", pytest.param("while True: pass", marks=pytest.mark.slow)])
def test_a_model_that_never_answers_ends_the_run(write_run_file: Callable[..., Path], tmp_path: Path, how: str) -> None:
    (tmp_path / "waiting.py").write_text(WAITING.format(how=how))
    options = {"sigma": 3.4, "epsilon": 0.0104, "rc": 7.0}
    path = write_run_file([ENDLESS], velocities="80 K", potential={"calculator": "waiting:Waiting", "options": options})
    done = subprocess.run(
        [BIN / "lamplighter", "run", "-q", "--trust", path, "--stall", "8s"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 75, done.stderr
    assert "no step has ended for 8 s (step 5; the longest one before took" in done.stderr
    assert "a rank, its model, the file server or the network hangs; --resume goes on" in done.stderr
