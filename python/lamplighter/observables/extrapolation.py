"""Extrapolation of a training set: fitted once, stored, and held against trajectories."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from lamplighter.analysis.extrapolation import COMPONENTS, ElementPca, Threshold, fit_pca, threshold
from lamplighter.analysis.soap import Soap, SoapParameters
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import LamplighterError, ModelError, TrajectoryError
from lamplighter.structures.frame import Frame

FORMAT = 1
MOST_ENVIRONMENTS = 5000
"""Of one element, that a PCA is made of; of more, so many are drawn. Bounds the memory: 17 kB each (3 elements)."""

MOST_POINTS = 4000
"""Of each element, that are kept for the map."""


class Descriptor(Protocol):
    """What describes atoms by numbers."""

    def chunks(self, atoms: Atoms) -> Iterator[tuple[Integers, Floats]]:
        """Places of atoms and their descriptors, some at a time.

        Raises:
            LamplighterError: atoms that cannot be described.
        """
        ...


class Measure(Protocol):
    """What says of descriptors of an element how far they are from the training set."""

    @property
    def explained(self) -> Floats:
        """Share of the variance, or of the mean square, along each axis, shape (m,)."""
        ...

    @property
    def n_fitted(self) -> int:
        """Environments that it was made of."""
        ...

    def residuals(self, descriptors: Floats, /) -> tuple[Floats, Floats]:
        """The measure of each descriptor, shape (n,), and its coordinates along the first axes, shape (n, k)."""
        ...


class Parameters(Protocol):
    """What defines a descriptor; as text: a line about it."""

    @property
    def elements(self) -> tuple[str, ...]: ...

    @property
    def n_features(self) -> int: ...

    @property
    def measure(self) -> str:
        """The letter of the measure: Q of SOAP, U of a model's last layers."""
        ...


@dataclass(frozen=True)
class ReadoutParameters:
    """The descriptor is a model's own: the inputs of its last linear layers.

    Attributes:
        elements: That the model knows.
        n_features: Inputs of an atom.
        models: Names of the files that the model was made from; the first is meant.
        ridge: λ of `analysis.prediction_rigidity`.
    """

    elements: tuple[str, ...]
    n_features: int
    models: str
    ridge: float

    measure = "U"

    def __str__(self) -> str:
        return f"inputs of the last layers of {self.models.split()[0]}: {self.n_features} numbers an atom"


@dataclass(frozen=True)
class Extrapolation:
    """What is stored of a training set.

    Attributes:
        parameters: Of the descriptors.
        elements: PCA of each element; with a model's own descriptors its prediction rigidity, the same for all.
        thresholds: Q of each element over the training set, or U.
        points: A sample of each element's environments along the components, shape (n, k).
        source: What the training set was, and how the fit was made: file, sha256, frames, atoms, seed, components.
        notes: What was left out.
        open_descriptor: Makes the descriptor; None: SOAP.
        largest: The measure of each element's worst atom in the training set, where it is stored.
    """

    parameters: Parameters
    elements: Mapping[str, Measure]
    thresholds: dict[str, Threshold]
    points: dict[str, Floats]
    source: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    open_descriptor: Callable[[], Descriptor] | None = None
    largest: Mapping[str, float] = field(default_factory=dict)

    def descriptor(self) -> Descriptor:
        """What describes atoms as those of the training set were described.

        Raises:
            LamplighterError: a package or a file that it needs is missing.
        """
        if self.open_descriptor is not None:
            return self.open_descriptor()
        assert isinstance(self.parameters, SoapParameters)
        return Soap(self.parameters)


