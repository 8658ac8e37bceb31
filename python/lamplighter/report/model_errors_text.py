"""Errors of models as text, JSON, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lamplighter.analysis.model_errors import STRESS_COLUMNS, STRESS_ROWS, Errors, energies_of_elements
from lamplighter.analysis.series import Estimate
from lamplighter.observables.model_errors import ErrorTable, ModelErrors, ModelResult
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, legend_above, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error

_MOST_PANELS = 4
_TABLE_HEADER = ("model", "part", "quantity", "unit", "n", "rmse", "rmse_error", "mae", "mae_error", "mean_error",
                 "mean_error_error", "relative_rmse", "reference_deviation")  # fmt: skip
MODEL_HEAD = ("model", "energy RMSE, meV/atom", "energy MAE", "force RMSE, eV/Å", "force MAE", "stress RMSE, meV/Å³",
              "stress MAE")  # fmt: skip
STRESS_COMPONENTS = "its 6 components α ≤ β, each counting once"
_NOTHING = 1e-6  # of the RMSE: forces that sum to zero have a mean error of rounding alone
QUANTITY_HEAD = ("quantity", "n", "RMSE", "MAE", "mean error", "relative RMSE")
_FRAMES_HEADER = ("frame", "time_ps", "model", "n_atoms", "energy_reference_eV", "energy_predicted_eV",
                  "energy_error_meV_per_atom", "force_rmse_eV_per_A", "largest_force_error_eV_per_A")  # fmt: skip


def format_errors(result: ModelErrors) -> str:
    """A table of RMSE and MAE for each model, forces by component and element, spread over seeds, parts."""
    lines = description_lines(result)
    first = result.results[0].table
    spread = f"reference: forces {first.forces.reference_deviation:.3g} eV/Å rms about their mean"
    if first.stress is not None:
        spread += f", stress {first.stress.reference_deviation:.3g} meV/Å³ ({STRESS_COMPONENTS})"
    lines += [spread, "", *_main(result), "", *_forces(result), "", *_energies(result), *_pressures(result)]
    for committee, values in result.seeds.items():
        n = next(iter(values.values())).n
        lines += ["", f"{committee}: spread of the RMSE over its {n} members (seeds)"]
        lines += [f"  {name.ljust(8)}{_value(each.spread)}" for name, each in values.items()]
    for each in result.results:
        if each.parts and (each.is_mean or len(result.results) == 1):
            lines += ["", *_parts(each, result.part_key)]
    return "\n".join([*lines, *(f"Note: {note}" for note in result.notes)])


def description_lines(result: ModelErrors) -> list[str]:
    """What the models are held against, and what the error bars are over."""
    stress = f", {result.keys.stress}" if result.keys.stress else ""
    return [
        f"{result.path.name}: {len(result.reference)} frames, {len(result.numbers)} atoms; labels "
        f"{result.keys.energy}, {result.keys.forces}{stress}",
        f"error bars: bootstrap over {result.n_groups} {result.grouping}",
    ]


def model_rows(result: ModelErrors) -> list[tuple[str, ...]]:
    """Each model with the RMSE and MAE of its energies, forces and stresses, as `MODEL_HEAD` names them."""
    rows = []
    for each in result.results:
        found = (each.table.energy, each.table.forces, each.table.stress)
        cells = [("-", "-") if one is None else (_bare(one.rmse), _bare(one.mae)) for one in found]
        rows.append((each.name, *(cell for pair in cells for cell in pair)))
    return rows


def quantity_rows(table: ErrorTable) -> list[tuple[str, ...]]:
    """Each quantity of one model with its errors, as `QUANTITY_HEAD` names them."""
    return [
        (
            f"{name}, {found.rmse.unit}",
            str(found.n),
            _bare(found.rmse),
            _bare(found.mae),
            "0" if abs(found.mean_error.value) < _NOTHING * found.rmse.value else _bare(found.mean_error),
            f"{100.0 * found.relative_rmse.value:.3g} %",
        )
        for name, found in _quantities(table)
    ]


def errors_as_json(result: ModelErrors) -> dict[str, Any]:
    """What `--json` prints: tables and, of each frame, its errors."""
    return {
        "frames_file": result.path,
        "n_frames": len(result.reference),
        "n_atoms": len(result.numbers),
        "labels": result.keys,
        "resampled": {"n": result.n_groups, "what": result.grouping},
        "models": [
            {
                "name": each.name,
                "committee": each.committee,
                "is_mean": each.is_mean,
                **_table_as_json(each.table),
                "parts": {name: _table_as_json(table) for name, table in each.parts.items()},
                "energy_error_of_frames_meV_per_atom": each.energy_of_frames,
                "force_rmse_of_frames_eV_per_A": each.force_rmse_of_frames,
            }
            for each in result.results
        ],
        "seed_sensitivity_of_rmse": {
            committee: {name: each.spread for name, each in values.items()}
            for committee, values in result.seeds.items()
        },
        "part_key": result.part_key or None,
        "times_ps": result.times if result.times_are_ps else None,
        "notes": result.notes,
    }


def errors_table(result: ModelErrors) -> Table:
    """The tables as CSV: one row for each model, part and quantity."""

    def rows() -> Iterator[list[object]]:
        for each in result.results:
            for part, table in (("all", each.table), *each.parts.items()):
                for quantity, found in _quantities(table):
                    bars = [
                        number
                        for made in (found.rmse, found.mae, found.mean_error)
                        for number in (made.value, made.standard_error)
                    ]
                    yield [each.name, part, quantity, found.rmse.unit, found.n, *bars, found.relative_rmse.value,
                           found.reference_deviation]  # fmt: skip

    return Table(_TABLE_HEADER, list(rows()))


def frames_table(result: ModelErrors) -> Table:
    """Errors of each frame as CSV."""
    reference = result.reference

    def rows() -> Iterator[list[object]]:
        for each in result.results:
            largest = np.zeros(len(reference))
            size = np.linalg.norm(each.predicted.forces - reference.forces, axis=1)
            np.maximum.at(largest, reference.frame, size)
            for k in range(len(reference)):
                yield [k, float(result.times[k]) if result.times_are_ps else None, each.name,
                       int(reference.n_atoms[k]), float(reference.energies[k]), float(each.predicted.energies[k]),
                       float(each.energy_of_frames[k]), float(each.force_rmse_of_frames[k]),
                       float(largest[k])]  # fmt: skip

    return Table(_FRAMES_HEADER, list(rows()))


def parity_figure(result: ModelErrors) -> Figure:
    """Predicted against reference energies, forces (by element) and stresses: a row for each mean, or each model.

    Energies are drawn without Σe, the energies of the elements by least squares over the reference."""
    shown = _shown(result)
    with_stress = any(each.table.stress is not None for each in shown)
    columns = 3 if with_stress else 2
    figure, axes = new_figure(len(shown), columns)
    for row, each in enumerate(shown):
        energy, force, *rest = axes[row * columns : (row + 1) * columns]
        draw_energies(energy, result, each)
        draw_forces(force, result, each)
        if rest:
            draw_stresses(rest[0], result, each)
    return figure


def along_figure(result: ModelErrors) -> Figure:
    """Errors of energy and forces of each frame, along the file or in time."""
    figure, (energy, force) = new_figure(2, 1)
    label = "t / ps" if result.times_are_ps else "frame"
    style = {"linewidth": 0.9} if result.times_are_ps else {"linestyle": "none", "marker": ".", "markersize": 4.0}
    for place, each in enumerate(result.results):
        colour = "black" if each.is_mean else PALETTE[place % (len(PALETTE) - 1)]
        energy.plot(result.times, each.energy_of_frames, color=colour, label=each.name, **style)
        force.plot(result.times, each.force_rmse_of_frames, color=colour, **style)
    energy.axhline(0.0, color="0.5", linewidth=0.8)
    energy.set(ylabel="energy error / (meV/atom)")
    force.set(xlabel=label, ylabel="force RMSE / (eV/Å)", ylim=(0.0, None))
    legend_above(figure, energy, *energy.get_legend_handles_labels())
    return figure


def _main(result: ModelErrors) -> list[str]:
    n_columns = 6 if any(each.table.stress is not None for each in result.results) else 4
    width = max(len("model"), *(len(each.name) for each in result.results))
    head = f"{'model'.ljust(width)}  {'energy, meV/atom'.ljust(34)}  {'forces, eV/Å'.ljust(34)}"
    lines = [head + ("  stress, meV/Å³ (6 components)" if n_columns == 6 else "")]
    lines.append(" " * width + "".join(f"  {'RMSE'.ljust(16)}  {'MAE'.ljust(16)}" for _ in range(n_columns // 2)))
    for name, *cells in model_rows(result):
        lines.append(name.ljust(width) + "".join(f"  {cell.ljust(16)}" for cell in cells[:n_columns]))
    return [line.rstrip() for line in lines]


def _forces(result: ModelErrors) -> list[str]:
    names = [*result.results[0].table.components, *result.results[0].table.elements]
    rows = []
    for each in result.results:
        found = {**each.table.components, **each.table.elements}
        relative = each.table.forces.relative_rmse.value
        rows.append((each.name, *(_bare(found[name].rmse) for name in names), f"{100.0 * relative:.3g} %"))
    return table_text.rows(("force RMSE, eV/Å", *names, "relative"), rows, narrowest=16)


def _energies(result: ModelErrors) -> list[str]:
    found = [(each.name, each.table.energy) for each in result.results]
    rows = [(name, _bare(one.mean_error), f"{one.deviation:.3g}") for name, one in found]
    head = ("energy, meV/atom", "mean error", "standard deviation about it")
    return table_text.rows(head, rows, narrowest=16)


def _pressures(result: ModelErrors) -> list[str]:
    found = [(each.name, each.table.pressure) for each in result.results]
    rows = [(name, _bare(one.rmse), _bare(one.mean_error)) for name, one in found if one is not None]
    return ["", *table_text.rows(("pressure −tr σ/3, bar", "RMSE", "mean error"), rows, narrowest=16)] if rows else []


def _parts(each: ModelResult, key: str) -> list[str]:
    width = max(len(key), *(len(name) for name in each.parts))
    lines = [f"{each.name} by {key}", f"  {'part'.ljust(width)}  frames  energy RMSE, meV/atom  force RMSE, eV/Å"]
    for name, table in each.parts.items():
        energy, force = _cell(table.energy.rmse, 21), _cell(table.forces.rmse)
        lines.append(f"  {name.ljust(width)}  {table.energy.n:6d}  {energy}  {force}".rstrip())
    return lines


def _quantities(table: ErrorTable) -> Iterator[tuple[str, Errors]]:
    yield "energy", table.energy
    yield "forces", table.forces
    yield from table.components.items()
    for element, found in table.elements.items():
        yield f"forces on {element}", found
    if table.stress is not None:
        yield "stress", table.stress
    if table.pressure is not None:
        yield "pressure", table.pressure


def _table_as_json(table: ErrorTable) -> dict[str, Any]:
    return {
        "energy": table.energy,
        "forces": table.forces,
        "force_components": table.components,
        "force_elements": table.elements,
        "stress": table.stress,
        "pressure": table.pressure,
        "stress_averaged_over": STRESS_COMPONENTS if table.stress is not None else None,
    }


def _shown(result: ModelErrors) -> list[ModelResult]:
    """Means where there are any, else models, and not too many."""
    means = [each for each in result.results if each.is_mean]
    alone = [each for each in result.results if each.committee not in result.seeds]
    return (means + alone)[:_MOST_PANELS]


def draw_energies(axis: Axes, result: ModelErrors, each: ModelResult) -> None:
    """Predicted against reference energies of frames, without Σe."""
    # a line through all compositions would hide the errors: each frame against the mean of its elements' energies
    reference, predicted = result.reference.energies_per_atom, each.predicted.energies_per_atom
    base = energies_of_elements(result.reference, result.numbers)
    axis.plot(reference - base, predicted - base, ".", color=PALETTE[0], markersize=4.0, alpha=0.7)
    _diagonal(axis)
    axis.set(xlabel="E − Σe, reference / (eV/atom)", ylabel="E − Σe, predicted / (eV/atom)")
    axis.set_title(f"{each.name}: {_short(each.table.energy.rmse)}", fontsize="small", loc="left")


def draw_forces(axis: Axes, result: ModelErrors, each: ModelResult) -> None:
    """Predicted against reference force components, a colour for each element."""
    for place, number in enumerate(np.unique(result.numbers)):
        atoms = result.numbers == number
        axis.plot(
            result.reference.forces[atoms].ravel(),
            each.predicted.forces[atoms].ravel(),
            ".",
            color=PALETTE[place % len(PALETTE)],
            markersize=2.0,
            alpha=0.5,
            label=chemical_symbols[number],
            rasterized=True,
        )
    _diagonal(axis)
    axis.legend(fontsize="small", frameon=False, markerscale=4.0)
    axis.set(xlabel="F reference / (eV/Å)", ylabel="F predicted / (eV/Å)")
    axis.set_title(_short(each.table.forces.rmse), fontsize="small", loc="left")


def draw_stresses(axis: Axes, result: ModelErrors, each: ModelResult) -> None:
    """Predicted against reference stresses; nothing where no frame has one."""
    if each.table.stress is None:
        axis.set_axis_off()
        return
    frames = result.reference.with_stress
    diagonal = STRESS_ROWS == STRESS_COLUMNS
    for name, colour, which in (("diagonal", PALETTE[0], diagonal), ("shear", PALETTE[1], ~diagonal)):
        rows, columns = STRESS_ROWS[which], STRESS_COLUMNS[which]
        given, right = (1e3 * x.stresses[frames][:, rows, columns].ravel() for x in (each.predicted, result.reference))
        axis.plot(right, given, ".", color=colour, markersize=4.0, alpha=0.7, label=name)
    _diagonal(axis)
    axis.legend(fontsize="small", frameon=False)
    axis.set(xlabel="σ reference / (meV/Å³)", ylabel="σ predicted / (meV/Å³)")
    axis.set_title(_short(each.table.stress.rmse), fontsize="small", loc="left")


def _diagonal(axis: Axes) -> None:
    low = min(axis.get_xlim()[0], axis.get_ylim()[0])
    high = max(axis.get_xlim()[1], axis.get_ylim()[1])
    axis.plot([low, high], [low, high], color="0.5", linewidth=0.8, zorder=0)
    axis.set(xlim=(low, high), ylim=(low, high))


def _short(estimate: Estimate) -> str:
    return f"RMSE {format_with_error(estimate.value, estimate.standard_error, estimate.unit)}"


def _value(estimate: Estimate) -> str:
    return format_with_error(estimate.value, estimate.standard_error, estimate.unit)


def _cell(estimate: Estimate, width: int = 16) -> str:
    return _bare(estimate).ljust(width)


def _bare(estimate: Estimate) -> str:
    """Without its unit."""
    if not math.isfinite(estimate.standard_error):
        return f"{estimate.value:.4g}"
    return format_with_error(estimate.value, estimate.standard_error, "").strip()


SHOWN = Shown(
    format_errors,
    errors_as_json,
    figures={"parity": parity_figure, "along": along_figure},
    tables={"errors": errors_table},
)

FRAMES = Shown(format_errors, errors_as_json, tables={"frames": frames_table})
"""The same answer, frame by frame: a table that is asked for by itself, as it is long."""
