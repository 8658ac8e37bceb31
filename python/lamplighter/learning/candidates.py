"""The frames of a run that may be selected: physical ones, with how uncertain the models are of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ase import Atoms

from lamplighter.analysis.reference_bonds import bonds_of
from lamplighter.analysis.stability_check import Limits, StabilityCheck
from lamplighter.config.guard import GuardSection
from lamplighter.guard_criteria import OF_MODELS, PRESETS
from lamplighter.run_folder.names import FAILURE
from lamplighter.run_folder.run import Run
from lamplighter.structures.frame import Frame
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

    Frames past the limits of the guard are left out, also those that it did not see between its checks. Bonds longer
    than twice their reference are past them in any case (Niblett et al., 3.3).

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
    limits = _limits(guard)
    bonds = bonds_of(first, rule=run.bonds) if limits.watch_bonds else None
    check = StabilityCheck(first, limits, bonds)
    for frame in chain([first], frames):
        assert frame.step is not None
        if broke_at is not None and frame.step >= broke_at:
            break
        if not check.violations(frame):
            yield _candidate(run.name, frame, known.get(frame.step, float("nan")))
    last = None if broke_at is not None else _where_models_ended_it(run)
    if last is not None:
        yield last


def _limits(guard: GuardSection) -> Limits:
    ratio = guard.limit("bond_ratio") or PRESETS["active-learning"]["bond_ratio"]
    stretch, density = guard.limit("bond_stretch"), guard.limit("density")
    assert isinstance(ratio, float)
    assert stretch is None or isinstance(stretch, float)
    around = isinstance(density, float)
    return Limits(
        bond_ratio=ratio,
        bond_stretch=stretch,
        density=None if around else density,  # type: ignore[arg-type]
        density_start=density if around else None,  # type: ignore[arg-type]
    )


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


def _where_models_ended_it(run: Run) -> Candidate | None:
    event = run.events[-1] if run.events else None
    path: Path = run.folder / FAILURE
    if event is None or event.action != "stop" or event.value is None or not path.is_file() or not path.stat().st_size:
        return None
    for atoms in reversed(read_frames(path)[0]):
        if atoms.info.get("guard_frame") == "failure" and atoms.info.get("step") == event.step:
            time = float("nan") if event.time is None else event.time
            bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            return Candidate(run.name, event.step, time, event.value, bare)
    return None
