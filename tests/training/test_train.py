"""Training by the packages' own programs: really done, killed, gone on with, and looked at afterwards."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ase.io
import pytest
import yaml
from tests.tiny_mace import TINY

import lamplighter as ll
from lamplighter.errors import ConfigError, EnvironmentProblem, LamplighterError, ModelError, RunFolderBusy
from lamplighter.launcher import Announced
from lamplighter.model_files.description import Description
from lamplighter.training import mace_trainer
from lamplighter.training.environment import PackagePython
from lamplighter.training.mace_trainer import MaceTrainer
from lamplighter.training.member import SetErrors, _checks_of_curve, require_same
from lamplighter.training.train import _alone, _programs_done, _require_fitting
from lamplighter.training.trainer import Assignment, CurvePoint
from lamplighter.training.training_data import MemberData

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
KNOWN = {"hidden_irreps": "hidden_irreps", "seed": "seed", "lr": "lr", "swa": "swa", "stage_two": "swa"}


@pytest.fixture
def train_file(tmp_path: Path) -> Path:
    """Two epochs of a model of some hundred numbers on the smallest clusters of the example."""
    frames = ase.io.read(EXAMPLE / "data" / "xtb_train.xyz", ":")
    small = sorted(frames[3:], key=len)[:16]
    ase.io.write(tmp_path / "clusters.xyz", [*frames[:3], *small[:12]])
    ase.io.write(tmp_path / "held_out.xyz", small[12:])
    content = {
        "trainer": "mace",
        "data": {
            "train": {"clusters": {"files": "clusters.xyz", "weight": 2}},
            "validation": 0.25,
            "test": {"held_out": "held_out.xyz"},
        },
        "seeds": [7],
        "length": 3,
        "settings": TINY,
    }
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "small.yaml"


def changed(file: Path, name: str, **changes: Any) -> Path:
    content = yaml.safe_load(file.read_text()) | changes
    target = file.with_name(f"{name}.yaml")
    target.write_text(yaml.safe_dump(content))
    return target


def kill_after_the_first_epoch(file: Path, member: Path) -> None:
    """Start the command, and kill it, and it alone, once the trainer has a checkpoint."""
    process = subprocess.Popen([PROGRAM, "train", file], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not list((member / "checkpoints").glob("*_epoch-*.pt")):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_killed_training_goes_on_and_its_model_is_what_was_asked_for(train_file: Path) -> None:
    folder = train_file.parent / "small"
    kill_after_the_first_epoch(train_file, folder / "member_7")
    answer = ll.train(train_file, progress=False)
    (member,) = answer.members
    log = (folder / "member_7" / "training.log").read_text()
    assert "Loading checkpoint" in log
    assert log.count("VERIFYING SETTINGS") == 2
    assert [each.epoch for each in member.curve] == [-1, 0, 1, 2]
    assert (member.frames, member.validation_frames) == (9, 3)
    assert set(member.errors) == {"validation", "held_out"}
    assert member.errors["held_out"].frames == 4
    record = json.loads(member.model.with_suffix(".json").read_text())
    assert record["seed"] == 7
    assert record["versions"]["mace-torch"]
    assert len(record["asked"]["sha256"]) == 1
    assert {"precision", "cutoff / Å", "frames read (training, validation)"} <= {each.what for each in member.checks}
    (order,) = [each.found for each in member.checks if each.what == "modules in another order"]
    assert order.endswith("comparisons agree")
    assert (folder / "member_7" / "small_7_compiled.model").is_file()  # MACE tells nobody where it cannot make it
    # what MACE says of one of its epochs is what the house's own evaluation says of the model
    found = member.errors["validation"].forces
    assert min(abs(each.forces - found) for each in member.curve[1:] if each.forces) < 0.01 * found
    weights = ase.io.read(folder / "member_7" / "train.xyz", ":")
    assert [each.info.get("config_weight") for each in weights] == [None] * 3 + [2] * 9
    assert (folder / "learning_curve.png").stat().st_size
    assert (folder / "learning_curve.csv").stat().st_size
    # done is done: no program is started again
    again = ll.train(changed(train_file, "again", python="/nowhere/python"), folder, progress=False)
    assert again.members[0].record == record
    with pytest.raises(LamplighterError, match=r"settings.lr: was 0.01, is 0.02"):
        ll.train(changed(train_file, "other", settings=TINY | {"lr": 0.02}), folder, progress=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fine_tuning_begins_with_the_start_model_and_replays_where_it_is_asked_to(train_file: Path) -> None:
    base = ll.train(train_file, progress=False).members[0].model
    slow = TINY | {"lr": 1e-4}
    naive = ll.train(changed(train_file, "naive", start=str(base), settings=slow), progress=False).members[0]
    assert any(each.what.startswith("RMSE of forces before") for each in naive.checks)
    start = {"model": str(base), "replay": str(train_file.with_name("clusters.xyz"))}
    replayed = ll.train(changed(train_file, "replay", start=start, settings=slow), progress=False).members[0]
    assert [each.good for each in replayed.checks if each.what == "replay is active"] == [True]


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_a_gap_is_fitted_with_its_seed_and_weights(train_file: Path) -> None:
    pairs = "distance_Nb order=2 cutoff=3.0 n_sparse=5 covariance_type=ard_se delta=1.0 theta_uniform=0.7"
    pairs += " sparse_method=uniform compact_clusters=T add_species=T"
    settings = {"gap": f"{{{pairs}}}", "default_sigma": "{0.002 0.1 0.05 0}", "sparse_jitter": 1e-8}
    two = {"seeds": [7, 8], "at_once": 2}
    file = changed(train_file, "fitted", trainer="gap", length=None, settings=settings, **two)
    in_the_way = train_file.parent / "fitted" / "member_8" / "notes.txt"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("mine")
    with pytest.raises(LamplighterError, match=r"member_8 holds files, and no asked.json"):
        ll.train(file, progress=False)
    in_the_way.unlink()
    member, other = ll.train(file, progress=False).members
    assert (member.seed, other.seed) == (7, 8)
    assert member.errors["held_out"] != other.errors["held_out"]
    assert member.curve == []
    assert set(member.errors) == {"validation", "held_out"}
    assert {each.what: each.found for each in member.checks} | {"energies read": "12", "seed": "7"} == {
        each.what: each.found for each in member.checks
    }
    log = (train_file.parent / "fitted" / "member_7" / "training.log").read_text()
    # a weight of 2 is an expected error smaller by √2
    assert "clusters:0.00141421:0.0707107:0.0353553:0" in log
    assert len(list(member.model.parent.glob("fitted_7.xml.sparseX.*"))) == 6


def asked_of_mace(folder: Path, **more: Any) -> Assignment:
    data = MemberData([], [], {}, ["H"])
    return Assignment(folder, "model", data, 1, None, more.get("replay"), {}, 1, None, "cpu")


def test_a_replay_that_mace_turned_off_is_found_out(tmp_path: Path) -> None:
    """As https://github.com/ACEsuit/mace/issues/1443 has it: a warning, and one head."""
    made = Description(tmp_path / "model.model", "", "MACE", "", "", heads=["Default"], precision="float64")
    log = "WARNING: Using multiheads finetuning with a foundation model that is not a Materials Project model, …"
    checks = MaceTrainer().checks(asked_of_mace(tmp_path, replay=[]), made, log)
    assert [each.good for each in checks if each.what == "replay is active"] == [False]


