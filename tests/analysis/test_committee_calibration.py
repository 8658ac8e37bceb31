"""What a committee's variance is worth: known where errors are drawn with a known deviation."""

from __future__ import annotations

import numpy as np
import pytest

from lamplighter.analysis.committee_calibration import (
    error_over_variance,
    force_variances,
    rank_correlation,
    squared_errors,
)
from lamplighter.analysis.model_errors import label_arrays
from lamplighter.structures.labels import Labels, unknown_stress


def arrays(forces: np.ndarray):
    return label_arrays([Labels(0.0, forces, unknown_stress())])


def test_members_that_scatter_about_the_truth_like_the_first_have_the_errors_that_their_variance_says() -> None:
    """K members F + s ε: ⟨|F¹ − F|²⟩ = 3 s², and with divisor K ⟨σ²⟩ = 3 s² (K − 1)/K, so that a = K/(K − 1)."""
    random = np.random.default_rng(3)
    n, k = 20000, 5
    truth = random.normal(size=(n, 3))
    scale = random.uniform(0.1, 2.0, size=(n, 1))
    members = [arrays(truth + scale * random.normal(size=(n, 3))) for _ in range(k)]
    squared, variances = squared_errors(members[0], arrays(truth)), force_variances(members)
    assert error_over_variance(squared, variances) == pytest.approx(k / (k - 1), rel=0.03)
    assert rank_correlation(squared, variances) > 0.5
    assert abs(rank_correlation(random.permutation(squared), variances)) < 0.03


def test_members_that_agree_say_nothing() -> None:
    same = [arrays(np.ones((4, 3)))] * 2
    assert np.isnan(error_over_variance(squared_errors(same[0], arrays(np.zeros((4, 3)))), force_variances(same)))
    assert np.isnan(rank_correlation(np.ones(4), force_variances(same)))
