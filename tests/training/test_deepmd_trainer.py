"""What is asked of DeePMD-kit, and what is made of its learning curve."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.structures.labels import Labels
from lamplighter.training.deepmd_trainer import DeepmdTrainer
from lamplighter.training.trainer import Assignment
from lamplighter.training.training_data import MemberData, TrainingFrame

DEEPMD = DeepmdTrainer()
KNOWN = {"settings": {"model": ["descriptor", "fitting_net", "type_map"], "training": ["numb_steps", "training_data"]}}
MODEL = {"descriptor": {"rcut": 3.0}, "fitting_net": {}}
SUMMARY = """
DEEPMD INFO    ---Summary of DataSystem: Training     -----------------------------------------------
DEEPMD INFO                                        system  natoms  bch_sz  n_bch   prob       pbc
DEEPMD INFO                        train_0/cluster_HO       2       1       3  3.333e-01    F
DEEPMD INFO                        train_1/periodic_HO      2       1       2  6.667e-01    T
DEEPMD INFO    --------------------------------------------------------------------------------------
"""


def frame(weight: float, stress: np.ndarray | None = None) -> TrainingFrame:
    known = np.full((3, 3), np.nan) if stress is None else stress
    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 0.97]], cell=[9.0] * 3, pbc=stress is not None)
    return TrainingFrame(atoms, Labels(-1.0, np.array([[0, 0, 8.0], [0, 0, 1.0]]), known), "", weight)


def asked(folder: Path, *frames: TrainingFrame, early_stop: int | None = None, **training: Any) -> Assignment:
    data = MemberData(list(frames or [frame(1)] * 2), [frame(1)], {}, ["H", "O"])
    settings = {"model": MODEL, "training": {"training_data": {"batch_size": 1}, **training}}
    return Assignment(folder, "model", data, 7, None, None, settings, 3, early_stop, "cpu")


def curve(folder: Path, forces: list[float]) -> None:
    """Of a training of two batches an epoch that was killed as it wrote, and gone on with from its second epoch."""
    (folder / "input.json").write_text(json.dumps({"training": {"disp_freq": 2}}))
    head = "# step rmse_val rmse_trn rmse_e_val rmse_e_trn rmse_f_val rmse_f_trn lr\n# If there is no reference"
    rows = [f"{2 * k} 1 2 0.5 0.5 {value} 1 0.001" for k, value in enumerate(forces)]
    (folder / "lcurve.out").write_text("\n".join([head, *rows, "6 1", head, "4 1 2 0.5 0.5 0.3 1 0.001"]))


def test_weights_are_how_often_a_kind_is_drawn_and_atoms_are_sorted(tmp_path: Path) -> None:
    stress = np.diag([1.0, 2.0, 3.0])
    DEEPMD.write(asked(tmp_path, frame(2, stress), frame(1), frame(1)))
    told = json.loads((tmp_path / "input.json").read_text())["training"]
    assert told["training_data"]["systems"] == ["train_0/cluster_HO", "train_1/periodic_HO"]
    assert told["training_data"]["auto_prob"] == "prob_sys_size; 0:1:0.5; 1:2:0.5"  # two of weight 1, one of weight 2
    assert (told["disp_freq"], told["numb_steps"], told["seed"]) == (3, 9, 7)
    heavy = tmp_path / "train_1" / "periodic_HO"
    assert (heavy / "type.raw").read_text().split() == ["0", "1"]
    assert np.load(heavy / "set.000" / "force.npy")[0] == pytest.approx([0, 0, 1, 0, 0, 8])
    assert np.load(heavy / "set.000" / "virial.npy")[0, ::4] == pytest.approx(-729 * np.diag(stress))
    assert (tmp_path / "train_0" / "cluster_HO" / "nopbc").is_file()


def test_what_a_program_does_again_takes_the_place_of_what_was_done(tmp_path: Path) -> None:
    curve(tmp_path, [0.9, 0.2, 0.4, 0.5])
    assert [(each.epoch, each.forces) for each in DEEPMD.curve(tmp_path)] == [(-1, 0.9), (0, 0.2), (1, 0.3)]
    assert DEEPMD.epochs(tmp_path) == 2


def test_the_model_is_the_last_or_the_best_where_it_is_stopped_early(tmp_path: Path) -> None:
    curve(tmp_path, [0.9, 0.2, 0.4])
    with pytest.raises(LamplighterError, match="no checkpoint"):
        DEEPMD.last_commands(asked(tmp_path))
    for step in (2, 4):
        (tmp_path / f"model.ckpt-{step}.index").touch()
        (tmp_path / f"model.ckpt-{step}.meta").touch()
    assert DEEPMD.commands(asked(tmp_path))[0][-2:] == ["--restart", "model.ckpt-4"]
    assert "model.ckpt-4" in DEEPMD.last_commands(asked(tmp_path))[0]
    stopped = asked(tmp_path, early_stop=1)
    assert DEEPMD.is_enough(stopped)
    assert "model.ckpt-2" in DEEPMD.last_commands(stopped)[0]
    assert DEEPMD.commands(replace(asked(tmp_path), length=2)) == []


def test_frames_that_were_not_read_are_found_out(tmp_path: Path) -> None:
    from lamplighter.model_files.description import Description

    made = Description(tmp_path, "", "DeePMD", "", "", precision="float64", cutoff=3.0)
    frames = [frame(1)] * 3 + [frame(1, np.eye(3))] * 3
    checks = DEEPMD.checks(asked(tmp_path, *frames), made, SUMMARY)
    assert {each.what: each.found for each in checks if not each.good} == {
        "batches an epoch": "5",
        "frames that validate": "None",
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"modl": {}}, "settings.modl: .*did you mean 'model'"),
        ({"model": {"fiting_net": {}}}, "settings.model.fiting_net: .*did you mean 'fitting_net'"),
        ({"model": {}}, "settings.model.descriptor: is required"),
        ({"training": {"numb_steps": 9}}, "settings.training.numb_steps: is said by length"),
        ({"training": {"training_data": {"systems": []}}}, "training_data.systems: is said by data.train"),
        ({"training": {"training_data": {"batch_size": "mixed:4"}}}, "batch_size: expected a number, auto or auto:N"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DEEPMD.require_settings({"model": MODEL} | settings, KNOWN)
