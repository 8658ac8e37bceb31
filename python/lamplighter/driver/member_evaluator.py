"""The evaluator of a member of a run file's potential in this Python, on all ranks of an environment."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamplighter.config.potential import PotentialSection
from lamplighter.driver import elements_of_lines, model_trust, models, preflight
from lamplighter.driver.classical_frames import ClassicalFrameEvaluator
from lamplighter.driver.environment import Environment
from lamplighter.driver.failure import agree
from lamplighter.driver.frame_evaluator import SILENT, FrameEvaluator
from lamplighter.driver.members import Member
from lamplighter.driver.open_lammps import open_session
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.errors import ConfigError


def evaluator_of(env: Environment, member: Member, elements: Sequence[str], trust: bool = False) -> FrameEvaluator:
    """Open a member for frames; what cannot work is refused before anything is opened. Collective.

    Args:
        env: From `environment.prepare`.
        member: Of a potential whose paths are absolute.
        elements: All elements that frames will hold.
        trust: Put its model files on the user's list of trusted files.

    Raises:
        As `evaluation.open_evaluator`.
    """
    if member.potential.classical is not None:
        checked = agree(env.comm, lambda: preflight.checked(member.potential, env.ranks))
        setup = agree(env.comm, lambda: pair_setup(checked, elements))
        return ClassicalFrameEvaluator(open_session(env, setup, SILENT), member.potential)
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
    if twice and not elements_of_lines.name_elements(member.potential):
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