@dataclass(frozen=True)
class CheckedTrajectory:
    """A trajectory held against a training set.

    Attributes:
        path: The trajectory.
        training: What it was held against.
        frames: Places of the frames in the trajectory, shape (F,).
        times: ps, shape (F,); nan where a frame has none.
        ids: Of the atoms of each frame.
        symbols: Elements of the atoms of each frame.
        q: Of the atoms of each frame.
        flagged: Which of them are beyond the threshold.
        points: Of each element a sample of its environments along the components, shape (n, k).
        atoms_per_second: Speed, descriptors included.
        notes: What limits the numbers.
    """

    path: Path
    training: Extrapolation
    frames: Integers
    times: Floats
    ids: list[Integers]
    symbols: list[NDArray[np.str_]]
    q: list[Floats]
    flagged: list[NDArray[np.bool_]]
    points: dict[str, Floats]
    atoms_per_second: float
    notes: list[str]

    @property
    def share_flagged(self) -> Floats:
        """Of the atoms of each frame, shape (F,)."""
        return np.array([each.mean() for each in self.flagged])

    @property
    def share_expected(self) -> float:
        """Flagged share of the training set's own atoms, weighted as the trajectory's elements are."""
        thresholds = self.training.thresholds
        counts = {symbol: sum(int((each == symbol).sum()) for each in self.symbols) for symbol in thresholds}
        expected = sum(n * thresholds[symbol].flagged for symbol, n in counts.items())
        return expected / sum(counts.values())

    def of_element(self, symbol: str) -> dict[str, Floats]:
        """`mean`, `largest` and `flagged` (share) of Q over the element's atoms of each frame; nan without any."""
        found: dict[str, list[float]] = {"mean": [], "largest": [], "flagged": []}
        for symbols, q, beyond in zip(self.symbols, self.q, self.flagged, strict=True):
            here = symbols == symbol
            some = bool(here.any())
            found["mean"].append(float(q[here].mean()) if some else float("nan"))
            found["largest"].append(float(q[here].max()) if some else float("nan"))
            found["flagged"].append(float(beyond[here].mean()) if some else float("nan"))
        return {name: np.array(values) for name, values in found.items()}


def fit_training_set(
    path: Path,
    frames: Iterable[Atoms],
    components: int = COMPONENTS,
    most: int = MOST_ENVIRONMENTS,
    seed: int = 1,
    parameters: SoapParameters | None = None,
) -> Extrapolation:
    """Make the PCA of each element and its threshold.

    Two passes where there is more than `most` of an element: the PCA is made of a sample, Q is taken over all atoms.

    Args:
        path: The file of the training set; its hash is stored.
        frames: Its structures; those of a single atom are left out: isolated atoms are no environments.
        components: Of the PCA.
        most: Environments of one element that the PCA is made of.
        seed: Of the sample.
        parameters: Of the descriptors; None: the protocol's, for the elements that occur.

    Raises:
        TrajectoryError: there are no frames of two atoms or more, or too few atoms of an element.
        EnvironmentProblem: dscribe or scikit-learn is not installed.
    """
    everything = list(frames)
    used = [atoms for atoms in everything if len(atoms) > 1]
    if not used:
        raise TrajectoryError(f"{path} holds no frame of two atoms or more: there are no environments to learn")
    numbers = np.unique(np.concatenate([atoms.numbers for atoms in used]))
    symbols = [str(chemical_symbols[number]) for number in numbers]
    soap = Soap(parameters or SoapParameters(tuple(symbols)))
    rng = np.random.default_rng(seed)
    chosen = {number: _sample(used, number, most, rng) for number in numbers}
    wanted = [np.sort(np.concatenate([chosen[number][k] for number in numbers])) for k in range(len(used))]

    rows: dict[int, list[Floats]] = {int(number): [] for number in numbers}
    for atoms, places in zip(used, wanted, strict=True):
        for some, found in soap.chunks(atoms, places):
            for number, kept in rows.items():
                kept.append(found[atoms.numbers[some] == number])
    fitted: dict[str, ElementPca] = {}
    residuals: dict[str, list[Floats]] = {}
    points: dict[str, list[Floats]] = {}
    for number, symbol in zip(list(rows), symbols, strict=True):
        descriptors = np.concatenate(rows.pop(number))
        try:
            fitted[symbol] = fit_pca(descriptors, components)
        except ValueError as problem:
            raise TrajectoryError(f"{symbol} in {path}: {problem}") from None
        q, inside = fitted[symbol].residuals(descriptors)
        residuals[symbol], points[symbol] = [q], [inside]
    _the_rest(used, wanted, soap, fitted, residuals)
    notes = [] if len(used) == len(everything) else [f"{len(everything) - len(used)} frames of one atom were left out"]
    source = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "frames": len(used),
        "atoms": int(sum(map(len, used))),
        "components": components,
        "most_environments": most,
        "seed": seed,
    }
    return Extrapolation(
        soap.parameters,
        fitted,
        {symbol: threshold(np.concatenate(q)) for symbol, q in residuals.items()},
        {symbol: thinned(np.concatenate(found), rng) for symbol, found in points.items()},
        source,
        notes,
    )


