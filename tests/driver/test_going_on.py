"""`--resume` starts or goes on: it loses nothing that was written, whatever was killed, copied, touched or damaged."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import lamplighter
from lamplighter.config.loading import load_run_file
from lamplighter.driver import gaps
from lamplighter.driver.mend_trajectory import step_of, whole_frames
from lamplighter.driver.restart_file import step_of_restart
from lamplighter.driver.resume import how_to_go_on
from lamplighter.errors import RunFolderError

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
NVT: dict[str, Any] = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
FRAMES = list(range(0, 81, 20))
WriteRunFile = Callable[..., Path]


def steps(folder: Path) -> list[int]:
    return [int(line.split(",")[1]) for line in (folder / "thermo.csv").read_text().splitlines()[1:]]


def frames(folder: Path) -> list[int]:
    return [step_of(frame) for frame in whole_frames(folder / "trajectory.lammpstrj.gz")]


def status(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "status.json").read_text()))


def interrupted_copy(folder: Path, name: str) -> Path:
    """A copy of a run folder as a kill just before the end would have left it."""
    copy = folder.parent / name
    shutil.copytree(folder, copy)
    (copy / "status.json").write_text(json.dumps({**status(copy), "status": "running"}))
    return copy


def resumed_at(folder: Path) -> int:
    (script,) = folder.glob("in.resumed_at_*.lammps")
    return int(script.name.split("_")[-1].removesuffix(".lammps"))


def chosen(folder: Path) -> tuple[str, str]:
    """The restart file that the run would go on from, and what is said of others."""
    found = how_to_go_on(folder, load_run_file(folder / "run.yaml"))
    return found.restart.file if found.restart else "", "\n".join(found.notes)


def go_on(folder: Path) -> None:
    lamplighter.run(folder / "run.yaml", resume=True, progress=False)
    assert status(folder)["status"] == "completed"
    assert frames(folder) == FRAMES
    assert sorted(set(steps(folder))) == list(range(0, 81, 10))


def test_the_iterations_of_a_long_minimisation_are_no_steps_that_are_missing(write_run_file: WriteRunFile) -> None:
    minimise = {"type": "minimise", "force_tolerance": "1e-10 eV/A", "max_steps": 500}
    folder = lamplighter.run(write_run_file([minimise, NVT]), progress=False).folder
    iterations = [int(line.split(",")[1]) for line in (folder / "thermo.csv").read_text().splitlines()[1:3]]
    assert iterations[1] > 10  # more than the interval of the table
    assert gaps.first_gaps(folder, load_run_file(folder / "run.yaml")) == {}
    copy = interrupted_copy(folder, "copy")
    assert chosen(copy) == ("restart.stage1.bin", "")


def test_a_run_of_a_version_without_some_keys_goes_on(write_run_file: WriteRunFile) -> None:
    folder = lamplighter.run(write_run_file([NVT]), progress=False).folder
    old = interrupted_copy(folder, "old")
    content = yaml.safe_load((old / "run.yaml").read_text())
    del content["structure"]["constraints"], content["bonds"]
    (old / "run.yaml").write_text(yaml.safe_dump(content))
    assert chosen(old) == ("restart.stage0.bin", "")
    run = load_run_file(folder / "run.yaml")
    other = run.model_copy(update={"structure": run.structure.model_copy(update={"constraints": "ignore"})})
    with pytest.raises(RunFolderError, match="constraints was 'keep' and is now 'ignore'"):
        how_to_go_on(old, other)


@pytest.mark.thorough
def test_the_furthest_whole_restart_file_counts_and_nothing_is_lost(
    write_run_file: WriteRunFile, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lamplighter.run(write_run_file([NVT, NVT]), progress=False).folder
    before = (folder / "thermo.csv").read_text()

    touched = interrupted_copy(folder, "touched")  # as `cp -r` does, in any order
    os.utime(touched / "restart.stage0.bin", (time.time() + 3600,) * 2)
    assert chosen(touched) == ("restart.stage1.bin", "")

    foreign = (touched / "restart.b.bin").read_bytes()  # of step 80 and 108 atoms
    (touched / "restart.stage1.bin").write_bytes(foreign.replace((108).to_bytes(8, "little"), bytes([216, *[0] * 7])))
    (touched / "restart.stage0.bin").write_bytes(foreign)
    file, said = chosen(touched)
    assert file == "restart.b.bin"
    assert "restart.stage1.bin holds 216 atoms, and this run has 108" in said
    assert "restart.stage0.bin is of step 80, which is not in its stage" in said

    # A disk that was full for a while leaves lines and frames out; a restart file behind them must not hide that.
    lines = before.splitlines(keepends=True)
    (touched / "thermo.csv").write_text("".join(line for line in lines if not line.startswith("1,70,")))
    file, said = chosen(touched)
    assert file == "restart.a.bin"  # of step 60
    assert "restart.b.bin (step 80) is passed over, because thermo.csv lacks step 70" in said
    (touched / "thermo.csv").write_text(before)
    path = touched / "trajectory.lammpstrj.gz"
    path.write_bytes(gzip.compress(b"".join(frame for frame in whole_frames(path) if step_of(frame) != 80)))
    assert chosen(touched)[0] == "restart.a.bin"

    damaged = interrupted_copy(folder, "damaged")  # the end is there, a block in the middle never reached the disk
    (damaged / "restart.stage1.bin").unlink()
    content = bytearray((damaged / "restart.b.bin").read_bytes())
    content[5000:7000] = bytes(2000)
    (damaged / "restart.b.bin").write_bytes(content)
    (damaged / "restart.a.bin").write_bytes((damaged / "restart.a.bin").read_bytes()[:-1])
    assert step_of_restart(damaged / "restart.b.bin") == 80
    assert "restart.b.bin (step 80) is not what its checksum says" in chosen(damaged)[1]
    for file in damaged.glob("*.sha256"):  # of an earlier version: LAMMPS alone can tell
        file.unlink()
    capsys.readouterr()
    go_on(damaged)
    assert resumed_at(damaged) == 40
    said = capsys.readouterr().err
    assert "LAMMPS cannot read restart.b.bin (step 80)" in said
    assert "restart.a.bin is not whole" in said
    assert f"kept in {damaged / 'kept_1'}" in said  # more than a restart file should lie behind
    assert frames(damaged / "kept_1") == FRAMES
    assert (damaged / "kept_1" / "thermo.csv").read_text() == before


@pytest.mark.thorough
def test_a_run_folder_can_be_moved_and_copied(
    write_run_file: WriteRunFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_run_file([NVT, NVT])
    folder = lamplighter.run(path, progress=False).folder
    for name in ("run.yaml", "in.lammps", "status.json"):
        assert str(folder) not in (folder / name).read_text()
    original = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
    copy = interrupted_copy(folder, "copy")
    for name in ("restart.stage1.bin", "restart.a.bin", "restart.b.bin"):
        (copy / name).unlink()
    go_on(copy)  # by its own run.yaml
    assert resumed_at(copy) == 40

    assert original == {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}

    # of an earlier version: run.yaml names the original
    held = yaml.safe_load((copy / "run.yaml").read_text())
    held["output"]["folder"] = str(folder)
    (copy / "run.yaml").write_text(yaml.safe_dump(held))
    assert lamplighter.run(copy / "run.yaml", resume=True, progress=False).folder == copy

    # with all that belongs to it, to another place
    moved = tmp_path / "elsewhere" / "Å b"
    moved.mkdir(parents=True)
    interrupted_copy(folder, "again").rename(moved / "run")
    (tmp_path / "argon.xyz").rename(moved / "argon.xyz")
    content = yaml.safe_load(path.read_text())
    content["structure"]["file"] = "argon.xyz"
    (moved / "run.yaml").write_text(yaml.safe_dump(content))
    assert how_to_go_on(moved / "run", load_run_file(moved / "run.yaml")).restart is not None
    (moved / "argon.xyz").write_text((moved / "argon.xyz").read_text().replace("Ar ", "Kr "))
    with pytest.raises(RunFolderError, match=r"structure\.file was .*argon\.xyz"):
        lamplighter.run(moved / "run.yaml", resume=True, progress=False)


@pytest.mark.thorough
def test_resume_starts_what_was_killed_before_its_first_restart_file(
    write_run_file: WriteRunFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command that a job script can repeat until it is done."""
    minimise, guard = {"type": "minimise", "max_steps": 3}, {"density": [0.1, 3.0]}
    output = {"thermo": "10 steps", "trajectory": "10 steps", "restart": "50 steps"}
    path = write_run_file([minimise, {**NVT, "length": "200000 steps"}], output=output, guard=guard)
    folder = tmp_path / "run"
    process = subprocess.Popen([PROGRAM, "run", "-q", path, "--resume"])
    deadline = time.monotonic() + 60
    while not (folder / "thermo.csv").exists() or "\n1,200," not in (folder / "thermo.csv").read_text():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    for name in ("stage0", "a", "b"):
        (folder / f"restart.{name}.bin").unlink(missing_ok=True)
    held = yaml.safe_load((folder / "run.yaml").read_text())
    held["stages"][1]["length"] = "40 steps"  # so that it comes to its end
    (folder / "run.yaml").write_text(yaml.safe_dump(held))
    path = write_run_file([minimise, NVT], output=output, guard=guard)
    beyond = (folder / "thermo.csv").read_text()

    # killed within 50 steps, or in the minimisation, or before the first status.json
    (folder / "thermo.csv").write_text(beyond[: beyond.index("\n1,30,") + 60])
    (folder / "status.json").unlink()
    (folder / "events.jsonl").write_text('{"step": 20, "criterion": "force"}\n')
    lamplighter.run(path, resume=True, progress=False)
    assert not list(folder.glob("kept_*"))
    assert frames(folder) == [0, 10, 20, 30, 40]
    lines = (folder / "thermo.csv").read_text().splitlines()
    assert len(lines) == len({tuple(line.split(",")[:2]) for line in lines})
    assert steps(folder)[-5:] == [0, 10, 20, 30, 40]
    assert (folder / "events.jsonl").read_text() == ""
    assert (folder / "log.lammps").read_text().count("LAMMPS (") == 1

    capsys.readouterr()
    assert lamplighter.run(path, resume=True).summary["status"] == "completed"
    assert f"The run in {folder} is completed: there is nothing left to do." in capsys.readouterr().out

    # where all restart files are lost, what goes further than one should lie behind is kept
    (folder / "thermo.csv").write_text(beyond)
    (folder / "status.json").write_text(json.dumps({**status(folder), "status": "running"}))
    for file in folder.glob("restart.*.bin"):
        file.write_bytes(file.read_bytes()[:-1])
    lamplighter.run(path, resume=True, progress=False)
    assert steps(folder)[-5:] == [0, 10, 20, 30, 40]
    assert (folder / "kept_1" / "thermo.csv").read_text() == beyond
    assert "no restart file can be used, so the run begins anew" in capsys.readouterr().err


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a folder with notes"])
def test_resume_starts_where_there_is_no_run(write_run_file: WriteRunFile, tmp_path: Path, there: str) -> None:
    if there != "nothing":
        (tmp_path / "run").mkdir()
    if there == "a folder with notes":
        (tmp_path / "run" / "notes.txt").write_text("mine")
    folder = lamplighter.run(write_run_file([NVT]), resume=True, progress=False).folder
    assert status(folder)["status"] == "completed"
