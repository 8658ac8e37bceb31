"""All molecules of a system: types, charges and bonded terms as arrays, and the data file that LAMMPS reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import ConfigError, StructureError
from lamplighter.potentials.classical.moltemplate_file import AtomRow, Kind
from lamplighter.potentials.classical.typed_molecule import Coefficients, TypedMolecule

KINDS: tuple[Kind, ...] = ("bond", "angle", "dihedral", "improper")
_TITLES: dict[Kind, str] = {"bond": "Bonds", "angle": "Angles", "dihedral": "Dihedrals", "improper": "Impropers"}

STRETCHED = 1.6
"""A bond longer than so many times its equilibrium length is taken for a wrong order of atoms."""

_TRANS_DEGREES = 135.0
"""An angle at an octahedral centre above this is one between opposite bonds."""


@dataclass(frozen=True)
class System:
    """Molecules of several components, one component after the other.

    Attributes:
        molecules: One molecule of each component.
        counts: How many there are of each.
        types: Types of atoms; LAMMPS numbers them from 1 in this order.
        coefficients: Of each kind of bonded term, by number from 1 in this order.
    """

    molecules: tuple[TypedMolecule, ...]
    counts: tuple[int, ...]
    types: tuple[AtomRow, ...]
    type_elements: tuple[str, ...]
    coefficients: dict[Kind, tuple[Coefficients, ...]]

    @property
    def n_atoms(self) -> int:
        """Of the whole system."""
        return sum(n * len(each.types) for each, n in zip(self.molecules, self.counts, strict=True))

    @property
    def charge(self) -> float:
        """Of the whole system, e."""
        return sum(n * sum(each.charges) for each, n in zip(self.molecules, self.counts, strict=True))

    @property
    def rigid(self) -> bool:
        """Whether molecules of it are held rigid."""
        return any(each.water is not None for each in self.molecules)

    def number_of(self, row: AtomRow) -> int:
        """LAMMPS' number of a type."""
        return self.types.index(row) + 1

    def atom_types(self) -> Integers:
        """LAMMPS' number of each atom's type, shape (n_atoms,)."""
        parts = [
            np.tile([self.number_of(row) for row in each.types], n)
            for each, n in zip(self.molecules, self.counts, strict=True)
        ]
        return np.concatenate(parts).astype(np.int64)

    def charges(self) -> Floats:
        """Partial charges, e, shape (n_atoms,)."""
        return np.concatenate([np.tile(each.charges, n) for each, n in zip(self.molecules, self.counts, strict=True)])

    def molecule_of_atom(self) -> Integers:
        """Number of each atom's molecule, from 1, shape (n_atoms,)."""
        sizes = np.repeat([len(each.types) for each in self.molecules], self.counts)
        return np.repeat(np.arange(1, len(sizes) + 1), sizes)

    def terms(self, kind: Kind) -> tuple[Integers, Integers]:
        """Bonded terms of a kind.

        Returns:
            Number of the coefficients of each, from 1, shape (m,), and its atoms by places from 0, shape (m, 2 … 4).
        """
        width = {"bond": 2, "angle": 3}.get(kind, 4)
        numbers, atoms, first = [np.empty(0, np.int64)], [np.empty((0, width), np.int64)], 0
        for each, n in zip(self.molecules, self.counts, strict=True):
            own = each.terms[kind]
            size = len(each.types)
            if own:
                places = np.array([places for places, _ in own], dtype=np.int64)
                starts = first + size * np.arange(n, dtype=np.int64)
                atoms.append((starts[:, None, None] + places[None]).reshape(-1, width))
                numbers.append(np.tile([self.coefficients[kind].index(values) + 1 for _, values in own], n))
            first += n * size
        return np.concatenate(numbers), np.concatenate(atoms)

    def octahedral_centres(self) -> Integers:
        """Places of atoms at which angles near 180° are no terms."""
        parts, first = [np.empty(0, np.int64)], 0
        for each, n in zip(self.molecules, self.counts, strict=True):
            size = len(each.types)
            for place in each.octahedral:
                parts.append(first + place + size * np.arange(n, dtype=np.int64))
            first += n * size
        return np.concatenate(parts)


def system_of(molecules: Sequence[TypedMolecule], counts: Sequence[int]) -> System:
    """Number the types and the bonded terms of molecules.

    Args:
        molecules: One of each component.
        counts: How many there are of each.
    """
    types: dict[AtomRow, str] = {}
    coefficients: dict[Kind, dict[Coefficients, None]] = {kind: {} for kind in KINDS}
    for each in molecules:
        for row, element in zip(each.types, each.elements, strict=True):
            types.setdefault(row, element)
        for kind in KINDS:
            coefficients[kind].update(dict.fromkeys(values for _, values in each.terms[kind]))
    return System(
        tuple(molecules),
        tuple(counts),
        tuple(types),
        tuple(types.values()),
        {kind: tuple(found) for kind, found in coefficients.items()},
    )


def require_neutral(system: System, source: str) -> None:
    """Refuse a periodic system with a net charge, whose Coulomb energy would not be defined.

    Raises:
        ConfigError: its charges do not add up to nothing.
    """
    if abs(system.charge) > 1e-4:
        parts = ", ".join(
            f"{n} {each.name} of {sum(each.charges):+g} e"
            for each, n in zip(system.molecules, system.counts, strict=True)
            if each.charge != 0
        )
        raise ConfigError(
            f"potential.classical: the molecules of {source} have a net charge of {system.charge:+g} e ({parts}): a "
            "periodic system must be neutral"
        )


