"""Start structures: what LAMMPS gets, and what is refused with its reason."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols
from ase.units import fs

from lamplighter.config import StructureSection
from lamplighter.errors import StructureError
from lamplighter.structures import read_start_structure
from lamplighter.structures.frame import number_of_mass
from lamplighter.structures.isotopes import may_have, standard_mass
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.trajectory import read_start

WATER_DATA = """LAMMPS data file

3 atoms
2 atom types

0.0 10.0 xlo xhi
0.0 10.0 ylo yhi
0.0 10.0 zlo zhi
{tilt}
{masses}
Atoms # charge

1 1 -0.8 5.0 5.0 5.0
2 2 0.4 5.9 5.0 5.0
3 2 0.4 4.7 5.9 5.0
"""
MASSES = "\nMasses\n\n1 15.999\n2 1.008 # H\n"


def structure(path: Path, **settings: Any) -> Any:
    return read_start_structure(StructureSection(file=path, **settings))


def written(folder: Path, atoms: Atoms, name: str = "start.xyz") -> Path:
    ase.io.write(folder / name, atoms)
    return folder / name


def data_file(folder: Path, masses: str = MASSES, tilt: str = "", name: str = "water.data") -> Path:
    path = folder / name
    path.write_text(WATER_DATA.format(masses=masses, tilt=tilt), encoding="utf-8")
    return path


def test_a_periodic_structure_is_written_with_types_by_atomic_number(tmp_path: Path) -> None:
    atoms = Atoms("OHCH", positions=np.eye(4, 3) * 2, cell=[5, 6, 7], pbc=True)
    start = structure(written(tmp_path, atoms))
    assert start.elements == ("H", "C", "O")
    assert start.periodic
    assert not start.triclinic
    start.write(tmp_path / "structure.data")
    again = ase.io.read(tmp_path / "structure.data", format="lammps-data")
    assert again.get_chemical_symbols() == ["O", "H", "C", "H"]
    np.testing.assert_allclose(again.positions, atoms.positions, atol=1e-12)
    np.testing.assert_allclose(again.cell.array, atoms.cell.array, atol=1e-12)


def test_a_tilted_cell_keeps_all_distances(tmp_path: Path) -> None:
    atoms = ase.build.bulk("Si", "diamond", a=5.43)
    atoms.set_cell(atoms.cell[[1, 2, 0]], scale_atoms=False)
    start = structure(written(tmp_path, atoms))
    assert start.triclinic
    start.write(tmp_path / "structure.data")
    again = ase.io.read(tmp_path / "structure.data", format="lammps-data")
    assert again.get_volume() == pytest.approx(atoms.get_volume())
    assert again.get_distance(0, 1, mic=True) == pytest.approx(atoms.get_distance(0, 1, mic=True))


def test_a_molecule_without_a_cell_gets_room_around_it(tmp_path: Path) -> None:
    start = structure(written(tmp_path, ase.build.molecule("CH3OH")))
    assert start.boundary == ("m", "m", "m")
    assert not start.has_cell
    start.write(tmp_path / "structure.data")
    again = ase.io.read(tmp_path / "structure.data", format="lammps-data")
    scaled = again.get_scaled_positions(wrap=False)
    assert ((scaled > 0) & (scaled < 1)).all()


def test_a_slab_is_open_along_its_normal(tmp_path: Path) -> None:
    slab = ase.build.fcc111("Al", (2, 2, 3), vacuum=8.0, orthogonal=True)
    assert structure(written(tmp_path, slab)).boundary == ("p", "p", "m")


def test_periodicity_can_be_set(tmp_path: Path) -> None:
    atoms = Atoms("Ar", cell=[5, 5, 5], pbc=False)
    assert structure(written(tmp_path, atoms), periodic=[True, True, True]).periodic


def test_velocities_are_kept(tmp_path: Path) -> None:
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.set_velocities(np.full((4, 3), 0.01))
    start = structure(written(tmp_path, atoms, "moving.traj"))
    assert start.has_velocities
    start.write(tmp_path / "structure.data")
    again = ase.io.read(tmp_path / "structure.data", format="lammps-data")
    np.testing.assert_allclose(again.get_velocities(), 0.01, rtol=1e-6)


def test_lammps_data_is_taken_as_it_is(tmp_path: Path) -> None:
    path = data_file(tmp_path)
    start = structure(path)
    assert (start.elements, start.atom_style, start.n_atoms) == (("O", "H"), "charge", 3)
    start.write(tmp_path / "copy.data")
    assert (tmp_path / "copy.data").read_text() == path.read_text()


def test_gzipped_lammps_data_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "water.data.gz"
    path.write_bytes(gzip.compress(data_file(tmp_path).read_bytes()))
    start = structure(path)
    start.write(tmp_path / "copy.data")
    assert (tmp_path / "copy.data").read_text().startswith("LAMMPS data file")


def test_a_tilted_lammps_box_is_seen(tmp_path: Path) -> None:
    assert structure(data_file(tmp_path, tilt="1.0 0.0 0.0 xy xz yz")).triclinic


def test_type_labels_are_elements(tmp_path: Path) -> None:
    masses = "\nAtom Type Labels\n\n1 O\n2 H\n\nMasses\n\nO 15.999\nH 1.008\n"
    assert structure(data_file(tmp_path, masses)).elements == ("O", "H")


def test_lammps_data_without_masses_needs_elements(tmp_path: Path) -> None:
    path = data_file(tmp_path, masses="")
    with pytest.raises(StructureError, match=r"gives no mass for atom type 1; give structure.elements"):
        structure(path)
    start = structure(path, elements=["O", "H"])
    assert start.masses == pytest.approx((15.999, 1.008))


@pytest.mark.parametrize(
    ("masses", "elements", "expected"),
    [
        (MASSES, ["O"], r"structure.elements has 1 elements \(O\), but .* has 2 atom types"),
        (MASSES, ["O", "Hx"], "'Hx' is not an element"),
        ("\nMasses\n\n1 14.027\n2 1.008\n", None, "atom type 1 of .* has mass 14.027 g/mol, which tells no element"),
        ("\nMasses\n\n1 heavy\n2 1.008\n", None, "cannot be read"),
        (
            "\nMasses\n\n1 12.011 # Co\n2 1.008 # H\n",
            None,
            "type 1 of .* is named Co, and its mass 12.011 g/mol is that of C",
        ),
        (
            "\nAtom Type Labels\n\n1 N\n2 H\n\nMasses\n\nN 15.999\nH 1.008\n",
            None,
            "named N, and its mass 15.999 .* of O",
        ),
        ("\nMasses\n\n1 14.027 # C\n2 1.008 # H\n", None, "named C, and its mass 14.027 .* no isotope of it"),
        ("\nMasses\n\n1 30.97 # Si\n2 1.008 # H\n", None, "named Si, and its mass 30.97 .* that of P"),
        (MASSES, ["H", "O"], r"type 1 is given as H \(1.008 g/mol\), but its mass in .* is 15.999 g/mol, that of O"),
    ],
)
def test_types_without_an_element_are_refused(
    tmp_path: Path, masses: str, elements: list[str] | None, expected: str
) -> None:
    with pytest.raises(StructureError, match=expected):
        structure(data_file(tmp_path, masses), elements=elements)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"structure.file: .*nowhere.xyz does not exist"):
        structure(tmp_path / "nowhere.xyz")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.xyz").write_text("this is no structure\n")
    with pytest.raises(StructureError, match=r"ASE cannot read .*bad.xyz"):
        structure(tmp_path / "bad.xyz")


def test_a_frame_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, Atoms("Ar", cell=[9, 9, 9], pbc=True))
    with pytest.raises(StructureError, match=r"structure.index: .* has no frame 3"):
        structure(path, index=3)


def test_nan_positions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "nan.xyz").write_text("2\n\nAr 0 0 0\nAr nan 0 0\n")
    with pytest.raises(StructureError, match=r"not finite: atom 1 \(Ar\)"):
        structure(tmp_path / "nan.xyz")


def test_overlapping_atoms_are_named_also_across_the_boundary(tmp_path: Path) -> None:
    atoms = Atoms("HO", positions=[[0.02, 0, 0], [8.97, 0, 0]], cell=[9, 9, 9], pbc=True)
    with pytest.raises(StructureError, match=r"atoms 0 \(H\) and 1 \(O\) .* are 0.05 Å apart"):
        structure(written(tmp_path, atoms))


@pytest.mark.parametrize("periodic", [(True, True, True), (True, False, True), (False, False, False)])
def test_a_left_handed_cell_keeps_its_lattice_and_is_not_mirrored(
    tmp_path: Path, periodic: tuple[bool, bool, bool]
) -> None:
    atoms = Atoms("ArKrNeXe", [[0.5, 0.5, 0.5], [3, 1, 1], [1, 3.7, 1.5], [1, 1, 4.1]], pbc=periodic)
    atoms.cell = [[0, 7, 0], [6, 0, 0], [0, 0, 8]]
    found = structure(written(tmp_path, atoms))
    assert any("left-handed" in note for note in found.notes)
    found.write(tmp_path / "structure.data")
    read = ase.io.read(tmp_path / "structure.data", format="lammps-data", atom_style="atomic")
    read.pbc = periodic
    np.testing.assert_allclose(read.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-9)
    edges, own = (each.get_distances(0, [1, 2, 3], mic=True, vector=True) for each in (read, atoms))
    assert np.linalg.det(edges) == pytest.approx(np.linalg.det(own))  # its mirror image has the other sign


def test_a_tilted_open_direction_is_refused(tmp_path: Path) -> None:
    atoms = Atoms("Ar", cell=[[5, 0, 0], [0, 5, 0], [2, 0, 9]], pbc=[True, True, False])
    with pytest.raises(StructureError, match=r"not periodic along c and tilted"):
        structure(written(tmp_path, atoms))


@pytest.mark.parametrize(
    ("masses", "elements", "expected"),
    [
        ("\nMasses\n\n1 17.999 # O\n2 2.014 # H\n", None, ("O", "H")),  # isotopes, by name
        ("\nMasses\n\n1 15.999\n2 2.0141\n", None, ("O", "H")),  # and by a mass that no other element has
        ("\nMasses\n\n1 16 # O\n2 1 # H\n", None, ("O", "H")),
        ("\nMasses\n\n1 13.019 # CH\n2 1.008\n", ["C", "H"], ("C", "H")),  # no element's mass: the user says
    ],
)
def test_masses_of_isotopes_and_rounded_ones_agree_with_their_names(
    tmp_path: Path, masses: str, elements: list[str] | None, expected: tuple[str, ...]
) -> None:
    assert structure(data_file(tmp_path, masses), elements=elements).elements == expected


def test_every_element_may_have_its_standard_mass_however_rounded() -> None:
    for symbol, mass in zip(chemical_symbols[1:104], atomic_masses[1:104], strict=True):
        assert all(may_have(symbol, round(mass, digits)) for digits in (1, 2, 3, 6)), symbol
    # of neighbours in the table that lie close to each other, the other's mass is not one of its own
    for one, other in (("Ar", "Ca"), ("Co", "Ni"), ("Te", "I"), ("C", "N"), ("N", "O"), ("H", "He")):
        assert not may_have(one, standard_mass(other)), (one, other)
        assert not may_have(other, standard_mass(one)), (one, other)


@pytest.mark.parametrize("name", ["start.xyz", "start.traj", "start.json"])
def test_an_isotope_is_a_type_of_its_own(tmp_path: Path, name: str) -> None:
    atoms = Atoms("HOHO", positions=np.eye(4, 3) * 2, cell=[5, 6, 7], pbc=True)
    atoms.set_masses([2.014, 15.999, 1.008, 15.999])
    atoms.set_velocities(np.arange(12).reshape(4, 3) * 0.01)
    start = structure(written(tmp_path, atoms, name), atom_style="charge")
    assert start.elements == ("H", "H", "O")
    start.write(tmp_path / "structure.data")
    assert structure(tmp_path / "structure.data").elements == ("H", "H", "O")
    frame = read_start(tmp_path / "structure.data", AtomTypes({}, {}))
    assert frame.numbers.tolist() == [1, 8, 1, 8]
    assert frame.masses == pytest.approx([2.014, 15.999, 1.008, 15.999])
    if name != "start.xyz":  # extended XYZ holds momenta only if it is told to
        np.testing.assert_allclose(frame.velocities * 1e-3 / fs, atoms.get_velocities(), atol=1e-12)
    assert [number_of_mass(mass) for mass in (1.008, 2.014, 13.00335, 17.999, 13.019)] == [1, 1, 6, 8, 0]


def test_deuterium_of_a_crystallographic_file_is_heavy_hydrogen(tmp_path: Path) -> None:
    loop = (
        "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    )
    cell = "".join(
        f"_cell_length_{axis} 5.0\n_cell_angle_{angle} 90\n"
        for axis, angle in zip("abc", ("alpha", "beta", "gamma"), strict=True)
    )
    (tmp_path / "heavy.cif").write_text(f"data_x\n{cell}{loop}O1 O 0 0 0\nD1 D 0.2 0 0\nH1 H 0 0.2 0\n")
    start = structure(tmp_path / "heavy.cif")
    start.write(tmp_path / "structure.data")
    masses = [line.split() for line in (tmp_path / "structure.data").read_text().splitlines() if "#" in line][:3]
    assert [(words[3], round(float(words[1]), 2)) for words in masses] == [("H", 1.01), ("H", 2.01), ("O", 16.0)]


@pytest.mark.parametrize("column", ["masses", "mass"])
def test_a_mass_that_its_element_cannot_have_is_refused_with_both(tmp_path: Path, column: str) -> None:
    head = f'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:{column}:R:1 pbc="T T T"'
    (tmp_path / "odd.xyz").write_text(f"2\n{head}\nC 0 0 0 12.011\nCo 2 0 0 12.011\n")
    with pytest.raises(
        StructureError, match=r"atom 1 of .* is Co \(58.933\d* g/mol\), and its mass in the file is 12.011"
    ):
        structure(tmp_path / "odd.xyz")


WATER_PDB = """REMARK {remark}
{cryst}
ATOM      1  OW  HOH A   1       0.000   0.000   0.000  1.00  0.00           {oxygen}
ATOM      2  HW1 HOH A   1       0.957   0.000   0.000  1.00  0.00           H
HETATM    3  CA  ALA A   2       6.000   2.000   0.000  1.00  0.00           C
HETATM    4 CA    CA A   3       6.000   6.000   0.000  1.00  0.00          CA
END
"""


def pdb_file(folder: Path, edges: str, remark: str = "", oxygen: str = "O") -> Path:
    cryst = f"CRYST1{edges}  90.00  90.00  90.00 P 1           1"
    path = folder / "water.pdb"
    path.write_bytes(WATER_PDB.format(remark=remark, cryst=cryst, oxygen=oxygen).encode("latin-1"))
    return path


@pytest.mark.parametrize("edges", ["    1.000    1.000    1.000", "    0.000    0.000    0.000"])
def test_a_placeholder_of_a_pdb_file_is_no_cell(tmp_path: Path, edges: str) -> None:
    start = structure(pdb_file(tmp_path, edges))
    assert (start.has_cell, start.boundary, start.elements) == (False, ("m", "m", "m"), ("H", "C", "O", "Ca"))
    assert "CRYST1 record of" in start.notes[0]
    whole = structure(pdb_file(tmp_path, "   10.000   10.000   10.000"))
    assert (whole.periodic, whole.notes) == (True, ())


def test_a_box_of_zeros_of_gromacs_is_no_cell(tmp_path: Path) -> None:
    rows = "    1SOL     OW    1   0.000   0.000   0.000\n    1SOL    HW1    2   0.100   0.000   0.000\n"
    (tmp_path / "water.gro").write_text(f"water\n    2\n{rows}   0.00000   0.00000   0.00000\n")
    assert not structure(tmp_path / "water.gro").has_cell


def test_a_cell_denser_than_any_matter_is_refused(tmp_path: Path) -> None:
    atoms = Atoms("OH", positions=[[0, 0, 0], [0.5, 0.5, 0]], cell=[1, 1, 1], pbc=True)
    with pytest.raises(StructureError, match="1 Å³ for 2 atoms, denser than any matter: is it a placeholder"):
        structure(written(tmp_path, atoms))
    assert not structure(written(tmp_path, atoms), periodic=[False, False, False]).periodic


def test_a_name_and_an_element_of_a_pdb_file_agree(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"atom 1 of .* is named 'OW' \(O\), and its element is N"):
        structure(pdb_file(tmp_path, "   10.000   10.000   10.000", oxygen="N"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("liquid.xyz", "2\nMüller Å\nO 0 0 0\nH 1 0 0\n"),
        ("POSCAR", "Müller Å\n1.0\n9 0 0\n0 9 0\n0 0 9\nO H\n1 1\nCartesian\n0 0 0\n1 0 0\n"),
        ("liquid.xyz.gz", "2\nMüller Å\nO 0 0 0\nH 1 0 0\n"),
    ],
)
def test_comments_in_latin_1_are_read(tmp_path: Path, name: str, text: str) -> None:
    content = text.encode("latin-1")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert structure(tmp_path / name).elements == ("H", "O")
    assert structure(pdb_file(tmp_path, "   10.000   10.000   10.000", remark="Müller")).periodic


def test_deuterium_by_name_is_told_how_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "heavy.xyz").write_text("2\n\nO 0 0 0\nD 1 0 0\n")
    with pytest.raises(StructureError, match=r"write deuterium and tritium as H, and their masses \(2.014"):
        structure(tmp_path / "heavy.xyz")
