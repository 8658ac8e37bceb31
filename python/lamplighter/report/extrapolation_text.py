"""Extrapolation as text, JSON, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from lamplighter.errors import LamplighterError
from lamplighter.observables.extrapolation import CheckedTrajectory, Extrapolation, ReadoutParameters
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.structures.frame import Frame

_WORST = 5
# transparent where little is, so that it can be seen on any background
_GREYS = LinearSegmentedColormap.from_list("greys", [(0.5, 0.5, 0.5, 0.15), (0.5, 0.5, 0.5, 1.0)])


def format_fit(fitted: Extrapolation) -> str:
    """The training set, and for each element its PCA and threshold."""
    source = fitted.source
    lines = [
        f"{source['file']}: {source['frames']} frames, {source['atoms']} atoms, sha256 {source['sha256'][:12]}…",
        str(fitted.parameters),
    ]
    if isinstance(fitted.parameters, ReadoutParameters):
        lines += ["threshold: mean + 2 standard deviations of U", "", *_of_readouts(fitted)]
        return "\n".join([*lines, *(f"Note: {note}" for note in fitted.notes)])
    lines += [
        f"PCA of {source['components']} components for each element; threshold: mean + 2 standard deviations of Q",
        "",
        "element    atoms  in the PCA  variance explained  mean of Q   threshold   99 % below  flagged",
    ]
    for symbol, limit in fitted.thresholds.items():
        pca = fitted.elements[symbol]
        lines.append(
            f"{symbol.ljust(7)}  {limit.n:7d}  {pca.n_fitted:10d}  {100.0 * pca.explained.sum():16.2f} %  "
            f"{limit.mean:<10.4g}  {limit.value:<10.4g}  {limit.quantile:<10.4g}  {100.0 * limit.flagged:.2f} %"
        )
    return "\n".join([*lines, *(f"Note: {note}" for note in fitted.notes)])


def _of_readouts(fitted: Extrapolation) -> Iterator[str]:
    """A line for each element, with its worst atom."""
    yield "element    atoms  mean of U   threshold   99 % below  largest     flagged"
    for symbol, limit in fitted.thresholds.items():
        yield (
            f"{symbol.ljust(7)}  {limit.n:7d}  {limit.mean:<10.4g}  {limit.value:<10.4g}  {limit.quantile:<10.4g}  "
            f"{fitted.largest[symbol]:<10.4g}  {100.0 * limit.flagged:.2f} %"
        )


def format_check(result: CheckedTrajectory) -> str:
    """How much is flagged, by element and in the worst frames, against the training set itself."""
    n_atoms = sum(map(len, result.q))
    share = result.share_flagged
    flagged = sum(int(each.sum()) for each in result.flagged)
    source, letter = result.training.source, result.training.parameters.measure
    lines = [
        f"{result.path}: {len(result.frames)} frames, {n_atoms} environments, against {source['file']} "
        f"({source['frames']} frames)",
        f"flagged: {100.0 * flagged / n_atoms:.3g} % of the environments; of the training set's own, with these "
        f"elements, {100.0 * result.share_expected:.3g} %",
        "",
        f"element  environments  flagged  training  mean of {letter}   threshold   largest {letter} / threshold",
    ]
    for symbol, limit in result.training.thresholds.items():
        here = [symbols == symbol for symbols in result.symbols]
        q = np.concatenate([values[which] for values, which in zip(result.q, here, strict=True)])
        if not len(q):
            continue
        lines.append(
            f"{symbol.ljust(7)}  {len(q):12d}  {100.0 * float(np.mean(q > limit.value)):5.2f} %  "
            f"{100.0 * limit.flagged:6.2f} %  {q.mean():<10.4g}  {limit.value:<10.4g}  {q.max() / limit.value:.3g}"
        )
    lines += ["", "frames with the largest share of flagged atoms"]
    for place in np.argsort(-share, kind="stable")[:_WORST]:
        relative = relative_q(result, place)
        worst = int(np.argmax(relative))
        time = "" if np.isnan(result.times[place]) else f" ({result.times[place]:.6g} ps)"
        lines.append(
            f"  frame {result.frames[place]}{time}: {100.0 * share[place]:.3g} % flagged, largest {letter} / threshold "
            f"{relative[worst]:.3g} at atom {result.ids[place][worst]} ({result.symbols[place][worst]})"
        )
    lines += [*_beyond_all(result), "", f"{result.atoms_per_second:.4g} atoms/s, descriptors included"]
    return "\n".join([*lines, *(f"Note: {note}" for note in result.notes)])


def _beyond_all(result: CheckedTrajectory) -> list[str]:
    """How many environments are beyond every one of their element in the training set, where that is known."""
    largest = result.training.largest
    if not largest:
        return []
    beyond = [q > [largest[s] for s in symbols.tolist()] for q, symbols in zip(result.q, result.symbols, strict=True)]
    frames = int(sum(each.any() for each in beyond))
    return [
        "",
        f"beyond the largest of their element in the training set: {int(sum(each.sum() for each in beyond))} "
        f"environments, in {frames} of {len(beyond)} frames",
    ]


def fit_as_json(fitted: Extrapolation) -> dict[str, Any]:
    """What `fit --json` prints."""
    return {
        "measure": fitted.parameters.measure,
        "parameters": fitted.parameters,
        "n_features": fitted.parameters.n_features,
        "source": fitted.source,
        "elements": {
            symbol: {
                "n_fitted": pca.n_fitted,
                "variance_explained": pca.explained,
                "q_mean": fitted.thresholds[symbol].mean,
                "q_deviation": fitted.thresholds[symbol].deviation,
                "q_threshold": fitted.thresholds[symbol].value,
                "q_99_percent": fitted.thresholds[symbol].quantile,
                "flagged": fitted.thresholds[symbol].flagged,
                "n_atoms": fitted.thresholds[symbol].n,
                **({"q_largest": fitted.largest[symbol]} if fitted.largest else {}),
            }
            for symbol, pca in fitted.elements.items()
        },
        "notes": fitted.notes,
    }


def check_as_json(result: CheckedTrajectory) -> dict[str, Any]:
    """What `check --json` prints: frame by frame, by element."""
    return {
        "path": result.path,
        "measure": result.training.parameters.measure,
        "training": result.training.source,
        "n_frames": len(result.frames),
        "n_environments": sum(map(len, result.q)),
        "flagged": float(np.concatenate(result.flagged).mean()),
        "flagged_expected": result.share_expected,
        "atoms_per_second": result.atoms_per_second,
        "frames": result.frames,
        "times_ps": result.times,
        "flagged_of_frames": result.share_flagged,
        "largest_relative_q_of_frames": [relative_q(result, k).max() for k in range(len(result.q))],
        "elements": {
            symbol: {**result.of_element(symbol), "threshold": limit.value}
            for symbol, limit in result.training.thresholds.items()
        },
        "notes": result.notes,
    }


def check_table(result: CheckedTrajectory) -> Table:
    """Each frame and element as CSV."""

    def rows() -> Iterator[list[object]]:
        for symbol, limit in result.training.thresholds.items():
            found = result.of_element(symbol)
            for place, frame in enumerate(result.frames):
                n = int((result.symbols[place] == symbol).sum())
                values = [float(found[name][place]) for name in ("mean", "largest", "flagged")]
                yield [int(frame), float(result.times[place]), symbol, n, *values, limit.value]

    header = ("frame", "time_ps", "element", "n_atoms", "q_mean", "q_largest", "share_flagged", "q_threshold")
    return Table(header, list(rows()))


def write_atoms(result: CheckedTrajectory, frames: Iterator[Frame], path: Path) -> None:
    """The frames as extended XYZ with Q, Q over its threshold, and whether it is flagged, of each atom.

    Raises:
        LamplighterError: the file cannot be written.
    """
    place = 0
    try:
        with path.open("w", encoding="utf-8", errors="replace") as file:
            for frame in frames:
                if place == len(result.frames) or frame.index != result.frames[place]:
                    continue
                atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.periodic)
                atoms.new_array("id", frame.ids)
                atoms.new_array("q", result.q[place])
                atoms.new_array("q_relative", relative_q(result, place))
                atoms.new_array("flagged", result.flagged[place].astype(int))
                atoms.info |= {"frame": frame.index, "share_flagged": float(result.share_flagged[place])}
                if frame.time_ps is not None:
                    atoms.info["time_ps"] = frame.time_ps
                ase.io.write(file, atoms, format="extxyz")
                place += 1
    except OSError as problem:
        raise LamplighterError(f"--atoms {path} cannot be written: {problem.strerror or problem}") from problem


def map_figure(fitted: Extrapolation, result: CheckedTrajectory | None) -> Figure:
    """For each element the first two components: density of the training set, and points of a trajectory."""
    figure, axes = new_figure(1, len(fitted.elements))
    for axis, symbol in zip(axes, fitted.elements, strict=True):
        draw_map_of_element(axis, symbol, fitted, result)
        axis.set_title(f"{symbol}", fontsize="medium", loc="left")
    return figure


def draw_map_of_element(axis: Axes, symbol: str, fitted: Extrapolation, result: CheckedTrajectory | None) -> None:
    """One element's first two components: density of the training set, and points of a trajectory."""
    axis.hexbin(
        *_two(fitted.points[symbol]).T, gridsize=40, bins="log", mincnt=1, cmap=_GREYS, linewidths=0.1, rasterized=True
    )
    if result is not None and symbol in result.points:
        found, name = _two(result.points[symbol]), result.path.name.replace("$", r"\$")
        axis.plot(*found.T, ".", color=PALETTE[1], markersize=2.5, alpha=0.5, label=name, rasterized=True)
        axis.legend(fontsize="small", frameon=False, markerscale=3.0)
    shares = [100.0 * each for each in _padded(fitted.elements[symbol].explained)]
    axis.set(xlabel=f"component 1 ({shares[0]:.0f} %)", ylabel=f"component 2 ({shares[1]:.0f} %)")


