"""Which environments the frames of a study hold that the first training set does not: Q-residuals of each generation.

SOAP and principal components are those of the first training set throughout, so that generations can be compared.
Source: Wong, Yang, arXiv:2603.10159, section 0.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from lamplighter.labelling.output import replace_frames
from lamplighter.learning.generation import Generation, kept_record, unwritable
from lamplighter.learning.learning import ElementEnvironments, environments_of_record
from lamplighter.learning.selection import ALONG
from lamplighter.learning.study import Study
from lamplighter.model_files.trust import sha256
from lamplighter.observables.extrapolation import (
    CheckedTrajectory,
    Extrapolation,
    check_frames,
    evenly_spaced,
    fit_training_set,
    load_extrapolation,
    save_extrapolation,
    thinned,
)
from lamplighter.structures.frame_of_atoms import frame_of_atoms
from lamplighter.structures.labelled_frames import read_frames
from lamplighter.training.training_data import read_training_data

TRAINING = "first training set"
"""The set that is the first training set itself."""

SELECTED = "selected"
"""The set of the frames that a generation was given for training."""

FIT = "first_training_set.npz"
"""The principal components of the first training set, as `lamplighter extrapolation fit` leaves them."""

FRAMES = "first_training_set.xyz"
"""Its frames, or so many of them that they can be described in a minute or two."""

OF_ALL = "environments.json"
"""Of the first training set and the test sets, in the folder of a study; beside it `.npz`: `SET/ELEMENT/points`,
shape (n, 2), along the first two components, and `SET/ELEMENT/q`, over the threshold, shape (n,), for maps."""

MOST_LEARNT = 100_000
"""Atoms of the first training set that are described: two minutes of one core."""

MOST_CHECKED = 20_000
"""Atoms of a set that are held against it."""

MOST_SHOWN = 1_000
"""Environments of an element in a set that are kept for its map, and for the distribution of Q."""


def environments_of_sets(study: Study) -> list[ElementEnvironments]:
    """Of the first training set itself, and of the test sets.

    Raises:
        EnvironmentProblem: dscribe or scikit-learn is not installed.
        LamplighterError: frames cannot be described.
    """
    sets = {TRAINING: study.folder / FRAMES, **study.train_file.data.test}
    rests_on = {**_rests_on(study), "sets": {name: sha256(path) for name, path in study.train_file.data.test.items()}}
    return _kept(study, study.folder / OF_ALL, rests_on, sets)


def environments_of_generation(study: Study, generation: Generation) -> list[ElementEnvironments]:
    """Of the frames that were selected from its runs, and of those along them; raises as `environments_of_sets`."""
    named = {SELECTED: generation.added, ALONG: generation.along}
    sets = {name: path for name, path in named.items() if path.is_file()}
    if not sets:
        return []
    rests_on = {**_rests_on(study), "sets": {name: sha256(path) for name, path in sets.items()}}
    return _kept(study, generation.environments, rests_on, sets)


def _kept(study: Study, path: Path, rests_on: Mapping[str, Any], sets: Mapping[str, Path]) -> list[ElementEnvironments]:
    def made() -> list[ElementEnvironments]:
        training = _first_training_set(study)
        found: list[ElementEnvironments] = []
        samples: dict[str, np.ndarray] = {}
        for name, file in sets.items():
            checked = _checked(file, training)
            found += _by_element(name, checked)
            samples |= _samples(name, checked)
        try:
            np.savez_compressed(path.with_suffix(".npz"), **samples)  # type: ignore[arg-type]
        except OSError as problem:
            raise unwritable(path.with_suffix(".npz"), problem) from problem
        return found

    return [environments_of_record(each) for each in kept_record(path, rests_on, made)]


def _rests_on(study: Study) -> dict[str, Any]:
    data = study.train_file.data
    files = [file for kind in data.train.values() for file in kind.files]
    given = data.validation
    return {
        "seed": study.seeds[0],
        "subset": study.train_file.subset,
        "validation": [sha256(each) for each in given] if isinstance(given, list) else given,
        "training": [sha256(each) for each in files],
    }


def _first_training_set(study: Study) -> Extrapolation:
    """What the first model of the first generation is trained on, learnt once."""
    path = study.folder / FIT

    def made() -> str:
        data = read_training_data(study.train_file.data).of_member(study.seeds[0], study.train_file.subset)
        frames, _ = evenly_spaced([each.atoms for each in data.train], MOST_LEARNT)
        replace_frames(study.folder / FRAMES, frames)
        save_extrapolation(path, fit_training_set(study.folder / FRAMES, frames))
        return path.name

    kept_record(path.with_suffix(".json"), _rests_on(study), made)
    if not path.is_file() or not (study.folder / FRAMES).is_file():  # one was removed alone
        made()
    return load_extrapolation(path)


def _checked(file: Path, training: Extrapolation) -> CheckedTrajectory:
    several = [atoms for atoms in read_frames(file)[0] if len(atoms) > 1]
    frames: Sequence[Atoms] = evenly_spaced(several, MOST_CHECKED)[0]
    return check_frames(file, [frame_of_atoms(atoms, place) for place, atoms in enumerate(frames)], training)


def _by_element(name: str, checked: CheckedTrajectory) -> list[ElementEnvironments]:
    symbols, q, beyond = (np.concatenate(each) for each in (checked.symbols, checked.q, checked.flagged))
    found = []
    for symbol, limit in checked.training.thresholds.items():
        here = symbols == symbol
        if here.any():
            values = (float(q[here].mean()), float(q[here].max()), limit.value, float(beyond[here].mean()))
            found.append(ElementEnvironments(name, symbol, int(here.sum()), *values, limit.flagged))
    return found


def _samples(name: str, checked: CheckedTrajectory) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    symbols, q = np.concatenate(checked.symbols), np.concatenate(checked.q)
    found = {}
    for symbol, points in checked.points.items():
        two = np.zeros((len(points), 2))
        two[:, : min(2, points.shape[1])] = points[:, :2]
        relative = q[symbols == symbol] / checked.training.thresholds[symbol].value
        found[f"{name}/{symbol}/points"] = thinned(two, random, MOST_SHOWN).astype(np.float32)
        found[f"{name}/{symbol}/q"] = thinned(relative, random, MOST_SHOWN).astype(np.float32)
    return found
