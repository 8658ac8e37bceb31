"""Ablations: points of axes become trainings, and what is said of their differences is what the models say."""

from __future__ import annotations

import dataclasses
from math import isnan, nan
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from scipy.stats import ttest_ind

import lamplighter as ll
from lamplighter.api.learn import ablation_so_far
from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.learning.ablation import AblationResult, PointResult, carry_out, load_ablation
from lamplighter.learning.learning import GenerationQuality, GenerationResult, Learning, MeanErrors, OverModels
from lamplighter.learning.liquids import FromReference, Liquid, from_reference
from lamplighter.learning.significance import holm, welch
from lamplighter.report.ablation_page import ablation_page
from lamplighter.report.ablation_text import SHOWN, difference_lines, format_ablation
from lamplighter.training.member import Member, SetErrors
from lamplighter.training.train import Training
from lamplighter.training.train_file import TrainFile

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
FILE: dict[str, Any] = {
    "base": {
        "trainer": "mace",
        "data": {"train": "liquid.xyz", "validation": 0.1, "test": {"liquid": "test.xyz"}},
        "length": 3,
        "settings": {"r_max": 4.0},
    },
    "axes": {
        "data": {"key": "data.train", "values": {"liquid": {"liquid": "liquid.xyz"}, "full": {"all": "full.xyz"}}},
        "radius": {"key": "settings.r_max", "values": [4.0, 5.0]},
    },
}


def point(name: str, *forces: float) -> PointResult:
    members = [
        Member(seed, Path(f"{seed}.model"), [], 10, 2, {"liquid": SetErrors(5, 1.0, each, None)}, [], 1.0, {})
        for seed, each in enumerate(forces)
    ]
    return PointResult(name, {"data": name}, Path(name), members)


def result(*points: PointResult) -> AblationResult:
    return AblationResult(Path("sets"), {"data": [each.name for each in points]}, list(points))


def test_each_point_of_the_axes_is_a_training_with_its_own_values_and_folder(tmp_path: Path) -> None:
    found = load_ablation(FILE, tmp_path / "sets")
    names = [each.name for each in found.points]
    assert names == ["liquid_radius4.0", "liquid_radius5.0", "full_radius4.0", "full_radius5.0"]
    last = found.points[-1].asked
    assert last.settings["r_max"] == 5.0
    assert list(last.data.train) == ["all"]
    assert last.output == tmp_path / "sets" / "full_radius5.0"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": {"length": {"key": "length", "values": [0]}}}, r"length0: .*length"),
        ({"exclude": [{"radus": 4.0}]}, "there is no axis 'radus' .did you mean 'radius'"),
        ({"base": {**FILE["base"], "output": "models"}}, "each point has a folder by its name"),
        ({"repeats": ["data"]}, "unknown key"),
    ],
)
def test_points_that_are_not_valid_are_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"(?s){said}"):
        load_ablation(FILE | changes, tmp_path / "sets")


def test_what_differs_beyond_the_spread_over_models_is_told_from_what_does_not() -> None:
    made = result(point("a", 0.100, 0.102, 0.098), point("b", 0.101, 0.103, 0.099), point("c", 0.15, 0.152, 0.148))
    one, other = made.differences("forces")
    raw = [ttest_ind((0.1, 0.102, 0.098), each, equal_var=False).pvalue for each in
           ((0.101, 0.103, 0.099), (0.15, 0.152, 0.148))]  # fmt: skip
    assert (one.best, one.other, one.is_seen) == ("a", "b", False)
    assert (other.other, other.is_seen, other.ratio) == ("c", True, pytest.approx(1.5))
    assert (one.p, other.p) == (pytest.approx(raw[0]), pytest.approx(3.0 * raw[1]))
    (line,) = difference_lines(made, "forces")
    assert "the least error has a" in line
    assert "larger beyond the spread over models: c (1.50 times" in line
    assert "not told apart from it: b" in line
    assert "0.1000 ± 0.0020" in format_ablation(made)
    page = ablation_page(made)
    assert "larger beyond the spread over models: c" in page
    assert page.count("<svg") == 2


