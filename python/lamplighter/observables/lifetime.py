"""How long a run was stable: from its guard, else from its trajectory."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from lamplighter.analysis.reference_bonds import bonds_of
from lamplighter.analysis.stability_check import Limits, StabilityCheck, check_frames, lacking
from lamplighter.errors import RunFolderError
from lamplighter.guard_criteria import OF_MODELS, PRESETS, in_words
from lamplighter.run_folder.names import TRAJECTORY
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.status import GuardStatus

PROTOCOL = Limits(**PRESETS["stability"])
"""What a run without a guard is held against."""

_LAMMPS_BROKE = (  # messages of LAMMPS for a system that has exploded
    (re.compile(r"Lost atoms|Out of range atoms", re.I), "lost"),
    (re.compile(r"Atoms \d+ and \d+ overlap|two atoms are [\d.e+-]+ (?:Å|Angstrom) apart", re.I), "overlap"),
    (re.compile(r"Non-numeric|not finite|no finite number|\bnan\b", re.I), "finite"),
)


@dataclass(frozen=True)
class RunLifetime:
    """t_stab of one run.

    Attributes:
        folder: The run folder.
        time_ps: Simulated time to the failure, or to the end where there was none, ps.
        failed: Whether there was one; else the time is censored.
        cause: The criterion that was violated; None: none.
        source: "guard", "trajectory" or "LAMMPS".
        criteria: What was watched, in words.
        system: As `Run.system`.
        notes: What limits the number.
    """

    folder: Path
    time_ps: float
    failed: bool
    cause: str | None
    source: str
    criteria: list[str]
    system: str = ""
    notes: list[str] = field(default_factory=list)


def lifetime_of_run(run: Run) -> RunLifetime:
    """t_stab of a run.

    Of a run without bonds a bond criterion says nothing; where nothing else could have failed, neither does the run.

    The first event of its guard, recorded or stopped for; else the error that LAMMPS ended with; a run without a guard
    is checked by its trajectory against the protocol's criteria. Anything else that ended a run (an interruption, a
    full disk) only censors it, as does a guard that stopped because models were not to be trusted.

    Raises:
        RunFolderError: it has no dynamics that could be judged, began beyond a limit, or had nothing
            to be judged by.
    """
    found = _found(run)
    criteria = [each for each in found.criteria if not each.startswith("bond")]
    without = found.criteria != criteria and (found.source == "no bonds" or run.has_no_bonds)
    if not without:
        return found
    changes = any(each.startswith("density") for each in criteria) and any(each.type == "npt" for each in run.stages)
    others = [each for each in criteria if not each.startswith(("density", *OF_MODELS))]
    if not found.failed and not changes and not others:
        raise RunFolderError(
            f"{run.folder}: there are no bonds, so the bond criterion watched nothing, and nothing else could have "
            "failed: its stability is not known (say which atoms are bonded: section bonds; or watch density, force or "
            "energy)"
        )
    note = f"there are no bonds, so the bond criterion watched nothing: t_stab is by {'; '.join(criteria) or 'LAMMPS'}"
    source = "trajectory" if found.source == "no bonds" else found.source
    return replace(found, criteria=criteria, source=source, notes=[note, *found.notes])


def _found(run: Run) -> RunLifetime:
    run.require_dynamics()
    folder, guard, system = run.folder, run.guard or GuardStatus([]), run.system
    criteria = guard.criteria
    notes: list[str] = []
    if not criteria and not run.events:
        return replace(_from_trajectory(run), system=system)
    for event in run.events:
        if event.criterion in OF_MODELS:
            continue
        time = run.stages.time_of_step(event.step)
        time = event.time if time is None else time
        if time is None:
            raise RunFolderError(f"{folder}: the time of its event at step {event.step} is not known")
        if event.step == 0:
            raise RunFolderError(
                f"{folder} began beyond the limit of '{event.criterion}', before a step was made: nothing is known of "
                "its stability (limits that fit the system are needed, or another start)"
            )
        return RunLifetime(folder, time, True, event.criterion, "guard", criteria, system, notes)
    end = _end_ps(run)
    if guard.criterion in OF_MODELS:
        notes.append(f"its guard ended it because of the {guard.criterion}: censored there")
    elif guard.criterion:
        time = end if guard.time_ps is None else guard.time_ps
        return RunLifetime(folder, time, True, guard.criterion, "guard", criteria, system, notes)
    cause = broke_in_lammps(run)
    if cause is not None:
        notes.append(f"LAMMPS ended it: {_first_line(run.error)}")
        return RunLifetime(folder, end, True, cause, "LAMMPS", criteria, system, notes)
    if run.status in ("failed", "running", "unknown"):
        why = _first_line(run.error) or "it is still going on, or was killed"
        notes.append(f"it did not come to its end ({why}): censored there")
    return RunLifetime(folder, end, False, None, "guard", criteria, system, notes)


def _first_line(error: str | None) -> str:
    return (error or "").strip().partition("\n")[0].removeprefix("LAMMPS: ")


def broke_in_lammps(run: Run) -> str | None:
    """What a run failed of, where LAMMPS' message says that the system is broken."""
    if run.status != "failed" or not run.error:
        return None
    return next((cause for pattern, cause in _LAMMPS_BROKE if pattern.search(run.error)), None)


