"""A run folder is read by `Run`: lazily, each file once, whole or broken, of this version or another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.run_folder.names import EVENTS, PROVENANCE, RUN_FILE, STATUS, SUMMARY, THERMO
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.status import GuardStatus, RunStatus, ScanStatus, StageStatus
from lamplighter.run_folder.thermo_table import THERMO_COLUMNS, read_thermo

STAGES = [
    StageStatus(0, "minimise", "minimise", 0, 0.0, 1.0),
    StageStatus(1, "nvt", "warm", 1000, 0.5, 2.0),
    StageStatus(2, "npt", "liquid", 500, 2.0, 3.0),
]
HEADER = "stage,step,time_ps,temperature_K,density_g_cm3"
ROWS = ["1,0,0,300,0.9", "1,1000,0.5,310,0.9", "2,1000,0.5,310,0.9", "2,1500,1.5,300,0.95"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of 0.5 ps in steps of 0.5 fs, then 1 ps in steps of 2 fs."""
    made = tmp_path / "run"
    made.mkdir()
    RunStatus("completed", natoms=3, ranks=2, stages=STAGES, guard=GuardStatus(["force 50"], time_ps=1.5)).write(made)
    (made / THERMO).write_text("\n".join([HEADER, *ROWS]) + "\n")
    (made / PROVENANCE).write_text('{"seed": 7}')
    (made / EVENTS).write_text('{"step": 1200, "criterion": "force", "value": 60.0, "limit": 50.0}\n')
    return made


def test_a_run_is_what_its_files_say(folder: Path) -> None:
    run = Run(str(folder))
    assert (run.name, run.status, run.natoms, run.status_file.ranks, run.wall_s) == ("run", "completed", 3, 2, 6.0)
    assert repr(run) == f"<Run {folder}: completed>"
    assert run.guard == GuardStatus(["force 50"], time_ps=1.5)
    assert [stage.name for stage in run.stages] == ["minimise", "warm", "liquid"]
    assert run.thermo["density_g_cm3"].tolist() == [0.9, 0.9, 0.9, 0.95]
    assert (run.provenance["seed"], run.events[0].value, run.notes, run.summary) == (7, 60.0, [], {})


def test_times_are_those_on_paper(folder: Path) -> None:
    stages = Run(folder).stages
    assert stages.interval_ps(stages[1]) == pytest.approx((0.0, 0.5))
    assert stages.interval_ps(stages[2]) == pytest.approx((0.5, 1.5))
    found = [stages.time_of_step(step) for step in (0, 1000, 1200, 1500)]
    assert found == pytest.approx([0.0, 0.5, 0.9, 1.5])
    assert stages.time_of_step(1501) is None
    assert [stage.length_ps for stage in stages] == pytest.approx([0.0, 0.5, 1.0])
    with pytest.raises(RunFolderError, match=r"stage 0 of .* has no dynamics"):
        stages.interval_ps(stages[0])


def test_files_are_read_when_they_are_asked_for_and_once(folder: Path) -> None:
    run = Run(folder)
    (folder / THERMO).write_text("\n".join([HEADER, *ROWS[:2]]) + "\n")  # after the run was opened
    read = (run.thermo, run.status_file, run.stages, run.events, run.provenance, run.run_file, run.system)
    assert run.thermo.n_rows == 2
    shutil.rmtree(folder)
    again = (run.thermo, run.status_file, run.stages, run.events, run.provenance, run.run_file, run.system)
    assert all(one is other for one, other in zip(read, again, strict=True))


def test_what_is_missing_is_said_and_the_rest_is_read(folder: Path) -> None:
    (folder / STATUS).unlink()
    (folder / PROVENANCE).write_text("[1]")
    (folder / EVENTS).write_text("{")
    (folder / THERMO).write_text("\n".join([HEADER, *ROWS, "2,1600,1.7,30"]))
    run = Run(folder)
    assert run.notes[:3] == [
        "status.json is missing",
        "provenance.json is not a JSON object",
        "lines of thermo.csv left out because they are no rows of numbers: 1",
    ]
    assert "events.jsonl, line 1 is damaged" in run.notes[3]
    assert (run.status, run.natoms, run.events, run.wall_s) == ("unknown", None, [], None)
    assert [(stage.index, stage.type) for stage in run.stages] == [(1, ""), (2, "")]
    assert run.stages.time_of_step(10) is None
    with pytest.raises(RunFolderError, match="does not say how long stage 1 is"):
        run.stages.interval_ps(run.stages[1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere", "run folder .*nowhere does not exist"),
        ("file", "is a file, no run folder"),
        ("empty", "holds no run: it has neither thermo.csv nor status.json"),
    ],
)
def test_what_is_no_run_folder_is_refused(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LamplighterError, match=said):
        Run(tmp_path / given)


