"""SevenNet, by `sevenn train`: https://github.com/MDIL-SNU/SevenNet.

Some of its habits are looked after. A training that goes on counts its best epoch anew, and would write over the best
checkpoint: each start of the program has a folder of its own, and the best of all is taken in the end. It warns of keys
that it does not know and ignores them, and takes weights of a checkpoint without looking whether all were there.
"""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write as write_frames

from lamplighter.errors import ConfigError, LamplighterError, ModelError
from lamplighter.model_files.describe import describe
from lamplighter.model_files.description import Description
from lamplighter.training.trainer import (
    OF_FLOAT32,
    Assignment,
    Check,
    CurvePoint,
    ValidatedEachEpoch,
    check,
    check_lone_atoms,
    require_known,
)
from lamplighter.training.training_data import TrainingFrame

VACUUM = 20.0
"""Around a frame that is not periodic, Å: SevenNet divides by the volume."""

_SAID_BY = {
    "model": {"chemical_species": "data.train"},
    "train": {
        "random_seed": "seeds",
        "epoch": "length",
        "device": "device",
        "continue": "start",
        "use_weight": "data.train.KIND.weight",
        **dict.fromkeys(("error_record", "best_metric", "csv_log", "use_modality"), "itself"),
    },
    "data": {
        "data_divide_ratio": "data.validation",
        **dict.fromkeys(("load_trainset_path", "load_validset_path"), "data"),
        "load_testset_path": "data.test",
        **dict.fromkeys(
            (
                "dtype",
                "dataset_type",
                "data_format",
                "data_format_args",
                "save_dataset_path",
                "save_by_label",
                "save_by_train_valid",
                "rehearsal",
            ),
            "itself",
        ),
    },
}
_WITH_A_START = ("train_shift_scale", "train_denominator")
"""Of the model's section, what may be given where the start model says the rest."""

_SCHEDULER_PARAM = {"gamma": 0.99}
"""Of SevenNet's presets: its default, an exponential decay, does not begin without it."""

_INSIDE = Path(__file__).parent / "inside"
_FOUND = "found.json"
_FITTED = "fitted to the training frames"


