"""The main output of CP2K, which ASE has no reader for: structure, energy, forces and stress of a single point.

Headings and columns are those of CP2K 8 to 2024 (`ATOMIC FORCES in [a.u.]`) and of 2025 and later (`FORCES|`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator

from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError

FORMAT = "cp2k-output"
"""Its name in command files, after the manner of ASE's formats."""

_FORCE_UNIT = units.Hartree / units.Bohr
_STRESS_UNITS = {"GPa": units.GPa, "bar": 1e5 * units.Pascal}
_UNIT = re.compile(r"\[(.*?)\]")


def read_cp2k_output(path: Path) -> Atoms:
    """The last evaluation of an output, as ASE's readers give it: with a calculator that holds the results.

    The cell is periodic; CP2K's stress is a pressure, positive under compression, and has its sign turned here.

    Args:
        path: What CP2K printed, with `PRINT_LEVEL MEDIUM` and the sections `FORCE_EVAL/PRINT/FORCES` and, for the
            stress, `FORCE_EVAL/PRINT/STRESS_TENSOR`.

    Returns:
        With `energy` (eV), `forces` (eV/Å) and `stress` (eV/Å³, shape (6,), Voigt order), as far as they are there.

    Raises:
        LamplighterError: it holds no coordinates or no cell, an energy or force is in another unit, or the cycles did
            not converge.
        OSError, ValueError: it cannot be read, or a number is none.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if any("SCF run NOT converged" in line for line in lines):
        raise LamplighterError("CP2K says that the SCF run did not converge")
    symbols, positions = _coordinates(lines)
    atoms = Atoms(symbols, positions, cell=_cell(lines), pbc=True)
    results: dict[str, object] = {}
    place = _last(lines, lambda line: line.strip().startswith("ENERGY| Total FORCE_EVAL"))
    if place is not None:
        _require_unit(lines[place], "a.u.", "hartree")
        results["energy"] = float(lines[place].split()[-1]) * units.Hartree
    forces = _forces(lines, len(atoms))
    if forces is not None:
        results["forces"] = forces
    stress = _stress(lines)
    if stress is not None:
        results["stress"] = stress
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _coordinates(lines: list[str]) -> tuple[list[str], Floats]:
    place = _last(lines, lambda line: "ATOMIC COORDINATES IN" in line.upper() and "ANGSTROM" in line.upper())
    rows = [] if place is None else _rows(lines, place + 1, lambda words: len(words) >= 8 and words[0].isdigit())
    if not rows:
        raise LamplighterError("it holds no atomic coordinates in Å: does the input say PRINT_LEVEL MEDIUM?")
    return [words[2] for words in rows], np.array([[float(word) for word in words[-5:-2]] for words in rows])


def _cell(lines: list[str]) -> Floats:
    vectors = []
    for axis in "abc":
        place = _last(lines, re.compile(rf"\s*CELL\| Vector {axis} \[angstrom\]").match)
        if place is None:
            raise LamplighterError(f"it holds no cell vector {axis} in Å: does the input say PRINT_LEVEL MEDIUM?")
        vectors.append([float(word) for word in lines[place].partition(":")[2].split()[:3]])
    return np.array(vectors)


def _forces(lines: list[str], n_atoms: int) -> Floats | None:
    place = _last(lines, lambda line: "ATOMIC FORCES in [" in line or "FORCES| Atomic forces [" in line)
    if place is None:
        return None
    _require_unit(lines[place], "a.u.", "hartree/bohr")
    if "FORCES|" in lines[place]:
        found = _rows(lines, place + 1, lambda words: words[0] == "FORCES|" and words[1].isdigit())
        columns = slice(2, 5)
    else:
        found = _rows(lines, place + 1, lambda words: len(words) == 6 and words[0].isdigit())
        columns = slice(3, 6)
    if len(found) != n_atoms:
        raise LamplighterError(f"it holds forces of {len(found)} atoms, and coordinates of {n_atoms}")
    return np.array([[float(word) for word in words[columns]] for words in found]) * _FORCE_UNIT


def _stress(lines: list[str]) -> Floats | None:
    place = _last(lines, lambda line: bool(re.search(r"STRESS\| (Analytical|Numerical) stress tensor \[", line)))
    if place is None:
        return None
    unit = _require_unit(lines[place], *_STRESS_UNITS)
    rows = _rows(lines, place + 1, lambda words: words[0] == "STRESS|" and words[1] in "xyz" and len(words) == 5)
    tensor = np.array([[float(word) for word in words[2:]] for words in rows[:3]]) * -_STRESS_UNITS[unit]
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = tensor
    return np.array([xx, yy, zz, yz, xz, xy])


def _last(lines: list[str], wanted: Callable[[str], object]) -> int | None:
    return next((place for place in reversed(range(len(lines))) if wanted(lines[place])), None)


def _rows(lines: list[str], begin: int, is_row: Callable[[list[str]], bool]) -> list[list[str]]:
    """The words of lines that are rows of a table, up to the first one after them that is none."""
    rows: list[list[str]] = []
    for line in lines[begin:]:
        words = line.split()
        if len(words) > 1 and is_row(words):
            rows.append(words)
        elif rows or (len(words) and words[0] == "ENERGY|"):
            break
    return rows


def _require_unit(line: str, *known: str) -> str:
    found = _UNIT.search(line)
    unit = found[1] if found else "none"
    if unit not in known:
        raise LamplighterError(f"it has {line.strip()!r} in the unit {unit}, expected {' or '.join(known)}")
    return unit
