"""Molecules are put into a box, none nearer to another than the tolerance, and none through a ring of another.

They begin at random places, turned at random, and their overlap is minimised (L-BFGS) with all molecules rigid and the
whole box at once, through its faces. Molecules that are stuck get another place. The result is checked by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from lamplighter.arrays import Floats, Integers
from lamplighter.building.cells import FilledBox
from lamplighter.building.contents import Contents, Copies
from lamplighter.building.overlap import Overlap
from lamplighter.building.separation import between_molecules, threaded
from lamplighter.errors import StructureError
from lamplighter.progress_line import rewritten

MARGIN = 1.02
"""Molecules are kept so much farther apart while they are moved: the tolerance is met before that is."""

ROUNDS = 12
"""Minimisations, each of which begins with new places for the molecules that the one before could not part."""

STEPS = 300
"""Of one minimisation, at most; liquids take some tens."""


@dataclass(frozen=True)
class Packed:
    """A box that is full.

    Attributes:
        positions: Of all copies, one after the other, Å, shape (n_atoms, 3); molecules are whole.
        nearest: Distance that no atoms of two molecules fall below, Å.
    """

    positions: Floats
    nearest: float


def pack(copies: Sequence[Copies], box: FilledBox, seed: int, shown: bool = False) -> Packed:
    """Pack a box.

    Args:
        copies: What is packed.
        box: Where.
        seed: Of the places where molecules begin.
        shown: Whether a line on the terminal says how far it is.

    Raises:
        StructureError: no room was found for all molecules.
    """
    contents = Contents.of(copies)
    random = np.random.default_rng(seed)
    centres, turned = _anywhere(random, contents.n_molecules, box), _turned(random, contents)
    with rewritten(shown) as say:
        for number in range(1, ROUNDS + 1):

            def told(text: str, number: int = number) -> None:
                say(f"packing, round {number}: {text}")

            positions = _parted(Overlap(contents, turned, box, MARGIN), centres, told)
            found = _Check.of(positions, box, contents)
            if len(found.stuck) == 0:
                return Packed(_wrapped(positions, box.cell, contents.molecule), found.nearest)
            stuck = np.isin(np.arange(contents.n_molecules), found.stuck)
            of_atom = stuck[contents.molecule]
            centres = _centres(positions, contents.molecule)
            turned = np.where(of_atom[:, None], _turned(random, contents), positions - centres[contents.molecule])
            centres[stuck] = _anywhere(random, int(stuck.sum()), box)
    raise StructureError(f"no room was found for all molecules: {found.worst}; lower the density or the tolerance")


def _anywhere(random: np.random.Generator, number: int, box: FilledBox) -> Floats:
    """Centres at random, Å, shape (number, 3)."""
    fractions = random.uniform(size=(number, 3))
    if box.filled is not None:
        low, high = np.array(box.filled) / box.cell[2, 2]
        fractions[:, 2] = low + (high - low) * fractions[:, 2]
    return fractions @ box.cell


def _centres(positions: Floats, molecule: Integers) -> Floats:
    """Of all molecules, Å, shape (n_molecules, 3)."""
    sums = np.stack([np.bincount(molecule, axis) for axis in positions.T], axis=1)
    return np.asarray(sums / np.bincount(molecule)[:, None])


def _wrapped(positions: Floats, cell: Floats, molecule: Integers) -> Floats:
    """The images of molecules whose centres are in the cell."""
    steps = np.floor(_centres(positions, molecule) @ np.linalg.inv(cell))
    return np.asarray(positions - (steps @ cell)[molecule])


def _turned(random: np.random.Generator, contents: Contents) -> Floats:
    """All molecules around their centres, each turned at random, Å, shape (n_atoms, 3)."""
    turns = Rotation.from_quat(random.normal(size=(contents.n_molecules, 4))).as_matrix()
    return np.asarray(np.einsum("aij,aj->ai", turns[contents.molecule], contents.shapes))


def _parted(overlap: Overlap, centres: Floats, say: Callable[[str], None]) -> Floats:
    """Positions of molecules that were moved apart as far as that went, Å, shape (n_atoms, 3)."""
    enough = 1.0 - 1.0 / MARGIN**2

    def after_a_step(intermediate_result: Any) -> None:
        say(f"overlap {intermediate_result.fun:.3g} Å⁴, {100.0 * overlap.deepest:.0f} % at most")
        if overlap.deepest < enough:
            raise StopIteration

    found = minimize(
        overlap,
        overlap.variables(centres),
        jac=True,
        method="L-BFGS-B",
        callback=after_a_step,
        options={"maxiter": STEPS, "maxfun": 4 * STEPS, "ftol": 1e-9, "gtol": 1e-9},
    )
    return overlap.positions(found.x)


@dataclass(frozen=True)
class _Check:
    """What is wrong with positions, found without what made them.

    Attributes:
        stuck: Molecules that need another place.
        nearest: Distance that no atoms of two molecules fall below, Å.
        worst: What is wrong, in words.
    """

    stuck: Integers
    nearest: float
    worst: str

    @classmethod
    def of(cls, positions: Floats, box: FilledBox, contents: Contents) -> _Check:
        """Check positions, Å, shape (n_atoms, 3)."""
        radii, molecule = contents.radii, contents.molecule
        seen = 2.0 * float(radii.max()) + 1.0
        contacts = between_molecules(positions, box.cell, molecule, seen)
        sums = radii[contacts.pairs].sum(axis=1)
        shares = contacts.distances / sums
        stuck, worst = [molecule[contacts.pairs[shares < 1.0, 1]]], ""
        if shares.min(initial=1.0) < 1.0:
            place = int(np.argmin(shares))
            first, second = contacts.pairs[place] + 1
            worst = (
                f"atoms {first} and {second} of two molecules stay {contacts.distances[place]:.3f} Å apart, less than "
                f"{sums[place]:.3f} Å"
            )
        elif through := threaded(positions, box.cell, contents.bonds, contents.rings, molecule):
            stuck.append(molecule[contents.bonds[[bond for _, bond in through], 0]])
            worst = "a bond passes through the ring of another molecule"
        if box.filled is not None:
            height = positions[:, 2]
            outside = (height < box.filled[0]) | (height > box.filled[1])
            stuck.append(molecule[outside])
            if outside.any():
                worst = worst or "molecules reach out of the slab"
        return cls(np.unique(np.concatenate(stuck)), min(contacts.nearest, seen), worst)
