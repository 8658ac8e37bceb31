"""Ionic conductivity and transference numbers from the displacements of molecules.

Sources:
    M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.7 (Einstein relation of a
    collective displacement).
    N. M. Vargas-Barbosa, B. Roling, ChemElectroChem 7, 367 (2020) (transport coefficients of species, transference).
    K. D. Fong, H. K. Bergstrom, B. D. McCloskey, K. K. Mandadapu, AIChE J. 66, e17091 (2020) (the same, and how they
    change with the frame of reference).

The formulas are written out in `docs/theory/conductivity.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import constants

from lamplighter.analysis.diffusivity import MIN_BLOCKS, BlockPlan, block_displacements, slopes, too_short
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import TrajectoryError

_ROUNDING = 1e-9
"""A relative error below it is that of floating-point numbers."""


@dataclass(frozen=True)
class CollectiveMotion:
    """How S species move, together and each molecule by itself; all in Å²/ps.

    With R_a(t) the sum of the positions of all molecules of species a, L_ab = lim d/dt ⟨ΔR_a·ΔR_b⟩ / 6.

    Attributes:
        overlapping: L of each overlapping block, shape (b, S, S).
        independent: L of each block that overlaps none, shape (m, S, S).
        own_overlapping, own_independent: N_a D_a, the part of L_aa that each molecule has by itself, shapes (b, S) and
            (m, S).
        lags_ps: Of a block, ps, shape (k,).
        products: ⟨ΔR_a·ΔR_b⟩ at each lag, mean of the overlapping blocks, Å², shape (k, S, S).
        own_products: Σ ⟨|Δr_i|²⟩ over the molecules of each species, Å², shape (k, S).
    """

    overlapping: Floats
    independent: Floats
    own_overlapping: Floats
    own_independent: Floats
    lags_ps: Floats
    products: Floats
    own_products: Floats

    def estimate(self, of: Callable[[Floats, Floats], float]) -> tuple[float, float]:
        """A number that follows from L and N D, and its standard error.

        The value is that of the mean of overlapping blocks; the error comes from leaving out one independent block
        after the other, and is nan where there are fewer than `MIN_BLOCKS`, and 0 where all say the same.

        Args:
            of: Of L, shape (S, S), and N D, shape (S,).
        """
        value = of(self.overlapping.mean(axis=0), self.own_overlapping.mean(axis=0))
        n = len(self.independent)
        if n < MIN_BLOCKS:
            return value, math.nan
        whole, own = self.independent.sum(axis=0), self.own_independent.sum(axis=0)
        left_out = np.array(
            [
                of((whole - one) / (n - 1), (own - its) / (n - 1))
                for one, its in zip(self.independent, self.own_independent, strict=True)
            ]
        )
        error = math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum()))
        return value, 0.0 if error < _ROUNDING * abs(value) else error


def collective_motion(
    positions: Floats, species: Integers, n_species: int, interval_ps: float, plan: BlockPlan
) -> CollectiveMotion:
    """L and N D of all species, from blocks as those of `diffusivity.einstein`.

    Args:
        positions: Å, shape (T, n, 3), unwrapped, without the motion of the total centre of mass.
        species: Of each molecule, from 0, shape (n,).
        n_species: How many there are.
        interval_ps: Between frames.
        plan: The blocks.

    Raises:
        TrajectoryError: as `diffusivity.einstein`.
    """
    reason = too_short((len(positions) - 1) * interval_ps, interval_ps, plan)
    if reason:
        raise TrajectoryError(reason)
    length, spacing, ballistic = plan.frames(interval_ps)
    last = len(positions) - 1 - length
    groups = [np.flatnonzero(species == each) for each in range(n_species)]
    sums = np.stack([positions[:, each].sum(axis=1) for each in groups], axis=1)
    lags = np.arange(length + 1, dtype=np.float64) * interval_ps
    fitted = slice(ballistic, None)

    def together(starts: range) -> tuple[Floats, Floats]:
        """L of each block, and the mean of the products."""
        found, mean = [], np.zeros((length + 1, n_species, n_species))
        for start in starts:
            away = sums[start : start + length + 1] - sums[start]
            products = np.einsum("tak,tbk->tab", away, away)
            mean += products / len(starts)
            rows = products[fitted].reshape(length + 1 - ballistic, -1).T
            found.append(slopes(lags[fitted], rows).reshape(n_species, n_species) / 6.0)
        return np.array(found), mean

    def alone(starts: range) -> tuple[Floats, Floats]:
        rows = [len(each) * block_displacements(positions[:, each], starts, length) for each in groups]
        found = np.stack([slopes(lags[fitted], one[:, fitted]) / 6.0 for one in rows], axis=1)
        return found, np.stack([one.mean(axis=0) for one in rows], axis=1)

    often, rarely = range(0, last + 1, spacing), range(0, last + 1, length)
    overlapping, products = together(often)
    own_overlapping, own_products = alone(often)
    return CollectiveMotion(
        overlapping, together(rarely)[0], own_overlapping, alone(rarely)[0], lags, products, own_products
    )


def conductivity_factor(volume: float, temperature: float) -> float:
    """e²/(V k_B T): what Σ z_a z_b L_ab in Å²/ps is multiplied by, for mS/cm.

    Args:
        volume: Å³.
        temperature: K.
    """
    si = constants.e**2 / (volume * 1e-30 * constants.k * temperature)
    return si * 1e-8 * 10.0  # Å²/ps = 10⁻⁸ m²/s; S/m = 10 mS/cm


def charge_transport(coefficients: Floats, charges: Floats) -> float:
    """Σ z_a z_b L_ab, Å²/ps.

    Args:
        coefficients: L, shape (S, S).
        charges: z, in units of e, shape (S,).
    """
    return float(charges @ coefficients @ charges)


def transference(coefficients: Floats, charges: Floats, species: int) -> float:
    """Share of the current that a species carries: z_a Σ_b z_b L_ab / Σ z_a z_b L_ab.

    Args:
        coefficients, charges: As `charge_transport`; the frame of reference is that of L.
        species: Which.
    """
    return float(charges[species] * (coefficients[species] @ charges) / charge_transport(coefficients, charges))


def relative_to(coefficients: Floats, numbers: Integers, still: Integers) -> Floats:
    """L against the mean motion of some species, the solvent: R_a − N_a R_0/N_0 takes the place of R_a.

    Args:
        coefficients: L, shape (S, S), in any frame.
        numbers: Molecules of each species, shape (S,).
        still: Places of the species whose mean does not move.

    Returns:
        Shape (S, S).
    """
    change = np.eye(len(numbers))
    change[:, still] -= numbers[:, None] / numbers[still].sum()
    return np.asarray(change @ coefficients @ change.T)
