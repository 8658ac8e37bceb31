"""Frames of a structure as the page's viewer takes them: molecules whole, marked atoms in the middle, small numbers."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from ase.geometry import find_mic
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import TrajectoryError
from lamplighter.structures.frame import Frame

MOST_ATOMS = 20000
"""Larger structures are shown around the marked atoms alone: a phone has to draw each atom many times a second."""

_STEPS = 32000  # of a 16-bit number, to either side of zero
_UNKNOWN = 255  # in place of one of the _TINTS
_TINTS = 16


@dataclass(frozen=True)
class ShownFrame:
    """A frame and what is said of it.

    Attributes:
        frame: All frames of a view have the same atoms, of known elements.
        label: Under the picture.
        is_failure: Whether it is the one that failed.
        values: Numbers that atoms can be coloured by, shape (n,), by the words for them; NaN: unknown.
    """

    frame: Frame
    label: str
    is_failure: bool = False
    values: Mapping[str, Floats] = field(default_factory=dict)


def structure_view(
    shown: Sequence[ShownFrame],
    pairs: Integers,
    marked: Sequence[int] = (),
    long_bonds: Sequence[tuple[int, int]] = (),
    first: int = 0,
    around: float = 5.0,
) -> dict[str, Any]:
    """What the viewer takes, ready for JSON.

    Molecules are made whole by following their bonds through nearest images. In the frame that is shown first the
    marked atoms (or the cell) are in the middle and each molecule is in the image nearest to it; in the others they are
    where they have moved to from there.

    Args:
        shown: Frames in order of time.
        pairs: Bonds to be drawn, by places of atoms, shape (m, 2).
        marked: Places of atoms that stand out.
        long_bonds: Of `pairs`, those that are drawn as broken, with their length.
        first: Which frame is shown first.
        around: Molecules with an atom closer than this to a marked one (Å) are its surroundings.

    Raises:
        TrajectoryError: no frames, or their atoms differ.
    """
    if not shown:
        raise TrajectoryError("there is no frame to show")
    middle = shown[first].frame
    for each in shown:
        if not np.array_equal(each.frame.ids, middle.ids):
            raise TrajectoryError(f"frames of different atoms cannot be shown together ({each.label})")
    marks = np.asarray(marked, dtype=np.int64)
    molecule = _molecules(pairs, len(middle))
    placed = _around_the_middle(middle, pairs, molecule, marks)
    near = _near(middle, molecule, marks, around)
    positions = {first: placed}
    for place in (*range(first - 1, -1, -1), *range(first + 1, len(shown))):
        before = place + 1 if place < first else place - 1
        positions[place] = _nearest_to(positions[before], shown[place].frame, pairs, molecule)
    kept = np.arange(len(middle))
    if len(middle) > MOST_ATOMS:
        kept = np.flatnonzero(near) if len(marks) else np.flatnonzero(np.isin(molecule, molecule[:MOST_ATOMS]))
    new_place = np.full(len(middle), -1)
    new_place[kept] = np.arange(len(kept))
    bonds = new_place[pairs] if len(pairs) else np.empty((0, 2), dtype=np.int64)
    kinds, kind = np.unique(middle.numbers[kept], return_inverse=True)
    tinted, tints = _tints([each.values for each in shown], kept)
    finite = [each[np.isfinite(each)] for each in positions.values()]
    extent = max(float(np.abs(each).max(initial=1.0)) for each in finite)
    scale = extent / _STEPS
    return {
        "elements": [chemical_symbols[number] for number in kinds],
        "colours": [_hexadecimal(jmol_colors[number]) for number in kinds],
        "radii": [round(float(covalent_radii[number]), 2) for number in kinds],
        "kind": kind.reshape(-1).tolist(),
        "ids": middle.ids[kept].tolist(),
        "near": np.flatnonzero(near[kept]).tolist() if len(marks) else [],
        "bonds": bonds[(bonds >= 0).all(axis=1)].ravel().tolist(),
        "marked": [int(new_place[mark]) for mark in marks],
        "long": [[int(new_place[one]), int(new_place[other])] for one, other in long_bonds],
        "left_out": len(middle) - len(kept),
        "first": first,
        "tints": _ramp() if tinted else [],
        "tinted": tinted,
        "scale": scale,
        "frames": [
            {
                "label": each.label,
                "failure": each.is_failure,
                "cell": [round(float(value), 4) for value in each.frame.cell.ravel()],
                "positions": _packed(positions[place][kept], scale),
                "tint": tints[place],
            }
            for place, each in enumerate(shown)
        ],
    }


def _molecules(pairs: Integers, n: int) -> Integers:
    return np.asarray(connected_components(_graph(pairs, n), directed=False)[1], dtype=np.int64)


def _graph(pairs: Integers, n: int) -> csr_matrix:
    return coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()


def _around_the_middle(frame: Frame, pairs: Integers, molecule: Integers, marks: Integers) -> Floats:
    """Whole molecules, each in the image nearest to the marked atoms or the centre of the cell, which is at 0."""
    whole = _whole(frame, pairs, molecule)
    if len(marks):
        spread = whole[marks] - whole[marks[0]]
        middle = whole[marks[0]] + _nearest(spread, frame).mean(axis=0)
    else:
        centre = frame.cell.sum(axis=0) / 2.0
        middle = centre if frame.cell.any() else np.nanmean(whole, axis=0)
    away = whole - middle
    centres = _centres(away, molecule)
    return away + (_nearest(centres, frame) - centres)[molecule]


def _centres(positions: Floats, molecule: Integers) -> Floats:
    n_atoms = np.bincount(molecule)
    return np.stack([np.bincount(molecule, weights=positions[:, axis]) / n_atoms for axis in range(3)], axis=1)


def _whole(frame: Frame, pairs: Integers, molecule: Integers) -> Floats:
    """Positions with each atom in the image nearest to the bonded one that was reached before it."""
    positions = frame.positions.copy()
    if not frame.cell.any() or len(pairs) == 0:
        return positions
    graph = _graph(pairs, len(frame))
    bonded = np.unique(pairs)
    _, starts = np.unique(molecule[bonded], return_index=True)
    for start in bonded[starts]:
        order, before = breadth_first_order(graph, start, directed=False)
        steps = _nearest(frame.positions[order[1:]] - frame.positions[before[order[1:]]], frame)
        for atom, step in zip(order[1:], steps, strict=True):
            positions[atom] = positions[before[atom]] + step
    return positions


def _nearest(vectors: Floats, frame: Frame) -> Floats:
    """The shortest images of vectors; those that are not finite as they are."""
    finite = np.isfinite(vectors).all(axis=1)
    if not frame.cell.any() or not finite.any():
        return vectors
    made = vectors.copy()
    made[finite] = find_mic(vectors[finite], frame.cell, frame.periodic & frame.cell.any(axis=1))[0]
    return made


def _nearest_to(before: Floats, frame: Frame, pairs: Integers, molecule: Integers) -> Floats:
    """Whole molecules in the images nearest to where they were in the neighbouring frame, without a common shift."""
    whole = _whole(frame, pairs, molecule)
    away = _centres(whole, molecule) - _centres(before, molecule)
    known = np.flatnonzero(np.isfinite(away).all(axis=1))
    if len(known) == 0:
        return whole
    moved = _nearest(away - away[known[0]], frame)
    moved -= np.median(moved[known], axis=0)
    return whole + (moved - away)[molecule]


def _near(frame: Frame, molecule: Integers, marks: Integers, around: float) -> NDArray[np.bool_]:
    near = np.zeros(len(frame), dtype=bool)
    for mark in marks:
        away = _nearest(frame.positions - frame.positions[mark], frame)
        with np.errstate(invalid="ignore"):
            near |= (away**2).sum(axis=1) < around**2
    return np.isin(molecule, molecule[near])


def _tints(values: Sequence[Mapping[str, Floats]], kept: Integers) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """Words and largest value of each number that all frames have, and which tint of it each atom has in each frame."""
    words = [each for each in values[0] if all(each in of_frame for of_frame in values)]
    found: list[dict[str, Any]] = []
    tints: list[list[str]] = [[] for _ in values]
    for each in words:
        numbers = [of_frame[each][kept] for of_frame in values]
        most = max((float(row[np.isfinite(row)].max(initial=0.0)) for row in numbers), default=0.0)
        if most <= 0.0:
            continue
        found.append({"words": each, "most": f"{most:.3g}"})
        for of_frame, row in zip(tints, numbers, strict=True):
            known = np.isfinite(row)
            steps = np.where(known, np.clip(np.where(known, row, 0.0) / most * _TINTS, 0, _TINTS - 1), _UNKNOWN)
            of_frame.append(base64.b64encode(steps.astype(np.uint8).tobytes()).decode("ascii"))
    return found, tints


def _ramp() -> list[str]:
    """Colours of small to large values, which readers of all kinds of sight tell apart."""
    from matplotlib import colormaps

    return [_hexadecimal(colour[:3]) for colour in colormaps["viridis"](np.linspace(0.0, 1.0, _TINTS))]


def _packed(positions: Floats, scale: float) -> str:
    """Little-endian 16-bit numbers in base 64; −32768 where a position is not finite."""
    steps = np.where(np.isfinite(positions), np.round(positions / scale), -32768)
    return base64.b64encode(steps.astype("<i2").tobytes()).decode("ascii")


def _hexadecimal(colour: Floats) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in colour)
