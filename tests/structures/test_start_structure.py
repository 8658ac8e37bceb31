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

from lamplighter.config import Structure
from lamplighter.errors import StructureError
from lamplighter.structures import read_start_structure

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
    return read_start_structure(Structure(file=path, **settings))


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


def test_a_left_handed_cell_is_refused(tmp_path: Path) -> None:
    atoms = Atoms("Ar", cell=[[0, 5, 0], [5, 0, 0], [0, 0, 5]], pbc=True)
    with pytest.raises(StructureError, match=r"left-handed"):
        structure(written(tmp_path, atoms))


def test_a_tilted_open_direction_is_refused(tmp_path: Path) -> None:
    atoms = Atoms("Ar", cell=[[5, 0, 0], [0, 5, 0], [2, 0, 9]], pbc=[True, True, False])
    with pytest.raises(StructureError, match=r"not periodic along c and tilted"):
        structure(written(tmp_path, atoms))
