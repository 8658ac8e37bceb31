"""Tables of a force field, read from a file of the package moltemplate: types of atoms, and rules for bonded terms.

Nothing of these files is shipped with Lamplighter: they are read where moltemplate is installed.

A type's full name carries the classes by which rules for bonds, angles, dihedrals and impropers know it, as in
`@atom:771_bO~_aO~_dO~_iO~`; a rule names a term and a pattern for each of its atoms. Where several rules match, the
last one counts, as in moltemplate, whose manual says so under "Data Bonds By Type".
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Literal

from lamplighter.errors import EnvironmentProblem

Kind = Literal["bond", "angle", "dihedral", "improper"]

_KINDS: tuple[Kind, ...] = ("bond", "angle", "dihedral", "improper")
_CHARGE = re.compile(r"set type @atom:(\S+)\s+charge\s+(\S+)\s*(?:#\s*(.*))?")
_MASS = re.compile(r"@atom:(\S+)\s+([0-9.]+)$")
_REPLACE = re.compile(r"replace\{\s*@atom:(\S+)\s+(@atom:\S+)\s*\}")
_PAIR = re.compile(r"pair_coeff (@atom:\S+)\s+(@atom:\S+)\s+(\S+)\s+(\S+)")


@dataclass(frozen=True)
class AtomRow:
    """A type of atoms.

    Attributes:
        name: As the tables number it.
        full_name: With its classes.
        charge: e.
        mass: g/mol.
        epsilon, sigma: Of the Lennard-Jones potential, kcal/mol and Å.
        description: As the tables have it.
    """

    name: str
    full_name: str
    charge: float
    mass: float
    epsilon: float
    sigma: float
    description: str


@dataclass(frozen=True)
class Rule:
    """Which atoms have a bonded term.

    Attributes:
        name: Of the term.
        patterns: Of the full names of its atoms, in order.
        coefficients: Of the term, in the units of the file (kcal/mol, Å, degrees).
    """

    name: str
    patterns: tuple[str, ...]
    coefficients: tuple[float, ...]

    def matches(self, full_names: Sequence[str]) -> bool:
        """Whether atoms of these types, in this order, have the term."""
        return all(fnmatchcase(name, pattern) for name, pattern in zip(full_names, self.patterns, strict=True))


@dataclass
class ForceFieldTables:
    """What a file of moltemplate holds of a force field.

    Attributes:
        path: The file.
        atoms: Types of atoms by their names.
        rules: For each kind of bonded term, in the order of the file.
    """

    path: Path
    atoms: dict[str, AtomRow] = field(default_factory=dict)
    rules: dict[Kind, list[Rule]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})

    def rule(self, kind: Kind, full_names: Sequence[str]) -> Rule | None:
        """The rule for atoms in a row; None: the tables have none.

        Atoms of a bond, an angle or a dihedral may be read from either end. Those of an improper are its centre and
        the three around it, of which any may stand in any of the three places.
        """
        orders = _orders_of_improper(full_names) if kind == "improper" else [full_names, full_names[::-1]]
        matching = (rule for rule in reversed(self.rules[kind]) if any(rule.matches(order) for order in orders))
        return next(matching, None)


def _orders_of_improper(names: Sequence[str]) -> list[Sequence[str]]:
    centre, a, b, c = names
    around = ((a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a))
    return [(centre, *order) for order in around]


def folder() -> Path:
    """Where moltemplate keeps its force fields.

    Raises:
        EnvironmentProblem: moltemplate is not installed.
    """
    found = importlib.util.find_spec("moltemplate")
    if found is None or found.origin is None:
        raise EnvironmentProblem(
            "potential.classical reads its parameters from the package moltemplate, which is not installed: "
            "pip install 'lamplighter[classical]'"
        )
    return Path(found.origin).parent / "force_fields"


def file_named(name: str) -> Path:
    """A file of moltemplate.

    Raises:
        EnvironmentProblem: moltemplate is not installed, or has no such file.
    """
    path = folder() / name
    if not path.is_file():
        raise EnvironmentProblem(
            f"potential.classical: moltemplate {importlib.metadata.version('moltemplate')} has no {name}: install the "
            "version that pyproject.toml names, pip install 'lamplighter[classical]'"
        )
    return path


@lru_cache(maxsize=4)
def read(path: Path) -> ForceFieldTables:
    """Read the tables of a file whose types carry their classes, as those of OPLS-AA do.

    Raises:
        EnvironmentProblem: the file holds no such tables.
    """
    charges: dict[str, tuple[float, str]] = {}
    masses: dict[str, float] = {}
    full_names: dict[str, str] = {}
    pairs: dict[str, tuple[float, float]] = {}
    coefficients: dict[str, tuple[float, ...]] = {}
    tables = ForceFieldTables(path)
    for line in map(str.strip, path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("#"):
            continue
        if found := _CHARGE.match(line):
            charges[found[1]] = (float(found[2]), (found[3] or "").partition("|")[2].strip())
        elif found := _REPLACE.match(line):
            full_names[found[1]] = found[2]
        elif found := _PAIR.match(line):
            pairs[found[1]] = (float(found[3]), float(found[4]))
        elif found := _MASS.match(line):
            masses[found[1]] = float(found[2])
        elif line.partition("_coeff ")[0] in _KINDS:
            words = line.partition("#")[0].split()
            coefficients[words[1]] = tuple(float(word) for word in words[2:])
        elif line[:1] == "@" and (kind := line[1:].partition(":")[0]) in _KINDS:
            name, *patterns = line.partition(" #")[0].split()
            if name in coefficients:
                tables.rules[kind].append(Rule(name.partition(":")[2], tuple(patterns), coefficients[name]))
    for name, (charge, description) in charges.items():
        full = full_names.get(name)
        if full is not None and full in pairs and name in masses:
            epsilon, sigma = pairs[full]
            tables.atoms[name] = AtomRow(name, full, charge, masses[name], epsilon, sigma, description)
    if not tables.atoms or not tables.rules["bond"]:
        raise EnvironmentProblem(f"potential.classical: {path} holds no force field in the form that is read here")
    return tables


def angle_of_gaff(path: Path, name: str) -> tuple[float, float]:
    """K (kcal/mol/rad²) and θ₀ (degrees) of an angle of GAFF, whose file names each angle's style.

    Raises:
        EnvironmentProblem: the file has no such angle.
    """
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"^\s*angle_coeff\s+@angle:{re.escape(name)}\s+harmonic\s+(\S+)\s+(\S+)", text, re.M)
    if found is None:
        raise EnvironmentProblem(f"potential.classical: {path} has no angle {name}")
    return float(found[1]), float(found[2])
