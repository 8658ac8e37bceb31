"""An interrupted run goes on where its furthest restart file lies, as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamplighter
from lamplighter import exit_status
from lamplighter.driver.mend_trajectory import step_of, whole_frames
from lamplighter.driver.restart_file import step_of_restart
from lamplighter.driver.resumed_outputs import cut_outputs
from lamplighter.driver.stage_steps import Restart
from lamplighter.errors import RunFolderError

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
STAGES: list[dict[str, Any]] = [
    {"type": "minimise", "max_steps": 5},
    {"type": "nvt", "length": "40 steps", "temperature": "80 K"},
    {"type": "npt", "length": "20000 steps", "temperature": "80 K", "pressure": "1 bar"},
]
OUTPUT = {"thermo": "10 steps", "trajectory": "50 steps", "restart": "100 steps"}


def start(path: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([PROGRAM, "run", "-q", path, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for_step(folder: Path, step: int) -> None:
    """Until the table has reached a step of the last stage."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = table(folder) if (folder / "thermo.csv").exists() else []
        if rows and rows[-1][0] == "2" and int(rows[-1][1]) >= step:
            return
        time.sleep(0.02)
    pytest.fail(f"the run did not reach step {step}")


def table(folder: Path) -> list[list[str]]:
    return [line.split(",") for line in (folder / "thermo.csv").read_text().splitlines()[1:] if line.count(",") == 21]


def numbers(row: list[str]) -> list[float]:
    return [float(value) for value in row]


def steps_of_frames(folder: Path) -> list[int]:
    return [step_of(frame) for frame in whole_frames(folder / "trajectory.lammpstrj.gz")]


def test_what_was_written_after_the_restart_file_is_dropped(tmp_path: Path) -> None:
    """Tables and events; a line that was broken off goes, too."""
    events = "".join(f'{{"step": {step}, "criterion": "force"}}\n' for step in (10, 199, 200, 240))
    (tmp_path / "events.jsonl").write_text(events + '{"step": 2')
    rows = "".join(f"2,{step},0.1,0.02\n" for step in (190, 200, 210))
    (tmp_path / "committee.csv").write_text("stage,step,time_ps,variance\n1,40,0.1,0.02\n" + rows + "2,21")
    cut_outputs(tmp_path, Restart("restart.a.bin", 2, 200, False))
    kept = [json.loads(line)["step"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert kept == [10, 199]
    lines = (tmp_path / "committee.csv").read_text().splitlines()
    assert lines == ["stage,step,time_ps,variance", "1,40,0.1,0.02", "2,190,0.1,0.02"]


@pytest.mark.quick("a killed run goes on")
def test_a_killed_run_goes_on_from_its_newest_restart_file(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    path = write_run_file(STAGES, output=OUTPUT)
    folder = tmp_path / "run"
    process = start(path)
    wait_for_step(folder, 240)
    process.kill()
    process.wait()
    killed = {tuple(row[:2]): row for row in table(folder)}
    reached = max(step_of_restart(file) or 0 for file in folder.glob("restart.*.bin"))
    assert reached >= 200
    with pytest.raises(RunFolderError, match="already holds a run"):
        lamplighter.run(path, progress=False)

    process = start(path, "--resume")
    wait_for_step(folder, reached + 200)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == exit_status.LATER, out.decode()

    rows = table(folder)
    steps = [(int(row[0]), int(row[1])) for row in rows]
    assert steps == sorted(set(steps))
    assert {step for stage, step in steps if stage == 2} >= set(range(40, reached + 200, 10))
    first = next(row for row in rows if row[:2] == ["2", str(reached)])
    later = next(row for row in rows if row[:2] == ["2", str(reached + 10)])
    for row in (first, later):
        if (before := killed.get(tuple(row[:2]))) is not None:
            assert numbers(row) == pytest.approx(numbers(before), rel=1e-6, abs=1e-3)
    frames = steps_of_frames(folder)
    assert frames == list(range(0, frames[-1] + 1, 50))

    status = json.loads((folder / "status.json").read_text())
    assert status["status"] == "failed"
    assert "SIGTERM ended the run at step" in status["error"]
    assert "--resume" in status["error"]
    assert (folder / "restart.interrupted.bin").exists()
    assert status["stages"][2]["wall_s"] > 0


def test_a_run_interrupted_between_stages_goes_on_with_the_next(
    write_run_file: Callable[..., Path], tmp_path: Path
) -> None:
    nvt = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
    path = write_run_file([nvt, nvt, nvt], output={**OUTPUT, "restart": "never"})
    folder = lamplighter.run(path, progress=False).folder
    whole, frames = table(folder), steps_of_frames(folder)
    # as if the process had been killed in the second stage, before its first restart file
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "status": "running"}))
    (folder / "restart.stage1.bin").unlink()
    (folder / "restart.stage2.bin").unlink()
    lamplighter.run(path, progress=False, resume=True)
    assert [row[:2] for row in table(folder)] == [row[:2] for row in whole]
    for row, before in zip(table(folder), whole, strict=True):
        assert numbers(row) == pytest.approx(numbers(before), rel=1e-5, abs=1e-2)
    assert steps_of_frames(folder) == frames
    assert json.loads((folder / "status.json").read_text())["status"] == "completed"
    assert (folder / "in.resumed_at_40.lammps").exists()


def test_a_broken_restart_file_is_passed_over(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    nvt = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
    path = write_run_file([nvt, nvt])
    folder = lamplighter.run(path, progress=False).folder
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "status": "running"}))
    newest = folder / "restart.stage1.bin"
    newest.write_bytes(newest.read_bytes()[:-10])
    os.utime(newest)
    assert step_of_restart(newest) is None
    lamplighter.run(path, progress=False, resume=True)
    assert table(folder)[-1][:2] == ["1", "80"]


def test_what_cannot_be_resumed_is_refused(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    nvt = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
    path = write_run_file([nvt])
    lamplighter.run(path, progress=False)
    other = write_run_file([{**nvt, "length": "50 steps"}])
    with pytest.raises(RunFolderError, match=r"stages\[0\].length was '40 steps' and is now '50 steps'"):
        lamplighter.run(other, progress=False, resume=True)


def lennard_jones_table(path: Path, epsilon: float) -> None:
    r = np.linspace(2.5, 7.0, 200)
    energy = 4 * epsilon * ((3.4 / r) ** 12 - (3.4 / r) ** 6)
    force = 24 * epsilon * (2 * (3.4 / r) ** 12 - (3.4 / r) ** 6) / r
    lines = [f"{k} {a:.10g} {b:.10g} {c:.10g}\n" for k, (a, b, c) in enumerate(zip(r, energy, force, strict=True), 1)]
    path.write_text("LJ\nN 200 R 2.5 7.0\n\n" + "".join(lines))


def test_a_model_file_that_has_changed_is_refused(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    """A trajectory of two potentials would be neither's."""
    table_file = tmp_path / "argon.table"
    lennard_jones_table(table_file, 0.0104)
    member = ["pair_style table linear 200", f"pair_coeff * * {table_file} LJ 7.0"]
    nvt = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
    path = write_run_file([nvt], potential={"members": [member, member]}, committee=20)
    folder = lamplighter.run(path, progress=False).folder
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "status": "failed"}))
    lennard_jones_table(table_file, 0.0105)
    with pytest.raises(RunFolderError, match=r"argon\.table has changed since the run in .*put the old file back"):
        lamplighter.run(path, progress=False, resume=True)
    lennard_jones_table(table_file, 0.0104)
    assert lamplighter.run(path, progress=False, resume=True).summary["status"] == "completed"
