"""Atoms that are too close for any model: both kinds of steps refuse them by the same words."""

from __future__ import annotations

from lamplighter.errors import ModelError

OVERLAP = 0.1
"""Å; `SHORTEST_DISTANCE` of the pair styles, which refuse the same where they make the pairs."""


def overlap(distance: float) -> ModelError:
    """Two atoms that are closer (Å) than any model should be asked about."""
    return ModelError(
        f"two atoms are {distance:.4g} Å apart, less than {OVERLAP} Å: check the structure, or minimise it with a "
        "repulsive pair style first"
    )
