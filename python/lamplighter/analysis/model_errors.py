"""How far predictions are from their reference: RMSE, MAE, mean error, and the RMSE relative to the reference's spread.

    RMSE      sqrt(⟨(x − x_ref)²⟩)
    MAE       ⟨|x − x_ref|⟩
    relative  RMSE / sqrt(⟨x_ref²⟩ − ⟨x_ref⟩²), of energies after what the elements explain (`energies_of_elements`)

Averages run over frames for energies per atom, over all Cartesian components of all atoms for forces, and over frames
and the six components α ≤ β for stresses:

    RMSE_σ = sqrt( 1/(6N) Σ_n Σ_{α≤β} (σ_ref − σ_pred)² )

The scale of forces is the slope of predicted against reference components through the origin:

    s = Σ F_pred F_ref / Σ F_ref²

Below 1 forces are too small on the whole: the potential is too soft.

Sources: Wong, Yang, arXiv:2603.10159 (RMSE of energies, components of forces, stresses); B. Deng et al., npj Comput.
Mater. 2025, doi:10.1038/s41524-024-01500-6 (systematic softening: the slope of predicted against reference forces).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray

from lamplighter.analysis.bootstrap import Resampling
from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats, Integers
from lamplighter.structures.labels import Labels

FEW_FRAMES = 20
"""Among fewer it is nothing remarkable that some hold half of the squared errors."""

LARGEST_SHARE = 0.05
"""Of the frames that may hold half of them before this is said; of frames that are alike it takes a third or more."""

STRESS_ROWS, STRESS_COLUMNS = np.triu_indices(3)


@dataclass(frozen=True)
class LabelArrays:
    """Labels of many frames as plain arrays; atoms of all frames one after the other.

    Attributes:
        energies: eV, shape (F,).
        n_atoms: Shape (F,).
        forces: eV/Å, shape (A, 3).
        stresses: eV/Å³, shape (F, 3, 3); nan where a frame has none.
        frame: Frame of each atom, shape (A,).
    """

    energies: Floats
    n_atoms: Integers
    forces: Floats
    stresses: Floats
    frame: Integers

    def __len__(self) -> int:
        return len(self.energies)

    @property
    def energies_per_atom(self) -> Floats:
        """eV/atom, shape (F,)."""
        return self.energies / self.n_atoms

    @property
    def with_stress(self) -> Integers:
        """Frames that have a stress."""
        return np.flatnonzero(np.isfinite(self.stresses).all(axis=(1, 2)))

    def of_frames(self, chosen: Integers) -> LabelArrays:
        """Some of the frames, in the order given, each once."""
        begins = np.concatenate([[0], np.cumsum(self.n_atoms)])
        index = np.array([atom for each in chosen for atom in range(begins[each], begins[each + 1])], dtype=np.int64)
        frame = np.repeat(np.arange(len(chosen)), self.n_atoms[chosen])
        return LabelArrays(
            self.energies[chosen], self.n_atoms[chosen], self.forces[index], self.stresses[chosen], frame
        )


def label_arrays(labels: Sequence[Labels]) -> LabelArrays:
    """Put labels of frames one after the other."""
    n_atoms = np.array([len(each.forces) for each in labels], dtype=np.int64)
    return LabelArrays(
        np.array([each.energy for each in labels], dtype=np.float64),
        n_atoms,
        np.concatenate([each.forces for each in labels]) if labels else np.empty((0, 3)),
        np.array([each.stress for each in labels], dtype=np.float64).reshape(-1, 3, 3),
        np.repeat(np.arange(len(labels)), n_atoms),
    )


def committee_mean(members: Sequence[LabelArrays]) -> LabelArrays:
    """The mean of energies, forces and stresses over the members of a committee, for the same frames."""
    first = members[0]
    return LabelArrays(
        np.mean([each.energies for each in members], axis=0),
        first.n_atoms,
        np.mean([each.forces for each in members], axis=0),
        np.mean([each.stresses for each in members], axis=0),
        first.frame,
    )


@dataclass(frozen=True)
class Errors:
    """Errors of one quantity.

    Attributes:
        rmse, mae, mean_error: In the unit asked for; a positive mean error is a prediction that is too large.
        relative_rmse: RMSE over the standard deviation of the reference, dimensionless; nan where that is 0.
        reference_deviation: That standard deviation.
        n: Numbers compared.
    """

    rmse: Estimate
    mae: Estimate
    mean_error: Estimate
    relative_rmse: Estimate
    reference_deviation: float
    n: int

    @property
    def deviation(self) -> float:
        """Standard deviation of the errors about their mean: what of the RMSE is no shift."""
        return math.sqrt(max(self.rmse.value**2 - self.mean_error.value**2, 0.0))


def errors(predicted: Floats, reference: Floats, frame: Integers, resampled: Resampling, unit: str) -> Errors:
    """Errors of numbers that belong to frames.

    Args:
        predicted, reference: Shape (n,), in `unit`, n ≥ 1.
        frame: Frame of each, shape (n,).
        resampled: Of all frames, for the error bars.
        unit: Copied into the results.
    """
    away = predicted - reference
    middle = float(reference.mean())  # only for precision: it cancels
    n, square, size, total, spread, shift = (
        resampled.sums(values, frame)
        for values in (
            np.ones(len(away)),
            away**2,
            np.abs(away),
            away,
            (reference - middle) ** 2,
            reference - middle,
        )
    )
    estimate = resampled.estimate
    return Errors(
        rmse=estimate(lambda n, s: np.sqrt(s / n), (n, square), unit, "RMSE"),
        mae=estimate(lambda n, s: s / n, (n, size), unit, "MAE"),
        mean_error=estimate(lambda n, s: s / n, (n, total), unit, "mean error"),
        relative_rmse=estimate(
            lambda n, s, q, p: np.sqrt(s / n) / _deviation(n, q, p),
            (n, square, spread, shift),
            "",
            "RMSE / standard deviation of the reference",
        ),
        reference_deviation=float(reference.std()),
        n=len(away),
    )


def energies_of_elements(labels: LabelArrays, numbers: Integers) -> Floats:
    """What of each frame's energy per atom its composition explains: the elements' energies by least squares, eV/atom.

    Args:
        labels: Of frames.
        numbers: Atomic number of each atom, shape (A,).
    """
    kinds = np.unique(numbers)
    counts = [np.bincount(labels.frame[numbers == kind], minlength=len(labels)) for kind in kinds]
    shares = np.stack(counts, axis=1) / labels.n_atoms[:, None]
    return np.asarray(shares @ np.linalg.lstsq(shares, labels.energies_per_atom, rcond=None)[0])


def energy_errors(
    predicted: LabelArrays, reference: LabelArrays, resampled: Resampling, base: Floats | float = 0.0
) -> Errors:
    """Of energies per atom, meV/atom.

    `base` (eV/atom, shape (F,)) is taken off both sides, so that the spread of the reference is not that of its
    compositions: see `energies_of_elements`.
    """
    given, right = (1e3 * (each.energies_per_atom - base) for each in (predicted, reference))
    return errors(given, right, np.arange(len(reference)), resampled, "meV/atom")


def force_errors(
    predicted: LabelArrays,
    reference: LabelArrays,
    resampled: Resampling,
    atoms: NDArray[np.bool_] | None = None,
    component: int | None = None,
) -> Errors:
    """Of force components, eV/Å; of the atoms of a mask, or of one component (0, 1, 2), if asked."""
    which = np.ones(len(reference.frame), dtype=bool) if atoms is None else atoms
    columns = [0, 1, 2] if component is None else [component]
    frame = np.repeat(reference.frame[which], len(columns))
    given, right = (each.forces[which][:, columns].ravel() for each in (predicted, reference))
    return errors(given, right, frame, resampled, "eV/Å")


def force_scale(predicted: LabelArrays, reference: LabelArrays) -> float:
    """Slope of predicted against reference force components through the origin; nan where all of these are 0."""
    size = float(np.sum(reference.forces**2))
    return float(np.sum(predicted.forces * reference.forces)) / size if size > 0.0 else float("nan")


def frames_with_stress(predicted: LabelArrays, reference: LabelArrays) -> Integers:
    """Frames of which both know the stress."""
    return np.intersect1d(reference.with_stress, predicted.with_stress)


def stress_errors(predicted: LabelArrays, reference: LabelArrays, resampled: Resampling) -> Errors | None:
    """Of the six components of the stress, meV/Å³, over frames that have one; None where there are none."""
    frames = frames_with_stress(predicted, reference)
    if len(frames) == 0:
        return None
    given, right = (
        1e3 * each.stresses[frames][:, STRESS_ROWS, STRESS_COLUMNS].ravel() for each in (predicted, reference)
    )
    return errors(given, right, np.repeat(frames, 6), resampled, "meV/Å³")


def pressure_errors(predicted: LabelArrays, reference: LabelArrays, resampled: Resampling) -> Errors | None:
    """Of the pressure without the atoms' motion, −tr σ/3, bar, over frames that have a stress; None: there are none.

    Its mean error is what moves a density: a liquid at constant pressure p is that of the reference at p less it.
    """
    frames = frames_with_stress(predicted, reference)
    if len(frames) == 0:
        return None
    given, right = (
        -np.trace(each.stresses[frames], axis1=1, axis2=2) / (3 * units.bar) for each in (predicted, reference)
    )
    return errors(given, right, frames, resampled, "bar")


def force_rmse_of_frames(predicted: LabelArrays, reference: LabelArrays) -> Floats:
    """RMSE over the force components of each frame, eV/Å, shape (F,): the error along a trajectory."""
    return np.sqrt(_squares_of_frames(predicted, reference) / (3 * reference.n_atoms))


def frames_with_half_of_squares(predicted: LabelArrays, reference: LabelArrays) -> Integers:
    """The fewest frames that hold half of all squared errors of forces, that with the most first; none: no error."""
    squares = _squares_of_frames(predicted, reference)
    order = np.argsort(-squares, kind="stable")
    held = np.cumsum(squares[order])
    return order[: np.searchsorted(held, 0.5 * held[-1]) + 1] if held[-1] > 0.0 else order[:0]


def frames_that_lead(predicted: LabelArrays, reference: LabelArrays) -> Integers:
    """The same, where they are so few that an RMSE of forces, or a loss of squares, says little of the others."""
    half = frames_with_half_of_squares(predicted, reference)
    few = len(reference) >= FEW_FRAMES and len(half) <= LARGEST_SHARE * len(reference)
    return half if few else half[:0]


def _squares_of_frames(predicted: LabelArrays, reference: LabelArrays) -> Floats:
    """Squared errors of the forces of each frame, summed, eV²/Å², shape (F,)."""
    square = ((predicted.forces - reference.forces) ** 2).sum(axis=1)
    return np.asarray(np.bincount(reference.frame, weights=square, minlength=len(reference)), dtype=float)


def _deviation(n: Floats, square: Floats, total: Floats) -> Floats:
    variance = square / n - (total / n) ** 2
    return np.where(variance > 0.0, np.sqrt(np.maximum(variance, 0.0)), np.nan)
