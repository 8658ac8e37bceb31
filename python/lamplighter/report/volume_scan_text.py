"""A volume scan as text, JSON, CSV and a figure."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lamplighter.analysis.series import Estimate
from lamplighter.analysis.volume_scan import EnergyCurve
from lamplighter.observables.stored_scan import scan_as_json, write_scan
from lamplighter.observables.volume_scan import VolumeScanOfModels
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error
from lamplighter.run_folder.names import SCAN_FIGURE, SCAN_TABLE

_ROOM = 2.5  # times the depth of the deepest well, shown above the plateau


def format_volume_scan(scan: VolumeScanOfModels) -> str:
    """A row each density, then well and wall of each model, and how far it is from the reference."""
    curves = _curves(scan)
    content = " + ".join(f"{count} {name}" for name, count in scan.species.items())
    lines = [
        f"{scan.source}: {content}, molecules rigid",
        f"interaction energy per molecule in meV; zero: {scan.plateau}",
    ]
    header = ["ρ / (g/cm³)", "V / Å³", "contact / Å", *(each.name for each in curves)]
    rows = [
        [
            f"{scan.densities[k]:.4f}",
            f"{scan.volumes[k]:.1f}",
            (f"{scan.contacts[k]:.2f}" if math.isfinite(scan.contacts[k]) else "> 4") + ("*" if scan.fused[k] else ""),
            *(f"{1e3 * each.interaction[k]:.1f}" for each in curves),
        ]
        for k in range(len(scan.densities))
    ]
    lines += table_text.rows(header, rows, right=True)
    if scan.fused.any():
        lines.append("* closer than bonded atoms")
    if curves:
        lines += [
            "",
            *table_text.rows(*features(scan), right=True),
            *(f"Note: {note}" for note in features_notes(scan)),
        ]
    if scan.errors:
        lines += ["", errors_title(scan), *table_text.rows(*errors(scan), right=True)]
    return "\n".join(lines + [f"Note: {note}" for note in scan.notes])


def leave_scan(scan: VolumeScanOfModels, folder: Path) -> None:
    """Write table, figure and, as the last, the result into a run folder.

    Raises:
        LamplighterError: the folder cannot be written.
    """
    SHOWN.write_tables(scan, folder / SCAN_TABLE)
    SHOWN.draw(scan, folder / SCAN_FIGURE)
    write_scan(scan, folder)


def volume_scan_table(scan: VolumeScanOfModels) -> Table:
    """A row each density: total energy, per molecule, and relative to the plateau, of each model."""
    header = ["density_g_cm3", "volume_per_molecule_A3", "contact_A", "fused"]
    for each in _curves(scan):
        header += [f"{each.name}_total_eV", f"{each.name}_per_molecule_eV", f"{each.name}_interaction_per_molecule_eV"]
    rows: list[list[object]] = []
    for k in range(len(scan.densities)):
        row: list[object] = [scan.densities[k], scan.volumes[k], scan.contacts[k], int(scan.fused[k])]
        for each in _curves(scan):
            row += [each.total[k], each.total[k] / scan.n_molecules, each.interaction[k]]
        rows.append([float(value) if isinstance(value, np.floating) else value for value in row])
    return Table(header, rows)


def volume_scan_figure(scan: VolumeScanOfModels) -> Figure:
    """E(ρ) with plateau, well and wall, and what is left against the reference."""
    figure, axes = new_figure(1, 2 if scan.errors else 1)
    draw_energies(axes[0], scan)
    if scan.errors:
        draw_differences(axes[1], scan)
    return figure


def draw_energies(axis: Axes, scan: VolumeScanOfModels) -> None:
    """E(ρ) with plateau, well and wall."""
    for place, each in enumerate(scan.curves):
        colour = PALETTE[place % (len(PALETTE) - 1)]
        axis.plot(scan.densities, 1e3 * each.interaction, color=colour, linewidth=1.1, marker=".", label=each.name)
    if scan.reference is not None:
        axis.plot(
            scan.densities,
            1e3 * scan.reference.interaction,
            color=PALETTE[6],
            linewidth=1.6,
            linestyle=(0, (4, 2)),
            marker="o",
            markersize=4,
            label=scan.reference.name,
            zorder=3,
        )
    axis.axhline(0.0, color="0.5", linewidth=0.8)
    lowest = min(float(each.interaction.min()) for each in _curves(scan))
    if lowest < 0.0:
        axis.set_ylim(1.15e3 * lowest, -1e3 * _ROOM * lowest)
    axis.set(xlabel="ρ / (g/cm³)", ylabel="interaction energy / (meV/molecule)")
    axis.legend(fontsize="small", frameon=False)


def draw_differences(axis: Axes, scan: VolumeScanOfModels) -> None:
    """What is left of the models' energies against the reference, where it is not above the plateau."""
    assert scan.reference is not None, "there is a reference"
    attractive = scan.reference.interaction <= 0.0
    for place, each in enumerate(scan.curves):
        colour = PALETTE[place % (len(PALETTE) - 1)]
        difference = 1e3 * (each.interaction - scan.reference.interaction)
        axis.plot(
            scan.densities[attractive], difference[attractive], color=colour, linewidth=1.1, marker=".",
            label=each.name,
        )  # fmt: skip
    axis.axhline(0.0, color="0.5", linewidth=0.8)
    axis.set(xlabel="ρ / (g/cm³)", ylabel=f"less {scan.reference.name.rpartition(':')[2]} / (meV/molecule)")


