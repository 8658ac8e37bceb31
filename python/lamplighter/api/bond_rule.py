"""What is said of bonds to a command or a function, as a rule; `docs/theory/bonds.md`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamplighter.analysis.bonding import BondRule


def bond_rule(
    bonds: str | None,
    tolerance: str | float | None,
    ions: str | None,
    bonded: str | None,
    unbonded: str | None,
    default_tolerance: float = 1.15,
) -> BondRule | None:
    """What the options say; None: nothing was said.

    Raises:
        LamplighterError: an option is wrong, or the file cannot be read; it is named.
    """
    from dataclasses import replace

    from lamplighter.analysis.bonding import BondRule, rule_of_file
    from lamplighter.bond_words import problem_of_tolerance, read_bond_words, split_words
    from lamplighter.errors import LamplighterError

    if all(given is None for given in (bonds, tolerance, ions, bonded, unbonded)):
        return None
    try:
        reach = default_tolerance if tolerance is None else float(tolerance)
    except ValueError:
        raise LamplighterError(f"--tolerance: {tolerance!r} is not a number (its unit is in --help)") from None
    if problem_of_value := problem_of_tolerance(reach):
        raise LamplighterError(f"--{problem_of_value}")
    if ions not in (None, "auto", "none"):
        raise LamplighterError(f"--ions must be auto or none, got {ions!r}")
    rule = BondRule() if bonds in (None, "geometry") else rule_of_file(Path(str(bonds)))
    words = []
    for option, text in (("--unbonded", unbonded), ("--bonded", bonded)):
        try:
            words.append(read_bond_words(split_words(text or "")))
        except ValueError as problem:
            raise LamplighterError(f"{option}: {problem}") from None
    made = replace(rule, tolerance=reach, unbonded=words[0], bonded=words[1])
    return replace(made, ions="none", source="found by covalent radii alone") if ions == "none" else made


def rule_of_frames(
    bonds: str | None, tolerance: str | float | None, ions: str | None, bonded: str | None, unbonded: str | None
) -> BondRule:
    """As `bond_rule`, for molecules of single frames: `BONDED`, and its tolerance, where nothing else is said."""
    from lamplighter.analysis.isolated_molecules import BONDED

    return bond_rule(bonds, tolerance, ions, bonded, unbonded, BONDED.tolerance) or BONDED
