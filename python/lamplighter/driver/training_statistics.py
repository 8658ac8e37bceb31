"""What a model knows of its training set: learnt by its own features, stored in its file or beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from lamplighter.analysis.extrapolation import Threshold, threshold
from lamplighter.analysis.prediction_rigidity import RIDGE, Moments, Rigidity
from lamplighter.errors import LamplighterError, ModelError, TrajectoryError
from lamplighter.model_files import training_section
from lamplighter.model_files.trust import sha256
from lamplighter.observables.extrapolation import Extrapolation, ReadoutParameters, thinned

FEWEST_ATOMS = 10
"""Of an element, in a training set: fewer say nothing of how its environments are spread."""

MOST_POINTS = 500
"""Of each element, that are kept for the map."""


class _Describer(Protocol):
    """What describes atoms by the inputs of a model's last layers."""

    elements: list[str]
    n_features: int

    def describe(self, atoms: Atoms, /) -> np.ndarray: ...


def require_learnable(training: Path, frames: Sequence[Atoms], elements: Sequence[str]) -> list[Atoms]:
    """The frames of two atoms and more, which a model of these elements can learn its training set from.

    Raises:
        TrajectoryError: there are none, or the elements are not those of the model, or there are too few of one.
    """
    used = [atoms for atoms in frames if len(atoms) > 1]
    if not used:
        raise TrajectoryError(f"{training} holds no frame of two atoms or more: there are no environments to learn")
    symbols, counts = np.unique([symbol for atoms in used for symbol in atoms.symbols], return_counts=True)
    found = dict(zip(symbols.tolist(), counts.tolist(), strict=True))
    if unknown := sorted(set(found) - set(elements)):
        raise TrajectoryError(
            f"{training} holds {' '.join(unknown)}, and the model knows {' '.join(elements)}: this is not what it was "
            "trained on, or --elements left them out"
        )
    if missing := [symbol for symbol in elements if symbol not in found]:
        raise TrajectoryError(
            f"{training} holds no {' '.join(missing)} in frames of two atoms or more, and the model knows "
            f"{' '.join(elements)}: give the file it was trained on, or keep the elements there are by --elements "
            f'"{" ".join(symbol for symbol in elements if symbol in found)}"'
        )
    for symbol, n in found.items():
        if n < FEWEST_ATOMS:
            raise TrajectoryError(
                f"{training} holds {n} atoms of {symbol}, and at least {FEWEST_ATOMS} are needed to say how they vary"
            )
    return used


def learn_training_set(compiled: Path, training: Path, frames: Sequence[Atoms], seed: int = 1) -> Extrapolation:
    """Learn a training set by the inputs of the last layers of a compiled model, and store it in the model's file.

    Args:
        compiled: A `.lamp` file, which is written again; of several models in it the first learns.
        training: File of the training set, for its name and hash.
        frames: Its structures; those of a single atom are left out: isolated atoms are no environments.
        seed: Of the sample of atoms that is kept for the map.

    Raises:
        TrajectoryError: as `require_learnable`; a frame that the model cannot describe (it is named), or too few atoms
            for the inputs of the model.
        ModelError: the file is not a compiled model.
    """
    import safetensors

    from lamplighter.potentials.mace_compile import to_bytes
    from lamplighter.potentials.readout_inputs import ReadoutInputs

    arrays, label = _learnt(ReadoutInputs(compiled), training, frames, seed)
    with safetensors.safe_open(str(compiled), "np") as file:
        labels = {key: value for key, value in (file.metadata() or {}).items() if key != "crc32"}  # made anew
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    labels[training_section.LABEL] = label
    compiled.write_bytes(to_bytes(stored | arrays, labels))
    learnt = stored_training_set(compiled)
    assert learnt is not None
    return learnt


def learn_beside(
    model: Path,
    output: Path,
    training: Path,
    frames: Sequence[Atoms],
    elements: Sequence[str] | None = None,
    head: str | None = None,
    seed: int = 1,
) -> Extrapolation:
    """Learn a training set by a model as its framework evaluates it, and store it in a file of its own.

    Args:
        model: A model file of a framework, whatever the native engine covers.
        output: The `.training` file to write.
        training, frames, seed: As `learn_training_set`.
        elements: Symbols to keep; None: all that the model knows.
        head: Head of a model with several; None: the model's own choice.

    Raises:
        TrajectoryError: as `learn_training_set`.
        ModelError: the model cannot be opened, or does not give what its last layers see.
    """
    from ase.data import atomic_numbers

    from lamplighter.potentials.bridged_inputs import BridgedInputs
    from lamplighter.potentials.mace_compile import to_bytes

    inputs = BridgedInputs(model, elements, head)
    arrays, label = _learnt(inputs, training, frames, seed)
    labels = {
        "format": training_section.FORMAT,
        "elements": " ".join(inputs.elements),
        "models": model.name,
        "sha256": sha256(model),
        "head": training_section.meant_head(model, head),
        training_section.LABEL: label,
    }
    numbers = np.array([atomic_numbers[symbol] for symbol in inputs.elements])
    output.write_bytes(to_bytes(arrays | {"atomic_numbers": numbers}, labels))
    learnt = stored_training_set(output)
    assert learnt is not None
    return learnt


