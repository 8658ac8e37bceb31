"""Types of arrays, and the order in which LAMMPS writes the six components of a symmetric tensor."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TENSOR_ROWS = (0, 1, 2, 0, 0, 1)
"""Of xx, yy, zz, xy, xz, yz: LAMMPS' order, which is not Voigt's."""

TENSOR_COLUMNS = (0, 1, 2, 1, 2, 2)
"""As `TENSOR_ROWS`."""
