"""The progress display follows a growing thermo table, says what is right, and never ends a run."""

from __future__ import annotations

import io
import math
import threading
from pathlib import Path

import pytest
from rich.console import Console

from lamplighter.driver import progress as progress_module
from lamplighter.driver.progress import ProgressReporter, RunProgress, StagePlan, duration_label, state_label
from lamplighter.run_folder.thermo_table import ThermoRow, ThermoTail

HEADER = (
    "stage,step,time_ps,temperature_K,pressure_bar,density_g_cm3,volume_A3,potential_energy_eV,"
    "kinetic_energy_eV,total_energy_eV\n"
)
STAGES = [StagePlan(0, "minimise", 0, 0.0), StagePlan(1, "heat", 100, 0.5), StagePlan(2, "hold", 300, 0.5)]


def line(stage: int, step: int, temperature: float = 500.0) -> str:
    return f"{stage},{step},{step * 5e-4},{temperature},-12.5,0.9231,1000.0,-640.25,41.0,-599.25\n"


def row(stage: int, step: int) -> ThermoRow:
    return ThermoRow(stage, step, 500.0, -12.5, 0.9231, -640.25)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_half_written_line_waits_until_it_is_complete(tmp_path: Path) -> None:
    table = tmp_path / "thermo.csv"
    tail = ThermoTail(table)
    assert tail.new_rows() == []
    complete, half = line(0, 10), line(0, 20)
    table.write_text(HEADER + complete + half[:25])
    assert [r.step for r in tail.new_rows()] == [10]
    with table.open("a") as out:
        out.write(half[25:])
    assert [(r.step, r.density_g_cm3) for r in tail.new_rows()] == [(20, 0.9231)]
    assert tail.new_rows() == []


def test_lines_that_are_no_rows_are_left_out_and_nan_is_a_number(tmp_path: Path) -> None:
    table = tmp_path / "thermo.csv"
    table.write_text(HEADER + "garbage\n" + "1,2,3\n" + line(1, 5, math.nan) + line(0, 0).replace("500.0", "abc"))
    rows = ThermoTail(table).new_rows()
    assert [r.step for r in rows] == [5]
    assert math.isnan(rows[0].temperature_K)


def test_a_table_started_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    table = tmp_path / "thermo.csv"
    table.write_text(HEADER + line(0, 10) + line(0, 20))
    tail = ThermoTail(table)
    assert len(tail.new_rows()) == 2
    table.write_text(HEADER + line(0, 1))
    assert [r.step for r in tail.new_rows()] == [1]


@pytest.mark.parametrize("offset", [0, 1000], ids=["counter starts again", "counter goes on"])
def test_steps_time_speed_and_eta_count_within_the_stage(offset: int) -> None:
    progress = RunProgress(STAGES)
    progress.add(row(0, 0), 0.0)
    progress.add(row(0, 37), 1.0)
    assert (progress.fraction, progress.stage_step, progress.time_ps) == (0.0, 37, 0.0)
    assert math.isnan(progress.remaining_s)
    progress.add(row(1, offset), 2.0)
    progress.add(row(1, offset + 50), 12.0)
    assert progress.fraction == pytest.approx(50 / 400)
    assert progress.time_ps == pytest.approx(0.025)
    assert progress.steps_per_s == pytest.approx(5.0)
    assert progress.ns_per_day == pytest.approx(5.0 * 0.5e-6 * 86400)
    assert progress.remaining_s == pytest.approx(350 / 5.0)
    progress.add(row(2, offset + 100), 22.0)
    progress.add(row(2, offset + 400), 52.0)
    assert progress.fraction == pytest.approx(1.0)
    assert progress.time_ps == pytest.approx(0.2)
    assert progress.remaining_s == 0.0


def test_the_speed_is_that_of_the_last_minute() -> None:
    progress = RunProgress([StagePlan(0, "hold", 10000, 1.0)])
    for second in range(100):
        progress.add(row(0, second), float(second))
    for second in range(1, 101):
        progress.add(row(0, 99 + 10 * second), 99.0 + second)
    assert progress.steps_per_s == pytest.approx(10.0)


