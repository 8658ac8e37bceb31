"""One model: it is trained or gone on with, its file is looked at, and what came of it is written down."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.io import write as write_frames

from lamplighter.errors import LamplighterError
from lamplighter.json_text import flat, portable
from lamplighter.model_files.describe import describe
from lamplighter.model_files.gap_file import companions
from lamplighter.model_files.trust import sha256
from lamplighter.training.environment import LOG, PackagePython
from lamplighter.training.trainer import Assignment, Check, CurvePoint, Trainer, check
from lamplighter.training.training_data import TrainingFrame
from lamplighter.whole_file import write_whole

if TYPE_CHECKING:
    from lamplighter.observables.model_errors import ErrorTable

TRAINED = "trained"
"""A file in the folder of a member whose programs have ended well."""

ASKED = "asked.json"
"""What a member was begun with: another train file does not go on in its folder."""

VALIDATION = "validation.xyz"
"""The frames that validate a member, with labels REF_energy, REF_forces, REF_stress."""

_SECONDS_LOST = 10.0
"""Of the wall time in a record, at most, where a training is killed."""

_SAME_EPOCH = 1e-3
"""Relative difference of RMSE of forces of one model, by its package and as in a run: epochs differ by more."""

_SAME_START = 1e-4
"""Relative difference of two RMSE of forces: float32 makes 1e-7 of it, new weights 5e-4 of a model of two epochs."""


@dataclass(frozen=True)
class SetErrors:
    """How far a model is from the labels of a set of frames.

    Attributes:
        frames: How many.
        energy: RMSE, meV/atom.
        forces: RMSE of all components, eV/Å.
        stress: RMSE, meV/Å³; None: no frame has one.
        components: RMSE of F_x, F_y and F_z, eV/Å; empty in records of earlier versions.
        leading: Frames that hold half of the squared errors of forces, where so few do that RMSE and loss are theirs;
            0: it is not so, or not known.
        energy_shift: Mean error of the energy, meV/atom: predicted less labelled; None in records of earlier versions.
    """

    frames: int
    energy: float
    forces: float
    stress: float | None
    components: list[float] = field(default_factory=list)
    leading: int = 0
    energy_shift: float | None = None

    @classmethod
    def of_table(cls, frames: int, table: ErrorTable, leading: int = 0) -> SetErrors:
        """What is kept of the errors of a model over all frames of a set."""
        return cls(
            frames,
            table.energy.rmse.value,
            table.forces.rmse.value,
            None if table.stress is None else table.stress.rmse.value,
            [table.components[name].rmse.value for name in ("Fx", "Fy", "Fz")],
            leading,
            table.energy.mean_error.value,
        )


Evaluate = Callable[[Path, Path], SetErrors]
"""Errors of a model file over a file of labelled frames."""


@dataclass(frozen=True)
class Member:
    """A model that was trained.

    Attributes:
        seed: Of it.
        model: Its file.
        curve: Of the training.
        frames, validation_frames: How many it was trained on, and validated with.
        errors: By set: validation, and those of the train file.
        checks: What was looked at.
        wall_s: Of the program, in all its parts.
        record: All of this, with versions, settings and the SHA-256 of each file.
    """

    seed: int
    model: Path
    curve: list[CurvePoint]
    frames: int
    validation_frames: int
    errors: dict[str, SetErrors]
    checks: list[Check]
    wall_s: float
    record: dict[str, Any] = field(repr=False)


def member_of_record(path: Path) -> Member:
    """A member that is done, from its record."""
    record = json.loads(path.read_text(encoding="utf-8"))
    return Member(
        record["seed"],
        path.parent / record["model"],
        [CurvePoint(**each) for each in record["curve"]],
        record["frames"],
        record["validation_frames"],
        {name: SetErrors(**each) for name, each in record["errors"].items()},
        [Check(**each) for each in record["checks"]],
        record["wall_s"],
        record,
    )


def name_begun(folder: Path) -> str | None:
    """The name that a member had when it was begun, which the output may have lost since; None: it was not begun."""
    name = _begun(folder).get("name")
    return None if name is None else str(name)


def require_same(folder: Path, wanted: Mapping[str, Any], base: Path | None = None) -> None:
    """Refuse to go on in a folder that was begun with another train file, or other data.

    Args:
        folder: Of a member.
        wanted: What is asked for now.
        base: What paths below it are relative to; of an earlier version they are absolute in `begun`.

    Raises:
        LamplighterError: each thing that differs is named.
    """
    if begun := _begun(folder):
        require_same_asked(folder, {key: each for key, each in begun.items() if key != "name"}, wanted, base)


def require_same_asked(
    place: Path, begun: Mapping[str, Any], wanted: Mapping[str, Any], base: Path | None = None
) -> None:
    """Refuse what was begun with another train file, or other data.

    Args:
        place: A member's folder, or its record.
        begun: What it was begun with.
        wanted: What is asked for now.
        base: As `require_same`.

    Raises:
        LamplighterError: each thing that differs is named.
    """
    was, now = flat(portable(dict(begun), base)), flat(json.loads(json.dumps(wanted)))
    changed = [
        f"{key}: was {was.get(key, 'not given')}, is {now.get(key, 'not given')}"
        for key in dict.fromkeys([*was, *now])
        if was.get(key) != now.get(key)
    ]
    if changed:
        raise LamplighterError(
            f"{place} was begun with something else:\n"
            + "\n".join(f"  {each}" for each in changed)
            + "\nTrain into another folder (output), or remove this one and its model"
        )


def with_sets(path: Path, sets: Mapping[str, Path], evaluate: Evaluate) -> Member:
    """A member that is done, held against the test sets of today: those that are new or were changed are evaluated.

    Args:
        path: Its record, which is written anew.
        sets: Files of test frames, by name.
        evaluate: Errors of a model file over a file of frames.

    Raises:
        LamplighterError: a set cannot be evaluated, or the record cannot be written.
    """
    record = json.loads(path.read_text(encoding="utf-8"))
    sums = _sums(sets)
    if record.get("test") == sums:
        return member_of_record(path)
    known = {name for name, each in sums.items() if record.get("test", {}).get(name) == each}
    errors = {"validation": record["errors"]["validation"]}
    for name, file in sets.items():
        kept = record["errors"].get(name) if name in known else None
        errors[name] = kept or asdict(evaluate(path.parent / record["model"], file))
    try:
        write_whole(path, json.dumps(record | {"errors": errors, "test": sums}, indent=1) + "\n")
    except OSError as problem:
        raise LamplighterError(
            f"{path} cannot be written ({problem.strerror or problem}): make room, and train again, which goes on"
        ) from problem
    return member_of_record(path)


def _begun(folder: Path) -> dict[str, Any]:
    try:
        begun: dict[str, Any] = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return begun


def _sums(sets: Mapping[str, Path]) -> dict[str, str]:
    return {name: sha256(file) for name, file in sets.items()}


def run_programs(
    trainer: Trainer,
    python: PackagePython,
    asked: Assignment,
    wanted: Mapping[str, Any],
    shown: Callable[[CurvePoint], None] = lambda point: None,
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Run the programs of a training, or go on where they were broken off; nothing where they have ended well.

    Args:
        trainer, python, asked, wanted, shown: As of `fit`.
        go_on: Called now and then; what it raises ends the program, which another call goes on with.

    Raises:
        LamplighterError: the folder was begun with something else or cannot be written, or a program failed.
    """
    require_same(asked.folder, wanted)
    _begin(trainer, asked, wanted)
    before = _seconds(asked.folder)
    begun = kept = time.monotonic()

    def look_after() -> None:
        nonlocal kept
        if time.monotonic() - kept > _SECONDS_LOST:  # a signal that ends this process leaves no time for it
            kept = time.monotonic()
            with contextlib.suppress(OSError):
                _keep_seconds(asked.folder, before + kept - begun)
        go_on()

    try:
        if not (asked.folder / TRAINED).is_file():
            _carry_out(trainer, python, asked, shown, look_after)
            (asked.folder / TRAINED).touch()
    except OSError as problem:
        raise LamplighterError(
            f"{asked.folder} cannot be written ({problem.strerror or problem}): make room, and train again, which goes "
            "on"
        ) from problem
    finally:
        with contextlib.suppress(OSError):  # a disk that is full is said by what comes first
            _keep_seconds(asked.folder, before + time.monotonic() - begun)


