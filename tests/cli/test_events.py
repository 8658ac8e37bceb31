"""`lamplighter events`: the table, the raw lines, how the run ended, and damaged files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lamplighter

STAGES = [
    {"index": 0, "type": "minimise", "name": "minimise", "steps": 0, "timestep_fs": 0.0, "wall_s": 1.0},
    {"index": 1, "type": "nvt", "name": "nvt", "steps": 100, "timestep_fs": 2.0, "wall_s": 1.0},
    {"index": 2, "type": "npt", "name": "npt", "steps": 1000, "timestep_fs": 0.5, "wall_s": 1.0},
]
BOND = {
    "guard": "guard", "step": 150, "time": 9.9, "units": "metal", "criterion": "bond stretch", "value": 0.5051,
    "limit": 0.5, "reference_length": 1.09, "action": "record", "atoms": [12, 7], "elements": ["C", "H"],
    "ranks": [0, 1],
}  # fmt: skip
DENSITY = {
    **BOND, "step": 1100, "criterion": "density", "value": 0.19, "limit": [0.2, 2], "atoms": [], "elements": [],
    "ranks": [],
}  # fmt: skip
CRITERIA = ["bond stretch 0.5", "density 0.2 2"]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """`make(events, **status)`: a run folder; `events` None: without the file."""

    def folder(events: list[Any] | None, **status: Any) -> Path:
        content = {"status": "completed", "error": None, "failed_stage": None, "stages": STAGES, **status}
        (tmp_path / "status.json").write_text(json.dumps(content))
        (tmp_path / "provenance.json").write_text("{}")
        if events is not None:
            lines = [each if isinstance(each, str) else json.dumps(each) for each in events]
            (tmp_path / "events.jsonl").write_text("".join(line + "\n" for line in lines))
        return tmp_path

    return folder


def test_events_are_a_table(lamplighter: Lamplighter, make: Callable[..., Path]) -> None:
    guard = {"criteria": CRITERIA, "criterion": None, "step": 1100, "time_ps": 0.7}
    code, out, _ = lamplighter("events", make([BOND, DENSITY], guard=guard))
    assert code == 0
    rows = [[cell for cell in line.split("  ") if cell.strip()] for line in out.splitlines()[:3]]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert cells == [
        ["step", "time / ps", "criterion", "value", "limit", "atoms", "ranks"],
        ["150", "0.225", "bond stretch", "0.5051 Å", "0.5 Å", "C 12–H 7", "0, 1"],  # 100 · 2 fs + 50 · 0.5 fs
        ["1100", "0.7", "density", "0.19 g/cm³", "0.2 to 2 g/cm³", "–", "–"],
    ]
    assert "The run was completed, to 0.7 ps (step 1100)." in out
    assert "Watched: bond stretch 0.5; density 0.2 2; finite; lost." in out


def test_json_gives_the_lines_as_they_are(lamplighter: Lamplighter, make: Callable[..., Path]) -> None:
    folder = make([BOND, DENSITY])
    assert lamplighter("events", folder, "--json")[1] == (folder / "events.jsonl").read_text()
    assert lamplighter("events", make([]), "--json")[1] == ""


@pytest.mark.parametrize(
    ("events", "status", "lines"),
    [
        (
            [],
            {"guard": {"criteria": CRITERIA, "criterion": None, "step": 1100, "time_ps": 0.7}},
            ["No events.", "The run was completed, to 0.7 ps (step 1100)."],
        ),
        (
            None,
            {"guard": None},
            ["No events: nothing was watched (the run file has no guard).", "The run was completed."],
        ),
        (
            [],
            {"status": "failed", "error": "Non-numeric pressure", "failed_stage": 2, "guard": {"criteria": CRITERIA}},
            ["No events.", "The run failed in stage 2: Non-numeric pressure"],
        ),
        ([], {"status": "running", "guard": {"criteria": CRITERIA}}, ["The run is still going on, or was killed."]),
        (
            [DENSITY],
            {
                "status": "stopped",
                "guard": {"criteria": CRITERIA, "criterion": "density", "step": 1100, "time_ps": 0.7},
            },
            ["The guard ended the run at 0.7 ps (step 1100): density."],
        ),
    ],
)
def test_how_the_run_ended_is_said(
    lamplighter: Lamplighter, make: Callable[..., Path], events: Any, status: dict[str, Any], lines: list[str]
) -> None:
    code, out, _ = lamplighter("events", make(events, **status))
    assert code == 0
    for line in lines:
        assert line in out.splitlines()


@pytest.mark.parametrize(
    "damage",
    ['{"guard": "guard", "step": 150, "ti', "[]", '{"step": 3}', '{"step": 3, "criterion": "x", "value": "y"}'],
)
def test_a_damaged_line_is_named(lamplighter: Lamplighter, make: Callable[..., Path], damage: str) -> None:
    folder = make([BOND, damage])
    code, out, err = lamplighter("events", folder)
    assert code == 1
    assert not out
    assert f"{folder / 'events.jsonl'}, line 2 is damaged: it is no event ({damage[:60]!r}); mend the line" in err


def test_a_folder_without_a_run_is_refused(lamplighter: Lamplighter, tmp_path: Path) -> None:
    assert "holds no run" in lamplighter("events", tmp_path)[2]
    code, _, err = lamplighter("events", tmp_path / "none")
    assert code == 1
    assert "none does not exist" in err
    (tmp_path / "run.yaml").write_text("")
    assert "run.yaml is a file, no run folder" in lamplighter("events", "run.yaml")[2]
