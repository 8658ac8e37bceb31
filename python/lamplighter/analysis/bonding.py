"""Which atoms are bonded: contacts by covalent radii, without those of a metal ion with its surroundings.

The one place of the Python part that decides it; `pair_styles/metal_ions.cpp` states the rule once more for `fix
guard`, and the tests hold the two against each other. Written out, with examples, in `docs/theory/bonds.md`.

Sources:
    B. Cordero et al., Dalton Trans. 2008, 2832 (covalent radii).
    J. D. Westbrook et al., Bioinformatics 31, 1274 (2015), and the mmCIF dictionary: in the Protein Data Bank a metal
    ion is a component of its own, and its contacts with ligands are of type `metalc`, apart from `covale`.
    Nomenclature of Inorganic Chemistry, IUPAC Recommendations 2005: IR-5.3.2 (monoatomic cations), IR-10
    (organometallic compounds have bonds between metal and carbon).
    L. Helm, A. E. Merbach, Chem. Rev. 105, 1923 (2005) (platinum metals hold their ligands for seconds to years).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from ase.data import atomic_numbers
from scipy.sparse import csr_matrix

from lamplighter.analysis import stability
from lamplighter.analysis.stability import Booleans
from lamplighter.arrays import Floats, Integers
from lamplighter.bond_words import NOTHING_NAMED, BondWords, problem_of_tolerance
from lamplighter.errors import TrajectoryError
from lamplighter.structures.bond_files import read_bonds

TOLERANCE = 1.15
"""Longest bond in sums of two covalent radii, where nothing else is said."""


def _of(symbols: str) -> Booleans:
    """A table by atomic number."""
    table = np.zeros(119, dtype=bool)
    table[[atomic_numbers[symbol] for symbol in symbols.split()]] = True
    return table


NONMETAL = _of("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe At Rn Ts Og")
"""With the metalloids; all other elements are metals."""

NETWORK_FORMER = _of("Si Ge As Sb Te")
"""Oxygen between one of these and a metal belongs to an oxide (zeolites, clays), not to a molecule."""

SALT_FORMER = _of("Li Na K Rb Cs Fr Mg Ca Sr Ba Ra")
"""Groups 1 and 2 without beryllium: beside molecules always ions."""

PLATINUM_METAL = _of("Ru Rh Pd Os Ir Pt Au")
"""Hold their ligands."""

_HYDROGEN, _CARBON, _OXYGEN = 1, 6, 8


def chemical_bonds(contacts: Integers, numbers: Integers) -> Booleans:
    """Which contacts are bonds and which are those of a metal ion with what surrounds it.

    Args:
        contacts: Pairs of atoms by places, shape (m, 2), of `stability.bonds_by_distance`.
        numbers: Atomic numbers, shape (n,).

    Returns:
        Shape (m,).
    """
    metal = ~NONMETAL[numbers] & (numbers > 0)
    kept = np.ones(len(contacts), dtype=bool)
    if not metal.any() or len(contacts) == 0:
        return kept
    n = len(numbers)
    first, second = np.concatenate([contacts, contacts[:, ::-1]]).T  # each contact seen from both of its atoms

    def number_of(which: Booleans) -> Integers:
        """Contacts of each atom with atoms of a kind."""
        return np.bincount(first[which[second]], minlength=n)

    n_metals, n_nonmetals = number_of(metal), number_of(~metal)
    molecular = ~metal & (n_nonmetals > 0)
    in_metal = metal & (n_metals > n_nonmetals)
    salt = metal & SALT_FORMER[numbers] & molecular.any()
    holds = PLATINUM_METAL[numbers] & ~in_metal
    hydroxide = (numbers == _OXYGEN) & (n_nonmetals == 1) & (number_of(numbers == _HYDROGEN) == 1)
    hydrocarbon = np.isin(numbers, (_HYDROGEN, _CARBON))
    in_network = number_of(NETWORK_FORMER[numbers]) > 0
    donor = molecular & ~hydrocarbon & ~hydroxide & ~in_network

    # of each contact of a metal with a nonmetal the two ends
    mixed = metal[contacts[:, 0]] != metal[contacts[:, 1]]
    swapped = metal[contacts[:, 1]]
    centre = np.where(swapped, contacts[:, 1], contacts[:, 0])
    ligand = np.where(swapped, contacts[:, 0], contacts[:, 1])
    beside_donor = hydrocarbon & molecular
    loose = donor[ligand] | (beside_donor[ligand] & _through_a_donor(contacts, centre, ligand, donor))
    kept[mixed & ~salt[centre] & ~holds[centre] & loose] = False
    kept[mixed & salt[centre] & molecular[ligand]] = False
    kept[mixed & salt[centre] & ~in_metal[centre]] = False

    n_held = np.bincount(centre[mixed & kept], minlength=n)
    ion = metal & ~in_metal & ((salt) | ((n_nonmetals > 0) & (n_held == 0)))
    between = metal[contacts].all(axis=1)
    kept[between & ion[contacts].any(axis=1)] = False
    return kept


def _through_a_donor(contacts: Integers, centre: Integers, ligand: Integers, donor: Booleans) -> Booleans:
    """Whether the metal of a contact touches a donor that its other atom is bonded to (M, O, C of a carboxylate)."""
    n = len(donor)
    first, second = np.concatenate([contacts, contacts[:, ::-1]]).T
    wanted = donor[second]
    to_donors = csr_matrix((np.ones(wanted.sum()), (first[wanted], second[wanted])), shape=(n, n))
    paths = to_donors[centre].multiply(to_donors[ligand]).sum(axis=1)
    return np.asarray(paths).ravel() > 0


@dataclass(frozen=True)
class BondRule:
    """How bonds are found, and what the user says of them.

    Attributes:
        tolerance: Longest contact in sums of two covalent radii.
        ions: "auto": `chemical_bonds`; "none": every contact is a bond.
        unbonded: What is not bonded: all contacts of an element, those of two elements, or two atoms.
        bonded: What is: contacts of elements whatever `ions` says, or two atoms at any distance.
        listed: All bonds there are, by IDs, shape (m, 2); None: they are found.
        source: Where the bonds come from, in words.

    Raises:
        TrajectoryError: the tolerance is not between 0.5 and 2.
    """

    tolerance: float = TOLERANCE
    ions: Literal["auto", "none"] = "auto"
    unbonded: BondWords = NOTHING_NAMED
    bonded: BondWords = NOTHING_NAMED
    listed: Integers | None = None
    source: str = "found by covalent radii; metal ions are apart from molecules"

    def __post_init__(self) -> None:
        if problem := problem_of_tolerance(self.tolerance):
            raise TrajectoryError(problem)

    def find(
        self,
        positions: Floats,
        numbers: Integers,
        cell: Floats,
        periodic: Booleans,
        ids: Sequence[int] | Integers | None = None,
    ) -> tuple[Integers, Floats]:
        """The bonds of a frame.

        Args:
            positions, numbers, cell, periodic: As `stability.bonds_by_distance`.
            ids: Of the atoms, ascending, shape (n,); None: 1 … n.

        Returns:
            As `stability.bonds_by_distance`.

        Raises:
            TrajectoryError: an atom that was named is not there.
        """
        known = np.arange(1, len(numbers) + 1) if ids is None else np.asarray(ids, dtype=np.int64)
        if self.listed is None:
            pairs, lengths = stability.bonds_by_distance(positions, numbers, cell, periodic, self.tolerance)
            chosen = self.chosen(pairs, numbers, known)
            pairs, lengths = pairs[chosen], lengths[chosen]
        else:
            pairs, lengths = _places(self.listed, known), np.empty(0)
            lengths = stability.bond_lengths(positions, pairs, cell, periodic)
            chosen = self._said(pairs, numbers, known, np.ones(len(pairs), dtype=bool))
            pairs, lengths = pairs[chosen], lengths[chosen]
        more = _places(np.array(sorted(self.bonded.pairs_of_atoms), dtype=np.int64).reshape(-1, 2), known)
        more = more[~np.isin(more @ [len(known), 1], pairs @ [len(known), 1])]
        if len(more) == 0:
            return pairs, lengths
        pairs = np.concatenate([pairs, more])
        lengths = np.concatenate([lengths, stability.bond_lengths(positions, more, cell, periodic)])
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        return pairs[order], lengths[order]

    def chosen(self, contacts: Integers, numbers: Integers, ids: Integers) -> Booleans:
        """Which contacts (by places, shape (m, 2)) are bonds, shape (m,)."""
        kept = chemical_bonds(contacts, numbers) if self.ions == "auto" else np.ones(len(contacts), dtype=bool)
        return self._said(contacts, numbers, ids, kept)

    def _said(self, pairs: Integers, numbers: Integers, ids: Integers, kept: Booleans) -> Booleans:
        """As the user wants them: what names atoms goes before what names elements, `bonded` before `unbonded`."""
        for words, value in ((self.unbonded, False), (self.bonded, True)):
            elements = np.sort(numbers[pairs], axis=1)
            kept = np.where(np.isin(elements, sorted(words.elements)).any(axis=1), value, kept)
            kept = np.where(_among(elements, words.pairs_of_elements), value, kept)
        for words, value in ((self.unbonded, False), (self.bonded, True)):
            kept = np.where(_among(np.sort(ids[pairs], axis=1), words.pairs_of_atoms), value, kept)
        return np.asarray(kept, dtype=bool)


def _among(pairs: Integers, wanted: frozenset[tuple[int, int]]) -> Booleans:
    found = np.zeros(len(pairs), dtype=bool)
    for low, high in wanted:
        found |= (pairs[:, 0] == low) & (pairs[:, 1] == high)
    return found


def _places(listed: Integers, ids: Integers) -> Integers:
    """Pairs of IDs as pairs of places, the lower first."""
    lost = np.setdiff1d(listed, ids)
    if len(lost):
        pair = listed[np.isin(listed, lost).any(axis=1)][0]
        raise TrajectoryError(f"the bond {pair[0]} {pair[1]} names atom {lost[0]}, which is not in the frame")
    return np.sort(np.searchsorted(ids, listed).astype(np.int64), axis=1)


def rule_of_file(path: Path) -> BondRule:
    """The bonds that a file lists: `ID1 ID2` lines, a list of molecules, or the Bonds section of a LAMMPS data file.

    Raises:
        TrajectoryError: it cannot be read, or lists something else.
    """
    bonds = read_bonds(path)
    return BondRule(listed=np.array(bonds, dtype=np.int64).reshape(-1, 2), source=f"those of {path.name}")