@pytest.mark.parametrize(("before", "good"), [(0.989729, True), (0.990240, False)])
def test_weights_of_a_start_model_that_were_not_loaded_are_found_out(tmp_path: Path, before: float, good: bool) -> None:
    """Both are measured: a model of two epochs gone on with, and its own new weights."""
    asked = Assignment(tmp_path, "model", MemberData([], [], {}, ["H"]), 1, tmp_path, None, {}, 1, None, "cpu")
    curve = [CurvePoint(-1, forces=before), CurvePoint(0, forces=0.9)]
    checks = _checks_of_curve(asked, curve, 1, False, lambda file, frames: SetErrors(4, 1.0, 0.9897292304, None))
    assert [each.good for each in checks] == [True, good]
    assert len(_checks_of_curve(asked, curve, 1, False, None)) == 1


def test_frames_that_mace_left_out_are_found_out(tmp_path: Path) -> None:
    made = Description(tmp_path / "model.model", "", "MACE", "", "", precision="float64")
    log = "Total number of configurations: train=3, valid=0, tests=[],"
    checks = MaceTrainer().checks(asked_of_mace(tmp_path), made, log)
    (found,) = [each for each in checks if each.what.startswith("frames read")]
    assert not found.good
    assert found.found == "(3, 0)"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hiden_irreps": "8x0e"}, "no such setting .did you mean 'hidden_irreps'"),
        ({"seed": 3}, "settings.seed: is said by seeds of the train file"),
        ({"swa": True, "stage_two": True}, "settings.stage_two: is another name of swa"),
    ],
)
def test_settings_that_the_package_does_not_know_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MaceTrainer().require_settings(settings, {"settings": KNOWN})


