"""Campaigns on a real Slurm of one node: a job a run, and one job for all, which is preempted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cluster.conftest import slurm  # noqa: F401 (a fixture)
from tests.cluster.one_node_slurm import OneNodeSlurm
from tests.conftest import Run

from .test_campaign import PROGRAM, folder, wait_for, write  # noqa: F401 (a fixture)
from .test_ends_of_runs import rows, states


@pytest.mark.slow
def test_each_run_becomes_a_job_and_none_becomes_two(
    slurm: OneNodeSlurm,  # noqa: F811
    folder: Path,  # noqa: F811
    run: Run,
) -> None:
    path = write(folder, "20000 steps")
    submit = [PROGRAM, "campaign", "submit", path.name, "--time", "30min"]
    rejected = run([*submit, "-p", "nowhere"], env=slurm.environment)
    assert rejected.returncode == 1
    assert "Invalid partition name specified" in rejected.stderr
    assert states(path) == ["waiting"] * 4
    first, second = (run(submit, env=slurm.environment) for _ in range(2))
    assert "4 jobs handed in" in first.stdout, first.stdout + first.stderr
    assert second.stdout.count("is in the queue") == 4
    assert "0 jobs handed in" in second.stdout
    refused = run([*submit, "--one-job", "--at-once", "2"], env=slurm.environment)
    assert "4 runs have jobs of their own in the queue" in refused.stderr
    for job in re.findall(r": job (\d+)", first.stdout):
        assert slurm.wait_for(job, "COMPLETED", "FAILED", timeout=250) == "COMPLETED"
    assert states(path) == ["completed"] * 4
    assert "0 jobs handed in" in run(submit, env=slurm.environment).stdout


@pytest.mark.slow
def test_one_job_for_all_runs_is_preempted_and_completes(
    slurm: OneNodeSlurm,  # noqa: F811
    folder: Path,  # noqa: F811
    run: Run,
) -> None:
    path = write(folder, "30000 steps")
    words = ["--time", "1min", "--one-job", "--at-once", str(slurm.cores)]
    done = run([PROGRAM, "campaign", "submit", path.name, *words], env=slurm.environment)
    assert "1 job handed in" in done.stdout, done.stdout + done.stderr
    (job,) = re.findall(r": job (\d+)", done.stdout)
    again = run([PROGRAM, "campaign", "submit", path.name, "--time", "1h"], env=slurm.environment)
    assert "all runs: are in the queue as one job" in again.stdout
    log, table = folder / "liquid" / "campaign.log", folder / "liquid" / "90K_seed1" / "thermo.csv"
    wait_for(lambda: len(rows(table)) > 100)
    other = slurm.asked("sbatch", "--parsable", "-p", "high", "-n2", "-o", "/dev/null", "--wrap", "sleep 1")
    slurm.wait_for(other, "COMPLETED", timeout=100)
    assert "ends the runs that go on" in log.read_text()
    assert log.read_text().count("exit status 75") == 1
    for _ in range(20):  # as often as the minute is up
        slurm.wait_no_longer(job)
        slurm.wait_for(job, "RUNNING", timeout=100)
        if slurm.wait_for(job, "PENDING", "COMPLETED", "FAILED", timeout=150) != "PENDING":
            break
    assert slurm.state(job) == "COMPLETED", log.read_text()
    assert states(path) == ["completed"] * 4
    assert log.read_text().count("exit status 75") >= 1
    for name in ("90K_seed1", "90K_seed2", "95K_seed1", "95K_seed2"):
        assert rows(table.parents[1] / name / "thermo.csv") == list(range(0, 30001, 10))
