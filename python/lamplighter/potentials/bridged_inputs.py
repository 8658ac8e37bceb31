"""What the last linear layers of a model see of each atom, by the model's own framework in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from scipy.spatial import cKDTree

from lamplighter.errors import ModelError
from lamplighter.potentials import registry
from lamplighter.potentials.bridge.exchange import OneRank
from lamplighter.potentials.bridge.overlap import OVERLAP, overlap
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.own_uncertainty import without_inputs
from lamplighter.potentials.periodic_images import with_images


class BridgedInputs:
    """As `readout_inputs.ReadoutInputs`, of a model that the native engine need not cover.

    Args:
        path: A model file of any framework.
        elements: Symbols that are meant; None: all that the model knows.
        head: Head of a model with several; None: the model's own choice.

    Raises:
        ModelError: it cannot be opened, or has no such inputs.
    """

    def __init__(self, path: Path, elements: Sequence[str] | None = None, head: str | None = None) -> None:
        potential_class = registry.recognise(path)
        dtype = "auto" if potential_class.fixed_precision else "float64"
        if not issubclass(potential_class, PairPotential):
            raise without_inputs(path, potential_class.kind)
        potential = potential_class.load(path, LoadOptions(tuple(elements or ()), dtype, head=head))
        assert isinstance(potential, PairPotential)
        if not potential.n_inputs:
            raise without_inputs(path, potential_class.kind)
        self._path = path
        self._potential = potential
        self.elements = list(elements or potential.elements)
        self.n_features = potential.n_inputs
        """Numbers of an atom."""
        self._frames = 0

    def describe(self, atoms: Atoms) -> np.ndarray:
        """The inputs, shape (n, n_features), of a cluster or a cell. Raises as `evaluate`."""
        found = self.evaluate(atoms).readout_inputs
        assert found is not None
        inputs: np.ndarray = found.to(torch.float64).numpy()
        return inputs

    def evaluate(self, atoms: Atoms) -> PairData:
        """One evaluation, with the inputs.

        Raises:
            ModelError: an element that the model does not know, atoms that overlap, or positions that are not finite.
        """
        symbols = atoms.get_chemical_symbols()
        if unknown := sorted(set(symbols) - set(self.elements)):
            raise ModelError(f"{self._path} was opened for {' '.join(self.elements)}, not for {' '.join(unknown)}")
        if not np.isfinite(atoms.positions).all():
            raise ModelError("positions are not finite: `lamplighter check` says what failed first")
        n = len(atoms)
        pair_i, pair_j, rij = _pairs(atoms, self._potential.cutoff)
        data = PairData(
            nlocal=n,
            ntotal=n,
            elems=torch.tensor([self._potential.element_index(symbol) for symbol in symbols]),
            pair_i=torch.from_numpy(pair_i),
            pair_j=torch.from_numpy(pair_j),
            rij=torch.from_numpy(rij),
            eatoms=torch.zeros(n, dtype=torch.float64),
            pair_forces=torch.zeros(len(rij), 3, dtype=torch.float64),
            exchange=OneRank(),
            topology=self._frames,
            inputs_wanted=True,
        )
        self._frames += 1
        self._potential.compute(data)
        return data

    def chunks(self, atoms: Atoms) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of atoms and their inputs, all at once; raises as `evaluate`."""
        yield np.arange(len(atoms)), self.describe(atoms)


def _pairs(atoms: Atoms, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Receivers, ascending, and senders, int64 (npairs,), and vectors between them, Å (npairs, 3).

    Raises:
        ModelError: atoms that overlap, or a cell of no volume.
    """
    x, owner = with_images(atoms.positions, atoms.cell.array, atoms.pbc, cutoff)
    n = len(atoms)
    found = cKDTree(x[:n]).sparse_distance_matrix(cKDTree(x), cutoff, output_type="ndarray")
    found = found[found["i"] != found["j"]]
    found = found[np.argsort(found["i"], kind="stable")]
    if len(found) and found["v"].min() < OVERLAP:
        raise overlap(float(found["v"].min()))
    i, j = found["i"].astype(np.int64), found["j"].astype(np.int64)
    return i, owner[j].astype(np.int64), x[j] - x[i]
