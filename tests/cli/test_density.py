"""`lamplighter density`: means, references, what is discarded, and what is refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from .conftest import Lamplighter
from .runs import guard, stage, thermo_rows, write_run

MASS = 5000.0


def make(path: Path, seed: int, mean: float = 0.92, n: int = 4000, kind: str = "npt") -> Path:
    """A run of n rows 0.1 ps apart that begins 0.05 g/cm³ too dense."""
    noise = np.random.default_rng(seed).standard_normal(n)
    density = mean + 0.01 * noise + 0.05 * np.exp(-np.arange(n) / 40.0)
    if kind != "npt":
        density = np.full(n, mean)
    rows = thermo_rows(density, MASS, every=100)
    return write_run(path, [stage(0, kind, 100 * n, name="liquid")], thermo=rows, guard=guard(1.0))


def test_the_mean_comes_with_its_error_and_what_was_discarded(lamplighter: Lamplighter, tmp_path: Path) -> None:
    make(tmp_path / "a", 1)
    code, out, err = lamplighter("density", "a", "--figure", "d.png", "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    (run,) = result["runs"]
    assert run["discarded_ps"] == pytest.approx(100.0)
    assert run["discarded"] == "first 100 ps of 399.9 ps discarded"
    n = run["mean"]["n_samples"]
    assert run["mean"]["value"] == pytest.approx(0.92, abs=4 * 0.01 / math.sqrt(n))
    assert run["mean"]["standard_error"] == pytest.approx(0.01 / math.sqrt(n), rel=0.3)
    kappa = (0.01 / 0.92) ** 2 * (MASS / 0.92 / 0.602214076) * 1e-30 / (1.380649e-23 * 500.0)
    assert run["compressibility"]["value"] == pytest.approx(kappa, rel=0.15)
    assert sum(result["probability"]) == pytest.approx(1.0)
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")


def test_a_fixed_cut_is_the_protocols(lamplighter: Lamplighter, tmp_path: Path) -> None:
    make(tmp_path / "a", 1)
    out = lamplighter("density", "a", "--discard", "100ps")[1]
    assert "first 100 ps of 399.9 ps discarded, as asked" in out
    run = json.loads(lamplighter("density", "a", "--discard", "100 ps", "--json")[1])["runs"][0]
    assert run["mean"]["n_samples"] == 3000
    code, _, err = lamplighter("density", "a", "--discard", "0.4 ns")
    assert code == 1
    assert "--discard 400ps leaves nothing of stage liquid of a, which is 399.9 ps long: give less, or auto" in err


def test_several_runs_and_a_reference(lamplighter: Lamplighter, tmp_path: Path) -> None:
    for seed in range(3):
        make(tmp_path / f"a{seed}", seed, mean=0.92 + 0.01 * seed)
        make(tmp_path / f"ref{seed}", 10 + seed, mean=0.92)
    out = lamplighter("density", "a0", "a1", "a2", "--reference", "ref*")[1]
    assert re.search(r"mean of 3 runs  0\.9\d+ ± 0\.00\d+ g/cm³ \(from the spread of the runs\)", out)
    assert out.count("reference ref") == 3
    result = json.loads(lamplighter("density", "a0", "a1", "a2", "--reference", "ref*", "--json")[1])
    assert result["mean"]["standard_error"] == pytest.approx(0.01 / math.sqrt(3), rel=0.1)
    within = result["mean_error_within_runs"]["standard_error"]
    assert within == pytest.approx(0.01 / math.sqrt(3 * 3900), rel=0.3)
    assert 0.5 < result["divergence"]["value"] < 0.65  # Gaussians at 0, 1, 2 σ from one at 0: about 0.57
    alone = json.loads(lamplighter("density", "a0", "--reference", "ref0", "--bin", "0.01", "--json")[1])
    assert alone["divergence"]["value"] < 0.02
    assert alone["edges_g_cm3"][1] - alone["edges_g_cm3"][0] == pytest.approx(0.01)


def test_what_cannot_be_used_is_refused(lamplighter: Lamplighter, tmp_path: Path) -> None:
    make(tmp_path / "a", 1)
    make(tmp_path / "fixed", 1, kind="nvt")
    rows = thermo_rows(np.full(50, 0.9), MASS)
    write_run(tmp_path / "constant", [stage(0, "npt", 500)], thermo=rows, guard=guard(1.0))
    write_run(tmp_path / "empty", [stage(0, "npt", 500)], guard=guard(1.0))
    write_run(tmp_path / "other", [stage(0, "npt", 500)], thermo=rows, guard=guard(1.0), natoms=77)
    for words, message in [
        (
            ["fixed"],
            "fixed has no stage that serves: a density that fluctuates needs one of npt; it has 0 liquid (nvt)",
        ),
        (["fixed", "--stage", "0"], "stage '0' of fixed is nvt"),
        (["a", "--stage", "cold"], "a has no stage 'cold'; it has 0 liquid (npt)"),
        (["constant"], "the volume is constant in stage npt of constant"),
        (["empty"], "stage npt of empty has 0 rows with a density: too few"),
        (["a", "--reference", "ref*"], "--reference ref*: there is no such run folder"),
        (["a", "--pseudo-count", "0"], "--pseudo-count must be > 0, got 0"),
        (["a", "--bin", "-1"], "P(ρ): the width of a bin must be > 0, got -1"),
        (["a", "--discard", "5"], "--discard: 5 has no unit"),
        (["a", "--figure", "d.doc"], "--figure d.doc: the suffix must be one of"),
    ]:
        code, _, err = lamplighter("density", *words)
        assert code == 1
        assert message in err, err
    make(tmp_path / "b", 2)
    status = json.loads((tmp_path / "b" / "status.json").read_text())
    (tmp_path / "b" / "status.json").write_text(json.dumps({**status, "natoms": 77}))
    assert "cannot be averaged: a is 10 atoms, b is 77 atoms" in lamplighter("density", "a", "b")[2]


def test_a_row_that_is_cut_off_is_left_out_and_told(lamplighter: Lamplighter, tmp_path: Path) -> None:
    folder = make(tmp_path / "a", 1)
    text = (folder / "thermo.csv").read_text()
    (folder / "thermo.csv").write_text(text[:-30])
    out = lamplighter("density", "a")[1]
    assert "lines of thermo.csv left out because they are no rows of numbers: 1" in out


def test_two_references_far_away_are_told(lamplighter: Lamplighter, tmp_path: Path) -> None:
    make(tmp_path / "a", 1, mean=0.92)
    make(tmp_path / "far", 2, mean=0.5)
    out = lamplighter("density", "a", "--reference", "far", "--discard", "50 ps")[1]
    assert "Note: 100 % of P lies where R has no sample: D_KL is a lower bound there" in out


def test_the_spread_over_seeds_stands_beside_the_mean(lamplighter: Lamplighter, tmp_path: Path) -> None:
    for seed, mean in enumerate((0.90, 0.92, 0.95)):
        make(tmp_path / f"s{seed}", seed, mean)
    found = json.loads(lamplighter("density", "s0", "s1", "s2", "--json")[1])["seed_sensitivity"]
    assert found["spread"]["value"] == pytest.approx(np.std([0.90, 0.92, 0.95], ddof=1), rel=0.05)
    assert found["spread"]["standard_error"] == pytest.approx(found["spread"]["value"] / 2)  # √(2(n − 1))
    assert found["p_value"] < 1e-6
    assert re.search(
        r"spread of runs +0\.0\d+ ± 0\.0\d+ g/cm³; 0\.00\d+ of noise", lamplighter("density", "s0", "s1")[1]
    )
    for seed in (3, 4, 5):
        make(tmp_path / f"s{seed}", seed, 0.92)
    alike = json.loads(lamplighter("density", "s3", "s4", "s5", "--json")[1])["seed_sensitivity"]
    assert alike["p_value"] > 0.01
    assert alike["spread"]["value"] < 0.1 * found["spread"]["value"]
    assert json.loads(lamplighter("density", "s3", "--json")[1])["seed_sensitivity"] is None
