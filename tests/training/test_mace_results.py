"""What MACE's files say of a training: how far it is, whether it is enough, and how its model is written."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms

from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.model_files.description import Description
from lamplighter.structures.labels import Labels
from lamplighter.training.environment import PackagePython
from lamplighter.training.mace_trainer import MaceTrainer
from lamplighter.training.member import _carry_out, _checks_of_curve
from lamplighter.training.trainer import Assignment
from lamplighter.training.training_data import MemberData, TrainingFrame

MACE = MaceTrainer()


def assignment(folder: Path, settings: dict[str, Any] | None = None, **more: Any) -> Assignment:
    data = MemberData([], [], {}, ["H"])
    asked = Assignment(folder, "model", data, 7, None, None, settings or {}, 40, None, "cpu")
    return dataclasses.replace(asked, **more)


def start(loss: float, *heads: str) -> list[dict[str, Any]]:
    """What MACE validates before an epoch, at each start."""
    return [{"mode": "eval", "epoch": None, "loss": loss + i, "head": head} for i, head in enumerate(heads or ["one"])]


def epoch(number: int, loss: float | None, head: str = "one", batch: float = 1.0) -> list[dict[str, Any]]:
    """An epoch of two batches, validated where `loss` is given."""
    lines: list[dict[str, Any]] = [{"mode": "opt", "epoch": number, "loss": each} for each in (batch, batch)]
    return lines + ([] if loss is None else [{"mode": "eval", "epoch": number, "loss": loss, "head": head}])


def write_results(folder: Path, *parts: Sequence[dict[str, Any]]) -> None:
    (folder / "results").mkdir(exist_ok=True)
    lines = [json.dumps(line) for part in parts for line in part]
    (folder / "results" / "model_run-7_train.txt").write_text("\n".join(lines) + "\n")


def losses(folder: Path) -> list[tuple[int, float | None]]:
    return [(each.epoch, each.loss) for each in MACE.curve(folder)]


def test_a_training_that_went_on_begins_where_it_began_at_first(tmp_path: Path) -> None:
    """MACE validates at each start, and does the epoch of its checkpoint again."""
    killed = [*start(9.0), *epoch(0, 5.0), *epoch(1, 6.0, batch=3.0)]
    write_results(tmp_path, killed, start(5.0), epoch(0, 4.0, batch=2.0), start(4.0))
    assert losses(tmp_path) == [(-1, 9.0), (0, 4.0)]
    assert MACE.curve(tmp_path)[1].train_loss == 2.0  # of the epoch that counts, not of both
    assert MACE.epochs(tmp_path) == 1


def test_of_two_heads_the_last_one_counts(tmp_path: Path) -> None:
    first, second = epoch(0, 8.0, "pt_head"), epoch(0, 3.0, "Default")[-1:]
    write_results(tmp_path, start(9.0, "pt_head", "Default"), first)
    assert losses(tmp_path) == [(-1, 10.0)]
    write_results(tmp_path, start(9.0, "pt_head", "Default"), first, second)
    assert losses(tmp_path) == [(-1, 10.0), (0, 3.0)]


def test_epochs_that_are_not_validated_are_done_all_the_same(tmp_path: Path) -> None:
    write_results(tmp_path, start(9.0), epoch(0, 5.0), epoch(1, None), epoch(2, 4.0), epoch(3, None))
    assert MACE.epochs(tmp_path) == 4
    asked = assignment(tmp_path, length=4)
    assert all(each.good for each in _checks_of_curve(asked, MACE.curve(tmp_path), MACE.epochs(tmp_path), False, None))


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    write_results(tmp_path, start(9.0), epoch(0, 5.0))
    with (tmp_path / "results" / "model_run-7_train.txt").open("a") as file:
        file.write('{"mode": "eval", "epo')
    assert losses(tmp_path) == [(-1, 9.0), (0, 5.0)]


def test_it_is_enough_after_so_many_epochs_without_a_better_one(tmp_path: Path) -> None:
    asked = assignment(tmp_path, early_stop=2)
    write_results(tmp_path, start(1.0), epoch(0, 5.0), epoch(1, 4.0), epoch(2, 4.0))
    assert not MACE.is_enough(asked)
    write_results(tmp_path, start(1.0), epoch(0, 5.0), epoch(1, 4.0), epoch(2, 4.0), epoch(3, 4.5))
    assert MACE.is_enough(asked)
    assert not MACE.is_enough(assignment(tmp_path))
    assert not MACE.is_enough(assignment(tmp_path, {"start_stage_two": 3}, early_stop=2))  # its loss is another one


@pytest.mark.parametrize(
    ("settings", "model", "words"),
    [
        ({}, "model.model", ["--max_num_epochs", "4"]),
        ({"stage_two": True}, "model_stagetwo.model", ["--max_num_epochs", "31", "--start_swa", "30"]),
        ({"start_swa": 30}, "model_stagetwo.model", ["--max_num_epochs", "31", "--start_swa", "30"]),
        ({"stage_two": True, "start_stage_two": 40}, "model.model", ["--max_num_epochs", "4"]),
    ],
)
def test_the_best_model_is_written_without_another_epoch(
    tmp_path: Path, settings: dict[str, Any], model: str, words: list[str]
) -> None:
    asked = assignment(tmp_path, settings)
    with pytest.raises(LamplighterError, match="no checkpoint"):
        MACE.last_commands(asked)
    (tmp_path / "checkpoints").mkdir()
    for name in ("epoch-4.pt", "epoch-31_swa.pt"):
        (tmp_path / "checkpoints" / f"model_run-7_{name}").touch()
    assert MACE.last_commands(asked)[0][-len(words) :] == words
    assert MACE.model(asked) == tmp_path / model


def test_an_early_stop_ends_the_program_and_lets_it_write_its_model(tmp_path: Path) -> None:
    """A program in MACE's place that would go on for ever."""
    write_results(tmp_path, start(9.0), epoch(0, 5.0))
    line = json.dumps({"mode": "eval", "epoch": 3, "loss": 6.0, "head": "one"})
    forever = (
        f"import time; f = open('results/model_run-7_train.txt', 'a'); f.write({line!r} + chr(10)); f.flush(); "
        "time.sleep(600)"
    )

    class Stubborn(MaceTrainer):
        def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
            return [["-c", forever]]

        def last_commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
            return [["-c", "open('written', 'a').write('.')"]]

    python = object.__new__(PackagePython)
    python.python, python._threads = Path(sys.executable), 1
    asked = assignment(tmp_path, early_stop=2)
    _carry_out(Stubborn(), python, asked, lambda point: None)
    assert (tmp_path / "written").read_text() == "."
    _carry_out(Stubborn(), python, asked, lambda point: None)  # the command was killed before: no epoch is done again
    assert (tmp_path / "written").read_text() == ".."


