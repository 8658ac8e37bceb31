"""Jobs on a real Slurm: what `lamplighter submit` hands in, what ends them, and that they go on."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ase.build
import ase.io
import pytest
import yaml
from tests.conftest import Run

from .one_node_slurm import OneNodeSlurm

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"


def write_run(folder: Path, steps: int = 40_000) -> Path:
    """Argon at constant energy: on the same ranks the same trajectory, however often it is broken off."""
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3)
    atoms.rattle(0.05, seed=1)
    ase.io.write(folder / "argon.xyz", atoms)
    content = {
        "structure": "argon.xyz",
        "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
        "timestep": "2 fs",
        "velocities": "80 K",
        "stages": [{"type": "nve", "length": f"{steps} steps"}],
        "output": {"thermo": "100 steps", "trajectory": "1000 steps", "restart": "1000 steps"},
    }
    path = folder / "argon.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def wait_for_lines(table: Path, lines: int, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not (table.exists() and table.read_text().count("\n") >= lines):
        assert time.monotonic() < deadline, f"{table} has no {lines} lines"
        time.sleep(0.05)


def steps_of(table: Path) -> list[int]:
    return [int(line.split(",")[1]) for line in table.read_text().splitlines()[1:]]


@pytest.mark.slow
def test_a_run_that_is_preempted_twice_has_the_tables_of_one_that_is_not(
    slurm: OneNodeSlurm, tmp_path: Path, run: Run
) -> None:
    path = write_run(tmp_path, 20_000)
    env = slurm.environment
    words = ["--time", "30min", "--ranks-per-node", "2", "--submit"]
    done = run([PROGRAM, "submit", path.name, *words], env=env)
    assert done.returncode == 0, done.stderr
    job = done.stdout.split("job ")[-1].split()[0]
    table, log = tmp_path / "argon" / "thermo.csv", tmp_path / "argon.log"
    for time_of in (1, 2):
        slurm.wait_for(job, "RUNNING")
        before = len(steps_of(table)) if table.exists() else 1
        wait_for_lines(table, before + 5)
        other = slurm.asked("sbatch", "--parsable", "-p", "high", "-n2", "-o", "/dev/null", "--wrap", "sleep 1")
        slurm.wait_for(other, "COMPLETED")
        slurm.wait_no_longer(job)
        assert slurm.told(job, "Restarts") == str(time_of)
    assert slurm.wait_for(job, "COMPLETED", "FAILED", timeout=250) == "COMPLETED", log.read_text()
    text = log.read_text()
    assert text.count("SIGTERM ended the run at step") == 2, text
    assert text.count("exit status 75") == 2
    assert "wall time: 00:2" in text
    assert "by Slurm (squeue, job" in text

    whole = run([PROGRAM.with_name("mpirun"), "-n", "2", PROGRAM, "run", "-q", path, "-o", "whole"])
    assert whole.returncode == 0, whole.stderr
    other_table = tmp_path / "whole" / "thermo.csv"
    assert steps_of(table) == steps_of(other_table)
    assert json.loads((tmp_path / "argon" / "status.json").read_text())["status"] == "completed"


@pytest.mark.thorough
def test_what_cannot_run_is_refused_here_or_by_the_queue_in_its_own_words(
    slurm: OneNodeSlurm, tmp_path: Path, run: Run
) -> None:
    write_run(tmp_path)

    def submit(*words: str) -> str:
        done = run([PROGRAM, "submit", "argon.yaml", *words], env=slurm.environment)
        assert done.returncode == 1, done.stdout
        return done.stderr

    too_many = str(slurm.cores + 1)
    assert f"which has {slurm.cores} cores" in submit("--time", "1h", "--ranks-per-node", too_many)
    assert "partition short ends jobs after 00:01:00" in submit("--time", "2min", "-p", "short")
    assert "2 nodes are asked for, and partition low has 1" in submit("--time", "1h", "-N", "2")
    assert not (tmp_path / "argon.job.sh").exists()
    rejected = submit("--time", "1h", "-p", "nowhere", "--submit")
    assert "Slurm rejects argon.job.sh" in rejected
    assert "Invalid partition name specified" in rejected
    assert "--overwrite replaces it" in submit("--time", "2h")


@pytest.mark.thorough
def test_more_ranks_than_the_job_has_cores_end_at_once(slurm: OneNodeSlurm, tmp_path: Path) -> None:
    write_run(tmp_path)
    start = f"{PROGRAM.with_name('mpirun')} -n 2 {PROGRAM} run argon.yaml"
    job = slurm.asked(
        "sbatch", "--parsable", "-n1", "--hint=nomultithread", "-o", "out.log", "--wrap", start, cwd=tmp_path
    )
    assert slurm.wait_for(job, "COMPLETED", "FAILED", timeout=120) == "FAILED"
    said = (tmp_path / "out.log").read_text()
    assert "2 ranks run on this node, and the job has 1 core there" in said
    assert not (tmp_path / "argon").exists()


@pytest.mark.thorough
def test_a_job_that_is_cancelled_stays_cancelled(slurm: OneNodeSlurm, tmp_path: Path, run: Run) -> None:
    """It ends in good order, with the status that has any other job go on later."""
    write_run(tmp_path, 4_000_000)
    done = run([PROGRAM, "submit", "argon.yaml", "--time", "30min", "--submit"], env=slurm.environment)
    job = done.stdout.split("job ")[-1].split()[0]
    slurm.wait_for(job, "RUNNING")
    wait_for_lines(tmp_path / "argon" / "thermo.csv", 3)
    slurm.asked("scancel", job)
    assert slurm.wait_for(job, "CANCELLED", "PENDING", "COMPLETED", "FAILED") == "CANCELLED"
    text = (tmp_path / "argon.log").read_text()
    assert "SIGTERM ended the run at step" in text
    assert "exit status 75\nthe job was cancelled, and is not put back\n" in text
