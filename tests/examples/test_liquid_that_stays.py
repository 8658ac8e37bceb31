"""examples/ec_emc_liquid: its files are sound, and its models are those whose errors its page gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lamplighter as ll
from lamplighter.campaign.campaign_file import load_campaign
from lamplighter.learning.study import load_study
from lamplighter.model_files.trust import sha256
from lamplighter.training.train_file import load_train_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc_liquid"
MODELS = sorted((EXAMPLE / "models").glob("*.model"))


def test_each_seed_of_the_train_file_has_its_model_and_record() -> None:
    given = load_train_file(EXAMPLE / "committee.yaml")
    records = [json.loads(each.with_suffix(".json").read_text(encoding="utf-8")) for each in MODELS]
    assert [each["seed"] for each in records] == given.seeds
    assert [each["model_sha256"] for each in records] == [sha256(each) for each in MODELS]
    files = [file for kind in given.data.train.values() for file in kind.files]
    assert all(each.is_file() for each in [*files, *given.data.validation, *given.data.test.values()])


@pytest.mark.parametrize("name", ["run", "scan"])
def test_run_files_name_all_models(name: str) -> None:
    run = ll.load_run_file(EXAMPLE / f"{name}.yaml")
    assert [Path(each).resolve() for each in run.potential.models] == MODELS


@pytest.mark.parametrize(("name", "runs"), [("density", 10), ("pressure", 2)])
def test_campaigns_are_valid(name: str, runs: int) -> None:
    assert len(load_campaign(EXAMPLE / f"{name}.yaml").runs) == runs


def test_the_next_generation_begins_with_all_models() -> None:
    study = load_study(EXAMPLE / "learn.yaml")
    assert study.first_models == MODELS
    assert len(study.recipes) == 5


@pytest.mark.thorough
def test_a_model_meets_the_goals_that_its_page_says_it_meets() -> None:
    """Frames of packings that gave no training frame, by the native engine, which is held against MACE elsewhere."""
    table = ll.model_errors(EXAMPLE / "data" / "liquid_test.xyz", [MODELS[0]]).result.results[0].table
    assert table.forces.rmse.value <= 0.06
    assert table.energy.rmse.value <= 1.5
