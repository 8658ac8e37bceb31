"""A run ends before its wall time is up, in each of its phases, and writes restart files by the clock."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mpi4py import MPI

import lamplighter
from lamplighter import exit_status
from lamplighter.driver import wall_clock
from lamplighter.driver.failure import status_of
from lamplighter.driver.interruption import WALL_TIME, StopRequests, stop_by
from lamplighter.driver.restart_file import step_of_restart
from lamplighter.driver.wall_clock import MARGIN_S, WallClock
from lamplighter.errors import ConfigError, Interrupted, QueueProblem

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
ENDLESS: dict[str, Any] = {"type": "nvt", "length": "10000000 steps", "temperature": "80 K"}


class Asked:
    """Keeps what a clock asks for."""

    def __init__(self) -> None:
        self.stops: list[object] = []

    def ask(self, stop: object) -> None:
        self.stops.append(stop)


@pytest.fixture
def time_is_up_when(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], bool]], None]:
    """`time_is_up_when(condition)`: the clock jumps ahead by two hours once it holds, however fast the machine is."""
    real = wall_clock.now

    def jump(condition: Callable[[], bool]) -> None:
        monkeypatch.setattr(wall_clock, "now", lambda: real() + 7200.0 * condition())

    return jump


def lines_of(table: Path) -> int:
    return table.read_text().count("\n") if table.exists() else 0


def test_dynamics_end_in_time_and_go_on(
    write_run_file: Callable[..., Path], tmp_path: Path, time_is_up_when: Callable[[Callable[[], bool]], None]
) -> None:
    path, folder = write_run_file([ENDLESS]), tmp_path / "run"
    time_is_up_when(lambda: lines_of(folder / "thermo.csv") > 5)
    with pytest.raises(Interrupted, match=r"the wall time ended the run at step .* --resume") as stopped:
        lamplighter.run(path, progress=False, walltime="01:00:00", margin="2s")
    assert stopped.value.status == exit_status.LATER
    reached = step_of_restart(folder / "restart.interrupted.bin")
    assert reached
    lines = lines_of(folder / "thermo.csv")
    time_is_up_when(lambda: lines_of(folder / "thermo.csv") > lines + 5)
    with pytest.raises(Interrupted):
        lamplighter.run(path, progress=False, resume=True, walltime="1h", margin="2s")
    assert (step_of_restart(folder / "restart.interrupted.bin") or 0) > reached
    assert "wall time: 01:00:00 by --walltime; the run stops 2 s before" in (folder / "log.lammps").read_text()


SLOW = """
import time
from ase.calculators.lj import LennardJones

asked = 0

class Slow(LennardJones):
    def calculate(self, *given):
        global asked
        asked += 1
        time.sleep(0.02)
        super().calculate(*given)
"""


def test_a_minimisation_ends_in_time_and_begins_anew(
    write_run_file: Callable[..., Path],
    tmp_path: Path,
    time_is_up_when: Callable[[Callable[[], bool]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the stage before it; the same job would not end the first stage of a run either."""
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    slow = importlib.import_module("slow")
    options = {"sigma": 3.4, "epsilon": 0.0104, "rc": 7.0}
    minimise: dict[str, Any] = {"type": "minimise", "force_tolerance": "1e-12 eV/A"}  # more than 200 iterations
    short: dict[str, Any] = {"type": "nve", "length": "2 steps"}
    output = {"thermo": "1 steps", "trajectory": "never", "restart": "never"}

    def ends(folder: Path, error: type[Exception], stages: list[dict[str, Any]]) -> None:
        potential = {"calculator": "slow:Slow", "options": options}
        path = write_run_file(stages, potential=potential, output=output, velocities="80 K")
        slow.asked = 0
        time_is_up_when(lambda: slow.asked > 12)
        with pytest.raises(error, match="the wall time"):
            lamplighter.run(path, progress=False, output=folder, resume=True, trust=True, walltime="1h", margin="2s")
        assert slow.asked < 100
        assert not (folder / "restart.interrupted.bin").exists()

    ends(tmp_path / "first", QueueProblem, [minimise, short])
    later = tmp_path / "later"
    ends(later, Interrupted, [short, minimise])
    assert step_of_restart(later / "restart.stage0.bin") == 2
    ends(later, QueueProblem, [short, minimise])
    assert (later / "in.resumed_at_2.lammps").exists()
    rows = [row.split(",")[:2] for row in (later / "thermo.csv").read_text().splitlines()[1:]]
    assert rows[:4] == [["0", "0"], ["0", "1"], ["0", "2"], ["1", "2"]]
    assert [stage for stage, _ in rows[4:]] in ([], ["1"])  # where it was ended


