"""Train the committee of NequIP or Allegro models described in `nequip.yaml` or `allegro.yaml` with `nequip-train`.

Every member has its own seed and its own random subset of the training frames; the frames that it does not see are its
validation set. Written for member k, in `models/nequip` or `models/allegro`:

    <kind>_<k>.nequip.zip   package of `nequip-package build`, for `potential: {kind: nequip}` (or allegro)
    <kind>_<k>.json         seed, frames seen, epochs, CPU time, versions

Example:  python train_nequip.py nequip.yaml                  # all members, one after the other
          python train_nequip.py allegro.yaml --members 0 1   # some of them
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import write
from training_frames import atomic_energies, cpu_of_children, read_frames, split

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent
ELEMENTS = ["H", "C", "O"]
#: Vacuum around a cluster, Å: NequIP wants a cell in every frame.
VACUUM = 20.0


def prepared(frames: list[Atoms]) -> list[Atoms]:
    """The frames as NequIP reads them: a cell in all, and a stress that is not a number where there is no label."""
    result = []
    for frame in frames:
        kept = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        if not frame.pbc.any():
            kept.set_cell(np.diag(np.ptp(frame.positions, axis=0) + VACUUM))
        kept.info["energy_xtb"] = frame.info["energy_xtb"]
        kept.info["stress_xtb"] = frame.info["stress_xtb"] if frame.pbc.all() else np.full(9, np.nan)
        kept.arrays["forces_xtb"] = frame.arrays["forces_xtb"]
        result.append(kept)
    return result


def training_config(plan: dict[str, Any], seed: int, energies: dict[str, float]) -> dict[str, Any]:
    """The configuration of `nequip-train` for one member, run in the folder of its frames.

    Paths are relative: the configuration becomes part of the package.
    """
    settings, first = plan["training"], dict(plan["loss"][min(plan["loss"])])
    radius = plan["model"]["r_max"]
    terms = {"ignore_nan": {"stress": True}, "coeffs": first}
    shown = {**terms, "coeffs": {"per_atom_energy_rmse": 1.0, "forces_rmse": 1.0, "stress_rmse": None}}
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": seed,
            "train_file_path": "train.xyz",
            "val_file_path": "valid.xyz",
            "key_mapping": {"energy_xtb": "total_energy", "forces_xtb": "forces", "stress_xtb": "stress"},
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": ELEMENTS,
                },
                {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": radius},
            ],
            "train_dataloader": {
                "_target_": "torch.utils.data.DataLoader",
                "batch_size": settings["batch_size"],
                "shuffle": True,
            },
            "val_dataloader": {"_target_": "torch.utils.data.DataLoader", "batch_size": 8},
            "stats_manager": {
                "_target_": "nequip.data.CommonDataStatisticsManager",
                "dataloader_kwargs": {"batch_size": 8},
                "type_names": ELEMENTS,
            },
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": settings["epochs"],
            "check_val_every_n_epoch": 1,
            "logger": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "."},
            "enable_progress_bar": False,
            "callbacks": [
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": ".",
                    "filename": "best",
                    "save_last": True,
                },
                {
                    "_target_": "nequip.train.callbacks.LossCoefficientScheduler",
                    "schedule": {
                        epoch: {
                            "per_atom_energy_mse": c["total_energy"],
                            "forces_mse": c["forces"],
                            "stress_mse": c["stress"],
                        }
                        for epoch, c in plan["loss"].items()
                        if epoch
                    },
                },
            ],
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": settings["ema_decay"],
            "loss": {"_target_": "nequip.train.EnergyForceStressLoss", "per_atom_energy": True, **terms},
            "val_metrics": {"_target_": "nequip.train.EnergyForceStressMetrics", **shown},
            "optimizer": {"_target_": "torch.optim.Adam", "lr": settings["lr"], "amsgrad": True},
            "lr_scheduler": {
                "scheduler": {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": settings["epochs"]},
                "interval": "epoch",
                "frequency": 1,
            },
            "model": {**plan["model"], "seed": seed, "type_names": ELEMENTS, "per_type_energy_shifts": energies},
        },
        "global_options": {"allow_tf32": False},
    }


def program(words: list[str], folder: Path, threads: int) -> None:
    """Run a program of NequIP's in `folder`; its output goes to `nequip.log` there.

    Raises:
        subprocess.CalledProcessError: the program failed; the log says why.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with (folder / "nequip.log").open("a") as log:
        subprocess.run(
            [str(PROGRAMS / words[0]), *words[1:]], cwd=folder, env=environment, stdout=log, stderr=log, check=True
        )


def train_member(
    name: str,
    member: dict[str, Any],
    plan: dict[str, Any],
    frames: list[Atoms],
    folder: Path,
    models: Path,
    threads: int,
) -> None:
    """Train one member on its share of `frames` in `folder`; write its model and record, `<name>.*`, into `models`."""
    seen, unseen = split(frames, member["fraction"], member["seed"])
    folder.mkdir(parents=True)
    write(folder / "train.xyz", prepared(seen), format="extxyz")
    write(folder / "valid.xyz", prepared(unseen), format="extxyz")
    config = training_config(plan, member["seed"], atomic_energies(frames))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    began, cpu = time.perf_counter(), cpu_of_children()
    program(["nequip-train", "-cp", str(folder), "-cn", "config", "hydra.run.dir=."], folder, threads)
    wall, cpu = time.perf_counter() - began, cpu_of_children() - cpu
    program(["nequip-package", "build", "last.ckpt", f"{name}.nequip.zip"], folder, threads)
    models.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / f"{name}.nequip.zip", models)
    record = {
        "seed": member["seed"],
        "fraction": member["fraction"],
        "frames": len(seen),
        "epochs": plan["training"]["epochs"],
        "wall_seconds": round(wall),
        "cpu_seconds": round(cpu),
        "threads": threads,
        "versions": {package: version(package) for package in ("nequip", "nequip-allegro", "e3nn", "torch")},
    }
    (models / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("plan", type=Path, help="nequip.yaml or allegro.yaml")
    parser.add_argument("--members", type=int, nargs="+", help="default: all")
    parser.add_argument("--models", type=Path, help="default: models/<name of the plan> beside the plan")
    parser.add_argument("--work", type=Path, help="data, checkpoints and logs (default: a temporary folder)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    plan = yaml.safe_load(arguments.plan.read_text())
    kind = arguments.plan.stem
    frames = read_frames(plan, arguments.plan.parent)
    models = arguments.models or arguments.plan.parent / "models" / kind
    with tempfile.TemporaryDirectory() as scratch:
        work = (arguments.work or Path(scratch)).resolve()
        for number in arguments.members or range(len(plan["members"])):
            member = plan["members"][number]
            train_member(f"{kind}_{number}", member, plan, frames, work / f"{kind}_{number}", models, arguments.threads)


if __name__ == "__main__":
    main()
