"""The frames of a run that may be selected: physical ones, with how uncertain the models are of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ase import Atoms

from lamplighter.analysis.reference_bonds import bonds_of
from lamplighter.analysis.stability_check import Limits, StabilityCheck, lacking
from lamplighter.config.guard import GuardSection
from lamplighter.errors import CriterionError
from lamplighter.guard_criteria import OF_MODELS, PRESETS
from lamplighter.run_folder.names import FAILURE
from lamplighter.run_folder.run import Run
from lamplighter.structures.frame import Frame
from lamplighter.structures.frame_of_atoms import frame_of_atoms
from lamplighter.structures.labelled_frames import read_frames


@dataclass(frozen=True)
class Candidate:
    """A frame of a run.

    Attributes:
        run: Name of the run.
        step, time_ps: Of the frame.
        uncertainty: The largest of an atom: force variance, eV²/Å², or γ; nan: not evaluated.
        atoms: Structure alone.
    """

    run: str
    step: int
    time_ps: float
    uncertainty: float
    atoms: Atoms


def candidates(run: Run, guard: GuardSection, measure: str) -> Iterator[Candidate]:
    """Frames of the trajectory before anything broke, then the one at which the models' uncertainty ended the run.

    They end at the first frame past a limit of the guard, also where it did not see it between its checks, as far as
    trajectories show it. Bonds longer than twice their reference are past a limit in any case (Niblett et al., 3.3), if
    the box is large enough to tell such bonds from their images.

    Args:
        run: A run that came to its end.
        guard: Of its run file.
        measure: `variance` or `extrapolation`; empty: neither is known.

    Raises:
        LamplighterError: its trajectory cannot be read.
    """
    broke_at = min((event.step for event in run.events if event.criterion not in OF_MODELS), default=None)
    known = _uncertainties(run, measure)
    frames = iter(run.trajectory)
    first = next(frames, None)
    if first is None:
        return
    check = _check(run, first, guard)
    for frame in chain([first], frames):
        assert frame.step is not None
        if (broke_at is not None and frame.step >= broke_at) or check.violations(frame):
            return
        yield _candidate(run.name, frame, known.get(frame.step, float("nan")))
    last = None if broke_at is not None else _where_models_ended_it(run, measure, known)
    if last is not None and not check.violations(frame_of_atoms(last.atoms, first.index)):
        yield last


def _check(run: Run, first: Frame, guard: GuardSection) -> StabilityCheck:
    """What frames are held against; without the limit that holds in any case where the box is too small for it."""
    given = {
        each.key: guard.limit(each.key)
        for each in guard.watched
        if each.is_seen_in_trajectories and not each.has_bounds
    }
    density = guard.limit("density")
    given["density_start" if isinstance(density, float) else "density"] = density
    bounds: dict[str, Any] = {key: limit for key, limit in given.items() if limit is not None}
    for criterion in lacking(first, Limits(**bounds)):
        bounds.pop(criterion.replace(" ", "_"), None)
        if criterion == "density":
            bounds.pop("density_start", None)
    in_any_case = {"bond_ratio": PRESETS["active-learning"]["bond_ratio"], **bounds}
    bonds = bonds_of(first, rule=run.bonds)
    try:
        return StabilityCheck(first, Limits(**in_any_case), bonds)
    except CriterionError:
        return StabilityCheck(first, Limits(**bounds), bonds)


def _uncertainties(run: Run, measure: str) -> dict[int, float]:
    """By step; nothing where there is no such table."""
    table, column = {
        "variance": (run.committee, "variance_max_eV2_A2"),
        "extrapolation": (run.extrapolation, "extrapolation_max"),
    }.get(measure, (None, ""))
    if table is None:
        return {}
    return {
        int(step): float(value)
        for step, evaluated, value in zip(table["step"], table["evaluated_step"], table[column], strict=True)
        if step == evaluated
    }


def _candidate(name: str, frame: Frame, uncertainty: float) -> Candidate:
    made = frame.to_ase()
    assert frame.step is not None
    time = float("nan") if frame.time_ps is None else frame.time_ps
    atoms = Atoms(made.numbers, made.positions, cell=made.cell, pbc=made.pbc)
    return Candidate(name, frame.step, time, uncertainty, atoms)


def _where_models_ended_it(run: Run, measure: str, known: Mapping[int, float]) -> Candidate | None:
    event = run.events[-1] if run.events else None
    path: Path = run.folder / FAILURE
    if event is None or event.action != "stop" or not path.is_file() or not path.stat().st_size:
        return None
    uncertainty = event.value if event.criterion == measure else known.get(event.step)
    for atoms in reversed(read_frames(path)[0]):
        if atoms.info.get("guard_frame") == "failure" and atoms.info.get("step") == event.step:
            time = float("nan") if event.time is None else event.time
            bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            return Candidate(run.name, event.step, time, float("nan") if uncertainty is None else uncertainty, bare)
    return None