def test_settings_by_their_newer_names_are_taken() -> None:
    MaceTrainer().require_settings({"stage_two": True, "lr": 0.01}, {"settings": KNOWN})


def test_mace_says_what_it_takes_without_torch(tmp_path: Path) -> None:
    """Which would be imported at each start of a training, for seconds, and again by MACE itself."""
    code = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__'); print('torch' in sys.modules)"
    words = [sys.executable, "-c", code, Path(mace_trainer.__file__).parent / "inside" / "mace.py", "answer.json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False"], done.stderr
    known = json.loads((tmp_path / "answer.json").read_text())
    assert known["settings"].items() >= KNOWN.items()
    assert set(known["versions"]) == {"mace-torch", "torch", "e3nn"}


def test_a_python_without_the_package_is_told_what_brings_it(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')  # no site-packages: no MACE
    bare.chmod(0o755)
    with pytest.raises(EnvironmentProblem, match=r"lacks its package .*lamplighter\[mace\]"):
        PackagePython(MaceTrainer(), bare, 1)


def test_a_program_that_fails_shows_what_it_said_last(tmp_path: Path) -> None:
    python = object.__new__(PackagePython)
    python.python, python._threads = Path(sys.executable), 1
    words = ["-c", "import sys; sys.exit('OSError: [Errno 28] No space left on device')"]
    with pytest.raises(LamplighterError, match=r"(?s)exit status 1; the disk is full: make room.*No space left"):
        python.run(words, tmp_path, lambda: False)


def test_a_trainer_does_not_outlive_the_command(tmp_path: Path) -> None:
    wait = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    program = (
        "import sys; from pathlib import Path; from lamplighter.training.environment import PackagePython\n"
        "python = object.__new__(PackagePython); python.python, python._threads = Path(sys.executable), 1\n"
        f"python.run(['-c', {wait!r}], Path({str(tmp_path)!r}), lambda: False)"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
        time.sleep(0.02)
    process.kill()
    process.wait()
    number = int((tmp_path / "pid").read_text())
    for _ in range(500):
        try:
            os.kill(number, 0)
            if (Path("/proc") / str(number) / "stat").read_text().split()[2] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.02)
    os.kill(number, signal.SIGKILL)
    pytest.fail("the trainer went on")


class OfScripts:
    """A trainer whose program for each seed is a script; it needs no package."""

    name = "scripts"
    writes_at_its_end = True
    keeps_best = True

    def __init__(self, **scripts: str) -> None:
        self.scripts = {int(seed.removeprefix("seed")): script for seed, script in scripts.items()}

    def write(self, asked: Assignment) -> None:
        pass

    def commands(self, asked: Assignment) -> list[list[str]]:
        return [["-c", self.scripts[asked.seed]]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        return []

    def is_enough(self, asked: Assignment) -> bool:
        return False

    def last_commands(self, asked: Assignment) -> list[list[str]]:
        return []


def trained_at_once(folder: Path, trainer: OfScripts) -> list[int]:
    python = object.__new__(PackagePython)
    python.python, python._threads = Path(sys.executable), 1
    data = MemberData([], [], {}, ["H"])
    left = {seed: Assignment(folder / str(seed), "m", data, seed, None, None, {}, 1, None, "cpu") for seed in (1, 2)}
    return list(_programs_done(trainer, python, left, {1: {}, 2: {}}, 2, lambda seed, point: None))  # type: ignore[arg-type]


def test_members_at_once_run_together(tmp_path: Path) -> None:
    """Each program ends only once the other one has begun."""
    meets = "import pathlib, time; open('begun', 'w'); other = pathlib.Path('..') / {other!r} / 'begun'\n"
    meets += "for _ in range(2000):\n    if other.exists(): raise SystemExit\n    time.sleep(0.02)\n"
    meets += "raise SystemExit('alone')"
    trainer = OfScripts(seed1=meets.format(other="2"), seed2=meets.format(other="1"))
    assert sorted(trained_at_once(tmp_path, trainer)) == [1, 2]


def test_a_member_that_fails_ends_the_others_at_once(tmp_path: Path) -> None:
    waits = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(300)"
    fails = "import pathlib, time\nwhile not (pathlib.Path('..') / '2' / 'pid').exists(): time.sleep(0.02)\n1 / 0"
    with pytest.raises(LamplighterError, match=r"(?s)failed with exit status 1.*ZeroDivisionError"):
        trained_at_once(tmp_path, OfScripts(seed1=fails, seed2=waits))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "2" / "pid").read_text()), 0)
    assert not (tmp_path / "2" / "trained").exists()  # another call goes on with it


