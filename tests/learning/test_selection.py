"""Which frames are chosen: the first above the threshold, else the largest; at random; and none twice."""

from __future__ import annotations

from collections import Counter
from math import nan

import numpy as np
import pytest
from ase import Atoms

from lamplighter.learning.candidates import Candidate
from lamplighter.learning.selection import ADD, Chosen, at_interval, distinct, drawn, first_uncertain


def frames(*variances: float) -> list[Candidate]:
    return [
        Candidate("run", 10 * k, 0.1 * k, each, Atoms("H", [[float(k), 0.0, 0.0]])) for k, each in enumerate(variances)
    ]


@pytest.mark.parametrize(
    ("variances", "step"), [((0.1, 0.6, 0.9, 0.2), 10), ((0.1, 0.3, 0.2), 10), ((nan, 0.1), 10), ((0.5, 0.5), 0)]
)
def test_the_first_frame_above_the_threshold_else_the_largest(variances: tuple[float, ...], step: int) -> None:
    found = first_uncertain(frames(*variances), 0.5)
    assert found is not None
    assert found.frame.step == step


def test_frames_whose_variance_is_not_known_are_not_chosen() -> None:
    assert first_uncertain(frames(nan, nan), 0.5) is None


def test_frames_at_an_interval_are_those_of_the_last_stage_with_both_its_ends() -> None:
    found = at_interval(frames(*[0.1] * 12), 50, 20)
    assert [each.frame.step for each in found] == [50, 70, 90, 110]


def test_a_random_frame_is_any_with_the_same_probability() -> None:
    given, random = frames(*[0.1] * 4), np.random.default_rng(1)
    steps = [each.step for each in (drawn(given, random) for _ in range(2000)) if each is not None]
    assert sorted(Counter(steps)) == [0, 10, 20, 30]
    assert min(Counter(steps).values()) > 430  # 500 ± 3.6 standard deviations
    assert drawn([], random) is None


def test_frames_that_repeat_another_one_are_left_out_also_of_earlier_generations() -> None:
    random = np.random.default_rng(2)
    base = Atoms("C4", random.normal(size=(4, 3)) * 3.0, cell=[10.0] * 3, pbc=True)

    def moved(by: float, shift: float = 0.0) -> Atoms:
        made = base.copy()
        made.positions += shift
        made.positions[0, 0] += by
        return made

    # an atom that moves by d alone is a root mean square displacement of d √3/4
    chosen = [Chosen(Candidate("run", k, 0.0, 1.0, atoms), ADD, "") for k, atoms in
              enumerate([moved(0.0), moved(0.2, 3.0), moved(0.3), moved(0.0, 12.0)])]  # fmt: skip
    kept, notes = distinct(chosen, [], 0.1)
    assert [each.frame.step for each in kept] == [0, 2]
    assert len(notes) == 2
    kept, notes = distinct(chosen, [moved(0.3)], 0.1)
    assert [each.frame.step for each in kept] == [0]
    assert any("earlier generation" in each for each in notes)
    other = Chosen(Candidate("run", 9, 0.0, 1.0, Atoms("N4", base.positions)), ADD, "")
    assert len(distinct([chosen[0], other], [], 0.1)[0]) == 2
    assert len(distinct(chosen, [], 0.0)[0]) == 4
