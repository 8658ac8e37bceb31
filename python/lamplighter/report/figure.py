"""The figure of a run: temperature, pressure, density and energy against time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lamplighter.report.drawing import any_text, new_figure
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.stages import time_in_stage_ps

# Okabe & Ito's palette, told apart by colour-blind readers: https://jfly.uni-koeln.de/color/
_BLUE, _VERMILION, _GREEN, _PURPLE, _ORANGE, _BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000"
_RUNNING_MEAN_FRACTION = 0.05
_MOST_NAMED_EVENTS = 6


@dataclass(frozen=True)
class _Course:
    """Rows of all stages of dynamics on one time axis that starts at 0."""

    time_ps: NDArray[np.float64]
    stage: NDArray[np.int64]
    rows: dict[str, NDArray[np.float64]]
    boundaries_ps: list[float]
    names: list[str]
    first_steps: list[float]
    timesteps_fs: list[float | None]

    def time_of_step(self, step: int) -> float | None:
        """Where a step lies on the time axis; None before the first stage, or where its timestep is not known."""
        place = int(np.searchsorted(self.first_steps, step, side="right")) - 1
        timestep = self.timesteps_fs[place] if place >= 0 else None
        if timestep is None:
            return None
        return self.boundaries_ps[place] + (step - self.first_steps[place]) * timestep * 1e-3


def draw_thermo(run: Run, path: Path) -> bool:
    """Draw T, p, ρ and potential energy per atom against time into a PNG file; needs no display.

    With a committee, the largest force variance, too.

    Minimisations take no time and are left out. Values that are not finite leave gaps. What the guard found is marked
    by vertical lines, with the criterion.

    Returns:
        Whether there was anything to draw.

    Raises:
        OSError: the file cannot be written.
    """
    course = _course(run)
    if len(course.time_ps) == 0:
        return False
    committee = _committee_course(run, course)
    n_panels = 4 + bool(len(committee))
    figure = Figure(figsize=(7.0, 1.9 * n_panels), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Sequence[Axes] = figure.subplots(n_panels, 1, sharex=True)
    for axis, (column, label, colour) in zip(axes, _panels(run), strict=False):
        _draw_panel(axis, course, column, colour)
        axis.set_ylabel(label)
    if len(committee):
        _draw_committee(axes[-1], course, committee)
    axes[1].legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0, fontsize="small", frameon=False, ncols=2
    )
    axes[-1].set_xlabel("time / ps")
    last_ps = float(course.time_ps[-1])
    events_ps = _mark_events(axes, run, course)
    if events_ps:
        last_ps = max(last_ps, 1.015 * max(events_ps))  # the line of the last one stays clear of the frame
    axes[0].set_xlim(course.time_ps[0], max(last_ps, course.time_ps[0] + 1e-6))
    _name_stages(axes[0], course)
    figure.align_ylabels(list(axes))
    figure.suptitle(_title(run), fontsize="medium")
    new = path.with_name(path.name + ".new")
    with any_text(figure):
        figure.savefig(new, dpi=150, format="png")
    new.replace(path)
    return True


def thermo_panels(run: Run) -> list[tuple[str, Figure]]:
    """The same panels, each in a figure of its own, with the names of their quantities; none without dynamics."""
    course = _course(run)
    if len(course.time_ps) == 0:
        return []
    made = []
    for column, label, colour in _panels(run):
        figure, (axis,) = new_figure()
        _draw_panel(axis, course, column, colour)
        axis.set(xlabel="t / ps", ylabel=label)
        if column == "pressure_bar":
            axis.legend(loc="best", fontsize="small", frameon=False)
        events = _mark_events([axis], run, course)
        axis.set_xlim(0.0, max(float(course.time_ps[-1]), 1e-6, *(1.015 * time for time in events)))
        _name_stages(axis, course)
        made.append((column, figure))
    return made


def _panels(run: Run) -> list[tuple[str, str, str]]:
    """Column of `_Course.rows`, label and colour."""
    return [
        ("temperature_K", "T / K", _VERMILION),
        ("pressure_bar", "p / bar", _BLUE),
        ("density_g_cm3", "ρ / (g/cm³)", _GREEN),
        ("energy", "E$_\\mathrm{pot}$ / (eV/atom)" if run.natoms else "E$_\\mathrm{pot}$ / eV", _PURPLE),
    ]


def running_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Centred mean over `width` rows (fewer at the ends), shape (n,); values that are not finite do not count."""
    finite = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(finite)])
    place = np.arange(len(values))
    low, high = np.maximum(place - width // 2, 0), np.minimum(place + (width + 1) // 2, len(values))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total[high] - total[low]) / (count[high] - count[low])


def _course(run: Run) -> _Course:
    columns = ("temperature_K", "pressure_bar", "density_g_cm3", "potential_energy_eV")
    times, stages, names, boundaries = [np.empty(0)], [np.empty(0, dtype=np.int64)], [], []
    first_steps, timesteps = [], []
    rows: dict[str, list[NDArray[np.float64]]] = {name: [np.empty(0)] for name in columns}
    start = 0.0
    for stage in run.stages:
        table = run.thermo.stage(stage.index)
        if stage.is_minimisation or table.n_rows == 0:
            continue
        time = time_in_stage_ps(table, stage)
        if not np.isfinite(time).all():
            continue
        boundaries.append(start)
        names.append(stage.name)
        first_steps.append(float(table["step"][0]))
        timesteps.append(stage.timestep_fs)
        times.append(start + time)
        stages.append(np.full(len(time), stage.index))
        for name in columns:
            rows[name].append(table[name])
        start += float(time[-1])
    joined = {name: np.concatenate(parts) for name, parts in rows.items()}
    joined["energy"] = joined["potential_energy_eV"] / (run.natoms or 1)
    return _Course(np.concatenate(times), np.concatenate(stages), joined, boundaries, names, first_steps, timesteps)


def _draw_panel(axis: Axes, course: _Course, column: str, colour: str) -> None:
    values = np.where(np.isfinite(course.rows[column]), course.rows[column], np.nan)
    is_pressure = column == "pressure_bar"
    width = max(3, round(_RUNNING_MEAN_FRACTION * len(values)))
    row_ps = float(np.median(np.diff(course.time_ps))) if len(values) > 1 else 0.0
    mean_label: str | None = f"mean over {width * row_ps:.2g} ps"
    for index in np.unique(course.stage):
        here = course.stage == index
        time, part = course.time_ps[here], values[here]
        axis.plot(
            time,
            part,
            color=colour,
            linewidth=0.7 if is_pressure else 1.1,
            alpha=0.4 if is_pressure else 1.0,
            marker="." if len(part) < 3 else None,
            label="instantaneous" if index == course.stage[0] else None,
        )
        if is_pressure and len(part) > width:
            axis.plot(time, running_mean(part, width), color=_BLACK, linewidth=1.3, label=mean_label)
            mean_label = None
    _limit_to_bulk(axis, values)
    axis.ticklabel_format(axis="y", useOffset=False)
    _finish_panel(axis, course)


def _committee_course(run: Run, course: _Course) -> NDArray[np.float64]:
    """Time (ps) and largest force variance (eV²/Å²) of each evaluation of the committee, shape (n, 2)."""
    table = run.committee
    rows = []
    if table is not None:
        for step, variance in zip(table["step"], table["variance_max_eV2_A2"], strict=True):
            time = course.time_of_step(int(step))
            if time is not None and np.isfinite(variance) and variance > 0.0:
                rows.append((time, variance))
    return np.asarray(rows, dtype=np.float64).reshape(-1, 2)


def _draw_committee(axis: Axes, course: _Course, committee: NDArray[np.float64]) -> None:
    axis.semilogy(*committee.T, color=_ORANGE, linewidth=1.1, marker="." if len(committee) < 3 else None)
    axis.set_ylabel("max σ$_F^2$ / (eV²/Å²)")
    _finish_panel(axis, course)


def _finish_panel(axis: Axes, course: _Course) -> None:
    for boundary in course.boundaries_ps[1:]:
        axis.axvline(boundary, color="0.55", linewidth=0.8, linestyle=(0, (4, 3)))
    axis.grid(color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(x=0)


def _mark_events(axes: Sequence[Axes], run: Run, course: _Course) -> list[float]:
    """A line through all panels at each event, named where there are few; the times, ps."""
    times: list[float] = []
    named: list[str] = []
    for event in run.events:
        time = course.time_of_step(event.step)
        if time is None:
            continue
        times.append(time)
        for axis in axes:
            axis.axvline(time, color=_BLACK, linewidth=1.0, linestyle=(0, (1, 1.5)))
        if len(run.events) > _MOST_NAMED_EVENTS and event.criterion in named:
            continue
        named.append(event.criterion)
        axes[0].annotate(
            event.criterion,
            (time, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(-3.0, 0.0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            fontsize="small",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        )
    return times


def _limit_to_bulk(axis: Axes, values: NDArray[np.float64]) -> None:
    """Keep a few exploded rows from flattening the rest of the panel."""
    finite = values[np.isfinite(values)]
    if len(finite) < 4:
        return
    low, high = np.percentile(finite, [2.0, 98.0])
    room = 3.0 * max(high - low, 1e-9 * max(abs(high), 1.0))
    if finite.min() < low - room or finite.max() > high + room:
        axis.set_ylim(max(finite.min(), low - room), min(finite.max(), high + room))


def _name_stages(axis: Axes, course: _Course) -> None:
    ends = [*course.boundaries_ps[1:], float(course.time_ps[-1])]
    whole = max(float(course.time_ps[-1]), 1e-12)
    for name, start, end in zip(course.names, course.boundaries_ps, ends, strict=True):
        room = int((end - start) / whole * 80)
        name = name.replace("$", r"\$")
        shown = name if len(name) <= room else name[: room - 1] + "…" if room >= 4 else ""
        axis.annotate(
            shown,
            ((start + end) / 2, 1.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize="small",
            color="0.35",
        )


def _title(run: Run) -> str:
    atoms = f", {run.natoms} atoms" if run.natoms else ""
    state = "" if run.status == "completed" else f" ({run.status})"
    name = run.folder.resolve().name.replace("$", r"\$")  # not the start of a formula
    return f"{name}{atoms}{state}"