def along_figure(result: CheckedTrajectory) -> Figure:
    """For each element, Q over its threshold along the trajectory: mean and largest; and the share that is flagged."""
    figure, (upper, lower) = new_figure(2, 1)
    draw_relative(upper, result)
    upper.set_xlabel("")
    draw_flagged(lower, result)
    return figure


def draw_relative(axis: Axes, result: CheckedTrajectory) -> None:
    """For each element, mean and largest Q over its threshold along the trajectory."""
    label, x, style = _course(result)
    for place, (symbol, limit) in enumerate(result.training.thresholds.items()):
        found, colour = result.of_element(symbol), PALETTE[place % len(PALETTE)]
        if not np.isfinite(found["mean"]).any():
            continue
        axis.plot(x, found["mean"] / limit.value, color=colour, linewidth=1.0, label=f"{symbol} mean", **style)
        axis.plot(
            x,
            found["largest"] / limit.value,
            color=colour,
            linewidth=0.8,
            linestyle=(0, (3, 2)),
            label=f"{symbol} largest",
        )
    axis.axhline(1.0, color="0.4", linewidth=0.8)
    axis.set(xlabel=label, ylabel=f"{result.training.parameters.measure} / threshold", yscale="log")
    axis.legend(fontsize="small", frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def draw_flagged(axis: Axes, result: CheckedTrajectory) -> None:
    """For each element the flagged share along the trajectory; dotted: of the training set."""
    label, x, style = _course(result)
    for place, (symbol, limit) in enumerate(result.training.thresholds.items()):
        found, colour = result.of_element(symbol), PALETTE[place % len(PALETTE)]
        if not np.isfinite(found["flagged"]).any():
            continue
        axis.plot(x, 100.0 * found["flagged"], color=colour, linewidth=1.0, label=symbol, **style)
        axis.axhline(100.0 * limit.flagged, color=colour, linewidth=0.8, linestyle=(0, (1, 2)))
    axis.plot([], [], color="0.4", linewidth=0.8, linestyle=(0, (1, 2)), label="training set")
    axis.set(xlabel=label, ylabel="flagged / %", ylim=(0.0, None))
    axis.legend(fontsize="small", frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _course(result: CheckedTrajectory) -> tuple[str, np.ndarray, dict[str, Any]]:
    """Label and places along the trajectory, and how points are drawn."""
    timed = bool(np.isfinite(result.times).all())
    x = result.times if timed else result.frames
    return "t / ps" if timed else "frame", x, {"marker": "."} if len(x) < 100 else {}


def relative_q(result: CheckedTrajectory, place: int) -> np.ndarray:
    """Q over its threshold of each atom of a frame."""
    limits = [result.training.thresholds[symbol].value for symbol in result.symbols[place].tolist()]
    return result.q[place] / np.array(limits)


def _two(points: np.ndarray) -> np.ndarray:
    """The first two coordinates; the second is 0 where there is one component only."""
    return points[:, :2] if points.shape[1] > 1 else np.column_stack([points[:, 0], np.zeros(len(points))])


def _padded(explained: np.ndarray) -> np.ndarray:
    return np.concatenate([explained, [0.0]])[:2]


def fit_table(fitted: Extrapolation) -> Table:
    """A row each element."""
    header = ("element", "n_atoms", "n_fitted", "variance_explained", "q_mean", "q_threshold", "q_99_percent",
              "share_flagged")  # fmt: skip
    rows = []
    for symbol, limit in fitted.thresholds.items():
        pca = fitted.elements[symbol]
        rows.append([symbol, limit.n, pca.n_fitted, float(pca.explained.sum()), limit.mean, limit.value,
                     limit.quantile, limit.flagged])  # fmt: skip
    return Table(header, rows)


def training_map_figure(fitted: Extrapolation) -> Figure:
    """For each element the first two components: density of the training set."""
    return map_figure(fitted, None)


def checked_map_figure(result: CheckedTrajectory) -> Figure:
    """For each element the first two components: density of the training set, and points of the trajectory."""
    return map_figure(result.training, result)


SHOWN_FIT = Shown(format_fit, fit_as_json, figures={"map": training_map_figure}, tables={"elements": fit_table})

SHOWN = Shown(
    format_check,
    check_as_json,
    figures={"along": along_figure, "map": checked_map_figure},
    tables={"frames": check_table},
)