@pytest.mark.parametrize(("found", "good"), [(4.199999809265137, True), (4.3, False), (None, False)])
def test_a_cutoff_is_held_as_single_precision_holds_it(tmp_path: Path, found: float | None, good: bool) -> None:
    made = Description(tmp_path / "model.model", "", "MACE", "", "", precision="float32", cutoff=found)
    checks = MACE.checks(assignment(tmp_path, {"r_max": 4.2}), made, "")
    assert [each.good for each in checks if each.what.startswith("cutoff")] == [good]


@pytest.mark.parametrize(("away", "good"), [(0.004, True), (0.2, False)])
def test_energies_of_heavy_atoms_are_held_as_single_precision_holds_them(
    tmp_path: Path, away: float, good: bool
) -> None:
    data = MemberData([], [], {"H": -40000.0}, ["H"])
    made = Description(tmp_path / "model.model", "", "MACE", "", "", atomic_energies={"H": -40000.0 + away})
    checks = MACE.checks(assignment(tmp_path, data=data), made, "")
    assert [each.good for each in checks if each.what.startswith("energies of isolated")] == [good]


@pytest.mark.parametrize("kept", [True, False])
def test_isolated_atoms_that_are_kept_are_counted(tmp_path: Path, kept: bool) -> None:
    data = MemberData([], [], {"H": -13.0, "O": -400.0}, ["H"])
    made = Description(tmp_path / "model.model", "", "MACE", "", "")
    log = f"Total number of configurations: train={int(kept)}, valid=0, tests=[],"
    checks = MACE.checks(assignment(tmp_path, {"keep_isolated_atoms": kept}, data=data), made, log)
    assert [each.good for each in checks if each.what.startswith("frames")] == [True]


