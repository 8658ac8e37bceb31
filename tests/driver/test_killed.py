"""SIGKILL at any moment costs nothing but time: the run that goes on ends as the one without a break."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import PROGRAMS, Run

from lamplighter.driver.mend_trajectory import step_of, whole_frames
from lamplighter.driver.restart_file import step_of_restart
from lamplighter.run_folder.names import EVENTS, FAILURE, THERMO, TRAJECTORY

WHERE = ("a checkpoint", "a frame", "an event", "its evidence")
WHOM = ("a rank", "all ranks", "mpirun")
FILES = {"a frame": TRAJECTORY, "an event": EVENTS, "its evidence": FAILURE}
PATIENCE_S = 120.0


def ranks_in(folder: Path) -> list[int]:
    """Processes of mpirun that work in a run folder, by rank."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").readlink() == folder:
                words = (place / "environ").read_bytes().split(b"\0")
                found.update({int(each[9:]): int(place.name) for each in words if each.startswith(b"PMI_RANK=")})
        except OSError:
            continue
    return [found[rank] for rank in sorted(found)]


def send(process: int, number: int) -> bool:
    """Whether the process was there to get the signal."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def is_torn(folder: Path) -> bool:
    """Whether a restart file lacks its end."""
    return any(each.stat().st_size and step_of_restart(each) is None for each in folder.glob("restart.?.bin"))


class Killer:
    """Kills what mpirun has started, while it writes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.torn = 0

    def strike(self, process: subprocess.Popen[bytes], folder: Path, where: str, whom: str) -> bool:
        """False: the run has ended before."""
        deadline = time.monotonic() + PATIENCE_S

        def waiting() -> bool:
            assert time.monotonic() < deadline, f"seed {self.seed}: nothing happens in {folder}"
            return process.poll() is None

        while waiting() and len(ranks_in(folder)) < 2:
            time.sleep(0.02)
        ranks = ranks_in(folder)
        if where == "a checkpoint":
            self._wait_for_changes(folder / "restart.a.bin", waiting)
            # stopped again and again until what is on the disk is half a file
            tries = time.monotonic() + 10.0
            while waiting() and time.monotonic() < tries and send(ranks[0], signal.SIGSTOP):
                if is_torn(folder):
                    self.torn += 1
                    break
                send(ranks[0], signal.SIGCONT)
                time.sleep(0.002 * self.chance.random())
        else:
            self._wait_for_changes(folder / FILES[where], waiting)
        if process.poll() is not None:
            return False
        print(f"seed {self.seed}: {whom} killed while it writes {where}")
        doomed = {"a rank": [self.chance.choice(ranks)], "all ranks": ranks, "mpirun": [process.pid]}[whom]
        struck = [send(each, signal.SIGKILL) for each in doomed]
        send(ranks[0], signal.SIGCONT)
        process.wait(timeout=PATIENCE_S)
        while ranks_in(folder):  # nobody outlives the others
            assert time.monotonic() < deadline, f"seed {self.seed}: ranks go on in {folder}"
            time.sleep(0.02)
        return all(struck)

    def _wait_for_changes(self, file: Path, waiting: Callable[[], bool]) -> None:
        def state() -> tuple[int, int] | None:
            try:
                found = file.stat()
            except OSError:
                return None
            return found.st_size, found.st_mtime_ns

        for _ in range(self.chance.randint(2, 8)):
            before = state()
            while waiting() and state() == before:
                time.sleep(0.0002)


@pytest.fixture
def command(write_run_file: Callable[..., Path]) -> Callable[[int], list[Any]]:
    """A run that writes restart files, frames and events all the time."""

    def write(steps: int) -> list[Any]:
        stage = {"type": "npt", "length": f"{steps} steps", "temperature": "80 K", "pressure": "1 bar"}
        path = write_run_file(
            [stage],
            output={"thermo": "5 steps", "trajectory": "10 steps", "restart": "20 steps"},
            guard={"temperature": "80 K", "action": "record"},  # which it crosses again and again
            velocities="80 K",
        )
        return [PROGRAMS / "lamplighter", "run", "-q", path, "--resume", "-o"]

    return write


def rows(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / THERMO, delimiter=",", skiprows=1)


def steps_of_evidence(folder: Path) -> set[str]:
    lines = (folder / FAILURE).read_text().splitlines()
    return {word for line in lines if "guard_frame=failure" in line for word in line.split() if word[:5] == "step="}


def require_equal(folder: Path, whole: Path, steps: int) -> None:
    """The run in `folder` left what the uninterrupted one did: no row, frame or event is lost, or there twice."""
    assert sorted((folder / "final.data").read_text().splitlines()) == sorted(
        (whole / "final.data").read_text().splitlines()
    )
    assert rows(folder)[:, 1].tolist() == list(range(0, steps + 1, 5))
    # the line of a restart file's own step has its forces summed in another order
    np.testing.assert_allclose(rows(folder), rows(whole), rtol=1e-9, atol=1e-6)
    frames = list(whole_frames(folder / TRAJECTORY))
    assert [step_of(frame) for frame in frames] == list(range(0, steps + 1, 10))
    assert frames == list(whole_frames(whole / TRAJECTORY))
    assert (folder / EVENTS).read_text() == (whole / EVENTS).read_text()
    assert steps_of_evidence(folder) >= steps_of_evidence(whole)


def strike_all(killer: Killer, words: list[Any], parent: Path, plan: list[tuple[str, str]]) -> Path:
    """Start the run, kill it, start it again, …; the folder in which every blow fell.

    On a busy machine a run may be done before its killer has looked often enough; the plan then begins anew.
    """
    for attempt in range(4):
        folder = parent / f"killed_{attempt}"
        for where, whom in plan:
            process = subprocess.Popen(
                [PROGRAMS / "mpirun", "-n", "2", *words, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if not killer.strike(process, folder, where, whom):
                break
        else:
            return folder
    pytest.fail(f"seed {killer.seed}: the run was done before it was struck, {attempt + 1} times")


@pytest.mark.mpi
def test_a_run_that_is_killed_as_it_writes_ends_as_one_that_is_not(
    command: Callable[[int], list[Any]], mpirun: Run, tmp_path: Path
) -> None:
    steps, seed = 2500, 14
    words, killer = command(steps), Killer(seed)
    assert mpirun(2, [*words, "whole"]).returncode == 0
    plan = [("a frame", "a rank"), ("an event", "mpirun"), ("a checkpoint", "all ranks")]
    killed = strike_all(killer, words, tmp_path, plan)
    assert mpirun(2, [*words, killed]).returncode == 0
    require_equal(killed, tmp_path / "whole", steps)


@pytest.mark.slow
@pytest.mark.mpi
@pytest.mark.timeout(3000)
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(
    command: Callable[[int], list[Any]], mpirun: Run, tmp_path: Path
) -> None:
    """At moments and in places that are others each time; the seed is printed, and LAMPLIGHTER_SEED sets it."""
    steps, seed = 8000, int(os.environ.get("LAMPLIGHTER_SEED", time.time_ns() % 10**6))
    words, killer = command(steps), Killer(seed)
    assert mpirun(2, [*words, "whole"], timeout=1000).returncode == 0
    plan = [(killer.chance.choice(WHERE), killer.chance.choice(WHOM)) for _ in range(15)]
    killed = strike_all(killer, words, tmp_path, plan)
    print(f"{killer.torn} restart files were torn")
    assert mpirun(2, [*words, killed], timeout=1000).returncode == 0
    require_equal(killed, tmp_path / "whole", steps)
