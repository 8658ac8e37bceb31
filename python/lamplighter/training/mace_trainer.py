"""MACE, by `mace_run_train`: https://mace-docs.readthedocs.io.

Three of its habits are looked after: it turns `multiheads_finetuning` off with a warning where it has no frames to
replay (https://github.com/ACEsuit/mace/issues/1443), sets the learning rate of two heads itself, and goes on from the
last *better* epoch's checkpoint, not from the last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import write as write_frames

from lamplighter.model_files.description import Description
from lamplighter.training.trainer import Assignment, Check, CurvePoint, check, require_known
from lamplighter.training.training_data import TrainingFrame

_SAID_BY = {
    "name": "output",
    "seed": "seeds",
    "train_file": "data.train",
    "valid_file": "data.validation",
    "valid_fraction": "data.validation",
    "test_file": "data.test",
    "energy_key": "data.labels",
    "forces_key": "data.labels",
    "stress_key": "data.labels",
    "virials_key": "data.labels",
    "config_type_weights": "data.train.KIND.weight",
    "device": "device",
    "max_num_epochs": "length",
    "patience": "early_stop",
    "foundation_model": "start.model",
    "multiheads_finetuning": "start.replay",
    "pt_train_file": "start.replay",
    "restart_latest": "itself",
    **dict.fromkeys(("work_dir", "log_dir", "model_dir", "checkpoints_dir", "results_dir"), "output"),
}
_E0_TOLERANCE = 1e-3  # eV: the package may keep them in float32, and they are some thousand eV


class MaceTrainer:
    """MACE."""

    name = "mace"
    framework = "mace"
    inside = "mace.py"

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """As `Trainer.require_settings`."""
        require_known(settings, known["settings"], _SAID_BY, "settings")

    def write(self, asked: Assignment) -> None:
        """As `Trainer.write`. Isolated atoms go with the training frames, which is how MACE knows their energies."""
        lone = [_lone_atom(element, energy) for element, energy in asked.data.lone_atoms.items()]
        with_lone = [each for each in lone if str(each.symbols) in asked.data.elements]
        write_frames(asked.folder / "train.xyz", with_lone + [_as_mace_reads(each) for each in asked.data.train])
        write_frames(asked.folder / "valid.xyz", [_as_mace_reads(each) for each in asked.data.validation])
        if asked.replay is not None:
            write_frames(asked.folder / "replay.xyz", [_as_mace_reads(each) for each in asked.replay])
        (asked.folder / "mace.yaml").write_text(yaml.safe_dump(self._options(asked)), encoding="utf-8")

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.commands`: MACE looks for checkpoints itself."""
        return [["-m", "mace.cli.run_train", "--config", "mace.yaml"]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        """As `Trainer.curve`: each line of MACE's results is a batch or a validation."""
        points: dict[int, CurvePoint] = {}
        losses: dict[int, list[float]] = {}
        for file in sorted((folder / "results").glob("*_train.txt")):
            for line in file.read_text(encoding="utf-8").splitlines():
                try:
                    said = json.loads(line)
                except ValueError:  # the last line of a program that was killed
                    continue
                epoch = -1 if said.get("epoch") is None else int(said["epoch"])
                if said.get("mode") == "opt":
                    losses.setdefault(epoch, []).append(float(said["loss"]))
                elif said.get("mode") == "eval":
                    energy, forces = said.get("rmse_e_per_atom"), said.get("rmse_f")
                    points[epoch] = CurvePoint(
                        epoch,
                        float(np.mean(losses[epoch])) if losses.get(epoch) else None,
                        float(said["loss"]),
                        None if energy is None else 1e3 * float(energy),
                        None if forces is None else float(forces),
                    )
        return [points[epoch] for epoch in sorted(points)]

    def model(self, asked: Assignment) -> Path:
        """As `Trainer.model`: of two stages that of the second."""
        second = asked.folder / f"{asked.name}_stagetwo.model"
        return second if asked.settings.get("swa") else asked.folder / f"{asked.name}.model"

    def checks(self, asked: Assignment, made: Description, log: str) -> list[Check]:
        """As `Trainer.checks`."""
        options = self._options(asked)
        found = [
            check("precision", options.get("default_dtype", "float64"), made.precision),
            check(
                "seed in the name of its files", True, f"{asked.name}_run-{asked.seed}" in _files(asked.folder / "logs")
            ),
        ]
        if asked.start is None and "r_max" in asked.settings:
            found.append(check("cutoff / Å", float(asked.settings["r_max"]), made.cutoff))
        if asked.replay is None:
            train, valid = len(asked.data.train), len(asked.data.validation)
            counted = re.findall(r"Total number of configurations: train=(\d+), valid=(\d+)", log)
            read = tuple(int(each) for each in counted[-1]) if counted else None
            found.append(check("frames read (training, validation)", (train, valid), read))
        else:
            replayed = re.findall(r"Total number of configurations in pretraining: train=(\d+)", log)
            active = "Using multiheads finetuning mode===" in log and len(made.heads) > 1
            active = active and bool(replayed) and int(replayed[-1]) > 0
            found.append(
                check("replay is active", "two heads, and frames of the first", f"{made.heads}, {replayed}", active)
            )
        if options.get("E0s") == "IsolatedAtom" and asked.replay is None:
            away = {e: abs(made.atomic_energies.get(e, np.inf) - asked.data.lone_atoms[e]) for e in asked.data.elements}
            largest = max(away.values())
            found.append(
                check(
                    "energies of isolated atoms / eV",
                    "those of the data",
                    f"{largest:.1e} away",
                    largest < _E0_TOLERANCE,
                )
            )
        if options["E0s"] in ("average", "foundation"):
            whose = "fitted to the training frames" if options["E0s"] == "average" else "those of the start model"
            lacking = [each for each in asked.data.elements if each not in asked.data.lone_atoms]
            said = f"{whose} (lone atoms lacking: {', '.join(lacking) or 'none'})"
            found.append(check("energies of isolated atoms / eV", whose, said, True))
        if asked.start is not None:
            found.append(check("start model", True, f"Using foundation model {asked.start} as initial" in log))
        return found

    def _options(self, asked: Assignment) -> dict[str, Any]:
        """Everything that MACE is told."""
        data = asked.data
        options: dict[str, Any] = {
            "num_workers": 0,
            "pin_memory": False,
            "plot": False,
            "error_table": "PerAtomRMSE",
            "save_cpu": True,
            "E0s": "IsolatedAtom" if data.knows_all_lone_atoms else "average" if asked.start is None else "foundation",
            **({"loss": "stress", "compute_stress": True} if data.has_stress else {}),
        }
        options |= asked.settings
        if isinstance(options["E0s"], dict):
            options["E0s"] = str(options["E0s"])
        options |= {
            "name": asked.name,
            "seed": asked.seed,
            "work_dir": ".",
            "train_file": "train.xyz",
            "valid_file": "valid.xyz",
            "energy_key": "REF_energy",
            "forces_key": "REF_forces",
            "stress_key": "REF_stress",
            "device": asked.device,
            "max_num_epochs": asked.length,
            "restart_latest": True,
        }
        if asked.early_stop is not None:
            options["patience"] = asked.early_stop
        if asked.start is not None:
            options |= {"foundation_model": str(asked.start), "multiheads_finetuning": asked.replay is not None}
        if asked.replay is not None:
            options["pt_train_file"] = "replay.xyz"
        return options


def _as_mace_reads(frame: TrainingFrame) -> Atoms:
    atoms = frame.atoms.copy()
    atoms.info = {"REF_energy": frame.labels.energy, "config_weight": frame.weight}
    if frame.kind:
        atoms.info["config_type"] = frame.kind
    if np.isfinite(frame.labels.stress).all():
        atoms.info["REF_stress"] = frame.labels.stress
    atoms.arrays["REF_forces"] = frame.labels.forces
    return atoms


def _lone_atom(element: str, energy: float) -> Atoms:
    atoms = Atoms(element)
    atoms.info = {"REF_energy": energy, "config_type": "IsolatedAtom"}
    atoms.arrays["REF_forces"] = np.zeros((1, 3))
    return atoms


def _files(folder: Path) -> str:
    return " ".join(each.name for each in folder.glob("*"))
