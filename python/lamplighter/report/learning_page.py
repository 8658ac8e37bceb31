"""Active learning as a page in the look of the report: how it stands, and what each generation met."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.survival import kaplan_meier
from lamplighter.errors import LamplighterError
from lamplighter.observables.diffusivity import TO_1E6_CM2_S
from lamplighter.report import learning_text
from lamplighter.report.drawing import PALETTE, new_figure, own_settings
from lamplighter.report.page.content import Block, Content, Facts, Missing, Notes, Picture, Table, View
from lamplighter.report.page.html import page_of_cards
from lamplighter.report.page.structure_view import ShownFrame, structure_view
from lamplighter.structures.frame import Frame
from lamplighter.structures.frame_of_atoms import frame_of_atoms
from lamplighter.structures.labelled_frames import read_frames

if TYPE_CHECKING:
    from lamplighter.learning.learning import GenerationQuality, GenerationResult, Learning

MOST_VIEWS = 4
"""Selected frames of a generation that are shown: each is as large as a figure."""

_MEASURES = {"variance": "largest σ² / eV²/Å²", "extrapolation": "largest γ", "": "uncertainty"}


def learning_page(result: Learning) -> str:
    """The page as HTML: it is one file that fetches nothing."""
    with own_settings():
        cards = [("How it stands", _summary(result))]
        cards += [(f"Generation {each.number}", _generation(each)) for each in reversed(result.generations)]
        return page_of_cards(f"{result.folder.name}: active learning", "Lamplighter learn", cards)


def _summary(result: Learning) -> Content:
    head, body = learning_text.generation_rows(result)
    sets_head, sets = learning_text.error_rows(result.generations)
    facts = [
        ("rule", result.ended or "none is met yet"),
        ("models", ", ".join(str(each) for each in result.models) or "none yet"),
    ]
    blocks: list[Block] = [
        Facts(facts),
        Table("generations", "Each generation; forces along its runs are of frames drawn at random.", head, body),
        Picture("learning", "RMSE of forces over each set.", learning_text.learning_figure(result)),
        Table("errors", "Means over the models ± their standard deviation.", sets_head, sets),
    ]
    return Content(blocks=[*blocks, *([Notes(result.notes)] if result.notes else [])])


def _generation(each: GenerationResult) -> Content:
    kinds = [(name, str(number)) for name, number in each.frames.items()]
    blocks: list[Block] = [
        Table(
            f"data_{each.number}",
            "Frames of several atoms that its models were trained on and validated with.",
            ("kind", "frames"),
            kinds,
        )
    ]
    if not each.explored:
        said = ["It is trained on all that was found, and explored nothing.", *each.notes]
        return Content(blocks=[*blocks, *_quality(each.quality), Notes(said)])
    runs = [
        (
            run.name,
            "–" if math.isnan(run.time_ps) else f"{'' if run.failed else '≥ '}{run.time_ps:.4g}",
            run.ended_by or "–",
            "–" if math.isnan(run.largest_uncertainty) else f"{run.largest_uncertainty:.3g}",
            "–" if math.isnan(run.density) else f"{run.density:.4f}",
        )
        for run in each.runs
    ]
    head = ("run", "watched / ps", "ended by", _MEASURES[each.measure], "density / g/cm³")
    caption = "Its runs; densities are means over the second half of the last stage."
    blocks.append(Table(f"runs_{each.number}", caption, head, runs))
    known = [run for run in each.runs if not math.isnan(run.time_ps)]
    if known:
        figure = _survival([run.time_ps for run in known], [run.failed for run in known])
        blocks.append(Picture(f"survival_{each.number}", "Kaplan-Meier: runs in which nothing has failed yet.", figure))
    blocks += _views(each)
    blocks += _quality(each.quality)
    return Content(blocks=[*blocks, *([Notes(each.notes)] if each.notes else [])])


def _quality(quality: GenerationQuality | None) -> list[Block]:
    if quality is None:
        return []
    rows = [
        ("Q", learning_text.q_in_words(quality)),
        ("of that: stability, density, diffusivity",
         f"{quality.stability:.2f}, {quality.density:.2f}, {quality.diffusivity:.2f}"),
        ("densities of the models, g/cm³", ", ".join(f"{each:.4f}" for each in quality.densities) or "none is stable"),
        ("their diffusivities, 10⁻⁶ cm²/s",
         ", ".join(f"{TO_1E6_CM2_S * each:.3g}" for each in quality.diffusivities) or "none is stable"),
    ]  # fmt: skip
    return [Facts(rows)]


def _survival(times: list[float], failed: list[bool]) -> Figure:
    curve = kaplan_meier(times, failed)
    end = max(times)
    figure, (axes,) = new_figure()
    at = [0.0, *curve.times, end]
    axes.step(at, [1.0, *curve.survival, curve.at(end)[0]], where="post", color=PALETTE[0])
    if len(curve.times):
        low, high = ([1.0, *band, band[-1]] for band in (curve.low, curve.high))
        axes.fill_between(at, low, high, step="post", color=PALETTE[0], alpha=0.2, lw=0)
    ended = [time for time, each in zip(times, failed, strict=True) if not each]
    axes.plot(ended, [curve.at(time)[0] for time in ended], "|", color=PALETTE[6], markersize=9)
    axes.set(xlabel="t (ps)", ylabel="probability of being stable", ylim=(0.0, 1.05))
    return figure


def _views(each: GenerationResult) -> list[Block]:
    path = each.folder / "added.xyz"
    if not path.is_file():
        return []
    try:
        frames = read_frames(path)[0][:MOST_VIEWS]
        return [_view(each.number, place, frame_of_atoms(atoms, place)) for place, atoms in enumerate(frames)]
    except LamplighterError as problem:
        return [Missing("The selected frames", str(problem))]


def _view(number: int, place: int, frame: Frame) -> View:
    pairs, _ = BondRule().find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
    label = f"frame {place + 1} of {len(frame)} atoms"
    data = structure_view([ShownFrame(frame, label)], np.asarray(pairs, dtype=np.int64).reshape(-1, 2))
    return View(f"selected_{number}_{place}", "A frame that was selected and labelled.", data)
