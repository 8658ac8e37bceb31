"""NequIP and Allegro, by `nequip-train` and `nequip-package`: https://nequip.readthedocs.io.

Their frames have no weights. A checkpoint is written at each epoch, and from the last one a training goes on as if it
had not been broken off; that of the best epoch becomes the package. The program is started with other words where it
goes on, so that its tables of metrics (CSVLogger of lightning) say which start each is of.
"""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import write as write_frames

from lamplighter.errors import ConfigError, LamplighterError, ModelError
from lamplighter.model_files.describe import describe
from lamplighter.model_files.description import Description
from lamplighter.training.trainer import (
    Assignment,
    Check,
    CurvePoint,
    ValidatedEachEpoch,
    best_of,
    check,
    check_lone_atoms,
    require_known,
    require_one_weight,
)
from lamplighter.training.training_data import TrainingFrame

VACUUM = 20.0
"""Around a frame that is not periodic, Å: NequIP wants a cell in every frame."""

_TARGETS = {"nequip": "nequip.model.NequIPGNNModel", "allegro": "allegro.model.AllegroModel"}
_PRESET = "nequip.model.PresetNequIPGNNModel"
_SECTIONS = ("model", "trainer", "optimizer", "lr_scheduler", "loss", "callbacks", "batch_size", "ema_decay")
_MODEL_SAID_BY = {"seed": "seeds", "type_names": "data.train"}
_TRAINER_SAID_BY = {
    "max_epochs": "length",
    "accelerator": "device",
    "callbacks": "settings.callbacks",
    **dict.fromkeys(("logger", "enable_checkpointing", "check_val_every_n_epoch", "inference_mode"), "itself"),
}
_LOSS = {"total_energy": 1.0, "forces": 1.0, "stress": 1.0}

_LAST = "last.ckpt"
_START = "start.nequip.zip"
"""A copy of the start model: NequIP looks for it again whenever a checkpoint is opened."""

_BEGUN, _WENT_ON = "begun", "went_on"
"""Folders of metrics, of programs that began with new weights or the start model, and with a checkpoint."""

_LOSS_OF_VALIDATION = "val0_epoch/weighted_sum"


