"""A pair style of LAMMPS with its coefficients, as words of a script."""

from __future__ import annotations

from dataclasses import dataclass


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
