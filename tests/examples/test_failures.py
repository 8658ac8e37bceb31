"""examples/ec_emc/failures: its run files are valid, all they name is there, and its README says what they are."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

import lamplighter

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
FAILURES = EXAMPLE / "failures"
README = (FAILURES / "README.md").read_text(encoding="utf-8")
RUN_FILES = sorted(p for p in FAILURES.glob("*.yaml") if "stages" in yaml.safe_load(p.read_text(encoding="utf-8")))


def test_there_are_run_files() -> None:
    assert [p.stem for p in RUN_FILES] == ["bond_1000K", "evaporation_500K", "trained_1000K", "trained_500K"]


@pytest.mark.parametrize("path", RUN_FILES, ids=lambda p: p.stem)
def test_a_run_file_of_a_failure_becomes_a_script(path: Path) -> None:
    """With the stability guard and a committee of five models that exist; into a run folder of its own name."""
    run = lamplighter.load_run_file(path)
    assert run.output.folder == EXAMPLE.parents[1] / "runs" / path.stem
    script = lamplighter.script_of(path)
    models = re.findall(r"\S+\.model", next(line for line in script.splitlines() if line.startswith("pair_coeff")))
    assert len(models) == 5
    assert all(Path(model).is_file() for model in models)
    assert "bond stretch 0.5 density 0.2 2" in script
    assert re.search(r"pair_style lamplighter .*committee every \d+", script)


@pytest.mark.parametrize("path", RUN_FILES, ids=lambda p: p.stem)
def test_the_readme_names_every_run_file(path: Path) -> None:
    assert f"examples/ec_emc/failures/{path.name}" in README


def test_the_readme_shows_figures_that_exist() -> None:
    figures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert len(figures) == 3
    assert all((FAILURES / figure).is_file() for figure in figures)


def test_the_models_of_few_clusters_are_trained_on_twenty() -> None:
    pytest.importorskip("mace")
    spec = importlib.util.spec_from_file_location("train", EXAMPLE / "train.py")
    assert spec is not None
    assert spec.loader is not None
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    plan = yaml.safe_load((FAILURES / "few_clusters.yaml").read_text(encoding="utf-8"))
    frames = train.training_frames(plan, FAILURES)
    assert sorted(len(frame) == 1 for frame in frames) == [False] * 20 + [True] * 3
    assert len(train.training_frames({"train_files": plan["train_files"]}, FAILURES)) == 203