def test_rows_of_before_a_resume_do_not_count_into_the_speed() -> None:
    progress = RunProgress([StagePlan(0, "hold", 10000, 1.0)])
    for step in range(0, 5000, 10):
        progress.add(row(0, step), 0.0)
    assert math.isnan(progress.steps_per_s)
    progress.add(row(0, 5010), 2.0)
    assert progress.steps_per_s == pytest.approx(10.0)
    assert progress.fraction == pytest.approx(0.501)


def test_the_state_names_every_quantity_with_its_unit() -> None:
    progress = RunProgress(STAGES)
    progress.add(row(1, 0), 0.0)
    progress.add(row(1, 50), 10.0)
    assert state_label(progress) == "step 50/100  0.025 ps  T 500.0 K  ρ 0.9231 g/cm³  p -12 bar  0.216 ns/day"
    progress.add(row(0, 0), 20.0)
    assert "E -640.2500 eV" in state_label(progress)


@pytest.mark.parametrize(
    ("seconds", "label"), [(math.nan, "?"), (59.6, "0:01:00"), (3725, "1:02:05"), (200000, "2 d 7 h")]
)
def test_durations_read_naturally(seconds: float, label: str) -> None:
    assert duration_label(seconds) == label


def report(table: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool, seconds_per_row: float) -> list[str]:
    """Lines that the display writes while 401 rows arrive, one a poll, `seconds_per_row` of wall time apart."""
    clock = Clock()
    rows = iter([line(1, s) for s in range(100)] + [line(2, 100 + s) for s in range(301)])
    done = threading.Event()
    output = io.StringIO()
    table.write_text(HEADER)
    console = Console(file=output, force_terminal=terminal, width=100, color_system=None)
    reporter = ProgressReporter(table, STAGES, console, clock)

    def next_poll(_: float) -> bool:
        added = next(rows, None)
        if added is None:
            done.set()
            return True
        clock.now += seconds_per_row
        with table.open("a") as out:
            out.write(added)
        return False

    monkeypatch.setattr(reporter._stopping, "wait", next_poll)
    with reporter:
        assert done.wait(30)
    return output.getvalue().splitlines()


def test_without_a_terminal_a_long_run_writes_a_line_every_five_percent(tmp_path, monkeypatch) -> None:
    lines = report(tmp_path / "thermo.csv", monkeypatch, terminal=False, seconds_per_row=100.0)
    assert 20 <= len(lines) <= 23
    assert lines[0].startswith("[  0 %] 2/3 heat  step 0/100")
    assert lines[-1].startswith("[100 %] 3/3 hold  step 300/300  0.200 ps")
    assert "ETA" in lines[-2]
    assert "\x1b" not in "".join(lines)


def test_without_a_terminal_a_short_run_writes_a_line_every_ten_seconds(tmp_path, monkeypatch) -> None:
    lines = report(tmp_path / "thermo.csv", monkeypatch, terminal=False, seconds_per_row=0.1)
    assert 4 <= len(lines) <= 6


def test_on_a_terminal_there_is_a_live_bar(tmp_path, monkeypatch) -> None:
    text = "\n".join(report(tmp_path / "thermo.csv", monkeypatch, terminal=True, seconds_per_row=0.1))
    assert "\x1b[" in text
    assert "3/3 hold" in text
    assert "step 300/300" in text
    assert "100 %" in text


def test_a_failing_display_says_so_once_and_raises_nothing(tmp_path, monkeypatch) -> None:
    table = tmp_path / "thermo.csv"
    table.mkdir()
    monkeypatch.setattr(progress_module, "POLL_INTERVAL_S", 0.01)
    output = io.StringIO()
    reporter = ProgressReporter(table, STAGES, Console(file=output, force_terminal=False, width=200))
    reporter.start()
    assert reporter._thread is not None
    reporter._thread.join(10)
    reporter.stop()
    assert output.getvalue().count("Progress display ended") == 1


def test_a_closed_standard_output_does_no_harm(tmp_path: Path) -> None:
    table = tmp_path / "thermo.csv"
    table.write_text(HEADER + line(1, 0))
    output = io.StringIO()
    console = Console(file=output, force_terminal=False)
    output.close()
    with ProgressReporter(table, STAGES, console) as reporter:
        pass
    reporter.stop()


def test_a_reporter_never_started_can_be_stopped(tmp_path: Path) -> None:
    ProgressReporter(tmp_path / "thermo.csv", STAGES, Console(file=io.StringIO())).stop()