class SevenNetTrainer(ValidatedEachEpoch):
    """SevenNet."""

    name = "sevennet"
    framework = "sevennet"
    inside = "sevennet.py"
    writes_at_its_end = False
    keeps_best = True

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """As `Trainer.require_settings`: the sections of SevenNet's input."""
        require_known(settings, known["settings"], {}, "settings")
        for section, given in settings.items():
            if not isinstance(given, Mapping):
                raise ConfigError(f"settings.{section}: expected keys with values, got {given!r}")
            require_known(given, known["settings"][section], _SAID_BY[section], f"settings.{section}")

    def write(self, asked: Assignment) -> None:
        """As `Trainer.write`. Kinds of frames that weigh alike have a file together."""
        self._require_possible(asked)
        weights = sorted({each.weight for each in asked.data.train})
        for number, weight in enumerate(weights):
            frames = [_as_sevennet_reads(each) for each in asked.data.train if each.weight == weight]
            write_frames(asked.folder / f"train_{number}.xyz", frames)
        write_frames(asked.folder / "valid.xyz", [_as_sevennet_reads(each) for each in asked.data.validation])
        (asked.folder / "input.yaml").write_text(yaml.safe_dump(self._input(asked, weights)), encoding="utf-8")

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.commands`. A folder of a start of the program has what it was told and what it wrote."""
        if self.model(asked).is_file():
            return []
        parts = _parts(asked.folder)
        told = yaml.safe_load((asked.folder / "input.yaml").read_text(encoding="utf-8"))
        latest = _latest(parts)
        source = latest or asked.start
        for each in parts:  # graphs of the frames, which are made anew
            shutil.rmtree(each / "sevenn_data", ignore_errors=True)
        part = asked.folder / f"part_{len(parts)}"
        part.mkdir()
        first: list[Sequence[str]] = []
        if source is not None:
            resets = dict.fromkeys(("reset_optimizer", "reset_scheduler", "reset_epoch"), latest is None)
            told["train"]["continue"] = {"checkpoint": str(source), **resets}
            first = [[str(_INSIDE / "sevennet_continue.py"), f"{part.name}/input.yaml", str(source)]]
        (part / "input.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
        train = ["-m", "sevenn.main.sevenn", "train", f"{part.name}/input.yaml", "-w", part.name, "-s"]
        return [*first, train]

    def last_commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.last_commands`."""
        model = self.model(asked)
        if model.is_file():
            return []
        parts = [each.name for each in _parts(asked.folder)]
        if not list(asked.folder.glob("part_*/checkpoint_best.pth")):
            raise LamplighterError(
                f"{asked.folder}: SevenNet wrote no best checkpoint: the loss on validation frames was no number"
            )
        return [[str(_INSIDE / "sevennet_best.py"), model.name, _FOUND, *parts]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        """As `Trainer.curve`. What a program that goes on does again takes the place of what was done."""
        points: dict[int, CurvePoint] = {}
        for part in _parts(folder):
            found = _points(part)
            first = min(found, default=math.inf)
            points = {epoch: each for epoch, each in points.items() if epoch < first} | found
        return [points[epoch] for epoch in sorted(points)]

    def begins_as_its_start(self, asked: Assignment) -> bool:
        """As `Trainer.begins_as_its_start`."""
        return True

    def begun(self, asked: Assignment) -> Path | None:
        """As `Trainer.begun`."""
        return next((each for each in sorted(asked.folder.glob("part_*/checkpoint_0.pth")) if _is_whole(each)), None)

    def written(self, asked: Assignment) -> CurvePoint | None:
        """As `Trainer.written`."""
        found = self._found(asked)
        return _points(asked.folder / found["part"]).get(found["epoch"] - 1)

    def model(self, asked: Assignment) -> Path:
        """As `Trainer.model`."""
        return asked.folder / f"{asked.name}.pth"

    def checks(self, asked: Assignment, made: Description, log: str) -> list[Check]:
        """As `Trainer.checks`."""
        weights = sorted(Counter(each.weight for each in asked.data.train).items())
        read = [(float(weight), number) for weight, number in self._found(asked)["weights"]]
        counted = [int(each) for each in re.findall(r"# structures \(graph\) *[:=]? *(\d+)", log)][-2:]
        given = [len(asked.data.train), len(asked.data.validation)]
        found = [
            check("precision", "float32", made.precision),
            check("frames read (training, validation)", given, counted),
            check("frames by weight", [(float(weight), number) for weight, number in weights], read),
        ]
        if asked.start is not None:
            return [*found, check("start model", True, "checkpoint loading successful" in log)]
        if "cutoff" in asked.settings.get("model", {}):
            cutoff = float(asked.settings["model"]["cutoff"])
            same = made.cutoff is not None and math.isclose(cutoff, made.cutoff, rel_tol=OF_FLOAT32)
            found.append(check("cutoff / Å", cutoff, made.cutoff, same))
        trained = asked.settings.get("model", {}).get("train_shift_scale")
        if "shift" not in asked.settings.get("data", {}) and not trained:
            found.append(check_lone_atoms(asked, made, _FITTED))
        return found

    def _found(self, asked: Assignment) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((asked.folder / _FOUND).read_text(encoding="utf-8"))
        return found

    def _require_possible(self, asked: Assignment) -> None:
        """Refuse what the settings say twice, or to nobody."""
        if "stress_loss_weight" in asked.settings.get("train", {}) and not asked.data.has_stress:
            raise ConfigError(
                "settings.train.stress_loss_weight: no training frame has a stress: leave it out, or give labels"
            )
        if asked.start is None:
            return
        known = describe(asked.start)
        if known.form != "checkpoint" or known.framework != "SevenNet":
            raise ModelError(
                f"start.model: {asked.start} ({known.framework}, {known.form}) is no checkpoint of SevenNet"
            )
        if known.heads:
            raise ModelError(
                f"start.model: {asked.start} has modalities ({', '.join(known.heads)}), which are not trained here"
            )
        given = [each for each in asked.settings.get("model", {}) if each not in _WITH_A_START]
        given = [f"model.{each}" for each in given]
        given += [f"data.{each}" for each in ("shift", "scale") if each in asked.settings.get("data", {})]
        if given:
            raise ConfigError(f"settings.{given[0]}: is said by the start model: leave it out")

    def _input(self, asked: Assignment, weights: Sequence[float]) -> dict[str, Any]:
        """What SevenNet is told, but for the checkpoint that it goes on with. Paths are relative."""
        given, stress = asked.settings, asked.data.has_stress
        errors = [["Energy", "RMSE"], ["Force", "ComponentRMSE"], *([["Stress", "ComponentRMSE"]] if stress else [])]
        train = [
            {"data_weight": dict.fromkeys(("energy", "force", "stress"), weight), "file_list": [{"file": name}]}
            for name, weight in ((f"train_{number}.xyz", weight) for number, weight in enumerate(weights))
        ]
        told: dict[str, Any] = {
            "train": {
                "is_train_stress": stress,
                "per_epoch": 1,
                **({} if "scheduler" in given.get("train", {}) else {"scheduler_param": _SCHEDULER_PARAM}),
                **given.get("train", {}),
                "random_seed": asked.seed,
                "epoch": asked.length,
                "device": asked.device,
                "use_weight": list(weights) != [1.0],
                "error_record": [*errors, ["TotalLoss", "None"]],
                "best_metric": "TotalLoss",
            },
            "data": {
                **given.get("data", {}),
                "load_trainset_path": train,
                "load_validset_path": ["valid.xyz"],
            },
            "model": dict(given.get("model", {})),
        }
        if asked.start is None:
            told["model"]["chemical_species"] = list(asked.data.elements)
            told["data"].setdefault("shift", self._shift(asked))
        return told

    def _shift(self, asked: Assignment) -> Any:
        """Energies of isolated atoms in SevenNet's order of elements, which is that of the alphabet."""
        if not asked.data.knows_all_lone_atoms:
            return "elemwise_reference_energies"
        return [float(asked.data.lone_atoms[each]) for each in sorted(asked.data.elements)]


