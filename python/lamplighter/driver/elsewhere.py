"""Frames that are evaluated in the Python of another environment: `potential.python`, where a command cannot go there.

`lamplighter run` goes on in the other Python altogether (`other_python`). Other commands may hold models of several
environments against each other, and against references of their own, so that the other Python is started beside
them: one process, of the first rank, with all threads, which gets frames and gives labels, a line of JSON each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from ase import Atoms

import lamplighter
from lamplighter import errors, launcher
from lamplighter.config.potential import PotentialSection
from lamplighter.driver import other_python
from lamplighter.driver.failure import agree_asleep
from lamplighter.driver.frame_evaluator import Evaluated, Spread
from lamplighter.driver.members import Member
from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.structures.labels import Labels

LAST_LINES = 12
"""Of what the other Python printed, in the message that it ended early."""


class EvaluatorElsewhere:
    """A potential that another Python evaluates. Collective over the ranks of `comm`.

    Args:
        comm: mpi4py communicator; None: this process alone.
        member: Its `potential.python` is the Python.
        elements, threads, trust: As `evaluation.open_evaluator`; `threads` None: all cores.

    Raises:
        EnvironmentProblem: it cannot be started, or lacks this version of Lamplighter.
        LamplighterError: what `evaluation.open_evaluator` raises there.
    """

    def __init__(self, comm: Any, member: Member, elements: Sequence[str], threads: int | None, trust: bool) -> None:
        self._comm = comm
        self._python = member.potential.python
        self._process: subprocess.Popen[bytes] | None = None
        self._together(lambda: self._start(member, list(elements), threads, trust))

    def evaluate(self, atoms: Atoms) -> Labels:
        """As `FrameEvaluator.evaluate`."""
        return self.compute(atoms).labels(atoms)

    def compute(self, atoms: Atoms) -> Evaluated:
        """As `FrameEvaluator.compute`: of a committee with how far it disagrees."""
        found: Evaluated = self._together(lambda: _evaluated(self._asked(_frame(atoms))))
        return found

    def close(self) -> None:
        """End the other process."""
        if self._process is not None:
            self._questions.close()
            self._answers.close()
            self._process.wait()
            self._process = None
            self._printed.close()

    def __enter__(self) -> EvaluatorElsewhere:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, member: Member, elements: list[str], threads: int | None, trust: bool) -> None:
        assert self._python is not None
        reads, asks = os.pipe()
        hears, tells = os.pipe()
        command = other_python.evaluation_in(self._python, reads, tells)
        environment = launcher.without_launcher() | {other_python.VERSION: lamplighter.__version__}
        # What frameworks print as they are loaded (many lines, some that look like faults) matters once it ends early.
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command, pass_fds=(reads, tells), env=environment, stdout=self._printed, stderr=self._printed
            )
        except OSError as problem:
            raise EnvironmentProblem(
                f"potential.python: {self._python} cannot be started: {problem.strerror}"
            ) from problem
        finally:
            os.close(reads)
            os.close(tells)
        self._questions = os.fdopen(asks, "w", encoding="utf-8")
        self._answers = os.fdopen(hears, encoding="utf-8")
        alone = member.potential.model_copy(update={"python": None})
        opening = {
            "potential": alone.model_dump(mode="json"),
            "committee": member.committee,
            "types": list(member.types),
            "spread": member.spread,
            "elements": elements,
            "threads": threads,
            "trust": trust,
        }
        try:
            self._asked(opening)
        except LamplighterError:
            self.close()
            raise

    def _asked(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        try:
            self._questions.write(json.dumps(question) + "\n")
            self._questions.flush()
        except OSError:
            pass  # it has ended: what it said last tells why
        line = self._answers.readline()
        if not line:
            raise EnvironmentProblem(
                f"potential.python: {self._python} ended while it evaluated (exit status {self._process.wait()})"
                + self._last_words()
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            name, text = answer["error"]
            kind = getattr(errors, name, LamplighterError)
            raise kind(text)
        return answer

    def _last_words(self) -> str:
        self._printed.seek(0)
        lines = self._printed.read().decode("utf-8", "replace").split("\n")
        said = "\n".join(f"  {each}" for each in [each for each in lines if each.strip()][-LAST_LINES:])
        return f"; the last that it printed:\n{said}" if said else ", and printed nothing"

    def _together(self, action: Callable[[], Any]) -> Any:
        """Carried out by the first rank; the others sleep, and leave it the cores."""
        return action() if self._comm is None else agree_asleep(self._comm, action)


def answer(asked: int, told: int) -> None:
    """What the other Python does: the first line opens a potential, each further one is a frame."""
    from lamplighter.driver.environment import prepare
    from lamplighter.driver.member_evaluator import evaluator_of

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    os.dup2(2, 1)  # frameworks print when they are imported; standard output is for results
    sys.stdout = sys.stderr
    evaluator: Any = None
    with os.fdopen(asked, encoding="utf-8") as questions, os.fdopen(told, "w", encoding="utf-8") as answers:
        for line in questions:
            question = json.loads(line)
            try:
                if evaluator is None:
                    member = Member(
                        PotentialSection.model_validate(question["potential"]),
                        question["committee"],
                        tuple(question["types"]),
                        question["spread"],
                    )
                    env = prepare(question["threads"])
                    evaluator = evaluator_of(env, member, question["elements"], question["trust"])
                    said: dict[str, Any] = {}
                else:
                    said = _said(evaluator.compute(_atoms(question)))
            except LamplighterError as problem:
                said = {"error": [type(problem).__name__, str(problem)]}
            answers.write(json.dumps(said) + "\n")
            answers.flush()
        if evaluator is not None:
            evaluator.close()


def _frame(atoms: Atoms) -> dict[str, Any]:
    return {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "periodic": [bool(each) for each in atoms.pbc],
    }


def _atoms(frame: dict[str, Any]) -> Atoms:
    return Atoms(
        numbers=frame["numbers"],
        positions=np.array(frame["positions"], dtype=float).reshape(-1, 3),
        cell=frame["cell"],
        pbc=frame["periodic"],
    )


def _said(found: Evaluated) -> dict[str, Any]:
    said: dict[str, Any] = {
        "energy": found.energy,
        "forces": np.asarray(found.forces).tolist(),
        "virial": np.asarray(found.virial).tolist(),
    }
    if found.spread is not None:
        said["energies"] = np.asarray(found.spread.energies).tolist()
        said["variances"] = np.asarray(found.spread.variances).tolist()
    return said


def _evaluated(answer: dict[str, Any]) -> Evaluated:
    spread = None
    if "energies" in answer:
        spread = Spread(np.array(answer["energies"], dtype=float), np.array(answer["variances"], dtype=float))
    forces = np.array(answer["forces"], dtype=float).reshape(-1, 3)
    return Evaluated(float(answer["energy"]), forces, np.array(answer["virial"], dtype=float), spread)
