"""A thermal expansion as text, JSON, CSV and a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lamplighter.observables.state_points import point_as_json
from lamplighter.observables.thermal_expansion import ThermalExpansionOfRuns
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.state_points_text import POINTS, bars, discarded_ps, quality_of_fit, scaled
from lamplighter.report.table_text import Table

_CURVE = 100  # points of a drawn line


def format_thermal_expansion(result: ThermalExpansionOfRuns) -> str:
    """A row each temperature, then the slope and α_V."""
    line = result.line
    header = ["T / K", "ρ / (g/cm³)", "line / (g/cm³)", "discarded / ps"]
    rows = [
        [f"{point.temperature:g}", scaled(point.density.mean), f"{value:.5g}", discarded_ps(point)]
        for point, value in zip(result.points, line.density_at(line.temperatures)[0], strict=True)
    ]
    number = len({point.temperature for point in result.points})
    lines = [f"{number} temperatures at {result.pressure:g} bar", *table_text.rows(header, rows, right=True), ""]
    lines += [
        f"dρ/dT  {scaled(line.slope, 1e3, '×10⁻³ g/cm³/K')}",
        f"α_V    {scaled(line.expansion, 1e3, '×10⁻³ 1/K')} at {line.temperature:.4g} K, where the line is at "
        f"{scaled(line.density, 1.0, 'g/cm³')}",
    ]
    if quality := quality_of_fit(line.chi_squared, line.degrees_of_freedom, line.probability):
        lines.append(quality)
    if line.slope.note:
        lines.append(f"Note: no error bar: {line.slope.note}")
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def thermal_expansion_as_json(result: ThermalExpansionOfRuns) -> dict[str, Any]:
    """What `--json` prints."""
    line = result.line
    return {
        "pressure_bar": result.pressure,
        "points": [point_as_json(point) for point in result.points],
        "slope": line.slope,
        "expansion": line.expansion,
        "temperature_K": line.temperature,
        "density": line.density,
        "chi_squared": line.chi_squared,
        "degrees_of_freedom": line.degrees_of_freedom,
        "probability": line.probability,
        "notes": result.notes,
    }


def thermal_expansion_table(result: ThermalExpansionOfRuns) -> Table:
    """A row each temperature."""
    header = ["temperature_K", "density_g_cm3", "density_error_g_cm3", "density_of_line_g_cm3"]
    values = result.line.density_at(result.line.temperatures)[0]
    rows = [
        [point.temperature, point.density.mean.value, point.density.mean.standard_error, float(value)]
        for point, value in zip(result.points, values, strict=True)
    ]
    return Table(header, rows)


def thermal_expansion_figure(result: ThermalExpansionOfRuns) -> Figure:
    """ρ(T) with the line and its error."""
    line = result.line
    figure, (axis,) = new_figure()
    t = np.linspace(line.temperatures.min(), line.temperatures.max(), _CURVE)
    value, error = line.density_at(t)
    axis.fill_between(t, value - error, value + error, color=PALETTE[6], alpha=0.2, linewidth=0.0)
    label = f"{scaled(line.slope, 1e3)} ×10⁻³ g/cm³/K"
    axis.plot(t, value, color=PALETTE[6], linewidth=1.0, label=label)
    axis.errorbar(line.temperatures, line.densities, bars(line.errors), color=PALETTE[0], **POINTS)
    axis.set(xlabel="T / K", ylabel="ρ / (g/cm³)")
    axis.legend(fontsize="small", frameon=False)
    return figure


SHOWN = Shown(
    format_thermal_expansion,
    thermal_expansion_as_json,
    figures={"expansion": thermal_expansion_figure},
    tables={"points": thermal_expansion_table},
)
