"""What counts as production: one rule in every command, so that one run has one density."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lamplighter.config.loading import parse_run_file
from lamplighter.observables.production import production_of_stage
from lamplighter.report import run_report
from lamplighter.run_folder.run import Run

from ..analysis.synthetic import ar1
from .conftest import Lamplighter
from .runs import stage, thermo_rows, write_run

MASS = 5000.0
NPT = {"type": "npt", "length": "40 ps", "temperature": "500 K", "pressure": "1 atm"}
NVT = {"type": "nvt", "length": "40 ps", "temperature": "500 K"}


def make(folder: Path, planned: list[dict[str, Any]], lengths_ps: list[float], seed: int = 1) -> Path:
    """A run whose stages relax within 5 ps to 0.92 g/cm³; rows 0.1 ps apart."""
    content = {"structure": "liquid.xyz", "potential": {"models": "m"}, "timestep": "1 fs", "velocities": "500 K"}
    run = parse_run_file({**content, "stages": planned}).resolved(folder.parent, "run")
    rows: list[str] = []
    first = 0
    for index, length in enumerate(lengths_ps):
        n = round(10 * length) + 1
        density = 0.92 + 0.01 * ar1(0.9, n, seed + index) + 0.2 * np.exp(-np.arange(n) / 50.0)
        rows += thermo_rows(density, MASS, index, every=100, start=first)
        first += round(1000 * length)
    records = [stage(k, each.type, round(1000 * lengths_ps[k])) for k, each in enumerate(run.stages)]
    made = write_run(folder, records, thermo=rows)
    (made / "run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    return made


@pytest.mark.parametrize("length_ps", [400.0, 60.0])
def test_one_run_has_one_density(lamplighter: Lamplighter, tmp_path: Path, length_ps: float) -> None:
    folder = make(tmp_path / "run", [NPT], [length_ps])
    summary = run_report(folder)["stages"][0]
    density = json.loads(lamplighter("density", "run", "--json")[1])["runs"][0]
    assert summary["means"]["density"] == density["mean"]
    assert summary["averaged_over"] == density["discarded"]
    (run,) = json.loads(lamplighter("report", "run", "-o", "page.html", "--json")[1])["runs"]
    found = [each for each in run["numbers"] if each["name"] == "density"]
    assert found
    assert {each["value"] for each in found} == {density["mean"]["value"]}
    assert all(density["discarded"] in each["detail"] for each in found)


def test_the_first_100_ps_at_most_half(tmp_path: Path) -> None:
    for length, begin in [(400.0, 100.0), (200.0, 100.0), (150.0, 75.0), (10.0, 5.0)]:
        run = Run(make(tmp_path / f"{length:g}", [NPT], [length]))
        assert production_of_stage(run, run.stages[0]).begin_ps == pytest.approx(begin)
        assert production_of_stage(run, run.stages[0], 3.0).begin_ps == 3.0


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        (NPT, NPT, True),
        (NPT, {**NPT, "pressure": "1.01325 bar"}, True),
        (NVT, NVT, True),
        (NPT, {**NPT, "pressure": "2 atm"}, False),
        ({**NPT, "temperature": ["300 K", "500 K"]}, NPT, False),
        (NPT, NVT, False),
        ({"type": "nve", "length": "40 ps"}, {"type": "nve", "length": "40 ps"}, False),
    ],
)
def test_a_stage_that_goes_on_at_the_same_conditions_is_production_from_its_start(
    tmp_path: Path, before: dict[str, Any], now: dict[str, Any], goes_on: bool
) -> None:
    run = Run(make(tmp_path / "run", [before, now], [40.0, 40.0]))
    found = production_of_stage(run, run.stages[1])
    assert found.begin_ps == pytest.approx(0.0 if goes_on else 20.0)
    assert ("before it was at the same conditions" in found.words) == goes_on
    (tmp_path / "run" / "run.yaml").unlink()
    assert production_of_stage(Run(run.folder), run.stages[1]).begin_ps == pytest.approx(20.0)


def test_a_density_that_still_drifts_in_production_is_told(lamplighter: Lamplighter, tmp_path: Path) -> None:
    n = 4001
    rows = thermo_rows(0.9 + 0.1 * np.arange(n) / n, MASS, every=100)
    folder = write_run(tmp_path / "run", [stage(0, "npt", 100 * (n - 1))], thermo=rows)
    note = "the density has not settled by the middle of what was averaged (MSER-5)"
    assert any(note in each for each in run_report(folder)["stages"][0]["notes"])
    assert note in lamplighter("density", "run")[1]
    make(tmp_path / "settled", [NPT], [400.0])
    assert note not in lamplighter("density", "settled")[1]
