"""What the last linear layers of a compiled model see of each atom: its energy is linear in these numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from lamplighter.errors import ModelError
from lamplighter.potentials.native import NativeMace


class ReadoutInputs:
    """The inputs of the last linear layers of the first model of a `.lamp` file.

    For a layer with a linear readout these are its scalar node features h, and for one with a hidden layer of weights W
    its activations a / (1 + exp(−a)), a = h W; layers without a readout add nothing.

    Raises:
        ModelError: the file is missing, damaged, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import safetensors

        self._native = NativeMace(path)
        self.elements = self._native.elements
        with safetensors.safe_open(str(path), "np") as file:
            names = set(file.keys())
            self._layers = int(file.get_tensor("layers")[0])
            self._readouts: list[tuple[int, np.ndarray | None]] = []
            for t in range(self._layers):
                if f"member.0.layer.{t}.readout" in names:
                    self._readouts.append((t, None))
                if f"member.0.layer.{t}.readout_hidden" in names:
                    self._readouts.append((t, file.get_tensor(f"member.0.layer.{t}.readout_hidden")))
        channels = self._native.n_features // self._layers
        self.n_features = sum(channels if hidden is None else hidden.shape[1] for _, hidden in self._readouts)
        """Numbers of an atom."""

    def describe(self, atoms: Atoms) -> np.ndarray:
        """The inputs, shape (n, n_features), of a cluster or a cell.

        Raises:
            ModelError: an element that the model does not know, atoms that overlap, or positions that are not finite.
        """
        if not np.isfinite(atoms.positions).all():
            raise ModelError("positions are not finite: `lamplighter check` says what failed first")
        features = self._native.describe(atoms).reshape(len(atoms), self._layers, -1)
        found = []
        for t, hidden in self._readouts:
            scalars = features[:, t]
            if hidden is None:
                found.append(scalars)
            else:
                before = scalars @ hidden
                found.append(before / (1.0 + np.exp(-np.maximum(before, -700.0))))
        return np.hstack(found)

    def chunks(self, atoms: Atoms) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of atoms and their inputs, all at once; raises as `describe`."""
        yield np.arange(len(atoms)), self.describe(atoms)
