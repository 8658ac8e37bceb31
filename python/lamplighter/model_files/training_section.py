"""What a model's training set was like, in the model's own terms: a section of a compiled model, or a file of its own.

In a compiled model (`.lamp`) it stands beside the model's arrays, so that readers that do not know it pass over it:
arrays whose names begin with `extrapolation.`, and one label, `extrapolation`, which holds JSON. s elements, d inputs
of the last linear layers, m ≤ d axes. Of a file of several models it is about the first, which moves the atoms.

A file of its own (`.training`) is for a model that its framework evaluates: the same arrays and label, `atomic_numbers`
(int64, [s]), and the labels `elements`, `models` (name of the model file), `sha256` (of that file) and `head` (as
`meant_head`, which is what a compiled model's label says, too).

    extrapolation.version     [1]     int64: 1
    extrapolation.matrix      [m, d]  A: the measure is ‖A f‖²
    extrapolation.explained   [m]     share of the mean square of f along each axis
    extrapolation.thresholds  [s, 5]  of each element over the training set: mean, standard deviation, 99 % quantile,
                                      share beyond mean + 2 standard deviations, largest
    extrapolation.atoms       [s]     int64: atoms of each element in the training set
    extrapolation.points.E    [n, 2]  first two of A f of a sample of the atoms of element E

All but those marked are float64, and all are finite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lamplighter.errors import LamplighterError, ModelError
from lamplighter.file_suffixes import COMPILED
from lamplighter.model_files.describe import describe
from lamplighter.model_files.trust import sha256

LABEL = "extrapolation"
VERSION = 1
FORMAT = "lamplighter-training-set"
"""Of a file of its own."""

_PREFIX = LABEL + "."
_SHAPES = {"matrix": "md", "explained": "m", "thresholds": "s5", "atoms": "s"}
REMEDY = "make it again with `lamplighter compile MODEL --training TRAIN.xyz`"


def named(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The section's arrays under their names in the file, with the version."""
    return {_PREFIX + name: value for name, value in {**arrays, "version": np.array([VERSION])}.items()}


def read_section(path: Path) -> tuple[str, dict[str, np.ndarray], list[str]] | None:
    """Label, arrays by their names without the prefix, and the model's elements; None: there is no such section.

    Raises:
        ModelError: the file cannot be read, the section is of another version, or its arrays do not fit together.
    """
    import safetensors

    labels = read_labels(path)
    with safetensors.safe_open(str(path), "np") as file:
        arrays = {
            name.removeprefix(_PREFIX): file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118 (it is no dict)
            if name.startswith(_PREFIX)
        }
    if LABEL not in labels and not arrays:
        return None
    elements = labels.get("elements", "").split()
    _check(path, labels, arrays, elements)
    return labels[LABEL], arrays, elements


def read_labels(path: Path) -> dict[str, str]:
    """Labels of a file that may hold the section.

    Raises:
        ModelError: the file cannot be read.
    """
    import safetensors

    try:
        with safetensors.safe_open(str(path), "np") as file:
            return dict(file.metadata() or {})
    except (OSError, safetensors.SafetensorError) as problem:
        raise ModelError(f"{path} is not a compiled model, or it is damaged ({problem})") from problem


def require_of_model(path: Path, model: Path, head: str | None) -> None:
    """Refuse statistics of another model, or of another of its heads.

    Args:
        path: A file that may hold the section.
        model: The model file, compiled or not.
        head: Head that is asked for; None: the model's own choice.

    Raises:
        ModelError: naming both.
    """
    labels = read_labels(path)
    digest = read_labels(model).get("sha256", "") if model.suffix == COMPILED else sha256(model)
    if labels.get("sha256", "").split()[:1] != digest.split()[:1]:
        raise ModelError(
            f"{path} says what {labels.get('models', '').split(' ')[0] or 'another model'} was trained on, whose hash "
            f"is not that of {model}: `lamplighter compile {model.name} --training TRAIN.xyz -o {path.name}`"
        )
    known = labels.get("head", "")
    meant = read_labels(model).get("head", "") if model.suffix == COMPILED else meant_head(model, head)
    if known != meant:
        raise ModelError(
            f"{path} is about {_named(known)} of {model}, and {_named(meant)} is meant: "
            f"`lamplighter compile {model.name} --training TRAIN.xyz{f' --head {meant}' if meant else ''} "
            f"-o {path.name}`"
        )


def meant_head(model: Path, asked: str | None) -> str:
    """The head of a model file that is meant; nothing where it has no other.

    Args:
        model: A model file of a framework.
        asked: Its name; None: the model's own choice.
    """
    known = describe(model)
    return (asked or known.head or "") if len(known.heads) > 1 else ""


def _named(head: str) -> str:
    return f"the head {head}" if head else "the only head"


def no_statistics(path: Path) -> LamplighterError:
    """The error of a file that knows no training set."""
    return LamplighterError(
        f"{path} knows nothing of its training set: make it again with `lamplighter compile MODEL --training TRAIN.xyz`"
    )


def _check(path: Path, labels: Mapping[str, str], arrays: Mapping[str, np.ndarray], elements: Sequence[str]) -> None:
    whose = f"the training statistics of {path}"
    version = arrays.get("version", np.zeros(0)).tolist()
    if version != [VERSION]:
        raise ModelError(f"{whose} are of version {version}, and this Lamplighter reads [{VERSION}]: {REMEDY}")
    missing = sorted({*_SHAPES, *(f"points.{symbol}" for symbol in elements)} - set(arrays))
    if missing or LABEL not in labels:
        raise ModelError(f"{whose} lack {', '.join(missing) or 'their label'}: {REMEDY}")
    sizes = {"s": len(elements), "5": 5}
    for name, array in arrays.items():
        letters = _SHAPES.get(name, "n2" if name.startswith("points.") else "1")
        # a letter stands for one size throughout, but for the points of an element
        fits = array.ndim == len(letters) and all(
            size == (int(letter) if letter.isdigit() else size if letter == "n" else sizes.setdefault(letter, size))
            for letter, size in zip(letters, array.shape, strict=True)
        )
        if not fits or not np.isfinite(array).all():
            raise ModelError(
                f"{whose}: {name!r} has the shape {list(array.shape)}, which does not fit {len(elements)} elements and "
                f"the other arrays, or holds what is no finite number: {REMEDY}"
            )
