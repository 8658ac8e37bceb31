"""The train file: what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter.errors import ConfigError
from lamplighter.training.train_file import load_train_file

GOOD: dict[str, Any] = {
    "trainer": "mace",
    "data": {"train": {"liquid": "liquid.xyz"}, "validation": 0.1},
    "length": 5,
}


def test_short_forms_mean_the_long_ones_and_paths_are_of_the_folder_of_the_file(tmp_path: Path) -> None:
    given = load_train_file(
        {**GOOD, "start": "base.model", "data": {"train": "a.xyz", "validation": "v.xyz"}}, tmp_path
    )
    assert given.data.train["all"].files == [tmp_path / "a.xyz"]
    assert given.data.validation == [tmp_path / "v.xyz"]
    assert given.start is not None
    assert given.start.model == tmp_path / "base.model"
    assert given.output == tmp_path / "training"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"setings": {}}, "did you mean 'settings'"),
        ({"trainer": "mcae"}, "trainer: must be"),
        ({"length": 0}, "length"),
        ({"length": None}, "length is required"),
        ({"trainer": "gap"}, "leave out length"),
        ({"trainer": "deepmd", "start": "a.pb"}, "start: deepmd goes on with no model"),
        ({"trainer": "nequip", "start": {"model": "a", "replay": "b"}}, "start.replay: nequip has no second head"),
        ({"seeds": [3, 3]}, "3 is given twice"),
        ({"trainer": "sevennet", "accelerate": True}, "accelerate: is known of trainer mace on the device cpu alone"),
        ({"device": "cuda", "accelerate": True}, "accelerate: is known of trainer mace on the device cpu alone"),
        ({"data": {"train": "a.xyz"}}, "no frame is left to validate with"),
        ({"data": {"train": "a.xyz", "validation": 1.5}}, "a share between 0 and 1"),
        ({"data": {"train": {"liquid": {"files": "a.xyz", "weight": 0}}, "validation": 0.1}}, "weight"),
        ({"data": {"train": "a.xyz", "validation": 0.1, "test": {"validation": "b.xyz"}}}, "give this set another"),
        (
            {"trainer": "gap", "length": None, "data": {"train": {"a b": "a.xyz"}, "validation": 0.1}},
            "data.train.a b: gap",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_train_file({**GOOD, **change})


@pytest.mark.parametrize(
    ("change", "accelerates"),
    [({}, True), ({"accelerate": False}, False), ({"device": "cuda"}, False), ({"trainer": "deepmd"}, False)],
)
def test_mace_on_a_cpu_has_its_sums_in_another_order_unless_it_may_not(
    change: dict[str, Any], accelerates: bool
) -> None:
    assert load_train_file({**GOOD, **change}).accelerates == accelerates
