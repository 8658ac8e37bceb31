"""RMSE, MAE and their error bars, against numpy, scikit-learn, and known distributions."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from lamplighter.analysis import model_errors
from lamplighter.analysis.bootstrap import resampling
from lamplighter.analysis.model_errors import LabelArrays, committee_mean, label_arrays
from lamplighter.analysis.seed_sensitivity import seed_sensitivity
from lamplighter.analysis.series import Estimate
from lamplighter.observables.model_errors import convention_notes, leading_notes
from lamplighter.observables.predictions import Prediction
from lamplighter.structures.labels import Labels, unknown_stress


def some_labels(rng: np.random.Generator, periodic: bool = True) -> list[Labels]:
    made = []
    for n in (3, 5, 4, 8, 6, 7):
        stress = rng.normal(size=(3, 3)) if periodic else unknown_stress()
        made.append(Labels(float(rng.normal(-10.0 * n, 1.0)), rng.normal(size=(n, 3)), stress + stress.T))
    return made


def test_errors_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    reference, predicted = label_arrays(some_labels(rng)), label_arrays(some_labels(rng))
    drawn = resampling(6)
    energy = model_errors.energy_errors(predicted, reference, drawn)
    given, right = 1e3 * predicted.energies / predicted.n_atoms, 1e3 * reference.energies / reference.n_atoms
    assert energy.rmse.value == pytest.approx(root_mean_squared_error(right, given), rel=1e-12)
    assert energy.mae.value == pytest.approx(mean_absolute_error(right, given), rel=1e-12)
    assert energy.mean_error.value == pytest.approx(float(np.mean(given - right)), rel=1e-12)
    assert energy.deviation == pytest.approx(float(np.std(given - right)), rel=1e-9)
    assert energy.relative_rmse.value == pytest.approx(root_mean_squared_error(right, given) / right.std(), rel=1e-9)
    force = model_errors.force_errors(predicted, reference, drawn)
    right, given = reference.forces.ravel(), predicted.forces.ravel()
    assert force.rmse.value == pytest.approx(root_mean_squared_error(right, given), rel=1e-12)
    assert force.relative_rmse.value == pytest.approx(root_mean_squared_error(right, given) / right.std(), rel=1e-9)
    assert force.n == 3 * 33


def test_components_and_elements_share_out_the_squares() -> None:
    rng = np.random.default_rng(1)
    reference, predicted = label_arrays(some_labels(rng)), label_arrays(some_labels(rng))
    drawn = resampling(6)
    every = model_errors.force_errors(predicted, reference, drawn).rmse.value
    axes = [model_errors.force_errors(predicted, reference, drawn, component=k).rmse.value for k in range(3)]
    assert every**2 == pytest.approx(np.mean(np.square(axes)), rel=1e-12)
    numbers = np.arange(33) % 2
    parts = [model_errors.force_errors(predicted, reference, drawn, atoms=numbers == k) for k in (0, 1)]
    total = sum(each.n * each.rmse.value**2 for each in parts)
    assert every**2 == pytest.approx(total / 99, rel=1e-12)
    along = model_errors.force_rmse_of_frames(predicted, reference)
    assert along[1] == pytest.approx(np.sqrt(np.mean((predicted.forces[3:8] - reference.forces[3:8]) ** 2)), rel=1e-12)


def test_the_frames_that_hold_half_of_the_squared_errors_are_counted() -> None:
    reference = label_arrays(some_labels(np.random.default_rng(5)))
    size = np.array([0.0, 3.0, 1.0, 5.0, 4.0, 0.5])  # squares per frame: 9, 25, 16 and less; half is 25.6
    off = np.zeros_like(reference.forces)
    firsts = [int(np.flatnonzero(reference.frame == k)[0]) for k in range(6)]
    off[firsts, 1] = size
    predicted = dataclasses.replace(reference, forces=reference.forces + off)
    assert model_errors.frames_with_half_of_squares(predicted, reference).tolist() == [3, 4]
    off[firsts[4], 1] = 9.0
    predicted = dataclasses.replace(reference, forces=reference.forces + off)
    assert model_errors.frames_with_half_of_squares(predicted, reference).tolist() == [4]
    assert not len(model_errors.frames_with_half_of_squares(reference, reference))


def test_the_scale_of_forces_is_the_slope_of_a_line_through_the_origin() -> None:
    rng = np.random.default_rng(2)
    reference, other = label_arrays(some_labels(rng)), label_arrays(some_labels(rng))
    right = reference.forces
    apart = other.forces - right * np.sum(other.forces * right) / np.sum(right**2)  # errors that tell of no softening
    soft = dataclasses.replace(reference, forces=0.8 * right + apart)
    assert model_errors.force_scale(soft, reference) == pytest.approx(0.8, rel=1e-12)
    slope = np.linalg.lstsq(right.reshape(-1, 1), other.forces.ravel(), rcond=None)[0][0]
    assert model_errors.force_scale(other, reference) == pytest.approx(slope, rel=1e-12)
    assert math.isnan(model_errors.force_scale(soft, dataclasses.replace(reference, forces=0.0 * right)))


def test_stress_counts_the_six_components_alpha_le_beta() -> None:
    rng = np.random.default_rng(2)
    reference, predicted = label_arrays(some_labels(rng)), label_arrays(some_labels(rng))
    total = 0.0
    for n in range(6):
        for a in range(3):
            for b in range(a, 3):
                total += (1e3 * (reference.stresses[n, a, b] - predicted.stresses[n, a, b])) ** 2
    found = model_errors.stress_errors(predicted, reference, resampling(6))
    assert found is not None
    assert found.rmse.value == pytest.approx(math.sqrt(total / 36), rel=1e-12)
    clusters = label_arrays(some_labels(rng, periodic=False))
    assert model_errors.stress_errors(clusters, clusters, resampling(6)) is None
    mixed = LabelArrays(
        reference.energies, reference.n_atoms, reference.forces, reference.stresses.copy(), reference.frame
    )
    mixed.stresses[2] = np.nan
    assert model_errors.stress_errors(predicted, mixed, resampling(6)).n == 30  # type: ignore[union-attr]


def test_energies_of_elements_are_taken_off_the_spread_and_not_off_the_errors() -> None:
    rng = np.random.default_rng(3)
    numbers, labels = [], []
    for _ in range(40):
        kinds = np.array([1] * rng.integers(1, 9) + [8] * rng.integers(1, 9))
        energy = -13.0 * (kinds == 1).sum() - 2000.0 * (kinds == 8).sum() + len(kinds) * rng.normal(0, 0.01)
        numbers.append(kinds)
        labels.append(Labels(energy, np.zeros((len(kinds), 3)), unknown_stress()))
    reference, kinds = label_arrays(labels), np.concatenate(numbers)
    base = model_errors.energies_of_elements(reference, kinds)
    predicted = LabelArrays(
        reference.energies + 0.002 * reference.n_atoms, reference.n_atoms, reference.forces, reference.stresses,
        reference.frame,
    )  # fmt: skip
    found = model_errors.energy_errors(predicted, reference, resampling(40), base)
    assert found.rmse.value == pytest.approx(2.0, rel=1e-6)
    assert found.reference_deviation == pytest.approx(10.0, rel=0.3)
    assert model_errors.energy_errors(predicted, reference, resampling(40)).reference_deviation > 1e5


def test_the_committee_mean_is_that_of_the_predictions_and_better_than_its_members() -> None:
    rng = np.random.default_rng(4)
    reference = label_arrays(some_labels(rng))

    def noisy() -> LabelArrays:
        forces = reference.forces + rng.normal(0, 0.1, reference.forces.shape)
        return LabelArrays(reference.energies, reference.n_atoms, forces, reference.stresses, reference.frame)

    members = [noisy() for _ in range(16)]
    mean = committee_mean(members)
    np.testing.assert_allclose(mean.forces, sum(each.forces for each in members) / 16, rtol=1e-12)
    drawn = resampling(6)
    alone = np.mean([model_errors.force_errors(each, reference, drawn).rmse.value for each in members])
    assert model_errors.force_errors(mean, reference, drawn).rmse.value == pytest.approx(alone / 4, rel=0.15)


def test_error_bars_cover_the_truth_as_often_as_they_should() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(300):
        away = rng.normal(0.0, 1.0, (40, 10))  # 40 frames of 10 numbers, RMSE 1
        frame = np.repeat(np.arange(40), 10)
        made = model_errors.errors(away.ravel(), np.zeros(400), frame, resampling(40, resamples=200, seed=trial), "")
        covered += abs(made.rmse.value - 1.0) < made.rmse.standard_error
    assert 0.60 < covered / 300 < 0.76


def test_frames_of_one_trajectory_are_drawn_together() -> None:
    rng = np.random.default_rng(6)
    size = np.repeat(rng.uniform(0.5, 2.0, 10), 20)  # each of 10 trajectories has a size of error of its own
    away, frame = size * rng.choice([-1, 1], 200), np.arange(200)
    alone = model_errors.errors(away, np.zeros(200), frame, resampling(200), "")
    together = model_errors.errors(away, np.zeros(200), frame, resampling(200, list(np.arange(200) // 20)), "")
    assert together.mae.value == pytest.approx(alone.mae.value, rel=1e-12)
    assert together.mae.standard_error == pytest.approx(size[::20].std() / math.sqrt(10), rel=0.1)
    assert alone.mae.standard_error < 0.4 * together.mae.standard_error
    assert "10 groups" not in alone.mae.note
    assert together.mae.n_samples == 10


def test_few_frames_have_no_error_bar() -> None:
    made = model_errors.errors(np.ones(4), np.zeros(4), np.arange(4), resampling(4), "eV")
    assert math.isnan(made.rmse.standard_error)
    assert made.rmse.note == "only 4 frames, fewer than 5"
    with pytest.raises(ValueError, match="one label for each of the 3 frames, got 2"):
        resampling(3, ["a", "b"])


def estimates(values: np.ndarray, error: float) -> list[Estimate]:
    return [Estimate(float(x), error, "g/cm³", "", 1, 1.0, 1.0) for x in values]


def test_seeds_that_do_not_matter_give_an_even_p_and_no_spread_of_their_own() -> None:
    rng = np.random.default_rng(7)
    found = [seed_sensitivity(estimates(rng.normal(1.0, 0.1, 5), 0.1)) for _ in range(400)]
    p = np.array([each.p_value for each in found if each])
    assert 0.45 < p.mean() < 0.55
    assert np.mean(p < 0.1) == pytest.approx(0.1, abs=0.05)
    spread = np.array([each.spread.value for each in found if each])
    assert np.mean(spread**2) == pytest.approx(0.01, rel=0.1)


def test_the_spread_of_seeds_is_told_from_the_noise_of_single_runs() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(1.0, 0.3, 50) + rng.normal(0.0, 0.1, 50)
    found = seed_sensitivity(estimates(values, 0.1))
    assert found is not None
    assert found.spread.value == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert found.beyond_noise == pytest.approx(0.3, rel=0.25)
    assert found.noise == pytest.approx(0.1)
    assert found.p_value < 1e-6
    assert seed_sensitivity(estimates(values[:1], 0.1)) is None
    alone = seed_sensitivity(estimates(values, math.nan))
    assert alone is not None
    assert math.isnan(alone.p_value)
    assert math.isnan(seed_sensitivity(estimates(values, 0.1), independent=False).noise)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.0, ""), (-1.0, "with the other sign"), (160.2, "in GPa"), (1602.0, "in kbar"), (-1602.0, "in kbar")],
)
def test_a_reference_stress_of_another_sign_or_unit_is_told(factor: float, words: str) -> None:
    rng = np.random.default_rng(3)
    stress = rng.normal(size=(20, 3, 3))
    stress = stress + stress.transpose(0, 2, 1)
    zeros = np.zeros((20, 3))
    model = LabelArrays(np.zeros(20), np.ones(20, dtype=int), zeros, stress, np.arange(20))
    noisy = factor * (stress + 0.2 * rng.normal(size=stress.shape))
    reference = LabelArrays(np.zeros(20), np.ones(20, dtype=int), zeros, noisy, np.arange(20))
    notes = convention_notes(reference, [model, model], "stress")
    assert len(notes) == bool(words)
    assert all(words in note for note in notes)


@pytest.mark.parametrize(("frames", "worst", "said"), [(40, 9.0, True), (40, 1.0, False), (19, 9.0, False)])
def test_frames_that_most_of_an_rmse_comes_from_are_named(frames: int, worst: float, said: bool) -> None:
    zeros = np.zeros((frames, 3))
    stress = np.full((frames, 3, 3), np.nan)
    reference = LabelArrays(np.zeros(frames), np.ones(frames, dtype=int), zeros, stress, np.arange(frames))
    off = np.ones((frames, 3))
    off[7] = worst
    notes = leading_notes(reference, [Prediction("a", "", dataclasses.replace(reference, forces=off))])
    assert len(notes) == said
    assert all(f"1 of {frames} frames hold half of the squared errors of forces (from 0: 7)" in each for each in notes)
    assert not leading_notes(reference, [])
