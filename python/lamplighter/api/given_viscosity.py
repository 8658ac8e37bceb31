"""The viscosity by which diffusivities are corrected for the finite cell, as it is given: with or without its error."""

from __future__ import annotations

import math
from typing import Literal

from lamplighter.errors import LamplighterError

Viscosity = float | tuple[float, float] | Literal["auto"] | None
"""mPa s, alone or with its standard error; `auto`: that of the run; None: no correction."""


def given_viscosity(viscosity: Viscosity) -> tuple[float | None, float]:
    """The value that was given and its standard error (0 where it has none), mPa s; None: none was.

    Raises:
        LamplighterError: it is not positive, or its error is no error.
    """
    if viscosity is None or viscosity == "auto":
        return None, 0.0
    try:
        value, error = viscosity if isinstance(viscosity, tuple | list) else (viscosity, 0.0)
        value, error = float(value), float(error)
    except (TypeError, ValueError):
        raise LamplighterError(
            "the viscosity is 'auto', a number in mPa s, or that and its standard error, as (1.2, 0.1), "
            f"got {viscosity!r}"
        ) from None
    if not value > 0.0:
        raise LamplighterError(f"--viscosity must be > 0, got {value:g}")
    if not (error >= 0.0 and math.isfinite(error)):
        raise LamplighterError(f"--viscosity: its standard error must be ≥ 0, got {error:g}")
    return value, error
