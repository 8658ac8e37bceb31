"""What a step on a device gives, back on the host, and handed to LAMMPS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lamplighter.potentials.bridge.array_view import ArrayView
from lamplighter.potentials.bridge.header import Step

_SAME = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How far two results of one step may differ: sums are taken in another order, on a GPU in any."""


@dataclass(frozen=True)
class DeviceResult:
    """Of one step, float64, on the host.

    Attributes:
        forces: (n, 3) eV/Å, on atoms and ghosts as LAMMPS has them, or on the first of them, where others have none.
        energies: (nlocal,) eV.
        virial: (6,) eV; None: it is not wanted.
        virials: (nx, 6) eV, of atoms and ghosts; None: they are not wanted.
    """

    forces: torch.Tensor
    energies: torch.Tensor
    virial: torch.Tensor | None
    virials: torch.Tensor | None = None

    def hand_over(self, step: Step) -> None:
        """Add it to what LAMMPS has."""
        ArrayView(np.float64, 3)(step.f, step.nx, step.nx)[: len(self.forces)] += self.forces
        ArrayView(np.float64)(step.eatoms, step.nlocal, step.nlocal).copy_(self.energies)
        step.energy = float(self.energies.sum())
        if step.virial_wanted and self.virial is not None:
            ArrayView(np.float64)(step.virial, 6, 6).add_(self.virial)
        if self.virials is not None:
            ArrayView(np.float64, 6)(step.vatom, step.nx, step.nx).add_(self.virials)


def difference(one: DeviceResult, other: DeviceResult, dtype: torch.dtype) -> str:
    """What differs between two results of a model that computes in `dtype`; empty: nothing but rounding."""
    rows = min(len(one.forces), len(other.forces))
    parts = {
        "forces": (one.forces[:rows], other.forces[:rows]),
        "energies": (one.energies, other.energies),
        "virial": (one.virial, other.virial),
    }
    for name, (a, b) in parts.items():
        if a is None or b is None:
            continue
        apart = float((a - b).abs().max())
        largest = float(b.abs().max())
        # energies of isolated atoms are thousands of eV, and would hide what is wrong by a tenth of one
        limit = _SAME[dtype] * max(1.0, largest)
        if name == "energies":
            limit = _SAME[dtype] + 8 * torch.finfo(dtype).eps * largest
        if not apart <= limit:
            return f"{name} by {apart:.1e}"
    return ""
