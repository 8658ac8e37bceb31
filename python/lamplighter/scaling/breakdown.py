"""LAMMPS' own account of its runs, read from a log (LAMMPS documentation, "Screen and logfile output")."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOOP = re.compile(r"^Loop time of (\S+) on \d+ procs for (\d+) steps with \d+ atoms\s*$", re.M)
_SECTION = re.compile(r"^(Pair|Bond|Kspace|Neigh|Comm|Output|Modify|Sync|Other)\s*\|(.*)$", re.M)
_GHOSTS = re.compile(r"^Nghost:\s+(\S+) ave", re.M)
_BUILDS = re.compile(r"^Neighbor list builds = (\d+)", re.M)
_GRID = re.compile(r"^\s*(\d+) by (\d+) by (\d+) MPI processor grid", re.M)
_CUTOFF = re.compile(r"ghost atom cutoff = (\S+)")


@dataclass(frozen=True)
class TimedRun:
    """One `run` with its breakdown.

    Attributes:
        seconds: Of a step.
        steps: Made.
        parts: Seconds of a step in LAMMPS' sections, mean over ranks; `Comm` holds the waiting for other ranks, unless
            the timer synchronises: then `Sync` does.
        ghosts: Of a rank at the end, mean.
        builds: Of neighbour lists.
    """

    seconds: float
    steps: int
    parts: dict[str, float]
    ghosts: float
    builds: int


def timed_runs(log: str) -> list[TimedRun]:
    """All runs of a log that have a breakdown, in order."""
    found = list(_LOOP.finditer(log))
    runs = []
    for place, match in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(log)
        text = log[match.end() : end]
        if "MPI task timing breakdown" not in text or int(match[2]) == 0:
            continue
        steps = int(match[2])
        parts = {}
        for name, columns in _SECTION.findall(text):
            cells = [cell.strip() for cell in columns.split("|")]
            # min | avg | max | %varavg | %total; Other has avg alone
            parts[name] = float(cells[1] or cells[0] or 0.0) / steps
        ghosts, builds = _GHOSTS.search(text), _BUILDS.search(text)
        runs.append(
            TimedRun(
                float(match[1]) / steps,
                steps,
                parts,
                float(ghosts[1]) if ghosts else 0.0,
                int(builds[1]) if builds else 0,
            )
        )
    return runs


def grid_and_cutoff(log: str) -> tuple[list[int], float]:
    """Domains along x, y, z, and the cutoff of ghosts, Å, of the potential that the log begins with.

    Raises:
        ValueError: the log holds neither.
    """
    grids, cutoff = _GRID.findall(log), _CUTOFF.search(log)
    if not grids or cutoff is None:
        raise ValueError("the log names no processor grid, or no ghost cutoff")
    return [int(each) for each in grids[-1]], float(cutoff[1])
