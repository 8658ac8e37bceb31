"""The run folder: complete, never overwritten, and enough to repeat the run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import lamplighter
from lamplighter.driver.session import LammpsError
from lamplighter.errors import RunFolderError

NVT = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
FILES = [
    "run.yaml",
    "in.lammps",
    "inputs",
    "bonds.txt",
    "structure.data",
    "provenance.json",
    "log.lammps",
    "thermo.csv",
    "trajectory.lammpstrj.gz",
    "restart.a.bin",
    "restart.a.bin.sha256",
    "restart.b.bin",
    "restart.b.bin.sha256",
    "restart.stage0.bin",
    "restart.stage0.bin.sha256",
    "final.data",
    "summary.json",
    "thermo.png",
    "status.json",
]


def run(path: Path, **options: object) -> Path:
    return lamplighter.run(path, progress=False, **options).folder


def test_it_holds_everything(write_run_file: Callable[..., Path]) -> None:
    folder = run(write_run_file([NVT], seed=7))
    assert {name for name in FILES if not (folder / name).exists()} == set()
    assert sorted(path.name for path in folder.iterdir() if path.name not in FILES) == []
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["seed"] == 7
    assert len(provenance["structure"]["sha256"]) == 64
    assert {"python", "mpi", "lammps", "ase", "numpy"} <= set(provenance["versions"])
    resolved = yaml.safe_load((folder / "run.yaml").read_text())
    assert resolved["stages"][0]["thermostat"] == {"type": "nose-hoover", "damping": "200 fs"}


def test_its_script_repeats_the_run(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    folder = run(write_run_file([NVT, {**NVT, "type": "npt", "pressure": "1 bar"}]))
    before = (folder / "thermo.csv").read_text()
    (folder / "thermo.csv").unlink()
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / "lmp", "-in", "in.lammps"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert (folder / "thermo.csv").read_text() == before


def test_a_folder_with_a_run_is_refused(write_run_file: Callable[..., Path]) -> None:
    path = write_run_file([NVT])
    folder = run(path)
    before = (folder / "thermo.csv").read_bytes()
    with pytest.raises(RunFolderError, match=r"already holds a run .*output\.folder.*--resume"):
        run(path)
    assert (folder / "thermo.csv").read_bytes() == before


def test_a_folder_with_other_files_is_used(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    folder = run(write_run_file([NVT]))
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(write_run_file: Callable[..., Path]) -> None:
    with pytest.raises(RunFolderError, match=r"/dev/null/run cannot be written"):
        run(write_run_file([NVT]), output="/dev/null/run")


def test_a_file_in_the_place_of_the_folder_is_named(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(RunFolderError, match=r"is a file; name another folder"):
        run(write_run_file([NVT]))


def test_a_run_that_lammps_ends_says_so_in_its_folder(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    lines = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]
    bomb = ["variable late equal step>55", "fix bomb all halt 1 v_late > 0.5 error hard"]
    path = write_run_file([NVT, NVT], potential={"lammps": lines + bomb})
    with pytest.raises(LammpsError, match=r"command: include inputs/run_to_restart.lmp"):
        run(path)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["status"] == "failed"
    assert status["failed_stage"] == 1
    assert "halt" in status["error"]
    assert (tmp_path / "run" / "restart.stage0.bin").exists()


def test_a_run_that_failed_before_its_first_step_may_be_started_again(
    write_run_file: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_run_file([NVT], potential={"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * nonsense"]})
    with pytest.raises(LammpsError, match=r"(?s)pair_coeff \* \* nonsense"):
        run(path)
    assert json.loads((tmp_path / "run" / "status.json").read_text())["failed_stage"] is None
    run(write_run_file([NVT]))


def test_the_working_folder_stays(write_run_file: Callable[..., Path]) -> None:
    before = Path.cwd()
    run(write_run_file([NVT]))
    assert Path.cwd() == before
