"""Block averaging: the error of a mean against the length of the blocks; it levels off where blocks are independent.

Source: H. Flyvbjerg, H. G. Petersen, J. Chem. Phys. 91, 461 (1989).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamplighter.arrays import Floats


@dataclass(frozen=True)
class BlockErrors:
    """Errors of a mean from blocks of 1, 2, 4, … samples; each of shape (m,).

    Attributes:
        size: Samples a block.
        standard_error: Of the mean, in the unit of the series, from the spread of block means.
        uncertainty: Of `standard_error`, as if blocks were independent and Gaussian.
    """

    size: NDArray[np.int64]
    standard_error: Floats
    uncertainty: Floats


def block_errors(series: ArrayLike) -> BlockErrors:
    """Block a series in pairs as long as there are at least two blocks: sqrt(c₀/(n − 1)) ± itself/sqrt(2(n − 1)).

    Args:
        series: Samples at equal intervals, shape (N,), all finite.
    """
    x = np.asarray(series, dtype=np.float64)
    sizes, errors, uncertainties = [], [], []
    size = 1
    while len(x) >= 2:
        error = float(np.sqrt(x.var() / (len(x) - 1)))
        sizes.append(size)
        errors.append(error)
        uncertainties.append(error / np.sqrt(2.0 * (len(x) - 1)))
        x = 0.5 * (x[: len(x) // 2 * 2 : 2] + x[1 : len(x) // 2 * 2 : 2])
        size *= 2
    return BlockErrors(np.array(sizes, dtype=np.int64), np.array(errors), np.array(uncertainties))