def test_something_else_than_a_path_is_refused() -> None:
    given: Any = 3
    with pytest.raises(LamplighterError, match="opened by the path of its folder, got int: 3"):
        Run(given)


def test_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    scan = ScanStatus("skipped", "the guard ended the stages before it", 2.0)
    guard = GuardStatus(["density 0.2 2"], "density", 10, 0.02)
    written = RunStatus("stopped", None, 1, 12, 2, 4, STAGES, guard, scan)
    written.write(tmp_path)
    assert RunStatus.read(tmp_path) == written


def test_status_of_another_version_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    content = {
        "status": "completed",
        "natoms": "many",
        "of a later version": 1,
        "stages": [{"type": "NPT", "steps": 10, "ensemble": "later"}, "no stage"],
        "guard": {"criteria": ["density 0.2 2"], "of a later version": 1},
        "volume_scan": "later",
    }
    (tmp_path / STATUS).write_text(json.dumps(content))
    status = RunStatus.read(tmp_path)
    assert (status.status, status.natoms, status.ranks, status.volume_scan) == ("completed", None, None, None)
    assert status.stages == [StageStatus(0, "npt", "npt", 10, None, None)]
    assert status.guard == GuardStatus(["density 0.2 2"])
    (tmp_path / STATUS).write_text("{")
    with pytest.raises(RunFolderError, match=r"run folder .*: status.json cannot be read"):
        RunStatus.read(tmp_path)


def test_a_run_file_of_another_version_says_what_it_has(folder: Path) -> None:
    content = {
        "guard": {"density": [0.2, 3.0], "pressure_of_a_later_version": "1 bar"},
        "bonds": {"tolerance": 1.3, "of_a_later_version": True},
        "potential": {"of_a_later_version": "x"},
        "stages": [
            {"type": "of a later version"},
            {"type": "nvt", "temperature": "300 K"},
            {"type": "npt", "name": "liquid", "temperature": "300 K", "pressure": "1 atm", "later": 1},
            {"type": "npt", "temperature": ["300 K", "400 K"], "pressure": "1 atm"},
        ],
    }
    (folder / RUN_FILE).write_text(yaml.safe_dump(content))
    run_file = Run(folder).run_file
    assert run_file["potential"] == {"of_a_later_version": "x"}
    assert run_file.guard.criteria == ["density 0.2 3"]
    assert run_file.bonds.tolerance == 1.3
    assert [stage.name for stage in run_file.stages] == ["of a later version", "nvt", "liquid", "npt"]
    held = [stage.conditions for stage in run_file.stages]
    assert held[0] is None
    assert held[3] is None
    assert held[2] is not None
    assert (held[2].temperature, held[2].pressure) == (300.0, pytest.approx(1.01325))
    (folder / RUN_FILE).write_text("guard: {density: 3}")
    with pytest.raises(RunFolderError, match=r"section guard of .*run.yaml is not valid:\n.*density: needs two bounds"):
        _ = Run(folder).run_file.guard
    (folder / RUN_FILE).unlink()
    assert Run(folder).run_file == {}
    with pytest.raises(RunFolderError, match=r"run.yaml does not exist"):
        _ = Run(folder).run_file.guard


def test_columns_are_had_by_their_names(folder: Path) -> None:
    thermo = Run(folder).thermo
    assert set(HEADER.split(",")) == set(thermo)
    assert "pressure_bar" in THERMO_COLUMNS
    assert np.isnan(thermo["pressure_bar"]).all()  # an earlier version did not write it
    with pytest.raises(LamplighterError, match=r"no column 'density' \(did you mean 'density_g_cm3'\?\)"):
        _ = thermo["density"]


def test_pandas_takes_the_table(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(Run(folder).thermo)
    assert list(frame.columns) == HEADER.split(",")
    assert frame["density_g_cm3"].mean() == pytest.approx(0.9125)


def test_a_table_with_a_broken_line_has_the_same_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [f"0,{10 * k},{','.join(f'{value:.12g}' for value in rng.normal(size=3))}" for k in range(50)]
    (tmp_path / "whole.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    broken = [*rows[:20], "0,nan,1,2,3", "", "WARNING: of LAMMPS", *rows[20:], "0,500,1"]
    (tmp_path / "broken.csv").write_text("\n".join([HEADER, *broken]))
    whole, mended = read_thermo(tmp_path / "whole.csv"), read_thermo(tmp_path / "broken.csv")
    assert (whole.n_skipped, mended.n_skipped) == (0, 3)
    for name in HEADER.split(","):
        np.testing.assert_array_equal(whole[name], mended[name])


def test_the_summary_is_that_of_the_folder(folder: Path) -> None:
    (folder / SUMMARY).write_text('{"status": "completed"}')
    assert Run(folder).summary == {"status": "completed"}