@dataclass(frozen=True)
class Box:
    """A cell as LAMMPS has it.

    Attributes:
        corner: Å, shape (3,).
        cell: Its vectors as rows, the first along x, the second in the plane of x and y, Å, shape (3, 3).
        periodic: Along each vector.
    """

    corner: Floats
    cell: Floats
    periodic: Sequence[bool]

    def nearest(self, vectors: Floats) -> Floats:
        """The shortest of the periodic images of vectors, as far as those by one cell vector or none are enough."""
        fractions = vectors @ np.linalg.inv(self.cell)
        whole = np.round(fractions) * np.asarray(self.periodic, dtype=np.float64)
        return np.asarray(vectors - whole @ self.cell, dtype=np.float64)


def terms_of_structure(
    system: System, positions: Floats, box: Box, source: str
) -> dict[Kind, tuple[Integers, Integers]]:
    """Bonded terms of a structure, without angles between opposite bonds of an octahedral centre.

    Args:
        system: Its molecules.
        positions: Å, shape (n_atoms, 3), wrapped or not.
        box: Its cell.
        source: For messages.

    Returns:
        As `System.terms`, of each kind.

    Raises:
        StructureError: a bond is far longer than it can be, or a molecule is no octahedron.
    """
    found = {kind: system.terms(kind) for kind in KINDS}
    _require_bonded(system, found["bond"], positions, box, source)
    centres = system.octahedral_centres()
    if len(centres) == 0:
        return found
    numbers, atoms = found["angle"]
    at_centre = np.isin(atoms[:, 1], centres)
    first = box.nearest(positions[atoms[:, 0]] - positions[atoms[:, 1]])
    second = box.nearest(positions[atoms[:, 2]] - positions[atoms[:, 1]])
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    degrees = np.degrees(np.arccos(np.clip((first * second).sum(axis=1) / lengths, -1.0, 1.0)))
    opposite = at_centre & (degrees > _TRANS_DEGREES)
    wrong = centres[np.bincount(atoms[opposite, 1], minlength=system.n_atoms)[centres] != 3]
    if len(wrong):
        raise StructureError(
            f"potential.classical: atom {wrong[0] + 1} of {source} must have six bonds in an octahedron, three pairs "
            "of them opposite to each other: start from a molecule that is one"
        )
    found["angle"] = numbers[~opposite], atoms[~opposite]
    return found


def _require_bonded(system: System, bonds: tuple[Integers, Integers], positions: Floats, box: Box, source: str) -> None:
    numbers, atoms = bonds
    if len(atoms) == 0:
        return
    expected = np.array([values[1] for values in system.coefficients["bond"]])[numbers - 1]
    lengths = np.linalg.norm(box.nearest(positions[atoms[:, 0]] - positions[atoms[:, 1]]), axis=1)
    wrong = np.flatnonzero(lengths > STRETCHED * expected)
    if len(wrong):
        first, second = atoms[wrong[0]] + 1
        raise StructureError(
            f"potential.classical: atoms {first} and {second} of {source} are bonded in its list of molecules and "
            f"{lengths[wrong[0]]:.3g} Å apart ({expected[wrong[0]]:.3g} Å is usual), {len(wrong)} such bond(s) in all: "
            "the atoms must follow in the order of the list"
        )


def write_data(
    path: Path,
    system: System,
    positions: Floats,
    box: Box,
    terms: dict[Kind, tuple[Integers, Integers]],
    velocities: Floats | None = None,
) -> None:
    """Write a LAMMPS data file of atom style full in `units metal`, without coefficients.

    Args:
        path: Where to.
        system: The molecules.
        positions: Å, in LAMMPS' axes, shape (n_atoms, 3).
        box: The cell.
        terms: From `terms_of_structure`.
        velocities: Å/ps, in LAMMPS' axes, shape (n_atoms, 3).
    """
    with path.open("w", encoding="ascii") as file:
        file.write("LAMMPS data file written by Lamplighter, units = metal\n\n")
        file.write(f"{system.n_atoms} atoms\n{len(system.types)} atom types\n")
        for kind in KINDS:
            if len(terms[kind][0]):
                file.write(f"{len(terms[kind][0])} {kind}s\n{len(system.coefficients[kind])} {kind} types\n")
        _write_box(file, box)
        file.write("\nMasses\n\n")
        for number, (row, element) in enumerate(zip(system.types, system.type_elements, strict=True), start=1):
            file.write(f"{number} {row.mass:.10g} # {element}\n")
        file.write("\nAtoms # full\n\n")
        columns = zip(system.molecule_of_atom(), system.atom_types(), system.charges(), positions, strict=True)
        for number, (molecule, type_, charge, (x, y, z)) in enumerate(columns, start=1):
            file.write(f"{number} {molecule} {type_} {charge:.10g} {x:.17g} {y:.17g} {z:.17g}\n")
        if velocities is not None:
            file.write("\nVelocities\n\n")
            for number, (x, y, z) in enumerate(velocities, start=1):
                file.write(f"{number} {x:.17g} {y:.17g} {z:.17g}\n")
        for kind in KINDS:
            numbers, atoms = terms[kind]
            if len(numbers):
                file.write(f"\n{_TITLES[kind]}\n\n")
                np.savetxt(file, np.column_stack([np.arange(1, len(numbers) + 1), numbers, atoms + 1]), fmt="%d")


def _write_box(file: TextIO, box: Box) -> None:
    file.write("\n")
    for axis, name in enumerate("xyz"):
        low = box.corner[axis]
        file.write(f"{low:.17g} {low + box.cell[axis, axis]:.17g} {name}lo {name}hi\n")
    tilts = box.cell[1, 0], box.cell[2, 0], box.cell[2, 1]
    if any(tilts):
        file.write(" ".join(f"{tilt:.17g}" for tilt in tilts) + " xy xz yz\n")