def test_a_flag_that_turns_off_is_told_to_mace_as_it_reads_it(tmp_path: Path) -> None:
    """mace_run_train takes `foundation_model_readout: true` of a file for the flag, which makes it false."""
    asked = assignment(tmp_path, {"foundation_model_readout": False}, data=MemberData([], [], {"H": -13.0}, ["H"]))
    assert not MACE.begins_as_its_start(asked)
    assert MACE.begins_as_its_start(assignment(tmp_path))
    options = MACE._options(asked)
    assert yaml.safe_load(yaml.safe_dump(options))["foundation_model_readout"] is True


@pytest.mark.parametrize(
    ("accelerate", "settings", "program"),
    [
        (True, {}, "mace_train.py"),
        (False, {}, "mace.cli.run_train"),
        (True, {"enable_cueq": True}, "mace.cli.run_train"),
        (True, {"only_cueq": True}, "mace.cli.run_train"),
        (True, {"enable_oeq": True}, "mace.cli.run_train"),
    ],
)
def test_sums_are_in_another_order_where_no_kernels_are_asked_for(
    tmp_path: Path, accelerate: bool, settings: dict[str, Any], program: str
) -> None:
    (words,) = MACE.commands(assignment(tmp_path, settings, accelerate=accelerate))
    assert any(each.endswith(program) for each in words)


@pytest.mark.parametrize("loss", ["weighted", "stress", "virials", "universal", "huber", "l1l2energyforces"])
def test_the_weight_of_a_kind_counts_in_the_loss_or_is_refused(tmp_path: Path, loss: str) -> None:
    """By MACE's own loss of what it reads: some know weights of frames, some those of labels, some none."""
    pytest.importorskip("mace")
    from mace import data
    from mace.tools import AtomicNumberTable, torch_geometric
    from mace.tools.scripts_utils import get_loss_fn

    settings = {"loss": loss, "energy_weight": 1.0, "forces_weight": 1.0, "stress_weight": 1.0, "virials_weight": 1.0}
    labels = Labels(1.0, np.full((2, 3), 0.5), np.full((3, 3), 0.1))
    values = []
    for weight in (1.0, 0.25):
        frame = TrainingFrame(Atoms("H2", [[0, 0, 0], [0, 0, 0.7]], cell=[5, 5, 5], pbc=True), labels, "gas", weight)
        asked = assignment(tmp_path, settings, data=MemberData([frame], [frame], {"H": -13.0}, ["H"]))
        if weight != 1.0 and loss in ("huber", "l1l2energyforces"):
            with pytest.raises(ConfigError, match=rf"settings.loss {loss}: MACE gives all .* gas has another"):
                MACE.write(asked)
            continue
        MACE.write(asked)
        keys = data.KeySpecification({"energy": "REF_energy", "stress": "REF_stress"}, {"forces": "REF_forces"})
        read = data.config_from_atoms(ase.io.read(tmp_path / "train.xyz", 1), keys)
        made = [data.AtomicData.from_config(read, AtomicNumberTable([1]), cutoff=1.0)]
        batch = next(iter(torch_geometric.dataloader.DataLoader(made, batch_size=1)))
        found = {"energy": batch.energy + 0.02, "forces": batch.forces + 0.01, "stress": batch.stress + 0.01}
        found["virials"] = batch.virials
        loss_fn = get_loss_fn(argparse.Namespace(**settings, huber_delta=1.0), False, False)
        assert isinstance(loss_fn, torch.nn.Module)
        values.append(float(loss_fn(pred=found, ref=batch)))
        assert values[-1] > 0
    if len(values) == 2:  # a Huber loss near zero is a square, and of weighted errors that
        assert values[1] == pytest.approx(values[0] * (1 / 16 if loss == "universal" else 1 / 4))


def test_modules_that_are_left_to_mace_are_in_the_record(tmp_path: Path) -> None:
    asked = assignment(tmp_path, accelerate=True)
    made = Description(tmp_path / "model.model", "", "MACE", "", "", precision="float64")
    log = "Lamplighter: A agrees with MACE's own to 1e-7\nLamplighter: B failed: unknown; left to MACE\n"
    for said, found in ((log, "B failed: unknown; left to MACE"), (log.splitlines()[0], "1 comparisons agree")):
        assert found in {each.found for each in MACE.checks(asked, made, said)}
