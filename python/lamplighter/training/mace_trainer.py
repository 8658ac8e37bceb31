"""MACE, by `mace_run_train`: https://mace-docs.readthedocs.io.

Some of its habits are looked after. It turns `multiheads_finetuning` off with a warning where it has no frames to
replay (https://github.com/ACEsuit/mace/issues/1443). It goes on from the last *better* epoch's checkpoint, does that
epoch again, and has forgotten its loss. Since 0.3.15 `patience` ends only trainings on several processes (`exit_now` of
mace/tools/train.py), so that others are ended here. In a file of options, `false` does not reach flags that turn
something off.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import write as write_frames

from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.model_files.description import Description
from lamplighter.training.trainer import (
    OF_FLOAT32,
    Assignment,
    Check,
    CurvePoint,
    check,
    check_lone_atoms,
    epochs_without_a_better_one,
    require_known,
)
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
_REORDERED = Path(__file__).parent / "inside" / "mace_train.py"
_REORDERED_MODULES = re.compile(r"^Lamplighter: (.+)$", re.MULTILINE)

_KERNELS = ("enable_cueq", "only_cueq", "enable_oeq")

_TURNED_OFF_BY_NAME = ("foundation_model_readout",)
"""Flags that are true until they are given: `false` in a file of options leaves them true, `true` makes them false."""


class MaceTrainer:
    """MACE."""

    name = "mace"
    framework = "mace"
    inside = "mace.py"
    writes_at_its_end = True
    keeps_best = True

    def require_settings(self, settings: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """As `Trainer.require_settings`. MACE has two names for some settings, `swa` and `stage_two`."""
        destinations: Mapping[str, str] = known["settings"]
        said_by = {name: _SAID_BY[meant] for name, meant in destinations.items() if meant in _SAID_BY}
        require_known(settings, destinations, said_by, "settings")
        first: dict[str, str] = {}
        for name in settings:
            other = first.setdefault(destinations[name], name)
            if other != name:
                raise ConfigError(f"settings.{name}: is another name of {other}: leave one of them out")

    def write(self, asked: Assignment) -> None:
        """As `Trainer.write`. Isolated atoms go with the training frames, which is how MACE knows their energies."""
        lone = [_lone_atom(element, energy) for element, energy in asked.data.lone_atoms.items()]
        with_lone = [each for each in lone if str(each.symbols) in asked.data.elements]
        options = self._options(asked)
        weights = _names_of_weights(options.get("loss"))
        train, valid, replay = asked.data.train, asked.data.validation, asked.replay or ()
        weighted = sorted({each.kind for each in (*train, *valid, *replay) if each.weight != 1.0})
        if weighted and not weights:
            raise ConfigError(
                f"settings.loss {options['loss']}: MACE gives all frames the same weight in it, and here "
                f"{', '.join(weighted)} has another: take the loss universal, or leave the weights out"
            )
        write_frames(asked.folder / "train.xyz", with_lone + [_as_mace_reads(each, weights) for each in train])
        write_frames(asked.folder / "valid.xyz", [_as_mace_reads(each, weights) for each in valid])
        if asked.replay is not None:
            write_frames(asked.folder / "replay.xyz", [_as_mace_reads(each, weights) for each in replay])
        (asked.folder / "mace.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")

    def commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.commands`: MACE looks for checkpoints itself."""
        program = [str(_REORDERED)] if _is_reordered(asked) else ["-m", "mace.cli.run_train"]
        return [[*program, "--config", "mace.yaml"]]

    def curve(self, folder: Path) -> list[CurvePoint]:
        """As `Trainer.curve`."""
        return self._results(folder)[0]

    def epochs(self, folder: Path) -> int:
        """As `Trainer.epochs`: batches say it, as not each epoch is validated (`eval_interval`)."""
        return self._results(folder)[1]

    def is_enough(self, asked: Assignment) -> bool:
        """As `Trainer.is_enough`. Of two stages the second counts: `patience` leads MACE from the first to it."""
        if asked.early_stop is None:
            return False
        first = _second_stage(asked) or 0
        return epochs_without_a_better_one(self.curve(asked.folder), first) >= asked.early_stop

    def last_commands(self, asked: Assignment) -> Sequence[Sequence[str]]:
        """As `Trainer.last_commands`: from the checkpoint of the best epoch, with no epoch left to do."""
        second = _second_stage(asked)
        names = _files(asked.folder / "checkpoints")
        stage = "" if second is None else "_swa"
        found = [int(each) for each in re.findall(rf"_run-{asked.seed}_epoch-(\d+){stage}\.pt", names)]
        if not found:
            raise LamplighterError(f"{asked.folder / 'checkpoints'} holds no checkpoint of MACE: remove {asked.folder}")
        words = [*self.commands(asked)[0], "--max_num_epochs", str(max(found))]
        if second is not None:  # MACE writes no model of a stage that begins after the last epoch
            words += ["--start_swa", str(max(found) - 1)]
        return [words]

    def begins_as_its_start(self, asked: Assignment) -> bool:
        """As `Trainer.begins_as_its_start`."""
        return bool(asked.settings.get("foundation_model_readout", True))

    def _results(self, folder: Path) -> tuple[list[CurvePoint], int]:
        """The curve, and how many epochs are done: each line of MACE's results is a batch or a validation.

        A line without an epoch is the validation at a start of the program, one for each head. Of several heads the
        last decides, as it does in MACE. What a program that goes on does again takes the place of what was done.
        """
        points: dict[int, CurvePoint] = {}
        losses: dict[int, list[float]] = {}
        deciding: Any = None
        begins_again, latest = False, -1
        for file in sorted((folder / "results").glob("*_train.txt")):
            for line in file.read_text(encoding="utf-8").splitlines():
                try:
                    said = json.loads(line)
                except ValueError:  # the last line of a program that was killed
                    continue
                starts = said.get("epoch") is None
                epoch = -1 if starts else int(said["epoch"])
                if said.get("mode") == "opt":
                    if begins_again or epoch < latest:
                        losses = {each: of for each, of in losses.items() if each < epoch}
                        points = {each: of for each, of in points.items() if each < epoch}
                        begins_again = False
                    latest = epoch
                    losses.setdefault(epoch, []).append(float(said["loss"]))
                elif said.get("mode") == "eval":
                    if starts:
                        deciding = said.get("head")
                        begins_again = bool(losses)
                    if begins_again or deciding not in (None, said.get("head")):
                        continue
                    energy, forces = said.get("rmse_e_per_atom"), said.get("rmse_f")
                    points[epoch] = CurvePoint(
                        epoch,
                        float(np.mean(losses[epoch])) if losses.get(epoch) else None,
                        float(said["loss"]),
                        None if energy is None else 1e3 * float(energy),
                        None if forces is None else float(forces),
                    )
        return [points[epoch] for epoch in sorted(points)], max(losses, default=-1) + 1

    def begun(self, asked: Assignment) -> Path | None:
        """As `Trainer.begun`."""
        return None

    def written(self, asked: Assignment) -> CurvePoint | None:
        """As `Trainer.written`: two stages, heads and losses that change leave open which it was."""
        return None

    def model(self, asked: Assignment) -> Path:
        """As `Trainer.model`: of two stages that of the second."""
        stage = "" if _second_stage(asked) is None else "_stagetwo"
        return asked.folder / f"{asked.name}{stage}.model"

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
            cutoff = float(asked.settings["r_max"])
            same = made.cutoff is not None and math.isclose(cutoff, made.cutoff, rel_tol=OF_FLOAT32)
            found.append(check("cutoff / Å", cutoff, made.cutoff, same))
        if asked.replay is None:
            train, valid = len(asked.data.train), len(asked.data.validation)
            if asked.settings.get("keep_isolated_atoms"):
                train += sum(each in asked.data.lone_atoms for each in asked.data.elements)
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
        if _is_reordered(asked):
            lines = _REORDERED_MODULES.findall(log)
            left = sorted({each for each in lines if "agrees with" not in each})
            became = "; ".join(left) or f"{len(lines)} comparisons agree"
            found.append(check("modules in another order", "as MACE's own, or left to MACE", became, True))
        if options.get("E0s") == "IsolatedAtom" and asked.replay is None:
            found.append(check_lone_atoms(asked, made, ""))
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
        for name in _TURNED_OFF_BY_NAME:
            if name in options:
                options[name] = not options[name]
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


