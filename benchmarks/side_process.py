"""A program that is measured, seen from the driver: it is started, given turns, and ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import turns

HERE = Path(__file__).resolve().parent
# The first is the engine that users get, native where it covers the model; plain: mace-torch's operations as they are.
LAMPLIGHTER, BRIDGE, PLAIN, ASE = "Lamplighter", "Lamplighter, bridge", "Lamplighter, bridge, plain", "ASE"
TORCH_FAST, BY_SYMMETRIX = "Lamplighter, torch-fast", "Lamplighter, symmetrix"
LMP = "lmp"
SYMMETRIX = "Symmetrix-XL"
_PROGRAMS = {
    LAMPLIGHTER: HERE / "side_lamplighter.py",
    BRIDGE: HERE / "side_lamplighter.py",
    PLAIN: HERE / "side_lamplighter.py",
    TORCH_FAST: HERE / "side_lamplighter.py",
    BY_SYMMETRIX: HERE / "side_lamplighter.py",
    ASE: HERE / "side_ase.py",
    LMP: HERE / "side_lmp.py",
    SYMMETRIX: HERE / "side_symmetrix.py",
}
_ENGINES = {BRIDGE: "bridge", PLAIN: "bridge", TORCH_FAST: "torch-fast", BY_SYMMETRIX: "symmetrix"}
_SWITCHES = {PLAIN: {"LAMPLIGHTER_MACE": "plain"}}
_GRACE = 5.0  # s, between asking and killing


class SideFailed(Exception):
    """A program ended, or did not answer in time; the message holds the end of its log."""


@dataclass(frozen=True)
class Side:
    """What is measured.

    Attributes:
        program: LAMPLIGHTER, BRIDGE, PLAIN, TORCH_FAST, BY_SYMMETRIX, ASE, LMP or SYMMETRIX.
        ranks: MPI ranks.
        threads: Threads of the model on each rank.
        simd: Instruction set of the native engine; empty: the best.
        profile: Execution profile of Symmetrix-XL.
        even: The planes between ranks are shifted until all have as many atoms.
    """

    program: str
    ranks: int
    threads: int
    simd: str = ""
    profile: str = ""
    even: bool = False

    @property
    def cores(self) -> int:
        return self.ranks * self.threads

    def __str__(self) -> str:
        plural = "" if self.threads == 1 else "s"
        if self.program == ASE:
            return f"ASE, {self.threads} thread{plural}"
        return f"{self.program}, {self.ranks} rank{'' if self.ranks == 1 else 's'} × {self.threads} thread{plural}"


@dataclass(frozen=True)
class Task:
    """What all sides work on: folder of the structure, backend (a key of `backends.BACKENDS`), model, dtype, device."""

    structure: Path
    backend: str
    model: Path
    dtype: str
    device: str


class SideProcess:
    """A running program. A context manager: leaving it ends the program and all that it started.

    Args:
        side: What to start.
        task: What it works on.
        folder: A folder of its own; made here.
        timeout: Longest wait for an answer, s.
        environment: Folder of the virtual environment of SYMMETRIX; other programs run in this one.
    """

    def __init__(self, side: Side, task: Task, folder: Path, timeout: float, environment: Path | None = None) -> None:
        self.side = side
        self.folder = folder
        self._timeout = timeout
        self._turn = 0
        folder.mkdir(parents=True)
        python = environment / "bin" / "python" if environment and side.program == SYMMETRIX else sys.executable
        words: list[object] = [python, _PROGRAMS[side.program], "--folder", folder]
        words += ["--structure", task.structure, "--model", task.model, "--dtype", task.dtype]
        words += ["--backend", task.backend]
        words += ["--device", task.device, "--threads", side.threads, "--driver", os.getpid()]
        if side.program in _ENGINES:
            words += ["--engine", _ENGINES[side.program]]
        if side.profile:
            words += ["--engine", side.profile]
        if side.even:
            words += ["--even"]
        if side.program == LMP:
            words += ["--ranks", side.ranks]
        elif side.ranks > 1:
            words = [mpirun(), "-n", side.ranks, *words]
        # LAMMPS gets one OpenMP thread (its runtime is not torch's); in ASE torch is all there is
        openmp = side.threads if side.program in (ASE, SYMMETRIX) else 1
        switches = {**_SWITCHES.get(side.program, {}), **({"LAMPLIGHTER_SIMD": side.simd} if side.simd else {})}
        with (folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **switches, "OMP_NUM_THREADS": str(openmp)},
                start_new_session=True,
            )

    def wait_until_ready(self) -> dict[str, Any]:
        """What the program says once it has its first forces: energy (eV), versions.

        Raises:
            SideFailed: it ended, or the time is over.
        """
        return self._wait_for(self.folder / "ready.json", "got ready")

    def take_turn(self, steps: int) -> dict[str, Any]:
        """Let it make steps of dynamics, while all others sleep.

        Returns:
            steps, evaluations of the model, wall_s, model_s (seconds in the model), peak_MiB.

        Raises:
            SideFailed: it ended, or the time is over.
        """
        self.begin_turn(steps)
        return self.end_turn()

    def begin_turn(self, steps: int) -> None:
        """The first half of a turn, so that several programs can have theirs at once."""
        turns.write_json(self.folder / f"turn-{self._turn}.json", {"steps": steps})

    def end_turn(self) -> dict[str, Any]:
        """The second half; see `take_turn`."""
        number, self._turn = self._turn, self._turn + 1
        return self._wait_for(self.folder / f"answer-{number}.json", "ended its turn")

    def close(self, *, gently: bool = False) -> None:
        """End the program and every process that it started; `gently`: ask it first."""
        if gently and self._process.poll() is None:
            turns.write_json(self.folder / f"turn-{self._turn}.json", {"stop": True})
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
        if self._process.poll() is None:
            _signal_group(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
        _signal_group(self._process.pid, signal.SIGKILL)
        for process in self._ranks():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(gently=error is None)

    def _ranks(self) -> list[int]:
        """Ranks that are still there: mpirun gives each a session of its own, so the group misses them."""
        found = []
        for path in self.folder.glob("process-*.json"):
            process = int(json.loads(path.read_text(encoding="utf-8"))["pid"])
            # the number alone may be somebody else's by now
            told = subprocess.run(["ps", "-o", "args=", "-p", str(process)], capture_output=True, text=True)
            if str(self.folder) in told.stdout:
                found.append(process)
        return found

    def _wait_for(self, path: Path, what: str) -> dict[str, Any]:
        deadline = time.monotonic() + self._timeout
        while not path.exists():
            code = self._process.poll()
            if code is not None and not path.exists():
                raise SideFailed(f"{self.side} ended with exit code {code} before it {what}:\n{self._log()}")
            if time.monotonic() > deadline:
                raise SideFailed(f"{self.side} has not {what} within {self._timeout:g} s (--timeout):\n{self._log()}")
            time.sleep(turns.LOOK_EVERY)
        answer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return answer

    def _log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")[-3000:]


def mpirun() -> Path:
    """The `mpirun` of the mpich package beside this Python, or the one of the search path.

    Raises:
        SideFailed: there is none.
    """
    beside = Path(sys.executable).parent / "mpirun"
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if found is None:
        raise SideFailed("mpirun is not found: pip install mpich")
    return Path(found)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