def fit(
    trainer: Trainer,
    python: PackagePython,
    asked: Assignment,
    wanted: Mapping[str, Any],
    models: Path,
    sets: Mapping[str, Path],
    evaluate: Evaluate,
    shown: Callable[[CurvePoint], None] = lambda point: None,
) -> Member:
    """Train one model, or go on where its training was broken off.

    Args:
        trainer: Of which package.
        python: That has it.
        asked: What is wanted of it.
        wanted: The same for the record: settings, and the SHA-256 of each file.
        models: Folder that takes the model and its record.
        sets: Files of test frames, by name.
        evaluate: Errors of a model file over a file of frames.
        shown: Gets each new point of the learning curve.

    Raises:
        LamplighterError: the program failed, or something that was asked for is not so (each is named).
    """
    run_programs(trainer, python, asked, wanted, shown)
    log = (asked.folder / LOG).read_text(encoding="utf-8", errors="replace")
    file = trainer.model(asked)
    if not file.is_file():
        with contextlib.suppress(OSError):
            (asked.folder / TRAINED).unlink(missing_ok=True)
        raise LamplighterError(f"the program ended, and left no {file}: its log is {asked.folder / LOG}")
    made = describe(file)
    curve = trainer.curve(asked.folder)
    tests = _sums(sets)
    errors = {
        name: evaluate(file, frames) for name, frames in {"validation": asked.folder / VALIDATION, **sets}.items()
    }
    checks = [
        check(
            "elements",
            sorted(asked.data.elements),
            sorted(made.elements),
            set(asked.data.elements) <= set(made.elements),
        ),
        *_checks_of_curve(
            asked,
            curve,
            trainer.epochs(asked.folder),
            trainer.is_enough(asked),
            evaluate if trainer.begins_as_its_start(asked) else None,
            trainer.begun(asked),
        ),
        *_check_of_errors(trainer.written(asked), errors["validation"]),
        *trainer.checks(asked, made, log),
    ]
    if failed := [each for each in checks if not each.good]:
        raise LamplighterError(
            f"seed {asked.seed}: the training ended, and is not what was asked for:\n"
            + "\n".join(f"  {each.what}: expected {each.expected}, found {each.found}" for each in failed)
            + f"\nThe model is left at {file}, and its log at {asked.folder / LOG}"
        )
    return _kept(trainer, python, asked, wanted, models, file, curve, errors, checks, tests)


