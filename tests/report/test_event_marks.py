"""The figure of a run marks what its guard found, at the time of the failing step."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.text
import pytest
from matplotlib.axes import Axes

from lamplighter.report import figure as figure_module
from lamplighter.report import run_report

from .conftest import RunMaker, stage, thermo_lines


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[Axes]]:
    """The axes of each figure as it was when it was written."""
    figures: list[list[Axes]] = []
    save = figure_module.Figure.savefig

    def keep(self, *args, **options) -> None:
        figures.append(self.axes)
        save(self, *args, **options)

    monkeypatch.setattr(figure_module.Figure, "savefig", keep)
    return figures


def write_events(folder: Path, *events: tuple[int, str]) -> None:
    lines = [json.dumps({"step": step, "criterion": name, "value": 1.0, "limit": 0.5}) for step, name in events]
    (folder / "events.jsonl").write_text("".join(line + "\n" for line in lines))


@pytest.fixture
def folder(make_run: RunMaker) -> Path:
    """A minimisation, 1000 steps of 0.5 fs and 400 of 2 fs; the last row of the table is 10 steps before the end."""
    lines = thermo_lines(0, 0, 10, 5, 0.0) + thermo_lines(1, 0, 101, 10, 0.5) + thermo_lines(2, 1000, 40, 10, 2.0)
    stages = [stage(0, "minimise", 0, timestep_fs=None), stage(1, "nvt", 1000), stage(2, "npt", 400, timestep_fs=2.0)]
    return make_run(lines, stages, status="stopped")


def marks(axis: Axes) -> list[float]:
    """Times of vertical lines, without that between the stages (0.5 ps)."""
    lines = [line.get_xdata() for line in axis.lines if len(line.get_xdata()) == 2]
    return [float(x[0]) for x in lines if x[0] != pytest.approx(0.5)]


def test_each_panel_has_a_line_at_the_failing_step_with_the_criterion(folder: Path, drawn: list[list[Axes]]) -> None:
    write_events(folder, (300, "bond stretch"), (1397, "density"))
    run_report(folder)
    (axes,) = drawn
    for axis in axes:
        assert marks(axis) == [pytest.approx(0.15), pytest.approx(0.5 + 397 * 0.002)]
    named = {text.get_text(): text for text in axes[0].texts}
    assert named["bond stretch"].xy[0] == pytest.approx(0.15)
    assert named["density"].xy[0] == pytest.approx(1.294)
    assert axes[0].get_xlim()[1] > 1.294  # behind the last row of the table, and still in the picture


def test_of_many_events_each_criterion_is_named_once(folder: Path, drawn: list[list[Axes]]) -> None:
    write_events(folder, *((step, "force") for step in range(0, 900, 30)), (950, "density"))
    run_report(folder)
    assert len(marks(drawn[0][0])) == 31
    names = [text.get_text() for text in drawn[0][0].texts if isinstance(text, matplotlib.text.Annotation)]
    assert sorted(name for name in names if name in ("force", "density")) == ["density", "force"]


def test_without_events_there_are_no_marks(folder: Path, drawn: list[list[Axes]]) -> None:
    write_events(folder)
    run_report(folder)
    assert marks(drawn[0][0]) == []


def test_a_damaged_line_is_a_note_and_the_report_is_made(folder: Path) -> None:
    (folder / "events.jsonl").write_text('{"step": 3,\n')
    summary = run_report(folder)
    assert summary["figure"] == "thermo.png"
    assert any("events.jsonl, line 1 is damaged" in note for note in summary["notes"])
