"""Whether the trajectory goes where the training set has been."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lamplighter.analysis.series import mean_with_error
from lamplighter.observables.extrapolation import CheckedTrajectory, check_frames, evenly_spaced
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.extrapolation_text import (
    check_as_json,
    draw_flagged,
    draw_map_of_element,
    draw_relative,
    relative_q,
)
from lamplighter.report.page.content import Block, Content, Notes, Number, Picture, Table, Text, number
from lamplighter.report.page.section import Definition, Made, ReportedRun, Section, Wishes
from lamplighter.report.text import format_with_error

MOST_ENVIRONMENTS = 50_000
"""That are described: about a minute of one core."""

_WITHOUT = "no training set was given (--extrapolation FILE.npz of `lamplighter extrapolation fit`)"
_HEAD = ("element", "environments", "flagged, %", "of the training set, %", "mean of Q", "threshold",
         "largest Q / threshold")  # fmt: skip


def make(run: ReportedRun) -> Content:
    """Without a training set, that is what is said. Raises LamplighterError: as `Run.trajectory` and `check_frames`."""
    run.require_dynamics()
    training = run.wishes.training
    if training is None:
        return Content([Number("flagged environments", None, math.nan, "", "q_residual", note=_WITHOUT)])
    trajectory = run.trajectory
    frames, every = evenly_spaced(trajectory, MOST_ENVIRONMENTS)
    found = check_frames(run.folder.resolve(), frames, training)
    if trajectory.dropped:
        found.notes.append(f"{trajectory.path.name}: {trajectory.dropped}")
    source = training.source
    which = "all there are" if every == 1 else f"one in {every} (`lamplighter extrapolation check` takes all)"
    blocks: list[Block] = [
        Text(
            f"{len(found.frames)} frames, {which}, {sum(map(len, found.q))} environments, against {source['file']}"
            f" ({source['frames']} frames). An outlier measure, not a proof of unphysical behaviour or large errors."
        ),
        Table("extrapolation", "Q-residuals by element.", _HEAD, _rows(found)),
        *_pictures(found),
    ]
    if found.notes:
        blocks.append(Notes(found.notes))
    return Content(_numbers(found), blocks, data=check_as_json(found), kept=found)


def _numbers(found: CheckedTrajectory) -> list[Number]:
    flagged = mean_with_error(100.0 * found.share_flagged, "%")
    detail = f"of the training set's own, with these elements: {100.0 * found.share_expected:.3g} %"
    relative = [relative_q(found, k) for k in range(len(found.q))]
    frame = int(np.argmax([each.max() for each in relative]))
    atom = int(np.argmax(relative[frame]))
    time = found.times[frame]
    when = f"frame {found.frames[frame]}" if math.isnan(time) else f"{time:.6g} ps"
    largest = Number(
        "largest Q / threshold", float(relative[frame][atom]), math.nan, "", "q_residual",
        "largest of all environments", f"{found.symbols[frame][atom]} {found.ids[frame][atom]} at {when}", exact=True,
    )  # fmt: skip
    return [number("flagged environments", flagged, "q_residual", detail=detail), largest]


def _rows(found: CheckedTrajectory) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for symbol, limit in found.training.thresholds.items():
        n = sum(int((symbols == symbol).sum()) for symbols in found.symbols)
        if not n:
            continue
        made = found.of_element(symbol)
        shares = (_mean(100.0 * made["flagged"]), f"{100.0 * limit.flagged:.3g}")
        q = (_mean(made["mean"]), f"{limit.value:.4g}", f"{np.nanmax(made['largest']) / limit.value:.3g}")
        rows.append((symbol, str(n), *shares, *q))
    return rows


def _mean(values: np.ndarray) -> str:
    made = mean_with_error(values)
    return format_with_error(made.value, made.standard_error, "").removesuffix("(no error bar)").strip()


def _pictures(found: CheckedTrajectory) -> list[Block]:
    blocks: list[Block] = []
    for name, draw, caption in (
        ("q_residuals", draw_relative, "Q over its threshold: mean and largest of each element."),
        ("q_flagged", draw_flagged, "Share of flagged atoms; dotted: of the training set itself."),
    ):
        figure, (axis,) = new_figure()
        draw(axis, found)
        blocks.append(Picture(name, caption, figure, "q_residual"))
    for symbol in found.points:
        figure, (axis,) = new_figure()
        draw_map_of_element(axis, symbol, found.training, found)
        caption = f"{symbol}: first two components of the descriptors, the training set in grey, with its variance."
        blocks.append(Picture(f"soap_map_{symbol}", caption, figure, "soap_map"))
    return blocks


def together(made: Sequence[Made], wishes: Wishes) -> Content:
    """The flagged share of each run."""
    if len(made) < 2:
        return Content()
    figure, (axis,) = new_figure()
    timed = all(np.isfinite(each.content.kept.times).all() for each in made)
    for place, each in enumerate(made):
        found: CheckedTrajectory = each.content.kept
        label, colour = each.run.label.replace("$", r"\$"), PALETTE[place % len(PALETTE)]
        x = found.times if timed else found.frames
        axis.plot(x, 100.0 * found.share_flagged, color=colour, linewidth=1.0, label=label)
    expected = 100.0 * made[0].content.kept.share_expected
    axis.axhline(expected, color="0.4", linewidth=0.8, linestyle=(0, (1, 2)))
    axis.set(xlabel="t / ps" if timed else "frame", ylabel="flagged / %", ylim=(0.0, None))
    axis.legend(fontsize="small", frameon=False)
    caption = "Share of flagged atoms of each run; dotted: of the training set itself."
    return Content(blocks=[Picture("all_flagged", caption, figure, "q_residual")])


SECTION = Section(
    "extrapolation",
    "Extrapolation",
    "results",
    make,
    together,
    promises=[("flagged environments", "q_residual")],
    definitions=[
        Definition(
            "q_residual",
            "Q-residual",
            "Q = ‖x − x̂‖², flagged where Q &gt; ⟨Q⟩ + 2 std(Q) of the training set",
            "How far the SOAP descriptor x of an atom lies from the plane of five principal components in which the"
            " training set varies, x̂ its reconstruction; one PCA for each element. That flags a few percent of the"
            " training set itself: what counts is the share beside that one. The error accounts for autocorrelation.",
            "Wong, Yang, arXiv:2603.10159, section 0.8",
            "docs/how_to/extrapolation.md",
        ),
        Definition(
            "soap_map",
            "SOAP-PCA map",
            "t<sub>j</sub> = (x − x̄) · u<sub>j</sub>",
            "Coordinates of an atom's SOAP descriptor along the components u<sub>j</sub> of its element, x̄ the training"
            " set's mean. SOAP: r<sub>cut</sub> 5 Å, n<sub>max</sub> 8, l<sub>max</sub> 6, σ 0.375 Å.",
            "A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B 87, 184115 (2013); Wong, Yang, arXiv:2603.10159",
            "docs/how_to/extrapolation.md",
        ),
    ],
)
