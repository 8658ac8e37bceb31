"""The bonds that are watched, with the lengths that they are compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.analysis import stability
from lamplighter.analysis.bonding import BondRule
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import CriterionError
from lamplighter.structures.frame import Frame


@dataclass(frozen=True)
class Bonds:
    """Bonds with the lengths that they are compared with.

    Attributes:
        ids: Atoms of each bond, lower id first, shape (m, 2).
        reference: Å, shape (m,).
    """

    ids: Integers
    reference: Floats


def bonds_of(
    frame: Frame,
    reference: str = "mean",
    rule: BondRule | None = None,
    listed: Sequence[tuple[int, int, float | None]] | None = None,
    lengths_of_elements: Mapping[tuple[str, str], float] | None = None,
) -> Bonds:
    """The bonds of a frame with their reference lengths.

    Args:
        frame: All positions finite; all elements known, unless bonds are listed.
        reference: "mean": of the bonds of a kind; "initial": each bond's own length.
        rule: Which atoms are bonded; None: `BondRule()`.
        listed: Bonds by ids, and their length (Å) or None for that in the frame; None: as the rule finds them.
        lengths_of_elements: In place of `reference`: a length (Å) for each pair of elements, in alphabetical order.

    Raises:
        CriterionError: a listed atom is not there, an element or a length is not known.
    """
    rule = rule or BondRule()
    bad = stability.not_finite(frame.positions)
    if len(bad):
        raise CriterionError(
            f"the reference frame has positions that are not finite (atom {frame.ids[bad[0]]}): bonds cannot be found "
            "in it; give another with --start"
        )
    if listed is None:
        unknown = np.empty(0) if rule.listed is not None else np.flatnonzero(frame.numbers == 0)
        if len(unknown):
            raise CriterionError(
                f"the element of atom {frame.ids[unknown[0]]} is not known, and bonds are found by covalent radii: "
                'give --elements "C H O", one for each atom type, or --bonds FILE'
            )
        pairs, lengths = rule.find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
    else:
        pairs = np.array([_places(frame, bond[:2]) for bond in listed], dtype=np.int64).reshape(-1, 2)
        lengths = stability.bond_lengths(frame.positions, pairs, frame.cell, frame.periodic)
        given = np.array([bond[2] or math.nan for bond in listed], dtype=np.float64)
        lengths = np.where(np.isnan(given), lengths, given)
    if lengths_of_elements is not None:
        lengths = np.array([_length_of(frame, pair, lengths_of_elements) for pair in pairs], dtype=np.float64)
    elif reference == "mean":
        lengths = stability.mean_of_kind(lengths, stability.bond_kinds(frame.numbers, pairs))
    elif reference != "initial":
        raise CriterionError(f"reference must be mean, initial or a file, got {reference!r}")
    return Bonds(frame.ids[pairs], lengths)


def _places(frame: Frame, atoms: Sequence[int]) -> tuple[int, int]:
    first, second = sorted(int(atom) for atom in atoms)
    for atom in (first, second):
        if atom not in frame.ids:
            raise CriterionError(f"the bond {first} {second} names atom {atom}, which is not in the reference frame")
    if first == second:
        raise CriterionError(f"atom {first} is bonded to itself")
    found = np.searchsorted(frame.ids, [first, second])
    return int(found[0]), int(found[1])


def _length_of(frame: Frame, pair: Integers, lengths: Mapping[tuple[str, str], float]) -> float:
    first, second = sorted(frame.element(atom) for atom in pair)
    if (first, second) not in lengths:
        raise CriterionError(f"the reference lengths have none for {first}-{second} bonds")
    return lengths[first, second]
