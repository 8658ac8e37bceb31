"""The force fields there are: whose tables, which type is for which environment, and how LAMMPS evaluates them.

OPLS-AA. Tables: `oplsaa2024.lt` of moltemplate, made from the files that W. L. Jorgensen's group published with
J. Phys. Chem. B 128, 250 (2024), doi:10.1021/acs.jpcb.3c06602. Functional form, 1-4 scaling by 1/2 and geometric mixing
of both σ and ε: W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996).

What these tables do not hold is taken from elsewhere, each with its source (`ADDED`), and said at the start of a run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lamplighter.potentials.classical import ionic_liquids
from lamplighter.potentials.classical.atom_types import TypingRule
from lamplighter.potentials.classical.moltemplate_file import Kind, angle_of_gaff, file_named

JOULE_IN_CALORIE = 4.184
KILOJOULE_IN_KCAL = 1.0 / JOULE_IN_CALORIE
"""The thermochemical calorie, exact."""


@dataclass(frozen=True)
class AddedTerm:
    """A bonded term that the tables lack.

    Attributes:
        kind: Of the term.
        classes: Of its atoms in order, by the last two letters of a type's full name.
        coefficients: kcal/mol, Å, degrees, as LAMMPS' harmonic styles take them.
        source: Where it comes from.
    """

    kind: Kind
    classes: tuple[str, ...]
    coefficients: tuple[float, float]
    source: str


@dataclass(frozen=True)
class WaterModel:
    """Rigid water of three sites.

    Attributes:
        name: As in the run file.
        charge: Of oxygen, e; each hydrogen has half of it with the other sign.
        epsilon, sigma: Of oxygen, kcal/mol and Å; hydrogens have none.
        length: O–H, Å.
        angle: H–O–H, degrees.
        source: Of all of these.
    """

    name: str
    charge: float
    epsilon: float
    sigma: float
    length: float
    angle: float
    source: str


# Berendsen et al. give (A/r)⁶ and (B/r)¹² with A = 0.37122, B = 0.3428 nm (kJ/mol)^(1/6, 1/12).
_SPCE_A, _SPCE_B = 3.7122, 3.428
# Jorgensen et al. give A (kcal Å¹²/mol) and C (kcal Å⁶/mol) of A/r¹² − C/r⁶.
_TIP3P_A, _TIP3P_C = 582.0e3, 595.0

WATER_MODELS = {
    each.name: each
    for each in (
        WaterModel(
            "spc/e",
            -0.8476,
            0.25 * (_SPCE_A / _SPCE_B) ** 12 * KILOJOULE_IN_KCAL,
            _SPCE_B**2 / _SPCE_A,
            1.0,
            109.47,
            "H. J. C. Berendsen, J. R. Grigera, T. P. Straatsma, J. Phys. Chem. 91, 6269 (1987)",
        ),
        WaterModel(
            "tip3p",
            -0.834,
            0.25 * _TIP3P_C**2 / _TIP3P_A,
            (_TIP3P_A / _TIP3P_C) ** (1.0 / 6.0),
            0.9572,
            104.52,
            "W. L. Jorgensen et al., J. Chem. Phys. 79, 926 (1983)",
        ),
    )
}
"""By name. Their geometry is rigid: LAMMPS' SHAKE holds it."""

WATER_BOND, WATER_ANGLE = 450.0, 55.0
"""Springs (kcal/mol/Å², kcal/mol/rad²) that keep water in shape in a minimisation, where SHAKE is not; in dynamics and
at the model's own geometry they have no energy. Those that CHARMM and the tables of moltemplate have for TIP3P."""

WATER_SMARTS = "[OX2H2]"

# The oxygen of an ester group of a carbonate, in a ring or in a chain.
_TO_CARBONATE = "[$([OX2][CX3](=[OX1])[OX2][CX4])]"

OPLS_AA_RULES = (
    # carbonates: types of propylene carbonate, and the methoxy carbon of open-chain carbonates (789)
    TypingRule("[OX1]=[CX3]([OX2][CX4])[OX2][CX4]", "771"),
    TypingRule("[CX3](=[OX1])([OX2][CX4])[OX2][CX4]", "772"),
    TypingRule("[OX2]([CX4])[CX3](=[OX1])[OX2][CX4]", "773"),
    TypingRule(f"[CX4H2]([#6X4])([#1])([#1]){_TO_CARBONATE}", "774"),
    TypingRule(f"[CX4H1;r5]([CX4H3])([#6X4])([#1]){_TO_CARBONATE}", "775"),
    TypingRule(f"[CX4H3][CX4H1;r5]([#1])([#6X4]){_TO_CARBONATE}", "776"),
    TypingRule(f"[#1][CX4H2]([#6X4])([#1]){_TO_CARBONATE}", "777"),
    TypingRule(f"[#1][CX4H1;r5]([CX4H3])([#6X4]){_TO_CARBONATE}", "778"),
    TypingRule(f"[#1][CX4H3][CX4H1;r5]([#1])([#6X4]){_TO_CARBONATE}", "779"),
    TypingRule(f"[CX4H3]([#1])([#1])([#1]){_TO_CARBONATE}", "789"),
    TypingRule(f"[#1][CX4H3]([#1])([#1]){_TO_CARBONATE}", "777"),
    # an ethoxy group ends in the methyl group of alkanes, as in the esters of these tables (490)
    TypingRule(f"[CX4H3][CX4H2;!R]([#1])([#1]){_TO_CARBONATE}", "54"),
    TypingRule(f"[#1][CX4H3][CX4H2;!R]([#1])([#1]){_TO_CARBONATE}", "60"),
    # ions
    TypingRule("[P-](F)(F)(F)(F)(F)F", "785"),
    TypingRule("F[P-](F)(F)(F)(F)F", "786"),
    TypingRule("[Li+X0]", "406"),
    TypingRule("[Na+X0]", "407"),
    TypingRule("[K+X0]", "408"),
    TypingRule("[F-X0]", "400"),
    TypingRule("[Cl-X0]", "401"),
    TypingRule("[Br-X0]", "402"),
    TypingRule("[I-X0]", "403"),
    *ionic_liquids.RULES,
)