def check_frames(
    path: Path, frames: Iterable[Frame], training: Extrapolation, every: int = 1, seed: int = 1
) -> CheckedTrajectory:
    """Q of all atoms of a trajectory; frames are read one at a time, and 9 bytes an atom are kept of each.

    Args:
        path: The trajectory, for messages.
        frames: Read one at a time.
        training: What they are held against.
        every: Take each so manieth frame.
        seed: Of the sample of points that is kept for the map.

    Raises:
        TrajectoryError: there are no frames, or one cannot be described (it is named).
    """
    descriptor = training.descriptor()
    rng = np.random.default_rng(seed)
    index, times, values, beyond = [], [], [], []
    ids: list[Integers] = []
    kinds: list[NDArray[np.str_]] = []
    points: dict[str, list[Floats]] = {symbol: [] for symbol in training.elements}
    seconds, n_atoms = 0.0, 0
    for frame in frames:
        if frame.index % every:
            continue
        if not frame.numbers.all():
            raise TrajectoryError(f'elements of frame {frame.index} of {path} are not known: give --elements "C H O"')
        atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.periodic)
        symbols = np.array(atoms.get_chemical_symbols())
        q = np.empty(len(atoms))
        limit = np.empty(len(atoms))
        began = time.perf_counter()
        try:
            for some, descriptors in descriptor.chunks(atoms):
                for symbol, measure in training.elements.items():
                    here = symbols[some] == symbol
                    if here.any():
                        q[some[here]], inside = measure.residuals(descriptors[here])
                        limit[some[here]] = training.thresholds[symbol].value
                        points[symbol].append(inside)
        except (TrajectoryError, ModelError) as problem:
            raise TrajectoryError(f"frame {frame.index} of {path}: {problem}") from None
        seconds += time.perf_counter() - began
        n_atoms += len(atoms)
        index.append(frame.index)
        times.append(float("nan") if frame.time_ps is None else frame.time_ps)
        # most trajectories have the same atoms throughout: kept once
        ids.append(ids[-1] if ids and np.array_equal(ids[-1], frame.ids) else frame.ids)
        kinds.append(kinds[-1] if kinds and np.array_equal(kinds[-1], symbols) else symbols)
        values.append(q)
        beyond.append(q > limit)
        for symbol, some_points in points.items():
            if sum(map(len, some_points)) > 4 * MOST_POINTS:
                points[symbol] = [thinned(np.concatenate(some_points), rng, 2 * MOST_POINTS)]
    if not index:
        raise TrajectoryError(f"{path} holds no frames")
    kept = {symbol: thinned(np.concatenate(found), rng) for symbol, found in points.items() if found}
    return CheckedTrajectory(
        path,
        training,
        np.array(index),
        np.array(times),
        ids,
        kinds,
        values,
        beyond,
        kept,
        n_atoms / max(seconds, 1e-9),
        [],
    )


def evenly_spaced(frames: Iterable[Frame], most: int) -> tuple[list[Frame], int]:
    """Every k-th frame, k the smallest power of two with which they hold no more than `most` atoms; at least one.

    Read once, and no more than twice as many are kept on the way.
    """
    kept: list[Frame] = []
    every = 1
    for place, frame in enumerate(frames):
        if place % every:
            continue
        kept.append(frame)
        while len(kept) > 1 and sum(map(len, kept)) > most:
            kept, every = kept[::2], 2 * every
    return kept, every


