"""`lamplighter compression` and `expansion`: what they find in run folders, and what they refuse."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lamplighter.config.loading import parse_run_file

from .conftest import Lamplighter
from .runs import stage, thermo_rows, write_run

MASS = 5000.0
V0, C, B = 9000.0, 0.09, 1200.0
PRESSURES = [1.0, 1001.0, 2001.0, 4001.0, 7001.0]


def npt(temperature: Any, pressure: Any, name: str = "npt") -> dict[str, Any]:
    return {"type": "npt", "name": name, "length": "10 ps", "temperature": temperature, "pressure": pressure}


def make(folder: Path, stages: list[dict[str, Any]], densities: list[float | None], **sections: Any) -> Path:
    """A run whose stages have these densities with noise of 0.3 %; None: the stage did not run."""
    content = {"structure": "liquid.xyz", "potential": {"models": "m"}, "timestep": "1 fs", **sections}
    if stages:
        content["stages"] = stages
    run = parse_run_file(content).resolved(folder.parent, "run")
    rows: list[str] = []
    rng = np.random.default_rng(1)
    for index, density in enumerate(densities):
        if density is not None:
            noisy = density * (1.0 + 0.003 * rng.standard_normal(1001))
            rows += thermo_rows(noisy, MASS, index, every=10, start=10000 * index)
    records = [stage(index, each.type, 10000, name=each.name) for index, each in enumerate(run.stages)]
    made = write_run(folder, records, thermo=rows)
    text = yaml.safe_dump(run.model_dump(mode="json"))
    # thermo_rows has a thermostat at 500 K
    (made / "run.yaml").write_text(text)
    return made


def tait(pressure: float) -> float:
    return MASS / (V0 * (1.0 - C * np.log(1.0 + pressure / B))) / 0.602214076


def compressed(folder: Path, **sections: Any) -> Path:
    """A compression as the workflow makes it; equilibration stages are at the density of the pressure before."""
    workflow = {
        "compression": {
            "temperature": "500 K",
            "pressures": [f"{pressure:g} bar" for pressure in PRESSURES],
            "equilibration": "10 ps",
            "production": "10 ps",
        }
    }
    densities = [tait(pressure) for before, now in zip([1.0, *PRESSURES], PRESSURES, strict=False)
                 for pressure in (before, now)]  # fmt: skip
    return make(folder, [], densities, workflow=workflow, **sections)


def test_a_run_of_another_version_is_analysed_alike(lamplighter: Lamplighter, tmp_path: Path) -> None:
    run_file = compressed(tmp_path / "run") / "run.yaml"
    today = lamplighter("compression", "run", "--json")
    assert today[0] == 0
    stored = yaml.safe_load(run_file.read_text())
    for each in (stored, stored["potential"], *stored["stages"]):
        each["of_another_version"] = 1
    run_file.write_text(yaml.safe_dump(stored))
    assert lamplighter("compression", "run", "--json") == today


def test_a_compression_gives_the_tait_equation(lamplighter: Lamplighter, tmp_path: Path) -> None:
    compressed(tmp_path / "run")
    code, out, err = lamplighter("compression", "run", "--figure", "c.png", "--csv", "c.csv")
    assert (code, err) == (0, "")
    assert "5 pressures at 500 K" in out
    assert "κ_T(p→0)" in out
    assert "bootstrap ±" in out
    assert "0 of 10" in out  # nothing discarded after the equilibration
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert [float(row["pressure_bar"]) for row in rows] == PRESSURES
    result = json.loads(lamplighter("compression", "run", "--json")[1])
    kappa = result["compressibility"]
    assert abs(kappa["value"] - C / B / 1e5) < 3.0 * kappa["standard_error"]
    assert kappa["standard_error"] < 0.05 * kappa["value"]
    assert result["compressibility_bootstrap_error"] == pytest.approx(kappa["standard_error"], rel=0.3)
    assert [point["stage"] for point in result["points"]] == [1, 3, 5, 7, 9]
    for point, row in zip(result["points"], rows, strict=True):
        assert point["density"]["value"] == pytest.approx(tait(point["pressure_bar"]), rel=1e-3)
        assert float(row["density_g_cm3"]) == pytest.approx(point["density"]["value"])
        volume = point["volume"]
        assert volume["value"] * point["density"]["value"] == pytest.approx(MASS / 0.602214076, rel=1e-4)
        assert volume["standard_error"] == pytest.approx(0.003 * volume["value"] / 1001**0.5, rel=0.2)


def test_stages_can_be_chosen_and_cut(lamplighter: Lamplighter, tmp_path: Path) -> None:
    compressed(tmp_path / "run")
    words = [word for index in (1, 3, 7, 9) for word in ("--stage", index)]
    result = json.loads(lamplighter("compression", "run", *words, "--discard", "4 ps", "--json")[1])
    assert [point["stage"] for point in result["points"]] == [1, 3, 7, 9]
    assert result["points"][0]["density"]["n_samples"] == 601
    assert "first 4 ps of 10 ps discarded, as asked" in result["points"][0]["discarded"]


def test_runs_of_one_pressure_each_are_put_together(lamplighter: Lamplighter, tmp_path: Path) -> None:
    for pressure in PRESSURES:
        make(tmp_path / f"p{pressure:g}", [npt("500 K", f"{pressure:g} bar")], [tait(pressure)])
    result = json.loads(lamplighter("compression", *(f"p{each:g}" for each in PRESSURES[::-1]), "--json")[1])
    assert [point["pressure_bar"] for point in result["points"]] == PRESSURES
    assert result["points"][0]["discarded"] == "first half (5 ps of 10 ps) discarded"


def test_an_interrupted_compression_says_what_is_missing(lamplighter: Lamplighter, tmp_path: Path) -> None:
    pressures = [1, 1000, 2000, 3000, 4000]
    stages = [npt("500 K", f"{pressure} bar") for pressure in pressures]
    make(tmp_path / "run", stages, [tait(pressure) for pressure in pressures[:4]] + [None])
    lines = (tmp_path / "run" / "thermo.csv").read_text().splitlines()
    (tmp_path / "run" / "thermo.csv").write_text("\n".join(lines[:-500]) + "\n")
    code, out, _ = lamplighter("compression", "run", "--discard", "0")
    assert code == 0
    assert "Note: run: stage 4 (npt) has not run; it is left out" in out
    assert "Note: stage 3 of run broke off after 5000 of 10000 steps" in out


def test_the_temperature_of_the_thermostat_is_checked(lamplighter: Lamplighter, tmp_path: Path) -> None:
    stages = [npt("480 K", f"{pressure:g} bar") for pressure in PRESSURES]
    make(tmp_path / "run", stages, [tait(pressure) for pressure in PRESSURES])
    assert "stage 0 of run has a mean temperature of 500 K, not 480 K" in lamplighter("compression", "run")[1]


SLOPE, RHO = -1.1e-3, 1.2


def expanded(folder: Path, temperatures: list[float], pressure: str = "1 bar") -> Path:
    stages = [npt(f"{temperature:g} K", pressure) for temperature in temperatures]
    return make(folder, stages, [RHO + SLOPE * (temperature - 500.0) for temperature in temperatures])


def test_thermal_expansion_is_the_slope(lamplighter: Lamplighter, tmp_path: Path) -> None:
    expanded(tmp_path / "run", [498.0, 500.0, 502.0, 504.0])
    code, out, err = lamplighter("expansion", "run", "--discard", "0", "--figure", "e.pdf", "--csv", "e.csv")
    assert (code, err) == (0, "")
    assert "4 temperatures at 1 bar" in out
    assert (tmp_path / "e.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "e.csv").read_text().count("\n") == 5
    result = json.loads(lamplighter("expansion", "run", "--discard", "0", "--json")[1])
    slope, alpha = result["slope"], result["expansion"]
    assert abs(slope["value"] - SLOPE) < 3.0 * slope["standard_error"]
    assert slope["standard_error"] < 0.1 * abs(SLOPE)
    assert alpha["value"] == pytest.approx(-slope["value"] / result["density"]["value"])


def test_what_cannot_be_used_is_refused(lamplighter: Lamplighter, tmp_path: Path) -> None:
    nvt = {"type": "nvt", "length": "10 ps", "temperature": "500 K"}
    ramp = npt("500 K", ["1 bar", "2 bar"], "ramp")
    make(tmp_path / "fixed", [nvt, ramp], [0.9, 0.9])
    make(tmp_path / "three", [npt("500 K", f"{p} bar") for p in (1, 2, 3)], [0.9, 0.91, 0.92])
    make(tmp_path / "two", [npt("500 K", "1 bar"), npt("490 K", "1000 bar")], [0.9, 0.91])
    make(tmp_path / "one", [npt("500 K", "1 bar")], [0.9])
    make(tmp_path / "none", [npt("500 K", "1 bar")], [None])
    make(tmp_path / "gas", [npt("500 K", f"{p:g} bar") for p in PRESSURES], [tait(p) for p in PRESSURES[::-1]])
    broken = make(tmp_path / "broken", [npt("500 K", "1 bar")], [0.9])
    (broken / "run.yaml").unlink()
    for command, words, message in [
        ("compression", ["fixed"], "fixed has no npt stage at constant temperature and pressure, which an equation of"),
        (
            "compression",
            ["fixed", "--stage", "ramp"],
            "stage 'ramp' of fixed is a ramp: an equation of state needs npt",
        ),
        ("compression", ["fixed", "--stage", "0"], "stage '0' of fixed is nvt: an equation of state needs npt"),
        ("compression", ["three", "--stage", "7"], "three has no stage '7'; it has 0 npt, 1 npt, 2 npt"),
        ("compression", ["three"], "needs at least 4 different pressures, got 3"),
        ("compression", ["two"], "must be at one temperature: stage 0 of two is at 500 K, stage 1 of two at 490 K"),
        ("compression", ["none"], "none: no stage at constant pressure has run"),
        ("compression", ["gas", "--discard", "0"], "the volumes do not shrink under pressure"),
        ("compression", ["broken"], "broken does not say at which temperatures and pressures it ran"),
        ("compression", ["nowhere"], "run folder nowhere does not exist"),
        ("compression", ["three", "--discard", "5"], "--discard: 5 has no unit"),
        ("expansion", ["one"], "a slope needs at least two different temperatures, got 500 K alone"),
        ("expansion", ["two"], "must be at one pressure: stage 1 of two is at 1000 bar, stage 0 of two at 1 bar"),
        ("expansion", ["none"], "no stage at constant pressure has run"),
    ]:
        code, _, err = lamplighter(command, *words)
        assert code == 1, words
        assert message in err, err
    expanded(tmp_path / "run", [498.0, 502.0])
    assert "--csv nowhere/e.csv cannot be written" in lamplighter("expansion", "run", "--csv", "nowhere/e.csv")[2]
