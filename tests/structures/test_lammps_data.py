"""LAMMPS data files of any unit style, encoding and origin, as LAMMPS reads what a run makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.lammps import convert

from lamplighter.config import StructureSection
from lamplighter.errors import StructureError
from lamplighter.structures import read_start_structure
from lamplighter.structures.lammps_dump import AtomTypes, LammpsDump
from lamplighter.structures.trajectory import open_trajectory, read_start
from lamplighter.structures.unit_styles import UNIT_STYLES

Run = Callable[..., Any]

# 27 atoms at 300 K, charged, in a tilted box of 12 Å; lengths and masses are those of the unit style.
WRITING = """
units           {units}
atom_style      charge
region          box prism 0 {edge} 0 {edge} 0 {edge} {tilt} 0 0
create_box      1 box
lattice         sc {spacing}
create_atoms    1 region box
mass            1 {mass}
set             group all charge {charge}
pair_style      zero {cutoff} nocoeff
pair_coeff      * *
neighbor        {skin} bin
velocity        all create 300 1 dist gaussian
write_data      {units}.data
write_dump      all custom {units}.dump id type x y z vx vy vz modify units yes sort id format float %.15g
clear
"""
READING = """
units           metal
atom_style      {style}
read_data       {file}
pair_style      zero 4.0 nocoeff
pair_coeff      * *
run             0 post no
print           "{name} $(temp:%.12g) $(lx:%.12g) $(xy:%.12g) $(mass(all):%.12g)" append found.txt
clear
"""


def in_metal(units: str, quantity: str, value: float) -> str:
    return f"{convert(value, quantity, 'metal', units):.17g}"


def found(folder: Path) -> dict[str, list[float]]:
    lines = (folder / "found.txt").read_text().splitlines()
    return {words[0]: [float(word) for word in words[1:]] for words in map(str.split, lines)}


def test_a_data_file_of_any_unit_style_is_the_same_system_in_lammps(run: Run, lmp: Path, tmp_path: Path) -> None:
    lengths = {"edge": 12.0, "tilt": 2.0, "spacing": 4.0, "cutoff": 2.0, "skin": 0.5}
    script = "".join(
        WRITING.format(
            units=units,
            mass=in_metal(units, "mass", 39.948),
            charge=in_metal(units, "charge", 0.25),
            **{name: in_metal(units, "distance", value) for name, value in lengths.items()},
        )
        for units in UNIT_STYLES
    )
    (tmp_path / "in.write").write_text(script)
    done = run([lmp, "-in", "in.write", "-log", "none"])
    assert done.returncode == 0, done.stdout
    reading = ""
    for units in UNIT_STYLES:
        start = read_start_structure(StructureSection(file=tmp_path / f"{units}.data"))
        assert start.elements == ("Ar",)
        assert (start.atom_style, start.has_velocities, start.triclinic) == ("charge", True, True)
        assert any(f"units {units}" in note for note in start.notes) == (units != "metal")
        start.write(tmp_path / f"{units}.metal")
        reading += READING.format(style="charge", file=f"{units}.metal", name=units)
        speeds = pytest.approx(_speeds(tmp_path / f"{units}.metal"), rel=1e-5)
        dumped = next(iter(LammpsDump(tmp_path / f"{units}.dump")))
        assert np.linalg.norm(dumped.velocities, axis=1) == speeds
        # ... and in what reads trajectories and start structures for analysis
        frame = read_start(tmp_path / f"{units}.data", AtomTypes({}, {}))
        assert frame.cell[1, 0] == pytest.approx(2.0, rel=1e-5)
        assert frame.masses == pytest.approx(np.full(27, 39.948), rel=1e-5)
        assert np.linalg.norm(frame.velocities, axis=1) == speeds
    (tmp_path / "in.read").write_text(reading)
    done = run([lmp, "-in", "in.read", "-log", "none"])
    assert done.returncode == 0, done.stdout
    for units, values in found(tmp_path).items():
        assert values == pytest.approx([300.0, 12.0, 2.0, 27 * 39.948], rel=1e-5), units
    charge = float((tmp_path / "si.metal").read_text().split("Atoms # charge")[1].split()[2])
    assert charge == pytest.approx(0.25, rel=1e-5)


def _speeds(path: Path) -> np.ndarray:
    rows = np.loadtxt(path.read_text().split("Velocities")[1].split("\n"))
    return np.linalg.norm(rows[np.argsort(rows[:, 0]), 1:4], axis=1)


BASE = """LAMMPS data file{first}

2 atoms
1 bonds
2 atom types
1 bond types

0.0 10.0 xlo xhi
0.0 10.0 ylo yhi
0.0 10.0 zlo zhi

Masses

1 15.999 # O
2 1.008 # H
{between}
Atoms{hint}

