"""What the guard found, and the failing frames to look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from ase import Atoms

from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.guard_criteria import OF_MODELS
from lamplighter.report.events_text import EVENT_COLUMNS, event_row
from lamplighter.report.page.content import Block, Content, Missing, Table, View
from lamplighter.report.page.section import ReportedRun, Section
from lamplighter.report.page.structure_view import ShownFrame, structure_view
from lamplighter.run_folder.events import Event
from lamplighter.run_folder.names import FAILURE
from lamplighter.structures.frame import Frame
from lamplighter.structures.xyz_file import XyzFile

MOST_ROWS = 200
MOST_FRAMES = 20


def make(run: ReportedRun) -> Content:
    """A table of events, and the frames before and at the first failure; nothing where there are none."""
    events = run.events
    blocks: list[Block] = []
    if events:
        rows = [event_row(run, event) for event in events[:MOST_ROWS]]
        more = f" The first {MOST_ROWS} of {len(events)}." if len(events) > MOST_ROWS else ""
        blocks.append(Table("events", f"What the guard found.{more}", EVENT_COLUMNS, rows))
        try:
            blocks.append(_view(run, events))
        except LamplighterError as problem:
            blocks.append(Missing("The failing frames", str(problem)))
    elif run.status == "failed":
        why = "none were saved: the guard saw nothing, or there was none; the trajectory has the last frames before"
        blocks.append(Missing("The failing frames", why))
    return Content(blocks=blocks, data=[event.line for event in events])


def _view(run: ReportedRun, events: Sequence[Event]) -> View:
    event = next((each for each in events if each.criterion not in OF_MODELS), events[0])
    path = run.folder / FAILURE
    if not path.exists():
        raise RunFolderError(f"{FAILURE} is missing")
    frames = XyzFile(path)
    last: deque[ShownFrame] = deque(maxlen=MOST_FRAMES)
    for frame, atoms in frames.with_atoms():
        is_failure = frame.step == event.step
        last.append(ShownFrame(frame, _label(run, frame, is_failure), is_failure, _of_models(atoms)))
        if is_failure:
            break
    shown = list(last)
    if not shown or not shown[-1].is_failure:
        cut = f" ({frames.dropped})" if frames.dropped else ""
        raise RunFolderError(f"{FAILURE} does not hold step {event.step}{cut}")
    ids = shown[-1].frame.ids
    shown = [each for each in shown if np.array_equal(each.frame.ids, ids)]  # atoms may have been lost
    marked = [int(place) for place in np.flatnonzero(np.isin(ids, event.atoms))][:100]
    pairs = _bonds(run, ids)
    caption = f"The failing frame ({event.criterion}), and those before it."
    if marked:
        caption += " Its atoms are ringed, the molecules within 5 Å of them are shown full."
    data = structure_view(shown, pairs, marked, _pairs_of(event, ids), first=len(shown) - 1)
    if data["tinted"]:
        caption += " Colours can be those of what the models say of their own forces."
    return View("failure", caption, data)


def _of_models(atoms: Atoms) -> dict[str, Floats]:
    """What models said of each atom, in the order of ids; zeros before their first evaluation."""
    order = np.argsort(atoms.arrays["id"]) if "id" in atoms.arrays else np.arange(len(atoms))
    found = {}
    if (variance := atoms.arrays.get("committee_variance")) is not None:
        found["the committee's deviation, eV/Å"] = np.sqrt(np.asarray(variance, dtype=np.float64)[order])
    if (own := atoms.arrays.get("extrapolation")) is not None:
        found["the model's own uncertainty γ"] = np.asarray(own, dtype=np.float64)[order]
    return found


def _label(run: ReportedRun, frame: Frame, is_failure: bool) -> str:
    time = None if frame.step is None else run.stages.time_of_step(frame.step)
    text = f"step {frame.step}" + ("" if time is None else f", {time:.5g} ps")
    return text + (": the failing frame" if is_failure else "")


def _bonds(run: ReportedRun, ids: np.ndarray) -> np.ndarray:
    """The bonds of the start, by places in `ids`."""
    rule = run.bonds
    if rule.listed is not None:
        return np.searchsorted(ids, rule.listed[np.isin(rule.listed, ids).all(axis=1)]).reshape(-1, 2)
    start = run.start
    pairs, _ = rule.find(start.positions, start.numbers, start.cell, start.periodic, start.ids)
    if len(start.ids) and not np.isin(start.ids[pairs], ids).all():
        pairs = pairs[np.isin(start.ids[pairs], ids).all(axis=1)]
    return np.searchsorted(ids, start.ids[pairs]).reshape(-1, 2)


def _pairs_of(event: Event, ids: np.ndarray) -> list[tuple[int, int]]:
    if not event.criterion.startswith("bond"):
        return []
    places = [int(place) for place in np.searchsorted(ids, event.atoms)]
    return list(zip(places[0::2], places[1::2], strict=False))


SECTION = Section("events", "Events", "results", make)