def _end_ps(run: Run) -> float:
    """The last time that a run is known to have reached, ps."""
    times = [] if run.guard is None or run.guard.time_ps is None else [run.guard.time_ps]
    if run.thermo.n_rows:
        finite = run.thermo["time_ps"][np.isfinite(run.thermo["time_ps"])]
        times += [float(finite.max())] if len(finite) else []
    if not times:
        raise RunFolderError(f"{run.folder} has no dynamics that could be judged: thermo.csv has no times")
    return max(times)


def _from_trajectory(run: Run) -> RunLifetime:
    if not (run.folder / TRAJECTORY).exists():
        raise RunFolderError(
            f"{run.folder} had no guard and has no {TRAJECTORY}: its stability is not known (run with guard: stability)"
        )
    trajectory = run.trajectory
    frames = iter(trajectory)
    first = next(frames, None)
    if first is None or first.time_ps is None:
        raise RunFolderError(
            f"{trajectory.path} holds no whole frame whose time is known {trajectory.dropped}".rstrip()
        )
    notes = list(trajectory.notes)
    limits = PROTOCOL
    if "density" in lacking(first, limits):
        limits = replace(limits, density=None)
        notes.append("the density was not checked: it is not known from the trajectory")
    bonds = bonds_of(first, rule=run.bonds)
    result = check_frames(StabilityCheck(first, limits, bonds), chain([first], frames))
    if trajectory.dropped:
        notes.append(f"{trajectory.path.name}: {trajectory.dropped}")
    notes.append("it had no guard: t_stab is from the frames of its trajectory, and known to their interval")
    criteria = [in_words(key, getattr(limits, key)) for key in PRESETS["stability"] if getattr(limits, key) is not None]
    source = "trajectory" if len(bonds.ids) else "no bonds"
    time = result.t_stab_ps
    if result.fails_at_once:
        raise RunFolderError(
            f"{run.folder} began beyond the limit of '{result.violations[0].criterion}': nothing is known of its "
            "stability by the protocol, which is for molecular liquids (run with a guard that fits)"
        )
    if time is None:
        raise RunFolderError(f"the times of the frames of {trajectory.path} are not known")
    cause = result.violations[0].criterion if result.violations else None
    if cause is None and (broken := broke_in_lammps(run)) is not None:
        return RunLifetime(run.folder, _end_ps(run), True, broken, "LAMMPS", criteria, "", notes)
    return RunLifetime(run.folder, time, cause is not None, cause, source, criteria, "", notes)