class NequipTrainer(ValidatedEachEpoch):
    """NequIP, or Allegro, which shares its programs.

    Args:
        name: nequip or allegro.
    """

    framework = "nequip"
    inside = "nequip.py"
    writes_at_its_end = False
    keeps_best = True

    def __init__(self, name: str) -> None:
        self.name = name

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """As `Trainer.require_settings`. Arguments of optimisers and schedulers are looked at by torch."""
        require_known(settings, _SECTIONS, {}, "settings")
        if self.name not in known["settings"]:
            raise ConfigError("trainer: allegro: nequip-allegro is not installed in that environment")
        for name in ("model", "trainer", "optimizer", "lr_scheduler", "loss"):
            if not isinstance(settings.get(name, {}), Mapping):
                raise ConfigError(f"settings.{name}: expected keys with values, got {settings[name]!r}")
        require_known(settings.get("model", {}), known["settings"][self.name], _MODEL_SAID_BY, "settings.model")
        require_known(settings.get("trainer", {}), known["settings"]["trainer"], _TRAINER_SAID_BY, "settings.trainer")
        require_known(settings.get("loss", {}), _LOSS, {}, "settings.loss")
        if "lr_scheduler" in settings and "_target_" not in settings["lr_scheduler"]:
            raise ConfigError(
                "settings.lr_scheduler._target_: is required, such as torch.optim.lr_scheduler.CosineAnnealingLR"
            )
        if settings.get("model", {}).get("compile_mode") == "compile" and settings.get("batch_size", 1) == 1:
            raise ConfigError(
                "settings.model.compile_mode: compile has no effect on batches of one frame, which NequIP computes "
                "without it: give settings.batch_size of 2 or more, or leave compile_mode out"
            )

    def write(self, asked: Assignment) -> None:
        """As `Trainer.write`."""
        require_one_weight(asked, self.name)
        write_frames(asked.folder / "train.xyz", [_as_nequip_reads(each) for each in asked.data.train])
        write_frames(asked.folder / "valid.xyz", [_as_nequip_reads(each) for each in asked.data.validation])
        config = self._config(asked)
        if asked.start is not None:
            shutil.copyfile(asked.start, asked.folder / _START)
        (asked.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.commands`."""
        train = ["-m", "nequip.scripts.train", "-cp", str(asked.folder), "-cn", "config", "hydra.run.dir=."]
        if (asked.folder / _LAST).is_file():
            train += [f"++ckpt_path={_LAST}", f"trainer.logger.name={_WENT_ON}"]
        return [train]

    def last_commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.last_commands`."""
        best = self.written(asked)
        checkpoint = None if best is None else f"best_{best.epoch}.ckpt"
        if checkpoint is None or not (asked.folder / checkpoint).is_file():
            raise LamplighterError(f"{asked.folder} holds no checkpoint of the best epoch: remove {asked.folder}")
        package = self.model(asked)
        package.unlink(missing_ok=True)
        return [["-m", "nequip.scripts.package", "build", checkpoint, package.name]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        """As `Trainer.curve`. What a program that goes on does again takes the place of what was done."""
        points: dict[int, CurvePoint] = {}
        for start in (_BEGUN, _WENT_ON):
            for file in sorted((folder / start).glob("version_*/metrics.csv"), key=_version):
                found = _points(file, begins=start == _BEGUN)
                first = min(found, default=math.inf)
                points = {epoch: each for epoch, each in points.items() if epoch < first} | found
        return [points[epoch] for epoch in sorted(points)]

    def begins_as_its_start(self, asked: Assignment) -> bool:
        """As `Trainer.begins_as_its_start`."""
        return True

    def begun(self, asked: Assignment) -> Path | None:
        """As `Trainer.begun`."""
        return None

    def written(self, asked: Assignment) -> CurvePoint | None:
        """As `Trainer.written`."""
        return best_of(self.curve(asked.folder))

    def model(self, asked: Assignment) -> Path:
        """As `Trainer.model`."""
        return asked.folder / f"{asked.name}.nequip.zip"

    def checks(self, asked: Assignment, made: Description, log: str) -> list[Check]:
        """As `Trainer.checks`. NequIP counts no frames: batches of an epoch say how many it has read."""
        size = int(asked.settings.get("batch_size", 1))
        batches = {each for start in (_BEGUN, _WENT_ON) for each in _batches(asked.folder / start)}
        expected = {math.ceil(len(asked.data.train) / size)}
        found = [check("batches an epoch", expected, batches)]
        if asked.start is not None:
            begun = f"Loading model from package file: {_START}" in log
            return [*found, check("start model", True, begun)]
        model = asked.settings.get("model", {})
        found.append(check("precision", model.get("model_dtype", "float64"), made.precision))
        found.append(check("cutoff / Å", float(model["r_max"]), made.cutoff))
        if "per_type_energy_shifts" not in model:
            found.append(check_lone_atoms(asked, made, "the mean energy of an atom of the training frames"))
        return found

    def _config(self, asked: Assignment) -> dict[str, Any]:
        """Everything that NequIP is told. Paths are relative, as they become part of the package."""
        given = asked.settings
        model, elements, radius = self._model(asked)
        stress = asked.data.has_stress
        kind = "EnergyForceStress" if stress else "EnergyForce"
        terms = {"ignore_nan": {"stress": True}} if stress else {}
        if not stress and "stress" in given.get("loss", {}):
            raise ConfigError("settings.loss.stress: no training frame has a stress: leave it out, or give labels")
        loss = {name: value for name, value in {**_LOSS, **given.get("loss", {})}.items() if stress or name != "stress"}
        loader = {"_target_": "torch.utils.data.DataLoader", "batch_size": int(given.get("batch_size", 1))}
        names = {"REF_energy": "total_energy", "REF_forces": "forces", **({"REF_stress": "stress"} if stress else {})}
        checkpoint = {
            "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
            "dirpath": ".",
            "filename": "best_{epoch}",
            "auto_insert_metric_name": False,
            "enable_version_counter": False,
            "monitor": _LOSS_OF_VALIDATION,
            "save_last": True,
        }
        module: dict[str, Any] = {
            "_target_": "nequip.train.EMALightningModule",
            "ema_decay": float(given.get("ema_decay", 0.999)),
            "loss": {"_target_": f"nequip.train.{kind}Loss", "per_atom_energy": True, "coeffs": loss, **terms},
            "val_metrics": {
                "_target_": f"nequip.train.{kind}Metrics",
                "coeffs": {},
                "extra_metrics": [_loss_term(name, coefficient) for name, coefficient in loss.items()],
                **terms,
            },
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01, **given.get("optimizer", {})},
            "model": model,
        }
        if "lr_scheduler" in given:
            module["lr_scheduler"] = {
                "scheduler": given["lr_scheduler"],
                "interval": "epoch",
                "frequency": 1,
                "monitor": _LOSS_OF_VALIDATION,
            }
        return {
            "run": ["val", "train"],
            "data": {
                "_target_": "nequip.data.datamodule.ASEDataModule",
                "seed": asked.seed,
                "train_file_path": "train.xyz",
                "val_file_path": "valid.xyz",
                "key_mapping": names,
                "transforms": [
                    {
                        "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                        "model_type_names": elements,
                    },
                    {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": radius},
                ],
                "train_dataloader": {**loader, "shuffle": True},
                "val_dataloader": loader,
                "stats_manager": {
                    "_target_": "nequip.data.CommonDataStatisticsManager",
                    "dataloader_kwargs": {"batch_size": loader["batch_size"]},
                    "type_names": elements,
                },
            },
            "trainer": {
                "_target_": "lightning.Trainer",
                "devices": 1,
                "enable_progress_bar": False,
                **given.get("trainer", {}),
                "accelerator": asked.device,
                "max_epochs": asked.length,
                "logger": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": ".", "name": _BEGUN},
                "callbacks": [checkpoint, *given.get("callbacks", [])],
            },
            "training_module": module,
            "global_options": {"allow_tf32": False},
        }

    def _model(self, asked: Assignment) -> tuple[dict[str, Any], list[str], float]:
        """The model's section, the elements that it knows, and its cutoff (Å)."""
        if asked.start is not None:
            if asked.settings.get("model"):
                raise ConfigError("settings.model: is said by the start model: leave it out")
            known = describe(asked.start)
            if known.form != "package" or known.cutoff is None:
                raise ModelError(
                    f"start.model: {asked.start} ({known.form}) is no package that says its cutoff: give a .nequip.zip "
                    "of nequip-package"
                )
            return {"_target_": "nequip.model.ModelFromPackage", "package_path": _START}, known.elements, known.cutoff
        given = dict(asked.settings.get("model", {}))
        if "r_max" not in given:
            raise ConfigError("settings.model.r_max: is required: the cutoff, Å")
        shifts: Any = "${training_data_stats:per_atom_energy_mean}"
        if asked.data.knows_all_lone_atoms:
            shifts = {each: asked.data.lone_atoms[each] for each in asked.data.elements}
        model = {
            "_target_": _PRESET if "preset" in given else _TARGETS[self.name],
            "model_dtype": "float64",
            "avg_num_neighbors": "${training_data_stats:num_neighbors_mean}",
            "per_type_energy_scales": "${training_data_stats:per_type_forces_rms}",
            "per_type_energy_shifts": shifts,
            **given,
            "seed": asked.seed,
            "type_names": asked.data.elements,
        }
        return model, asked.data.elements, float(given["r_max"])


def _loss_term(name: str, coefficient: float) -> dict[str, Any]:
    """A term of the loss, for validation frames: squared errors, where NequIP's own metrics have their roots."""
    per_atom = {"_target_": "nequip.data.PerAtomModifier", "field": name}
    return {
        "name": f"{name}_loss",
        "field": per_atom if name == "total_energy" else name,
        "metric": {"_target_": "nequip.train.MeanSquaredError"},
        "coeff": coefficient,
        "ignore_nan": name == "stress",
    }


def _points(file: Path, *, begins: bool) -> dict[int, CurvePoint]:
    """The epochs in a table of metrics: a row of the validation and one of the training make an epoch.

    Args:
        file: The table.
        begins: Whether its program validated once before the first epoch.
    """
    points: dict[int, CurvePoint] = {}
    before = begins
    for row in _rows(file):
        epoch = int(row["epoch"])
        if (loss := row.get(_LOSS_OF_VALIDATION)) is not None:
            where, before = (-1 if before else epoch), False
            known = points.get(where, CurvePoint(where))
            energy = row.get("val0_epoch/per_atom_energy_rmse")
            forces = row.get("val0_epoch/forces_rmse")
            points[where] = replace(
                known, loss=loss, energy=None if energy is None else 1e3 * energy, forces=forces
            )  # fmt: skip
        if (loss := row.get("train_loss_epoch/weighted_sum")) is not None and epoch in points:
            points[epoch] = replace(points[epoch], train_loss=loss)
    return points


def _batches(folder: Path) -> set[int]:
    """How many batches epochs had, from the steps at their ends."""
    return {
        round((row["step"] + 1) / (row["epoch"] + 1))
        for file in folder.glob("version_*/metrics.csv")
        for row in _rows(file)
        if "train_loss_epoch/weighted_sum" in row
    }


def _rows(file: Path) -> list[dict[str, float]]:
    """Numbers by name; a line that is not whole yet is left out."""
    rows = []
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                numbers = {name: float(text) for name, text in row.items() if text}
            except (TypeError, ValueError):
                continue
            if {"epoch", "step"} <= numbers.keys():
                rows.append(numbers)
    return rows


def _version(file: Path) -> int:
    return int(file.parent.name.removeprefix("version_"))


def _as_nequip_reads(frame: TrainingFrame) -> Atoms:
    """With a cell, and a stress that is not a number where there is no label."""
    atoms = frame.atoms.copy()
    if not atoms.pbc.any():
        atoms.set_cell(np.diag(np.ptp(atoms.positions, axis=0) + VACUUM))
    atoms.info = {"REF_energy": frame.labels.energy, "REF_stress": frame.labels.stress.ravel()}
    atoms.arrays["REF_forces"] = frame.labels.forces
    return atoms
