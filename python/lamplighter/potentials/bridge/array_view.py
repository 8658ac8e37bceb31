"""Arrays that C++ owns, as torch sees them."""

from __future__ import annotations

import ctypes

import numpy as np
import torch


class ArrayView:
    """A torch view of an array that C++ owns; made anew only when it has moved or grown."""

    def __init__(self, dtype: type, columns: int = 1) -> None:
        self._dtype = np.dtype(dtype)
        self._columns = columns
        self._address: int | None = None
        self._capacity = -1
        self._view = torch.empty(0)

    def __call__(self, address: int | None, rows: int, capacity: int) -> torch.Tensor:
        if not address:
            shape = (0, self._columns) if self._columns > 1 else (0,)
            return torch.from_numpy(np.empty(shape, self._dtype))
        if address != self._address or capacity != self._capacity:
            size = capacity * self._columns * self._dtype.itemsize
            buffer = (ctypes.c_char * size).from_address(address)
            array = np.frombuffer(memoryview(buffer), self._dtype)
            self._view = torch.from_numpy(array.reshape(-1, self._columns) if self._columns > 1 else array)
            self._address, self._capacity = address, capacity
        return self._view[:rows]
