"""How dynamics scale on a machine, as text, JSON, CSV and figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from lamplighter.analysis import step_cost
from lamplighter.observables.scaling import OUTPUT_EVERY, PARTS, Measurement, Scaling, Timed, VariantScaling, digits
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

Rows = tuple[list[str], list[list[str]]]


def format_scaling(scaling: Scaling) -> str:
    """Machine, times, parts, terms, what limits, what to choose, and what is said on paper."""
    lines = [f"{scaling.source} on {machine_in_words(scaling)}", "", "What to choose", *advice_lines(scaling), ""]
    lines += ["What limits", *(f"  {line}" for line in limits(scaling))]
    titled = [
        ("Time of a step", times(scaling)),
        ("The same number of atoms on each rank", weak(scaling)),
        ("Parts of a step, ms (LAMMPS' timers)", parts(scaling)),
        ("What is added to a step, ms", added(scaling)),
        ("Fitted: a step takes a·(atoms/rank) + b·ghosts + c·messages + d", terms(scaling)),
        (f"On paper ({network_in_words(scaling)})", on_paper(scaling)),
    ]
    for title, (head, body) in titled:
        if body:
            lines += ["", title, *table_text.rows(head, body, right=True)]
    if scaling.left_out:
        lines += ["", "Left out", *(f"  {name}: {why}" for name, why in scaling.left_out)]
    return "\n".join([*lines, *([""] if scaling.notes else []), *(f"Note: {note}" for note in scaling.notes)])


def machine_in_words(scaling: Scaling) -> str:
    """Processor, cores, and how many of them could be used."""
    machine = scaling.machine
    return f"{machine['cpu']}, {machine['cores_used']} of {machine['logical_cores']} cores, {machine['system']}"


def network_in_words(scaling: Scaling) -> str:
    """The figures that are taken on paper."""
    net = scaling.network
    travels = {
        each.variant: f"{each.network.ghost_bytes:.0f} bytes a ghost in {each.network.exchanges} exchanges a step"
        for each in scaling.variants
    }
    alike = len(set(travels.values())) == 1
    sent = next(iter(travels.values())) if alike else "; ".join(f"{name}: {what}" for name, what in travels.items())
    return (
        f"cubic domains; network: {1e6 * net.latency_s:g} µs, {net.bandwidth / 1e9:g} GB/s a node of "
        f"{net.ranks_per_node} ranks; {sent}"
    )


def advice_lines(scaling: Scaling) -> list[str]:
    """A line each thing to choose."""
    return [f"  {each.what}: {each.choice} ({each.why})" for each in scaling.advice]


def limits(scaling: Scaling) -> list[str]:
    """What takes a step besides the atoms' own work, as it was measured, fitted, and on paper."""
    said = []
    for each in scaling.variants:
        at = each.reference
        where = f"{each.variant}: {at.atoms} atoms on {at.ranks} rank{'s' if at.ranks > 1 else ''}"
        whole = sum(at.parts.values()) or 1.0
        measured = ", ".join(
            f"{name} {100 * seconds / whole:.0f} %"
            for name, seconds in sorted(at.parts.items(), key=lambda part: -part[1])
            if seconds >= 0.005 * whole
        )
        name, share = each.limits
        fitted = f"fitted, {name} take {100 * share:.0f} %".replace("constant take", "constant costs take")
        if not share > 0.0:
            fitted = "the fit tells no term besides the atoms' own work"
        said.append(f"{where}: measured, {measured}; {fitted}")
        stops = ", ".join(
            f"{atoms:,} atoms: {'not even on the fewest' if ranks is None else f'up to {ranks} ranks'}".replace(
                ",", " "
            )
            for atoms, ranks in each.stops.items()
        )
        paper = f"on paper the efficiency is at least ½ for {stops}"
        if not stops:
            paper = "the times are too few, or too noisy, for anything on paper"
        said.append(f"{each.variant}: {paper}")
    return said


def times(scaling: Scaling) -> Rows:
    """Of each measurement the step, and what ranks gain over the fewest at the same size."""
    head = ["", "atoms", "ranks", "ms/step", "±", "µs/atom", "speedup", "efficiency", "ns/day", "MB/rank"]
    body = []
    for each in scaling.measurements:
        speedup = _first(scaling, each).step.seconds / each.step.seconds
        gain = each.ranks / _first(scaling, each).ranks
        body.append([
            each.variant, str(each.atoms), str(each.ranks), digits(1e3 * each.step.seconds, 4),
            _error(each.step), digits(1e6 * each.step.seconds / each.atoms, 3), f"{speedup:.2f}",
            f"{100 * speedup / gain:.0f} %", digits(scaling.ns_per_day(each.step.seconds), 3), f"{each.memory_MB:.0f}",
        ])  # fmt: skip
    return head, body


