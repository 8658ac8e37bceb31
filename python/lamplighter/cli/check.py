"""`lamplighter check`: the criteria of `fix guard`, held against a trajectory that is already there.

Exit status: 0 no violation, 1 a violation, 2 the check could not be made.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lamplighter.cli import options
from lamplighter.cli.trajectory_source import TrajectorySource, open_source
from lamplighter.errors import LamplighterError


def check(
    trajectory: Annotated[
        Path,
        typer.Argument(help="A run folder, a LAMMPS dump, or any trajectory that ASE reads.", metavar="TRAJECTORY"),
    ],
    bond_stretch: Annotated[
        str | None, typer.Option(help="A bond longer than its reference by this, Å.", metavar="X")
    ] = None,
    bond_ratio: Annotated[
        str | None, typer.Option(help="A bond longer than this times its reference.", metavar="X")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="What bonds are compared with: mean (default), initial, or a file of lengths.",
            metavar="mean|initial|FILE",
        ),
    ] = None,
    bonds: Annotated[
        str, typer.Option(help="Which bonds there are: geometry, or a file of pairs of ids.", metavar="geometry|FILE")
    ] = "geometry",
    tolerance: Annotated[
        str, typer.Option(help="Atoms closer than this times the sum of their covalent radii are bonded.", metavar="X")
    ] = "1.15",
    density: Annotated[
        tuple[str, str] | None, typer.Option(help="Lower and upper bound, g/cm³.", metavar="LO HI")
    ] = None,
    temperature: Annotated[str | None, typer.Option(help="Highest, K.", metavar="MAX")] = None,
    force: Annotated[str | None, typer.Option(help="Largest on an atom, eV/Å.", metavar="MAX")] = None,
    energy: Annotated[
        str | None, typer.Option(help="Largest drift of the total energy, eV/atom.", metavar="DRIFT")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="stability or active-learning, as in a run file.", metavar="stability|active-learning"),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Structure that bonds are taken from; default: the first frame.", metavar="STRUCTURE"),
    ] = None,
    elements: options.Elements = None,
    topology: options.Topology = None,
    units: options.Units = None,
    timestep: options.Timestep = None,
    dt: options.Dt = None,
    every_violation: Annotated[bool, typer.Option("--all", help="Go on after the first violation.")] = False,
    as_json: options.Json = False,
) -> None:
    """Find the first frame of a trajectory at which it ceases to be physical.

    Applies the criteria of fix guard, independently of it.

    A run folder brings its own guard section as defaults.

    Numbers that are not finite, and atoms that are lost, always count.

    Exit status: 0 no violation, 1 a violation, 2 no check could be made.
    """
    wanted = {
        "bond_stretch": bond_stretch,
        "bond_ratio": bond_ratio,
        "density": density,
        "temperature": temperature,
        "force": force,
        "energy": energy,
    }
    try:
        asked = {name: _limit(name, text) for name, text in wanted.items() if text is not None}
        source = open_source(trajectory, topology, elements, units, timestep, dt)
        made = _check(
            source, asked, preset, reference, bonds, _number("--tolerance", tolerance), start, every_violation
        )
    except LamplighterError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(_as_json(made), indent=2, allow_nan=False))
    else:
        from lamplighter.report.check_text import format_check

        print(format_check(made.result, made.criteria, made.n_bonds, made.reference, made.notes))
    raise typer.Exit(0 if made.result.censored else 1)


@dataclass
class _Made:
    """A check that was made; `criteria` in words, `reference` what bonds were compared with."""

    result: Any
    criteria: list[str]
    n_bonds: int | None
    reference: str
    notes: list[str] = field(default_factory=list)


def _limit(name: str, text: str | tuple[str, str]) -> float | tuple[float, float]:
    option = "--" + name.replace("_", "-")
    if isinstance(text, tuple):
        return _number(option, text[0]), _number(option, text[1])
    return _number(option, text)


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LamplighterError(f"{option}: {text!r} is not a number (its unit is in --help)") from None


def _check(
    source: TrajectorySource,
    asked: dict[str, Any],
    preset: str | None,
    reference: str | None,
    bonds: str,
    tolerance: float,
    start: Path | None,
    every_violation: bool,
) -> _Made:
    from itertools import chain

    from lamplighter.analysis.stability_check import StabilityCheck, bonds_of, check_frames, lacking
    from lamplighter.structures.bond_files import read_bond_lengths, read_bond_list
    from lamplighter.structures.trajectory import read_start

    limits, reference, notes = _limits(source, asked, preset, reference)
    listed = read_bond_list(Path(bonds)) if bonds != "geometry" else None
    lengths = read_bond_lengths(Path(reference)) if reference not in ("mean", "initial") else None

    frames = iter(source)
    first = next(frames, None)
    if first is None:
        dropped = source.frames.dropped
        raise LamplighterError(f"{source.path} holds no whole frame" + (f": {dropped}" if dropped else ""))
    for criterion, reason in lacking(first, limits).items():
        name = criterion.replace(" ", "_")
        if name in asked:
            option = "--" + name.replace("_", "-")
            raise LamplighterError(f"{option} cannot be checked: {reason}")
        limits = replace(limits, **{name: None})
        notes.append(f"{criterion} was not checked: {reason}")
    origin = read_start(start, source.types) if start is not None else first
    watched = bonds_of(origin, reference, tolerance, listed, lengths) if limits.watch_bonds else None
    if source.guard is not None:
        notes += source.guard.notes
    made = StabilityCheck(origin, limits, watched)
    result = check_frames(made, chain([first], frames), to_the_end=every_violation)
    if source.frames.dropped:
        notes.append(f"{source.path.name}: {source.frames.dropped}")
    if watched is not None and len(watched.ids) == 0:
        notes.append("there are no bonds in the reference frame, so the bond criterion watches nothing")
    if result.blind_from is not None:
        notes.append(
            f"from frame {result.blind_from} on the box is so small that a bond at its limit cannot be told from its "
            "image"
        )
    return _Made(result, _in_words(limits), None if watched is None else len(watched.ids), reference, notes)


def _limits(
    source: TrajectorySource, asked: dict[str, Any], preset: str | None, reference: str | None
) -> tuple[Any, str, list[str]]:
    """The limits: those asked for, over those of the preset, else of the run's own guard."""
    from lamplighter.analysis.stability_check import Limits
    from lamplighter.config.guard import PRESETS, Guard

    words: list[str] = []
    notes: list[str] = []
    if preset is not None:
        if preset not in PRESETS:
            raise LamplighterError(f"--preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        words = Guard.model_validate(preset).criteria
    elif source.guard is not None:
        watched = source.guard.watched()
        words = watched.criteria
        reference = reference or watched.reference
    given: dict[str, Any] = {}
    for word in words:
        name, values = _criterion_of(word)
        if name in Limits.__dataclass_fields__:
            given[name] = values if len(values) > 1 else values[0]
        else:
            notes.append(f"the run's guard also watched '{word}', which a trajectory does not show")
    limits = Limits(**{**given, **asked})
    if not limits.criteria:
        raise LamplighterError(
            "nothing to check: give --preset stability, or at least one of --bond-stretch, --bond-ratio, --density, "
            "--temperature, --force, --energy"
        )
    return limits, reference or "mean", notes


def _criterion_of(words: str) -> tuple[str, tuple[float, ...]]:
    """`density 0.2 2` as `("density", (0.2, 2.0))`."""
    parts = words.split()
    names = [part for part in parts if part[0].isalpha()]
    return "_".join(names), tuple(float(part) for part in parts[len(names) :])


def _in_words(limits: Any) -> list[str]:
    from lamplighter.analysis.stability_check import UNITS
    from lamplighter.report.events_text import format_limit

    return [f"{name} {format_limit(limits.of(name), UNITS[name])}" for name in limits.criteria]


def _as_json(made: _Made) -> dict[str, Any]:
    from dataclasses import asdict

    result = made.result
    return {
        "t_stab_ps": result.t_stab_ps,
        "censored": result.censored,
        "last_good_ps": result.last_good_ps,
        "violations": [asdict(each) for each in result.violations],
        "n_frames": result.n_frames,
        "n_bonds": made.n_bonds,
        "reference": made.reference,
        "criteria": made.criteria,
        "notes": made.notes,
    }
