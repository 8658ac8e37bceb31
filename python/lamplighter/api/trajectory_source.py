"""The trajectory that a command or a function was given, with its times and what options say of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lamplighter.errors import LamplighterError
from lamplighter.run_folder.run import Run

Time = str | float
"""A time with its unit, such as "100 ps", or a number of ps."""


@dataclass
class TrajectorySource:
    """A trajectory with its times, and what is known of it from elsewhere.

    Attributes:
        frames: Read with `iter`; has `dropped`.
        types: Elements and masses of atom types.
        run: Of a run folder: its other files.
        step_ps: Timestep of the simulation, ps.
        frame_ps: Time between frames, ps.
    """

    path: Path
    frames: Any
    types: Any
    run: Any = None
    step_ps: float | None = None
    frame_ps: float | None = None

    @property
    def fraction_read(self) -> float | None:
        """How much of the file has been read, from 0 to 1; None: not known."""
        fraction: float | None = getattr(self.frames, "fraction_read", None)
        return fraction

    def __iter__(self) -> Iterator[Any]:
        for frame in self.frames:
            if self.frame_ps is not None:
                frame = replace(frame, time_ps=frame.index * self.frame_ps)
            elif self.step_ps is not None:
                if frame.step is None:
                    raise LamplighterError(f"{self.path} does not number its steps: give --dt in place of --timestep")
                frame = replace(frame, time_ps=frame.step * self.step_ps)
            yield frame


def open_source(
    given: Path | Run,
    topology: str | os.PathLike[str] | None = None,
    elements: str | None = None,
    units: str | None = None,
    timestep: Time | None = None,
    dt: Time | None = None,
) -> TrajectorySource:
    """Open a run or a trajectory file; the other arguments are options of commands, as they were typed.

    Raises:
        LamplighterError: an option or the file cannot be understood.
    """
    from lamplighter.structures.lammps_dump import AtomTypes
    from lamplighter.structures.trajectory import open_trajectory
    from lamplighter.structures.unit_styles import UNIT_STYLES

    if timestep is not None and dt is not None:
        raise LamplighterError("give --timestep (of the simulation) or --dt (between frames), not both")
    if units is not None and units not in UNIT_STYLES:
        raise LamplighterError(f"--units must be one of {', '.join(UNIT_STYLES)}, got {units!r}")
    of_types, of_names = elements_option(elements), names_option(elements)
    types = AtomTypes(of_types, {}, of_names)
    step_ps, frame_ps = time_option("--timestep", timestep), time_option("--dt", dt)
    if isinstance(given, Run) or given.is_dir():
        run = given if isinstance(given, Run) else Run(given)
        return TrajectorySource(run.folder, run.trajectory_of(dict(types.elements)), types, run, step_ps, frame_ps)
    path, read_with = Path(given), None if topology is None else Path(topology)
    return TrajectorySource(
        path, open_trajectory(path, topology=read_with, types=types, units=units), types, None, step_ps, frame_ps
    )


def elements_option(text: str | None) -> dict[int, str]:
    """The elements of atom types 1, 2, … from `--elements "H C O"`; none where it was not given, or gives names.

    `NULL` stands for atoms that are left out.
    """
    from ase.data import chemical_symbols

    from lamplighter.structures.atom_names import LEFT_OUT

    if text is None or "=" in text:
        return {}
    symbols = text.replace(",", " ").split()
    for symbol in symbols:
        if symbol not in (*chemical_symbols[1:], LEFT_OUT):
            raise LamplighterError(f'--elements: {symbol!r} is not a chemical element (write e.g. --elements "H C O")')
    if not symbols:
        raise LamplighterError('--elements is empty; give one symbol for each atom type, e.g. "H C O"')
    return dict(enumerate(symbols, start=1))


def names_option(text: str | None) -> dict[str, str]:
    """The elements of named atoms from `--elements "OW=O HW1=H MW=NULL"`; none where it gives types."""
    from ase.data import chemical_symbols

    from lamplighter.structures.atom_names import LEFT_OUT

    if text is None or "=" not in text:
        return {}
    found = {}
    for word in text.replace(",", " ").split():
        name, _, symbol = word.rpartition("=")
        if not name or symbol not in (*chemical_symbols[1:], LEFT_OUT):
            raise LamplighterError(
                f"--elements: {word!r} is not NAME=SYMBOL; write e.g. --elements "
                '"OW=O HW1=H MW=NULL" (NULL leaves atoms out)'
            )
        found[name] = symbol
    return found


def time_option(option: str, text: Time | None) -> float | None:
    """A positive time in ps from an option's text; None where it was not given."""
    return None if text is None else _time(option, text, "positive")


def discard_option(text: Time, option: str = "--discard") -> float | None:
    """What `--discard` leaves out, ps; None: `auto`."""
    return None if text == "auto" else time_or_zero(option, text)


def time_or_zero(option: str, text: Time) -> float:
    """A time in ps from an option's text; `0` needs no unit."""
    return 0.0 if str(text).strip() in ("0", "0.0") else _time(option, text, "zero")


def _time(option: str, text: Time, minimum: str) -> float:
    from pydantic_core import PydanticCustomError

    from lamplighter.config.quantity import parse_quantity

    try:
        is_number = isinstance(text, int | float) and not isinstance(text, bool)
        return parse_quantity(f"{text} ps" if is_number else text, "time", minimum).metal
    except PydanticCustomError as problem:
        raise LamplighterError(f"{option}: {problem.message()}") from None
