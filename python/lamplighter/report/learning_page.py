"""Active learning as a page in the look of the report: how it stands, and what each generation met."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.survival import kaplan_meier
from lamplighter.errors import LamplighterError
from lamplighter.observables.diffusivity import TO_1E6_CM2_S
from lamplighter.report import learning_bonds_text, learning_environments_text, learning_errors_text, learning_text
from lamplighter.report.drawing import PALETTE, new_figure, own_settings
from lamplighter.report.page.content import Block, Content, Facts, Missing, Notes, Picture, Table, Text, View
from lamplighter.report.page.html import page_of_cards
from lamplighter.report.page.structure_view import ShownFrame, structure_view
from lamplighter.structures.frame import Frame
from lamplighter.structures.frame_of_atoms import frame_of_atoms
from lamplighter.structures.labelled_frames import read_frames

if TYPE_CHECKING:
    from lamplighter.learning.learning import GenerationQuality, GenerationResult, Learning

SAMPLES = "environments.npz"
"""What `learning.environments` keeps for maps, in the folder of a study and of each generation."""

MOST_VIEWS = 4
"""Selected frames of a generation that are shown: each is as large as a figure."""

_MEASURES = {"variance": "largest σ² / eV²/Å²", "extrapolation": "largest γ", "": "uncertainty"}


def learning_page(result: Learning) -> str:
    """The page as HTML: it is one file that fetches nothing."""
    with own_settings():
        cards = [("How it stands", _summary(result)), *_errors(result), *_environments(result), *_softening(result)]
        of_all = _samples(result.folder)
        cards += [(f"Generation {each.number}", _generation(each, of_all)) for each in reversed(result.generations)]
        return page_of_cards(f"{result.folder.name}: active learning", "Lamplighter learn", cards)


def _summary(result: Learning) -> Content:
    head, body = learning_text.generation_rows(result)
    facts = [
        ("rule", result.ended or "none is met yet"),
        ("models", ", ".join(str(each) for each in result.models) or "none yet"),
    ]
    blocks: list[Block] = [
        Facts(facts),
        Table("generations", "Each generation; forces along its runs are of frames drawn at random.", head, body),
        Picture("learning", "RMSE of forces over each set.", learning_errors_text.forces_figure(result)),
    ]
    return Content(blocks=[*blocks, *([Notes(result.notes)] if result.notes else [])])


def _errors(result: Learning) -> list[tuple[str, Content]]:
    head, rows = learning_errors_text.error_rows(result.generations)
    if not rows:
        return []
    blocks: list[Block] = [
        Table("errors", f"{learning_errors_text.CAPTION}.", head, rows),
        Picture("energy", "RMSE of energies over each set.", learning_errors_text.energy_figure(result)),
        Picture("components", "RMSE of each component of the forces.", learning_errors_text.components_figure(result)),
    ]
    if any(found.stress is not None for each in result.generations for found in each.errors.values()):
        blocks.append(Picture("stress", "RMSE of stresses over each set.", learning_errors_text.stress_figure(result)))
    return [("Errors", Content(blocks=blocks))]


def _environments(result: Learning) -> list[tuple[str, Content]]:
    head, rows = learning_environments_text.environment_rows(result)
    if not rows:
        return []
    caption = "Flagged share of the frames of each generation; dotted: sets that are the same throughout."
    blocks: list[Block] = [
        Text(
            "Q is how far the SOAP descriptor of an atom is from the plane of five principal components in which the "
            "first training set varies, with one such plane for each element (Wong, Yang, arXiv:2603.10159, section "
            "0.8). Maps of each generation are below."
        ),
        Table("environments", f"{learning_environments_text.CAPTION}.", head, rows),
        Picture("environments", caption, learning_environments_text.flagged_figure(result)),
    ]
    return [("Environments beyond the first training set", Content(blocks=blocks))]


def _softening(result: Learning) -> list[tuple[str, Content]]:
    blocks: list[Block] = []
    if any(each.force_scales for each in result.generations):
        caption = (
            "Slope of predicted against labelled force components through the origin, with the spread over models; "
            "below the line forces are too small (Deng et al., npj Comput. Mater. 2025)."
        )
        blocks.append(Picture("scale", caption, learning_errors_text.scale_figure(result)))
    head, rows = learning_bonds_text.bond_rows(result)
    if rows:
        caption = "How much longer bonds are along the runs than in the reference."
        blocks += [
            Table("bonds", f"{learning_bonds_text.CAPTION}.", head, rows),
            Picture("bonds", caption, learning_bonds_text.bonds_figure(result)),
        ]
    return [("Softening", Content(blocks=blocks))] if blocks else []


def _samples(folder: Path) -> dict[str, np.ndarray]:
    """What a study or a generation keeps for maps; nothing where that is not there, or damaged."""
    path = folder / SAMPLES
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return {}


def _maps(each: GenerationResult, of_all: dict[str, np.ndarray]) -> list[Block]:
    samples = {**of_all, **(_samples(each.folder) if each.environments else {})}
    training = next((key.partition("/")[0] for key in of_all), "")
    blocks: list[Block] = []
    for symbol in dict.fromkeys(found.element for found in each.environments):
        blocks += [
            Picture(
                f"map_{each.number}_{symbol}",
                f"{symbol}: environments in the plane of the first training set's first two components.",
                learning_environments_text.map_figure(symbol, training, samples),
            ),
            Picture(
                f"q_{each.number}_{symbol}",
                f"{symbol}: share of environments beyond each Q; dotted: the threshold.",
                learning_environments_text.distribution_figure(symbol, training, samples),
            ),
        ]
    return blocks


def _generation(each: GenerationResult, of_all: dict[str, np.ndarray]) -> Content:
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
    blocks += _maps(each, of_all)
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