def weak(scaling: Scaling) -> Rows:
    """Of each number of atoms a rank that was measured on several numbers of ranks: the efficiency."""
    head = ["", "atoms/rank", "ranks", "ms/step", "efficiency"]
    body = []
    for series in _weak_series(scaling):
        for each in series:
            efficiency = series[0].step.seconds / each.step.seconds
            body.append([
                each.variant, f"{each.atoms / each.ranks:g}", str(each.ranks), digits(1e3 * each.step.seconds, 4),
                f"{100 * efficiency:.0f} %",
            ])  # fmt: skip
    return head, body


def parts(scaling: Scaling) -> Rows:
    """LAMMPS' account of each plain step."""
    names = list(PARTS.values())
    head = ["", "atoms", "ranks", *names, "of it waiting", "exchange alone", "ghosts", "list built every"]
    body = []
    for each in scaling.measurements:
        alone = None if each.exchanged is None else each.exchanged.seconds
        apart = ["–" if one is None else digits(1e3 * one, 3) for one in (each.waiting, alone)]
        every = f"{each.rebuilt_every:.0f} steps" if math.isfinite(each.rebuilt_every) else "never"
        values = [digits(1e3 * each.parts.get(name, 0.0), 3) for name in names]
        body.append([each.variant, str(each.atoms), str(each.ranks), *values, *apart, f"{each.ghosts:.0f}", every])
    return head, body


def added(scaling: Scaling) -> Rows:
    """Guard, committee, skins as they are; outputs as often as the run file writes them."""
    head = ["", "atoms", "ranks", "what", "ms/step", "±", "of a step", "of it exchange"]
    body = []
    for each in scaling.measurements:
        for name, time in each.added.items():
            shown, what = _scaled(scaling, name, time)
            if shown is None:
                continue
            share = f"{100 * shown.seconds / each.step.seconds:+.1f} %"
            exchange = digits(1e3 * each.added_exchange[name], 3) if name in each.added_exchange else "–"
            body.append([each.variant, str(each.atoms), str(each.ranks), what, digits(1e3 * shown.seconds, 3),
                         _error(shown), share, exchange])  # fmt: skip
    return head, body


def _scaled(scaling: Scaling, name: str, time: Timed) -> tuple[Timed | None, str]:
    if name not in ("thermo", "trajectory", "restart"):
        return time, name
    every = scaling.intervals.get(name)
    if every is None:
        return None, name
    one = OUTPUT_EVERY / every
    kind = {"thermo": "thermo line", "trajectory": "frame", "restart": "restart file"}[name]
    return Timed(time.seconds * one, time.error * one), f"{kind} every {every}"


def terms(scaling: Scaling) -> Rows:
    """The four terms with their errors, and the largest residual."""
    head = ["", *(f"{name} / {_unit(unit)}" for name, unit in zip(step_cost.TERMS, step_cost.UNITS, strict=True)),
            "largest residual"]  # fmt: skip
    body = []
    for each in scaling.variants:
        cost = each.cost
        cells = [
            f"{digits(1e6 * cost.values[k], 3)} ± {digits(1e6 * cost.errors[k], 1)}" if cost.known[k] else "not known"
            for k in range(4)
        ]
        body.append([each.variant, *cells, f"{100 * np.abs(cost.residuals).max():.1f} %"])
    return head, body


def _unit(unit: str) -> str:
    return unit.replace("s", "µs", 1)


def on_paper(scaling: Scaling) -> Rows:
    """Steps of 10⁵ and 10⁶ atoms."""
    head = ["", "atoms", "ranks", "ms/step", "± (fit)", "efficiency", "ns/day", "limit", "its share"]
    body = [
        [
            each.variant, str(one.atoms), str(one.ranks), digits(1e3 * one.seconds, 3), digits(1e3 * one.error, 1),
            f"{100 * one.efficiency:.0f} %", digits(scaling.ns_per_day(one.seconds), 3), one.limit,
            f"{100 * one.limit_share:.0f} %",
        ]
        for each in scaling.variants
        for one in each.on_paper
    ]  # fmt: skip
    return head, body


