"""How far an atom's environment is from those of a training set: residuals of a principal component analysis.

For each element a PCA of its own with k components is made of the descriptors x of its atoms in the training set. Then

    Q = ‖x − x̂‖²,   x̂ = x̄ + Σ_j ((x − x̄)·u_j) u_j

with the mean x̄ and the components u_j. An environment is flagged if Q > ⟨Q⟩ + 2 std(Q) of the element's atoms in the
training set. It is a measure of outliers, not a proof of unphysical behaviour, and some atoms of the training set
itself are flagged.

One PCA for each element: environments of different elements lie far apart, so that the few components of a common PCA
would tell elements apart in place of environments.

Source: Wong, Yang, arXiv:2603.10159, section 0.8 (Q-residuals, five components, two standard deviations).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import Floats
from lamplighter.errors import EnvironmentProblem

COMPONENTS = 5
STANDARD_DEVIATIONS = 2.0


@dataclass(frozen=True)
class ElementPca:
    """The PCA of one element.

    Attributes:
        mean: Of the descriptors, shape (D,).
        components: Orthonormal rows, shape (k, D).
        explained: Share of the variance that each component has, shape (k,).
        n_fitted: Environments that it was made of.
    """

    mean: Floats
    components: Floats
    explained: Floats
    n_fitted: int

    def projections(self, descriptors: Floats) -> Floats:
        """Coordinates along the components, shape (n, k)."""
        return np.asarray((descriptors - self.mean) @ self.components.T)

    def residuals(self, descriptors: Floats) -> tuple[Floats, Floats]:
        """Q of each descriptor, shape (n,), and its coordinates along the components, shape (n, k)."""
        inside = self.projections(descriptors)
        rest = descriptors - self.mean - inside @ self.components
        return np.einsum("nd,nd->n", rest, rest), inside


def fit_pca(descriptors: Floats, components: int = COMPONENTS) -> ElementPca:
    """PCA (scikit-learn, by full singular values) of one element's descriptors.

    Args:
        descriptors: Shape (n, D).
        components: k; fewer are taken where n or D is smaller.

    Raises:
        EnvironmentProblem: scikit-learn is not installed.
        ValueError: fewer than two descriptors.
    """
    try:
        from sklearn.decomposition import PCA
    except ImportError as problem:
        raise EnvironmentProblem(
            f"a PCA needs scikit-learn: pip install 'lamplighter[analysis]' ({problem})"
        ) from problem
    n = len(descriptors)
    if n < 2:
        raise ValueError(f"a principal component analysis needs at least 2 environments, got {n}")
    made = PCA(n_components=min(components, n - 1, descriptors.shape[1]), svd_solver="covariance_eigh")
    made.fit(descriptors)
    return ElementPca(made.mean_, made.components_, made.explained_variance_ratio_, n)


@dataclass(frozen=True)
class Threshold:
    """Q over the training set, for one element.

    Attributes:
        mean, deviation: Of Q.
        quantile: Q that 99 % of the training set's atoms stay below.
        flagged: Share of these atoms that are beyond the threshold themselves.
        n: Atoms.
    """

    mean: float
    deviation: float
    quantile: float
    flagged: float
    n: int

    @property
    def value(self) -> float:
        """Mean + 2 standard deviations."""
        return self.mean + STANDARD_DEVIATIONS * self.deviation


def threshold(q: Floats) -> Threshold:
    """From Q of all atoms of an element in the training set, shape (n,), n ≥ 1."""
    mean, deviation = float(q.mean()), float(q.std())
    beyond = float(np.mean(q > mean + STANDARD_DEVIATIONS * deviation))
    return Threshold(mean, deviation, float(np.quantile(q, 0.99)), beyond, len(q))