def test_liquids_of_studies_are_held_against_that_of_the_reference() -> None:
    truth, right, wrong = [0.875, 0.872, 0.870, 0.876], [0.872, 0.876, 0.874], [0.95, 0.953, 0.949]
    motion = [0.6, 0.65, 0.62, 0.58]  # Å²/ps

    def liquid(name: str, densities: list[float], diffusivities: list[float]) -> PointResult:
        quality = GenerationQuality(2.5, 0.1, 1.0, 0.8, 0.7, True, densities, diffusivities, truth, motion)
        along = MeanErrors(8, OverModels(1.0, 0.1), OverModels(0.05, 0.001), [], None)
        models = [Path(f"{k}.model") for k in range(3)]
        generation = GenerationResult(0, Path("0"), models, {}, {"along": along}, True, quality=quality)
        return PointResult(name, {"data": name}, Path(name), [], Learning(Path(name), [generation]))

    made = result(liquid("good", right, [0.60, 0.6, 0.63]), liquid("dense", wrong, [0.3]), liquid("gas", [], []))
    good, dense = made.from_reference("density")
    p = ttest_ind(wrong, truth, equal_var=False).pvalue
    assert (dense.is_seen, dense.p, good.is_seen) == (True, pytest.approx(2.0 * p), False)
    assert dense.difference == pytest.approx(np.mean(wrong) - np.mean(truth))
    errors = [np.std(each, ddof=1) / np.sqrt(len(each)) for each in (wrong, truth)]
    assert dense.standard_error == pytest.approx(np.hypot(*errors))
    assert isnan(made.from_reference("diffusivity")[1].p)
    said = format_ablation(made)
    assert "density: differs from the reference beyond both spreads: dense by +0.0774" in said
    assert "diffusivity: not told apart from it: good (-0.3 ± 1.8 ×10⁻⁶ cm²/s)" in said
    assert "nothing can be said, as there is a single number: dense (-31.3" in said
    assert "0 of 3" in said
    assert "differs from the reference beyond both spreads: dense" in ablation_page(made)
    rows = SHOWN.tables["liquids"](made).rows
    assert [row[0] for row in rows] == ["good", "dense", "gas"]
    assert rows[2][5:9] == [None] * 4
    assert "The models' liquids" not in format_ablation(result(point("a", 0.1)))


def test_a_point_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    ablation = load_ablation(FILE, tmp_path / "sets")
    seen: list[AblationResult] = []

    def train(given: TrainFile) -> Training:
        if given.settings["r_max"] == 5.0:
            raise LamplighterError("the program failed\nwith many lines")
        return Training(given.output or tmp_path, "mace", point("any", 0.1, 0.2).members, 3)

    made = carry_out(ablation, train, lambda study: pytest.fail("no study"), lambda text: None, seen.append)
    assert [each.name for each in made.points] == ["liquid_radius4.0", "full_radius4.0"]
    assert list(made.failed) == ["liquid_radius5.0", "full_radius5.0"]
    for each in seen:  # what is kept after each, also where the first one fails
        assert "failed" in ablation_page(each) or not each.failed
    assert seen[1].missing == ["full_radius4.0", "full_radius5.0"]
    assert "failed: full_radius5.0: the program failed\n" in format_ablation(made) + "\n"
    with pytest.raises(LamplighterError, match=r"all points fail:\n  liquid_radius4.0: the program failed"):
        carry_out(
            ablation, lambda given: _fail(), lambda study: pytest.fail("no study"), lambda text: None, seen.append
        )


def _fail() -> Training:
    raise LamplighterError("the program failed")


def test_of_one_model_nothing_is_said() -> None:
    made = result(point("a", 0.1), point("b", 0.3, 0.31))
    (found,) = made.differences("forces")
    assert isnan(found.p)
    assert not found.is_seen
    assert "nothing can be said, as one of both has one model or no spread: b" in difference_lines(made, "forces")[0]


