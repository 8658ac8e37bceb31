"""A campaign: its file becomes named runs; they are carried out, killed, gone on with, and asked about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest
import yaml

import lamplighter as ll
from lamplighter.campaign import local
from lamplighter.campaign.campaign_file import load_campaign
from lamplighter.campaign.checks import require_possible
from lamplighter.campaign.dotted_path import set_key
from lamplighter.campaign.state import states_of
from lamplighter.config import Quantity
from lamplighter.errors import ConfigError, EnvironmentProblem, LamplighterError, QueueProblem

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"

BASE: dict[str, Any] = {
    "structure": "argon.xyz",
    "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
    "timestep": "4 fs",
    "velocities": "90 K",
    "stages": [{"type": "npt", "temperature": "90 K", "pressure": "1 bar", "length": "4000 steps"}],
    "output": {"thermo": "10 steps", "trajectory": "never", "restart": "200 steps"},
}
AXES: dict[str, Any] = {
    "temperature": {"keys": ["velocities", "stages.*.temperature"], "values": ["90 K", "95 K"]},
    "seed": [1, 2],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True).repeat(3)
    ase.io.write(tmp_path / "argon.xyz", atoms)
    return tmp_path


def write(folder: Path, length: str = "4000 steps", **keys: Any) -> Path:
    base = {**BASE, "stages": [{**BASE["stages"][0], "length": length}]}
    path = folder / "liquid.yaml"
    path.write_text(yaml.safe_dump({"base": base, "axes": AXES, **keys}, sort_keys=False))
    return path


def command(path: Path, *words: str) -> list[str]:
    return [str(PROGRAM), "campaign", words[0], str(path), *words[1:]]


def carry_out(path: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    asked = command(path, "run", *words)
    return subprocess.run(asked, capture_output=True, text=True, timeout=200, check=False, env=env)


def names(path: Path) -> list[str]:
    return [run.name for run in load_campaign(path).runs]


def test_axes_are_crossed_zipped_excluded_and_listed(folder: Path) -> None:
    assert names(write(folder)) == ["90K_seed1", "90K_seed2", "95K_seed1", "95K_seed2"]
    assert names(write(folder, zip=[["temperature", "seed"]])) == ["90K_seed1", "95K_seed2"]
    excluded = [{"temperature": "90 K", "seed": 2}]
    assert names(write(folder, exclude=excluded)) == ["90K_seed1", "95K_seed1", "95K_seed2"]
    assert names(write(folder, runs=excluded)) == ["90K_seed2"]
    first, *_, last = load_campaign(write(folder)).runs
    assert (first.run_file.seed, last.run_file.seed) == (1, 2)
    assert last.run_file.stages[0].temperature.start == last.run_file.velocities.temperature == Quantity(95.0, "K")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"axes": {"neighbor.skin": [1, 2]}}, "neighbor: unknown key (did you mean 'neighbour'?)"),
        ({"axes": {"a": {"key": "stages[3].length", "values": ["1 ps"]}}}, "axes.a: stages[3].length: stages has 1"),
        ({"axes": {"a": {"key": "stages.nve.length", "values": ["1 ps"]}}}, "has the name or type 'nve'"),
        ({"axes": {"a": {"key": "structure.replicate", "values": [[2, 2, 2]]}}}, "structure is 'argon.xyz'"),
        ({"axes": {"seed": [1, 1]}}, "1 is the name of two values"),
        ({"axes": {"seed": {"keys": ["seed"], "values": []}}}, "axes.seed.values"),
        (
            {"axes": {"seed": {"values": {"a": 1}}}},
            "axes.seed: has no key, so that each of its values must",
        ),
        ({"axes": {"a": {"values": {"b": {"output.folder": "x"}}}}}, "axes.a: output.folder is no axis"),
        ({"axes": {"a": {"key": "output", "values": {"b": {"folder": "x"}}}}}, "axes.a: output.folder is no axis"),
        ({"axis": {}}, "axis: unknown key (did you mean 'axes'?)"),
        ({"exclude": [{"sead": 1}]}, "there is no axis 'sead' (did you mean 'seed'?)"),
        ({"exclude": [{"seed": 7}]}, "axis seed has no value '7'; it has 1, 2"),
        ({"runs": [{"seed": 1, "temperature": "90 K"}] * 2}, "two runs have the name 90K_seed1"),
        ({"runs": [{"seed": 1}]}, "lacks the axis temperature"),
        ({"axes": {**AXES, "seed": [1, 2, 3]}, "zip": [["temperature", "seed"]]}, "temperature has 2, seed has 3"),
        ({"axes": {"seed": {"key": "seed", "values": {"a/b": 1}}}}, "'a/b' cannot be in the name of a run folder"),
        ({"axes": {"seed": {"key": "seed", "values": {"..": 1}}}}, "'..' cannot be in the name of a run folder"),
        (
            {"axes": {"seed": {"key": "seed", "values": {"logs": 1}}}},
            "run logs would have the folder that the campaign",
        ),
        ({"axes": {"seed": {"key": "seed", "values": {"x" * 201: 1}}}}, "has 201 bytes"),
        ({"repeats": ["sead"]}, "repeats: there is no axis 'sead' (did you mean 'seed'?)"),
        ({"exclude": [{"seed": 1}, {"seed": 2}]}, "exclude: nothing is left of the axes"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(folder: Path, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as problem:
        load_campaign(write(folder, **keys))
    assert said in str(problem.value)


def test_a_run_file_is_no_campaign_and_a_campaign_no_run_file(folder: Path) -> None:
    path = write(folder)
    with pytest.raises(ConfigError, match=r"is a campaign file, .*: lamplighter campaign run"):
        ll.run(path)
    (folder / "base.yaml").write_text(yaml.safe_dump(BASE))
    with pytest.raises(ConfigError, match="is the run file of one run"):
        ll.open_campaign(folder / "base.yaml")
    # the folder of the runs may be named before there is one
    with pytest.raises(LamplighterError, match=r"no run can be used yet; liquid: nothing yet of 90K_seed1, "):
        ll.density(folder / "liquid")
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        ll.open_campaign(folder / "nowhere")


def test_names_come_from_the_last_word_of_a_key_and_values_may_be_named_as_they_are(folder: Path) -> None:
    lines = BASE["potential"]["lammps"]
    axes = {
        "velocities.seed": {"key": "seed", "values": [1, 2]},
        "potential": {"key": "potential.lammps", "values": {"lj.v2": lines}},
    }
    path = write(folder, axes=axes, exclude=[{"potential": "lj.v2", "velocities.seed": 2}])
    assert names(path) == ["seed1_lj.v2"]


def test_an_axis_without_a_key_sets_the_keys_that_each_value_names(folder: Path) -> None:
    values = {
        "cold": {"seed": 3, "stages.*.temperature": "80 K"},
        "hot": {"stages.*.temperature": "95 K", "velocities": "100 K"},
    }
    campaign = load_campaign(write(folder, axes={"state": {"values": values}}))
    cold, hot = campaign.runs
    assert (cold.name, cold.run_file.seed, cold.run_file.stages[0].temperature.start) == (
        "cold",
        3,
        Quantity(80.0, "K"),
    )
    assert hot.run_file.velocities.temperature == Quantity(100.0, "K")
    assert campaign.axes_of("temperature") == {"state"}


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no dotted path"):
        set_key({}, "stages..length", 1)


def test_runs_together_have_no_more_ranks_than_there_are_cores(folder: Path) -> None:
    campaign = load_campaign(write(folder, ranks=2))
    plan = local.plan_of(campaign, None, None, cores=9)
    assert (plan.at_once, plan.ranks, plan.threads) == (4, 2, 1)
    with pytest.raises(EnvironmentProblem, match="each run has 16 ranks, and there are 9 cores here"):
        local.plan_of(campaign, None, 16, cores=9)
    with pytest.raises(EnvironmentProblem, match="need 10 cores, and there are 9 cores here: at most 4 fit"):
        local.plan_of(campaign, 5, None, cores=9)


def test_in_a_job_runs_together_have_no_more_ranks_than_the_job_has_cores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = load_campaign(write(folder))
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "1")
    assert local.plan_of(campaign, None, None).at_once == 1
    with pytest.raises(
        EnvironmentProblem, match=r"--at-once 2 runs of 1 rank need 2 cores, and there is 1 core in this"
    ):
        local.plan_of(campaign, 2, None)
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "3")
    with pytest.raises(QueueProblem, match=r"the job has 3 nodes.*lamplighter campaign submit"):
        local.plan_of(campaign, None, None)


def test_what_ends_a_run_before_its_first_step_is_found_before_any_run_starts(folder: Path) -> None:
    """Each run is looked at, whatever its axes set; of runs that differ in their seed, one."""

    def possible(**axis: Any) -> None:
        require_possible(load_campaign(write(folder, axes={"seed": [1, 2], "axis": axis})))

    possible(key="guard.density", values={"wide": [0.5, 5.0], "wider": [0.4, 5.0]})
    with pytest.raises(LamplighterError, match="run seed1_narrow: "):
        possible(key="guard.density", values={"wide": [0.5, 5.0], "narrow": [4.0, 5.0]})


def test_without_slurm_the_message_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamplighter.campaign.slurm_jobs import require_slurm

    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentProblem, match=r"sbatch is not found.*lamplighter campaign run"):
        require_slurm()


def test_a_campaign_whose_controller_is_killed_goes_on_and_starts_nothing_twice(folder: Path) -> None:
    path = write(folder, "60000 steps")
    first = subprocess.Popen(command(path, "run", "--at-once", "1"), stdout=subprocess.DEVNULL)
    table = folder / "liquid" / "90K_seed1" / "thermo.csv"
    wait_for(lambda: table.exists() and table.read_text().count("\n") > 5)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert [each.state for each in states_of(load_campaign(path))] == ["running", *["waiting"] * 3]
    write(folder, "60000 steps", exclude=[{"seed": 2}])
    done = carry_out(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "90K_seed1: goes on already, and is waited for" in done.stdout
    steps = [int(line.split(",")[1]) for line in table.read_text().splitlines()[1:]]
    assert steps == list(range(0, 60001, 10))
    assert (folder / "liquid" / "logs" / "90K_seed1.log").read_text().count("==== started") == 1
    # results: a part is there, the rest is named
    write(folder, "60000 steps")
    answer = ll.density(path)
    assert list(answer.groups) == ["temperature=90K", "temperature=95K"]
    assert 1.0 < answer.groups["temperature=90K"].mean.value < 1.6
    assert any("nothing yet of 90K_seed2, 95K_seed2" in note for note in answer.notes)
    # a changed value is stale, what was taken out is named, and neither is used
    write(folder, "5000 steps", exclude=[{"temperature": "95 K"}])
    said = subprocess.run(command(path, "status"), capture_output=True, text=True, check=True).stdout
    assert "stale" in said
    assert "stages[0].length was '60000 steps' and is now '5000 steps'" in said
    assert "not in the campaign file (any more), and not used: 95K_seed1" in said
    with pytest.raises(LamplighterError, match=r"no run can be used yet.*left out, as the campaign file"):
        ll.density(folder / "liquid")


def test_a_run_that_fails_is_named_and_the_others_go_on(folder: Path) -> None:
    axes = {"epsilon": {"key": "potential.lammps", "values": {}}, "seed": [1]}
    good, wrong = BASE["potential"]["lammps"], ["pair_style lj/cut 7.0", "pair_coeff * * nonsense"]
    axes["epsilon"]["values"] = {"wrong": wrong, "good": good}
    path = write(folder, "200 steps", axes=axes)
    done = carry_out(path, "--at-once", "1")
    assert done.returncode == 1
    assert "wrong_seed1: failed (status 1)" in done.stdout
    said = subprocess.run(command(path, "status", "--json"), capture_output=True, text=True, check=True).stdout
    wrong_one, good_one = json.loads(said)["runs"]
    assert (wrong_one["state"], good_one["state"]) == ("failed", "completed")
    assert "Incorrect args for pair coefficients" in wrong_one["words"]
    assert carry_out(path).stdout.count("started") == 0


def test_sigterm_ends_the_runs_in_good_order_and_a_second_campaign_is_refused(folder: Path) -> None:
    path = write(folder, "200000 steps", exclude=[{"seed": 2}])
    first = subprocess.Popen(command(path, "run", "--at-once", "1"), stdout=subprocess.DEVNULL)
    table = folder / "liquid" / "90K_seed1" / "thermo.csv"
    wait_for(lambda: table.exists() and table.read_text().count("\n") > 30)
    second = carry_out(path)
    assert second.returncode == 75
    assert "the campaign is being carried out already" in second.stderr
    first.terminate()
    assert first.wait(60) == 75
    state = states_of(load_campaign(path))[0]
    assert (state.state, state.step > 0) == ("broken off", True)


def wait_for(condition: Any, timeout: float = 150.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
