"""Errors of models against reference labels: tables, parts of a data set, along a trajectory, spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import units
from ase.data import chemical_symbols

from lamplighter.analysis import model_errors as analysis
from lamplighter.analysis.bootstrap import RESAMPLES, Resampling, resampling
from lamplighter.analysis.model_errors import Errors, LabelArrays, label_arrays
from lamplighter.analysis.seed_sensitivity import SeedSensitivity, seed_sensitivity
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import LamplighterError
from lamplighter.observables.predictions import Prediction, committees
from lamplighter.structures.labelled_frames import LabelKeys, LabelledFrames

_NAMED = 5  # frames that a note names
_ALIKE = 0.9  # cosine between all stresses of a model and the reference's


@dataclass(frozen=True)
class ErrorTable:
    """Errors of one model, or of the mean of a committee, over some frames.

    Attributes:
        energy: Per atom, meV/atom.
        forces: All components, eV/Å.
        components: Fx, Fy, Fz, eV/Å.
        elements: Forces on atoms of each element, eV/Å.
        stress: meV/Å³; None where no frame has one.
        pressure: Of the same frames, without the atoms' motion, bar.
    """

    energy: Errors
    forces: Errors
    components: dict[str, Errors]
    elements: dict[str, Errors]
    stress: Errors | None
    pressure: Errors | None


@dataclass(frozen=True)
class ModelResult:
    """One model, or the mean of a committee.

    Attributes:
        name: Its name.
        committee: Of its committee.
        is_mean: Whether it is the mean.
        predicted: What it says.
        table: Over all frames.
        energy_of_frames: Error of each frame's energy, meV/atom, shape (F,).
        force_rmse_of_frames: RMSE of each frame's forces, eV/Å, shape (F,).
        parts: Over the frames of each part.
    """

    name: str
    committee: str
    is_mean: bool
    predicted: LabelArrays
    table: ErrorTable
    energy_of_frames: Floats
    force_rmse_of_frames: Floats
    parts: dict[str, ErrorTable] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelErrors:
    """Errors of several models over one set of frames.

    Attributes:
        path: The frames.
        keys: What their labels are called.
        reference: Those labels.
        numbers: Atomic number of each atom, shape (A,).
        times: Of each frame: ps if `times_are_ps`, else its place.
        times_are_ps: Whether all frames know their time.
        results: Models, and after the members of a committee of several their mean.
        seeds: By committee: spread over members of the RMSE of energy, forces and stress.
        part_key: What parts are told apart by; empty: there are none.
        n_groups, grouping: What the error bars take as independent.
        notes: What limits the numbers.
    """

    path: Path
    keys: LabelKeys
    reference: LabelArrays
    numbers: Integers
    times: Floats
    times_are_ps: bool
    results: list[ModelResult]
    seeds: dict[str, dict[str, SeedSensitivity]]
    part_key: str
    n_groups: int
    grouping: str
    notes: list[str]


def errors_of_models(
    given: LabelledFrames,
    predictions: Sequence[Prediction],
    part_key: str = "",
    group_key: str = "",
    resamples: int = RESAMPLES,
) -> ModelErrors:
    """Errors of each model and of each committee's mean.

    Args:
        given: Frames with labels.
        predictions: Of the same frames.
        part_key: Also over parts of the frames: those that say the same under this key.
        group_key: Frames that say the same under this key depend on each other (one trajectory) and are resampled
            together.
        resamples: Of the bootstrap.

    Raises:
        TrajectoryError: no frame has the key.
        LamplighterError: there are no models, or their labels are of other frames.
    """
    reference = label_arrays(given.labels)
    numbers = given.numbers
    for each in predictions:
        if not np.array_equal(each.arrays.n_atoms, reference.n_atoms):
            raise LamplighterError(f"the labels of {each.name} are of other frames than those of {given.path}")
    groups = None if not group_key else given.info(group_key)
    parts = None if not part_key else [str(each) for each in given.info(part_key)]
    drawn = resampling(len(reference), groups, resamples)
    notes = list(given.notes)
    if drawn.n_groups < 5:
        notes.append(f"only {drawn.n_groups} {drawn.what}: no error bars")
    n_stress = len(reference.with_stress)
    n_periodic = sum(all(atoms.pbc) for atoms in given.frames)
    if n_periodic > n_stress:
        notes.append(f"{n_periodic - n_stress} of {n_periodic} periodic frames have no reference stress")
    notes += leading_notes(reference, predictions)
    notes += convention_notes(reference, [each.arrays for each in predictions], given.keys.stress or "")

    def result(name: str, committee: str, predicted: LabelArrays, is_mean: bool) -> ModelResult:
        return ModelResult(
            name,
            committee,
            is_mean,
            predicted,
            error_table(predicted, reference, numbers, drawn),
            1e3 * (predicted.energies_per_atom - reference.energies_per_atom),
            analysis.force_rmse_of_frames(predicted, reference),
            _parts(predicted, reference, numbers, parts, groups, resamples) if parts else {},
        )

    results: list[ModelResult] = []
    seeds: dict[str, dict[str, SeedSensitivity]] = {}
    for committee in committees(predictions):
        made = [result(each.name, committee.name, each.arrays, False) for each in committee.members]
        results += made
        if len(made) > 1:
            results.append(result(f"{committee.name}: mean", committee.name, committee.mean, True))
            seeds[committee.name] = _seeds([each.table for each in made])
    times, in_ps = _times(given)
    return ModelErrors(
        given.path,
        given.keys,
        reference,
        numbers,
        times,
        in_ps,
        results,
        seeds,
        part_key,
        drawn.n_groups,
        drawn.what,
        notes,
    )


def leading_notes(reference: LabelArrays, predictions: Sequence[Prediction]) -> list[str]:
    """What is said of frames that an RMSE of forces is made from, where they are few; of the model with the fewest."""
    led = [found for each in predictions if len(found := analysis.frames_that_lead(each.arrays, reference))]
    if not led:
        return []
    fewest = min(led, key=len)
    named = ", ".join(str(frame) for frame in fewest[:_NAMED]) + (", …" if len(fewest) > _NAMED else "")
    return [
        f"{len(fewest)} of {len(reference)} frames hold half of the squared errors of forces (from 0: {named}): the "
        "RMSE is theirs, and the MAE says more of the others"
    ]


def convention_notes(reference: LabelArrays, predicted: Sequence[LabelArrays], key: str) -> list[str]:
    """A warning where the reference stress is what all models say in another unit or with the other sign.

    Args:
        reference: Labels of frames.
        predicted: Of each model, for the same frames.
        key: What the reference stress is called, for the warning.
    """
    slopes = []
    for each in predicted:
        frames = analysis.frames_with_stress(each, reference)
        x, y = each.stresses[frames].ravel(), reference.stresses[frames].ravel()
        square = float(x @ x) * float(y @ y)
        if not square > 0.0 or abs(float(x @ y)) < _ALIKE * square**0.5:
            return []
        slopes.append(float(x @ y) / float(x @ x))
    if not slopes:
        return []
    slope = float(np.median(slopes))
    if all(-2.0 < each < -0.5 for each in slopes):
        return [
            f"the reference stress {key} is that of the models with the other sign: tension is positive here, and a "
            "virial (−V times the stress) has virial in its name"
        ]
    for factor, unit in ((1.0 / units.GPa, "GPa"), (10.0 / units.GPa, "kbar")):
        if 0.5 < abs(slope) / factor < 2.0:
            return [f"the reference stress {key} is {abs(slope):.3g} times that of the models: in {unit}, not eV/Å³?"]
    return []


def error_table(predicted: LabelArrays, reference: LabelArrays, numbers: Integers, drawn: Resampling) -> ErrorTable:
    """Errors over all frames of a set; `numbers` are atomic numbers, shape (A,)."""

    def force(**which: object) -> Errors:
        return analysis.force_errors(predicted, reference, drawn, **which)  # type: ignore[arg-type]

    return ErrorTable(
        analysis.energy_errors(predicted, reference, drawn, analysis.energies_of_elements(reference, numbers)),
        force(),
        {name: force(component=axis) for axis, name in enumerate(("Fx", "Fy", "Fz"))},
        {str(chemical_symbols[n]): force(atoms=numbers == n) for n in np.unique(numbers)},
        analysis.stress_errors(predicted, reference, drawn),
        analysis.pressure_errors(predicted, reference, drawn),
    )


def _parts(
    predicted: LabelArrays,
    reference: LabelArrays,
    numbers: Integers,
    parts: Sequence[str],
    groups: Sequence[object] | None,
    resamples: int,
) -> dict[str, ErrorTable]:
    found = {}
    for name in sorted(set(parts)):
        chosen = np.array([k for k, each in enumerate(parts) if each == name])
        drawn = resampling(len(chosen), None if groups is None else [groups[int(k)] for k in chosen], resamples)
        kinds = numbers[np.isin(reference.frame, chosen)]
        found[name] = error_table(predicted.of_frames(chosen), reference.of_frames(chosen), kinds, drawn)
    return found


def _seeds(tables: Sequence[ErrorTable]) -> dict[str, SeedSensitivity]:
    quantities = {
        "energy": [each.energy.rmse for each in tables],
        "forces": [each.forces.rmse for each in tables],
        "stress": [each.stress.rmse for each in tables if each.stress is not None],
    }
    made = {name: seed_sensitivity(values, independent=False) for name, values in quantities.items()}
    return {name: each for name, each in made.items() if each is not None}


def _times(given: LabelledFrames) -> tuple[Floats, bool]:
    times = [atoms.info.get("time_ps") for atoms in given.frames]
    if all(isinstance(time, int | float) for time in times):
        return np.array(times, dtype=np.float64), True
    return np.arange(len(given), dtype=np.float64), False