def test_two_runs_that_agree_by_chance_are_not_told_from_the_reference_within_their_own_noise() -> None:
    """The numbers of two students at 500 K: 0.0009 g/cm³ apart, and each known to 0.011."""
    truth, pair = [0.8897, 0.9107, 0.8827, 0.9008, 0.9084], [0.9138, 0.9150]

    def found(errors: list[float]) -> FromReference:
        quality = GenerationQuality(2.8, 0.1, 1.0, 0.9, 0.9, False, pair, [], truth, [], errors, [])
        return from_reference([Liquid("scans", quality, 3, None)], "density")[0]

    assert found([]).is_seen
    within = found([0.010, 0.012])
    assert not within.is_seen
    noise = np.sqrt((0.010**2 + 0.012**2) / 2.0)
    assert within.standard_error == pytest.approx(np.hypot(noise / np.sqrt(2.0), np.std(truth, ddof=1) / np.sqrt(5.0)))
    assert found([1e-5, 1e-5]).p == pytest.approx(ttest_ind(pair, truth, equal_var=False).pvalue)
    draws = np.random.default_rng(3).normal(size=(400, 7))
    seen = [welch(list(each[:2]), list(each[2:]), 1.0) < 0.05 for each in draws]
    assert np.mean(seen) < 0.07, "means of the same are told apart no more often than the level says"


def test_what_is_to_be_known_of_points_is_said_with_their_names() -> None:
    study = point("c", 0.1, 0.2)
    generation = GenerationResult(0, Path("c"), [], {}, {}, True, notes=["a_seed1: left out"])
    learning = Learning(Path("c"), [generation], notes=["frames are few"])
    shifted = dataclasses.replace(point("d", 0.1, 0.2), training_notes=["two files differ by a shift"])
    made = result(point("a", 0.1), point("b", 0.3), dataclasses.replace(study, learning=learning), shifted)
    assert made.notes == [
        "a, b: it has one model, so that nothing is known of the spread over models",
        "c: frames are few",
        "c: generation 0: a_seed1: left out",
        "d: two files differ by a shift",
    ]
    assert "Note: c: generation 0: a_seed1: left out" in format_ablation(made)
    assert "c: generation 0: a_seed1: left out" in ablation_page(made)


def test_holm_is_that_of_the_book() -> None:
    """S. Holm's step-down procedure by hand: 0.01·4, 0.02·3, 0.03·2 raised to the one before, 0.5·1."""
    assert np.allclose(holm([0.03, 0.01, 0.5, 0.02]), [0.06, 0.04, 0.5, 0.06])
    corrected = holm([nan, 0.04, 0.04])
    assert isnan(corrected[0])
    assert corrected[1:] == [pytest.approx(0.08)] * 2


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_what_there_is_so_far_says_of_data_what_the_ablation_said(tmp_path: Path) -> None:
    clusters = ase.io.read(EXAMPLE / "data" / "xtb_train.xyz", ":")
    small = sorted(clusters[3:], key=len)[:24]
    for frame in small[12:]:
        frame.info["energy_xtb"] += 5.0 * len(frame)
    ase.io.write(tmp_path / "ours.xyz", [*clusters[:3], *small[:12]])
    ase.io.write(tmp_path / "shifted.xyz", small[12:])
    pairs = "distance_Nb order=2 cutoff=3.0 n_sparse=5 covariance_type=ard_se delta=1.0 theta_uniform=0.7"
    settings = {"gap": f"{{{pairs} sparse_method=uniform compact_clusters=T add_species=T}}"}
    base = {
        "trainer": "gap",
        "data": {"train": "ours.xyz", "validation": 0.25},
        "settings": settings | {"default_sigma": "{0.002 0.1 0.05 0}", "sparse_jitter": 1e-8},
    }
    data = {"ours": {"ours": "ours.xyz"}, "both": {"ours": "ours.xyz", "shifted": "shifted.xyz"}}
    file = tmp_path / "sets.yaml"
    file.write_text(yaml.safe_dump({"base": base, "axes": {"data": {"key": "data.train", "values": data}}}))
    done, so_far = ll.ablation(file, progress=False), ablation_so_far(file)
    assert any("shifted.xyz" in each and each.startswith("both: ") for each in done.notes), done.notes
    assert so_far.notes == done.notes
