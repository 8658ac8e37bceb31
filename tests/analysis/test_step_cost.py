"""The cost of a step: known terms are found again, and what is said on paper is what paper says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lamplighter.analysis import step_cost
from lamplighter.analysis.step_cost import Network

KNOWN = np.array([50e-6, 4e-6, 20e-6, 300e-6])
DENSITY, CUTOFF = 0.1, 7.0
PLACES = [(n, p) for n in (640, 1280, 2560, 5120) for p in (1, 2, 4, 8, 16)]
NETWORK = Network(latency_s=2e-6, bandwidth=10e9, ranks_per_node=8, ghost_bytes=2000.0, exchanges=4)


def predictors() -> np.ndarray:
    return np.array([step_cost.cubic_predictors(n, p, DENSITY, CUTOFF) for n, p in PLACES])


def exchange(sent_for_ghosts: float = 1e-6) -> np.ndarray:
    """Of several ranks, what ghosts and messages take; nothing on one."""
    rows = predictors()
    return np.where(rows[:, 2] > 0.0, rows[:, 1] * sent_for_ghosts + rows[:, 2] * KNOWN[2], 0.0)


def times() -> np.ndarray:
    """Ghosts cost 3 µs of work, and 1 µs to be sent where there are several ranks."""
    return predictors() @ (KNOWN * [1, 0.75, 0, 1]) + exchange()


def test_known_terms_are_found_again_exactly_and_within_their_errors() -> None:
    exact = times()
    found = step_cost.fit(predictors(), exact, np.zeros(len(exact)), exchange())
    assert found.values == pytest.approx(KNOWN, rel=1e-6)
    assert np.abs(found.residuals).max() < 1e-9
    assert found.told_apart
    assert all(found.known)

    pulls = []
    for seed in range(40):
        noisy = exact * (1.0 + 0.02 * np.random.default_rng(seed).standard_normal(len(exact)))
        made = step_cost.fit(predictors(), noisy, 0.02 * exact, exchange(), seed=seed)
        assert np.all(made.values >= 0.0)
        seconds, error = made.seconds(step_cost.cubic_predictors(20_000, 32, DENSITY, CUTOFF))
        truth = step_cost.cubic_predictors(20_000, 32, DENSITY, CUTOFF) @ KNOWN
        pulls.append((seconds - truth) / error)
    assert 0.6 < np.std(pulls) < 1.6  # the error of a prediction is the scatter of predictions
    assert abs(np.mean(pulls)) < 0.8


def test_messages_are_not_given_what_ranks_lose_by_sharing_a_memory() -> None:
    slowed = np.where(predictors()[:, 2] > 0.0, 1.15, 1.0)  # whatever is computed, on several ranks
    made = (times() - exchange()) * slowed + exchange()
    found = step_cost.fit(predictors(), made, 0.01 * made, exchange())
    assert found.values[2] == pytest.approx(KNOWN[2], rel=1e-6)
    assert np.abs(found.residuals).max() > 0.05


def test_what_times_do_not_tell_is_not_known() -> None:
    one_rank = np.array([step_cost.cubic_predictors(n, 1, DENSITY, CUTOFF) for n in (640, 1280, 5120)])
    found = step_cost.fit(one_rank, one_rank @ KNOWN, np.zeros(3))
    assert found.known == (True, True, False, True)
    assert math.isnan(found.errors[2])
    assert any("messages: no measurement has any" in note for note in found.notes)
    single = step_cost.fit(one_rank[:1], one_rank[:1] @ KNOWN, np.zeros(1))
    assert single.known == (True, False, False, False)
    assert not single.told_apart
    unmeasured = step_cost.fit(predictors(), times(), 0.01 * times())
    assert not unmeasured.known[2]
    assert not unmeasured.told_apart
    with pytest.raises(ValueError, match="positive"):
        step_cost.fit(one_rank, np.zeros(3), np.zeros(3))


def test_a_fit_that_does_not_describe_the_times_has_wide_errors() -> None:
    uneven = np.where(np.arange(len(PLACES)) % 3, 1.2, 0.8)
    bent = times() * uneven
    assert np.all(step_cost.fit(predictors(), bent, 1e-4 * bent, exchange() * uneven).errors > 5.0 * 1e-4 * KNOWN)


def test_ghosts_and_messages_of_cubes_are_those_of_paper() -> None:
    # 8 domains of 10 Å: a shell of 7 Å holds 24³ - 10³ = 12 824 Å³
    atoms, ghosts, messages, one = step_cost.cubic_predictors(8 * 100, 8, DENSITY, CUTOFF)
    assert (atoms, one) == (100.0, 1.0)
    assert ghosts == pytest.approx(1282.4)
    assert messages == 6.0
    assert step_cost.cubic_predictors(8 * 100, 8, DENSITY, 10.5)[2] == 12.0  # beyond the next domain
    assert step_cost.messages((2, 2, 2), (20.0, 20.0, 20.0), 7.0) == 6
    assert step_cost.messages((1, 1, 4), (20.0, 20.0, 20.0), 7.0) == 4  # domains of 5 Å: two steps each way
    assert step_cost.messages((1, 1, 1), (20.0, 20.0, 20.0), 7.0) == 0


def test_on_paper_perfect_scaling_and_a_constant_are_what_they_must_be() -> None:
    def cost(values: list[float]) -> step_cost.StepCost:
        terms = np.array(values)
        return step_cost.StepCost(terms, 0 * terms, (True,) * 4, True, np.zeros(1), np.tile(terms, (3, 1)), ())

    silent = Network(1e-30, 1e30, 1, 1e-30, 1)
    ideal = [step_cost.projected(cost([1e-5, 0, 0, 0]), 100_000, p, DENSITY, CUTOFF, silent) for p in (1, 10, 1000)]
    assert [each.efficiency for each in ideal] == pytest.approx([1.0, 1.0, 1.0])
    assert step_cost.stops_at(ideal) == 1000
    # t = a N/P + d: Amdahl's law, E = (a N + d) / (a N + P d); with d = a N / 100 it is ½ at P = 102
    amdahl = [step_cost.projected(cost([1e-5, 0, 0, 1e-2]), 100_000, p, DENSITY, CUTOFF, silent) for p in (1, 102, 103)]
    assert [each.efficiency for each in amdahl] == pytest.approx([1.0, 1.01 / 2.02, 1.01 / 2.03])
    assert step_cost.stops_at(amdahl, 0.4999) == 102
    assert amdahl[1].limit == "constant"
    # the network: within a node nothing; beyond, latency for each message and bytes of ghosts over a shared wire
    near, far = (step_cost.projected(cost([1e-5, 0, 0, 0]), 8_000, p, DENSITY, CUTOFF, NETWORK) for p in (8, 64))
    assert near.seconds == pytest.approx(1e-2)
    sent = 6 * math.ceil(7.0 / 1250.0 ** (1 / 3)) * 4 * 2e-6
    carried = DENSITY * ((1250.0 ** (1 / 3) + 14.0) ** 3 - 1250.0) * 2000.0 * 8 / 10e9
    assert far.seconds == pytest.approx(1e-5 * 125 + sent + carried)
    assert far.limit == "network"
