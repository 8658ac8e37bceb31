"""What came of an ablation, as text, tables, figures and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from lamplighter.observables.diffusivity import TO_1E6_CM2_S
from lamplighter.report import table_text
from lamplighter.report.drawing import new_figure
from lamplighter.report.learning_text import q_in_words
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.learning.ablation import AblationResult, Difference
    from lamplighter.learning.liquids import FromReference, Liquid

LIQUID_UNITS = {"density": "g/cm³", "diffusivity": "10⁻⁶ cm²/s"}
UNITS = {"energy": "meV/atom", "forces": "eV/Å", "stress": "meV/Å³"}
_DIGITS = {"energy": 2, "forces": 4, "stress": 2}
_HEADER = ("point", "set", "models", "energy_rmse_meV_atom", "energy_spread", "forces_rmse_eV_A", "forces_spread",
           "stress_rmse_meV_A3", "stress_spread")  # fmt: skip
_LIQUIDS_HEADER = ("point", "models", "stable", "quality", "quality_error", "density_g_cm3", "density_spread",
                   "density_from_reference", "density_p_holm", "diffusivity_1e-6_cm2_s", "diffusivity_spread",
                   "diffusivity_from_reference", "diffusivity_p_holm", "forces_along_eV_A")  # fmt: skip
_DIFFERENCES_HEADER = ("set", "quantity", "best", "other", "ratio", "p_holm", "seen")


def format_ablation(result: AblationResult) -> str:
    """The RMSE of forces and energies of each point over each set, and what differs beyond the spread over models."""
    lines: list[str] = []
    for quantity in ("forces", "energy") if result.points else ():
        head, body = matrix_rows(result, quantity)
        lines += [f"RMSE of {quantity}, {UNITS[quantity]}: mean over models ± their standard deviation", ""]
        lines += [*table_text.rows(head, body, right=True), ""]
    lines += difference_lines(result, "forces")
    if liquids := result.liquids:
        head, body = liquid_rows(liquids)
        lines += ["", "The models' liquids", "", *table_text.rows(head, body, right=True), ""]
        lines += liquid_lines(result)
    if result.missing:
        lines.append(f"not done yet: {', '.join(result.missing)}")
    lines += [f"failed: {name}: {why.partition(chr(10))[0]}" for name, why in result.failed.items()]
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def matrix_rows(result: AblationResult, quantity: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Points by sets."""
    rows = [
        (each.name, str(len(each.members)), *(_value(each.values(name, quantity), quantity) for name in result.sets))
        for each in result.points
    ]
    return ("point", "models", *result.sets), rows


def difference_lines(result: AblationResult, quantity: str) -> list[str]:
    """A sentence for each set: the best point, those that differ from it, and those of which that cannot be said."""
    lines = []
    for name in result.sets:
        found = [each for each in result.differences(quantity) if each.set == name]
        if found:
            lines.append(f"{name}: {_in_words(found)}")
    return lines