def _parts(folder: Path) -> list[Path]:
    """Folders of the starts of the program, in their order."""
    return sorted(folder.glob("part_*"), key=lambda each: int(each.name.removeprefix("part_")))


def _latest(parts: Sequence[Path]) -> Path | None:
    """The newest checkpoint that is whole."""
    for part in reversed(parts):
        found = {int(each.stem.removeprefix("checkpoint_")): each for each in part.glob("checkpoint_[0-9]*.pth")}
        for epoch in sorted(found, reverse=True):
            if _is_whole(found[epoch]):
                return found[epoch]
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether its writing was not broken off: the directory of an archive is written last."""
    return zipfile.is_zipfile(checkpoint)


def _points(part: Path) -> dict[int, CurvePoint]:
    """The table of a start of the program; its first epoch is 1."""
    points = {}
    file = part / "lc.csv"
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                epoch = int(row["epoch"]) - 1
                numbers = [float(row[name]) for name in _COLUMNS]
            except (KeyError, TypeError, ValueError):  # the last line of a program that was killed
                continue
            points[epoch] = CurvePoint(epoch, numbers[0], numbers[1], 1e3 * numbers[2], numbers[3])
    return points


_COLUMNS = ("trainset_TotalLoss", "validset_TotalLoss", "validset_Energy_RMSE", "validset_Force_ComponentRMSE")


def _as_sevennet_reads(frame: TrainingFrame) -> Atoms:
    """With a cell, and labels by ASE's names: SevenNet reads files with weights by no others."""
    atoms = frame.atoms.copy()
    if not atoms.pbc.any():
        atoms.set_cell(np.diag(np.ptp(atoms.positions, axis=0) + VACUUM))
    labels: dict[str, Any] = {"energy": frame.labels.energy, "forces": frame.labels.forces}
    if np.isfinite(frame.labels.stress).all():
        stress = frame.labels.stress
        labels["stress"] = np.array([stress[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))])
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms
