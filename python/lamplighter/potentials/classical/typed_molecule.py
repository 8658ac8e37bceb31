"""A molecule with the types, charges and bonded terms that a force field gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

from lamplighter.errors import ConfigError
from lamplighter.potentials.classical import ionic_liquids
from lamplighter.potentials.classical.atom_types import TypingRule, molecule_of, types_of
from lamplighter.potentials.classical.force_fields import (
    FORCE_FIELDS,
    ION_SOURCES,
    OCTAHEDRAL,
    WATER_ANGLE,
    WATER_BOND,
    WATER_MODELS,
    WATER_SMARTS,
    ForceField,
    WaterModel,
)
from lamplighter.potentials.classical.moltemplate_file import AtomRow, ForceFieldTables, Kind, file_named, read

NEUTRAL_E = 1e-6
"""A molecule's partial charges add up to its formal charge within this (e)."""

Atoms = tuple[int, ...]
Coefficients = tuple[float, ...]


@dataclass(frozen=True)
class TypedMolecule:
    """One molecule of a component.

    Attributes:
        name: Of the component.
        charge: Formal charge, e.
        scale: Factor by which partial charges were multiplied.
        elements: Of its atoms.
        types: Of its atoms, in order.
        charges: Partial charges after scaling, e.
        terms: Of each kind, atoms by places from 0, and coefficients in kcal/mol, Å, degrees.
        octahedral: Centres of which angles near 180° are left out, by places from 0.
        water: The rigid model; None: it is no water.
        sources: Citations beside that of the force field.
    """

    name: str
    charge: int
    scale: float
    elements: tuple[str, ...]
    types: tuple[AtomRow, ...]
    charges: tuple[float, ...]
    terms: dict[Kind, list[tuple[Atoms, Coefficients]]]
    octahedral: tuple[int, ...] = ()
    water: WaterModel | None = None
    sources: tuple[str, ...] = field(default=())

    @property
    def in_words(self) -> str:
        """Its types and its charge, for the start of a run."""
        counts: dict[str, int] = {}
        for each in self.types:
            counts[each.name] = counts.get(each.name, 0) + 1
        types = " ".join(name if n == 1 else f"{n}×{name}" for name, n in counts.items())
        total = round(sum(self.charges), 6)
        scaled = f" (partial charges × {self.scale:g})" if self.scale != 1.0 else ""
        return f"{self.name}: types {types}, charge {total + 0.0:+g} e{scaled}"


@lru_cache(maxsize=64)
def typed_molecule(
    mapped_smiles: str, name: str, charge: int, force_field: str, charge_scale: float = 1.0, water: str | None = None
) -> TypedMolecule:
    """Type a molecule.

    Args:
        mapped_smiles: As `atom_types.molecule_of`.
        name: Of the component.
        charge: Formal charge of the molecule, e.
        force_field: Name of one of `FORCE_FIELDS`.
        charge_scale: Factor for the partial charges of all atoms of a molecule whose formal charge is not 0; neutral
            molecules keep theirs.
        water: Name of one of `WATER_MODELS`, where the molecule is water.

    Raises:
        ConfigError: no SMILES, an atom or a bonded term without parameters, charges that do not add up, or water
            without a model.
        EnvironmentProblem: RDKit or moltemplate is not installed.
    """
    chosen = FORCE_FIELDS[force_field]
    molecule = molecule_of(mapped_smiles, name)
    elements = tuple(atom.GetSymbol() for atom in molecule.GetAtoms())
    formal = sum(atom.GetFormalCharge() for atom in molecule.GetAtoms())
    if formal != charge:
        raise ConfigError(f"{name}: its formal charge is given as {charge:+d} e, and {mapped_smiles} has {formal:+d} e")
    pairs = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    if sorted(elements) == ["H", "H", "O"] and charge == 0:
        return _water(molecule, name, elements, pairs, water)
    tables = read(file_named(chosen.file))
    names = types_of(molecule, chosen.rules, name, chosen.title)
    ionic = [each in ionic_liquids.TYPES for each in names]
    types = tuple(
        ionic_liquids.row(each) if is_ionic else tables.atoms[each] for each, is_ionic in zip(names, ionic, strict=True)
    )
    total = sum(each.charge for each in types)
    if abs(total - charge) > NEUTRAL_E:
        raise ConfigError(
            f"potential.classical: partial charges of {name} add up to {total:+.4f} e, and its formal charge is "
            f"{charge:+d} e: the types of {chosen.title} that its atoms have ({' '.join(names)}) are not meant to be "
            "together in one molecule"
        )
    scale = charge_scale if charge != 0 else 1.0
    if any(ionic) and not all(ionic):
        others = " ".join(name for name, is_ionic in zip(names, ionic, strict=True) if not is_ionic)
        raise ConfigError(
            f"potential.classical: {name} has types of CL&P ions and others ({others}) in one molecule, and there are "
            "no terms between them"
        )
    if all(ionic):
        terms, borrowed = _terms_of_ionic_liquid(types, pairs, name)
    else:
        terms, borrowed = _terms(chosen, tables, types, pairs, name)
    ions = [ION_SOURCES[each] for each in names if each in ION_SOURCES]
    return TypedMolecule(
        name=name,
        charge=charge,
        scale=scale,
        elements=elements,
        types=types,
        charges=tuple(scale * each.charge for each in types),
        terms=terms,
        octahedral=tuple(place for place, each in enumerate(names) if each in OCTAHEDRAL),
        sources=tuple(dict.fromkeys([*ions, *borrowed])),
    )


