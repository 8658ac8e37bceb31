"""DeePMD-kit, by `dp train` and `dp freeze` of its TensorFlow backend: https://docs.deepmodeling.com/projects/deepmd.

It counts steps, and draws the system of each batch at random; an epoch is here as many batches as all frames make. So
are validated as many frames as there are, drawn at random. Its loss changes with the rate of learning: what is compared
between epochs is the RMSE of forces.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.model_files.description import Description
from lamplighter.training.trainer import (
    OF_FLOAT32,
    Assignment,
    Check,
    CurvePoint,
    ValidatedEachEpoch,
    best_of,
    check,
    require_known,
)
from lamplighter.training.training_data import TrainingFrame

_SECTIONS = ("model", "learning_rate", "loss", "optimizer", "training")
_SAID_BY = {
    "model": {"type_map": "data.train"},
    "training": {
        **dict.fromkeys(("numb_steps", "numb_epoch"), "length"),
        "seed": "seeds",
        "validation_data": "data.validation",
        **dict.fromkeys(
            ("disp_freq", "disp_file", "disp_training", "save_freq", "save_ckpt", "max_ckpt_keep"), "itself"
        ),
    },
}
_DATA_SAID_BY = {
    "systems": "data.train",
    "auto_prob": "data.train.KIND.weight",
    "sys_probs": "data.train.KIND.weight",
    "set_prefix": "itself",
}
_CHECKPOINT = "model.ckpt"
_CURVE = "lcurve.out"
_FITTED = "fitted to the training frames"
_ATOMS_OF_A_BATCH = 32
"""At least, which is DeePMD-kit's `auto`."""