OCTAHEDRAL = frozenset({"785"})
"""Types of atoms whose bonds are at 90° or 180°, of which the tables have an angle for 90° alone."""

_CLP = (
    "J. N. Canongia Lopes, J. Deschamps, A. A. H. Pádua, J. Phys. Chem. B 108, 2038 (2004), after G. A. Kaminski, "
    "W. L. Jorgensen, J. Chem. Soc., Perkin Trans. 2, 2365 (1999)"
)

_JENSEN = "K. P. Jensen, W. L. Jorgensen, J. Chem. Theory Comput. 2, 1499 (2006)"

ION_SOURCES = dict.fromkeys(("400", "401", "402", "403", "406", "407", "408"), _JENSEN)
"""Of the types of single ions."""


def _added() -> tuple[AddedTerm, ...]:
    gaff = "GAFF, angle os-c-os (J. Wang et al., J. Comput. Chem. 25, 1157, 2004)"
    return (
        AddedTerm("angle", ("OS", "C~", "OS"), angle_of_gaff(file_named("gaff.lt"), "os-c-os"), gaff),
        # DL_POLY's and LAMMPS' conventions differ by the factor 1/2
        AddedTerm("bond", ("P~", "F~"), (0.5 * 3100.0 * KILOJOULE_IN_KCAL, 1.606), _CLP),
        AddedTerm("angle", ("F~", "P~", "F~"), (0.5 * 1165.0 * KILOJOULE_IN_KCAL, 90.0), _CLP),
    )


@dataclass(frozen=True)
class ForceField:
    """A force field, and what its form is in LAMMPS.

    Attributes:
        name: As in the run file.
        title: As its authors write it.
        file: Of moltemplate, with the tables.
        checked: Each file of moltemplate that is read, and the SHA-256 of the one whose numbers are held against other
            programs.
        source: Of the tables.
        rules: Which type is for which environment.
        bonded_styles: LAMMPS' style of each kind of bonded term.
        mixing: Word of `pair_modify mix`.
        scale_14: What is left of Lennard-Jones and Coulomb interactions between atoms three bonds apart.
    """

    name: str
    title: str
    file: str
    checked: Mapping[str, str]
    source: str
    rules: Sequence[TypingRule]
    bonded_styles: dict[Kind, str]
    mixing: str
    scale_14: float

    def files(self) -> tuple[Path, ...]:
        """All files of moltemplate that parameters are read from.

        Raises:
            EnvironmentProblem: one is not there.
        """
        return tuple(file_named(name) for name in self.checked)

    def unchecked(self) -> tuple[Path, ...]:
        """Those of them that are other files than the ones that were checked. Raises as `files`."""
        return tuple(path for path in self.files() if _sha256(path) != self.checked[path.name])

    def added_terms(self) -> tuple[AddedTerm, ...]:
        """Bonded terms from elsewhere.

        Raises:
            EnvironmentProblem: a file that they are read from is not there.
        """
        return _added()


@lru_cache(maxsize=8)
def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


FORCE_FIELDS = {
    each.name: each
    for each in (
        ForceField(
            name="opls-aa",
            title="OPLS-AA",
            file="oplsaa2024.lt",
            checked={
                # of moltemplate 2.22.3 to 2.22.5
                "oplsaa2024.lt": "77387af74ff10844d89b1d69785b7d89d90a9a5ffe5c25492f9827b9f211225d",
                "gaff.lt": "bf5d31035743651b2f5943f590120a2f51dcfac946bda3080cd74a9593f04d5a",
            },
            source="W. L. Jorgensen et al., J. Phys. Chem. B 128, 250 (2024)",
            rules=OPLS_AA_RULES,
            bonded_styles={"bond": "harmonic", "angle": "harmonic", "dihedral": "opls", "improper": "cvff"},
            mixing="geometric",
            scale_14=0.5,
        ),
    )
}
"""By the name in the run file."""
