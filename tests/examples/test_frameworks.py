"""examples/ec_emc/frameworks: its models are small, and are those whose errors its tables give."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

import lamplighter
from lamplighter.training.train_file import load_train_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
FRAMEWORKS = EXAMPLE / "frameworks"
ERRORS = json.loads((FRAMEWORKS / "errors.json").read_text(encoding="utf-8"))
MODULES = {"nequip": "nequip", "allegro": "allegro", "deepmd": "deepmd", "deepmd_short": "deepmd", "gap": "quippy"}


@pytest.mark.parametrize("committee", ERRORS)
def test_models_reproduce_their_errors(run, committee: str) -> None:  # type: ignore[no-untyped-def]
    """On the first five frames of each test set, by the framework's own ASE calculator, in a process of its own."""
    if importlib.util.find_spec(MODULES[committee]) is None:
        pytest.skip(f"{MODULES[committee]} is not installed in this environment")
    done = run([sys.executable, FRAMEWORKS / "evaluate_committees.py", "--check", committee], timeout=300)
    assert done.returncode == 0, done.stderr


def test_models_are_small() -> None:
    """Each file below 1 MB; of GAP, whose sparse points are files of their own, all files of a member together."""
    members: dict[str, int] = {}
    for file in (FRAMEWORKS / "models").rglob("*.*"):
        name = file.name.partition(".")[0] if file.parent.name == "gap" else file.name
        members[name] = members.get(name, 0) + file.stat().st_size
    assert len(members) >= 3
    assert {name: size for name, size in members.items() if size >= 1_000_000} == {}


@pytest.mark.parametrize("committee", sorted(path.name for path in (FRAMEWORKS / "models").iterdir()))
def test_every_member_of_a_plan_is_there_with_its_record(committee: str) -> None:
    path = FRAMEWORKS / f"{committee}.yaml"
    plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "trainer" in plan:
        given = load_train_file(path)
        files = [file for kind in given.data.train.values() for file in kind.files] + list(given.data.test.values())
        members = given.seeds
    else:
        files = [FRAMEWORKS / name for name in plan["train_files"]]
        members = [member["seed"] for member in plan["members"]]
    assert all(file.is_file() for file in files)
    records = sorted((FRAMEWORKS / "models" / path.stem).glob("*.json"))
    seeds = [json.loads(record.read_text(encoding="utf-8"))["seed"] for record in records]
    assert seeds == members
    assert len(ERRORS[path.stem]["clusters"]["members"]) == len(seeds) >= 3


def test_the_readme_names_what_is_there() -> None:
    """Figures and scripts that exist."""
    readme = (FRAMEWORKS / "README.md").read_text(encoding="utf-8")
    figures = re.findall(r"!\[.*?\]\((.*?)\)", readme)
    assert figures
    assert all((FRAMEWORKS / figure).is_file() for figure in figures)
    assert all(script.name in readme for script in FRAMEWORKS.glob("*.py"))


@pytest.mark.parametrize("name", ["with_d3", "without_d3"])
def test_runs_of_a_universal_model_differ_in_dispersion_only(name: str) -> None:
    run_file = lamplighter.load_run_file(EXAMPLE / "universal" / f"{name}.yaml")
    assert (run_file.potential.dispersion is not None) == (name == "with_d3")
    other = lamplighter.load_run_file(EXAMPLE / "universal" / "with_d3.yaml")
    assert run_file.stages == other.stages
    assert (run_file.structure, run_file.seed) == (other.structure, other.seed)
