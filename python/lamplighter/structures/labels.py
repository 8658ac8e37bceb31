"""Energy, forces and stress of a frame, whoever computed them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamplighter.arrays import Floats


@dataclass(frozen=True)
class Labels:
    """What a potential, or a reference method, says of one frame.

    Attributes:
        energy: eV, of the whole frame.
        forces: eV/Å, shape (n_atoms, 3).
        stress: eV/Å³, positive under tension, shape (3, 3); nan where the frame is not periodic in all directions or
            the stress is not known.
    """

    energy: float
    forces: Floats
    stress: Floats


def unknown_stress() -> Floats:
    """The stress of a frame that has none."""
    return np.full((3, 3), np.nan)
