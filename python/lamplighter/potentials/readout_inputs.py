"""What the last linear layers of a compiled model see of each atom: its energy is linear in these numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from lamplighter.arrays import Floats
from lamplighter.errors import ModelError
from lamplighter.potentials.native import NativeMace

_LARGEST = 700.0  # of an exponent


def _sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -_LARGEST, _LARGEST)))


_NONE, _SILU = 0, 1
_FUNCTIONS: dict[int, Callable[[Floats], Floats]] = {
    _SILU: lambda x: x * _sigmoid(x),
    2: np.tanh,
    3: lambda x: np.logaddexp(0.0, x) - np.log(2.0),
    4: np.abs,
    5: lambda x: np.maximum(x, 0.0),
    6: _sigmoid,
}
"""By the numbers of `pair_styles/native/activations.h`."""


@dataclass(frozen=True)
class _Readout:
    """What one readout's last linear layer sees.

    Attributes:
        scalars: Places among the numbers that the engine describes an atom by.
        hidden: Matrix (in, width) and bias (width,) of each layer before the last.
        activation: After each of these.
    """

    scalars: slice
    hidden: Sequence[tuple[np.ndarray, np.ndarray | float]]
    activation: int

    @property
    def width(self) -> int:
        return int(self.hidden[-1][0].shape[1]) if self.hidden else self.scalars.stop - self.scalars.start

    def inputs(self, features: Floats) -> Floats:
        found = features[:, self.scalars]
        for matrix, bias in self.hidden:
            found = _FUNCTIONS[self.activation](found @ matrix + bias)
        return found


class ReadoutInputs:
    """The inputs of the last linear layers of the first model of a `.lamp` file.

    For a readout that is linear these are its layer's scalar features h, and for one with hidden layers the activations
    of the last of them, such as a / (1 + exp(−a)), a = h W. MACE has a readout for most layers, NequIP and SevenNet
    have one for the last.

    Raises:
        ModelError: the file is missing, damaged, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import safetensors

        self._native = NativeMace(path)
        self.elements = self._native.elements
        with safetensors.safe_open(str(path), "np") as file:
            names = set(file.keys())
            if "channels" in names:
                self._readouts = _of_mace(file, names, self._native.n_features)
            else:
                self._readouts = [_of_layers(file, names, self._native.n_features)]
        self.n_features = sum(readout.width for readout in self._readouts)
        """Numbers of an atom."""

    def describe(self, atoms: Atoms) -> np.ndarray:
        """The inputs, shape (n, n_features), of a cluster or a cell.

        Raises:
            ModelError: an element that the model does not know, atoms that overlap, or positions that are not finite.
        """
        if not np.isfinite(atoms.positions).all():
            raise ModelError("positions are not finite: `lamplighter check` says what failed first")
        features = self._native.describe(atoms)
        return np.hstack([readout.inputs(features) for readout in self._readouts])

    def chunks(self, atoms: Atoms) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of atoms and their inputs, all at once; raises as `describe`."""
        yield np.arange(len(atoms)), self.describe(atoms)


def _of_mace(file: Any, names: set[str], n_features: int) -> list[_Readout]:
    layers = int(file.get_tensor("layers")[0])
    channels = n_features // layers
    found = []
    for t in range(layers):
        scalars, prefix = slice(t * channels, (t + 1) * channels), f"member.0.layer.{t}.readout"
        if prefix in names:
            found.append(_Readout(scalars, [], _NONE))
        if f"{prefix}_hidden" not in names:
            continue
        hidden: list[tuple[np.ndarray, np.ndarray | float]] = [(file.get_tensor(f"{prefix}_hidden"), 0.0)]
        if f"{prefix}_mid" in names:
            hidden.append((file.get_tensor(f"{prefix}_mid"), file.get_tensor(f"{prefix}_mid_bias")))
        found.append(_Readout(scalars, hidden, _SILU))
    return found


def _of_layers(file: Any, names: set[str], n_features: int) -> _Readout:
    """Without an activation the energy is linear in the scalars themselves, however many matrices follow."""
    count = sum(name.startswith("member.0.readout.") for name in names)
    matrices = [file.get_tensor(f"member.0.readout.{k}") for k in range(count)]
    activation = int(file.get_tensor("readout_activation")[0])
    hidden = [(matrix, 0.0) for matrix in matrices[:-1]] if activation != _NONE else []
    return _Readout(slice(n_features - len(matrices[0]), n_features), hidden, activation)