def _terms(
    chosen: ForceField,
    tables: ForceFieldTables,
    types: Sequence[AtomRow],
    pairs: Sequence[tuple[int, int]],
    name: str,
) -> tuple[dict[Kind, list[tuple[Atoms, Coefficients]]], list[str]]:
    """Bonded terms of a molecule, and the sources of those that the tables do not have."""
    terms: dict[Kind, list[tuple[Atoms, Coefficients]]] = {}
    sources: list[str] = []
    for kind, places in places_of_terms(len(types), pairs).items():
        found = terms.setdefault(kind, [])
        for atoms in places:
            rule = tables.rule(kind, [types[atom].full_name for atom in atoms])
            if rule is not None:
                found.append((atoms, rule.coefficients))
                continue
            classes = tuple(types[atom].full_name[-2:] for atom in atoms)
            also = (each for each in chosen.added_terms() if each.kind == kind)
            added = next((each for each in also if classes in (each.classes, each.classes[::-1])), None)
            if added is not None:
                found.append((atoms, added.coefficients))
                sources.append(f"{kind} {'-'.join(added.classes)}: {added.source}")
            elif kind != "improper":
                raise ConfigError(
                    f"potential.classical: {chosen.title} has no {kind} {'-'.join(classes)} here, which {name} needs "
                    f"for its atoms {' '.join(str(atom + 1) for atom in atoms)}"
                )
    return terms, list(dict.fromkeys(sources))


def _terms_of_ionic_liquid(
    types: Sequence[AtomRow], pairs: Sequence[tuple[int, int]], name: str
) -> tuple[dict[Kind, list[tuple[Atoms, Coefficients]]], list[str]]:
    """Bonded terms of an ion of `ionic_liquids`, and the sources of its numbers."""
    terms: dict[Kind, list[tuple[Atoms, Coefficients]]] = {}
    for kind, places in places_of_terms(len(types), pairs).items():
        found = terms.setdefault(kind, [])
        for atoms in places:
            classes = [types[atom].full_name for atom in atoms]
            given = ionic_liquids.term(kind, atoms, classes)
            if given is not None:
                found.append(given)
            elif kind != "improper":
                raise ConfigError(
                    f"potential.classical: CL&P has no {kind} {'-'.join(classes)} here, which {name} needs for its "
                    f"atoms {' '.join(str(atom + 1) for atom in atoms)}"
                )
    return terms, list(dict.fromkeys(each.description for each in types))


def places_of_terms(n_atoms: int, pairs: Sequence[tuple[int, int]]) -> dict[Kind, list[Atoms]]:
    """Atoms of all bonds, angles and dihedrals, and of impropers around atoms with three bonds.

    Those around the centre of an improper follow as the atoms do, as in moltemplate (`cenIsortJKL`).

    Args:
        n_atoms: Of the molecule.
        pairs: Its bonds, by places from 0.
    """
    neighbours: list[list[int]] = [[] for _ in range(n_atoms)]
    for first, second in pairs:
        neighbours[first].append(second)
        neighbours[second].append(first)
    for each in neighbours:
        each.sort()
    angles: list[Atoms] = [(a, b, c) for b in range(n_atoms) for a, c in combinations(neighbours[b], 2)]
    dihedrals: list[Atoms] = [
        (a, b, c, d)
        for b, c in sorted((min(pair), max(pair)) for pair in pairs)
        for a in neighbours[b]
        for d in neighbours[c]
        if a != c and d != b and a != d
    ]
    impropers = [(b, *each) for b, each in enumerate(neighbours) if len(each) == 3]
    return {
        "bond": sorted((min(pair), max(pair)) for pair in pairs),
        "angle": angles,
        "dihedral": dihedrals,
        "improper": impropers,
    }


def _water(
    molecule: object, name: str, elements: tuple[str, ...], pairs: Sequence[tuple[int, int]], model: str | None
) -> TypedMolecule:
    if model is None:
        raise ConfigError(
            f"potential.water: {name} is water, of which there are several models: name one, of "
            f"{' and '.join(WATER_MODELS)}"
        )
    types_of(molecule, [TypingRule(WATER_SMARTS, "O"), TypingRule(f"[#1]{WATER_SMARTS}", "H")], name, "water")
    water = WATER_MODELS[model]
    oxygen = elements.index("O")
    hydrogens = [place for place in range(3) if place != oxygen]
    rows = {
        "O": AtomRow(f"{model} O", f"{model} O", water.charge, 15.9994, water.epsilon, water.sigma, ""),
        "H": AtomRow(f"{model} H", f"{model} H", -0.5 * water.charge, 1.008, 0.0, 0.0, ""),
    }
    types = tuple(rows[each] for each in elements)
    return TypedMolecule(
        name=name,
        charge=0,
        scale=1.0,
        elements=elements,
        types=types,
        charges=tuple(each.charge for each in types),
        terms={
            "bond": [((min(pair), max(pair)), (WATER_BOND, water.length)) for pair in pairs],
            "angle": [((hydrogens[0], oxygen, hydrogens[1]), (WATER_ANGLE, water.angle))],
            "dihedral": [],
            "improper": [],
        },
        water=water,
        sources=(f"{model}: {water.source}",),
    )
