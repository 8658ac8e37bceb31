"""Elements are those that a file states, or the user: types, names and numbers are never taken for them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from lamplighter.config.run_file import StructureSection
from lamplighter.errors import LamplighterError, StructureError, TrajectoryError
from lamplighter.structures.atom_names import element_of_name
from lamplighter.structures.frame import number_of_mass
from lamplighter.structures.labelled_frames import read_frames
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.start import read_start_structure
from lamplighter.structures.trajectory import open_trajectory, read_start

WATER = [(2, 0.0, 0.0, 0.0), (1, 0.9572, 0.0, 0.0), (1, -0.24, 0.9266, 0.0)]  # type 1 = H, 2 = O
HEAD = "ITEM: NUMBER OF ATOMS\n3\nITEM: BOX BOUNDS pp pp pp\n-1 9\n-1 9\n-1 9\nITEM: ATOMS id type x y z\n"


def zstd(content: bytes) -> bytes:
    return pytest.importorskip("zstandard").ZstdCompressor().compress(content)


COMPRESSIONS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


def dump(n_frames: int = 2) -> bytes:
    rows = "".join(f"{k} {kind} {x} {y} {z}\n" for k, (kind, x, y, z) in enumerate(WATER, 1))
    return "".join(f"ITEM: TIMESTEP\n{10 * k}\n{HEAD}{rows}" for k in range(n_frames)).encode()


@pytest.mark.parametrize("name", ["w.lammpstrj", "w.dump", "out", "w.traj", "w.xyz", "w.data"])
@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_types_of_a_dump_are_no_elements_whatever_its_name_and_compression(
    tmp_path: Path, name: str, suffix: str
) -> None:
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(COMPRESSIONS[suffix](dump()))
    frames = list(open_trajectory(path))
    assert len(frames) == 2
    assert not frames[0].numbers.any()  # and not hydrogen and helium
    (first, _) = open_trajectory(path, types=AtomTypes({1: "H", 2: "O"}, {}))
    assert first.numbers.tolist() == [8, 1, 1]
    with pytest.raises(StructureError, match="numbers atom types and names no elements: give"):
        read_start_structure(StructureSection(file=path))
    found = read_start_structure(StructureSection(file=path, elements=["H", "O"], index=0))
    assert found.elements == ("H", "O")
    found.write(tmp_path / "structure.data")
    atoms = ase.io.read(tmp_path / "structure.data", format="lammps-data", atom_style="atomic")
    assert atoms.get_chemical_formula() == "H2O"


def test_a_format_given_by_name_does_not_make_types_elements(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(dump())
    for file_format in ("lammps-dump-text", "xyz"):
        with pytest.raises(StructureError, match="names no elements"):
            read_start_structure(StructureSection(file=tmp_path / "w", format=file_format))
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(StructureError, match="holds the numbers of atom types"):
        read_start_structure(StructureSection(file=tmp_path / "binary", format="lammps-dump-binary"))


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_a_cut_off_file_of_any_compression_is_read_as_far_as_it_goes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.dump{suffix}"
    rng = np.random.default_rng(1)
    text = "".join(
        f"ITEM: TIMESTEP\n{k}\n{HEAD}" + "".join(f"{i} 1 {x:.9f} {y:.9f} {z:.9f}\n" for i, (x, y, z) in
                                               enumerate(rng.random((3, 3)), 1))
        for k in range(12000)
    )  # fmt: skip
    whole = COMPRESSIONS[suffix](text.encode())
    path.write_bytes(whole[: int(0.8 * len(whole))])
    trajectory = open_trajectory(path)
    n = sum(1 for _ in trajectory)
    assert 3000 < n < 11500  # bzip2 comes in large blocks
    assert "cut off" in trajectory.dropped


def test_without_a_reader_of_zstd_its_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.dump.zst").write_bytes(zstd(dump()))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    with pytest.raises(TrajectoryError, match="pip install zstandard"):
        open_trajectory(tmp_path / "a.dump.zst")


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_other_formats_are_read_compressed_too(tmp_path: Path, suffix: str) -> None:
    for name in ("a.xyz", "POSCAR", "a.pdb", "a.cif"):
        atoms = Atoms("OH2", [row[1:] for row in WATER], cell=[9, 9, 9], pbc=True)
        ase.io.write(tmp_path / name, atoms)
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(COMPRESSIONS[suffix]((tmp_path / name).read_bytes()))
        (frame,) = open_trajectory(path)
        assert sorted(frame.numbers) == [1, 1, 8]
        assert len(read_start(path, AtomTypes({}, {}))) == 3
        assert read_frames(path)[0][0].get_chemical_formula() == "H2O"
        assert read_start_structure(StructureSection(file=path)).elements == ("H", "O")


def test_numbers_and_names_in_xyz_files_are_no_symbols(tmp_path: Path) -> None:
    path = tmp_path / "w.xyz"
    path.write_text("3\nfrom dump xyz\n2 0 0 0\n1 1 0 0\n1 0 1 0\n")
    with pytest.raises(
        TrajectoryError, match=r"numbers in place of symbols: '1' \(2 atoms\), '2' .*--elements \"H O\""
    ):
        list(open_trajectory(path))
    (frame,) = open_trajectory(path, types=AtomTypes({1: "H", 2: "O"}, {}))
    assert frame.numbers.tolist() == [8, 1, 1]
    with pytest.raises(StructureError, match="numbers in place of symbols"):
        read_start_structure(StructureSection(file=path))
    path.write_text("4\n\nOW 0 0 0\nHW1 1 0 0\nHW2 0 1 0\nMW .1 .1 0\n")
    with pytest.raises(TrajectoryError, match=r"names in place of symbols: 'MW' \(1 atom\); .*MW=NULL"):
        list(open_trajectory(path))
    (frame,) = open_trajectory(path, types=AtomTypes({}, {}, {"MW": "NULL"}))
    assert frame.numbers.tolist() == [8, 1, 1]


@pytest.mark.parametrize(
    ("name", "residue", "element"),
    [
        ("C", "", "C"), ("O1", "EMC", "O"), ("H12'", "", "H"), ("1HB2", "", "H"), ("OW", "SOL", "O"),
        ("HW1", "SOL", "H"),
        ("CT1", "", "C"), ("Cl", "", "Cl"), ("NA", "NA", "Na"), ("CL", "CL-", "Cl"), ("LI", "LI", "Li"),
        ("CA", "ALA", None), ("NA", "HEM", None), ("CL", "", None), ("MW", "SOL", None), ("W", "W", None),
        ("EP", "", None), ("LP1", "", None), ("7", "", None),
    ],
)  # fmt: skip
def test_a_name_tells_an_element_or_nothing(name: str, residue: str, element: str | None) -> None:
    assert element_of_name(name, residue) == element


GRO = """w
5
    1SOL     OW    1   0.126   0.624   0.679
    1SOL    HW1    2   0.190   0.661   0.747
    1SOL     MW    3   0.177   0.568   0.613
    2NA      NA    4   0.500   0.500   0.500
    3CL      CL    5   0.800   0.700   0.800
   1.80000   1.80000   1.80000
