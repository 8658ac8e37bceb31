"""The section of a compiled model (`.lamp`) that says what its training set was like, in the model's own terms.

It stands beside the model's arrays, so that readers that do not know it pass over it: arrays whose names begin with
`extrapolation.`, and one label, `extrapolation`, which holds JSON. s elements, d inputs of the last linear layers,
m ≤ d axes. Of a file of several models it is about the first, which moves the atoms.

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

from lamplighter.errors import ModelError

LABEL = "extrapolation"
VERSION = 1

_PREFIX = LABEL + "."
_SHAPES = {"matrix": "md", "explained": "m", "thresholds": "s5", "atoms": "s"}
_REMEDY = "make it again with `lamplighter compile MODEL --training TRAIN.xyz`"


def named(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The section's arrays under their names in the file, with the version."""
    return {_PREFIX + name: value for name, value in {**arrays, "version": np.array([VERSION])}.items()}


def read_section(path: Path) -> tuple[str, dict[str, np.ndarray], list[str]] | None:
    """Label, arrays by their names without the prefix, and the model's elements; None: there is no such section.

    Raises:
        ModelError: the file cannot be read, the section is of another version, or its arrays do not fit together.
    """
    import safetensors

    try:
        with safetensors.safe_open(str(path), "np") as file:
            labels = file.metadata() or {}
            arrays = {
                name.removeprefix(_PREFIX): file.get_tensor(name)
                for name in file.keys()  # noqa: SIM118 (it is no dict)
                if name.startswith(_PREFIX)
            }
    except (OSError, safetensors.SafetensorError) as problem:
        raise ModelError(f"{path} is not a compiled model, or it is damaged ({problem})") from problem
    if LABEL not in labels and not arrays:
        return None
    elements = labels.get("elements", "").split()
    _check(path, labels, arrays, elements)
    return labels[LABEL], arrays, elements


def _check(path: Path, labels: Mapping[str, str], arrays: Mapping[str, np.ndarray], elements: Sequence[str]) -> None:
    whose = f"the training statistics of {path}"
    version = arrays.get("version", np.zeros(0)).tolist()
    if version != [VERSION]:
        raise ModelError(f"{whose} are of version {version}, and this Lamplighter reads [{VERSION}]: {_REMEDY}")
    missing = sorted({*_SHAPES, *(f"points.{symbol}" for symbol in elements)} - set(arrays))
    if missing or LABEL not in labels:
        raise ModelError(f"{whose} lack {', '.join(missing) or 'their label'}: {_REMEDY}")
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
                f"the other arrays, or holds what is no finite number: {_REMEDY}"
            )
