"""What is asked of SevenNet, and what is made of the files that its starts leave."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms

from lamplighter.errors import ConfigError, ModelError
from lamplighter.structures.labels import Labels
from lamplighter.training.sevennet_trainer import SevenNetTrainer
from lamplighter.training.trainer import Assignment
from lamplighter.training.training_data import MemberData, TrainingFrame

SEVENNET = SevenNetTrainer()
KNOWN = {
    "settings": {"model": ["cutoff", "channel"], "train": ["epoch", "loss", "continue"], "data": ["shift", "dtype"]}
}
HEAD = "epoch,lr,trainset_TotalLoss,validset_Energy_RMSE,validset_Force_ComponentRMSE,validset_TotalLoss"
EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"


def frame(weight: float, stress: np.ndarray | None = None) -> TrainingFrame:
    known = np.full((3, 3), np.nan) if stress is None else stress
    atoms = Atoms("OH", [[0, 0, 0], [0, 0, 0.97]], cell=[9.0] * 3, pbc=stress is not None)
    return TrainingFrame(atoms, Labels(-1.0, np.zeros((2, 3)), known), f"of weight {weight:g}", weight)


def asked(folder: Path, *frames: TrainingFrame, **settings: Any) -> Assignment:
    data = MemberData(list(frames or [frame(1)]), [frame(1)], {"H": -0.5, "O": -2.0}, ["H", "O"])
    return Assignment(folder, "model", data, 1, None, None, settings, 9, None, "cpu")


def part(folder: Path, number: int, rows: dict[int, float], checkpoints: tuple[int, ...] = ()) -> None:
    made = folder / f"part_{number}"
    made.mkdir()
    lines = [f"{epoch},0.01,{loss},{loss},{loss},{loss}" for epoch, loss in rows.items()]
    (made / "lc.csv").write_text("\n".join([HEAD, *lines]))
    for epoch in checkpoints:
        with zipfile.ZipFile(made / f"checkpoint_{epoch}.pth", "w") as archive:
            archive.writestr("data.pkl", "")


def told(folder: Path, number: int) -> Any:
    return yaml.safe_load((folder / f"part_{number}" / "input.yaml").read_text())


def test_a_training_goes_on_from_the_newest_checkpoint_that_is_whole(tmp_path: Path) -> None:
    SEVENNET.write(asked(tmp_path))
    (begin,) = SEVENNET.commands(asked(tmp_path))
    assert begin[-3:] == ["-w", "part_0", "-s"]
    assert "continue" not in told(tmp_path, 0)["train"]
    (tmp_path / "part_0" / "input.yaml").unlink()
    (tmp_path / "part_0").rmdir()
    part(tmp_path, 0, {1: 5, 2: 4, 3: 3}, (0, 1, 2, 3))
    whole = tmp_path / "part_0" / "checkpoint_3.pth"
    whole.write_bytes(whole.read_bytes()[:-4])  # its writing was broken off
    architecture, train = SEVENNET.commands(asked(tmp_path))
    assert Path(architecture[0]).name == "sevennet_continue.py"
    assert train[-2] == "part_1"
    assert told(tmp_path, 1)["train"]["continue"] == {
        "checkpoint": str(tmp_path / "part_0" / "checkpoint_2.pth"),
        **dict.fromkeys(("reset_optimizer", "reset_scheduler", "reset_epoch"), False),
    }


def test_what_a_program_does_again_takes_the_place_of_what_was_done(tmp_path: Path) -> None:
    part(tmp_path, 0, {1: 5, 2: 4, 3: 3})
    part(tmp_path, 1, {3: 2, 4: 6})
    assert [(each.epoch, each.loss, each.energy) for each in SEVENNET.curve(tmp_path)] == [
        (0, 5, 5000),
        (1, 4, 4000),
        (2, 2, 2000),
        (3, 6, 6000),
    ]
    assert SEVENNET.epochs(tmp_path) == 4
    assert SEVENNET.is_enough(replace(asked(tmp_path), early_stop=1))
    assert not SEVENNET.is_enough(replace(asked(tmp_path), early_stop=2))


def test_frames_of_a_weight_have_a_file_and_labels_by_names_that_are_read(tmp_path: Path) -> None:
    stress = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])
    SEVENNET.write(asked(tmp_path, frame(2), frame(1, stress), frame(2)))
    given = yaml.safe_load((tmp_path / "input.yaml").read_text())
    assert given["train"]["use_weight"]
    assert [each["data_weight"]["force"] for each in given["data"]["load_trainset_path"]] == [1, 2]
    assert given["data"]["shift"] == [-0.5, -2.0]
    heavy = ase.io.read(tmp_path / "train_1.xyz", ":")
    assert len(heavy) == 2
    assert heavy[0].cell.volume > 0
    (light,) = ase.io.read(tmp_path / "train_0.xyz", ":")
    assert light.get_stress(voigt=False) == pytest.approx(stress)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"modl": {}}, "settings.modl: .*did you mean 'model'"),
        ({"model": {"chanel": 2}}, "settings.model.chanel: .*did you mean 'channel'"),
        ({"model": [1]}, r"settings.model: expected keys with values, got \[1\]"),
        ({"train": {"epoch": 2}}, "settings.train.epoch: is said by length"),
        ({"train": {"continue": {}}}, "settings.train.continue: is said by start"),
        ({"data": {"dtype": "double"}}, "settings.data.dtype: is said by itself"),
    ],
)
def test_settings_that_the_package_does_not_know_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SEVENNET.require_settings(settings, KNOWN)


def test_a_weight_of_stresses_without_a_stress_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stress_loss_weight: no training frame has a stress"):
        SEVENNET.write(asked(tmp_path, train={"stress_loss_weight": 0.01}))


def test_a_start_model_of_another_framework_is_refused(tmp_path: Path) -> None:
    start = EXAMPLE / "models" / "ec_emc_0.model"
    with pytest.raises(ModelError, match="is no checkpoint of SevenNet"):
        SEVENNET.write(replace(asked(tmp_path), start=start))
