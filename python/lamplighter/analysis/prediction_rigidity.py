"""How rigidly a training set holds what a model predicts for an atom: last-layer prediction rigidity.

f are the inputs of a model's last linear layers for an atom, which its energy is linear in. Over the N atoms of the
training set

    C = (1/N) Σ_i f_i f_iᵀ
    U = fᵀ (C + λ tr(C)/d 1)⁻¹ f = ‖A f‖²

with d numbers in f. N U⁻¹ is the local prediction rigidity of a linear model of these atoms, so that √U is, but for a
factor, the deviation of its answer. The mean of U over the training set is d or a little less; where f has parts along
directions that the training set hardly has, U is large. Rows of A are the principal axes of C, each divided by its root
mean square.

Sources: F. Bigi, S. Chong, M. Ceriotti, F. Grasselli, Mach. Learn.: Sci. Technol. 5, 045018 (2024); S. Chong et al.,
J. Chem. Theory Comput. 19, 8020 (2023). There the sum runs over the structures of the training set, whose f is the sum
of those of its atoms; here it runs over atoms, since that orders the force errors of atoms better
(docs/theory/own_uncertainty.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import Floats

RIDGE = 1e-6
"""λ, of the mean square of a number of f."""

ATOMS_A_FEATURE = 2
"""A training set needs this many atoms for each number of f: fewer do not determine C."""


@dataclass(frozen=True)
class Rigidity:
    """What is known of the last layers' inputs over a training set.

    Attributes:
        matrix: A, shape (m, d), axes of largest mean square first.
        explained: Share of the mean square along each axis, shape (m,).
        n_fitted: Atoms that it was made of.
    """

    matrix: Floats
    explained: Floats
    n_fitted: int

    def residuals(self, inputs: Floats) -> tuple[Floats, Floats]:
        """U of each atom, shape (n,), and its first two coordinates A f, shape (n, 2)."""
        along = inputs @ self.matrix.T
        return np.einsum("nm,nm->n", along, along), along[:, :2]


class Moments:
    """The sum of f fᵀ, made a few atoms at a time.

    Args:
        d: Numbers in f.
    """

    def __init__(self, d: int) -> None:
        self.n = 0
        self._products = np.zeros((d, d))

    def add(self, inputs: Floats) -> None:
        """f of some atoms, shape (n, d)."""
        self.n += len(inputs)
        self._products += inputs.T @ inputs

    def rigidity(self, ridge: float = RIDGE) -> Rigidity:
        """What follows.

        Raises:
            ValueError: too few atoms for d, or inputs that are all zero.
        """
        d = len(self._products)
        if self.n < ATOMS_A_FEATURE * d:
            raise ValueError(
                f"{self.n} atoms are too few for the {d} inputs of the model's last layers: "
                f"{ATOMS_A_FEATURE * d} at least are needed"
            )
        values, vectors = np.linalg.eigh(self._products / self.n)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        total = float(values.sum())
        if not total > 0.0:
            raise ValueError("the inputs of the model's last layers are zero for all atoms")
        matrix = vectors.T / np.sqrt(values + ridge * total / d)[:, None]
        return Rigidity(np.ascontiguousarray(matrix), values / total, self.n)