def save_extrapolation(path: Path, fitted: Extrapolation) -> None:
    """Write a fit to an npz file, arrays and JSON text only.

    Raises:
        LamplighterError: it cannot be written.
    """
    assert isinstance(fitted.parameters, SoapParameters)
    about = {
        "format": FORMAT,
        "parameters": asdict(fitted.parameters),
        "thresholds": {symbol: asdict(each) for symbol, each in fitted.thresholds.items()},
        "n_fitted": {symbol: each.n_fitted for symbol, each in fitted.elements.items()},
        "source": fitted.source,
        "notes": fitted.notes,
    }
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about))}
    for symbol, pca in fitted.elements.items():
        assert isinstance(pca, ElementPca)
        arrays |= {
            f"{symbol}/mean": pca.mean,
            f"{symbol}/components": pca.components,
            f"{symbol}/explained": pca.explained,
            f"{symbol}/points": fitted.points[symbol],
        }
    try:
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except OSError as problem:
        raise LamplighterError(f"-o {path} cannot be written: {problem.strerror or problem}") from problem


def load_extrapolation(path: Path) -> Extrapolation:
    """Read what `save_extrapolation` wrote.

    Raises:
        LamplighterError: the file is no such file, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(str(arrays["about"]))
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']}, expected {FORMAT}")
        given = about["parameters"]
        parameters = SoapParameters(**{**given, "elements": tuple(given["elements"])})
        if not set(parameters.elements) <= set(atomic_numbers):
            raise ValueError(f"its elements are {parameters.elements}")
        elements = {
            symbol: ElementPca(
                arrays[f"{symbol}/mean"], arrays[f"{symbol}/components"], arrays[f"{symbol}/explained"], n_fitted
            )
            for symbol, n_fitted in about["n_fitted"].items()
        }
        for symbol, pca in elements.items():
            if pca.mean.shape != (parameters.n_features,) or pca.components.shape[1:] != pca.mean.shape:
                raise ValueError(f"the arrays of {symbol} do not fit the descriptor's {parameters.n_features} numbers")
        thresholds = {symbol: Threshold(**each) for symbol, each in about["thresholds"].items()}
        points = {symbol: arrays[f"{symbol}/points"] for symbol in elements}
        return Extrapolation(parameters, elements, thresholds, points, about["source"], about["notes"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as problem:
        raise LamplighterError(
            f"{path} is no file of `lamplighter extrapolation fit` ({type(problem).__name__}: {problem})"
        ) from problem


def _sample(frames: list[Atoms], number: int, most: int, rng: np.random.Generator) -> list[Integers]:
    """Places, in each frame, of all atoms of an element, or of as many as are wanted."""
    places = [np.flatnonzero(atoms.numbers == number) for atoms in frames]
    total = sum(map(len, places))
    if total <= most:
        return places
    kept = np.zeros(total, dtype=bool)
    kept[rng.choice(total, most, replace=False)] = True
    ends = np.cumsum([len(each) for each in places])
    return [each[kept[end - len(each) : end]] for each, end in zip(places, ends, strict=True)]


def _the_rest(
    frames: list[Atoms],
    done: list[Integers],
    soap: Soap,
    fitted: dict[str, ElementPca],
    residuals: dict[str, list[Floats]],
) -> None:
    """Q of the atoms that the PCA was not made of."""
    for atoms, places in zip(frames, done, strict=True):
        rest = np.setdiff1d(np.arange(len(atoms)), places)
        symbols = np.array(atoms.get_chemical_symbols())
        for some, descriptors in soap.chunks(atoms, rest):
            for symbol, pca in fitted.items():
                here = symbols[some] == symbol
                if here.any():
                    residuals[symbol].append(pca.residuals(descriptors[here])[0])


def thinned(points: Floats, rng: np.random.Generator, most: int = MOST_POINTS) -> Floats:
    """All rows, or so many of them at random."""
    return points if len(points) <= most else points[rng.choice(len(points), most, replace=False)]
