"""What ends the runs of a campaign, or the campaign itself, and that it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lamplighter import exit_status
from lamplighter.campaign import local
from lamplighter.campaign.campaign_file import load_campaign
from lamplighter.campaign.state import BROKEN_OFF, RunState, states_of
from lamplighter.cluster.time_left import TimeLeft
from lamplighter.driver.environment import available_cores
from lamplighter.driver.run_lock import living_holder

from .test_campaign import carry_out, command, folder, wait_for, write  # noqa: F401 (a fixture)

ONE = [{"temperature": "90 K", "seed": 1}]
TWO = [*ONE, {"temperature": "95 K", "seed": 1}]


def rows(table: Path) -> list[int]:
    return [int(line.split(",")[1]) for line in table.read_text().splitlines()[1:]] if table.exists() else []


def states(path: Path) -> list[str]:
    return [each.state for each in states_of(load_campaign(path))]


def job_that_ends(when: float) -> dict[str, str]:
    """The environment of a job of one core; without squeue, which would be asked first."""
    of_job = {"ID": "1", "CPUS_PER_NODE": "1", "END_TIME": str(int(when))}
    return {**os.environ, "PATH": str(Path(sys.prefix) / "bin"), **{f"SLURM_JOB_{k}": v for k, v in of_job.items()}}


@pytest.mark.thorough
def test_a_run_that_is_ended_is_started_again_as_often_as_tries_say(folder: Path) -> None:  # noqa: F811
    """Also by SIGTERM, which says nothing of the job where it comes to one run and the job has hours left."""
    path = write(folder, "40000 steps", runs=ONE)
    run, table = folder / "liquid" / "90K_seed1", folder / "liquid" / "90K_seed1" / "thermo.csv"
    job = job_that_ends(time.time() + 36000)
    campaign = subprocess.Popen(command(path, "run", "--tries", "2"), stdout=subprocess.PIPE, text=True, env=job)
    for least, number in ((40, signal.SIGTERM), (80, signal.SIGKILL)):
        wait_for(lambda least=least: len(rows(table)) > least and living_holder(run) is not None)
        holder = living_holder(run)
        assert holder is not None
        os.kill(holder.pid, number)
        wait_for(lambda pid=holder.pid: (now := living_holder(run)) is None or now.pid != pid)
        if number == signal.SIGTERM:
            assert "SIGTERM ended the run at step" in states_of(load_campaign(path))[0].words
    said, _ = campaign.communicate(timeout=60)
    assert campaign.returncode == 1, said
    assert said.count("90K_seed1: started") == 2
    assert "90K_seed1: ended with status 75, and is started again" in said
    assert "90K_seed1: failed (status -9)" in said
    assert states(path) == ["broken off"]
    done = carry_out(path)
    assert done.returncode == 0, done.stdout
    assert rows(table) == list(range(0, 40001, 10))


@pytest.mark.parametrize(("left", "is_up"), [(100.0, True), (36000.0, False), (None, False)])
def test_a_queue_that_answers_no_more_has_said_when_the_job_ends(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    left: float | None,
    is_up: bool,
) -> None:
    """A signal to one run near that end is the end of the job; where that was never known, the run is tried again."""
    answers = iter([None if left is None else TimeLeft(left, "PBS"), None])
    monkeypatch.setattr(local, "time_left", lambda: next(answers))
    campaign = load_campaign(write(folder, "200 steps", runs=ONE))
    said: list[str] = []
    carried_out = local._Round(campaign, local.Plan(1, 1, 1), said.append, [])
    run = campaign.runs[0]
    ended = SimpleNamespace(run=run, process=SimpleNamespace(returncode=exit_status.LATER))
    broken_off = RunState(run, BROKEN_OFF, words="SIGTERM ended the run at step 100")
    monkeypatch.setattr(local, "state_of", lambda _: broken_off)
    carried_out.starts[run.name] = 1
    assert carried_out._is_to_go_on(ended) is not is_up  # type: ignore[arg-type]
    assert ("the time of the job is up" in said[0]) == is_up


@pytest.mark.thorough
def test_a_run_for_which_the_job_had_no_time_left_waits_for_the_next_job(
    folder: Path,  # noqa: F811
) -> None:
    """The first had the whole job, and would have no more of the next one: so it has failed."""
    path = write(folder, "200 steps", runs=TWO)
    done = carry_out(path, env=job_that_ends(time.time() - 5))
    assert done.returncode == 75, done.stdout + done.stderr
    assert "90K_seed1: failed (status 1): 00:00:00 are left by Slurm" in done.stdout
    assert "give it more time" in done.stdout
    assert "95K_seed1: the time of the job is up; it goes on in the next one" in done.stdout
    assert states(path) == ["waiting", "waiting"]
    assert carry_out(path).returncode == 0
    assert states(path) == ["completed", "completed"]


@pytest.mark.mpi
@pytest.mark.skipif(len(available_cores()) < 2, reason="two ranks need two cores")
def test_runs_of_several_ranks_end_in_good_order_and_go_on(folder: Path) -> None:  # noqa: F811
    path = write(folder, "5000 steps", runs=TWO, ranks=2)
    tables = [folder / "liquid" / name / "thermo.csv" for name in ("90K_seed1", "95K_seed1")]
    first = subprocess.Popen(command(path, "run", "--at-once", "1"), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len(rows(tables[0])) > 25)
    first.send_signal(signal.SIGUSR1)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 75, said
    assert "1 at once, 2 ranks each" in said
    assert states(path) == ["broken off", "waiting"]
    log = (folder / "liquid" / "logs" / "90K_seed1.log").read_text()
    assert "SIGTERM ended the run at step" in log
    assert carry_out(path, "--at-once", "1").returncode == 0
    for table in tables:
        assert rows(table) == list(range(0, 5001, 10))
        assert json.loads(table.with_name("provenance.json").read_text())["ranks"] == 2
