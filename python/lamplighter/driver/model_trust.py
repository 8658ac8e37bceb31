"""Whether the model files of a potential may be opened, asked before LAMMPS starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamplighter.config.potential import PotentialSection
from lamplighter.config.volume_scan import VolumeScanSection
from lamplighter.driver.environment import Environment
from lamplighter.driver.failure import agree
from lamplighter.model_files import trust as trusted
from lamplighter.model_files.calculator_trust import asks_for
from lamplighter.model_files.examination import code_in, holds_numbers_alone
from lamplighter.model_files.trust import Program, sha256
from lamplighter.named_calculator import NamedCalculator


def require_trusted(
    env: Environment, potential: PotentialSection, trust: bool, scan: VolumeScanSection | None = None
) -> None:
    """Refuse what could run code and is not on the user's list of trusted files. Collective; rank 0 looks and asks.

    Args:
        trust: Put it on that list.
        scan: What follows the stages of a run: its reference may be a calculator, too.

    Raises:
        UntrustedModelError: something is not trusted, and nobody said yes; nothing of it was run.
    """

    def asked() -> list[str]:
        return trusted.require([*_programs(potential, scan)], trust=trust, ask=True)

    trusted.allow(agree(env.comm, asked))
    trusted.ask_at_terminal(env.ranks == 1)


def asked_about(potentials: Sequence[PotentialSection], trust: bool) -> list[str]:
    """The same of several potentials, in one question. One rank calls it.

    Returns:
        The hashes of what is trusted, for `model_files.trust.allow` on all ranks.

    Raises:
        As `require_trusted`.
    """
    programs = {each.sha256: each for potential in potentials for each in _programs(potential, None)}
    return trusted.require([*programs.values()], trust=trust, ask=True)


def _programs(potential: PotentialSection, scan: VolumeScanSection | None) -> Iterator[Program]:
    """What would run code of its own; with `strict`, every model file that is none of numbers alone."""
    strict = set(potential.model_files) if potential.strict else set()
    for file in _files(potential):
        reason = code_in(file)
        if not reason and file in strict and not holds_numbers_alone(file):
            reason = "strict is set: no file that is not on the list is opened, not even narrowly"
        if reason:
            yield Program(str(file), sha256(file), reason)
    if potential.calculator is not None:
        yield from _calculator("potential.calculator", NamedCalculator(potential.calculator, potential.options))
    if scan is not None and scan.reference is not None and ":" in scan.reference:
        yield from _calculator("workflow.volume_scan.reference", NamedCalculator(scan.reference, dict(scan.options)))


def _files(potential: PotentialSection) -> list[Path]:
    """Model files, and files that the pair styles of members or of `lammps` name."""
    words = [Path(word) for line in potential.lammps for word in line.split()]
    named = [word for word in words if word.is_absolute() and word.is_file()]
    return list(dict.fromkeys([*potential.files, *named]))


def _calculator(key: str, named: NamedCalculator) -> Iterator[Program]:
    if reason := asks_for(named):
        digest = hashlib.sha256(named.text().encode()).hexdigest()
        yield Program(f"{key}: {named.name}", digest, reason, is_file=False)
