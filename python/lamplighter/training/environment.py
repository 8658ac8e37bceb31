"""The Python of the environment that has a trainer's package: what it knows, and programs that run there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lamplighter import launcher
from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.frameworks import FRAMEWORKS
from lamplighter.training.trainer import Trainer

LOG = "training.log"
"""What the programs of a member printed."""

_INSIDE = Path(__file__).parent / "inside"
_LAST_LINES = 12
_LOOK_EVERY_S = 0.25
"""Whether a program has ended."""

_ASK_EVERY_S = 1.0
"""How far it is; more rarely where asking takes long, such as reading results of many epochs."""

_SHARE_OF_ASKING = 0.05


class PackagePython:
    """A Python that has a trainer's package.

    Args:
        trainer: The trainer.
        python: Its interpreter; None: this one.
        threads: Of the programs that it runs.

    Attributes:
        python: The interpreter.
        known: What the package says of its settings.
        versions: Of the packages.

    Raises:
        EnvironmentProblem: it cannot be started, or does not have the package.
    """

    def __init__(self, trainer: Trainer, python: Path | None, threads: int) -> None:
        self.python = python or Path(sys.executable)
        self._threads = threads
        if not (self.python.is_file() and os.access(self.python, os.X_OK)):
            raise EnvironmentProblem(f"python: {self.python} is no program that can be started: name a Python there")
        self.known = self._asked(trainer)
        self.versions: dict[str, str] = self.known["versions"]

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        look: Callable[[], bool],
        go_on: Callable[[], None] = lambda: None,
    ) -> bool:
        """Run a program of the environment in a folder; what it prints goes into the log there.

        Args:
            words: After `python`.
            folder: Where it runs.
            look: Called now and then, and once at its end; true: it has done enough, and is ended. It is asked again
                while the program stands still, so that what it was writing meanwhile counts.
            go_on: Called four times a second; what it raises ends the program.

        Returns:
            Whether it was ended because it had done enough.

        Raises:
            LamplighterError: it failed; the message holds the last lines that it printed.
        """
        with (folder / LOG).open("ab") as log:
            start = log.tell()
            process = subprocess.Popen(
                [str(self.python), str(_INSIDE / "launch.py"), str(os.getpid()), *words],
                cwd=folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                next_time = time.monotonic() + _ASK_EVERY_S
                while process.poll() is None:
                    time.sleep(_LOOK_EVERY_S)
                    go_on()
                    asked_at = time.monotonic()
                    if asked_at < next_time:
                        continue
                    if look() and _stands_still(process):
                        if look():
                            return True
                        process.send_signal(signal.SIGCONT)
                    now = time.monotonic()
                    next_time = now + max(_ASK_EVERY_S, (now - asked_at) / _SHARE_OF_ASKING)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        look()
        if process.returncode:
            printed = (folder / LOG).read_bytes()[start:].decode("utf-8", "replace").splitlines()
            raise LamplighterError(_why(words, process.returncode, printed, folder))
        return False

    def _environment(self) -> dict[str, str]:
        threads = {
            name: str(self._threads)
            for name in (
                "OMP_NUM_THREADS",
                "MKL_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "DP_INTRA_OP_PARALLELISM_THREADS",
            )
        }
        return {
            **launcher.without_launcher(),
            **threads,
            "PYTHONUNBUFFERED": "1",
            "DP_INTER_OP_PARALLELISM_THREADS": "1",
            "MPLBACKEND": "Agg",
        }

    def _asked(self, trainer: Trainer) -> dict[str, Any]:
        framework = FRAMEWORKS[trainer.framework]
        with tempfile.TemporaryDirectory() as scratch:
            answer = Path(scratch) / "answer.json"
            done = subprocess.run(
                [str(self.python), str(_INSIDE / trainer.inside), str(answer)],
                cwd=scratch,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode == 0 and answer.is_file():
                found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
                return found
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        if "ModuleNotFoundError" in last or "PackageNotFoundError" in last:
            raise EnvironmentProblem(
                f"trainer {trainer.name}: {self.python} lacks its package ({last}): pip install "
                f"'lamplighter[{framework.extra}]' there (make {framework.make_target}), or name the Python of the "
                "environment that has it as python: of the train file (docs/how_to/environments.md)"
            )
        raise EnvironmentProblem(f"trainer {trainer.name}: {self.python} cannot say what its package knows: {last}")


def _stands_still(process: subprocess.Popen[bytes]) -> bool:
    """Stop a program, as Ctrl-Z does; False: it has ended."""
    os.kill(process.pid, signal.SIGSTOP)  # unlike send_signal, which may find that it has ended and forget its number
    said = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return said is not None and said.si_code == os.CLD_STOPPED


def _why(words: Sequence[str], status: int, printed: Sequence[str], folder: Path) -> str:
    ended = f"was ended by signal {-status}" if status < 0 else f"failed with exit status {status}"
    full = any("No space left on device" in line for line in printed)
    remedy = "; the disk is full: make room, and train again, which goes on" if full else ""
    last = "\n".join(f"  {line}" for line in printed[-_LAST_LINES:])
    return f"{' '.join(words[:2])} {ended}{remedy} (all of it: {folder / LOG}). Its last lines:\n{last}"
