"""An open campaign, and what is asked about its runs: the same as of the runs by name."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest
import yaml

import lamplighter as ll
from lamplighter.campaign.local import write_run_files
from lamplighter.errors import LamplighterError
from lamplighter.potentials.native import compile_files

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
PRESSURES = ["1 kbar", "2 kbar", "3 kbar", "4 kbar"]
BASE: dict[str, Any] = {
    "structure": "argon.xyz",
    "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
    "timestep": "4 fs",
    "velocities": "90 K",
    "stages": [{"type": "npt", "temperature": "90 K", "pressure": "1 kbar", "length": "200 steps"}],
    "output": {"thermo": "2 steps", "trajectory": "never", "restart": "never"},
}
TEMPERATURE = {"keys": ["velocities", "stages.*.temperature"], "values": ["85 K", "90 K"]}
AXES = {"temperature": TEMPERATURE, "stages[0].pressure": PRESSURES, "seed": [1, 2]}
CAMPAIGN = {"base": BASE, "axes": AXES, "exclude": [{"temperature": "90 K", "seed": 2}]}
WAITING = {"90K_3kbar_seed1", "90K_4kbar_seed1", *(f"85K_{n}kbar_seed2" for n in (2, 3, 4))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two campaigns of argon: `liquid`, and `reference`, of the temperatures alone; in both some runs wait."""
    made = tmp_path_factory.mktemp("campaigns")
    atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2)
    ase.io.write(made / "argon.xyz", atoms)
    reference = {"base": BASE, "axes": {"temperature": TEMPERATURE}}
    for name, content in (("liquid", CAMPAIGN), ("reference", reference)):
        (made / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        campaign = ll.open_campaign(made / f"{name}.yaml")
        for run in campaign.file.runs:
            if run.name not in {*WAITING, "90K"}:
                ll.run(run.run_file, output=run.folder, progress=False)
    return made


@pytest.fixture
def campaign(folder: Path) -> ll.Campaign:
    return ll.open_campaign(folder / "liquid.yaml")


def test_what_is_asked_of_an_open_campaign(campaign: ll.Campaign, folder: Path, tmp_path: Path) -> None:
    # 1: the same by its file, as text, and by the folder of its runs
    assert str(campaign) == str(ll.Campaign(str(folder / "liquid.yaml"))) == str(ll.open_campaign(folder / "liquid"))
    # 2: how far it is, in a line, as a table, and as the command prints it
    assert repr(campaign) == f"<Campaign {folder / 'liquid'}: 12 runs, 5 waiting, 7 completed>"
    words = [str(PROGRAM), "campaign", "status", "liquid.yaml"]
    said = [
        subprocess.run([*words, *more], cwd=folder, capture_output=True, text=True, check=True).stdout
        for more in ([], ["--json", "--csv", str(tmp_path / "status.csv")])
    ]
    assert said[0] == f"{campaign}\n"
    assert json.loads(said[1]) == campaign.status().to_dict()
    assert campaign.status().to_csv(tmp_path / "own.csv") == [tmp_path / "own.csv"]
    assert (tmp_path / "own.csv").read_text() == (tmp_path / "status.csv").read_text()
    with (tmp_path / "own.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    # 3: the runs with their axes, also for pandas
    assert campaign.axes["temperature"] == ["85K", "90K"]
    table = campaign.table
    assert (table["run"][0], table["temperature"][0], table["seed"][0]) == ("85K_1kbar_seed1", "85K", "1")
    assert (table["state"][0], table["step"][0], table["share"][0]) == ("completed", 200, 1.0)
    pandas = pytest.importorskip("pandas")
    assert dict(pandas.DataFrame(table).groupby("state").size()) == {"completed": 7, "waiting": 5}
    # 4: the runs, by the values of axes
    some = campaign.runs(temperature="90 K", seed=[1, 2])
    assert [run.name for run in some] == ["90K_1kbar_seed1", "90K_2kbar_seed1"]
    assert campaign.open_run("85K_1kbar_seed2").status == "completed"
    # 5: one page about them
    page = ll.open_campaign(folder / "reference").report(tmp_path / "page.html", title="argon at 85 K")
    assert "argon at 85 K" in page.read_text(encoding="utf-8")
    for ask, message in (
        (lambda: campaign.runs(sead=1), "has no axis 'sead'; it has temperature, "),
        (lambda: campaign.runs(seed=3), "axis seed has no value 3; it has 1, 2"),
        (lambda: campaign.open_run("none"), "has no run 'none'; it has 85K_1kbar_seed1"),
        (lambda: campaign.open_run("85K_2kbar_seed2"), "does not exist"),
        (lambda: ll.density([campaign, "x"]), "is a campaign, which is named alone"),
        (lambda: ll.open_run(folder / "liquid"), r"there are runs inside \(85K_1kbar_seed1, "),
    ):
        with pytest.raises(LamplighterError, match=message):
            ask()


def test_an_answer_about_a_group_is_that_about_its_runs(campaign: ll.Campaign) -> None:
    groups = ll.density(campaign, discard=0).groups
    assert next(iter(groups)) == "temperature=85K, stages[0].pressure=1kbar"
    for name, runs in (
        ("temperature=85K, stages[0].pressure=1kbar", ["85K_1kbar_seed1", "85K_1kbar_seed2"]),
        ("temperature=90K, stages[0].pressure=2kbar", ["90K_2kbar_seed1"]),
    ):
        folders = [campaign.folder / run for run in runs]
        assert groups[name].to_dict() == ll.density(folders, discard=0).to_dict()


def test_a_run_that_has_only_begun_stands_in_nobodys_way(folder: Path) -> None:
    (folder / "young.yaml").write_text(yaml.safe_dump({"base": BASE, "axes": {"seed": [1, 2]}, "repeats": ["seed"]}))
    campaign = ll.open_campaign(folder / "young.yaml")
    for run in campaign.file.runs:
        ll.run(run.run_file, output=run.folder, progress=False)
    assert len(ll.density(campaign, discard=0).groups["all"].runs) == 2
    begun = campaign.folder / "seed2"
    rows = (begun / "thermo.csv").read_text().splitlines(keepends=True)
    (begun / "thermo.csv").write_text("".join(rows[:2]))
    status = json.loads((begun / "status.json").read_text())
    (begun / "status.json").write_text(json.dumps(status | {"status": "running"}))
    found = ll.density(campaign, discard=0)
    assert found.groups["all"].to_dict() == ll.density(campaign.folder / "seed1", discard=0).to_dict()
    assert "seed2: left out, as it has not got far enough: stage npt of " in str(found)
    assert "rows with a density: too few" in str(found)


def test_an_equation_of_state_takes_the_runs_at_all_values_of_its_condition(campaign: ll.Campaign) -> None:
    compressed = ll.compression(campaign, discard=0)
    assert list(compressed.groups) == ["temperature=85K"]
    own = ll.compression(campaign.runs(temperature="85 K"), discard=0)
    assert compressed.groups["temperature=85K"].to_dict() == own.to_dict()
    assert "needs at least 4 different pressures, got 2" in compressed.missing["temperature=90K"]
    assert str(compressed).count("4 pressures at") == 1
    assert len(own.points) == 5
    expanded = ll.expansion(campaign, discard=0)
    assert list(expanded.groups) == ["stages[0].pressure=1kbar", "stages[0].pressure=2kbar"]
    assert [len(each.points) for each in expanded.groups.values()] == [3, 2]
    assert str(expanded).count("2 temperatures at") == 2


def test_axes_that_go_with_a_condition_are_joined_with_it(folder: Path) -> None:
    content = {**CAMPAIGN, "axes": {**CAMPAIGN["axes"], "tag": {"key": "stages[0].name", "values": ["a", "b"]}}}
    (folder / "tagged.yaml").write_text(yaml.safe_dump({**content, "zip": [["temperature", "tag"]]}))
    assert ll.open_campaign(folder / "tagged.yaml").file.axes_of("temperature") == {"temperature", "tag"}


def test_a_campaign_is_compared_point_by_point_with_that_of_the_reference(campaign: ll.Campaign, folder: Path) -> None:
    reference = folder / "reference.yaml"
    found = ll.density(campaign, discard=0, reference=reference)
    assert [*found.groups] == [f"temperature=85K, stages[0].pressure={each.replace(' ', '')}" for each in PRESSURES]
    some = campaign.runs(temperature="85 K", **{"stages[0].pressure": "2 kbar"})
    alone = ll.density(some, discard=0, reference=folder / "reference" / "85K")
    group = "temperature=85K, stages[0].pressure=2kbar"
    assert found.groups[group].divergence.value == alone.divergence.value > 0.0
    why = found.missing["temperature=90K, stages[0].pressure=1kbar"]
    assert "has no point that temperature=90K, stages[0].pressure=1kbar could be compared with (temperature=85K)" in why
    words = [str(PROGRAM), "density", "liquid", "--discard", "0", "--reference", "reference", "--json"]
    said = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert json.loads(said)["groups"].keys() == found.groups.keys()
    with pytest.raises(LamplighterError, match=r"liquid\.yaml has 6 points that these runs could be compared with"):
        ll.density(some, reference=campaign)


@pytest.mark.thorough
def test_runs_of_a_file_that_was_replaced_are_stale_and_those_that_are_added_new(tmp_path: Path) -> None:
    """Of a structure, and of a model file under its old name."""
    compile_files([EXAMPLE / "models" / "ec_emc_0.model"], tmp_path / "mine.lamp", ["H", "C", "O"])
    shutil.copy(EXAMPLE / "structures" / "ec_emc_160.xyz", tmp_path / "liquid.xyz")
    base = {
        "structure": "liquid.xyz",
        "potential": {"models": ["mine.lamp"]},
        "timestep": "0.5 fs",
        "velocities": "300 K",
        "stages": [{"type": "nve", "length": "2 steps"}],
    }
    path = tmp_path / "campaign.yaml"
    path.write_text(yaml.safe_dump({"base": base, "axes": {"seed": [1, 2]}}))
    campaign = ll.open_campaign(tmp_path)
    write_run_files(campaign.file)
    first = campaign.file.runs[0]
    ll.run(first.run_file, output=first.folder, progress=False)
    assert campaign.table["state"] == ["completed", "waiting"]
    path.write_text(yaml.safe_dump({"base": base, "axes": {"seed": [1, 2, 3]}}))
    campaign = ll.open_campaign(tmp_path)
    assert "new in the campaign file since the campaign was begun: seed3" in str(campaign)
    assert "stale" not in str(campaign)
    for name in ("mine.lamp", "liquid.xyz"):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(before + b"\n")
        assert campaign.table["state"] == ["stale", "waiting", "waiting"]
        assert f"{name} has other content (SHA-256) than when the run was begun" in str(campaign)
        assert "a file that it names, has changed since seed1 began" in str(campaign)
        with pytest.raises(LamplighterError, match="left out, as the campaign file, or a file that it names, has chan"):
            ll.density(campaign)
        (tmp_path / name).write_bytes(before)
        assert campaign.table["state"] == ["completed", "waiting", "waiting"]
