"""Energies, forces and stresses of frames, by the potential of a run file: the one way from there to an evaluator."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ase import Atoms

from lamplighter.config.potential import PotentialSection
from lamplighter.driver import elsewhere, led_ranks, model_trust, models, named_types, other_python, preflight
from lamplighter.driver.environment import Environment, prepare
from lamplighter.driver.failure import agree
from lamplighter.driver.frame_evaluator import SILENT, FrameEvaluator
from lamplighter.driver.members import Member
from lamplighter.driver.open_lammps import open_session
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.errors import ConfigError, StructureError
from lamplighter.structures.labels import Labels


class Evaluator(Protocol):
    """Whatever answers for a frame: a `FrameEvaluator`, or a `reference_method.CalculatorEvaluator`."""

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and stress of a frame."""
        ...


class OpenEvaluator(Evaluator, Protocol):
    """An evaluator that holds something open: end it with `close`, or use it in a `with` statement."""

    def close(self) -> None:
        """End it."""
        ...

    def __enter__(self) -> Evaluator: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def open_evaluator(
    chosen: PotentialSection | Member, elements: Sequence[str], *, threads: int | None = None, trust: bool = False
) -> OpenEvaluator:
    """The evaluator of a run file's potential; of several models or members, the first one.

    This is the one way from a run file to an evaluator: all that its section `potential` says holds, and what cannot
    work is refused before anything is opened. Collective, but for the first rank of a command that it leads
    (`led_ranks`).

    Args:
        chosen: A potential section with absolute paths, or one of its members.
        elements: All elements that frames will hold.
        threads: As `environment.prepare`.
        trust: Put its model files on the user's list of trusted files.

    Raises:
        ModelError: a model file is missing or does not cover the elements; UntrustedModelError: it is not trusted.
        ConfigError, EnvironmentProblem, PluginError, LammpsError: see there.
    """
    member = chosen if isinstance(chosen, Member) else Member(chosen)
    python = member.potential.python
    team = led_ranks.team()
    if python is not None and not other_python.goes_on_here(python):
        comm = prepare(threads).comm if team is None else None
        return elsewhere.EvaluatorElsewhere(comm, member, elements, threads, trust)
    if team is not None:
        return led_ranks.LedEvaluator(team, member, tuple(elements), threads, trust)
    return evaluator_of(prepare(threads), member, elements, trust)


def evaluator_of(env: Environment, member: Member, elements: Sequence[str], trust: bool = False) -> FrameEvaluator:
    """The same, in this Python, on all ranks of an environment. Collective.

    Args:
        env: From `environment.prepare`.
        member, elements, trust: As `open_evaluator`.
    """
    with _calculator_file(member.potential) as file:
        setup = agree(env.comm, lambda: _setup(member, elements, env.ranks, file))
        model_trust.require_trusted(env, member.potential, trust)
        watched = setup.style if member.spread else ""
        return FrameEvaluator(open_session(env, setup, SILENT), setup.lines, setup.elements, setup.newton, watched)


def _setup(member: Member, elements: Sequence[str], ranks: int, calculator: Path) -> PairSetup:
    checked = preflight.checked(member.potential, ranks)
    return pair_setup(checked, _types(member, elements), member.committee, calculator)


def _types(member: Member, elements: Sequence[str]) -> Sequence[str]:
    """The elements of the atom types that the lines of a potential will be given.

    Raises:
        ConfigError: its own lines are for other types.
    """
    own = member.types
    if not own:
        return elements
    twice = sorted({symbol for symbol in own if own.count(symbol) > 1})
    # isotopes are alike where lines name their elements
    if twice and not named_types.name_elements(member.potential):
        raise ConfigError(
            f"potential: its lines are written for the atom types {' '.join(own)}, which tell atoms of "
            f"{' '.join(twice)} apart, and frames do not say which atom is of which type: only a run can use them"
        )
    lacking = [symbol for symbol in elements if symbol not in own]
    if lacking:
        raise ConfigError(
            f"potential: its lines are written for the atom types of the start structure, {' '.join(own)}, and the "
            f"frames hold {' '.join(lacking)} as well: name a structure with these elements, and extend the lines"
        )
    return own


@contextlib.contextmanager
def _calculator_file(chosen: PotentialSection) -> Iterator[Path]:
    """What a run has in its folder: the file that names the calculator of the run file, if it names one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / models.CALCULATOR
        content = models.calculator_file(chosen)
        if content is not None:
            path.write_text(content, encoding="utf-8")
        yield path


def evaluate_frames(evaluator: Evaluator, frames: Iterable[Atoms]) -> Iterator[Labels]:
    """Frame by frame.

    Raises:
        StructureError: as `FrameEvaluator.evaluate`, with the number of the frame.
    """
    for index, atoms in enumerate(frames):
        try:
            yield evaluator.evaluate(atoms)
        except StructureError as problem:
            raise StructureError(f"frame {index}: {problem}") from problem
