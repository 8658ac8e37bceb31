"""What is asked of GAP in a train file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamplighter.errors import ConfigError
from lamplighter.training.gap_trainer import GapTrainer
from lamplighter.training.trainer import Assignment
from lamplighter.training.training_data import MemberData

GAP = GapTrainer()
KNOWN = {"settings": ["gap", "default_sigma"]}


@pytest.mark.parametrize("sigma", ["{0.002 0.1 0.05 0}", "0.002 0.1 0.05 0", [0.002, 0.1, 0.05, 0]])
def test_expected_errors_are_text_or_a_list(tmp_path: Path, sigma: Any) -> None:
    settings = {"gap": "{distance_Nb order=2}", "default_sigma": sigma}
    GAP.require_settings(settings, KNOWN)
    asked = Assignment(tmp_path, "model", MemberData([], [], {}, ["H"]), 7, None, None, settings, 0, None, "cpu")
    assert "default_sigma={0.002 0.1 0.05 0}" in GAP.commands(asked)[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"default_sigma": {"0.002 0.1 0.05 0": None}}, r"default_sigma: expected text .* in quotes, such as default"),
        ({"gap": {"distance_Nb order=2": None}}, r"settings.gap: expected text .* such as gap: '.distance_Nb"),
        ({"default_sigma": "{0.002 0.1}"}, "expected 4 numbers"),
        ({"default_sigma": [0.1, 0.1, 0.1, "x"]}, "expected 4 numbers"),
    ],
)
def test_what_yaml_makes_of_braces_without_quotes_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GAP.require_settings({"gap": "{distance_Nb}", "default_sigma": "{1 1 1 1}"} | settings, KNOWN)
