"""How models hold for other compositions than they were trained on, and what the data say of each species' energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.bootstrap import RESAMPLES, resampling
from lamplighter.analysis.compositions import Determination, determination, species_energies
from lamplighter.analysis.isolated_molecules import BONDED, isolated_molecules
from lamplighter.analysis.model_errors import LabelArrays, energy_errors, force_errors, label_arrays
from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Integers
from lamplighter.errors import LamplighterError
from lamplighter.observables.predictions import CommitteePredictions
from lamplighter.structures.labels import Labels

Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Compositions:
    """What frames are made of.

    Attributes:
        species: Molecules by formula (or by the name given to it), or elements.
        counts: Of each species in each frame, shape (F, S).
    """

    species: list[str]
    counts: Integers

    @property
    def names(self) -> list[str]:
        """The composition of each frame in proportions, such as `EC:EMC 1:2`."""
        return [_name(self.species, row) for row in self.counts]


def only_named(made_of: Compositions, named: Sequence[str]) -> tuple[Integers, Compositions, list[str]]:
    """Frames of which all species have a name, what these frames are made of, and a note on the others, if any.

    Where molecules are broken, or a bond is stretched beyond recognition, species appear that nobody meant.

    Raises:
        LamplighterError: no frame is left.
    """
    meant = np.array([name in named for name in made_of.species])
    kept = np.flatnonzero(made_of.counts[:, ~meant].sum(axis=1) == 0)
    others = ", ".join(name for name, known in zip(made_of.species, meant, strict=True) if not known)
    if not len(kept):
        raise LamplighterError(f"no frame holds named molecules alone; without a name are {others}")
    n = len(made_of.counts)
    note = (
        f"{n - len(kept)} of {n} frames were left out: they hold {others} "
        "(broken or stretched molecules, or such without --name)"
    )
    species = [name for name, known in zip(made_of.species, meant, strict=True) if known]
    return kept, Compositions(species, made_of.counts[kept][:, meant]), [note] if others else []


@dataclass(frozen=True)
class SpeciesEnergies:
    """Energies of the species by one source, eV, and the root mean square residual, eV per counted molecule or atom."""

    source: str
    energies: list[Estimate]
    residual: float


@dataclass(frozen=True)
class Transfer:
    """Errors of models by composition.

    Attributes:
        models: Rows.
        compositions: Columns, the most frequent ones.
        n_frames: Frames of each column.
        energy_mae, force_mae: By row and column: meV/atom and meV/Å.
        trained: Which columns each row's training data hold, shape (rows, columns).
        trained_known: Whether any training data were named.
        determination: The N − M rule for all frames.
        species_energies: By the reference, then by each model.
        notes: What limits the numbers.
    """

    models: list[str]
    compositions: list[str]
    n_frames: list[int]
    energy_mae: list[list[Estimate]]
    force_mae: list[list[Estimate]]
    trained: Booleans
    trained_known: bool
    determination: Determination
    species_energies: list[SpeciesEnergies]
    notes: list[str]


def compositions_of(
    frames: Sequence[Atoms], by: str = "molecules", names: Mapping[str, str] | None = None, bonds: BondRule = BONDED
) -> Compositions:
    """What each frame is made of.

    Args:
        frames: At least one.
        by: `molecules` or `elements`.
        names: What to call a formula.
        bonds: As `isolated_molecules`.

    Raises:
        StructureError: as `isolated_molecules`.
    """
    if by == "elements":
        kinds = sorted({int(number) for atoms in frames for number in atoms.numbers})
        counts = np.array([[int((atoms.numbers == kind).sum()) for kind in kinds] for atoms in frames])
        return Compositions([str(chemical_symbols[kind]) for kind in kinds], counts.astype(np.int64))
    found = isolated_molecules(frames, bonds)
    order = sorted(range(len(found.species)), key=lambda place: (names or {}).get(found.species[place], "~"))
    called = [(names or {}).get(found.species[place], found.species[place]) for place in order]
    return Compositions(called, found.counts[:, order])


def transfer_of_models(
    labels: Sequence[Labels],
    made_of: Compositions,
    rows: Sequence[tuple[str, LabelArrays]],
    trained: Mapping[str, set[str]] | None = None,
    most: int = 24,
    constraints: Sequence[Sequence[int]] = (),
    groups: Sequence[object] | None = None,
    resamples: int = RESAMPLES,
) -> Transfer:
    """Errors of each model for each composition.

    Args:
        labels: The reference, one each frame.
        made_of: The compositions of these frames.
        rows: Names of models and what they say; see `rows_of`.
        trained: Names of compositions in the training data, by row; under the empty name those of all rows; None: not
            known.
        most: Columns, the most frequent compositions.
        constraints: As `compositions.determination`.
        groups, resamples: As `bootstrap.resampling`.

    Raises:
        LamplighterError: a constraint does not hold, or training data are those of a row that is not there.
    """
    reference = label_arrays(labels)
    named = made_of.names
    frequent = sorted(dict.fromkeys(named), key=lambda name: (-named.count(name), name))
    columns = sorted(frequent[:most], key=lambda name: (name.count(":"), name))
    notes = []
    if len(frequent) > most:
        left_out = sum(named.count(name) for name in frequent[most:])
        notes.append(
            f"{len(frequent) - most} rarer compositions ({left_out} frames) are not columns (--most {len(frequent)})"
        )
    marked = np.zeros((len(rows), len(columns)), dtype=bool)
    for title, known in (trained or {}).items():
        chosen_rows = [row for row, (name, _) in enumerate(rows) if not title or name.split(" (mean of")[0] == title]
        if not chosen_rows:
            raise LamplighterError(
                f"--trained {title}=…: there is no such row; they are: {', '.join(name for name, _ in rows)}"
            )
        marked[chosen_rows] |= np.array([column in known for column in columns])
    try:
        fixed = determination(made_of.counts, made_of.species, constraints)
    except ValueError as problem:
        raise LamplighterError(f"--constraint: {problem}") from None

    energy: list[list[Estimate]] = [[] for _ in rows]
    force: list[list[Estimate]] = [[] for _ in rows]
    for column in columns:
        chosen = np.array([k for k, name in enumerate(named) if name == column])
        drawn = resampling(len(chosen), None if groups is None else [groups[int(k)] for k in chosen], resamples)
        right = reference.of_frames(chosen)
        for row, (_, predicted) in enumerate(rows):
            given = predicted.of_frames(chosen)
            energy[row].append(energy_errors(given, right, drawn).mae)
            force[row].append(_in_mev(force_errors(given, right, drawn).mae))
    return Transfer(
        models=[name for name, _ in rows],
        compositions=columns,
        n_frames=[named.count(column) for column in columns],
        energy_mae=energy,
        force_mae=force,
        trained=marked,
        trained_known=bool(trained),
        determination=fixed,
        species_energies=[
            SpeciesEnergies(name, *species_energies(made_of.counts, given.energies, fixed))
            for name, given in (("reference", reference), *rows)
        ],
        notes=notes,
    )


def rows_of(committees: Sequence[CommitteePredictions]) -> list[tuple[str, LabelArrays]]:
    """Rows of the matrix: the mean of each committee that was named; else each model, and the mean of several."""
    rows = []
    for committee in committees:
        if not any(each.committee for each in committee.members):
            rows += [(each.name, each.arrays) for each in committee.members]
            if len(committee.members) == 1:
                continue
        n = len(committee.members)
        rows.append((f"{committee.name} (mean of {n})" if n > 1 else committee.name, committee.mean))
    return rows


def _name(species: Sequence[str], counts: Integers) -> str:
    there = [(name, int(n)) for name, n in zip(species, counts, strict=True) if n]
    divisor = gcd(*(n for _, n in there))
    if len(there) == 1:
        return there[0][0]
    return ":".join(name for name, _ in there) + " " + ":".join(str(n // divisor) for _, n in there)


def _in_mev(made: Estimate) -> Estimate:
    from dataclasses import replace

    return replace(made, value=1e3 * made.value, standard_error=1e3 * made.standard_error, unit="meV/Å")
