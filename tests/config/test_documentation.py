"""docs/reference/run_file.md: its examples are valid, and its table names every key and default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from lamplighter.config import Barostat, Minimise, Npt, Nve, Nvt, RunFile, Thermostat
from lamplighter.config.loading import load_run_file, parse_run_file

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "reference" / "run_file.md").read_text(encoding="utf-8")
README = (TOP / "README.md").read_text(encoding="utf-8")


def keys_of(section: type[BaseModel], path: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in section.model_fields.items():
        key = f"{path}{name}"
        found.add(key)
        for kind in get_args(field.annotation) or (field.annotation,):  # a section, or a section that may be left out
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= keys_of(kind, f"{key}.")
    return found


def test_the_table_has_every_key_and_no_other() -> None:
    stages = {f"stages[].{key}" for stage in (Minimise, Nve, Nvt, Npt) for key in keys_of(stage)}
    assert {"stages[].thermostat.damping", "stages[].barostat.type"} <= stages
    documented = set(re.findall(r"^\| `([a-z0-9_.\[\]]+)` \|", PAGE, re.M))
    assert documented == keys_of(RunFile) | stages


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("timestep", RunFile.model_fields["timestep"].default),
        ("seed", RunFile.model_fields["seed"].default),
        ("neighbour.skin", "2 A"),
        ("output.thermo", "10 fs"),
        ("output.trajectory", "0.1 ps"),
        ("output.restart", "1 ps"),
        ("stages[].force_tolerance", Minimise.model_fields["force_tolerance"].default),
        ("stages[].max_steps", Minimise.model_fields["max_steps"].default),
        ("stages[].thermostat.type", Thermostat().type),
        ("stages[].barostat.type", Barostat().type),
    ],
)
def test_the_table_gives_the_default(key: str, default: object) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{key}` |"))
    assert f"`{default}`" in row.split("|")[3]
    run = parse_run_file({"structure": "a.xyz", "potential": {"models": "m"}, "stages": [{"type": "minimise"}]})
    if not key.startswith("stages"):
        value: object = run
        for name in key.split("."):
            value = getattr(value, name)
        assert str(value) == str(default)


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE + README, re.S))
def test_the_examples_are_valid(text: str) -> None:
    parse_run_file(yaml.safe_load(text))


def test_the_run_file_of_the_example_is_valid() -> None:
    run = load_run_file(TOP / "examples" / "ec_emc" / "run.yaml")
    assert run.output.folder == TOP / "runs" / "ec_emc"