def scaling_table(scaling: Scaling) -> Table:
    """A row each measurement, seconds a step."""
    sides = sorted({name for each in scaling.measurements for name in each.added})
    header = ["model", "dtype", "engine", "atoms", "ranks", "threads", "steps", "blocks", "step_s", "step_error_s",
              *(f"{name.replace(' ', '_')}_s" for name in PARTS.values()), "waiting_s", "exchange_alone_s", "exchanges",
              "ghost_bytes", "ghosts", "messages",
              "memory_MB", *(f"added_{name.replace(' ', '_')}_s" for name in sides)]  # fmt: skip
    body: list[list[object]] = [
        [
            each.model, each.dtype, each.engine, each.atoms, each.ranks, each.threads, each.steps, each.rounds,
            each.step.seconds, each.step.error, *(each.parts.get(name) for name in PARTS.values()), each.waiting,
            each.exchanged.seconds if each.exchanged else None, each.exchanges, each.row_bytes, each.ghosts,
            each.messages, each.memory_MB,
            *(each.added[name].seconds if name in each.added else None for name in sides),
        ]
        for each in scaling.measurements
    ]  # fmt: skip
    return Table(header, body)


def on_paper_table(scaling: Scaling) -> Table:
    """A row each number of atoms and ranks on paper."""
    header = ["variant", "atoms", "ranks", "step_s", "step_error_s", "efficiency", "limit", "limit_share"]
    return Table(header, [
        [each.variant, one.atoms, one.ranks, one.seconds, one.error, one.efficiency, one.limit, one.limit_share]
        for each in scaling.variants
        for one in each.on_paper
    ])  # fmt: skip


def strong_figure(scaling: Scaling) -> Figure:
    """Time of a step against ranks, a line each size and potential; dashed: what perfect scaling would be."""
    figure, axes = new_figure()
    for place, series in enumerate(_strong_series(scaling)):
        ranks = np.array([each.ranks for each in series])
        seconds = np.array([each.step.seconds for each in series])
        errors = np.nan_to_num([each.step.error for each in series])
        colour = PALETTE[place % len(PALETTE)]
        axes[0].errorbar(ranks, 1e3 * seconds, 1e3 * errors, color=colour, marker="o", markersize=3, linewidth=1.1,
                         label=f"{series[0].variant}, {series[0].atoms} atoms")  # fmt: skip
        axes[0].plot(ranks, 1e3 * seconds[0] * ranks[0] / ranks, color=colour, linewidth=0.8, linestyle="--")
    _of_ranks(axes[0], scaling)
    axes[0].set_yscale("log")
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes[0].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    _legend_above(axes[0])
    axes[0].set(xlabel="ranks", ylabel="ms / step")
    return figure


def weak_figure(scaling: Scaling) -> Figure:
    """Efficiency against ranks where each rank has as many atoms."""
    figure, axes = new_figure()
    for place, series in enumerate(_weak_series(scaling)):
        axes[0].plot(
            [each.ranks for each in series], [series[0].step.seconds / each.step.seconds for each in series],
            color=PALETTE[place % len(PALETTE)], marker="o", markersize=3, linewidth=1.1,
            label=f"{series[0].variant}, {series[0].atoms / series[0].ranks:g} atoms a rank",
        )  # fmt: skip
    axes[0].axhline(1.0, color="0.5", linewidth=0.8)
    _of_ranks(axes[0], scaling)
    axes[0].set(xlabel="ranks", ylabel="efficiency", ylim=(0.0, None))
    if axes[0].get_legend_handles_labels()[0]:
        _legend_above(axes[0])
    return figure


def breakdown_figure(scaling: Scaling) -> Figure:
    """Parts of the plain step, a bar each measurement."""
    figure, axes = new_figure()
    shown = scaling.measurements
    left = np.zeros(len(shown))
    for place, name in enumerate(PARTS.values()):
        total = [sum(each.parts.values()) or 1.0 for each in shown]
        share = np.array([each.parts.get(name, 0.0) / whole for each, whole in zip(shown, total, strict=True)])
        axes[0].barh(range(len(shown)), 100 * share, left=left, color=PALETTE[place % len(PALETTE)], label=name)
        left += 100 * share
    axes[0].set_yticks(range(len(shown)), _of_several(scaling), fontsize="small")
    axes[0].set(xlabel="% of a step", ylabel="atoms on ranks")
    axes[0].invert_yaxis()
    _legend_above(axes[0])
    return figure


