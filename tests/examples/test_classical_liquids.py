"""examples/electrolyte and examples/opls_reference: recipes, run files, campaigns and stored references are sound."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

import lamplighter
from lamplighter.building.recipe import parse_recipe
from lamplighter.campaign.campaign_file import CampaignSection
from lamplighter.config.problems import section_of
from lamplighter.learning.ablation import load_ablation
from lamplighter.learning.study import Study

EXAMPLES = Path(__file__).parents[2] / "examples"
ELECTROLYTE, REFERENCE = EXAMPLES / "electrolyte", EXAMPLES / "opls_reference"
STUDENTS = EXAMPLES / "teacher_student"


def content(path: Path) -> dict:  # type: ignore[type-arg]
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/liquid*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_recipe_of_an_example_is_valid(path: Path) -> None:
    recipe = parse_recipe(content(path), str(path))
    assert [each.molecule for each in recipe.components][:2] == ["EC", "EMC"]


@pytest.mark.parametrize("name", ["short", "long"])
def test_the_electrolyte_runs_from_its_recipe_with_all_that_its_page_asks_for(name: str, tmp_path: Path) -> None:
    for package in ("rdkit", "moltemplate"):
        pytest.importorskip(package)
    lamplighter.build(ELECTROLYTE / "liquid.yaml", tmp_path / "liquid")
    (tmp_path / "run.yaml").write_text((ELECTROLYTE / f"{name}.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    script = lamplighter.script_of(tmp_path / "run.yaml")
    assert "bond stretch 0.5" in script
    run = lamplighter.load_run_file(tmp_path / "run.yaml")
    assert (run.potential.classical, run.potential.charge_scale) == ("opls-aa", 0.8)
    assert [stage.name for stage in run.stages if stage.type == "npt"] == ["hot", "cooling", "density"]
    assert run.output.centres_of_mass is not None
    assert run.output.pressure_tensor is not None
    page = (ELECTROLYTE / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"--stage (\w+)", page)) <= {stage.name for stage in run.stages}


@pytest.mark.parametrize("name", ["density", "diffusivity"])
def test_a_campaign_of_the_reference_has_five_packings_for_each_temperature(name: str) -> None:
    path = REFERENCE / f"{name}.yaml"
    section = section_of(CampaignSection, content(path), str(path))
    packings = section.axes["packing"].values
    assert section.repeats == ["packing"]
    points = section.runs or [{"packing": p, "temperature": t} for p in packings for t in ("500K", "300K")]
    for temperature in ("300K", "500K"):
        assert len({each["packing"] for each in points if each["temperature"] == temperature}) == 5
    page = (REFERENCE / "README.md").read_text(encoding="utf-8")
    assert f"lamplighter campaign run {name}.yaml" in page


@pytest.mark.parametrize(
    ("name", "trainer", "points"),
    [
        ("sets_mace", "mace", ["liquid", "scans", "full"]),
        ("sets_deepmd", "deepmd", ["deepmd_liquid", "deepmd_scans", "deepmd_full"]),
        ("sets_nequip", "nequip", ["nequip_liquid", "nequip_scans", "nequip_full"]),
        ("generations", "mace", ["liquid", "full"]),
    ],
)
def test_the_teachers_students_are_asked_for_what_there_is(name: str, trainer: str, points: list[str]) -> None:
    """Loops with Q of three models by two runs; data and packings are made by its page's commands."""
    found = load_ablation(STUDENTS / f"{name}.yaml")
    assert [each.name for each in found.points] == points
    for point in found.points:
        study = point.asked
        assert isinstance(study, Study)
        assert study.train_file.trainer == trainer
        assert len(study.train_file.seeds) == 3
        assert [path.name for path in study.quality_runs] == ["npt.yaml", "nvt.yaml"]
        assert study.quality_references == [STUDENTS / "density.json", STUDENTS / "diffusivity.json"]
        assert set(study.train_file.data.test) == {"liquid", "scans", "molecules"}
    page = (STUDENTS / "README.md").read_text(encoding="utf-8")
    assert f"lamplighter learn {name}.yaml" in page


def test_the_teacher_is_the_same_in_runs_and_labels() -> None:
    cutoffs = {content(STUDENTS / f"{each}.yaml")["base"]["potential"]["cutoff"] for each in ("density", "diffusivity")}
    study = content(STUDENTS / "study.yaml")
    cutoffs.add(study["labeller"]["options"]["cutoff"])
    cutoffs.add(content(STUDENTS / "liquid.yaml")["cutoff"])
    assert cutoffs == {"6 A"}
    assert 'CUTOFF = "6 A"' in (STUDENTS / "make_data.py").read_text(encoding="utf-8")
    density = json.loads((STUDENTS / "density.json").read_text(encoding="utf-8"))
    assert len(density["runs"]) == 5
