"""What the disagreement of a committee is worth: its force variance beside the true error of forces, atom by atom.

    σ²_i = 1/K Σ_k |F_i^k − F̄_i|²                force variance of atom i (docs/theory/committee.md)
    a    = Σ_i |ΔF_i|² / Σ_i σ²_i                 squared errors over variances

With a, the variance at which the root mean square error of the force on an atom is e is e²/a. F. Musil et al., J. Chem.
Theory Comput. 15, 906 (2019) scale a committee's deviation likewise, by the mean of squared errors each over its own
variance; a quotient of sums is taken here, which atoms with next to no variance do not decide.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from lamplighter.analysis.model_errors import LabelArrays
from lamplighter.arrays import Floats


def force_variances(members: Sequence[LabelArrays]) -> Floats:
    """Force variance of each atom over the members of a committee, eV²/Å², shape (A,); the divisor is K."""
    forces = np.stack([each.forces for each in members])
    return np.asarray(((forces - forces.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))


def squared_errors(predicted: LabelArrays, reference: LabelArrays) -> Floats:
    """|ΔF_i|² of each atom, eV²/Å², shape (A,)."""
    return np.asarray(((predicted.forces - reference.forces) ** 2).sum(axis=1))


def error_over_variance(squared: Floats, variances: Floats) -> float:
    """The quotient a; nan where all variances are 0.

    Args:
        squared: Squared errors of forces, eV²/Å², shape (A,).
        variances: Of the same atoms, eV²/Å², shape (A,).
    """
    total = float(variances.sum())
    return float(squared.sum()) / total if total > 0.0 else float("nan")


def rank_correlation(squared: Floats, variances: Floats) -> float:
    """Spearman's correlation of both, shape (A,) each; nan where either is constant, or of fewer than three atoms."""
    if len(squared) < 3 or np.ptp(squared) == 0.0 or np.ptp(variances) == 0.0:
        return float("nan")
    return float(spearmanr(squared, variances).statistic)
