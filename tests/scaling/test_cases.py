"""What is measured, in which order, and what it may take."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lamplighter.config.committee import CommitteeSection
from lamplighter.config.loading import parse_run_file
from lamplighter.errors import LamplighterError
from lamplighter.scaling import budget
from lamplighter.scaling.cases import Variant, in_order, rank_counts, replicates
from lamplighter.scaling.sides import sides_of

RUN = parse_run_file(
    {
        "structure": "argon.xyz",
        "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
        "velocities": "80 K",
        "stages": [{"type": "nve", "length": "1 ps"}],
    }
).resolved(Path("/nowhere"), "run")


def test_sizes_are_copies_as_cubic_as_can_be() -> None:
    found = replicates(None, 100, (1, 1, 1), (10.0, 10.0, 40.0), True)
    assert [math.prod(each) for each in found] == [1, 2, 4, 8]
    assert found[3] in ((2, 4, 1), (4, 2, 1))
    assert replicates([800, 100], 100, (1, 1, 1), (10.0, 10.0, 10.0), True) == [(1, 1, 1), (2, 2, 2)]
    with pytest.raises(LamplighterError, match=r"250 is no multiple of the 100 atoms .* 200 and 300 are the nearest"):
        replicates([250], 100, (1, 1, 1), (10.0, 10.0, 10.0), True)
    assert replicates(None, 100, (1, 1, 1), (10.0, 10.0, 10.0), False) == [(1, 1, 1)]
    with pytest.raises(LamplighterError, match="not periodic"):
        replicates([200], 100, (1, 1, 1), (10.0, 10.0, 10.0), False)


def test_ranks_are_no_more_than_cores() -> None:
    assert rank_counts(None, 6) == [1, 2, 4, 6]
    assert rank_counts([4, 1], 6) == [1, 4]
    with pytest.raises(LamplighterError, match="--ranks 8: there are 6 cores"):
        rank_counts([1, 8], 6)
    with pytest.raises(LamplighterError, match="--ranks 0: must be at least 1"):
        rank_counts([0], 6)


def test_what_tells_most_comes_first() -> None:
    variants = [Variant(name, RUN, name, "auto", "auto") for name in "ab"]
    sizes = [(1, 1, 1), (2, 1, 1), (2, 2, 1)]
    cases = in_order(variants, sizes, 100, sizes[0], [1, 2, 4], None, lambda _: ["guard"], ["synchronised"])
    assert len({each.key for each in cases if each.variant is variants[0]}) == 9
    assert [(each.atoms, each.ranks, each.variant.name) for each in cases[:4]] == [
        (100, 4, "a"), (100, 4, "b"), (100, 1, "a"), (100, 1, "b"),
    ]  # fmt: skip
    assert [(each.atoms, each.ranks) for each in cases[4:8:2]] == [(400, 4), (400, 1)]
    assert all(("guard" in each.sides) == (each.atoms == 100) for each in cases)
    assert all(("synchronised" in each.sides) == (each.ranks > 1) for each in cases)
    assert "replicate:\n- 2\n- 2\n- 1\n" in cases[4].run_file.replace("  -", "-").replace("  replicate", "replicate")


def test_a_model_alone_is_measured_without_the_committee_of_the_run_file() -> None:
    of_several = RUN.model_copy(update={"committee": CommitteeSection(every=10)})
    variants = [Variant(name, run, name, "auto", "auto") for name, run in (("five", of_several), ("one", RUN))]
    cases = in_order(variants, [(1, 1, 1)], 100, (1, 1, 1), [1], None, lambda run: sides_of(run, [5, 10], []))
    sides = {each.variant.name: each.sides for each in cases}
    assert {"committee 5", "committee 10"} == set(sides["five"]) - set(sides["one"])


def test_a_measurement_gets_its_share_and_no_more_than_is_left() -> None:
    variant = Variant("a", RUN, "a", "auto", "auto")
    small, large = in_order([variant], [(1, 1, 1), (8, 1, 1)], 100, (1, 1, 1), [1], None, lambda _: [])
    assert budget.share(small, [], 100.0, 4) == budget.Share(25.0, 0.0)
    assert budget.share(small, [], 10_000.0, 4).seconds == budget.LONGEST_S
    known = [budget.Cost(startup_s=2.0, step_s=0.1, atoms=100, ranks=1, variant="a")]
    assert budget.share(large, known, 100.0, 1).least == pytest.approx(2.0 + 40 * 0.8)
    assert budget.share(large, known, 20.0, 2).seconds == 20.0
