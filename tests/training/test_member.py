"""A member: its folder, its record, and the test sets that it is held against."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ase.build import molecule
from ase.io import write

from lamplighter.errors import LamplighterError
from lamplighter.training import member as member_room
from lamplighter.training import train as train_room
from lamplighter.training.environment import LOG
from lamplighter.training.mace_trainer import MaceTrainer
from lamplighter.training.member import SetErrors
from lamplighter.training.train import train
from lamplighter.training.train_file import TrainFile, load_train_file
from lamplighter.training.trainer import Assignment, Check, CurvePoint

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"


class Quick(MaceTrainer):
    """It trains by copying a model, and counts how often."""

    runs = 0

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """All are taken."""

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        return [["copy"]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        return [CurvePoint(0, 1.0, 1.0, 1.0, 1.0)]

    def epochs(self, folder: Path) -> int:
        return 1

    def model(self, asked: Assignment) -> Path:
        return asked.folder / f"{asked.name}.model"

    def checks(self, asked: Assignment, made: Any, log: str) -> list[Check]:
        return []


class Evaluated:
    """Errors that are made up; which sets were evaluated is kept."""

    def __init__(self) -> None:
        self.sets: list[str] = []
        self.fails = False

    def __call__(self, model: Path, frames: Path) -> SetErrors:
        if self.fails:
            raise LamplighterError("out of memory")
        self.sets.append(frames.name)
        return SetErrors(1, float(len(self.sets)), 1.0, None)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders in which the quick trainer ran."""
    folders: list[Path] = []

    class Python:
        python, versions, known = Path("python"), {"quick": "1"}, {"settings": {}}

        def __init__(self, *given: Any) -> None:
            pass

        def run(self, words: Sequence[str], folder: Path, look: Any, go_on: Any = None) -> bool:
            name = json.loads((folder / "asked.json").read_text())["name"]
            (folder / f"{name}.model").write_bytes((EXAMPLE / "models" / "ec_emc_0.model").read_bytes())
            (folder / LOG).write_text("")
            if go_on is not None:
                go_on()
            (folder / "killed_now").write_text("wall_s" * (folder / "wall_s").is_file())
            folders.append(folder)
            return False

    monkeypatch.setattr(train_room, "PackagePython", Python)
    monkeypatch.setitem(train_room.TRAINERS, "mace", Quick())
    return folders


def frames(path: Path, energy: float) -> None:
    made = []
    for number in range(4):
        atoms = molecule("H2O")
        atoms.info["REF_energy"] = energy + number
        atoms.arrays["REF_forces"] = atoms.positions * 0.0
        made.append(atoms)
    write(path, made, format="extxyz")


@pytest.fixture
def given(tmp_path: Path) -> TrainFile:
    frames(tmp_path / "train.xyz", -10.0)
    frames(tmp_path / "held_out.xyz", -10.0)
    content = {"trainer": "mace", "data": {"train": "train.xyz", "validation": 0.25, "test": "held_out.xyz"}}
    return load_train_file(content | {"length": 1, "output": "made"}, tmp_path)


def with_test(given: TrainFile, **sets: Path) -> TrainFile:
    return given.model_copy(update={"data": given.data.model_copy(update={"test": sets})})


def test_what_fails_after_a_training_does_not_train_again(given: TrainFile, runs: list[Path]) -> None:
    evaluated = Evaluated()
    evaluated.fails = True
    with pytest.raises(LamplighterError, match="out of memory"):
        train(given, evaluated, shown=False)
    evaluated.fails = False
    train(given, evaluated, shown=False)
    assert len(runs) == 1