"""
"""ASE 3.29 reads these as O, H, W (tungsten), N and C."""


def test_names_of_gromacs_files_are_told_or_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "w.gro"
    path.write_text(GRO)
    for read in (open_trajectory, lambda path: [read_start(path, AtomTypes({}, {}))]):
        with pytest.raises(TrajectoryError, match=r"tell none beyond doubt: 'MW' \(1 atom\); .*MW=NULL"):
            list(read(path))
    with pytest.raises(StructureError, match="'MW'"):
        read_start_structure(StructureSection(file=path))
    (frame,) = open_trajectory(path, types=AtomTypes({}, {}, {"MW": "NULL"}))
    assert [frame.element(atom) for atom in range(4)] == ["O", "H", "Na", "Cl"]


def test_a_pdb_file_without_elements_has_them_in_the_columns_of_its_names(tmp_path: Path) -> None:
    lines = [
        "ATOM      1  CA  ALA A   1      11.104  13.207   2.100  1.00  0.00",
        "ATOM      2 CA    CA A   2      21.104  13.207   2.100  1.00  0.00",
        "ATOM      3 HH11 ARG A   3      31.104  13.207   2.100  1.00  0.00",
    ]
    path = tmp_path / "a.pdb"
    path.write_text("\n".join(lines) + "\nEND\n")
    (frame,) = open_trajectory(path)
    assert [frame.element(atom) for atom in range(3)] == ["C", "Ca", "H"]
    path.write_text("\n".join([*lines, lines[1].replace(" CA A", "ALA A")]) + "\nEND\n")
    with pytest.raises(TrajectoryError, match=r"these names tell none beyond doubt: 'CA' \(1 atom\)"):
        list(open_trajectory(path))


def topology(kind: str, folder: Path) -> Path:
    """Water with a virtual site, of which no element is stated."""
    if kind == "gro":
        (folder / "t.gro").write_text(GRO)
    else:
        rows = [
            ("OW", "OT", 15.9994),
            ("HW1", "HT", 1.008),
            ("MW", "VS", 0.0),
            ("NA", "NA", 22.98977),
            ("CL", "CA", 35.45),
        ]
        lines = ["PSF", "", "       1 !NTITLE", " REMARKS x", "", "       5 !NATOM"]
        lines += [f"{i:8d} A    {1:<4d} SOL  {name:<4s} {kind_:<4s} {0.0:10.6f} {mass:13.4f} {0:11d}"
                  for i, (name, kind_, mass) in enumerate(rows, 1)]  # fmt: skip
        (folder / "t.psf").write_text("\n".join([*lines, "", "       0 !NBOND: bonds", ""]) + "\n")
    return folder / f"t.{kind}"


@pytest.mark.parametrize("kind", ["gro", "psf"])
def test_a_topology_without_elements_names_the_atoms_and_offers_to_leave_them_out(tmp_path: Path, kind: str) -> None:
    universe = pytest.importorskip("MDAnalysis").Universe.empty(5, trajectory=True)
    universe.atoms.positions = np.arange(15.0).reshape(5, 3)
    universe.atoms.write(str(tmp_path / "a.dcd"))
    given = topology(kind, tmp_path)
    with pytest.raises(TrajectoryError, match=r"tells no element of these atoms: 'MW' \(1 atom\); .*MW=NULL"):
        list(open_trajectory(tmp_path / "a.dcd", topology=given))
    types = AtomTypes({}, {}, {"MW": "NULL"})
    (frame,) = open_trajectory(tmp_path / "a.dcd", topology=given, types=types)
    # by its mass the last of the PSF is chlorine, whatever its type (CA) is called
    assert [frame.element(atom) for atom in range(4)] == ["O", "H", "Na", "Cl"]
    assert frame.positions[2:, 0].tolist() == [9.0, 12.0]


def test_atoms_of_types_that_are_left_out_are_left_out_of_every_frame(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(dump())
    for frame in open_trajectory(tmp_path / "a.dump", types=AtomTypes({1: "H", 2: "NULL"}, {})):
        assert frame.ids.tolist() == [2, 3]
        assert frame.numbers.tolist() == [1, 1]
        assert frame.positions[0, 0] == pytest.approx(0.9572)
        assert frame.masses is not None
        assert len(frame.masses) == 2


def test_the_element_that_lammps_writes_by_default_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    text = dump(1).decode().replace("id type x", "id type element x")
    path.write_text("".join(line.replace(" 1 ", " 1 C ", 1).replace(" 2 ", " 2 C ", 1) + "\n" if line[:2] in
                            ("1 ", "2 ", "3 ") else line + "\n" for line in text.splitlines()))  # fmt: skip
    with pytest.raises(TrajectoryError, match="2 atom types and the element C for all"):
        list(open_trajectory(path))
    (frame,) = open_trajectory(path, types=AtomTypes({}, {1: 13.003355, 2: 12.011}))
    assert frame.numbers.tolist() == [6, 6, 6]
    (frame,) = open_trajectory(path, types=AtomTypes({1: "H", 2: "O"}, {}))
    assert frame.numbers.tolist() == [8, 1, 1]


def test_united_atoms_are_no_elements() -> None:
    assert [number_of_mass(mass) for mass in (13.019, 14.027, 15.035, 16.043)] == [0, 0, 0, 0]
    assert [number_of_mass(mass) for mass in (1.0, 2.014, 12.0, 14.0, 15.9994, 35.5, 63.5)] == [1, 1, 6, 7, 8, 17, 29]


Reader = Callable[[Path], object]


def test_vasp_files_without_symbols_are_refused(tmp_path: Path) -> None:
    body = "1.0\n5 0 0\n0 5 0\n0 0 5\n2 1\nDirect\n0 0 0\n.1 0 0\n.1 .1 0\n"
    (tmp_path / "POSCAR").write_text("water box\n" + body)
    (tmp_path / "XDATCAR").write_text("water box\n" + body.replace("Direct", "Direct configuration=     1"))
    for name in ("POSCAR", "XDATCAR"):
        with pytest.raises(LamplighterError):
            list(open_trajectory(tmp_path / name))
        with pytest.raises(StructureError):
            read_start_structure(StructureSection(file=tmp_path / name))
