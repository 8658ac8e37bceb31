"""Pair styles of LAMMPS as words of a script: one alone, several as a committee, several as a sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COMMITTEE = "lamplighter/committee"


@dataclass(frozen=True)
class PairStyle:
    """A pair style with its coefficients.

    Attributes:
        name, words: What follows `pair_style`.
        coefficients: Of each `pair_coeff`: the two atom types, and what follows them.
    """

    name: str
    words: str
    coefficients: tuple[tuple[str, str], ...]


def committee_of(keywords: str, members: Sequence[PairStyle], summed: bool) -> PairStyle:
    """Pair styles as the members of a committee; without keywords the first one alone.

    Args:
        keywords: Of `pair_style lamplighter/committee`.
        members: The pair styles.
        summed: Whether something is added to the committee: a hybrid takes bare names for styles of its own, so that
            names of members are marked there.
    """
    if not keywords:
        return members[0]
    mark = "=" if summed else ""
    return PairStyle(
        COMMITTEE,
        " ".join([keywords, *(f"{mark}{member.name} {member.words}".rstrip() for member in members)]),
        tuple(
            (types, f"{number} {rest}".rstrip())
            for number, member in enumerate(members, start=1)
            for types, rest in member.coefficients
        ),
    )


def lines_of_sum(parts: Sequence[PairStyle]) -> list[str]:
    """The lines of one pair style, or of the sum of several."""
    if len(parts) == 1:
        (style,) = parts
        return [
            f"pair_style {style.name} {style.words}".rstrip(),
            *(f"pair_coeff {types} {rest}".rstrip() for types, rest in style.coefficients),
        ]
    return [
        f"pair_style hybrid/overlay {' '.join(f'{part.name} {part.words}'.rstrip() for part in parts)}",
        *(f"pair_coeff {types} {part.name} {rest}".rstrip() for part in parts for types, rest in part.coefficients),
    ]
