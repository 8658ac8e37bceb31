"""What models say of a set of frames, kept with their names, also in a file: models of other environments can join."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from lamplighter.analysis.model_errors import LabelArrays, committee_mean, label_arrays
from lamplighter.errors import LamplighterError
from lamplighter.structures.labels import Labels

FORMAT = 1


@dataclass(frozen=True)
class Prediction:
    """One model's labels of a set of frames.

    Attributes:
        name: Of the model.
        committee: Of the committee that it belongs to; empty: of the models without one.
        arrays: Its labels.
    """

    name: str
    committee: str
    arrays: LabelArrays


@dataclass(frozen=True)
class CommitteePredictions:
    """Models that were trained alike, and their mean; of one model, itself."""

    name: str
    members: list[Prediction]
    mean: LabelArrays


def prediction(name: str, committee: str, labels: Sequence[Labels]) -> Prediction:
    """From labels frame by frame."""
    return Prediction(name, committee, label_arrays(labels))


def committees(predictions: Sequence[Prediction]) -> list[CommitteePredictions]:
    """Sort models by committee, in the order in which they were given.

    Raises:
        LamplighterError: there are no models.
    """
    if not predictions:
        raise LamplighterError("no model is given: name at least one with --model FILE")
    names = list(dict.fromkeys(each.committee for each in predictions))
    found = []
    for name in names:
        members = [each for each in predictions if each.committee == name]
        title = name or (members[0].name if len(members) == 1 else "committee")
        found.append(CommitteePredictions(title, members, committee_mean([each.arrays for each in members])))
    return found


def fingerprint(frames: Sequence[Atoms]) -> str:
    """SHA-256 of elements, positions and cells, rounded to 10⁻⁵ Å, so that predictions can be told to fit frames."""
    digest = hashlib.sha256()
    for atoms in frames:
        digest.update(np.asarray(atoms.numbers, dtype="<i4").tobytes())
        for values in (atoms.positions, atoms.cell.array):
            digest.update(np.rint(values * 1e5).astype("<i8").tobytes())
        digest.update(np.asarray(atoms.pbc, dtype="<i1").tobytes())
    return digest.hexdigest()


def save_predictions(path: Path, predictions: Sequence[Prediction], frames: Sequence[Atoms]) -> None:
    """Write predictions to an npz file.

    Raises:
        LamplighterError: it cannot be written.
    """
    content: dict[str, np.ndarray] = {
        "format": np.array(FORMAT),
        "frames": np.array(fingerprint(frames)),
        "names": np.array([each.name for each in predictions]),
        "committees": np.array([each.committee for each in predictions]),
        "n_atoms": predictions[0].arrays.n_atoms,
    }
    for name in ("energies", "forces", "stresses"):
        content[name] = np.stack([getattr(each.arrays, name) for each in predictions])
    try:
        with path.open("wb") as file:
            np.savez_compressed(file, **content)  # type: ignore[arg-type]
    except OSError as problem:
        raise LamplighterError(f"--save {path} cannot be written: {problem.strerror or problem}") from problem


def load_predictions(path: Path, frames: Sequence[Atoms]) -> list[Prediction]:
    """Read predictions of these frames.

    Raises:
        LamplighterError: the file cannot be read, or its predictions are of other frames.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            content = {name: stored[name] for name in stored.files}
        made_for, n_atoms = str(content["frames"]), content["n_atoms"]
        names, groups = content["names"].tolist(), content["committees"].tolist()
        values = [content[name] for name in ("energies", "forces", "stresses")]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
        raise LamplighterError(
            f"{path} holds no predictions of `lamplighter errors --save` ({type(problem).__name__}: {problem})"
        ) from problem
    if made_for != fingerprint(frames):
        raise LamplighterError(
            f"the predictions in {path} are of other frames: {len(n_atoms)} frames of {int(n_atoms.sum())} atoms in "
            f"all, here {len(frames)} of {sum(map(len, frames))}; evaluate these with `lamplighter errors … --save`"
        )
    frame = np.repeat(np.arange(len(n_atoms)), n_atoms)
    return [
        Prediction(name, group, LabelArrays(energies, n_atoms, forces, stresses, frame))
        for name, group, energies, forces, stresses in zip(names, groups, *values, strict=True)
    ]
