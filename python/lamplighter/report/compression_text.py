"""An isothermal compression as text, JSON, CSV and a figure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lamplighter.observables.compression import CompressionOfRuns
from lamplighter.observables.state_points import point_as_json
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.state_points_text import (
    PER_PA,
    PER_PA_UNIT,
    POINTS,
    bars,
    discarded_ps,
    quality_of_fit,
    scaled,
)
from lamplighter.report.table_text import Table

_CURVE = 200  # points of a drawn curve


def format_compression(result: CompressionOfRuns) -> str:
    """A row each pressure, then the Tait equation and κ_T."""
    fit = result.fit
    header = ["p / bar", "ρ / (g/cm³)", "V / Å³", "(fit − V)/σ", "κ_T of the fit", "κ_T of δV²", "discarded / ps"]
    rows = [
        [
            f"{point.pressure:g}",
            scaled(point.density.mean),
            scaled(point.density.volume),
            _number((volume - point.density.volume.value) / point.density.volume.standard_error),
            scaled(fit.compressibility_at(point.pressure), PER_PA),
            scaled(point.density.compressibility, PER_PA),
            discarded_ps(point),
        ]
        for point, volume in zip(result.points, fit.volume_at(fit.pressures), strict=True)
    ]
    kappa = fit.compressibility
    number = len({point.pressure for point in result.points})
    lines = [
        f"{number} pressures at {result.temperature:g} K; κ_T in {PER_PA_UNIT}",
        *table_text.rows(header, rows, right=True),
        "",
    ]
    lines += [
        "V = V₀ [1 − C ln(1 + p/B)]",
        f"  V₀        {scaled(fit.volume, 1.0, 'Å³')}",
        f"  C         {scaled(fit.c)}",
        f"  B         {scaled(fit.b, 1.0, 'bar')}",
        f"  κ_T(p→0)  {scaled(kappa, PER_PA, PER_PA_UNIT)} (C/B, from the covariance); bootstrap "
        f"± {fit.bootstrap_error * PER_PA:.2g}",
    ]
    if quality := quality_of_fit(fit.chi_squared, fit.degrees_of_freedom, fit.probability):
        lines.append(f"  {quality}")
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def compression_as_json(result: CompressionOfRuns) -> dict[str, Any]:
    """What `--json` prints."""
    fit = result.fit
    return {
        "temperature_K": result.temperature,
        "points": [
            point_as_json(point) | {"compressibility_of_fit": fit.compressibility_at(point.pressure)}
            for point in result.points
        ],
        "compressibility": fit.compressibility,
        "compressibility_bootstrap_error": fit.bootstrap_error,
        "volume": fit.volume,
        "c": fit.c,
        "b": fit.b,
        "chi_squared": fit.chi_squared,
        "degrees_of_freedom": fit.degrees_of_freedom,
        "probability": fit.probability,
        "notes": result.notes,
    }


def compression_table(result: CompressionOfRuns) -> Table:
    """A row each pressure."""
    header = [
        "pressure_bar",
        "density_g_cm3",
        "density_error_g_cm3",
        "volume_A3",
        "volume_error_A3",
        "volume_of_fit_A3",
        "compressibility_of_fit_1_Pa",
        "compressibility_of_fit_error_1_Pa",
        "compressibility_from_fluctuations_1_Pa",
        "compressibility_from_fluctuations_error_1_Pa",
    ]
    rows = []
    for point, volume in zip(result.points, result.fit.volume_at(result.fit.pressures), strict=True):
        density, of_fit = point.density, result.fit.compressibility_at(point.pressure)
        pairs = (density.mean, density.volume, of_fit, density.compressibility)
        numbers = [number for each in pairs for number in (each.value, each.standard_error)]
        rows.append([point.pressure, *numbers[:4], float(volume), *numbers[4:]])
    return Table(header, rows)


def compression_figure(result: CompressionOfRuns) -> Figure:
    """V(p) with the fit, what is left of it, and κ_T(p) both ways."""
    figure, axes = new_figure(1, 3)
    for axis, draw in zip(axes, (draw_volumes, draw_residuals, draw_compressibilities), strict=True):
        draw(axis, result)
    return figure


def draw_volumes(axis: Axes, result: CompressionOfRuns) -> None:
    """V(p) and the Tait equation."""
    fit, p = result.fit, _pressures(result)
    axis.plot(p * _KBAR, fit.volume_at(p), color=PALETTE[6], linewidth=1.0, label="Tait")
    axis.errorbar(fit.pressures * _KBAR, fit.volumes, bars(fit.errors), color=PALETTE[0], **POINTS)
    axis.set(xlabel="p / kbar", ylabel="V / Å³")
    axis.legend(fontsize="small", frameon=False)


def draw_residuals(axis: Axes, result: CompressionOfRuns) -> None:
    """What the Tait equation leaves of V(p)."""
    fit = result.fit
    axis.axhline(0.0, color=PALETTE[6], linewidth=1.0)
    left = 100.0 * (fit.volumes / fit.volume_at(fit.pressures) - 1.0)
    axis.errorbar(fit.pressures * _KBAR, left, bars(100.0 * fit.errors / fit.volumes), color=PALETTE[0], **POINTS)
    axis.set(xlabel="p / kbar", ylabel="V / V(fit) − 1, %")


def draw_compressibilities(axis: Axes, result: CompressionOfRuns) -> None:
    """κ_T(p) of the Tait equation, and of the fluctuations at each pressure."""
    fit, p = result.fit, _pressures(result)
    curve = [fit.compressibility_at(float(each)) for each in p]
    middle = PER_PA * np.array([each.value for each in curve])
    width = PER_PA * np.array([each.standard_error for each in curve])
    axis.fill_between(p * _KBAR, middle - width, middle + width, color=PALETTE[6], alpha=0.2, linewidth=0.0)
    axis.plot(p * _KBAR, middle, color=PALETTE[6], linewidth=1.0, label="Tait")
    of_points = [point.density.compressibility for point in result.points]
    axis.errorbar(
        fit.pressures * _KBAR,
        [PER_PA * each.value for each in of_points],
        bars(np.array([PER_PA * each.standard_error for each in of_points])),
        color=PALETTE[1],
        label="volume fluctuations",
        **POINTS,
    )
    axis.set(xlabel="p / kbar", ylabel="κ$_T$ / (10⁻¹⁰ 1/Pa)")
    axis.legend(fontsize="small", frameon=False)


_KBAR = 1e-3  # of a bar


def _pressures(result: CompressionOfRuns) -> NDArray[np.float64]:
    pressures = result.fit.pressures
    return np.linspace(min(0.0, float(pressures.min())), float(pressures.max()), _CURVE)


def _number(value: float) -> str:
    return f"{value:+.1f}" if math.isfinite(value) else "?"


SHOWN = Shown(
    format_compression,
    compression_as_json,
    figures={"compression": compression_figure},
    tables={"points": compression_table},
)