def test_a_run_that_comes_no_further_does_not_ask_to_be_tried_again() -> None:
    """The same job again would end at the same place; after a signal it may have more time."""
    stops = StopRequests(MPI.COMM_SELF)
    assert isinstance(stops.ending(WALL_TIME, "the run"), QueueProblem)
    by_signal = stops.ending(stop_by(signal.SIGUSR1), "the run")
    assert isinstance(by_signal, Interrupted)
    assert status_of(by_signal) == exit_status.LATER
    stops.time_left = lambda: 90.0
    stops.ask(stop_by(signal.SIGUSR1))
    assert stops.first is not None
    assert isinstance(stops.ending(stops.first, "the run"), QueueProblem)
    stops.came_further = True
    assert isinstance(stops.ending(WALL_TIME, "the run"), Interrupted)
    assert stop_by(signal.SIGINT).status == exit_status.INTERRUPTED


def test_restart_files_are_written_by_the_clock(
    write_run_file: Callable[..., Path], tmp_path: Path, time_is_up_when: Callable[[Callable[[], bool]], None]
) -> None:
    output = {"thermo": "100 steps", "trajectory": "never", "restart": "never", "restart_wall": "0.3 s"}
    path, folder = write_run_file([ENDLESS], output=output), tmp_path / "run"
    time_is_up_when(lambda: bool(step_of_restart(folder / "restart.clock_b.bin")))
    with pytest.raises(Interrupted):
        lamplighter.run(path, progress=False, walltime="1h")
    steps = [step_of_restart(folder / f"restart.clock_{name}.bin") or 0 for name in "ab"]
    assert all(steps)
    assert steps[0] != steps[1]
    (folder / "restart.interrupted.bin").unlink()  # as after SIGKILL
    lines = lines_of(folder / "thermo.csv")
    time_is_up_when(lambda: lines_of(folder / "thermo.csv") > lines + 2)
    with pytest.raises(Interrupted, match="at step"):
        lamplighter.run(path, progress=False, resume=True, walltime="1h")
    script = next(folder.glob("in.resumed_at_*"))
    assert script.name == f"in.resumed_at_{max(steps)}.lammps"


def test_the_clock_keeps_the_steps_of_other_restart_files(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    output = {"thermo": "100 steps", "trajectory": "never", "restart": "5000 steps", "restart_wall": "0.2 s"}
    path = write_run_file([{**ENDLESS, "length": "200 steps"}, {**ENDLESS, "length": "10000 steps"}], output=output)
    folder = lamplighter.run(path, progress=False).folder
    steps = [step_of_restart(folder / f"restart.{name}.bin") or 0 for name in "ab"]
    assert sorted(steps) == [5000, 10_000]
    by_the_clock = [step_of_restart(folder / f"restart.clock_{name}.bin") or 0 for name in "ab"]
    assert any(step % 5000 for step in by_the_clock)  # on a slow machine one of them is written at step 10000
    assert step_of_restart(folder / "restart.stage1.bin") == 10_200
    assert (folder / "thermo.csv").read_text().count("\n") == 1 + 3 + 101


@pytest.mark.parametrize("given", [{"walltime": "4"}, {"walltime": "soon"}, {"walltime": "1h", "margin": "5"}])
def test_a_time_without_unit_is_refused_before_anything_is_written(
    write_run_file: Callable[..., Path], tmp_path: Path, given: dict[str, str]
) -> None:
    with pytest.raises(QueueProblem, match="write"):
        lamplighter.run(write_run_file([ENDLESS]), **given)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
    with pytest.raises(QueueProblem, match="give it more time, or less of --margin"):
        lamplighter.run(write_run_file([ENDLESS]), walltime="1min", margin="2min")
    with pytest.raises(ConfigError, match=r"output.restart_wall: 30 has no unit; write e.g. '30 min'"):
        lamplighter.run(write_run_file([ENDLESS], output={"restart_wall": 30}))


def test_the_margin_grows_with_the_longest_step() -> None:
    clock = WallClock(Asked(), "1h", None, active=True)  # type: ignore[arg-type]
    assert clock.margin_s == MARGIN_S
    step = 0
    with clock.measuring(lambda: step):
        clock._measure()
        time.sleep(0.2)  # a set-up, which does not count
        for pause in (0.0, 0.1):
            time.sleep(pause)
            step += 1
            clock._measure()
    assert 2 * 0.1 <= clock.margin_s - MARGIN_S < 2 * 0.19


def test_a_clock_asks_in_time() -> None:
    asked = Asked()
    with WallClock(asked, "2s", "1s", active=True):  # type: ignore[arg-type]
        time.sleep(0.5)
        assert not asked.stops
        time.sleep(1.2)
        assert len(asked.stops) == 1
    assert str(WallClock(asked, "none", None, active=True)) == ""  # type: ignore[arg-type]


def hears(process: subprocess.Popen[str], number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.thorough
def test_signals_before_the_first_step_mean_later_too(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    """As soon as Python has started; and while the run folder is filled."""
    path = write_run_file([ENDLESS])
    for begun in (lambda: True, (tmp_path / "run").exists):
        process = subprocess.Popen([PROGRAM, "run", "-q", path, "--resume"], stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not (hears(process, signal.SIGUSR1) and begun()):
            time.sleep(0.002)
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):  # as Slurm and mpirun may send them
            if process.poll() is None:
                os.kill(process.pid, number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == exit_status.LATER, said
        assert "ended the run" in said
