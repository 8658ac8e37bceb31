"""Molecules as moltemplate itself converts them: its program run on their atom types, and its output read.

What its tables lack (an angle of carbonates, the bonds and angles of PF6-) is given to it in numbers, in kcal/mol, Å
and degrees, as LAMMPS' harmonic styles have them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from electrolytes import kind

OCO = (75.6, 111.29)  # GAFF
PF = (1550.0 / 4.184, 1.606)  # Canongia Lopes et al. 2004
FPF = (582.5 / 4.184, 90.0)
ATOM_TYPES = {
    # by the order of atoms in the SMILES of `electrolytes`, hydrogens last
    "EC": "771 772 773 774 774 773 777 777 777 777",
    "EMC": "54 774 773 772 771 773 789 60 60 60 777 777 777 777 777",
    "PC": "776 775 774 773 772 771 773 779 779 779 778 777 777",
    "DEC": "54 774 773 772 771 773 774 54 60 60 60 777 777 777 777 60 60 60",
    "DMC": "789 773 772 771 773 789 777 777 777 777 777 777",
    "Li": "406",
    "Na": "407",
    "Cl": "401",
    "PF6": "786 785 786 786 786 786 786",
}


@dataclass
class Converted:
    """A molecule in kcal/mol, Å, e and degrees; atoms by places from 0."""

    masses: list[float] = field(default_factory=list)
    charges: list[float] = field(default_factory=list)
    lennard_jones: list[tuple[float, float]] = field(default_factory=list)  # ε, σ
    terms: dict[str, list[tuple[tuple[int, ...], tuple[float, ...]]]] = field(
        default_factory=lambda: {each: [] for each in ("Bonds", "Angles", "Dihedrals", "Impropers")}
    )


def converted(folder: Path) -> dict[str, Converted]:
    """All molecules of `ATOM_TYPES`, by moltemplate's program."""
    (folder / "system.lt").write_text(_input(), encoding="utf-8")
    tools = Path(sys.executable).parent
    subprocess.run(
        ["bash", str(tools / "moltemplate.sh"), "-nocheck", "system.lt"],
        cwd=folder,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        timeout=250,
    )
    return _read(folder)


def _input() -> str:
    lines = ['import "oplsaa2024.lt"']
    for name, types in ATOM_TYPES.items():
        component = kind(name).component
        lines.append(f"{name} inherits OPLSAA {{")
        lines.append('  write_once("In Settings") {')
        lines += [f"    bond_coeff @bond:PF {PF[0]} {PF[1]}", f"    angle_coeff @angle:FPF {FPF[0]} {FPF[1]}"]
        lines += [f"    angle_coeff @angle:OCO {OCO[0]} {OCO[1]}", "  }", '  write("Data Atoms") {']
        for number, (word, (x, y, z)) in enumerate(zip(types.split(), kind(name).positions, strict=True), start=1):
            lines.append(f"    $atom:a{number} $mol:m @atom:{word} 0.0 {x} {y} {z}")
        lines.append("  }")
        ion = name == "PF6"
        lines.append(f'  write("Data {"Bonds" if ion else "Bond List"}") {{')
        lines += [
            f"    $bond:b{number} {'@bond:PF ' if ion else ''}$atom:a{first} $atom:a{second}"
            for number, (first, second) in enumerate(component.bonds, start=1)
        ]
        lines += ["  }", '  write("Data Angles") {']
        for number, (first, centre, second) in enumerate(_angles_by_hand(name), start=1):
            what = "FPF" if ion else "OCO"
            lines.append(f"    $angle:h{number} @angle:{what} $atom:a{first} $atom:a{centre} $atom:a{second}")
        lines += ["  }", "}", f"one_{name} = new {name}"]
    return "\n".join(lines) + "\n"


def _angles_by_hand(name: str) -> list[tuple[int, int, int]]:
    """F–P–F of neighbouring fluorines, and O–C–O between the two ester oxygens of a carbonate; from 1."""
    component, positions = kind(name).component, kind(name).positions
    types = ATOM_TYPES[name].split()
    wanted = "786" if name == "PF6" else "773"
    centres = [place for place, word in enumerate(types) if word in ("785", "772")]
    ends = [place for place, word in enumerate(types) if word == wanted]
    found = []
    for centre in centres:
        bonded = [end for end in ends if (min(centre, end) + 1, max(centre, end) + 1) in
                  {(min(bond), max(bond)) for bond in component.bonds}]  # fmt: skip
        for first, second in combinations(bonded, 2):
            if np.dot(positions[first] - positions[centre], positions[second] - positions[centre]) > -1.5:
                found.append((first + 1, centre + 1, second + 1))
    return found


def _read(folder: Path) -> dict[str, Converted]:
    coefficients: dict[tuple[str, int], tuple[float, ...]] = {}
    charges: dict[int, float] = {}
    for line in (folder / "system.in.settings").read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words and words[0].endswith("_coeff"):
            values = words[3:] if words[0] == "pair_coeff" else words[2:]
            coefficients[words[0], int(words[1])] = tuple(float(value) for value in values)
    for line in (folder / "system.in.charges").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:2] == ["set", "type"]:
            charges[int(words[2])] = float(words[4])
    sections: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for line in (folder / "system.data").read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words and words[0].isalpha() and words[0][0].isupper():
            rows = sections.setdefault(words[0], [])
        elif words:
            rows.append(words)
    masses = {int(number): float(mass) for number, mass in (row[:2] for row in sections["Masses"])}
    made = {name: Converted() for name in ATOM_TYPES}
    place: dict[int, tuple[str, int]] = {}
    names = list(ATOM_TYPES)
    for row in sorted(sections["Atoms"], key=lambda each: int(each[0])):
        name, type_ = names[int(row[1]) - 1], int(row[2])
        molecule = made[name]
        place[int(row[0])] = name, len(molecule.masses)
        molecule.masses.append(masses[type_])
        molecule.charges.append(charges[type_])
        epsilon, sigma = coefficients["pair_coeff", type_]
        molecule.lennard_jones.append((epsilon, sigma))
    for title, word in (("Bonds", "bond"), ("Angles", "angle"), ("Dihedrals", "dihedral"), ("Impropers", "improper")):
        for row in sections.get(title, []):
            atoms = [place[int(each)] for each in row[2:]]
            term = tuple(each for _, each in atoms), coefficients[f"{word}_coeff", int(row[1])]
            made[atoms[0][0]].terms[title].append(term)
    return made
