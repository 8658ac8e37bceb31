"""Torch's default precision, on which what some frameworks make depends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Inside it is float64, which other frameworks in the process may not expect.

    NequIP works with it; mace-torch makes the charges of its ZBL in it.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