def _begin(trainer: Trainer, asked: Assignment, wanted: Mapping[str, Any]) -> None:
    """Write what the program reads, once: the folder gets its name when it is whole."""
    if (asked.folder / ASKED).is_file():
        return
    if asked.folder.is_dir() and any(asked.folder.iterdir()):
        raise LamplighterError(
            f"{asked.folder} holds files, and no {ASKED} of a training: move it away, or give another output"
        )
    partial = dataclasses.replace(asked, folder=asked.folder.with_name(f".{asked.folder.name}.part"))
    try:
        if partial.folder.exists():  # this was broken off
            shutil.rmtree(partial.folder)
        partial.folder.mkdir(parents=True)
        write_frames(partial.folder / VALIDATION, [_with_labels(each) for each in asked.data.validation])
        trainer.write(partial)
        write_whole(partial.folder / ASKED, json.dumps({"name": asked.name, **wanted}, indent=1))
        partial.folder.replace(asked.folder)
    except OSError as problem:
        raise LamplighterError(
            f"{asked.folder} cannot be written ({problem.strerror or problem}): make room, or give another output"
        ) from problem


def _carry_out(
    trainer: Trainer,
    python: PackagePython,
    asked: Assignment,
    shown: Callable[[CurvePoint], None],
    go_on: Callable[[], None] = lambda: None,
) -> None:
    """Run the trainer's programs, until they have ended or `early_stop` wants no further epoch."""
    last: list[CurvePoint] = []

    def look() -> bool:
        curve = trainer.curve(asked.folder)
        if curve and curve[-1:] != last:
            last[:] = curve[-1:]
            shown(curve[-1])
        return trainer.is_enough(asked)

    enough = trainer.is_enough(asked)  # this command was killed between the two programs
    for words in () if enough else trainer.commands(asked):
        enough = python.run(words, asked.folder, look, go_on)
        if enough:
            break
    for words in trainer.last_commands(asked) if enough or not trainer.writes_at_its_end else ():
        python.run(words, asked.folder, lambda: False, go_on)