def test_several_ranks_that_nobody_leads_are_refused_before_anything_is_trained(
    train_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks = SimpleNamespace(comm=SimpleNamespace(Get_size=lambda: 2))
    monkeypatch.setattr("lamplighter.launcher.announced", lambda: [Announced("mpirun", 2, 0)])
    monkeypatch.setattr("lamplighter.driver.environment.prepare", lambda: ranks)
    with pytest.raises(LamplighterError, match=r"ll\.train is called on 2 ranks: start the script without mpirun"):
        ll.train(train_file, progress=False)
    assert not (train_file.parent / "small").exists()


def test_a_start_model_of_other_elements_is_refused() -> None:
    model = EXAMPLE / "models" / "ec_emc_0.model"
    _require_fitting(model, {1: ["H"]})
    with pytest.raises(ModelError, match="knows H, C, O, and training frames of seed 2 have Li"):
        _require_fitting(model, {1: ["H"], 2: ["H", "Li"]})


def test_a_folder_that_was_begun_with_other_data_says_what_differs(tmp_path: Path) -> None:
    (tmp_path / "asked.json").write_text(json.dumps({"seed": 1, "sha256": {"a.xyz": "12"}}))
    require_same(tmp_path, {"seed": 1, "sha256": {"a.xyz": "12"}})
    with pytest.raises(LamplighterError, match=r"sha256\.a\.xyz: was 12, is 34"):
        require_same(tmp_path, {"seed": 1, "sha256": {"a.xyz": "34"}})


def test_a_file_system_without_locks_is_no_other_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(*given: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", without_locks)
    with _alone(tmp_path):
        pass


def test_two_commands_do_not_train_into_one_folder(tmp_path: Path) -> None:
    with _alone(tmp_path), pytest.raises(RunFolderBusy, match="another process trains into"), _alone(tmp_path):
        pass
