"""Chosen frames get labels, and become training data with the names that the labels of the data have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from lamplighter.cluster.wall_time import seconds_of
from lamplighter.errors import LamplighterError
from lamplighter.json_text import plain
from lamplighter.labelling.electrons import OfSilentFrames
from lamplighter.labelling.label import Wishes, label_file
from lamplighter.labelling.labelling import Labelling
from lamplighter.labelling.method import Method
from lamplighter.labelling.named_methods import named_method
from lamplighter.labelling.output import replace_frames
from lamplighter.learning.generation import read_record, unwritable, write_record
from lamplighter.learning.study import Study
from lamplighter.observables.predictions import fingerprint
from lamplighter.structures.labelled_frames import LabelKeys, read_labelled
from lamplighter.structures.labels import Labels
from lamplighter.training.training_data import TrainingFrame, read_training_data

PREFIX = "REF_"
"""Of the names of labels in files of labelled frames."""

LABELLER = "labeller"
"""The folder, in that of a study, of what the labeller says of the data."""

SAME = "same.json"
"""That it says the same, in a folder for each method and set of frames that was asked for."""

SAME_ENERGY = 0.005
"""eV/atom that the labeller's energies may differ by from the data's: settings of one program, and not two methods."""

SAME_FORCE = 0.1
"""eV/Å, likewise of each component of the forces."""

_OWN_NAMES = ("energy", "forces", "stress")


def method_of(study: Study) -> Method:
    """The labeller; files are relative to the study file.

    Raises:
        LamplighterError: it is none, or a file cannot be used.
    """
    section = study.given.labeller
    file = study.beside(Path(section.method))
    options = dict(section.options)
    if isinstance(options.get("molecules"), str):
        options["molecules"] = str(study.beside(Path(options["molecules"])))
    return named_method(str(file) if file.is_file() else section.method, options or None, "labeller:")


def labelled(study: Study, frames: Path, output: Path, progress: bool) -> Labelling:
    """Label the frames of a file; what was done before is not done again.

    Raises:
        LamplighterError: no frame could be labelled.
        Interrupted: a signal came; the same call goes on.
    """
    section = study.given.labeller
    wishes = Wishes(
        output,
        OfSilentFrames(section.charge, section.multiplicity),
        PREFIX,
        section.workers,
        section.threads,
        None if section.timeout is None else seconds_of(section.timeout, "labeller.timeout"),
        retry=True,  # what failed may have been mended
        progress=progress,
    )
    made = label_file(frames, method_of(study), wishes)
    if not made.n_labelled:
        raise LamplighterError(
            f"labeller {section.method}: none of the {len(made.frames)} frames of {frames} could be labelled; the "
            f"first: {made.failures[0].why} (mend it, and give the same command again)"
        )
    return made


def require_same_labels(study: Study, folder: Path, progress: bool) -> list[str]:
    """Refuse a labeller that does not say of training frames what their labels say: of the smallest of each kind.

    Args:
        study: The study.
        folder: Of files that are left: a folder for each method and set of frames that was asked for.
        progress: Show the progress on a terminal.

    Returns:
        A line for each frame that it cannot label.

    Raises:
        LamplighterError: it says something else; energies or forces are named.
    """
    if not study.given.labeller.same_as_data:
        return []
    smallest = _smallest(study)
    asked = {"frames": fingerprint([each.atoms for each in smallest]), "method": rests_on(study)}
    own = folder / hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    done = own / SAME
    if done.is_file():
        return list(read_record(done)["notes"])
    file = own / "frames.xyz"
    try:
        own.mkdir(parents=True, exist_ok=True)
        replace_frames(file, [each.atoms for each in smallest])
    except OSError as problem:
        raise unwritable(own, problem) from problem
    made = labelled(study, file, own / "labelled.xyz", progress)
    failed = {each.frame: each.why for each in made.failures}
    found = read_labelled(own / "labelled.xyz", f"{PREFIX}energy").labels
    good = [each for number, each in enumerate(smallest) if number not in failed]
    for frame, labels in zip(good, found, strict=True):
        _require_same(frame, labels, study.given.labeller.method)
    notes = [
        f"the labeller was not held against {smallest[number].kind}: it fails for its smallest frame: {why}"
        for number, why in failed.items()
    ]
    write_record(done, {**asked, "notes": notes})
    return notes


def notes_of_labeller(study: Study) -> list[str]:
    """What was found when the labeller was held against the data, as files have it; nothing where it was not yet."""
    if not study.given.labeller.same_as_data:
        return ["the labeller was not held against the data: labeller.same_as_data is false"]
    done = sorted((study.folder / LABELLER).glob(f"*/{SAME}"), key=lambda each: each.stat().st_mtime)
    return list(read_record(done[-1])["notes"]) if done else []  # the others are those of former labellers


def rests_on(study: Study) -> dict[str, Any]:
    """What labels rest on, but for the versions of packages."""
    known: dict[str, Any] = plain(method_of(study).provenance())
    return {name: value for name, value in known.items() if name != "versions"}


def _require_same(frame: TrainingFrame, found: Labels, method: str) -> None:
    energy = (found.energy - frame.labels.energy) / len(frame.atoms)
    force = float(np.abs(found.forces - frame.labels.forces).max())
    if abs(energy) <= SAME_ENERGY and force <= SAME_FORCE:
        return
    raise LamplighterError(
        f"labeller {method} and the training data do not say the same of {frame.atoms.get_chemical_formula()} "
        f"({frame.kind}): energies differ by {1e3 * energy:+.1f} meV/atom (at most {1e3 * SAME_ENERGY:g}), forces by "
        f"{force:.3g} eV/Å at most (at most {SAME_FORCE:g}): name the method that made the data, label the data anew "
        "(lamplighter label), or say that they may differ (labeller.same_as_data: false)"
    )


def _smallest(study: Study) -> list[TrainingFrame]:
    kinds = read_training_data(study.train_file.data).kinds
    several = [[each for each in frames if not each.is_lone_atom] for frames in kinds.values()]
    return [min(frames, key=lambda each: len(each.atoms)) for frames in several if frames]


def keys_of_data(study: Study) -> LabelKeys:
    """What the labels of the training data are called: those of a file with stresses, if there is one.

    Files of isolated atoms may say nothing of forces.
    """
    names = study.train_file.data.labels
    files = [file for kind in study.train_file.data.train.values() for file in kind.files]
    found = [read_labelled(file, names.energy, names.forces, names.stress) for file in files]
    several = [each for each in found if any(len(atoms) > 1 for atoms in each.frames)] or found
    return max((each.keys for each in several), key=lambda keys: keys.stress is not None)


def write_as_data(path: Path, frames: Sequence[Atoms], labels: Sequence[Labels], keys: LabelKeys) -> None:
    """Write frames in one piece, with labels by the names of the training data.

    Args:
        path: The file.
        frames: With `info` that is kept.
        labels: Of each.
        keys: Names. Stresses are written where the data have some.

    Raises:
        LamplighterError: it cannot be written.
    """
    replace_frames(path, [_with_labels(*pair, keys) for pair in zip(frames, labels, strict=True)])


def _with_labels(frame: Atoms, labels: Labels, keys: LabelKeys) -> Atoms:
    made = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    made.info = {name: value for name, value in frame.info.items() if not name.startswith(PREFIX)}
    values: dict[str, Any] = {keys.energy: labels.energy}
    if keys.stress is not None and np.isfinite(labels.stress).all():
        virial = "virial" in keys.stress.lower()
        values[keys.stress] = -labels.stress * frame.get_volume() if virial else labels.stress
    own = {name: value for name, value in values.items() if name in _OWN_NAMES}
    made.info |= {name: value for name, value in values.items() if name not in own}
    if keys.forces in _OWN_NAMES:
        own[keys.forces] = labels.forces
    else:
        made.arrays[keys.forces] = labels.forces
    if own:
        if "stress" in own:
            own["stress"] = full_3x3_to_voigt_6_stress(own["stress"])
        made.calc = SinglePointCalculator(made, **own)
    return made