class DeepmdTrainer(ValidatedEachEpoch):
    """DeePMD-kit."""

    name = "deepmd"
    framework = "deepmd"
    inside = "deepmd.py"
    writes_at_its_end = False
    keeps_best = False

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """As `Trainer.require_settings`; deeper keys are looked at by DeePMD-kit, which refuses unknown ones itself."""
        require_known(settings, _SECTIONS, {}, "settings")
        for section, given in settings.items():
            if not isinstance(given, Mapping):
                raise ConfigError(f"settings.{section}: expected keys with values, got {given!r}")
        for section in ("model", "training"):
            given = settings.get(section, {})
            require_known(given, known["settings"][section], _SAID_BY[section], f"settings.{section}")
        data = settings.get("training", {}).get("training_data", {})
        require_known(data, ["batch_size"], _DATA_SAID_BY, "settings.training.training_data")
        for key in ("descriptor", "fitting_net"):
            if key not in settings.get("model", {}):
                raise ConfigError(f"settings.model.{key}: is required by dp train")
        _atoms_of_batch(settings)

    def write(self, asked: Assignment) -> None:
        """As `Trainer.write`: a folder of arrays for each composition of each weight."""
        weights = sorted({each.weight for each in asked.data.train})
        systems: list[str] = []
        blocks: list[tuple[int, int, float]] = []
        for number, weight in enumerate(weights):
            frames = [each for each in asked.data.train if each.weight == weight]
            made = _write_systems(frames, asked.folder / f"train_{number}", asked.data.elements)
            blocks.append((len(systems), len(systems) + len(made), weight * len(frames)))
            systems += [str(each.relative_to(asked.folder)) for each in made]
        validation = _write_systems(asked.data.validation, asked.folder / "valid", asked.data.elements)
        whole = sum(share for _, _, share in blocks)
        drawn = "; ".join(f"{first}:{last}:{share / whole:.12g}" for first, last, share in blocks)
        told = self._input(asked)
        told["training"]["training_data"] |= {"systems": systems, "auto_prob": f"prob_sys_size; {drawn}"}
        told["training"]["validation_data"] = {
            "systems": [str(each.relative_to(asked.folder)) for each in validation],
            "batch_size": 1,
            "numb_btch": len(asked.data.validation),
        }
        (asked.folder / "input.json").write_text(json.dumps(told, indent=1), encoding="utf-8")

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.commands`."""
        train = ["-m", "deepmd", "--tf", "train", "input.json"]
        done = _checkpoints(asked.folder)
        if not done:
            return [train]
        return (
            [] if done[-1] >= asked.length * _batches(asked) else [[*train, "--restart", f"{_CHECKPOINT}-{done[-1]}"]]
        )

    def last_commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.last_commands`: without `early_stop` the last one, for which the rate has come to its end."""
        done, batches = _checkpoints(asked.folder), _batches(asked)
        step = done[-1] if done else 0
        if asked.early_stop is not None and (best := best_of(self.curve(asked.folder))):
            step = (best.epoch + 1) * batches
        if step not in done:
            raise LamplighterError(f"{asked.folder} holds no checkpoint of the best epoch: remove {asked.folder}")
        return [["-m", "deepmd", "--tf", "freeze", "-c", f"{_CHECKPOINT}-{step}", "-o", self.model(asked).name]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        """As `Trainer.curve`. What a program that goes on does again takes the place of what was done."""
        points: dict[int, CurvePoint] = {}
        if not (folder / _CURVE).is_file():
            return []
        batches = int(json.loads((folder / "input.json").read_text(encoding="utf-8"))["training"]["disp_freq"])
        names: list[str] = []
        for line in (folder / _CURVE).read_text(encoding="utf-8").splitlines():
            words = line.lstrip("# ").split()
            if line.startswith("#"):
                names = words if words[:1] == ["step"] else names
                continue
            if len(words) != len(names):  # the last line of a program that was killed
                continue
            row = dict(zip(names, map(float, words), strict=True))
            epoch = round(row["step"]) // batches - 1
            points = {each: of for each, of in points.items() if each < epoch}
            points[epoch] = CurvePoint(
                epoch, row["rmse_trn"], row["rmse_f_val"], 1e3 * row["rmse_e_val"], row["rmse_f_val"]
            )
        return [points[epoch] for epoch in sorted(points)]

    def begins_as_its_start(self, asked: Assignment) -> bool:
        """As `Trainer.begins_as_its_start`: it goes on with none."""
        return False

    def begun(self, asked: Assignment) -> Path | None:
        """As `Trainer.begun`."""
        return None

    def written(self, asked: Assignment) -> CurvePoint | None:
        """As `Trainer.written`: frames that are drawn at random do not say it."""
        return None

    def model(self, asked: Assignment) -> Path:
        """As `Trainer.model`."""
        return asked.folder / f"{asked.name}.pb"

    def checks(self, asked: Assignment, made: Description, log: str) -> list[Check]:
        """As `Trainer.checks`. DeePMD-kit says how many batches the frames make."""
        model = asked.settings["model"]
        precision = model["fitting_net"].get("precision", model["descriptor"].get("precision", "float64"))
        found = [
            check("precision", {"default": "float64"}.get(precision, precision), made.precision),
            check("batches an epoch", _batches(asked), _batches_read(log, "Training")),
            check("frames that validate", len(asked.data.validation), _batches_read(log, "Validation")),
        ]
        if "rcut" in model["descriptor"]:
            found.append(check("cutoff / Å", float(model["descriptor"]["rcut"]), made.cutoff))
        what, given = "energies of isolated atoms / eV", model["fitting_net"].get("atom_ener")
        if given is None:
            return [*found, check(what, _FITTED, _FITTED, True)]
        told = dict(zip(asked.data.elements, given, strict=False))
        same = all(
            math.isclose(made.atomic_energies.get(each, math.inf), told[each], rel_tol=OF_FLOAT32) for each in told
        )
        return [*found, check(what, told, made.atomic_energies, same)]

    def _input(self, asked: Assignment) -> dict[str, Any]:
        """Everything that DeePMD-kit is told, but for the systems."""
        told: dict[str, Any] = copy.deepcopy(dict(asked.settings))
        batches = _batches(asked)
        model = told["model"]
        model["type_map"] = list(asked.data.elements)
        model["descriptor"] = {"seed": asked.seed, **model["descriptor"]}
        model["fitting_net"] = {"seed": asked.seed, **model["fitting_net"]}
        told.setdefault("learning_rate", {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-6, "decay_steps": batches})
        told.setdefault("loss", {"type": "ener"})
        told["training"] = {
            **told.get("training", {}),
            "training_data": dict(told.get("training", {}).get("training_data", {"batch_size": "auto"})),
            "numb_steps": asked.length * batches,
            "seed": asked.seed,
            "disp_file": _CURVE,
            "disp_freq": batches,
            "save_freq": batches,
            "save_ckpt": _CHECKPOINT,
            "max_ckpt_keep": 2 + (asked.early_stop or 0),
        }
        return told


def _atoms_of_batch(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Frames of a batch, or 0, and atoms of a batch at least, or 0.

    Raises:
        ConfigError: it is neither a number, `auto` nor `auto:N`.
    """
    given = settings.get("training", {}).get("training_data", {}).get("batch_size", "auto")
    found = re.fullmatch(r"auto(?::(\d+))?", str(given))
    if found:
        return 0, int(found[1] or _ATOMS_OF_A_BATCH)
    if isinstance(given, int) and given > 0:
        return given, 0
    raise ConfigError(f"settings.training.training_data.batch_size: expected a number, auto or auto:N, got {given!r}")