def liquid_rows(liquids: Sequence[Liquid]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A row each point, and one for each reference, which points may have of their own."""
    rows: list[tuple[str, ...]] = [
        (
            each.point,
            f"{len(each.quality.densities)} of {each.models}",
            q_in_words(each.quality),
            _several(each.quality.densities, "density"),
            _several(each.quality.diffusivities, "diffusivity"),
            "–" if each.along is None else _value([each.along.forces.mean], "forces"),
        )
        for each in liquids
    ]
    references: dict[tuple[str, str], list[str]] = {}
    for each in liquids:
        said = (
            _several(each.quality.reference_densities, "density"),
            _several(each.quality.reference_diffusivities, "diffusivity"),
        )
        references.setdefault(said, []).append(each.point)
    for (density, motion), points in references.items():
        name = "reference" if len(references) == 1 else f"reference of {', '.join(points)}"
        rows.append((name, "", "", density, motion, ""))
    units = [f"{name}, {unit}" for name, unit in LIQUID_UNITS.items()]
    return ("point", "stable", "Q", *units, "forces along, eV/Å"), rows


def liquid_lines(result: AblationResult) -> list[str]:
    """A sentence for each quantity: which points differ from the reference."""
    lines = []
    for quantity in LIQUID_UNITS:
        found = result.from_reference(quantity)
        seen = [f"{each.point} by {_difference(each)} (p {each.p:.2g})" for each in found if each.is_seen]
        alike = [f"{each.point} ({_difference(each)})" for each in found if not each.is_seen and not math.isnan(each.p)]
        unknown = [f"{each.point} ({_difference(each)})" for each in found if math.isnan(each.p)]
        said = [f"differs from the reference beyond both spreads: {', '.join(seen)}"] if seen else []
        said += [f"not told apart from it: {', '.join(alike)}"] if alike else []
        said += [f"of which nothing can be said, as there is a single number: {', '.join(unknown)}"] if unknown else []
        if said:
            lines.append(f"{quantity}: {'; '.join(said)}")
    return lines


def _difference(each: FromReference) -> str:
    factor, digits = (TO_1E6_CM2_S, 1) if each.quantity == "diffusivity" else (1.0, 4)
    error = "" if math.isnan(each.standard_error) else f" ± {factor * each.standard_error:.{digits}f}"
    unit = LIQUID_UNITS[each.quantity]
    return f"{factor * each.difference:+.{digits}f}{error} {'×' if unit.startswith('10') else ''}{unit}"


def _several(values: Sequence[float], quantity: str) -> str:
    factor, digits = (TO_1E6_CM2_S, 1) if quantity == "diffusivity" else (1.0, 4)
    if not values:
        return "–"
    spread = f" ± {factor * np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{factor * np.mean(values):.{digits}f}{spread}"


def _in_words(found: list[Difference]) -> str:
    worse = [f"{each.other} ({each.ratio:.2f} times, p {each.p:.2g})" for each in found if each.is_seen]
    alike = [each.other for each in found if not each.is_seen and not math.isnan(each.p)]
    unknown = [each.other for each in found if math.isnan(each.p)]
    said = [f"the least error has {found[0].best}"]
    said += [f"larger beyond the spread over models: {', '.join(worse)}"] if worse else []
    said += [f"not told apart from it: {', '.join(alike)}"] if alike else []
    said += (
        [f"of which nothing can be said, as one of both has one model or no spread: {', '.join(unknown)}"]
        if unknown
        else []
    )
    return "; ".join(said)


def _value(values: list[float], quantity: str) -> str:
    if not values:
        return "–"
    digits = _DIGITS[quantity]
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def ablation_as_json(result: AblationResult) -> Any:
    """What `--json` prints: all of it, and the differences."""
    differences = [each for quantity in UNITS for each in result.differences(quantity)]
    return {
        "folder": result.folder,
        "axes": result.axes,
        "points": result.points,
        "missing": result.missing,
        "failed": result.failed,
        "differences": differences,
        "liquids": [each for name in LIQUID_UNITS for each in result.from_reference(name)],
        "notes": result.notes,
    }


def errors_table(result: AblationResult) -> Table:
    """A row each point and set."""
    rows = []
    for each in result.points:
        for name in result.sets:
            row: list[object] = [each.name, name, len(each.members)]
            for quantity in UNITS:
                values = each.values(name, quantity)
                row.append(float(np.mean(values)) if values else None)
                row.append(float(np.std(values, ddof=1)) if len(values) > 1 else None)
            rows.append(row)
    return Table(_HEADER, rows)


def liquids_table(result: AblationResult) -> Table:
    """A row each point that was asked for Q."""
    beside = {(each.point, each.quantity): each for name in LIQUID_UNITS for each in result.from_reference(name)}
    rows = []
    for each in result.liquids:
        known = each.quality
        row: list[object] = [each.point, each.models, len(known.densities), known.value, known.standard_error]
        for quantity, values, factor in (
            ("density", known.densities, 1.0),
            ("diffusivity", known.diffusivities, TO_1E6_CM2_S),
        ):
            found = beside.get((each.point, quantity))
            row.append(factor * float(np.mean(values)) if values else None)
            row.append(factor * float(np.std(values, ddof=1)) if len(values) > 1 else None)
            row += [None, None] if found is None else [factor * found.difference, found.p]
        rows.append([*row, None if each.along is None else each.along.forces.mean])
    return Table(_LIQUIDS_HEADER, rows)


def differences_table(result: AblationResult) -> Table:
    """A row each point beside the best one, by set and quantity."""
    rows = [
        [each.set, each.quantity, each.best, each.other, each.ratio, each.p, int(each.is_seen)]
        for quantity in UNITS
        for each in result.differences(quantity)
    ]
    return Table(_DIFFERENCES_HEADER, rows)


def forces_figure(result: AblationResult) -> Figure:
    """The RMSE of forces of each point over each set, as an annotated map."""
    return _map(result, "forces")


def energy_figure(result: AblationResult) -> Figure:
    """The same of energies."""
    return _map(result, "energy")


def _map(result: AblationResult, quantity: str) -> Figure:
    names = [each.name for each in result.points]
    values = np.array(
        [[float(np.mean(v)) if (v := each.values(name, quantity)) else np.nan for name in result.sets]
         for each in result.points]
    ).reshape(len(names), len(result.sets))  # fmt: skip
    figure, (axes,) = new_figure()
    if values.size:
        axes.imshow(values / np.nanmin(values, axis=0, keepdims=True), cmap="Blues", vmin=1.0, aspect="auto")
        middle = 0.5 * (1.0 + np.nanmax(values / np.nanmin(values, axis=0, keepdims=True)))
        for row, column in np.ndindex(*values.shape):
            ratio = values[row, column] / np.nanmin(values[:, column])
            colour = "white" if ratio > middle else "black"
            if np.isfinite(values[row, column]):
                text = f"{values[row, column]:.{_DIGITS[quantity]}f}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize="small")
    axes.set_xticks(range(len(result.sets)), result.sets, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.grid(False)
    axes.set_title(f"RMSE of {quantity} ({UNITS[quantity]}); colour: over the best of the set", fontsize="small")
    return figure


SHOWN = Shown(
    format_ablation,
    ablation_as_json,
    figures={"forces": forces_figure, "energy": energy_figure},
    tables={"errors": errors_table, "differences": differences_table, "liquids": liquids_table},
)
"""How `learn` shows what came of an ablation."""
