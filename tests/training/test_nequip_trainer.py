"""What is asked of NequIP and Allegro, and what is made of their tables of metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.model_files.description import Description
from lamplighter.structures.labels import Labels
from lamplighter.training.member import SetErrors, _check_of_errors
from lamplighter.training.nequip_trainer import NequipTrainer
from lamplighter.training.trainer import Assignment, CurvePoint
from lamplighter.training.training_data import MemberData, TrainingFrame

NEQUIP = NequipTrainer("nequip")
KNOWN = {
    "settings": {
        "nequip": ["r_max", "num_layers", "seed", "compile_mode"],
        "trainer": ["max_epochs", "gradient_clip_val"],
    }
}
HEAD = "epoch,step,train_loss_epoch/weighted_sum," + ",".join(
    f"val0_epoch/{name}" for name in ("forces_rmse", "per_atom_energy_rmse", "weighted_sum")
)
SETTINGS = {"model": {"r_max": 3.0}, "batch_size": 2}


def frame(weight: float, kind: str = "") -> TrainingFrame:
    labels = Labels(-1.0, np.zeros((2, 3)), np.full((3, 3), np.nan))
    return TrainingFrame(Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]), labels, kind or f"of weight {weight:g}", weight)


def asked(folder: Path, *frames: TrainingFrame, early_stop: int | None = None, **settings: Any) -> Assignment:
    data = MemberData(list(frames), [frame(1)], {"H": -0.5}, ["H"])
    return Assignment(folder, "model", data, 1, None, None, SETTINGS | settings, 9, early_stop, "cpu")


def tables(folder: Path, **starts: list[str]) -> Path:
    for name, rows in starts.items():
        start, _, number = name.rpartition("_")
        table = folder / start / f"version_{number}"
        table.mkdir(parents=True)
        (table / "metrics.csv").write_text("\n".join([HEAD, *rows]))
    return folder


def epoch(number: int, loss: float, batches: int = 3) -> list[str]:
    step = (number + 1) * batches - 1
    return [f"{number},{step},,{loss},{loss},{loss}", f"{number},{step},{loss},,,"]


def test_what_a_program_does_again_takes_the_place_of_what_was_done(tmp_path: Path) -> None:
    before = "0,0,,7,0.007,7"
    begun = [before, *epoch(0, 5), *epoch(1, 3), *epoch(2, 4)]
    went_on = [*epoch(2, 2), *epoch(3, 6), "4,1"]  # the last line was being written
    curve = NEQUIP.curve(tables(tmp_path, begun_0=begun, went_on_0=went_on))
    assert [(each.epoch, each.loss, each.train_loss) for each in curve] == [
        (-1, 7, None),
        (0, 5, 5),
        (1, 3, 3),
        (2, 2, 2),
        (3, 6, 6),
    ]
    assert curve[0].energy == 7  # meV
    assert NEQUIP.epochs(tmp_path) == 4


def test_a_program_that_began_anew_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    tables(tmp_path, begun_9=["0,0,,9,9,9", "0,2,,8,8,8"], begun_10=["0,0,,7,7,7", *epoch(0, 5)])
    assert [(each.epoch, each.loss) for each in NEQUIP.curve(tmp_path)] == [(-1, 7), (0, 5)]


def test_the_model_is_that_of_the_best_epoch_and_not_of_the_last(tmp_path: Path) -> None:
    tables(tmp_path, begun_0=["0,0,,1,1,1", *epoch(0, 5), *epoch(1, 3), *epoch(2, 4)])
    (tmp_path / "last.ckpt").touch()
    with pytest.raises(LamplighterError, match="holds no checkpoint of the best epoch"):
        NEQUIP.last_commands(asked(tmp_path))
    (tmp_path / "best_1.ckpt").touch()
    assert NEQUIP.last_commands(asked(tmp_path))[0][-2:] == ["best_1.ckpt", "model.nequip.zip"]
    assert not NEQUIP.is_enough(asked(tmp_path, early_stop=2))
    assert NEQUIP.is_enough(asked(tmp_path, early_stop=1))


def test_a_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    assert not any("ckpt_path" in word for word in NEQUIP.commands(asked(tmp_path))[0])
    (tmp_path / "last.ckpt").touch()
    assert NEQUIP.commands(asked(tmp_path))[0][-2:] == ["++ckpt_path=last.ckpt", "trainer.logger.name=went_on"]


def test_frames_that_were_not_read_are_found_out(tmp_path: Path) -> None:
    tables(tmp_path, begun_0=["0,0,,1,1,1", *epoch(0, 5), *epoch(1, 3)])
    made = Description(
        tmp_path, "", "NequIP", "package", "", precision="float64", cutoff=3.0, atomic_energies={"H": -0.5}
    )
    good = NEQUIP.checks(asked(tmp_path, *[frame(1)] * 5), made, "")
    assert [each.good for each in good] == [True] * 4
    lacking = NEQUIP.checks(asked(tmp_path, *[frame(1)] * 7), made, "")
    assert [each.what for each in lacking if not each.good] == ["batches an epoch"]


def test_weights_that_the_package_does_not_have_are_refused_with_what_helps(tmp_path: Path) -> None:
    NEQUIP.write(asked(tmp_path, frame(2, "a"), frame(2, "b")))
    with pytest.raises(ConfigError, match=r"nequip has no weights of frames \(given: a 2, b 1\): .* by share"):
        NEQUIP.write(asked(tmp_path, frame(2, "a"), frame(1, "b")))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"modle": {}}, "settings.modle: .*did you mean 'model'"),
        ({"model": {"num_layer": 2}}, "settings.model.num_layer: .*did you mean 'num_layers'"),
        ({"model": {"seed": 2}}, "settings.model.seed: is said by seeds"),
        ({"model": 3}, "settings.model: expected keys with values, got 3"),
        ({"trainer": {"max_epochs": 2}}, "settings.trainer.max_epochs: is said by length"),
        ({"loss": {"energy": 2}}, "settings.loss.energy: .*did you mean 'total_energy'"),
        ({"lr_scheduler": {"T_max": 2}}, "settings.lr_scheduler._target_: is required"),
        (
            {"model": {"compile_mode": "compile"}},
            "compile has no effect on batches of one frame.*batch_size of 2 or more",
        ),
    ],
)
def test_settings_that_the_package_does_not_know_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        NEQUIP.require_settings(settings, KNOWN)


def test_batches_of_two_may_be_compiled() -> None:
    NEQUIP.require_settings({"model": {"compile_mode": "compile"}, "batch_size": 2}, KNOWN)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"model": {}}, "settings.model.r_max: is required"), ({"loss": {"stress": 1}}, "no training frame has a stress")],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        NEQUIP.write(asked(tmp_path, frame(1), **settings))


def test_allegro_without_its_package_is_refused() -> None:
    with pytest.raises(ConfigError, match="nequip-allegro is not installed"):
        NequipTrainer("allegro").require_settings({}, KNOWN)


@pytest.mark.parametrize(("forces", "good"), [(1.0005, True), (1.002, False)])
def test_a_model_of_another_epoch_than_the_best_is_found_out(forces: float, good: bool) -> None:
    (found,) = _check_of_errors(CurvePoint(3, forces=1.0), SetErrors(4, 1.0, forces, None))
    assert found.good == good
    assert not _check_of_errors(None, SetErrors(4, 1.0, forces, None))
