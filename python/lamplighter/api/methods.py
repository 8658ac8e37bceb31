"""Reference methods that are asked in this process: for a few frames, of which nothing need be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamplighter.api.ranks import on_first_rank

if TYPE_CHECKING:
    from lamplighter.driver.evaluation import OpenEvaluator


def opened_method(
    name: str, options: Mapping[str, Any] | None, asked: str, elements: Sequence[str], trust: bool = False
) -> OpenEvaluator:
    """The evaluator of a reference method by its name. Collective.

    Args:
        name, options: As `labelling.named_methods.named_method`.
        asked: What named it, for messages.
        elements: All elements that frames will hold.
        trust: Put its model files on the user's list of trusted files.

    Raises:
        LamplighterError: it is no method, or cannot be opened.
    """
    from lamplighter.labelling.method import checked
    from lamplighter.labelling.named_methods import named_method

    method = named_method(name, options, asked)
    on_first_rank(lambda: method.require_possible(trust))
    return checked(method, elements)


def reference_of_run(name: str, options: Mapping[str, Any], asked: str, elements: Sequence[str]) -> OpenEvaluator:
    """The reference of a run's volume scan: the first rank alone asks it. Not collective.

    Raises:
        LamplighterError: it is no method, cannot be opened, or is a command, which a run file may not start.
    """
    from dataclasses import replace

    from lamplighter.errors import LamplighterError
    from lamplighter.labelling.command_file import CommandMethod
    from lamplighter.labelling.method import checked
    from lamplighter.labelling.named_methods import named_method
    from lamplighter.labelling.potentials import PotentialMethod

    method = named_method(name, options, asked)
    if isinstance(method, CommandMethod):
        raise LamplighterError(
            f"{asked} {name} is a command file, and a run file starts no programs: write the frames with `lamplighter "
            "scan --write`, label them with `lamplighter label`, and give them to `lamplighter scan --reference`"
        )
    if isinstance(method, PotentialMethod):
        method = replace(method, apart=True)
    method.require_possible(trust=False)
    return checked(method, elements)