def _batches(asked: Assignment) -> int:
    """Of an epoch: each system, of one composition, makes its own."""
    frames, atoms = _atoms_of_batch(asked.settings)
    count: dict[tuple[float, bool, str], list[int]] = {}
    for each in asked.data.train:
        count.setdefault((each.weight, *_system(each)), []).append(len(each.atoms))
    return sum(max(1, len(sizes) // (frames or math.ceil(atoms / sizes[0]))) for sizes in count.values())


def _system(frame: TrainingFrame) -> tuple[bool, str]:
    return bool(frame.atoms.pbc.all()), frame.atoms.get_chemical_formula()


def _batches_read(log: str, which: str) -> int | None:
    """How many batches a set has, by the last summary of it in the log."""
    found = re.findall(rf"Summary of DataSystem: {which} .*?\n(.*?)-{{20,}}", log, re.DOTALL)
    if not found:
        return None
    return sum(int(each) for each in re.findall(r"\s\d+\s+\d+\s+(\d+)\s+[\d.e+-]+\s+[TF]\s*$", found[-1], re.MULTILINE))


def _checkpoints(folder: Path) -> list[int]:
    """Steps of those that are whole: what describes the graph is written last."""
    found = [each.name for each in folder.glob(f"{_CHECKPOINT}-*.meta") if each.with_suffix(".index").is_file()]
    return sorted(int(name.removeprefix(f"{_CHECKPOINT}-").removesuffix(".meta")) for name in found)


def _write_systems(frames: Sequence[TrainingFrame], folder: Path, elements: Sequence[str]) -> list[Path]:
    """Arrays of the frames of each composition, whose atoms are sorted by element."""
    groups: dict[tuple[bool, str], list[TrainingFrame]] = {}
    for each in frames:
        groups.setdefault(_system(each), []).append(each)
    made = []
    for (periodic, formula), members in sorted(groups.items()):
        target = folder / f"{'periodic' if periodic else 'cluster'}_{formula}"
        _write_system(members, target, periodic, [atomic_numbers[each] for each in elements])
        made.append(target)
    return made


def _write_system(frames: Sequence[TrainingFrame], folder: Path, periodic: bool, numbers: list[int]) -> None:
    arrays = folder / "set.000"
    arrays.mkdir(parents=True)
    types = [np.array([numbers.index(number) for number in each.atoms.numbers]) for each in frames]
    orders = [np.argsort(each, kind="stable") for each in types]
    np.savetxt(folder / "type.raw", types[0][orders[0]], fmt="%d")

    def rows(name: str, values: list[Any]) -> None:
        np.save(arrays / f"{name}.npy", np.array(values, float).reshape(len(frames), -1))

    rows("coord", [each.atoms.positions[order] for each, order in zip(frames, orders, strict=True)])
    rows("force", [each.labels.forces[order] for each, order in zip(frames, orders, strict=True)])
    np.save(arrays / "energy.npy", np.array([each.labels.energy for each in frames]))
    if not periodic:
        (folder / "nopbc").touch()
        return
    rows("box", [each.atoms.cell.array for each in frames])
    if all(np.isfinite(each.labels.stress).all() for each in frames):
        rows("virial", [-each.labels.stress * each.atoms.get_volume() for each in frames])
