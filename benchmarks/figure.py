"""The figure of a comparison: time per atom and step of each backend, and how much longer ASE takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from results import Measured, Spread, same_cores_in_ase
from side_process import ASE, LAMPLIGHTER, Side

_COLOURS = ("C0", "C2", "C1", "C3", "C4", "C5")


def draw(measurements: Mapping[str, Sequence[Measured]], title: str, path: Path) -> None:
    """Write the figure from what was measured of each backend. Points are medians, bars span the repeats."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    sizes = sorted({measured.atoms for every in measurements.values() for measured in every})
    for colour, (name, every) in zip(_COLOURS, measurements.items(), strict=False):
        for program, style in ((LAMPLIGHTER, "o-"), (ASE, "s--")):
            its = sorted((m for m in every if m.side == Side(program, 1, 1)), key=lambda m: m.atoms)
            spreads = [Spread.of([1e6 * s / m.atoms for s in m.seconds_per_step]) for m in its]
            left.errorbar(
                [m.atoms for m in its],
                [spread.median for spread in spreads],
                yerr=_lengths(spreads),
                fmt=style,
                color=colour,
                capsize=3,
                label=name if program == LAMPLIGHTER else f"{name}, ASE",
            )
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_xticks(sizes, [str(size) for size in sizes])
    left.minorticks_off()
    left.set_xlabel("atoms")
    left.set_ylabel("µs / atom / step, one core")
    left.legend(fontsize="small")

    layouts = sorted({(m.side.ranks, m.side.threads) for e in measurements.values() for m in e if _is_ours(m)})
    groups = [(name, size) for name, every in measurements.items() for size in sorted({m.atoms for m in every})]
    width = 0.8 / max(1, len(layouts))
    for number, layout in enumerate(layouts):
        places, ratios = [], []
        for place, (name, size) in enumerate(groups):
            for measured in measurements[name]:
                ase = same_cores_in_ase(measured, measurements[name])
                if not _is_ours(measured) or measured.atoms != size or ase is None:
                    continue
                if (measured.side.ranks, measured.side.threads) == layout:
                    places.append(place + (number - (len(layouts) - 1) / 2) * width)
                    ratios.append(measured.times_faster_than(ase))
        right.bar(
            places,
            [ratio.median for ratio in ratios],
            0.9 * width,
            yerr=_lengths(ratios),
            capsize=3,
            color=_COLOURS[number % len(_COLOURS)],
            label=f"{layout[0]} × {layout[1]}",
        )
    right.axhline(1.0, color="0.3", linewidth=0.8)
    right.set_yscale("log")
    right.set_xticks(range(len(groups)), [f"{name}\n{size}" for name, size in groups], fontsize="small")
    right.set_ylabel("step of ASE / step of Lamplighter, same cores")
    right.legend(title="ranks × threads", fontsize="small")

    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _is_ours(measured: Measured) -> bool:
    return measured.side.program == LAMPLIGHTER


def _lengths(spreads: Sequence[Spread]) -> list[list[float]]:
    """Of error bars, below and above the medians."""
    return [[each.median - each.low for each in spreads], [each.high - each.median for each in spreads]]
