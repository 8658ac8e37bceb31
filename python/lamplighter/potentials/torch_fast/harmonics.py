"""Real spherical harmonics to degree 3, as e3nn orders and normalises them ("component")."""

from __future__ import annotations

from math import sqrt

import torch


def spherical_harmonics(unit: torch.Tensor, l_max: int) -> torch.Tensor:
    """Y_lm of unit vectors (n, 3), (n, (l_max + 1)²); the squares of a degree l sum to 2 l + 1.

    Source of the polynomials: e3nn, `o3.spherical_harmonics`.
    """
    x, y, z = unit.unbind(1)
    found = [torch.ones_like(x)]
    if l_max >= 1:
        found += [sqrt(3) * x, sqrt(3) * y, sqrt(3) * z]
    if l_max >= 2:
        xz, across = sqrt(3) * x * z, x * x + z * z
        difference = sqrt(3) / 2 * (z * z - x * x)
        second = [xz, sqrt(3) * x * y, y * y - 0.5 * across, sqrt(3) * y * z, difference]
        found += [sqrt(5) * each for each in second]
    if l_max >= 3:
        slope = 4 * y * y - across
        third = [
            sqrt(5 / 6) * (xz * z + difference * x),
            sqrt(5) * xz * y,
            sqrt(3 / 8) * slope * x,
            0.5 * y * (2 * y * y - 3 * across),
            sqrt(3 / 8) * slope * z,
            sqrt(5) * difference * y,
            sqrt(5 / 6) * (difference * z - xz * x),
        ]
        found += [sqrt(7) * each for each in third]
    return torch.stack(found, dim=1)