def _is_reordered(asked: Assignment) -> bool:
    """Whether sums are done in another order; not where kernels of others take the place of MACE's modules."""
    return asked.accelerate and not any(asked.settings.get(name) for name in _KERNELS)


def _second_stage(asked: Assignment) -> int | None:
    """The epoch at which MACE's second stage begins, as mace/tools/arg_parser_tools.py has it; None: there is none."""
    given = [asked.settings.get(name) for name in ("swa", "stage_two")]
    begins = next((asked.settings[name] for name in ("start_swa", "start_stage_two") if name in asked.settings), None)
    if begins is None and not any(given):
        return None
    epoch = max(1, asked.length // 4 * 3) if begins is None else int(begins)
    return epoch if epoch < asked.length else None


def _names_of_weights(loss: str | None) -> tuple[str, ...]:
    """What a frame's weight is called for it to count in a loss of MACE (mace/modules/loss.py); none: it never does."""
    if loss in ("huber", "l1l2energyforces"):  # the second counts it in energies, and in forces it does not
        return ()
    if loss == "universal":  # which knows the weights of labels alone
        return ("config_energy_weight", "config_forces_weight", "config_stress_weight")
    return ("config_weight",)


def _as_mace_reads(frame: TrainingFrame, weights: Sequence[str]) -> Atoms:
    atoms = frame.atoms.copy()
    atoms.info = {"REF_energy": frame.labels.energy, **dict.fromkeys(weights, frame.weight)}
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
