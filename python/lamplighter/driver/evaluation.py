"""Energies, forces and stresses of frames, by the potential of a run file: the one way from there to an evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

from ase import Atoms

from lamplighter.config.potential import PotentialSection
from lamplighter.driver import elsewhere, led_ranks, other_python, preflight
from lamplighter.driver.environment import prepare
from lamplighter.driver.member_evaluator import evaluator_of
from lamplighter.driver.members import Member
from lamplighter.errors import LamplighterError, StructureError
from lamplighter.structures.labels import Labels


class Evaluator(Protocol):
    """Whatever answers for a frame: a `FrameEvaluator`, or that of a reference method (`labelling`)."""

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


def require_possible(chosen: PotentialSection | Member) -> None:
    """Refuse what `open_evaluator` would refuse without knowing elements, e.g. before another model is evaluated.

    Nothing is opened, and nobody is asked. Not collective.

    Raises:
        As `preflight.checked`.
    """
    potential = chosen.potential if isinstance(chosen, Member) else chosen
    if potential.python is not None and not other_python.goes_on_here(potential.python):
        other_python.require_program(potential.python)
        preflight.require_files(potential)
        return
    team = led_ranks.team()
    preflight.checked(potential, 1 if team is None else team.comm.Get_size())


def require_all_possible(chosen: Mapping[str, PotentialSection | Member]) -> None:
    """Refuse what `require_possible` refuses of any of several, and say so of all of them at once.

    Args:
        chosen: Potentials by their names.

    Raises:
        As `require_possible`, of a single one; LamplighterError: of several, of which each is named.
    """
    problems: dict[str, LamplighterError] = {}
    for name, one in chosen.items():
        try:
            require_possible(one)
        except LamplighterError as problem:
            problems[name] = problem
    if len(problems) == 1:
        raise next(iter(problems.values()))
    if problems:
        kinds = {type(problem) for problem in problems.values()}
        kind = kinds.pop() if len(kinds) == 1 else LamplighterError
        lines = "".join(f"\n  {name}: {problem}" for name, problem in problems.items())
        raise kind(f"{len(problems)} of {len(chosen)} models cannot be used:{lines}")


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
