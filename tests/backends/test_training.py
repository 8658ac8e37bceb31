"""Training by the programs of several frameworks: really done, killed, gone on with, and looked at."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ase.io
import pytest
import small_models
import yaml

import lamplighter as ll

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
MODULES = {"nequip": "nequip", "allegro": "allegro", "sevennet": "sevenn", "deepmd": "deepmd"}
TINY: dict[str, dict[str, Any]] = {
    "nequip": {
        "model": {"r_max": 3.0, "num_layers": 1, "l_max": 1, "num_features": 4, "radial_mlp_width": 8},
        "batch_size": 4,
    },
    "allegro": {
        "model": {
            "r_max": 3.0,
            "l_max": 1,
            "num_layers": 1,
            "num_scalar_features": 4,
            "num_tensor_features": 2,
            "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 4},
            "radial_chemical_embed_dim": 4,
        },
        "batch_size": 4,
    },
    "sevennet": {
        "model": {"cutoff": 3.0, "channel": 4, "lmax": 1, "num_convolution_layer": 2, "weight_nn_hidden_neurons": [8]},
        "train": {"optim_param": {"lr": 0.01}},
        "data": {"batch_size": 4},
    },
    "deepmd": {
        "model": {
            "descriptor": {
                "type": "se_e2_a",
                "sel": [8, 8, 8],
                "rcut": 3.0,
                "rcut_smth": 0.5,
                "neuron": [4, 8],
                "axis_neuron": 2,
            },
            "fitting_net": {"neuron": [8, 8]},
        },
        "training": {"training_data": {"batch_size": 1}},
    },
}
SLOW = {
    "nequip": {"batch_size": 4, "optimizer": {"lr": 1e-5}},
    "allegro": {"batch_size": 4, "optimizer": {"lr": 1e-5}},
    "sevennet": {"train": {"optim_param": {"lr": 1e-5}}, "data": {"batch_size": 4}},
}
CHECKPOINTS = {
    "nequip": "last.ckpt",
    "allegro": "last.ckpt",
    "sevennet": "part_0/checkpoint_1.pth",
    "deepmd": "model.ckpt-8.meta",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The smallest clusters of the example in two kinds."""
    frames = ase.io.read(EXAMPLE / "data" / "xtb_train.xyz", ":")
    small = sorted(frames[3:], key=len)[:16]
    ase.io.write(tmp_path / "clusters.xyz", [*frames[:3], *small[:6]])
    ase.io.write(tmp_path / "others.xyz", small[6:12])
    ase.io.write(tmp_path / "held_out.xyz", small[12:])
    return tmp_path


def asked(folder: Path, name: str, trainer: str, **changes: Any) -> Path:
    weight = 2 if trainer in ("sevennet", "deepmd") else 1
    train = {"clusters": {"files": "clusters.xyz", "weight": weight}, "others": "others.xyz"}
    content = {
        "trainer": trainer,
        "data": {"train": train, "validation": 0.25, "test": {"held_out": "held_out.xyz"}},
        "seeds": [7],
        "length": 3,
        "settings": TINY[trainer],
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(content | changes))
    return file


def kill_after(checkpoint: Path, file: Path) -> None:
    """Start the command, and kill it, and it alone, once the trainer has a checkpoint."""
    process = subprocess.Popen([PROGRAM, "train", file], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not checkpoint.is_file():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "trainer", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("nequip", "allegro")), "sevennet", "deepmd"]
)
def test_a_killed_training_goes_on_and_its_model_is_what_was_asked_for(folder: Path, trainer: str) -> None:
    small_models.require(MODULES[trainer])
    member_folder = folder / "small" / "member_7"
    kill_after(member_folder / CHECKPOINTS[trainer], asked(folder, "small", trainer))
    (member,) = ll.train(asked(folder, "small", trainer), progress=False).members
    log = (member_folder / "training.log").read_text()
    words = {"sevennet": "Continue found, loading checkpoint", "deepmd": "restart from model /"}
    assert words.get(trainer, "Continuing training with checkpoint file `last.ckpt`") in log
    assert [each.epoch for each in member.curve if each.epoch >= 0] == [0, 1, 2]
    assert all(each.train_loss and each.loss and each.energy and each.forces for each in member.curve[-2:])
    assert (member.frames, member.validation_frames) == (8, 4)
    assert member.errors["held_out"].frames == 4
    looked_at = {each.what: each for each in member.checks}
    assert {"precision", "cutoff / Å", "energies of isolated atoms / eV", "epochs"} <= looked_at.keys()
    best = min((each for each in member.curve if each.epoch >= 0), key=lambda each: each.loss or 0.0)
    if trainer != "deepmd":  # which draws the frames that it validates with at random
        same = looked_at["RMSE of forces over validation frames / (eV/Å)"]
        assert same.expected == f"that of epoch {best.epoch}, {best.forces:.6f}"
    record = json.loads(member.model.with_name(f"{member.model.name.partition('.')[0]}.json").read_text())
    assert record["seed"] == 7


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("trainer", SLOW)
def test_fine_tuning_begins_with_the_start_model_and_stops_early(folder: Path, trainer: str) -> None:
    small_models.require(MODULES[trainer])
    base = ll.train(asked(folder, "base", trainer, length=1), progress=False).members[0].model
    further = {"start": str(base), "settings": SLOW[trainer], "length": 1}
    once = ll.train(asked(folder, "once", trainer, **further), progress=False).members[0]
    assert any(each.what.startswith("RMSE of forces before the first epoch") for each in once.checks)
    # a rate of learning that ruins it: the first epoch is the best of all, and its model is what is kept
    ruin = json.loads(json.dumps(SLOW[trainer]).replace("1e-05", "3.0"))
    again = {"start": str(once.model), "settings": ruin, "length": 500, "early_stop": 2}
    stopped = ll.train(asked(folder, "again", trainer, **again), progress=False).members[0]
    assert stopped.curve[-1].epoch < 499
    assert any("early stop" in each.found for each in stopped.checks)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_7net_0_is_fine_tuned(folder: Path) -> None:
    small_models.require("sevenn")
    start = str(small_models.sevennet_checkpoint("SevenNet_0__11Jul2024"))
    tuned = ll.train(
        asked(folder, "tuned", "sevennet", start=start, settings=SLOW["sevennet"], length=1), progress=False
    )
    (member,) = tuned.members
    assert any(each.what.startswith("RMSE of forces before the first epoch") for each in member.checks)
