"""Ions of ionic liquids by CL&P, the force field of J. N. Canongia Lopes and A. A. H. Pádua, in the form of OPLS-AA.

Numbers are those of the authors' data set (doi:10.5281/zenodo.593705, `il.ff` of 2025-12-19), in their units: kJ/mol,
Å, degrees, force constants of ½ k (x − x₀)², dihedrals and impropers by V₁ to V₄ of OPLS-AA. Sources are the papers
that the data set names; alkyl groups are those of OPLS-AA. Bonds to hydrogen, which the authors constrain, have the
force constants that the data set gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from lamplighter.potentials.classical.atom_types import TypingRule
from lamplighter.potentials.classical.moltemplate_file import AtomRow, Kind

_KCAL = 1.0 / 4.184

_SET = "CL&P, doi:10.5281/zenodo.593705"
IMIDAZOLIUM = f"{_SET}: J. N. Canongia Lopes, J. Deschamps, A. A. H. Pádua, J. Phys. Chem. B 108, 2038 (2004)"
TFSI = f"{_SET}: J. N. Canongia Lopes, A. A. H. Pádua, J. Phys. Chem. B 108, 16893 (2004)"
FSI = f"{_SET}: K. Shimizu et al., J. Phys. Chem. B 114, 3592 (2010)"
BF4 = f"{_SET} (tetrafluoroborate, of which the data set names no paper)"


@dataclass(frozen=True)
class IonType:
    """A type of atoms: class of its bonded terms, mass (g/mol), charge (e), σ (Å), ε (kJ/mol) and source."""

    name: str
    of_terms: str
    mass: float
    charge: float
    sigma: float
    epsilon: float
    source: str


TYPES = {
    each.name: each
    for each in (
        IonType("CR", "CR", 12.011, -0.11, 3.55, 0.29288, IMIDAZOLIUM),
        IonType("CW", "CW", 12.011, -0.13, 3.55, 0.29288, IMIDAZOLIUM),
        IonType("NA", "NA", 14.007, 0.15, 3.25, 0.71128, IMIDAZOLIUM),
        IonType("HCR", "HA", 1.008, 0.21, 2.42, 0.12552, IMIDAZOLIUM),
        IonType("HCW", "HA", 1.008, 0.21, 2.42, 0.12552, IMIDAZOLIUM),
        IonType("C1", "CT", 12.011, -0.17, 3.50, 0.27614, IMIDAZOLIUM),
        IonType("H1", "HC", 1.008, 0.13, 2.50, 0.12552, IMIDAZOLIUM),
        IonType("CE", "CT", 12.011, -0.05, 3.50, 0.27614, IMIDAZOLIUM),
        IonType("C2", "CT", 12.011, 0.01, 3.50, 0.27614, IMIDAZOLIUM),
        IonType("CS", "CT", 12.011, -0.12, 3.50, 0.27614, IMIDAZOLIUM),
        IonType("CT", "CT", 12.011, -0.18, 3.50, 0.27614, IMIDAZOLIUM),
        IonType("HC", "HC", 1.008, 0.06, 2.50, 0.12552, IMIDAZOLIUM),
        IonType("CBT", "CF", 12.011, 0.35, 3.50, 0.27614, TFSI),
        IonType("F1", "FB", 18.998, -0.16, 3.118, 0.2554, TFSI),
        IonType("SBT", "SB", 32.066, 1.02, 3.55, 1.046, TFSI),
        IonType("NBT", "NB", 14.007, -0.66, 3.25, 0.71128, TFSI),
        IonType("OBT", "OB", 15.999, -0.53, 3.15, 0.83736, TFSI),
        IonType("FSI", "FB", 18.998, -0.13, 3.118, 0.2554, FSI),
        IonType("B", "B", 10.811, 0.96, 3.58, 0.3975, BF4),
        IonType("FB", "F", 18.998, -0.49, 3.12, 0.2552, BF4),
    )
}
"""By name."""

_BONDS = {
    "CT HC": (1.090, 2845.0), "CT CT": (1.529, 2242.0),
    "CR HA": (1.080, 2845.0), "CW HA": (1.080, 2845.0), "CR NA": (1.315, 3992.0), "CW NA": (1.378, 3574.0),
    "CW CW": (1.341, 4352.0), "NA CT": (1.466, 2820.0),
    "FB CF": (1.323, 3698.0), "CF SB": (1.818, 1950.0), "SB OB": (1.437, 5331.0), "NB SB": (1.570, 3137.0),
    "FB SB": (1.575, 1879.0),
    "B F": (1.394, 3235.0),
}  # fmt: skip

_ANGLES = {
    "CT CT CT": (112.7, 488.3), "CT CT HC": (110.7, 313.8), "HC CT HC": (107.8, 276.1),
    "CW NA CR": (108.0, 585.8), "CW NA CT": (125.6, 585.8), "CR NA CT": (126.4, 585.8), "NA CR HA": (125.1, 292.9),
    "NA CR NA": (109.8, 585.8), "NA CW CW": (107.1, 585.8), "NA CW HA": (122.0, 292.9), "CW CW HA": (130.9, 292.9),
    "NA CT HC": (110.7, 313.8), "NA CT CT": (112.7, 488.3),
    "FB CF FB": (107.1, 781.0), "FB CF SB": (111.7, 694.0), "OB SB OB": (118.5, 969.0), "CF SB OB": (102.6, 870.0),
    "NB SB OB": (113.6, 789.0), "NB SB CF": (103.5, 764.0), "SB NB SB": (125.6, 671.0),
    "FB SB OB": (104.1, 1077.0), "FB SB NB": (103.0, 902.0),
    "F B F": (109.5, 669.5),
}  # fmt: skip

_DIHEDRALS = {
    "HC CT CT HC": (0.0, 0.0, 1.2552, 0.0), "CT CT CT HC": (0.0, 0.0, 1.2552, 0.0),
    "CT CT CT CT": (5.4392, -0.2092, 0.8368, 0.0),
    "CW NA CR NA": (0.0, 19.46, 0.0, 0.0), "CW NA CR HA": (0.0, 19.46, 0.0, 0.0),
    "CT NA CR NA": (0.0, 19.46, 0.0, 0.0), "CT NA CR HA": (0.0, 19.46, 0.0, 0.0),
    "CR NA CW CW": (0.0, 12.552, 0.0, 0.0), "CR NA CW HA": (0.0, 12.552, 0.0, 0.0),
    "CT NA CW CW": (0.0, 12.552, 0.0, 0.0), "CT NA CW HA": (0.0, 12.552, 0.0, 0.0),
    "NA CW CW NA": (0.0, 44.98, 0.0, 0.0), "NA CW CW HA": (0.0, 44.98, 0.0, 0.0), "HA CW CW HA": (0.0, 44.98, 0.0, 0.0),
    "CW NA CT HC": (0.0, 0.0, 0.519, 0.0), "CR NA CT HC": (0.0, 0.0, 0.0, 0.0),
    "CW NA CT CT": (-7.1535, 6.1064, 0.7939, 0.0), "CR NA CT CT": (-5.2691, 0.0, 0.0, 0.0),
    "NA CT CT CT": (-7.4797, 3.1642, -1.2026, 0.0), "NA CT CT HC": (0.0, 0.0, 0.367, 0.0),
    "OB SB CF FB": (0.0, 0.0, 1.451, 0.0), "NB SB CF FB": (0.0, 0.0, 1.322, 0.0),
    "OB SB NB SB": (0.0, 0.0, -0.015, 0.0), "SB NB SB CF": (32.773, -10.42, -3.195, 0.0),
    "FB SB NB SB": (11.445, -15.186, -3.212, 0.0),
}  # fmt: skip

# The third atom is the centre; the angle is that of a dihedral of the atoms in this order.
_IMPROPERS = {"CR CW NA CT": 8.368, "NA NA CR HA": 9.2048, "NA CW CW HA": 9.2048}
"""V₂."""

_RING_N = "$([#7X3]1([CX4;!R])@[#6H1]@[#7X3]([CX4;!R])@[#6H1]@[#6H1]@1)"
_CF3SO2, _FSO2 = "[SX4](=[OX1])(=[OX1])C(F)(F)F", "[SX4](=[OX1])(=[OX1])F"
_TFSI_N, _FSI_N = f"$([N-X2]({_CF3SO2}){_CF3SO2})", f"$([N-X2]({_FSO2}){_FSO2})"

RULES = tuple(
    TypingRule(smarts, name)
    for smarts, name in (
        # 1,3-dialkylimidazolium: methyl, ethyl and butyl groups
        (f"[{_RING_N}]", "NA"),
        (f"[#6H1R](@[{_RING_N}])@[{_RING_N}]", "CR"),
        (f"[#1][#6H1R](@[{_RING_N}])@[{_RING_N}]", "HCR"),
        (f"[#6H1R](@[{_RING_N}])@[#6H1R]@[{_RING_N}]", "CW"),
        (f"[#1][#6H1R](@[{_RING_N}])@[#6H1R]@[{_RING_N}]", "HCW"),
        (f"[CX4;H2,H3;!R][{_RING_N}]", "C1"),
        (f"[#1][CX4;H2,H3;!R][{_RING_N}]", "H1"),
        (f"[CX4H3][CX4H2][{_RING_N}]", "CE"),
        (f"[#1][CX4H3][CX4H2][{_RING_N}]", "HC"),
        (f"[CX4H2]([CX4H2][CX4H3])[CX4H2][{_RING_N}]", "C2"),
        (f"[#1][CX4H2]([CX4H2][CX4H3])[CX4H2][{_RING_N}]", "HC"),
        (f"[CX4H2]([CX4H3])[CX4H2][CX4H2][{_RING_N}]", "CS"),
        (f"[#1][CX4H2]([CX4H3])[CX4H2][CX4H2][{_RING_N}]", "HC"),
        (f"[CX4H3][CX4H2][CX4H2][CX4H2][{_RING_N}]", "CT"),
        (f"[#1][CX4H3][CX4H2][CX4H2][CX4H2][{_RING_N}]", "HC"),
        # bis(trifluoromethylsulfonyl)imide, bis(fluorosulfonyl)imide
        (f"[{_TFSI_N},{_FSI_N}]", "NBT"),
        (f"[SX4][{_TFSI_N},{_FSI_N}]", "SBT"),
        (f"[OX1]=[SX4][{_TFSI_N},{_FSI_N}]", "OBT"),
        (f"[CX4][SX4][{_TFSI_N}]", "CBT"),
        (f"F[CX4][SX4][{_TFSI_N}]", "F1"),
        (f"F[SX4][{_FSI_N}]", "FSI"),
        ("[B-](F)(F)(F)F", "B"),
        ("F[B-](F)(F)F", "FB"),
    )
)
"""Which type an atom of one of these ions has."""


def row(name: str) -> AtomRow:
    """A type as the tables of other molecules have theirs; its full name is the class of its bonded terms."""
    given = TYPES[name]
    return AtomRow(name, given.of_terms, given.charge, given.mass, given.epsilon * _KCAL, given.sigma, given.source)


def term(kind: Kind, atoms: Sequence[int], classes: Sequence[str]) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
    """A bonded term.

    Args:
        kind: Of the term.
        atoms: Their places; of an improper its centre, and the three around it.
        classes: Of these atoms.

    Returns:
        The atoms as LAMMPS gets them, and the coefficients of LAMMPS' styles `harmonic`, `opls` and `cvff` (kcal/mol,
        Å, degrees); None: the data set has no such term.
    """
    if kind == "improper":
        centre, of_centre = atoms[0], classes[0]
        for i, j, end in permutations(range(1, 4)):
            v2 = _IMPROPERS.get(f"{classes[i]} {classes[j]} {of_centre} {classes[end]}")
            if v2 is not None:
                return (atoms[i], atoms[j], centre, atoms[end]), (0.5 * v2 * _KCAL, -1.0, 2.0)
        return None
    for order in (classes, classes[::-1]):
        key = " ".join(order)
        if kind == "dihedral" and key in _DIHEDRALS:
            return tuple(atoms), tuple(v * _KCAL for v in _DIHEDRALS[key])
        values = {"bond": _BONDS, "angle": _ANGLES}.get(kind, {}).get(key)
        if values is not None:
            return tuple(atoms), (0.5 * values[1] * _KCAL, values[0])
    return None