{atoms}
"""
FULL = "1 1 1 -0.8 5.0 5.0 5.0\n2 1 2 0.4 5.9 5.0 5.0\n\nBonds\n\n1 1 1 2\n"


def data_file(folder: Path, *, first: str = "", between: str = "", hint: str = "", atoms: str = FULL) -> Path:
    path = folder / "given.data"
    text = BASE.format(first=first, between=between, hint=hint, atoms=atoms)
    path.write_text(text, encoding="utf-8")
    return path


def test_lj_units_are_refused_with_the_reason(tmp_path: Path) -> None:
    path = data_file(tmp_path, first=" via write_data, version 22 Jul 2025, timestep = 0, units = lj")
    with pytest.raises(StructureError, match="units lj, whose numbers are multiples of a mass"):
        read_start_structure(StructureSection(file=path))
    assert read_start_structure(StructureSection(file=path, units="metal")).elements == ("O", "H")


def test_units_that_the_file_does_not_name_can_be_given(tmp_path: Path) -> None:
    start = read_start_structure(StructureSection(file=data_file(tmp_path), units="electron"))
    start.write(tmp_path / "made.data")
    assert "5.291772" in (tmp_path / "made.data").read_text()  # 10 Bohr
    with pytest.raises(StructureError, match=r"structure.units says units furlong, which LAMMPS does not know"):
        read_start_structure(StructureSection(file=data_file(tmp_path), units="furlong"))


def test_what_cannot_be_converted_is_named(tmp_path: Path) -> None:
    real = ", units = real"
    path = data_file(tmp_path, first=real, hint=" # sphere", atoms="1 1 1.0 1.0 5 5 5\n2 2 1.0 1.0 6 5 5\n")
    with pytest.raises(StructureError, match="units real and atom_style sphere, whose columns are not converted"):
        read_start_structure(StructureSection(file=path)).write(tmp_path / "made.data")
    path = data_file(tmp_path, first=real, atoms="1 1 1 -0.8 5.0 five 5.0\n2 1 2 0.4 5.9 5.0 5.0\n")
    with pytest.raises(StructureError, match="a line in Atoms whose column 6 is no number"):
        read_start_structure(StructureSection(file=path)).write(tmp_path / "made.data")


COEFFICIENTS = """
Pair Coeffs # lj/cut

1 0.1 3.0
2 0.0 1.0

PairIJ Coeffs

1 1 0.1 3.0

Bond Coeffs # harmonic

1 450.0 0.957

BondBond13 Coeffs

1 1.0 2.0 3.0

"""


def test_lammps_runs_what_it_would_stumble_over_in_the_file(run: Run, lmp: Path, tmp_path: Path) -> None:
    """Latin-1 comments, comments and empty lines within sections, coefficients, `full` without a hint."""
    path = data_file(tmp_path, between=COEFFICIENTS)
    text = path.read_text().replace("LAMMPS data file", "Wasser für Müller")
    text = text.replace("2 1.008 # H", "# Wasserstoff, heiß\n\n2 1.008 # H")
    text = text.replace("2 1 2 0.4", "# im Abstand 0,9 Å\n\n2 1 2 0.4").replace("Atoms\n", "# Å\nAtoms\n")
    path.write_bytes(text.encode("latin-1"))
    start = read_start_structure(StructureSection(file=path))
    assert (start.atom_style, start.elements) == ("full", ("O", "H"))
    (note,) = start.notes
    assert "(Pair Coeffs, PairIJ Coeffs, Bond Coeffs, BondBond13 Coeffs), which are left out" in note
    start.write(tmp_path / "made.data")
    (tmp_path / "in.read").write_text(READING.format(style="full", file="made.data", name="water"))
    done = run([lmp, "-in", "in.read", "-log", "none"])
    assert done.returncode == 0, done.stdout
    assert found(tmp_path)["water"][3] == pytest.approx(17.007)
    frame = read_start(path, AtomTypes({}, {}))
    assert frame.numbers.tolist() == [8, 1]


@pytest.mark.parametrize(
    ("rows", "style"),
    [
        ("1 1 5 5 5\n2 2 6 5 5", "atomic"),
        ("1 1 5 5 5 0 0 -1\n2 2 6 5 5 0 0 0", "atomic"),
        ("1 1 -0.8 5 5 5\n2 2 0.8 6 5 5", "charge"),
        ("1 7 1 5 5 5 0 0 0\n2 7 2 6 5 5 0 0 0", "molecular"),
        ("1 7 1 -0.8 5 5 5\n2 7 2 0.8 6 5 5", "full"),
        ("1 7 1 -0.8 5 5 5 1 0 0\n2 7 2 0.8 6 5 5 0 0 0", "full"),
    ],
)
def test_columns_tell_the_atom_style(tmp_path: Path, rows: str, style: str) -> None:
    path = data_file(tmp_path, atoms=rows + "\n")
    assert read_start_structure(StructureSection(file=path)).atom_style == style


def test_a_comment_that_is_no_style_is_no_hint(tmp_path: Path) -> None:
    assert (
        read_start_structure(StructureSection(file=data_file(tmp_path, hint=" # of all molecules"))).atom_style
        == "full"
    )
    assert read_start_structure(StructureSection(file=data_file(tmp_path, hint=" # full"))).atom_style == "full"


def test_velocities_in_units_that_are_not_named_are_said_to_be_metal(tmp_path: Path) -> None:
    path = data_file(tmp_path, atoms=FULL + "\nVelocities\n\n1 0 0 0\n2 0 0 0\n")
    assert (
        "names no units: its numbers are taken for those of units metal"
        in read_start_structure(StructureSection(file=path)).notes[0]
    )
    assert read_start_structure(StructureSection(file=path, units="metal")).notes == ()


def test_a_data_file_is_a_topology_whatever_its_encoding_and_units(tmp_path: Path) -> None:
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(2, trajectory=True)
    with MDAnalysis.Writer(str(tmp_path / "water.dcd"), 2) as writer:
        writer.write(universe.atoms)
    path = data_file(tmp_path, first=" für Müller, units = real", between=COEFFICIENTS)
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    frame = next(iter(open_trajectory(tmp_path / "water.dcd", topology=path)))
    assert (frame.numbers.tolist(), frame.masses.tolist()) == ([8, 1], [15.999, 1.008])


def test_columns_that_tell_no_atom_style_ask_for_it(tmp_path: Path) -> None:
    path = data_file(tmp_path, atoms="1 1 1.0 1.0 5 5 5\n2 2 1.0 1.0 6 5 5\n")  # a sphere: diameter and density
    with pytest.raises(StructureError, match=r"\(1 1 1.0 1.0 5 5 5\) tell no single one: write `Atoms # full`"):
        read_start_structure(StructureSection(file=path))