def features(scan: VolumeScanOfModels) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: well, wall and plateau of each curve, and their spread over the models."""
    head = ["", "well at / (g/cm³)", "depth / meV", "wall (E = 0) at / (g/cm³)", "plateau / (eV/molecule)"]
    rows = [
        [
            each.name,
            _value(each.well_density),
            _value(each.well_energy, -1e3),
            _value(each.wall),
            f"{each.plateau / scan.n_molecules:.4f}",
        ]
        for each in _curves(scan)
    ]
    if scan.well_density is not None and scan.well_energy is not None:
        wall = _value(scan.wall) if scan.wall is not None else "–"
        rows.append(["models ± spread", _value(scan.well_density), _value(scan.well_energy, -1e3), wall, ""])
    return head, rows


def features_notes(scan: VolumeScanOfModels) -> list[str]:
    """Why a curve has no well or wall."""
    return sorted(
        {
            f"{each.name}: {estimate.note}"
            for each in _curves(scan)
            for estimate in (each.well_density, each.wall)
            if estimate.note
        }
    )


def errors(scan: VolumeScanOfModels) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: how far each model is from the reference."""
    head = ["", "rms / meV", "largest / meV", "plateau / (eV/molecule)"]
    rows = [
        [
            curve.name,
            _meV(each.rms_attractive, ""),
            _meV(each.largest_attractive, "+"),
            f"{each.plateau:+.4f}",
        ]
        for curve, each in zip(scan.curves, scan.errors, strict=True)
    ]
    return head, rows


def errors_title(scan: VolumeScanOfModels) -> str:
    """What `errors` are."""
    assert scan.reference is not None, "there are errors"
    return (
        f"less {scan.reference.name}, per molecule; interaction energies at the {scan.errors[0].n_attractive} "
        "densities at which it is not above the plateau"
    )


def _curves(scan: VolumeScanOfModels) -> list[EnergyCurve]:
    return [*scan.curves, *([scan.reference] if scan.reference else [])]


def _meV(value: float, sign: str) -> str:  # noqa: N802
    return format(1e3 * value, f"{sign}.2f") if math.isfinite(value) else "–"


def _value(estimate: Estimate, factor: float = 1.0) -> str:
    if not math.isfinite(estimate.value):
        return "–"
    if not estimate.standard_error > 0.0:
        return f"{estimate.value * factor:.5g}"
    return format_with_error(estimate.value * factor, estimate.standard_error * abs(factor), "").rstrip()


SHOWN = Shown(
    format_volume_scan,
    scan_as_json,
    figures={"energies": volume_scan_figure},
    tables={"energies": volume_scan_table},
)
