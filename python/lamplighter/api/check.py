"""`check`: the criteria of `fix guard`, held against a trajectory that is already there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.bond_rule import bond_rule
from lamplighter.api.files import StrPath
from lamplighter.api.runs import One, named
from lamplighter.api.trajectory_source import Time, TrajectorySource, open_source
from lamplighter.errors import LamplighterError
from lamplighter.guard_criteria import CRITERIA, PRESETS, UNITS, format_limit
from lamplighter.observables.trajectory_check import Check
from lamplighter.report.check_text import SHOWN

if TYPE_CHECKING:
    from lamplighter.analysis.bonding import BondRule
    from lamplighter.analysis.reference_bonds import Bonds
    from lamplighter.analysis.stability_check import Limits
    from lamplighter.structures.frame import Frame


_SEEN = tuple(criterion for criterion in CRITERIA if criterion.is_seen_in_trajectories)


def _option(key: str) -> str:
    """The option of a criterion: `--bond-stretch`."""
    return "--" + key.replace("_", "-")


def limit_of(name: str, text: str | tuple[str, str]) -> float | tuple[float, float]:
    if isinstance(text, tuple):
        return _number(_option(name), text[0]), _number(_option(name), text[1])
    return _number(_option(name), text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LamplighterError(f"{name}: {text!r} is not a number (its unit is in --help)") from None


def share_of(text: str) -> float:
    percent = _number("--density-start", text.replace("±", "").replace("%", "").strip())
    if not 0.0 < percent < 100.0:
        raise LamplighterError(f'--density-start is in per cent, above 0 and below 100 ("20 %"), got {text!r}')
    return percent / 100.0


def check_source(
    source: TrajectorySource,
    asked: dict[str, Any],
    preset: str | None,
    reference: str | None,
    rule: BondRule | None,
    bonds: str | None,
    start: Path | None,
    every_violation: bool,
) -> Check:
    from itertools import chain

    from lamplighter.analysis.reference_bonds import bonds_of
    from lamplighter.analysis.stability_check import StabilityCheck, check_frames, lacking
    from lamplighter.structures.bond_files import lists_bonds, read_bond_lengths, read_bond_list
    from lamplighter.structures.trajectory import read_start

    limits, reference, notes = _limits(source, asked, preset, reference)
    listed = read_bond_list(Path(bonds)) if bonds not in (None, "geometry") and lists_bonds(Path(str(bonds))) else None
    if rule is None and source.run is not None:
        rule = source.run.bonds
    lengths = read_bond_lengths(Path(reference)) if reference not in ("mean", "initial") else None

    frames = iter(source)
    first = next(frames, None)
    if first is None:
        dropped = source.frames.dropped
        raise LamplighterError(f"{source.path} holds no whole frame" + (f": {dropped}" if dropped else ""))
    for criterion, reason in lacking(first, limits).items():
        name = criterion.replace(" ", "_")
        if name in asked:
            raise LamplighterError(f"{_option(name)} cannot be checked: {reason}")
        limits = replace(limits, **{name: None})
        notes.append(f"{criterion} was not checked: {reason}")
    origin = read_start(start, source.types) if start is not None else first
    watched = bonds_of(origin, reference, rule, listed, lengths) if limits.watch_bonds else None
    if source.run is not None:
        notes += source.frames.notes
    made = StabilityCheck(origin, limits, watched)
    result = check_frames(made, chain([first], frames), to_the_end=every_violation)
    if source.frames.dropped:
        notes.append(f"{source.path.name}: {source.frames.dropped}")
    if watched is not None and len(watched.ids) == 0:
        notes.append(
            "there are no bonds in the reference frame, so the bond criterion watches nothing: say which atoms are "
            "bonded (--bonds FILE, --tolerance, --bonded), or give other criteria (--density, --force, --energy)"
        )
    if result.blind_from is not None:
        notes.append(
            f"from frame {result.blind_from} on the box is so small that a bond at its limit cannot be told from its "
            "image"
        )
    n_bonds = None if watched is None else len(watched.ids)
    there = "" if watched is None else _molecules(origin, watched, rule)
    return Check(result, _in_words(made.limits), n_bonds, reference, there, notes)


def _molecules(frame: Frame, watched: Bonds, rule: BondRule | None) -> str:
    """The molecules that the watched bonds make, in words; none where elements or masses are not known."""
    import numpy as np

    from lamplighter.analysis.bonding import BondRule
    from lamplighter.analysis.molecules import in_words, molecules

    if frame.masses is None or not frame.numbers.all():
        return ""
    places = np.searchsorted(frame.ids, watched.ids).reshape(-1, 2)
    return f"{in_words(molecules(places, frame.numbers, frame.masses))} (bonds {(rule or BondRule()).source})"


def _limits(
    source: TrajectorySource, asked: dict[str, Any], preset: str | None, reference: str | None
) -> tuple[Limits, str, list[str]]:
    """The limits: those asked for, over those of the preset, else of the run's own guard."""
    from lamplighter.analysis.stability_check import Limits
    from lamplighter.config.guard import GuardSection

    words: list[str] = []
    notes: list[str] = []
    if preset is not None:
        if preset not in PRESETS:
            raise LamplighterError(f"--preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        words = GuardSection.model_validate(preset).criteria
    elif source.run is not None:
        watched = source.run.run_file.guard
        words = watched.criteria
        reference = reference or watched.reference
    from lamplighter.run_folder.guard_limits import limits_in

    given, unseen = limits_in(words)
    notes += [f"the run's guard also watched '{word}', which a trajectory does not show" for word in unseen]
    if "density_start" in asked and "density" not in asked:
        given.pop("density", None)  # in its place, as in a run file
    if "density" in asked and "density_start" not in asked:
        given.pop("density_start", None)
    limits = Limits(**{**given, **asked})
    if not limits.criteria:
        raise LamplighterError(
            "nothing to check: give --preset stability, or at least one of "
            f"{', '.join(_option(each.key) for each in _SEEN)}, --density-start"
        )
    return limits, reference or "mean", notes


def _in_words(limits: Limits) -> list[str]:
    return [f"{name} {format_limit(limits.of(name), UNITS[name])}" for name in limits.criteria]


def check_trajectory(
    trajectory: One,
    limits: Mapping[str, Any],
    *,
    reference: StrPath | None = None,
    bonds: str | None = None,
    tolerance: str | float | None = None,
    ions: str | None = None,
    bonded: str | None = None,
    unbonded: str | None = None,
    density_start: str | float | None = None,
    preset: str | None = None,
    start: StrPath | None = None,
    elements: str | None = None,
    topology: StrPath | None = None,
    units: str | None = None,
    timestep: Time | None = None,
    dt: Time | None = None,
    every_violation: bool = False,
) -> Answer[Check]:
    """As `check`, with the limits as a mapping."""
    found = named(trajectory, "trajectory")
    if len(found) > 1:
        raise LamplighterError(f"trajectory: one is checked at a time, and there are {len(found)}")
    known = [criterion.key for criterion in _SEEN]
    unknown = [name for name in limits if name not in known]
    if unknown:
        raise LamplighterError(f"{unknown[0]} is no limit of `check`; they are {', '.join(known)}, density_start")
    asked: dict[str, Any] = {name: _limit_given(name, value) for name, value in limits.items()}
    if density_start is not None:
        asked["density_start"] = share_of(str(density_start))
    rule = bond_rule(bonds, tolerance, ions, bonded, unbonded)
    source = open_source(found[0], topology, elements, units, timestep, dt)
    against = None if reference is None else os.fspath(reference)
    first = None if start is None else Path(start)
    return Answer(check_source(source, asked, preset, against, rule, bonds, first, every_violation), SHOWN)


def _limit_given(name: str, value: float | str | tuple[float, float]) -> float | tuple[float, float]:
    bounds = next(criterion.has_bounds for criterion in _SEEN if criterion.key == name)
    several = isinstance(value, list | tuple)
    if bounds != several or (isinstance(value, list | tuple) and len(value) != 2):
        raise LamplighterError(
            f"{_option(name)} takes {'a lower and an upper bound' if bounds else 'one number'}, got {value!r}"
        )
    if isinstance(value, list | tuple):
        return limit_of(name, (str(value[0]), str(value[1])))
    return limit_of(name, str(value))


@in_words_of_python
def check(
    trajectory: One,
    *,
    reference: StrPath | None = None,
    bonds: str | None = None,
    tolerance: str | float | None = None,
    ions: str | None = None,
    bonded: str | None = None,
    unbonded: str | None = None,
    density_start: str | float | None = None,
    preset: str | None = None,
    start: StrPath | None = None,
    elements: str | None = None,
    topology: StrPath | None = None,
    units: str | None = None,
    timestep: Time | None = None,
    dt: Time | None = None,
    every_violation: bool = False,
    **limits: float | str | tuple[float, float],
) -> Answer[Check]:
    """Find the first frame of a trajectory at which it ceases to be physical, by the criteria of `fix guard`.

    Args:
        trajectory: A run folder, which brings its own limits, a LAMMPS dump, or any trajectory that ASE reads.
        reference: What bonds are compared with: mean, initial, or a file of lengths; None: as the run did, else mean.
        bonds, tolerance, ions, bonded, unbonded: Which atoms are bonded (docs/theory/bonds.md).
        density_start: How far the density may leave that of the start, per cent.
        preset: `stability` or `active-learning`, as in a run file.
        start: Structure that bonds and the first density are of; None: the first frame.
        elements, topology, units, timestep, dt: What a trajectory file does not say (`lamplighter check --help`).
        every_violation: Go on after the first violation.
        **limits: As the options of the command: `bond_stretch` (Å), `bond_ratio`, `density` (two, g/cm³),
            `temperature` (K), `force` (eV/Å), `energy` (eV).

    Returns:
        `outcome` (`t_stab_ps`, `violations`), `criteria`, `n_bonds`, `notes`.

    Raises:
        LamplighterError: the trajectory cannot be read, or there is nothing to check.

    Source: docs/how_to/check.md.

    Example:
        ```python
        print(ll.check("liquid", density_start="50 %"))
        ```
    """
    return check_trajectory(
        trajectory,
        limits,
        reference=reference,
        bonds=bonds,
        tolerance=tolerance,
        ions=ions,
        bonded=bonded,
        unbonded=unbonded,
        density_start=density_start,
        preset=preset,
        start=start,
        elements=elements,
        topology=topology,
        units=units,
        timestep=timestep,
        dt=dt,
        every_violation=every_violation,
    )
