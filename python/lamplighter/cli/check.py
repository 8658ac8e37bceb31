"""Find the first frame of any trajectory that is no longer physical.

The command applies the criteria of `fix guard`, independently of it, to a run folder or to any trajectory file. A run
folder brings its own guard section as defaults. Numbers that are not finite, and atoms that are lost, always count.

Exit status: 0 no violation, 1 a violation, 2 no check could be made, 3 no violation, but there are no bonds for the
bond criterion to watch.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lamplighter.cli import bond_options, options
from lamplighter.cli.limit_options import SEEN, option, with_limits
from lamplighter.cli.trajectory_source import TrajectorySource, open_source
from lamplighter.errors import LamplighterError
from lamplighter.guard_criteria import PRESETS, UNITS, format_limit


@with_limits
def check(
    trajectory: Annotated[
        Path,
        typer.Argument(help="Run folder, LAMMPS dump, or any trajectory that ASE reads.", metavar="TRAJECTORY"),
    ],
    limits: dict[str, Any],
    reference: Annotated[
        str | None,
        typer.Option(
            help="Compare bonds with their mean length in molecules alike (mean, the default), their first length "
            "(initial), or a file of lengths.",
            metavar="mean|initial|FILE",
        ),
    ] = None,
    bonds: bond_options.Bonds = None,
    tolerance: bond_options.Tolerance = None,
    ions: bond_options.Ions = None,
    bonded: bond_options.Bonded = None,
    unbonded: bond_options.Unbonded = None,
    density_start: Annotated[
        str | None,
        typer.Option(
            help='The density stays within this share of that of the start, such as "20 %".', metavar="PERCENT"
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Apply a preset, as in a run file. Both are for molecular liquids of about 1 g/cm³: their bounds "
            "of the density fit nothing else.",
            metavar="stability|active-learning",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Take bonds and the first density from this structure; the default is the first frame.",
            metavar="STRUCTURE",
        ),
    ] = None,
    elements: options.Elements = None,
    topology: options.Topology = None,
    units: options.Units = None,
    timestep: options.Timestep = None,
    dt: options.Dt = None,
    every_violation: Annotated[bool, typer.Option("--all", help="Go on after the first violation.")] = False,
    as_json: options.Json = False,
) -> None:
    try:
        asked = {name: _limit(name, text) for name, text in limits.items()}
        if density_start is not None:
            asked["density_start"] = _share(density_start)
        rule = bond_options.bond_rule(bonds, tolerance, ions, bonded, unbonded)
        source = open_source(trajectory, topology, elements, units, timestep, dt)
        made = _check(source, asked, preset, reference, rule, bonds, start, every_violation)
    except LamplighterError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(_as_json(made), indent=2, allow_nan=False))
    else:
        from lamplighter.report.check_text import format_check

        print(format_check(made.result, made.criteria, made.n_bonds, made.reference, made.notes, made.molecules))
    unwatched = made.n_bonds == 0
    raise typer.Exit(1 if not made.result.censored else 3 if unwatched else 0)


@dataclass
class _Made:
    """A check that was made; `criteria` and `molecules` in words, `reference` what bonds were compared with."""

    result: Any
    criteria: list[str]
    n_bonds: int | None
    reference: str
    molecules: str = ""
    notes: list[str] = field(default_factory=list)


def _limit(name: str, text: str | tuple[str, str]) -> float | tuple[float, float]:
    if isinstance(text, tuple):
        return _number(option(name), text[0]), _number(option(name), text[1])
    return _number(option(name), text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LamplighterError(f"{name}: {text!r} is not a number (its unit is in --help)") from None


def _share(text: str) -> float:
    percent = _number("--density-start", text.replace("±", "").replace("%", "").strip())
    if not 0.0 < percent < 100.0:
        raise LamplighterError(f'--density-start is in per cent, above 0 and below 100 ("20 %"), got {text!r}')
    return percent / 100.0


def _check(
    source: TrajectorySource,
    asked: dict[str, Any],
    preset: str | None,
    reference: str | None,
    rule: Any,
    bonds: str | None,
    start: Path | None,
    every_violation: bool,
) -> _Made:
    from itertools import chain

    from lamplighter.analysis.stability_check import StabilityCheck, bonds_of, check_frames, lacking
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
            raise LamplighterError(f"{option(name)} cannot be checked: {reason}")
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
    return _Made(result, _in_words(made.limits), n_bonds, reference, there, notes)


def _molecules(frame: Any, watched: Any, rule: Any) -> str:
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
) -> tuple[Any, str, list[str]]:
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
            f"{', '.join(option(each.key) for each in SEEN)}, --density-start"
        )
    return limits, reference or "mean", notes


def _in_words(limits: Any) -> list[str]:
    return [f"{name} {format_limit(limits.of(name), UNITS[name])}" for name in limits.criteria]


def _as_json(made: _Made) -> dict[str, Any]:
    from dataclasses import asdict

    result = made.result
    return {
        "t_stab_ps": None if result.fails_at_once or (result.censored and made.n_bonds == 0) else result.t_stab_ps,
        "censored": result.censored,
        "last_good_ps": result.last_good_ps,
        "violations": [asdict(each) for each in result.violations],
        "n_frames": result.n_frames,
        "n_bonds": made.n_bonds,
        "bond_criterion_watches_nothing": made.n_bonds == 0,
        "molecules": made.molecules,
        "reference": made.reference,
        "criteria": made.criteria,
        "notes": made.notes,
    }
