"""The figure of a comparison: time per atom and step against size, and how much longer ASE takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from results import Measured, Spread, same_cores_in_ase
from side_process import ASE, LAMPLIGHTER

_COLOURS = ("C0", "C2", "C1", "C3", "C4", "C5")


def draw(all_measured: Sequence[Measured], title: str, path: Path) -> None:
    """Write the figure. Points are medians, bars span the repeats."""
    sizes = sorted({measured.atoms for measured in all_measured})
    sides = list(dict.fromkeys(measured.side for measured in all_measured))
    layouts = list(dict.fromkeys((side.ranks, side.threads) for side in sides if side.program == LAMPLIGHTER))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")

    for side in sides:
        its = sorted((m for m in all_measured if m.side == side), key=lambda m: m.atoms)
        spreads = [Spread.of([1e6 * s / m.atoms for s in m.seconds_per_step]) for m in its]
        below = [spread.median - spread.low for spread in spreads]
        above = [spread.high - spread.median for spread in spreads]
        of_layout = _COLOURS[layouts.index((side.ranks, side.threads)) % len(_COLOURS)] if side.program != ASE else ""
        style = {LAMPLIGHTER: "o-", ASE: "s--" if side.threads == 1 else "s:"}.get(side.program, "^-.")
        left.errorbar(
            [m.atoms for m in its],
            [spread.median for spread in spreads],
            yerr=[below, above],
            fmt=style,
            color=of_layout or "0.5",
            capsize=3,
            label=str(side),
        )
    left.set_xscale("log")
    left.set_xticks(sizes, [str(size) for size in sizes])
    left.minorticks_off()
    left.set_xlabel("atoms")
    left.set_ylabel("µs / atom / step")
    left.set_ylim(bottom=0)
    left.legend(fontsize="small")

    width = 0.8 / max(1, len(layouts))
    for number, (ranks, threads) in enumerate(layouts):
        for measured in all_measured:
            side = measured.side
            ase = same_cores_in_ase(measured, all_measured)
            if side.program != LAMPLIGHTER or (side.ranks, side.threads) != (ranks, threads) or ase is None:
                continue
            ratio = measured.times_faster_than(ase)
            place = sizes.index(measured.atoms) + (number - (len(layouts) - 1) / 2) * width
            right.bar(
                place,
                ratio.median,
                0.9 * width,
                yerr=[[ratio.median - ratio.low], [ratio.high - ratio.median]],
                capsize=3,
                color=_COLOURS[number % len(_COLOURS)],
                label=f"{ranks} × {threads}" if measured.atoms == sizes[0] else None,
            )
    right.axhline(1.0, color="0.3", linewidth=0.8)
    right.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    right.set_xlabel("atoms")
    right.set_ylabel("step of ASE / step of Lamplighter, same cores")
    right.legend(title="ranks × threads", fontsize="small")

    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, dpi=150)
    plt.close(figure)
