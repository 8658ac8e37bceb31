"""What a set of frames says about the energy of each species, and what it leaves open.

With the numbers n_fs of each species s in frame f, E_f = Σ_s n_fs e_s + (interaction). N species have N energies e_s.
If all compositions obey M independent linear constraints (electric neutrality of ions, say), at most N − M of their
combinations can be told apart, and that takes at least N − M compositions of different proportions.

Source: Goodwin et al., Transferability and accuracy of ionic liquid simulations with equivariant machine learning
interatomic potentials (the rule and the question).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from lamplighter.analysis.series import Estimate
from lamplighter.arrays import Floats, Integers


@dataclass(frozen=True)
class Determination:
    """Which energies of species a set of compositions fixes.

    Attributes:
        species: Their names, N of them.
        n_constraints: M, independent constraints that were named and that all compositions obey.
        n_unique: Compositions of different proportions.
        rank: Independent compositions.
        deficiency: N − M − rank; 0: all that can be told apart is.
        undetermined: A basis of the combinations e_s += t·v_s that change no energy, whole numbers without a common
            divisor, shape (N − rank, N). Includes those of the constraints.
        determined: Whether the energy of each species is fixed by itself, shape (N,).
    """

    species: list[str]
    n_constraints: int
    n_unique: int
    rank: int
    deficiency: int
    undetermined: Integers
    determined: NDArray[np.bool_]

    @property
    def needed(self) -> int:
        """N − M."""
        return len(self.species) - self.n_constraints


def determination(counts: Integers, species: Sequence[str], constraints: Sequence[Sequence[int]] = ()) -> Determination:
    """Check the N − M rule, in exact arithmetic.

    Args:
        counts: Of each species in each frame, shape (F, N).
        species: Their names.
        constraints: Coefficients c of each relation Σ_s c_s n_s = 0 that compositions obey, e.g. charges, shape (M, N).

    Raises:
        ValueError: a constraint has another length, or a composition does not obey it (it is named).
    """
    rows = [_proportions(row) for row in np.unique(np.asarray(counts, dtype=np.int64), axis=0) if row.any()]
    unique = sorted(set(rows))
    for each in constraints:
        if len(each) != len(species):
            raise ValueError(f"a constraint needs {len(species)} coefficients, one for each species, got {len(each)}")
        for row in unique:
            if sum(c * n for c, n in zip(each, row, strict=True)):
                words = " ".join(f"{n} {name}" for name, n in zip(species, row, strict=True) if n)
                raise ValueError(f"the composition {words} does not obey the constraint {list(each)}")
    n_constraints = len(_echelon([list(map(int, each)) for each in constraints])[1])
    reduced, pivots = _echelon([list(row) for row in unique])
    null = _null_space(reduced, pivots, len(species))
    determined = np.array([not null[:, place].any() for place in range(len(species))])
    rank = len(pivots)
    return Determination(
        list(species), n_constraints, len(unique), rank, len(species) - n_constraints - rank, null, determined
    )


METHOD_SPECIES = "least squares of energies on composition; error from the residuals"


def species_energies(counts: Integers, energies: Floats, found: Determination) -> tuple[list[Estimate], float]:
    """Energy of each species, eV, by least squares over frames, each frame's residual counted per molecule or atom.

    Rows are divided by the total count of a frame, so that a large frame does not outweigh the others.

    Args:
        counts: As `determination`.
        energies: eV, shape (F,).
        found: What `determination` says of `counts`.

    Returns:
        The energies (nan, with a note, of species that are not determined by themselves), and the root mean square
        residual, eV per counted unit.
    """
    total = counts.sum(axis=1).astype(np.float64)
    a, y = counts / total[:, None], energies / total
    solution = np.linalg.lstsq(a, y, rcond=None)[0]
    residual = y - a @ solution
    freedom = len(y) - found.rank
    spread = float(residual @ residual) / freedom if freedom > 0 else float("nan")
    covariance = spread * np.linalg.pinv(a.T @ a)
    made = []
    for place, known in enumerate(found.determined):
        n = int((counts[:, place] > 0).sum())
        if not known:
            note = "not determined by these compositions"
            made.append(Estimate(float("nan"), float("nan"), "eV", METHOD_SPECIES, n, 1.0, float(n), note))
            continue
        error = float(np.sqrt(covariance[place, place]))
        note = "" if freedom > 0 else "as many frames as energies: there are no residuals"
        made.append(Estimate(float(solution[place]), error, "eV", METHOD_SPECIES, n, 1.0, float(n), note))
    return made, float(np.sqrt(np.mean(residual**2)))


def _proportions(row: Integers) -> tuple[int, ...]:
    """The same composition in the smallest whole numbers."""
    divisor = gcd(*(int(n) for n in row))
    return tuple(int(n) // divisor for n in row)


def _echelon(rows: list[list[int]]) -> tuple[list[list[Fraction]], list[int]]:
    """Reduced row echelon form without its empty rows, and the columns of its leading ones."""
    matrix = [[Fraction(value) for value in row] for row in rows]
    pivots: list[int] = []
    for column in range(len(matrix[0]) if matrix else 0):
        place = len(pivots)
        found = next((r for r in range(place, len(matrix)) if matrix[r][column]), None)
        if found is None:
            continue
        matrix[place], matrix[found] = matrix[found], matrix[place]
        lead = matrix[place][column]
        matrix[place] = [value / lead for value in matrix[place]]
        for r, row in enumerate(matrix):
            if r != place and row[column]:
                factor = row[column]
                matrix[r] = [value - factor * lead for value, lead in zip(row, matrix[place], strict=True)]
        pivots.append(column)
    return matrix[: len(pivots)], pivots


def _null_space(reduced: list[list[Fraction]], pivots: list[int], n: int) -> Integers:
    vectors = []
    for free in (column for column in range(n) if column not in pivots):
        vector = [Fraction(0)] * n
        vector[free] = Fraction(1)
        for row, pivot in zip(reduced, pivots, strict=True):
            vector[pivot] = -row[free]
        scale = lcm(*(value.denominator for value in vector))
        whole = [int(value * scale) for value in vector]
        divisor = gcd(*whole)
        vectors.append([value // divisor for value in whole])
    return np.array(vectors, dtype=np.int64).reshape(-1, n)
