"""`lamplighter quality`: runs sorted by ensemble, against reference runs or stored numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from .conftest import Lamplighter
from .runs import COLUMNS, guard, stage, thermo_rows, write_run, write_trajectory
from .test_diffusivity import liquid

EXAMPLE = Path(__file__).parents[2] / "examples" / "opls_reference"

MASS = 104.148  # four H2O and two CH4
OPTIONS = ["--horizon", "10 ps", "--discard", "1 ps", "--discard-nvt", "1 ps", "--block", "2 ps"]
OPTIONS += ["--block-spacing", "0.5 ps", "--ballistic", "0.2 ps"]


def npt(path: Path, seed: int, mean: float = 0.92, t_stab: float = 13.0, cause: str | None = None) -> Path:
    density = mean + 0.01 * np.random.default_rng(seed).standard_normal(1300)
    rows = thermo_rows(density, MASS)
    status = "stopped" if cause else "completed"
    return write_run(path, [stage(0, "npt", 13000)], thermo=rows, guard=guard(t_stab, cause), status=status, natoms=22)


def nvt(path: Path, seed: int, step: float = 0.25) -> Path:
    rows = thermo_rows(np.full(131, 0.5), MASS, every=100)
    folder = write_run(path, [stage(0, "nvt", 13000)], thermo=rows, guard=guard(13.0), natoms=22)
    write_trajectory(folder, liquid(seed=seed, step=step), 100)
    return folder


def test_a_committee_like_its_reference_comes_near_three(lamplighter: Lamplighter, tmp_path: Path) -> None:
    for k in range(3):
        npt(tmp_path / f"npt_{k}", k)
        npt(tmp_path / f"ref_npt_{k}", 10 + k)
    nvt(tmp_path / "nvt_0", 0)
    nvt(tmp_path / "ref_nvt_0", 0)
    words = ["quality", "npt_0", "npt_1", "npt_2", "nvt_0", "--reference", "ref_*", *OPTIONS]
    code, out, err = lamplighter(*words)
    assert (code, err) == (0, "")
    assert "diffusivity  1 (no error bar)  (1 of 1 runs)" in out  # the very same trajectory
    made = json.loads(lamplighter(*words, "--json")[1])
    assert made["quality"]["stability"]["value"] == 1.0
    assert made["quality"]["value"] > 2.95
    assert 0.0 < made["noise"] < 0.1  # of six pairs of references
    assert made["quality"]["lower_bound"] is False


def test_unstable_members_count_in_the_first_term_alone(lamplighter: Lamplighter, tmp_path: Path) -> None:
    npt(tmp_path / "good", 0)
    npt(tmp_path / "bad", 1, mean=0.5, t_stab=4.0, cause="density")
    words = ["quality", "good", "bad", "--reference-density", "0.92", "0.01", "--noise", "0.2", *OPTIONS]
    code, out, _ = lamplighter(*words)
    assert code == 0
    made = json.loads(lamplighter(*words, "--json")[1])["quality"]
    assert made["stability"]["value"] == pytest.approx(0.7)
    assert (made["density"]["value"], made["density"]["n_included"]) == (1.0, 1)
    assert made["diffusivity"]["value"] == 0.0
    assert "4 (not stable)" in out
    assert "no runs for the diffusivity: 0" in out


def test_answers_in_files_stand_for_the_runs_that_they_are_about(lamplighter: Lamplighter, tmp_path: Path) -> None:
    for k in range(3):
        npt(tmp_path / f"npt_{k}", k, mean=0.925)
        npt(tmp_path / f"ref_npt_{k}", 10 + k)
    for k in range(2):
        nvt(tmp_path / f"ref_nvt_{k}", 20 + k)
    nvt(tmp_path / "nvt_0", 0)
    asked = ["quality", "npt_0", "npt_1", "npt_2", "nvt_0", *OPTIONS]
    from_runs = json.loads(lamplighter(*asked, "--reference", "ref_*", "--bin", "0.004", "--json")[1])

    density = lamplighter("density", *(f"ref_npt_{k}" for k in range(3)), *OPTIONS[2:4], "--bin", "0.004", "--json")[1]
    moving = lamplighter("diffusivity", "ref_nvt_0", "ref_nvt_1", *OPTIONS[2:3], "1 ps", *OPTIONS[6:], "--json")[1]
    (tmp_path / "density.json").write_text(density)
    (tmp_path / "diffusivity.json").write_text(moving)
    both = {"density": json.loads(density), "diffusivity": json.loads(moving)}
    (tmp_path / "both.json").write_text(json.dumps(both))
    for files in (["density.json", "diffusivity.json"], ["both.json"]):
        code, out, err = lamplighter(*asked, *(word for file in files for word in ("--reference", file)), "--json")
        assert (code, err) == (0, "")
        from_files = json.loads(out)
        assert from_files["noise"] == pytest.approx(from_runs["noise"], rel=1e-9)
        assert from_files["noise"] > 0.0
        assert from_files["reference_diffusivity"] == pytest.approx(from_runs["reference_diffusivity"], rel=1e-9)
        apart = [[each["divergence"] for each in made["members"][:3]] for made in (from_files, from_runs)]
        assert apart[0] == pytest.approx(apart[1], rel=1e-9)
        assert from_files["quality"]["value"] == pytest.approx(from_runs["quality"]["value"], rel=1e-9)
    npt(tmp_path / "broken", 5, t_stab=2.0, cause="bond")  # no run reaches the horizon
    code, out, err = lamplighter("quality", "broken", "--reference", "both.json", *OPTIONS, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["quality"]["value"] == pytest.approx(0.2)
    shown = lamplighter("report", "npt_0", "nvt_0", "--reference", "both.json", *OPTIONS, "--json")[1]
    assert next(each["value"] for each in json.loads(shown)["together"]["numbers"] if each["name"] == "Q") > 1.0

    for ensemble, what in (("npt", "density"), ("nvt", "diffusivity")):
        twice = ["--reference", f"{what}.json", "--reference", f"ref_{ensemble}_0"]
        code, _, err = lamplighter(*asked, *twice, *(["--reference-density", "0.92", "0.01"] * (ensemble == "nvt")))
        assert (code, f"ref_{ensemble}_0 say what the {what} is; give one" in err) == (1, True), err

    for folder in (npt(tmp_path / "warm", 5), nvt(tmp_path / "warmer", 0)):
        thermo = folder / "thermo.csv"
        thermo.write_text(thermo.read_text().replace(",49", ",69").replace(",50", ",70"))
    code, out, _ = lamplighter("quality", "warm", "warmer", "--reference", "both.json", *OPTIONS)
    assert "warm is at 700 K, and both.json at 500 K" in out
    assert "warmer is at 700 K, and both.json at 500 K" in out


def test_files_that_are_no_reference_are_refused(lamplighter: Lamplighter, tmp_path: Path) -> None:
    npt(tmp_path / "npt_0", 0)
    density = json.loads(lamplighter("density", "npt_0", *OPTIONS[2:4], "--bin", "0.004", "--json")[1])
    without = {**density, "runs": [{k: v for k, v in each.items() if k != "counts"} for each in density["runs"]]}
    other = {**density, "runs": [{**each, "system": "Ar108"} for each in density["runs"]]}
    uneven = {**density, "edges_g_cm3": [0.0, *density["edges_g_cm3"][1:]]}
    cases = {
        "is no JSON": "no",
        "holds neither a density nor a diffusivity": "[1, 2]",
        "with a reference for each of its points (temperature=300K, temperature=500K)": json.dumps(
            {"groups": {"temperature=300K": density, "temperature=500K": density}, "missing": {}, "notes": []}
        ),
        "ask for the density again": json.dumps(without),
        "runs of different systems": json.dumps(other),
        "no bins of one width": json.dumps(uneven),
        "KeyError: 'runs'": json.dumps({"edges_g_cm3": [0.0, 1.0]}),
    }
    for message, text in cases.items():
        (tmp_path / "stored.json").write_text(text)
        code, _, err = lamplighter("quality", "npt_0", "--reference", "stored.json", *OPTIONS)
        assert (code, message in err) == (1, True), err
    one = {"groups": {"all": density}, "missing": {}, "notes": []}  # the campaign of one point has one reference
    (tmp_path / "stored.json").write_text(json.dumps(one))
    code, _, err = lamplighter("quality", "npt_0", "--reference", "stored.json", *OPTIONS)
    assert (code, err) == (0, "")
    (tmp_path / "stored.json").write_text(json.dumps(density))
    code, _, err = lamplighter("quality", "npt_0", "--reference", "stored.json", *OPTIONS, "--bin", "0.01")
    assert (code, "leave --bin out" in err) == (1, True)
    words = ["--reference", "stored.json", "--reference-density", "0.9", "0.1"]
    code, _, err = lamplighter("quality", "npt_0", *words, *OPTIONS)
    assert (code, "2 references for the density" in err) == (1, True)


def test_stored_numbers_of_a_reference(lamplighter: Lamplighter, tmp_path: Path) -> None:
    npt(tmp_path / "npt", 0, mean=0.93)
    nvt(tmp_path / "nvt", 0)
    words = ["quality", "npt", "nvt", "--reference-density", "0.92", "0.01", "--reference-diffusivity", "31.25"]
    made = json.loads(lamplighter(*words, *OPTIONS, "--json")[1])
    apart = made["members"][0]["divergence"]
    assert apart == pytest.approx(0.5, abs=0.1)  # one standard deviation away
    assert made["quality"]["density"]["value"] == pytest.approx(1.0 - math.tanh(apart))
    moving = made["members"][1]["diffusivity"] * 100.0
    expected = 1.0 - math.tanh(abs(moving - 31.25) / 31.25)
    assert made["quality"]["diffusivity"]["value"] == pytest.approx(expected)
    assert made["notes"] == [
        "one reference alone says nothing of the noise between references: 0 was taken (or give --noise)"
    ]


def test_what_cannot_be_used_is_refused(lamplighter: Lamplighter, tmp_path: Path) -> None:
    npt(tmp_path / "npt", 0)
    nvt(tmp_path / "nvt", 0)
    write_run(tmp_path / "other", [stage(0, "npt", 13000)], guard=guard(13.0), natoms=160)
    for words, message in [
        (["nvt", "--reference-density", "0.92", "0.01"], "at least one run whose last stage is npt"),
        (["npt"], "Q needs a reference for the density"),
        (["npt", "other"], "runs of different systems cannot be averaged: npt is 22 atoms, other is 160 atoms"),
        (["npt", "--reference-density", "0.92", "0"], "--reference-density needs a mean and a standard deviation > 0"),
        (["npt", "--reference-diffusivity", "-1"], "--reference-diffusivity must be > 0"),
        (["npt", "--noise", "-1"], "--noise must not be negative"),
        (["npt", "--reference", "gone*"], "--reference gone*: there is no such run folder"),
    ]:
        code, _, err = lamplighter("quality", *words, *OPTIONS)
        assert code == 1
        assert message in err, err


@pytest.mark.parametrize("name", ["300K", "500K"])
def test_stored_references_of_an_example_tell_their_own_densities_from_others(
    lamplighter: Lamplighter, tmp_path: Path, name: str
) -> None:
    stored = json.loads((EXAMPLE / f"{name}.json").read_text(encoding="utf-8"))
    density = stored["density"]
    counts, edges = np.sum([run["counts"] for run in density["runs"]], axis=0), np.array(density["edges_g_cm3"])
    generator = np.random.default_rng(7)
    own = generator.choice(0.5 * (edges[1:] + edges[:-1]), 1300, p=counts / counts.sum())
    mean = float(own.mean())
    assert mean == pytest.approx(density["mean"]["value"], abs=0.003)
    for folder, shift in (("like", 0.0), ("denser", 0.05)):
        npt(tmp_path / folder, 0)
        (tmp_path / folder / "thermo.csv").write_text("\n".join([COLUMNS, *thermo_rows(own + shift, MASS)]) + "\n")
    for run in density["runs"]:
        run["system"] = ""  # the runs here are of another system
        run["temperature"]["value"] = 500.0
    (tmp_path / "stored.json").write_text(json.dumps(stored))
    code, out, _ = lamplighter("quality", "like", "denser", "--reference", "stored.json", *OPTIONS, "--json")
    like, denser = (each["divergence"] for each in json.loads(out)["members"])
    assert code == 0
    assert like < 0.1
    assert denser > like + 0.2
