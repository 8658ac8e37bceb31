"""Errors of what is inside molecules and between them, and of the forces that move, turn and deform them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamplighter.analysis.bootstrap import RESAMPLES, Resampling, resampling
from lamplighter.analysis.isolated_molecules import IsolatedMolecules, intermolecular, intramolecular
from lamplighter.analysis.model_errors import (
    Errors,
    LabelArrays,
    energies_of_elements,
    energy_errors,
    force_errors,
    label_arrays,
)
from lamplighter.analysis.molecular_forces import molecular_forces
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import LamplighterError
from lamplighter.observables.predictions import CommitteePredictions
from lamplighter.structures.labelled_frames import LabelledFrames

ENERGY_PARTS = ("total", "intra", "inter")
FORCE_PARTS = ("total", "intra", "inter", "translational", "rotational", "vibrational")


@dataclass(frozen=True)
class Parts:
    """Energies and forces of one source, in parts.

    Attributes:
        energies: Per frame, eV, by part.
        forces: eV/Å, by part, each of shape (A, 3).
    """

    energies: dict[str, Floats]
    forces: dict[str, Floats]


@dataclass(frozen=True)
class PartErrors:
    """Errors of one model, or of the mean of a committee, by part: meV/atom, and eV/Å."""

    name: str
    is_mean: bool
    energies: dict[str, Errors]
    forces: dict[str, Errors]


@dataclass(frozen=True)
class Decomposition:
    """Errors by part of all models.

    Attributes:
        path: The frames.
        found: Their molecules.
        reference: The reference in parts; without energies and forces inside and between molecules where the reference
            of lone molecules is not known.
        n_atoms: Of each frame, shape (F,).
        method: What gave the reference of lone molecules; empty: nothing did.
        results: Models, and after the members of a committee of several their mean.
        n_groups, grouping: What the error bars take as independent.
        notes: What limits the numbers.
    """

    path: Path
    found: IsolatedMolecules
    reference: Parts
    n_atoms: Integers
    method: str
    results: list[PartErrors]
    n_groups: int
    grouping: str
    notes: list[str]


def parts_of(total: LabelArrays, alone: LabelArrays | None, found: IsolatedMolecules) -> Parts:
    """Split energies and forces.

    Args:
        total: Of the frames.
        alone: Of the molecules, each alone; None: not known.
        found: The molecules.
    """
    energies, forces = {"total": total.energies}, {"total": total.forces}
    if alone is not None:
        intra = intramolecular(alone, total, found)
        inter = intermolecular(total, intra)
        energies |= {"intra": intra.energies, "inter": inter.energies}
        forces |= {"intra": intra.forces, "inter": inter.forces}
    split = molecular_forces(total.forces, found.positions, found.masses, found.of_atom)
    return Parts(energies, forces | split.parts())


def decomposition_of_models(
    given: LabelledFrames,
    found: IsolatedMolecules,
    alone: LabelArrays | None,
    method: str,
    frames_of: Sequence[CommitteePredictions],
    molecules_of: Mapping[str, LabelArrays],
    group_key: str = "",
    resamples: int = RESAMPLES,
) -> Decomposition:
    """Errors by part.

    Args:
        given: Frames with labels.
        found: Their molecules.
        alone: Reference labels of these, each alone; None: not known, then only forces are split.
        method: What gave them.
        frames_of: What models say of the frames.
        molecules_of: What each model says of the molecules, by its name.
        group_key, resamples: As `model_errors.errors_of_models`.

    Raises:
        LamplighterError: no two atoms are bonded, or labels do not fit the frames or molecules.
    """
    if found.largest == 1:
        raise LamplighterError(
            f"no two atoms of {given.path} are bonded, so there are no molecules to split by (--tolerance says how far "
            "bonded atoms may be apart)"
        )
    total = label_arrays(given.labels)
    lengths = np.array([len(each) for each in found.molecules])
    for name, labels in (("the reference", alone), *molecules_of.items()):
        if labels is not None and not np.array_equal(labels.n_atoms, lengths):
            raise LamplighterError(
                f"{name} has labels of {len(labels)} molecules that are not those of {given.path}, which holds "
                f"{len(lengths)}: label the file that --write-molecules writes, in its order"
            )
    groups = None if not group_key else given.info(group_key)
    drawn = resampling(len(total), groups, resamples)
    reference = parts_of(total, alone, found)
    notes = list(given.notes)
    single = len(found.molecules) == len(total)
    if single:
        notes.append("each frame is one molecule: nothing is between molecules, and the whole frame turns and moves")
    lone = sorted({name for name, each in zip(found.names, found.molecules, strict=True) if len(each) == 1})
    if lone:
        notes.append(
            f"lone atoms are among the molecules: {', '.join(lone)}; if bonds are stretched, raise --tolerance"
        )
    if alone is None:
        notes.append("the reference of lone molecules is not known (--reference, --molecule-labels): only forces split")

    results = []
    for committee in frames_of:
        members = [
            parts_of(each.arrays, molecules_of[each.name] if alone is not None else None, found)
            for each in committee.members
        ]
        results += [
            _errors(each.name, False, parts, reference, total, given.numbers, drawn)
            for each, parts in zip(committee.members, members, strict=True)
        ]
        if len(members) > 1:
            results.append(
                _errors(f"{committee.name}: mean", True, _mean(members), reference, total, given.numbers, drawn)
            )
    return Decomposition(
        given.path, found, reference, total.n_atoms, method, results, drawn.n_groups, drawn.what, notes
    )


def _errors(
    name: str, is_mean: bool, parts: Parts, reference: Parts, total: LabelArrays, numbers: Integers, drawn: Resampling
) -> PartErrors:
    def arrays(source: Parts, part: str) -> LabelArrays:
        energies = source.energies.get(part, total.energies)
        return LabelArrays(energies, total.n_atoms, source.forces[part], total.stresses, total.frame)

    def energy(part: str) -> Errors:
        right = arrays(reference, part)
        base = 0.0 if part == "inter" else energies_of_elements(right, numbers)
        return energy_errors(arrays(parts, part), right, drawn, base)

    return PartErrors(
        name,
        is_mean,
        {part: energy(part) for part in reference.energies},
        {part: force_errors(arrays(parts, part), arrays(reference, part), drawn) for part in reference.forces},
    )


def _mean(members: Sequence[Parts]) -> Parts:
    first = members[0]
    return Parts(
        {part: np.mean([each.energies[part] for each in members], axis=0) for part in first.energies},
        {part: np.mean([each.forces[part] for each in members], axis=0) for part in first.forces},
    )
