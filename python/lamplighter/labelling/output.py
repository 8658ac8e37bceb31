"""The files that labelling leaves: frames with labels, those without, and what the labels rest on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write as write_frames
from ase.stress import full_3x3_to_voigt_6_stress

import lamplighter
from lamplighter.errors import LamplighterError
from lamplighter.labelling.electrons import Electrons, OfSilentFrames
from lamplighter.labelling.frames import InputFrames
from lamplighter.labelling.journal import Known
from lamplighter.labelling.labelling import Failed, LabelledFrame, Labelling
from lamplighter.labelling.method import Method
from lamplighter.model_files.trust import sha256
from lamplighter.structures.labelled_frames import read_labelled
from lamplighter.whole_file import write_whole


@dataclass(frozen=True)
class Places:
    """The files of an output `name.xyz`.

    Attributes:
        output: Frames with labels.
    """

    output: Path

    def _beside(self, ending: str) -> Path:
        return self.output.with_name(self.output.name.removesuffix(self.output.suffix) + ending)

    @property
    def failed(self) -> Path:
        """Frames that failed."""
        return self._beside(".failed.xyz")

    @property
    def record(self) -> Path:
        """What the labels rest on."""
        return self._beside(".json")

    @property
    def journal(self) -> Path:
        """What is known before all is done."""
        return self._beside(".journal")

    @property
    def folders(self) -> Path:
        """The folders of frames that a command computes."""
        return self._beside(".frames")


def written(
    places: Places,
    given: InputFrames,
    method: Method,
    rests_on: dict[str, Any],
    otherwise: OfSilentFrames,
    prefix: str,
    known: Mapping[int, Known],
) -> Labelling:
    """Write all files, each in one piece.

    Args:
        places: Where to.
        given: The frames.
        method: That was asked.
        rests_on: Its provenance.
        otherwise: Charge and multiplicity of frames that state none.
        prefix: Before the names of labels; empty: ASE's own names.
        known: Of each frame.

    Raises:
        LamplighterError: a file cannot be written.
    """
    good, bad = [], []
    for number, atoms in enumerate(given.frames):
        found = known[number]
        if found.labels is None:
            bad.append(_set_aside(atoms, number, found.failure))
        else:
            good.append(_with_labels(atoms, found, method, given.electrons[number], prefix))
    made = _labelling(places, given, method, rests_on, known)
    for path, frames in ((places.output, good), (places.failed, bad)):
        replace_frames(path, frames)
    record = {
        "lamplighter": lamplighter.__version__,
        "frames": str(given.path),
        "frames_sha256": sha256(given.path),
        "keys": _together(given.keys),
        "labelled": len(good),
        "failed": len(bad),
        "labels": {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³, positive under tension"},
        "prefix": prefix,
        "charge_if_not_stated": otherwise.charge,
        "multiplicity_if_not_stated": otherwise.multiplicity,
        "evaluation_s": sum(each.seconds for each in known.values()),
        **rests_on,
    }
    try:
        write_whole(places.record, json.dumps(record, indent=2) + "\n")
    except OSError as problem:
        raise LamplighterError(f"{places.record} cannot be written: {problem.strerror or problem}") from problem
    return made


def _labelling(
    places: Places, given: InputFrames, method: Method, rests_on: dict[str, Any], known: Mapping[int, Known]
) -> Labelling:
    frames = [_said(number, atoms, known[number]) for number, atoms in enumerate(given.frames)]
    failures = [
        Failed(number, str(atoms.get_chemical_formula()), known[number].failure)
        for number, atoms in enumerate(given.frames)
        if known[number].labels is None
    ]
    notes = list(given.notes)
    without = sum(
        bool(all(atoms.pbc)) and (found := known[number].labels) is not None and bool(np.isnan(found.stress).any())
        for number, atoms in enumerate(given.frames)
    )
    if without:
        notes.append(f"{without} periodic frames have no stress: {method.name} gives none")
    return Labelling(
        method.name,
        rests_on,
        places.output if len(failures) < len(frames) else None,
        places.failed if failures else None,
        places.record,
        frames,
        failures,
        notes,
    )


def _said(number: int, atoms: Atoms, known: Known) -> LabelledFrame:
    labels = known.labels
    if labels is None:
        return LabelledFrame(number, len(atoms), np.nan, np.nan, np.nan, known.seconds)
    largest = float(np.linalg.norm(labels.forces, axis=1).max())
    return LabelledFrame(
        number, len(atoms), labels.energy, largest, -float(np.trace(labels.stress)) / 3.0, known.seconds
    )


def _with_labels(atoms: Atoms, known: Known, method: Method, told: Electrons | None, prefix: str) -> Atoms:
    labels = known.labels
    assert labels is not None
    made = atoms.copy()
    made.info["label_method"] = _text_of_info(method.name)
    if told is not None:
        made.info |= {"charge": told.charge, "multiplicity": told.multiplicity}
    has_stress = not np.isnan(labels.stress).any()
    if prefix:
        made.info[f"{prefix}energy"] = labels.energy
        made.arrays[f"{prefix}forces"] = labels.forces
        if has_stress:
            made.info[f"{prefix}stress"] = labels.stress
        return made
    results: dict[str, Any] = {"energy": labels.energy, "forces": labels.forces}
    if has_stress:
        results["stress"] = full_3x3_to_voigt_6_stress(labels.stress)
    made.calc = SinglePointCalculator(made, **results)
    return made


def _set_aside(atoms: Atoms, number: int, why: str) -> Atoms:
    made = atoms.copy()
    made.info |= {"frame": number, "failure": _text_of_info(why)}
    return made


def _text_of_info(text: str) -> str:
    """In one line, and without what extended XYZ or UTF-8 cannot hold: file names may be any bytes."""
    told = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(told.replace('"', "'").replace("\\", "/").split())


def replace_frames(path: Path, frames: Sequence[Atoms]) -> None:
    """Write a file of frames (extended XYZ) in one piece, or remove it where there is nothing to write.

    Raises:
        LamplighterError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if not frames:
            path.unlink(missing_ok=True)
            return
        write_frames(partial, list(frames), format="extxyz", parallel=False)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as problem:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise LamplighterError(f"{path} cannot be written: {problem.strerror or problem}") from problem


def done_before(places: Places, given: InputFrames, method: Method, rests_on: dict[str, Any], prefix: str) -> Labelling:
    """What a finished output says, if it is of these frames and this method: then there is nothing left to do.

    Raises:
        LamplighterError: it is of something else.
    """
    try:
        record = json.loads(places.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    same = all(record.get(key) == value for key, value in rests_on.items())
    if not (same and record.get("keys") == _together(given.keys) and record.get("prefix") == prefix):
        raise LamplighterError(
            f"{places.output} is there already, and is not what this would make: choose another --output, or remove it"
        )
    found = read_labelled(places.output, f"{prefix}energy")
    known = {number: Known(labels, "", 0.0) for number, labels in enumerate(found.labels)}
    made = _labelling(places, given, method, rests_on, known)
    made.was_complete = True
    return made


def _together(keys: list[str]) -> str:
    return hashlib.sha256(" ".join(keys).encode("ascii")).hexdigest()
