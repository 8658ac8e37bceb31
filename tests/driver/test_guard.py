"""`guard:` in the run file: how a run ends, and what its folder then says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase.io import read
from tests.conftest import PROGRAMS, Run

import lamplighter
from lamplighter.config.loading import parse_run_file
from lamplighter.errors import ConfigError
from lamplighter.guard_criteria import CRITERIA, criterion_numbered
from lamplighter.run_folder.events import read_events

NPT = {"type": "npt", "temperature": "90 K", "pressure": "2000 bar", "length": "2 ps"}
NVT = {"type": "nvt", "temperature": "90 K", "length": "0.2 ps"}


def parsed(guard: Any) -> Any:
    return parse_run_file(
        {"structure": "a.xyz", "potential": {"models": "m"}, "stages": [NVT], "velocities": "90 K", "guard": guard}
    ).guard


def test_presets_are_those_of_the_protocols() -> None:
    assert parsed("stability").criteria == ["bond stretch 0.5", "density 0.2 2"]
    assert parsed("active-learning").criteria == ["bond ratio 2", "density 0.2 1.2"]
    assert parsed({"preset": "stability", "density": [0.5, 1.5]}).criteria == ["bond stretch 0.5", "density 0.5 1.5"]
    assert parsed({}).criteria == []
    assert parsed({"every": 2, "energy": 0.1, "energy_every": 20}).criteria == ["energy 0.1 every 20"]


def test_criteria_have_the_names_and_units_that_fix_guard_has() -> None:
    source = (Path(__file__).parents[2] / "pair_styles" / "guard_criteria.cpp").read_text(encoding="utf-8")
    table = re.search(r"CRITERIA\[\] = \{(.*?)\n\};", source, re.DOTALL)
    assert table is not None
    rows = re.findall(r'\{"([^"]*)", "([^"]*)", Limit::(\w+), Of::(\w+)\}', table[1])
    assert rows[0][0] == criterion_numbered(0)
    for row, criterion in zip(rows[1:], CRITERIA, strict=True):
        name, unit, limit, of = row
        assert (name, unit) == (criterion.name, criterion.unit)
        assert (limit == "BOUNDS", limit == "ALWAYS") == (criterion.has_bounds, criterion.always)
        of_models = (of == "COMMITTEE", of == "TRAINING")
        assert (of == "BONDS", *of_models) == (criterion.of_bonds, criterion.of_committee, criterion.of_training_set)


def test_events_have_units_of_their_run(tmp_path: Path) -> None:
    of_run = {"metal": ("eV/Å", "eV/atom"), "real": ("kcal/mol/Å", "kcal/mol/atom"), "si": ("", "")}
    fixed = ["Å", "", "g/cm³", "K", "", "", "eV²/Å²", "eV/Å", ""]
    names = [each.name for each in CRITERIA]
    lines = [
        json.dumps({"step": 1, "criterion": name, "units": style, "limit": 1.0}) for style in of_run for name in names
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    units = iter(event.unit for event in read_events(tmp_path))
    for force, energy in of_run.values():
        assert [next(units) for _ in names] == [*fixed[:4], force, energy, *fixed[4:]]
    assert [each.unit_in("lj") for each in CRITERIA[:6]] == [""] * 6


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        ({"density": [2.0, 0.2]}, r"guard\.density.*lower and a higher bound"),
        ({"bond_ratio": 0.5}, r"guard\.bond_ratio"),
        ({"bond_stretch": "0.5 K"}, r"guard\.bond_stretch"),
        (
            {"every": 3, "energy": 0.1, "energy_every": 20},
            r"guard\.energy_every.*multiple of guard\.every",
        ),
        ({"bonds": 3}, r"guard\.bonds.*unknown key"),
        ("stable", r"guard\.preset"),
    ],
)
def test_wrong_guards_are_refused(guard: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parsed(guard)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.quick("the guard stops all ranks"))])
def test_a_run_that_its_guard_ends(
    mpirun: Run, write_run_file: Callable[..., Path], tmp_path: Path, ranks: int
) -> None:
    """Argon expands to less than its least density; the stages after that do not run."""
    guard = {"density": [1.76, 3.0], "frames_before": 2, "frames_every": 10}
    path = write_run_file([NVT, NPT, NVT], guard=guard)
    done = mpirun(ranks, [PROGRAMS / "lamplighter", "run", path])
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run"
    (event,) = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    status = json.loads((folder / "status.json").read_text())
    summary = json.loads((folder / "summary.json").read_text())
    assert status["status"] == summary["status"] == "stopped"
    assert event["criterion"] == "density"
    assert event["value"] < 1.76
    stability = summary["stability"]
    assert stability["cause"] == "density"
    assert not stability["censored"]
    assert stability["t_stab_ps"] == pytest.approx(event["step"] * 0.002)
    assert 0.2 < stability["t_stab_ps"] < 2.2
    assert summary["stages"][2]["steps_done"] == 0
    assert f"The guard ended it at {stability['t_stab_ps']:.6g} ps: density" in done.stdout
    frames = read(folder / "failure.xyz", ":")
    assert [frame.info["guard_frame"] for frame in frames] == ["before", "before", "failure"]
    assert frames[-1].info["step"] == event["step"]
    assert (folder / "final.data").exists()
    done = mpirun(ranks, [PROGRAMS / "lamplighter", "run", path, "--resume"])
    assert done.returncode != 0
    assert "was ended by its guard" in done.stderr


def test_a_run_in_which_nothing_happens_is_censored(write_run_file: Callable[..., Path]) -> None:
    result = lamplighter.run(
        write_run_file([NVT], guard={"density": [0.1, 3.0], "temperature": "2000 K"}), progress=False
    )
    assert result.summary["status"] == "completed"
    assert result.summary["stability"] == {
        "t_stab_ps": pytest.approx(0.2),
        "censored": True,
        "cause": None,
        "criteria": ["density 0.1 3", "temperature 2000"],
    }
    assert not (result.folder / "events.jsonl").read_text()


def test_without_a_guard_nothing_is_said_of_stability(write_run_file: Callable[..., Path]) -> None:
    result = lamplighter.run(write_run_file([NVT]), progress=False)
    assert result.summary["stability"] is None
