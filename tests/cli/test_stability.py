"""`lamplighter stability`: t_stab of runs, censored ones, causes, and runs that do not belong together."""

from __future__ import annotations

import json
from pathlib import Path

import ase.build
import numpy as np
import pytest

from .conftest import Lamplighter
from .runs import guard, stage, thermo_rows, write_run, write_trajectory

BOND = {"step": 20000, "time": 20.0, "criterion": "bond stretch", "value": 0.51, "limit": 0.5, "action": "stop"}
STAGES = [stage(0, "npt", 1_000_000)]


def test_failed_and_censored_runs_are_put_together(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write_run(tmp_path / "a", STAGES, events=[BOND], guard=guard(20.0, "bond stretch"), status="stopped")
    density = {**BOND, "step": 80000, "time": 80.0, "criterion": "density", "limit": [0.2, 2]}
    write_run(tmp_path / "b", STAGES, events=[density], guard=guard(80.0, "density"), status="stopped")
    for name in "cd":
        write_run(tmp_path / name, STAGES, guard=guard(1000.0))
    code, out, err = lamplighter("stability", "a", "b", "c", "d", "--figure", "s.png")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[1].split() == ["a", "20", "bond", "stretch", "guard"]
    assert lines[3].split() == ["c", "≥", "1000", "–", "guard"]
    assert "mean t_stab    ≥ 520 ± 270 ps (a lower bound: 2 of 4 runs did not fail)" in out
    assert "median t_stab  80 ps (95 %: 20 to ∞ ps)" in out
    assert "stable at 1000 ps with probability 0.50" in out
    assert "failures       2 of 4: bond stretch 1, density 1" in out
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    beyond = lamplighter("stability", "a", "b", "c", "d", "--horizon", "2 ns")[1]
    assert "stable at 2000 ps with probability at most 0.50" in beyond  # nobody looked so far
    assert "at most" not in lamplighter("stability", "a", "b", "--horizon", "2 ns")[1]  # all have failed
    result = json.loads(lamplighter("stability", "a", "b", "c", "d", "--json")[1])
    assert result["curve"]["survival"] == [0.75, 0.5]
    assert result["curve"]["median_high"] is None
    assert result["n_censored"] == 2


def test_a_recorded_event_counts_and_disagreement_of_models_does_not(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write_run(tmp_path / "recorded", STAGES, events=[{**BOND, "action": "record"}], guard=guard(1000.0))
    variance = {**BOND, "criterion": "variance"}
    write_run(tmp_path / "disagreed", STAGES, events=[variance], guard=guard(20.0, "variance"), status="stopped")
    out = lamplighter("stability", "recorded", "disagreed")[1]
    assert out.splitlines()[1].split()[:2] == ["recorded", "20"]
    assert out.splitlines()[2].split()[:3] == ["disagreed", "≥", "20"]
    assert "its guard ended it because of the variance: censored there" in out


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ERROR: Lost atoms: original 160 current 159", ["5", "lost", "LAMMPS"]),
        ("ERROR: Non-numeric pressure - simulation unstable", ["5", "finite", "LAMMPS"]),
        ("LAMMPS: Atoms 4 and 9 overlap at step 9: they are close\nLast input line: run", ["5", "overlap", "LAMMPS"]),
        ("two atoms are 0.09581 Å apart, less than 0.1 Å: check the structure", ["5", "overlap", "LAMMPS"]),
        ("No space left on device", ["≥", "5", "–", "guard"]),
    ],
)
def test_what_ended_a_run_decides_whether_it_failed(
    lamplighter: Lamplighter, tmp_path: Path, error: str, expected: list[str]
) -> None:
    rows = thermo_rows(np.full(501, 0.9), 1000.0)
    write_run(tmp_path / "a", STAGES, guard=guard(None), status="failed", error=error, thermo=rows)
    assert lamplighter("stability", "a")[1].splitlines()[1].split()[1:] == expected


def test_a_run_without_a_guard_is_judged_by_its_trajectory(lamplighter: Lamplighter, tmp_path: Path) -> None:
    atoms = ase.build.molecule("CH3CH2OH", cell=[4.5, 4.5, 4.5], pbc=True)
    frames = []
    for k in range(11):
        frame = atoms.copy()
        frame.positions[3] += 0.1 * k * (atoms.positions[3] - atoms.positions[2])
        frames.append(frame)
    folder = write_run(tmp_path / "a", [stage(0, "npt", 1000)], structure=atoms)
    write_trajectory(folder, frames, 100)
    out = lamplighter("stability", "a")[1]
    assert out.splitlines()[1].split()[0] == "a"
    assert "it had no guard: t_stab is from the frames of its trajectory" in out
    assert out.splitlines()[1].split()[1:] == ["0.6", "bond", "stretch", "trajectory"]
    write_run(tmp_path / "b", [stage(0, "npt", 1000)], structure=atoms)
    code, _, err = lamplighter("stability", "b")
    assert code == 1
    assert "b had no guard and has no trajectory.lammpstrj.gz: its stability is not known" in err


def test_runs_of_different_systems_are_not_averaged(lamplighter: Lamplighter, tmp_path: Path) -> None:
    ethanol, water = (ase.build.molecule(name, cell=[9, 9, 9], pbc=True) for name in ("CH3CH2OH", "H2O"))
    write_run(tmp_path / "a", STAGES, structure=ethanol, guard=guard(1000.0))
    write_run(tmp_path / "b", STAGES, structure=water, guard=guard(1000.0))
    code, _, err = lamplighter("stability", "a", "b")
    assert code == 1
    assert "runs of different systems cannot be averaged: a is C2H6O, b is H2O" in err


def test_runs_that_ended_before_the_horizon_are_told(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write_run(tmp_path / "a", STAGES, guard=guard(300.0))
    write_run(tmp_path / "b", STAGES, guard=guard(200.0, criteria=["bond stretch 0.5"]))
    out = lamplighter("stability", "a", "b")[1]
    assert "Note: 2 of 2 runs ended before 1000 ps without a failure" in out
    assert "Note: no run is known to 1000 ps" in out
    assert "Note: the runs were not watched alike: bond stretch 0.5 | bond stretch 0.5; density 0.2 2" in out
    assert "median t_stab  not reached" in out
    assert "ended before" not in lamplighter("stability", "a", "--horizon", "0.2 ns")[1]
    assert lamplighter("stability", "a", "--confidence", "1.5")[0] == 1
    assert lamplighter("stability", "nowhere")[2].startswith("Error: run folder nowhere does not exist")