def on_paper_figure(scaling: Scaling) -> Figure:
    """Efficiency on paper."""
    figure, axes = new_figure()
    lines = [(each.variant, atoms, [one for one in each.on_paper if one.atoms == atoms])
             for each in scaling.variants for atoms in each.stops]  # fmt: skip
    for place, (name, atoms, made) in enumerate(lines):
        axes[0].plot([one.ranks for one in made], [one.efficiency for one in made], marker="o", markersize=3,
                     linewidth=1.1, color=PALETTE[place % len(PALETTE)], label=f"{name}, {atoms} atoms")  # fmt: skip
    axes[0].axhline(0.5, color="0.5", linewidth=0.8)
    axes[0].set(xlabel="ranks", ylabel="efficiency on paper", ylim=(0.0, 1.1))
    if lines:
        axes[0].set_xscale("log")
        axes[0].legend(fontsize="x-small", frameon=False)
    return figure


def residual_figure(scaling: Scaling) -> Figure:
    """What the four terms leave of each time."""
    figure, axes = new_figure()
    for place, each in enumerate(scaling.variants):
        made = [one for one in scaling.measurements if one.variant == each.variant]
        axes[0].plot([one.atoms / one.ranks for one in made], 100 * each.cost.residuals, linestyle="none", marker="o",
                     markersize=4, color=PALETTE[place % len(PALETTE)], label=each.variant)  # fmt: skip
    axes[0].axhline(0.0, color="0.5", linewidth=0.8)
    axes[0].set_xscale("log")
    axes[0].set(xlabel="atoms / rank", ylabel="(measured − fitted) / %")
    axes[0].legend(fontsize="small", frameon=False)
    return figure


def _of_several(scaling: Scaling) -> list[str]:
    several = len(scaling.variants) > 1
    return [
        f"{each.variant}: {each.atoms} on {each.ranks}" if several else f"{each.atoms} on {each.ranks}"
        for each in scaling.measurements
    ]


def _of_ranks(axis: Any, scaling: Scaling) -> None:
    ranks = sorted({each.ranks for each in scaling.measurements})
    axis.set_xscale("log", base=2)
    axis.set_xticks(ranks, [str(each) for each in ranks])
    axis.xaxis.set_minor_locator(NullLocator())


def _legend_above(axis: Any) -> None:
    """Where it hides nothing."""
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize="x-small", frameon=False)


def _strong_series(scaling: Scaling) -> list[list[Measurement]]:
    keys = dict.fromkeys((each.variant, each.atoms) for each in scaling.measurements)
    return [[one for one in scaling.measurements if (one.variant, one.atoms) == key] for key in keys]


def _weak_series(scaling: Scaling) -> list[list[Measurement]]:
    """Series of several ranks alone, by ranks."""
    keys = dict.fromkeys((each.variant, each.atoms / each.ranks) for each in scaling.measurements)
    series = [[one for one in scaling.measurements if (one.variant, one.atoms / one.ranks) == key] for key in keys]
    return [sorted(each, key=lambda one: one.ranks) for each in series if len(each) > 1]


def _first(scaling: Scaling, measurement: Measurement) -> Measurement:
    same = [one for one in scaling.measurements
            if (one.variant, one.atoms) == (measurement.variant, measurement.atoms)]  # fmt: skip
    return min(same, key=lambda one: one.ranks)


def _error(time: Timed) -> str:
    return digits(1e3 * time.error, 1)


def _as_json(scaling: Scaling) -> dict[str, Any]:
    def fit(each: VariantScaling) -> dict[str, Any]:
        cost = each.cost
        return {
            "variant": each.variant,
            "terms": {
                name: {"value": cost.values[k] if cost.known[k] else None, "error": cost.errors[k], "unit": unit}
                for k, (name, unit) in enumerate(zip(step_cost.TERMS, step_cost.UNITS, strict=True))
            },
            "residuals": cost.residuals,
            "network": each.network,
            "limit": {"what": each.limits[0], "share": each.limits[1]},
            "on_paper": each.on_paper,
            "stops_at_ranks": each.stops,
        }

    return {
        "source": scaling.source, "machine": scaling.machine, "timestep_ps": scaling.timestep_ps,
        "measurements": scaling.measurements, "fits": [fit(each) for each in scaling.variants],
        "atoms": scaling.atoms, "advice": scaling.advice, "network": scaling.network,
        "left_out": scaling.left_out, "notes": scaling.notes,
    }  # fmt: skip


SHOWN = Shown(
    format_scaling,
    _as_json,
    figures={
        "strong": strong_figure,
        "weak": weak_figure,
        "breakdown": breakdown_figure,
        "residuals": residual_figure,
        "on_paper": on_paper_figure,
    },
    tables={"measurements": scaling_table, "on_paper": on_paper_table},
)