def _learnt(
    inputs: _Describer, training: Path, frames: Sequence[Atoms], seed: int
) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of the section under their names in a file, and its label."""
    used = require_learnable(training, frames, inputs.elements)
    moments = Moments(inputs.n_features)
    for place, atoms in enumerate(frames):
        if len(atoms) > 1:
            try:
                moments.add(inputs.describe(atoms))
            except ModelError as problem:
                raise TrajectoryError(f"frame {place} of {training}: {problem}") from None
    try:
        rigidity = moments.rigidity()
    except ValueError as problem:
        raise TrajectoryError(f"{training}: {problem}") from None
    values: dict[str, list[np.ndarray]] = {symbol: [] for symbol in inputs.elements}
    points: dict[str, list[np.ndarray]] = {symbol: [] for symbol in inputs.elements}
    for atoms in used:  # described once more, so that no more than two numbers an atom are kept
        symbols = np.array(atoms.get_chemical_symbols())
        u, along = rigidity.residuals(inputs.describe(atoms))
        for symbol in values:
            values[symbol].append(u[symbols == symbol])
            points[symbol].append(along[symbols == symbol])
    of_element = {symbol: np.concatenate(found) for symbol, found in values.items()}
    limits = {symbol: threshold(found) for symbol, found in of_element.items()}
    rng = np.random.default_rng(seed)
    arrays = {
        "matrix": rigidity.matrix,
        "explained": rigidity.explained,
        "thresholds": np.array(
            [
                [each.mean, each.deviation, each.quantile, each.flagged, of_element[symbol].max()]
                for symbol, each in limits.items()
            ]
        ),
        "atoms": np.array([each.n for each in limits.values()]),
        **{f"points.{symbol}": thinned(np.concatenate(p), rng, MOST_POINTS) for symbol, p in points.items()},
    }
    source = {
        "file": training.name,
        "sha256": sha256(training),
        "frames": len(used),
        "atoms": int(sum(map(len, used))),
        "ridge": RIDGE,
        "seed": seed,
        "left_out": len(frames) - len(used),
    }
    return training_section.named(arrays), json.dumps(source)


def stored_training_set(compiled: Path) -> Extrapolation | None:
    """What a compiled model, or a file beside a model, knows of its training set; None: nothing.

    Raises:
        ModelError: the file cannot be read, or its training statistics are damaged or of another version.
    """
    from lamplighter.potentials.mace_compile import read_metadata

    beside = training_section.read_labels(compiled)
    is_beside = beside.get("format") == training_section.FORMAT
    labels = beside if is_beside else read_metadata(compiled)
    models = labels.get("models", compiled.name)
    found = training_section.read_section(compiled)
    if found is None:
        return None
    label, arrays, elements = found
    try:
        source: dict[str, Any] = json.loads(label)
        ridge, left_out = float(source["ridge"]), int(source["left_out"])
        for key in ("file", "sha256", "frames", "atoms"):
            source[key]
    except (ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"the training statistics of {compiled}: their label is damaged ({problem!r})") from problem
    rigidity = Rigidity(arrays["matrix"], arrays["explained"], int(arrays["atoms"].sum()))
    numbers, counts = arrays["thresholds"].tolist(), arrays["atoms"].tolist()
    limits = {
        symbol: Threshold(mean, deviation, quantile, flagged, int(n))
        for symbol, (mean, deviation, quantile, flagged, _), n in zip(elements, numbers, counts, strict=True)
    }
    return Extrapolation(
        ReadoutParameters(tuple(elements), rigidity.matrix.shape[1], models, ridge),
        dict.fromkeys(elements, rigidity),
        limits,
        {symbol: arrays[f"points.{symbol}"] for symbol in elements},
        source,
        [f"{left_out} frames of one atom were left out"] if left_out else [],
        partial(_open_model, compiled, labels, tuple(elements)) if is_beside else partial(_open, compiled),
        {symbol: row[-1] for symbol, row in zip(elements, numbers, strict=True)},
    )


def require_training_set(compiled: Path) -> Extrapolation:
    """The same; raises LamplighterError, with what to do, where there is nothing."""
    found = stored_training_set(compiled)
    if found is None:
        raise training_section.no_statistics(compiled)
    return found


def require_usable(model: Path, statistics: Path | None, head: str | None) -> None:
    """Refuse a run whose model's own uncertainty cannot be had, as far as files say it.

    Args:
        model: The first model of the run.
        statistics: The file beside it that the run names; None: the model is to know its training set itself.
        head: Head that the run asks for.

    Raises:
        LamplighterError: there are no statistics, or they are damaged, or of another model or head.
    """
    require_training_set(model if statistics is None else statistics)
    if statistics is not None:
        training_section.require_of_model(statistics, model, head)


def _open(compiled: Path) -> Any:
    from lamplighter.potentials.readout_inputs import ReadoutInputs

    return ReadoutInputs(compiled)


def _open_model(statistics: Path, labels: Mapping[str, str], elements: Sequence[str]) -> Any:
    """The model that statistics are about, which is to lie beside them."""
    from lamplighter.potentials.bridged_inputs import BridgedInputs

    model = statistics.parent / labels.get("models", "")
    if not model.is_file():
        raise LamplighterError(
            f"{statistics} needs the model that it is about, {model.name}, in the same folder, and it is not there"
        )
    head = labels.get("head") or None
    training_section.require_of_model(statistics, model, head)
    return BridgedInputs(model, elements, head)
