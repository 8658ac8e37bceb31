"""Arrays between LAMMPS and the device of a model, through page-locked memory: a GPU copies them by itself then."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class Upload:
    """Rows that go to the device; they lie in the same place there until they are more.

    Args:
        device: Where to.
        dtype: Of the rows.
        columns: Of each row; 0: rows are numbers.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, columns: int = 0) -> None:
        self._shape = (columns,) if columns else ()
        self._dtype = dtype
        self._there = torch.zeros(0, *self._shape, dtype=dtype, device=device)
        self._here = page_locked((0, *self._shape), dtype, device)

    def __call__(self, rows: torch.Tensor, size: int | None = None) -> torch.Tensor:
        """The rows on the device, (size, …), zeros behind them; `size` is as many as there are unless it is given.

        The copy may still be under way when this returns, and `rows` may change: they have been read. Another call has
        to wait until the step has been handed back.
        """
        size = len(rows) if size is None else size
        if len(self._there) != size:
            device = self._there.device
            self._there = torch.zeros(size, *self._shape, dtype=self._dtype, device=device)
            self._here = page_locked((size, *self._shape), self._dtype, device)
        self._here[: len(rows)] = rows
        self._here[len(rows) :] = 0
        self._there.copy_(self._here, non_blocking=True)
        return self._there


class Download:
    """What a step gives, float64, in one copy."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._here = page_locked((0,), torch.float64, device)

    def __call__(self, parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same on the host, valid until the next call; it waits for the device."""
        packed = torch.cat([part.reshape(-1).to(torch.float64) for part in parts])
        if len(self._here) < len(packed):
            self._here = page_locked((len(packed),), torch.float64, self._device)
        here = self._here[: len(packed)]
        here.copy_(packed, non_blocking=True)
        wait_for(self._device)
        found = here.split([part.numel() for part in parts])
        return [each.view(part.shape) for each, part in zip(found, parts, strict=True)]


def wait_for(device: torch.device) -> None:
    """Until the device has done what it was asked for; its failures are raised here."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def page_locked(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """An array on the host, which a GPU reads and writes by itself."""
    return torch.empty(shape, dtype=dtype, pin_memory=device.type == "cuda")
