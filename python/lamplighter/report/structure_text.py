"""The structure of trajectories as text, tables and a figure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lamplighter.analysis.bond_statistics import BondClass, BondDifference
from lamplighter.analysis.integrity import Census, Integrity
from lamplighter.analysis.radial_distribution import PairDistribution
from lamplighter.analysis.series import CONSTANT, Estimate
from lamplighter.observables.structure import StructureOfTrajectories, TrajectoryStructure
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error

WORDS = {"all": "all pairs", "inter": "between molecules", "intra": "within molecules"}

SHELL_HEAD = ("pair", "first peak / Å", "g", "first minimum / Å", "coordination number")
BOND_HEAD = ("bonds", "number", "mean / Å", "standard deviation / Å")

_MOST_CHANGES = 5


def format_structure(result: StructureOfTrajectories, kind: str, pairs: Sequence[str] | None) -> str:
    """Each trajectory, then how its bonds differ from those of the reference.

    Args:
        result: What was found.
        kind: Which pairs, of `radial_distribution.KINDS`.
        pairs: Such as "C–O"; None: all.
    """
    lines: list[str] = []
    for place, one in enumerate(result.trajectories):
        lines += [*_trajectory(one, kind, pairs), ""]
        if result.reference is not None:
            lines += [*_differences(one, result.reference, result.differences[place]), ""]
    if result.reference is not None:
        lines += ["reference " + line if not n else line
                  for n, line in enumerate(_trajectory(result.reference, kind, pairs))]  # fmt: skip
    return "\n".join(lines).rstrip()


def structure_as_json(result: StructureOfTrajectories, pairs: Sequence[str] | None) -> dict[str, Any]:
    """What `--json` prints."""

    def trajectory(one: TrajectoryStructure) -> dict[str, Any]:
        return {
            "path": one.path,
            "n_frames": one.n_frames,
            "discarded": one.discarded,
            "begin_ps": one.begin_ps,
            "end_ps": one.end_ps,
            "temperature_K": one.temperature,
            "molecules": dict(zip(one.molecules.names, one.molecules.counts(), strict=True)),
            "distributions": [
                {
                    "pair": pair_name(each),
                    "kind": each.kind,
                    "n_atoms": each.n_atoms,
                    "r_A": each.centres,
                    "g": each.g,
                    "g_error": each.g_error,
                    "edge_A": each.edges[1:],
                    "coordination": each.coordination,
                    "coordination_error": each.coordination_error,
                    "shell": each.shell,
                }
                for made in one.distributions.values()
                for each in chosen(made, pairs)
            ],
            "bond_classes": one.bond_classes,
            "bond_elements": one.bond_elements,
            "integrity": {
                "n_frames": one.integrity.n_frames,
                "n_changed_frames": one.integrity.n_changed_frames,
                "first_change": one.integrity.first_change,
                "censuses": one.integrity.censuses,
            },
            "notes": one.notes,
        }

    return {
        "trajectories": [trajectory(each) for each in result.trajectories],
        "reference": None if result.reference is None else trajectory(result.reference),
        "differences": result.differences,
    }


def distributions_table(result: StructureOfTrajectories) -> Table:
    """g(r) and n(r) of each trajectory, kind and pair."""
    header = ("path", "pair", "kind", "r_A", "g", "g_error", "edge_A", "coordination", "coordination_error")

    def rows() -> Iterator[Sequence[object]]:
        for one in _everything(result):
            for made in one.distributions.values():
                for each in made:
                    columns = (each.centres, each.g, each.g_error, each.edges[1:], each.coordination,
                               each.coordination_error)  # fmt: skip
                    for row in zip(*columns, strict=True):
                        yield one.path, pair_name(each), each.kind, *row

    return Table(header, list(rows()))


def bonds_table(result: StructureOfTrajectories) -> Table:
    """Mean and standard deviation of each class of bonds."""
    header = ("path", "class", "bonds", "mean_A", "mean_error_A", "standard_deviation_A", "standard_deviation_error_A")
    rows = [
        (one.path, each.name, each.n_bonds, each.mean.value, each.mean.standard_error, each.standard_deviation.value,
         each.standard_deviation.standard_error)
        for one in _everything(result)
        for each in (*one.bond_classes, *one.bond_elements)
    ]  # fmt: skip
    return Table(header, rows)


def bond_lengths_table(result: StructureOfTrajectories) -> Table:
    """The distribution of lengths of each class of bonds, where it is not zero."""
    header = ("path", "class", "r_A", "density_per_A", "density_error_per_A")

    def rows() -> Iterator[Sequence[object]]:
        for one in _everything(result):
            for each in (*one.bond_classes, *one.bond_elements):
                centres = 0.5 * (each.edges[1:] + each.edges[:-1])
                for row in zip(centres, each.density, each.density_error, strict=True):
                    if row[1]:
                        yield one.path, each.name, *row

    return Table(header, list(rows()))


def molecules_table(result: StructureOfTrajectories) -> Table:
    """How many molecules of each formula there are in each frame at which that changes."""
    everything = _everything(result)
    species = list(dict.fromkeys(name for one in everything for name in one.integrity.species))
    rows = [
        (one.path, each.frame, each.time_ps, each.bonds_lost, each.bonds_new,
         *(each.counts.get(name, 0) for name in species))
        for one in everything
        for each in one.integrity.censuses
    ]  # fmt: skip
    return Table(("path", "frame", "time_ps", "bonds_lost", "bonds_new", *species), rows)


def _everything(result: StructureOfTrajectories) -> list[TrajectoryStructure]:
    return [*result.trajectories, *([result.reference] if result.reference else [])]


def structure_figure(result: StructureOfTrajectories, kind: str, pairs: Sequence[str] | None) -> Figure:
    """g(r), n(r), distributions of bond lengths, and molecules against time; the reference dashed."""
    figure, axes = new_figure(2, 2)
    drawn = [(one, "-") for one in result.trajectories]
    if result.reference is not None:
        drawn.append((result.reference, "--"))
    for place, (one, style) in enumerate(drawn):
        made = chosen(one.distributions[kind], pairs)
        draw_distributions(axes[0], axes[1], made, style=style, labelled=place == 0)
        draw_bond_lengths(axes[2], one.bond_elements, style=style, labelled=place == 0)
        draw_census(axes[3], one.integrity, style=style, labelled=place == 0)
    axes[0].set_title(WORDS[kind])
    axes[1].set_title("coordination number")
    return figure


def pair_name(each: PairDistribution) -> str:
    """Such as "C–O"."""
    return "–".join(each.pair)


def chosen(made: Sequence[PairDistribution], pairs: Sequence[str] | None) -> list[PairDistribution]:
    """Those of the named pairs, in whichever order their elements are named; None: all."""
    if pairs is None:
        return list(made)
    wanted = {frozenset(pair.replace("–", "-").split("-")) for pair in pairs}
    return [each for each in made if frozenset(each.pair) in wanted]


def _trajectory(one: TrajectoryStructure, kind: str, pairs: Sequence[str] | None) -> list[str]:
    when = "" if one.begin_ps is None else f", {one.begin_ps:.6g} to {one.end_ps:.6g} ps"
    heat = "" if one.temperature is None else f", {one.temperature:.4g} K"
    left_out = f" ({one.discarded})" if one.discarded else ""
    lines = [f"{one.path.name or one.path}: {one.n_frames} frames{when}{heat}{left_out}"]
    made = chosen(one.distributions[kind], pairs)
    if made:
        lines += ["", *_indented([(WORDS[kind], *SHELL_HEAD[1:]), *shell_rows(made)])]
    if one.bond_classes:
        lines += ["", *_indented([BOND_HEAD, *bond_rows(one)])]
    return [*lines, "", *integrity_lines(one.integrity), *(f"  Note: {note}" for note in one.notes)]


def shell_rows(made: Sequence[PairDistribution]) -> list[tuple[str, ...]]:
    """The first shell of each pair, as `SHELL_HEAD` names them."""
    return [_shell(each) for each in made]


def bond_rows(one: TrajectoryStructure) -> list[tuple[str, ...]]:
    """Each class of bonds, then each pair of elements, as `BOND_HEAD` names them."""
    return [
        (each.name, str(each.n_bonds), _value(each.mean), _value(each.standard_deviation))
        for each in (*one.bond_classes, *one.bond_elements)
    ]


def _shell(each: PairDistribution) -> tuple[str, ...]:
    name = pair_name(each)
    if each.shell is None:
        return name, "–", "–", "–", "no peak"
    shell = each.shell
    place = int(np.argmin(np.abs(each.centres - shell.peak)))
    height = _plain(shell.height, float(each.g_error[place]))
    if math.isnan(shell.minimum):
        return name, f"{shell.peak:.3f}", height, "–", "no second peak"
    number = _plain(shell.coordination, shell.standard_error)
    if each.pair[0] != each.pair[1]:
        number += f"  ({each.pair[0]} around {each.pair[1]}: {shell.coordination * each.reverse:.3g})"
    return name, f"{shell.peak:.3f}", height, f"{shell.minimum:.3f}", number


def integrity_lines(integrity: Integrity) -> list[str]:
    """Which molecules there are, and what becomes of them."""
    molecules = ", ".join(f"{count} {name}" for name, count in integrity.censuses[0].counts.items())
    lines = [f"  molecules: {molecules} in the first frame"]
    change = integrity.first_change
    if change is None:
        worst = max(each.bonds_lost + each.bonds_new for each in integrity.censuses)
        bonds = "" if worst == 0 else f" (up to {worst} bonds lost or new at a time)"
        return [*lines, f"    the same in all {integrity.n_frames} frames{bonds}"]
    lines.append(f"    first change at {_when(change)}: {_away(integrity, change)}")
    share = f"{integrity.n_changed_frames} of {integrity.n_frames} frames"
    lines.append(
        f"    other molecules than at first in {share}; at the end: {_away(integrity, integrity.censuses[-1])}"
    )
    others = [each for each in integrity.censuses if each.frame > change.frame][:_MOST_CHANGES]
    lines += [f"    then at {_when(each)}: {_away(integrity, each)}" for each in others]
    return lines


def _when(census: Census) -> str:
    return f"frame {census.frame}" + ("" if census.time_ps is None else f" ({census.time_ps:.6g} ps)")


def _away(integrity: Integrity, census: Census) -> str:
    found = integrity.gained_and_lost(census)
    words = [f"{name} {'+' if number > 0 else '−'}{abs(number)}" for name, number in found.items()]
    return ", ".join(words) or "as at first"


def _differences(one: TrajectoryStructure, reference: TrajectoryStructure, made: Sequence[BondDifference]) -> list[str]:
    rows: list[tuple[str, ...]] = [("  bonds", "longer by / Å", "σ / σ_ref", "k / k_ref")]
    for each in made:
        rows.append(
            (
                f"  {each.name}",
                _plain(each.shift, each.shift_error),
                _plain(each.width_ratio, each.width_ratio_error),
                _plain(each.stiffness_ratio, each.stiffness_ratio_error),
            )
        )
    lines = [f"  against {reference.path.name or reference.path}", *_aligned(rows)]
    if not (one.temperature and reference.temperature):
        lines.append("  Note: temperatures are not known: k / k_ref takes them to be the same")
    return lines


def draw_distributions(
    left: Axes, right: Axes, made: Sequence[PairDistribution], *, style: str = "-", labelled: bool = True
) -> None:
    """g(r) on the left, n(r) on the right; a colour for each pair."""
    for number, each in enumerate(made):
        colour = PALETTE[number % len(PALETTE)]
        left.plot(each.centres, each.g, style, color=colour, label=pair_name(each) if labelled else None, lw=1.2)
        band = np.nan_to_num(each.g_error)
        left.fill_between(each.centres, each.g - band, each.g + band, color=colour, alpha=0.25, lw=0)
        right.plot(each.edges[1:], each.coordination, style, color=colour, lw=1.2)
    if made and labelled:
        inside = max(float(each.g[each.centres > 1.8].max(initial=1.0)) for each in made)
        left.set_ylim(0.0, 1.15 * inside)  # bonds within molecules are far higher
        left.axhline(1.0, color="0.7", lw=0.8)
        left.legend(fontsize="small", frameon=False, loc="best")
    left.set(xlabel="r / Å", ylabel="g(r)")
    right.set(xlabel="r / Å", ylabel="n(r)")


def draw_bond_lengths(axis: Axes, made: Sequence[BondClass], *, style: str = "-", labelled: bool = True) -> None:
    """Probability densities of bond lengths; a colour for each class."""
    for number, each in enumerate(made):
        shown = np.flatnonzero(each.density > 0.0)
        if len(shown):
            some = slice(max(0, shown[0] - 1), shown[-1] + 2)
            centres = 0.5 * (each.edges[1:] + each.edges[:-1])
            label = each.name if labelled else None
            axis.plot(
                centres[some], each.density[some], style, color=PALETTE[number % len(PALETTE)], label=label, lw=1.2
            )
    if made and labelled:
        axis.legend(fontsize="small", frameon=False, loc="upper right")
    axis.set(xlabel="bond length / Å", ylabel="density / Å⁻¹")


def draw_census(axis: Axes, integrity: Integrity, *, style: str = "-", labelled: bool = True) -> None:
    """How many molecules of each formula there are, against time."""
    timed = integrity.last_ps is not None and all(each.time_ps is not None for each in integrity.censuses)
    places = [float(each.time_ps or 0.0) if timed else float(each.frame) for each in integrity.censuses]
    end = float(integrity.last_ps or 0.0) if timed else float(integrity.last_frame)
    for number, name in enumerate(integrity.species):
        counts = [each.counts.get(name, 0) for each in integrity.censuses]
        axis.step([*places, end], [*counts, counts[-1]], style, where="post",
                  color=PALETTE[number % len(PALETTE)], label=name if labelled else None)  # fmt: skip
    if labelled:
        axis.legend(fontsize="small", frameon=False, loc="lower left")
    axis.set(xlabel="t / ps" if timed else "frame", ylabel="molecules")
    axis.set_ylim(bottom=0)


def _value(estimate: Estimate) -> str:
    if estimate.note == CONSTANT:
        return f"{estimate.value:.5g} (constant)"
    return _plain(estimate.value, estimate.standard_error)


def _plain(value: float, error: float) -> str:
    return format_with_error(value, error, "").replace("  (", " (").rstrip()


def _indented(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"  {line}" for line in _aligned(rows)]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return table_text.rows(rows[0], rows[1:])


def shown(kind: str = "inter", pairs: Sequence[str] | None = None) -> Shown[StructureOfTrajectories]:
    """How structures are shown.

    Args:
        kind: Which pairs, of `radial_distribution.KINDS`, in text and figure; JSON and tables hold all.
        pairs: Such as "C–O"; None: all.
    """
    return Shown(
        lambda result: format_structure(result, kind, pairs),
        lambda result: structure_as_json(result, pairs),
        figures={"structure": lambda result: structure_figure(result, kind, pairs)},
        tables={
            "rdf": distributions_table,
            "bonds": bonds_table,
            "bond_lengths": bond_lengths_table,
            "molecules": molecules_table,
        },
    )


SHOWN = shown()
