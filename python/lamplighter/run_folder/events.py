"""What the guard of a run found: `events.jsonl` of a run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.errors import RunFolderError
from lamplighter.guard_criteria import CRITERIA
from lamplighter.run_folder.names import EVENTS


@dataclass(frozen=True)
class Event:
    """One line of `events.jsonl`; docs/reference/fix_guard.md describes them.

    Attributes:
        step: Step at which it began.
        time: In the units of time of the run (metal: ps).
        criterion: What was violated.
        value: What was found; None: it was not a finite number.
        limit: The limit, or both bounds.
        action: "stop" or "record".
        atoms, elements, ranks: The atoms, worst first; their elements and the MPI ranks that had them.
        line: The line itself.
        units: LAMMPS' unit style of the run.
        cause: What is known beyond the numbers, as of a model that gave what is no number; empty: nothing.
    """

    step: int
    time: float | None
    criterion: str
    value: float | None
    limit: float | tuple[float, float] | None
    action: str
    atoms: list[int]
    elements: list[str]
    ranks: list[int]
    line: str
    units: str = "metal"
    cause: str = ""

    @property
    def unit(self) -> str:
        """Unit of value and limit; empty where there is none, or it is not known."""
        return next((each.unit_in(self.units) for each in CRITERIA if each.name == self.criterion), "")


def read_events(folder: Path) -> list[Event]:
    """All events of a run folder, in order; none where the file is missing.

    Raises:
        RunFolderError: the file cannot be read, or a line in it is damaged; the line is named.
    """
    path = folder / EVENTS
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise RunFolderError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    return [_event(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _event(line: str, where: str) -> Event:
    try:
        given: dict[str, Any] = json.loads(line)
        limit = given.get("limit")
        return Event(
            step=int(given["step"]),
            time=None if given.get("time") is None else float(given["time"]),
            criterion=str(given["criterion"]),
            value=None if given.get("value") is None else float(given["value"]),
            limit=(float(limit[0]), float(limit[1])) if isinstance(limit, list) else limit,
            action=str(given.get("action", "")),
            atoms=[int(atom) for atom in given.get("atoms", [])],
            elements=[str(element) for element in given.get("elements", [])],
            ranks=[int(rank) for rank in given.get("ranks", [])],
            line=line,
            units=str(given.get("units", "metal")),
            cause=str(given.get("cause", "")),
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise RunFolderError(
            f"{where} is damaged: it is no event ({line.strip()[:60]!r}); mend the line or take it out"
        ) from None
