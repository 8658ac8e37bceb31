"""Which molecules there are in each frame, by the bonds that are found in it: what was lost, what is new, and when.

A bond begins where two atoms come nearer than `forms` times the sum of their covalent radii, and lasts until they are
further apart than `breaks` times it: vibrations change nothing, reactions and decay do. Written out in
`docs/theory/structure.md`.

Source of the radii: B. Cordero et al., Dalton Trans. 2008, 2832, as ASE has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from ase.data import covalent_radii

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.molecules import molecules
from lamplighter.arrays import Floats, Integers

FORMS, BREAKS = 1.15, 1.4


@dataclass(frozen=True)
class Census:
    """The molecules from one frame on, until the next census.

    Attributes:
        frame, time_ps: Where it begins; time None: not known.
        counts: Molecules of each formula.
        bonds_lost, bonds_new: Against the first frame.
    """

    frame: int
    time_ps: float | None
    counts: dict[str, int]
    bonds_lost: int
    bonds_new: int


@dataclass(frozen=True)
class Integrity:
    """The molecules of a trajectory.

    Attributes:
        censuses: The first frame's, and one for each frame in which the bonds differ from those of the frame before.
        n_frames: How many were looked at.
        last_frame, last_ps: Place and time of the last of them; time None: not known.
        first_change: The first census with other molecules than the first; None: there is none.
        n_changed_frames: Frames with other molecules than the first.
    """

    censuses: list[Census]
    n_frames: int
    last_frame: int
    last_ps: float | None
    first_change: Census | None
    n_changed_frames: int

    @property
    def species(self) -> list[str]:
        """All formulas, those of the first frame first."""
        return list(dict.fromkeys(name for census in self.censuses for name in census.counts))

    def gained_and_lost(self, census: Census) -> dict[str, int]:
        """Molecules of each formula more (or fewer, negative) than in the first frame."""
        before = self.censuses[0].counts
        names = [name for name in self.species if name in before or name in census.counts]
        away = {name: census.counts.get(name, 0) - before.get(name, 0) for name in names}
        return {name: number for name, number in away.items() if number}


@dataclass
class IntegrityCheck:
    """Follows the bonds from frame to frame.

    Attributes:
        numbers: Atomic numbers, shape (n,), the same in all frames.
        masses: g/mol, shape (n,).
        forms, breaks: Of a bond, in sums of two covalent radii.
        bonds: Which contacts are bonds; its `tolerance` is not used here.
        ids: Of the atoms, shape (n,); None: 1 … n.
    """

    numbers: Integers
    masses: Floats
    forms: float = FORMS
    breaks: float = BREAKS
    bonds: BondRule = field(default_factory=BondRule)
    ids: Integers | None = None
    _censuses: list[Census] = field(default_factory=list)
    _bonds: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _first: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _n_frames: int = 0
    _last: tuple[int, float | None] = (0, None)
    _n_changed: int = 0

    @property
    def reach(self) -> float:
        """Up to where pairs are needed, Å."""
        return self.breaks * 2.0 * float(covalent_radii[self.numbers].max(initial=0.0))

    def add(self, frame: int, time_ps: float | None, pairs: Integers, distances: Floats) -> None:
        """Look at one frame.

        Args:
            frame, time_ps: Its place and time.
            pairs, distances: All pairs nearer than `reach`, as `pairs_within.pairs_within`; others may be among them.
        """
        n = len(self.numbers)
        near = distances < self.reach
        first, second, distances = pairs[near, 0], pairs[near, 1], distances[near]
        sums = covalent_radii[self.numbers[first]] + covalent_radii[self.numbers[second]]
        codes = np.minimum(first, second) * n + np.maximum(first, second)
        bonded = distances < self.forms * sums
        bonded |= (distances < self.breaks * sums) & np.isin(codes, self._bonds)
        bonds = np.unique(codes[bonded])
        ids = np.arange(1, n + 1) if self.ids is None else self.ids
        bonds = bonds[self.bonds.chosen(np.stack([bonds // n, bonds % n], axis=1), self.numbers, ids)]
        if self._n_frames == 0:
            self._first = bonds
        if self._n_frames == 0 or not np.array_equal(bonds, self._bonds):
            self._bonds = bonds
            self._censuses.append(self._census(frame, time_ps))
        self._n_frames += 1
        self._last = (frame, time_ps)
        self._n_changed += self._censuses[-1].counts != self._censuses[0].counts

    def result(self) -> Integrity:
        """What was found so far."""
        changed = (each for each in self._censuses if each.counts != self._censuses[0].counts)
        return Integrity(list(self._censuses), self._n_frames, *self._last, next(changed, None), self._n_changed)

    def _census(self, frame: int, time_ps: float | None) -> Census:
        n = len(self.numbers)
        found = molecules(np.stack([self._bonds // n, self._bonds % n], axis=1), self.numbers, self.masses)
        lost = len(np.setdiff1d(self._first, self._bonds, assume_unique=True))
        new = len(np.setdiff1d(self._bonds, self._first, assume_unique=True))
        return Census(frame, time_ps, dict(zip(found.names, found.counts(), strict=True)), lost, new)
