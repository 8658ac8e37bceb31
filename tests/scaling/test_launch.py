"""Programs that are started on ranks end: by themselves, at their limit, and with their starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.scaling import launch

CHILD = "import os, pathlib, time; pathlib.Path(f'pid.{os.getpid()}').touch(); time.sleep(600)"


def gone(folder: Path) -> bool:
    """Whether all processes that left their number have ended."""
    pids = [int(path.suffix[1:]) for path in folder.glob("pid.*")]
    assert pids
    for _ in range(100):
        alive = [pid for pid in pids if Path(f"/proc/{pid}/stat").exists()]
        alive = [pid for pid in alive if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"]
        if not alive:
            return True
        time.sleep(0.1)
    return False


def test_output_and_status_come_back(tmp_path: Path) -> None:
    ended = launch.run([sys.executable, "-c", "print('said'); raise SystemExit(3)"], tmp_path, 60.0)
    assert (ended.status, ended.output) == (3, "said")
    with pytest.raises(EnvironmentProblem, match="no-such-program cannot be started"):
        launch.run(["no-such-program"], tmp_path, 1.0)


@pytest.mark.mpi
def test_ranks_that_hang_are_ended_at_the_limit(tmp_path: Path) -> None:
    ended = launch.run(launch.command_for(2, [sys.executable, "-c", CHILD]), tmp_path, 4.0)
    assert ended.status is None
    assert len([*tmp_path.glob("pid.*")]) == 2
    assert gone(tmp_path)


@pytest.mark.mpi
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ranks_end_with_their_starter(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import signal, sys; from pathlib import Path; from lamplighter.scaling import launch, ending\n"
        # as a terminal starts it: what a script starts in the background hears no SIGINT
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with ending.ending_on_sigterm():\n"
        f"    launch.run(launch.command_for(2, [sys.executable, '-c', {CHILD!r}]), Path('.'), 600.0)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if len([*tmp_path.glob("pid.*")]) == 2:
                break
            time.sleep(0.1)
        os.kill(starter.pid, number)
        assert starter.wait(timeout=60) != 0
    finally:
        starter.kill()
    assert gone(tmp_path)


def test_launchers_in_the_users_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch.command_for(4, ["a"], "srun --mpi=pmi2 -n {ranks}") == ["srun", "--mpi=pmi2", "-n", "4", "a"]
    assert launch.command_for(1, ["a"]) == ["a"]
    with pytest.raises(LamplighterError, match="must hold"):
        launch.command_for(4, ["a"], "srun -n 4")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "1(x2)")  # of a node that has more
    assert launch.cores() == 1
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setattr(launch.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("SLURM_NTASKS", "64")
    assert launch.cores() == 64
    assert launch.command_for(64, ["a"])[:4] == ["srun", "--mpi=pmi2", "-n", "64"]