@pytest.mark.parametrize("leading", [2, 0])
@pytest.mark.parametrize(("keeps_best", "theirs"), [(True, "the best epoch is theirs"), (False, "the RMSE is theirs")])
def test_it_is_said_where_few_frames_decide_which_epoch_is_the_best(
    given: TrainFile, runs: list[Path], monkeypatch: pytest.MonkeyPatch, keeps_best: bool, theirs: str, leading: int
) -> None:
    """DeePMD writes its last model, and GAP has no epochs: what is theirs is the error that is told."""
    monkeypatch.setattr(MaceTrainer, "keeps_best", keeps_best)

    def evaluate(model: Path, frames: Path) -> SetErrors:
        return SetErrors(90, 1.0, 1.0, None, leading=leading)

    for _ in range(2):  # trained, and read from the record
        notes = train(given, evaluate, shown=False).notes
        said = [each for each in notes if "of 90 validation frames hold half of the squared errors of forces" in each]
        assert [each.startswith("seed 1: 2 of 90") and theirs in each for each in said] == [True] * bool(leading)


@pytest.mark.parametrize(("seconds_lost", "there"), [(0.0, "wall_s"), (1e6, "")])
def test_wall_time_is_kept_while_a_program_runs(
    given: TrainFile, runs: list[Path], monkeypatch: pytest.MonkeyPatch, seconds_lost: float, there: str
) -> None:
    """A signal that ends the command leaves no time for it."""
    monkeypatch.setattr(member_room, "_SECONDS_LOST", seconds_lost)
    train(given, Evaluated(), shown=False)
    assert (runs[0] / "killed_now").read_text() == there


def test_test_sets_that_are_new_or_changed_are_evaluated_and_no_others(
    given: TrainFile, runs: list[Path], tmp_path: Path
) -> None:
    evaluated = Evaluated()
    first = train(given, evaluated, shown=False).members[0]
    assert evaluated.sets == ["validation.xyz", "held_out.xyz"]
    train(given, evaluated, shown=False)
    assert len(evaluated.sets) == 2
    frames(tmp_path / "more.xyz", -10.0)
    sets = {"test": tmp_path / "held_out.xyz", "more": tmp_path / "more.xyz"}
    second = train(with_test(given, **sets), evaluated, shown=False).members[0]
    assert evaluated.sets[2:] == ["more.xyz"]
    assert second.errors["test"] == first.errors["test"]
    frames(tmp_path / "held_out.xyz", -11.0)
    third = train(with_test(given, **sets), evaluated, shown=False).members[0]
    assert evaluated.sets[3:] == ["held_out.xyz"]
    assert third.errors["test"] != first.errors["test"]
    assert list(train(with_test(given), evaluated, shown=False).members[0].errors) == ["validation"]
    assert len(runs) == 1


def test_a_record_is_taken_for_what_it_was_asked_for_alone(given: TrainFile, runs: list[Path]) -> None:
    train(given, Evaluated(), shown=False)
    (runs[0]).rename(runs[0].with_name("put_away"))
    train(given, Evaluated(), shown=False)
    with pytest.raises(LamplighterError, match=r"(?s)made_1.json was begun with .*length: was 1, is 2"):
        train(given.model_copy(update={"length": 2}), Evaluated(), shown=False)
    assert len(runs) == 1


def test_an_output_may_be_renamed(given: TrainFile, runs: list[Path]) -> None:
    assert given.output is not None
    first = train(given, Evaluated(), shown=False).members[0]
    renamed = given.model_copy(update={"output": given.output.rename(given.output.with_name("renamed"))})
    again = train(renamed, Evaluated(), shown=False).members[0]
    assert again.model.name == first.model.name == "made_1.model"
    assert len(runs) == 1


def test_a_folder_that_is_no_member_is_left_alone(given: TrainFile, runs: list[Path]) -> None:
    assert given.output is not None
    own = given.output / "member_1" / "notes.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(LamplighterError, match=r"member_1 holds files, and no asked\.json"):
        train(given, Evaluated(), shown=False)
    assert own.read_text() == "mine"
    assert not runs


def test_a_full_disk_is_said_and_what_could_not_be_noted_after_it_is_not(
    given: TrainFile, runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fails(*words: Any) -> bool:
        raise LamplighterError("the disk is full: make room")

    monkeypatch.setattr(member_room, "_keep_seconds", full)
    monkeypatch.setattr(train_room.PackagePython, "run", fails)
    with pytest.raises(LamplighterError, match="the disk is full: make room"):
        train(given, Evaluated(), shown=False)
