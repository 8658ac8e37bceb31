"""The frames of a training: read by kind, checked, and divided among training and validation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms

from lamplighter.errors import LamplighterError, TrajectoryError
from lamplighter.structures.labelled_frames import LabelKeys, read_labelled
from lamplighter.structures.labels import Labels
from lamplighter.training.train_file import SHARES, DataSection, LabelsSection

SAME_LONE_ATOM = 1e-3
"""eV that energies of one isolated atom may differ by: digits that were cut off, and not two methods."""

LARGEST_SHIFT = 1.0
"""eV/atom that files may differ by beyond what elements explain: packing and bonds are tenths of it, methods tens."""

LARGEST_PART = 0.25
"""Of the squared forces of all training frames that one may hold before it is named: a loss of squares sees little
else."""

FEW_FRAMES = 20
"""Among so few, one with a large part is nothing remarkable."""

_FIXED_SPLIT = 0  # seed of a validation set that all members share


@dataclass(frozen=True)
class TrainingFrame:
    """A frame with its labels.

    Attributes:
        atoms: Structure, with nothing else.
        labels: Of it.
        kind: Such as liquid; empty in validation sets that are files.
        weight: In the loss.
    """

    atoms: Atoms
    labels: Labels
    kind: str
    weight: float

    @property
    def is_lone_atom(self) -> bool:
        """Whether it says the energy of an isolated atom."""
        return len(self.atoms) == 1 and not self.atoms.pbc.any()


@dataclass(frozen=True)
class MemberData:
    """What one member is trained on.

    Attributes:
        train: Frames of several atoms.
        validation: Others.
        lone_atoms: Energies of isolated atoms, eV, by element.
        elements: By atomic number.
    """

    train: list[TrainingFrame]
    validation: list[TrainingFrame]
    lone_atoms: dict[str, float]
    elements: list[str]

    @property
    def has_stress(self) -> bool:
        """Whether some training frame knows its stress."""
        return any(np.isfinite(each.labels.stress).all() for each in self.train)

    @property
    def knows_all_lone_atoms(self) -> bool:
        """Whether each element has an isolated atom."""
        return set(self.elements) <= set(self.lone_atoms)


@dataclass(frozen=True)
class TrainingData:
    """All frames of a train file.

    Attributes:
        kinds: Training frames of each kind.
        shares: Of each kind, how much of it members take.
        validation: Of files; empty: a share, or what members do not see.
        validation_share: Of each kind; 0: what members do not see.
        keys: Names of the labels of each file.
        notes: What is to be known of them.
        test_elements: Of the files that are held against each model, by name.
    """

    kinds: dict[str, list[TrainingFrame]]
    shares: dict[str, float]
    validation: list[TrainingFrame]
    validation_share: float
    keys: dict[Path, LabelKeys]
    notes: list[str] = field(default_factory=list)
    test_elements: dict[str, list[str]] = field(default_factory=dict)

    @property
    def lone_atoms(self) -> dict[str, float]:
        """Energies of isolated atoms, eV, by element."""
        frames = [each for kind in self.kinds.values() for each in kind if each.is_lone_atom]
        return {str(each.atoms.symbols): each.labels.energy for each in frames}

    def size_of_member(self, subset: float) -> int:
        """How many frames of several atoms each member is trained on: `of_member`, without asking which."""
        several = {kind: sum(not each.is_lone_atom for each in frames) for kind, frames in self.kinds.items()}
        kept = {kind: _part(number, 1.0 - self.validation_share) for kind, number in several.items()}
        return sum(_part(number, subset * self.shares[kind]) for kind, number in kept.items())

    def of_member(self, seed: int, subset: float) -> MemberData:
        """What a member is trained on: its own shares, drawn with its seed, and what validates it.

        Args:
            seed: Of the member.
            subset: Share of the training frames that it sees.

        Raises:
            LamplighterError: nothing is left to train on or to validate with, or an element of validation or test
                frames has no training frame.
        """
        train: list[TrainingFrame] = []
        rest: list[TrainingFrame] = []
        shared: list[TrainingFrame] = []
        own = np.random.default_rng(seed)
        for kind, frames in self.kinds.items():
            several = [each for each in frames if not each.is_lone_atom]
            kept, apart = _divided(several, 1.0 - self.validation_share, np.random.default_rng(_FIXED_SPLIT))
            shared += apart
            seen, unseen = _divided(kept, subset * self.shares[kind], own)
            train += seen
            rest += unseen
        validation = self.validation or shared or rest
        if not train:
            raise LamplighterError(f"seed {seed}: no training frame is left: take a larger subset, or more frames")
        if not validation:
            raise LamplighterError(f"seed {seed}: no frame is left to validate with: {SHARES}")
        elements = _elements(train)
        if lacking := [each for each in _elements(validation) if each not in elements]:
            raise LamplighterError(
                f"seed {seed}: {', '.join(lacking)}: no training frame has this element, and validation frames do: add "
                "frames of it, or take a larger subset"
            )
        for name, tested in self.test_elements.items():
            if lacking := [each for each in tested if each not in elements]:
                raise LamplighterError(
                    f"seed {seed}: {', '.join(lacking)}: no training frame of this member has this element, and frames "
                    f"of test.{name} do: take a larger subset, or add frames of it"
                )
        return MemberData(train, validation, self.lone_atoms, elements)


def read_training_frames(
    file: Path, names: LabelsSection, kind: str = "", weight: float = 1.0
) -> tuple[list[TrainingFrame], LabelKeys, list[str]]:
    """Frames of a file, what their labels are called, and what is to be known of them.

    Raises:
        TrajectoryError: it cannot be read, or a label is missing (the frame is named).
    """
    try:
        given = read_labelled(file, names.energy, names.forces, names.stress)
    except TrajectoryError as problem:
        raise TrajectoryError(_in_words_of_train_files(str(problem))) from None
    made = [
        TrainingFrame(Atoms(each.numbers, each.positions, cell=each.cell, pbc=each.pbc), labels, kind, weight)
        for each, labels in zip(given.frames, given.labels, strict=True)
    ]
    return made, given.keys, [_in_words_of_train_files(each) for each in given.notes]


def read_training_data(data: DataSection) -> TrainingData:
    """Read all frames of a train file.

    Raises:
        TrajectoryError: a file cannot be read, or a label is missing (the frame is named).
        LamplighterError: files name their labels differently, or test frames have an element that no training frame
            has.
    """
    keys: dict[Path, LabelKeys] = {}
    notes: list[str] = []
    by_file: dict[Path, list[TrainingFrame]] = {}

    def read(file: Path, kind: str, weight: float) -> list[TrainingFrame]:
        by_file[file], keys[file], said = read_training_frames(file, data.labels, kind, weight)
        notes.extend(said)
        return by_file[file]

    kinds = {
        name: [frame for file in kind.files for frame in read(file, name, kind.weight)]
        for name, kind in data.train.items()
    }
    files = data.validation if isinstance(data.validation, list) else []
    validation = [frame for file in files for frame in read(file, "", 1.0) if not frame.is_lone_atom]
    if files and not validation:
        raise LamplighterError(f"validation: {files[0]} holds lone atoms alone: {SHARES}")
    known = _elements([frame for kind in kinds.values() for frame in kind])
    test_elements = {}
    for name, file in data.test.items():
        frames = read(file, "", 1.0)
        test_elements[name] = _elements(frames)
        if lacking := [each for each in _elements(frames) if each not in known]:
            raise LamplighterError(
                f"test.{name}: {file} has {', '.join(lacking)}, and no training frame does: add frames of it"
            )
    _require_one_name(keys)
    _require_one_energy({file: by_file[file] for kind in data.train.values() for file in kind.files})
    notes += shifts_between_files(by_file)
    notes += frames_that_outweigh({file: by_file[file] for kind in data.train.values() for file in kind.files})
    share = data.validation if isinstance(data.validation, float) else 0.0
    shares = {name: each.share for name, each in data.train.items()}
    return TrainingData(kinds, shares, validation, share, keys, notes, test_elements)


def shifts_between_files(by_file: dict[Path, list[TrainingFrame]]) -> list[str]:
    """What is said of files whose energies lie apart by more than energies of their elements explain.

    One energy for each element is fitted to all frames of several atoms (least squares); a file whose mean residual is
    further from that of all files than `LARGEST_SHIFT` was labelled by something else, and so are files whose isolated
    atoms are.
    """
    notes = []
    rows = [(file, each) for file, frames in by_file.items() for each in frames if len(each.atoms) > 1]
    lone = {str(e.atoms.symbols): e.labels.energy for frames in by_file.values() for e in frames if e.is_lone_atom}
    elements = _elements([each for _, each in rows])
    if len(by_file) > 1 and rows:
        counts = np.array([[each.atoms.symbols.count(element) for element in elements] for _, each in rows], float)
        sizes = counts.sum(axis=1)
        energies = np.array([each.labels.energy for _, each in rows])
        fitted = np.linalg.lstsq(counts / sizes[:, None], energies / sizes, rcond=None)[0]
        left = energies / sizes - counts @ fitted / sizes
        middle = float(np.median(left))
        for file in by_file:
            shift = float(
                np.median([value for (owner, _), value in zip(rows, left, strict=True) if owner == file] or [0])
            )
            if abs(shift - middle) > LARGEST_SHIFT:
                notes.append(
                    f"energies of {file.name} lie {shift - middle:+.2f} eV/atom from those of the other files beyond "
                    "what their elements explain: were they labelled by the same method?"
                )
    if set(elements) <= set(lone):
        for file, frames in by_file.items():
            bound = [
                (each.labels.energy - sum(lone[symbol] for symbol in each.atoms.symbols)) / len(each.atoms)
                for each in frames
                if len(each.atoms) > 1
            ]
            if bound and not -15.0 < float(np.median(bound)) < 5.0:
                notes.append(
                    f"frames of {file.name} are bound by {-float(np.median(bound)):.2f} eV/atom beside the isolated "
                    "atoms, which no substance is: were both labelled by the same method?"
                )
    return notes


def frames_that_outweigh(by_file: dict[Path, list[TrainingFrame]]) -> list[str]:
    """What is said of frames that hold a large part of the squared forces of all of them.

    Such are frames in which atoms ran into each other: a model that is trained on them learns little else.
    """
    squares = [
        (float(np.sum(each.labels.forces**2)), float(np.abs(each.labels.forces).max()), file, place)
        for file, frames in by_file.items()
        for place, each in enumerate(frames)
        if not each.is_lone_atom
    ]
    if len(squares) < FEW_FRAMES:
        return []
    total = sum(square for square, *_ in squares)
    return [
        f"frame {place} of {file.name} (from 0) holds {100.0 * square / total:.0f} % of the squared forces of all "
        f"training frames, the largest component is {largest:.4g} eV/Å: leave it out, unless that is what is to be "
        "learnt"
        for square, largest, file, place in squares
        if square > LARGEST_PART * total
    ]


def _in_words_of_train_files(said: str) -> str:
    """Options of other commands are keys here: `--energy KEY` is `data.labels.energy: KEY`."""
    return re.sub(r"--(energy|forces|stress)\b( KEY)?", r"data.labels.\1", said)


def _divided(
    frames: Sequence[TrainingFrame], share: float, random: np.random.Generator
) -> tuple[list[TrainingFrame], list[TrainingFrame]]:
    """A share of the frames, and the others; of a few frames that have a share at all, at least one."""
    order = random.permutation(len(frames))
    cut = _part(len(frames), share)
    return [frames[i] for i in order[:cut]], [frames[i] for i in order[cut:]]


def _part(number: int, share: float) -> int:
    return max(round(share * number), 1 if share > 0.0 and number else 0)


def _elements(frames: Sequence[TrainingFrame]) -> list[str]:
    numbers = sorted({int(number) for each in frames for number in each.atoms.numbers})
    return [str(Atoms(numbers=[number]).symbols) for number in numbers]


def _require_one_energy(by_file: dict[Path, list[TrainingFrame]]) -> None:
    first: dict[str, tuple[float, Path]] = {}
    for file, frames in by_file.items():
        for each in frames:
            if not each.is_lone_atom:
                continue
            symbol, energy = str(each.atoms.symbols), each.labels.energy
            known, where = first.setdefault(symbol, (energy, file))
            if abs(energy - known) > SAME_LONE_ATOM:
                raise LamplighterError(
                    f"an isolated atom of {symbol} has {known:.6f} eV in {where} and {energy:.6f} eV in {file}: keep "
                    "the one that goes with the other frames"
                )


def _require_one_name(keys: dict[Path, LabelKeys]) -> None:
    first = next(iter(keys))
    for file, each in keys.items():
        if each.energy != keys[first].energy:
            raise LamplighterError(
                f"labels of {first} are called {keys[first].energy!r}, and those of {file} {each.energy!r}: are they "
                "of one method? If so, give them one name in all files; if files hold several, say which with "
                "data.labels.energy"
            )