def _checks_of_curve(
    asked: Assignment,
    curve: list[CurvePoint],
    done: int,
    enough: bool,
    evaluate: Evaluate | None,
    begun: Path | None = None,
) -> list[Check]:
    """Whether all epochs were done, or enough, and whether the first began with the start model (None: it need not)."""
    if asked.length == 0:  # it is fitted in one step
        return []
    said = f"{done} (early stop)" if enough and done < asked.length else str(done)
    found = [check("epochs", asked.length, said, enough or done == asked.length)]
    if evaluate is None or asked.start is None:
        return found
    frames = asked.folder / VALIDATION
    before = evaluate(begun, frames).forces if begun else next((each.forces for each in curve if each.epoch < 0), None)
    if before is not None:
        start = evaluate(asked.start, frames).forces
        same = abs(before - start) <= _SAME_START * max(start, 1e-3)
        found.append(
            check(
                "RMSE of forces before the first epoch / (eV/Å)",
                f"the start model's, {start:.6f}",
                f"{before:.6f}",
                same,
            )
        )
    return found


def _check_of_errors(written: CurvePoint | None, found: SetErrors) -> list[Check]:
    """Whether the model is that of the epoch, on the frames that validated it (None: this is not known)."""
    if written is None or written.forces is None:
        return []
    return [
        check(
            "RMSE of forces over validation frames / (eV/Å)",
            f"that of epoch {written.epoch}, {written.forces:.6f}",
            f"{found.forces:.6f}",
            abs(found.forces - written.forces) <= _SAME_EPOCH * written.forces,
        )
    ]


def _kept(
    trainer: Trainer,
    python: PackagePython,
    asked: Assignment,
    wanted: Mapping[str, Any],
    models: Path,
    file: Path,
    curve: list[CurvePoint],
    errors: dict[str, SetErrors],
    checks: list[Check],
    tests: Mapping[str, str],
) -> Member:
    """Copy the model, and write the record, which says that the member is done, last."""
    target = models / file.name.replace("_stagetwo.", ".")  # MACE's word for the second of two stages
    try:
        models.mkdir(parents=True, exist_ok=True)
        for each in companions(file):
            shutil.copyfile(each, models / each.name)
        shutil.copyfile(file, target)
        record = {
            "trainer": trainer.name,
            "seed": asked.seed,
            "model": target.name,
            "model_sha256": sha256(target),
            "frames": len(asked.data.train),
            "validation_frames": len(asked.data.validation),
            "elements": asked.data.elements,
            "energies_of_lone_atoms_eV": asked.data.lone_atoms,
            "errors": {name: asdict(each) for name, each in errors.items()},
            "units": {"energy": "meV/atom", "forces": "eV/Å", "stress": "meV/Å³"},
            "checks": [asdict(each) for each in checks],
            "wall_s": round(_seconds(asked.folder), 1),
            "python": str(python.python),
            "versions": python.versions,
            "asked": dict(wanted),
            "test": dict(tests),
            "curve": [asdict(each) for each in curve],
        }
        path = models / f"{asked.name}.json"
        write_whole(path, json.dumps(record, indent=1) + "\n")
    except OSError as problem:
        raise LamplighterError(
            f"{models} cannot be written ({problem.strerror or problem}): make room, and train again, which goes on"
        ) from problem
    return member_of_record(path)


def _with_labels(frame: TrainingFrame) -> Any:
    atoms = frame.atoms.copy()
    atoms.info = {"REF_energy": frame.labels.energy}
    if np.isfinite(frame.labels.stress).all():
        atoms.info["REF_stress"] = frame.labels.stress
    atoms.arrays["REF_forces"] = frame.labels.forces
    return atoms


def _seconds(folder: Path) -> float:
    try:
        return float((folder / "wall_s").read_text())
    except (OSError, ValueError):
        return 0.0


def _keep_seconds(folder: Path, seconds: float) -> None:
    if folder.is_dir():
        (folder / "wall_s").write_text(f"{seconds:.3f}\n")
