"""Trajectories in many formats: the same frames from all, one at a time, and as much as there is of a cut file."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import ase.io
import MDAnalysis
import numpy as np
import pytest
from ase import Atoms, units

from lamplighter.errors import TrajectoryError
from lamplighter.structures.lammps_dump import AtomTypes, LammpsDump
from lamplighter.structures.trajectory import open_trajectory

pytestmark = pytest.mark.filterwarnings("ignore")


def dump_frame(step: int, rows: list[str], columns: str = "id type element x y z", box: str | None = None) -> str:
    box = box or "ITEM: BOX BOUNDS pp pp ff\n0 10\n-1 11\n0 10\n"
    return (
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(rows)}\n{box}ITEM: ATOMS {columns}\n"
        + "\n".join(rows)
        + "\n"
    )


def long_dump(n_frames: int, n_atoms: int = 20) -> str:
    rows = [f"{k} 1 C {k}.5 {k}.25 1.125" for k in range(n_atoms, 0, -1)]
    return "".join(dump_frame(10 * k, rows) for k in range(n_frames))


def test_a_dump_gives_ids_elements_box_and_step(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    path.write_text(dump_frame(70, ["9 2 O 1 2 3", "4 1 H 4 5 nan"]))
    (frame,) = LammpsDump(path)
    assert (frame.step, frame.ids.tolist(), frame.numbers.tolist()) == (70, [4, 9], [1, 8])
    np.testing.assert_array_equal(frame.positions, [[4, 5, np.nan], [1, 2, 3]])
    np.testing.assert_array_equal(frame.cell, np.diag([10, 12, 10]))
    assert frame.periodic.tolist() == [True, True, False]
    assert frame.masses == pytest.approx([1.008, 15.999])
    assert frame.velocities is None
    assert frame.forces is None
    assert frame.time_ps is None


def test_elements_come_from_the_user_the_masses_or_the_column(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    path.write_text(dump_frame(0, ["1 2 C 0 0 0"]))  # LAMMPS calls all elements C unless it is told
    (frame,) = LammpsDump(path, AtomTypes({1: "H", 2: "O"}, {}))
    assert frame.numbers.tolist() == [8]
    path.write_text(dump_frame(0, ["1 2 0 0 0"], "id type x y z"))
    (frame,) = LammpsDump(path, AtomTypes({}, {2: 15.9}))
    assert (frame.numbers.tolist(), frame.masses.tolist()) == ([8], [15.9])
    (frame,) = LammpsDump(path)
    assert frame.numbers.tolist() == [0]
    assert frame.masses is None
    path.write_text(dump_frame(0, ["1 12.5 0 0 0", "2 1.0 0 0 1"], "id mass x y z"))
    (frame,) = LammpsDump(path)
    assert frame.numbers.tolist() == [0, 1]
    assert frame.masses.tolist() == [12.5, 1.0]


def test_scaled_positions_and_tilted_boxes_are_as_ase_has_them(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    box = "ITEM: BOX BOUNDS xy xz yz pp pp pp\n-3 13.5 2\n0 10 -2\n1 9 1.5\n"
    path.write_text(dump_frame(0, ["1 1 C 0.25 0.5 1.25"], "id type element xs ys zs", box))
    (frame,) = LammpsDump(path)
    atoms = ase.io.read(path, format="lammps-dump-text")
    np.testing.assert_allclose(frame.cell[1:, :], [[2, 8.5, 0], [-2, 1.5, 8]])
    assert frame.cell[0, 0] == pytest.approx(13.5 - 2 + 3 - 2)  # bounds are those of the box around the box
    origin = np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(frame.positions[0], origin + np.array([0.25, 0.5, 1.25]) @ frame.cell)
    assert len(atoms) == 1


def test_units_of_the_header_or_the_user_become_metal(tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    text = dump_frame(5, ["1 1 C 1 2 3 0.001 0 0 1 0 0"], "id type element x y z vx vy vz fx fy fz")
    later = text.replace("TIMESTEP\n5", "TIMESTEP\n6")
    path.write_text("ITEM: UNITS\nreal\nITEM: TIME\n2.5\n" + text + "ITEM: TIME\n3.0\n" + later)
    first, second = LammpsDump(path)
    assert first.velocities[0, 0] == pytest.approx(1.0)
    assert first.forces[0, 0] == pytest.approx(0.0433641)
    assert (first.time_ps, second.time_ps) == (pytest.approx(0.0025), pytest.approx(0.003))
    path.write_text(text)
    (frame,) = LammpsDump(path, units="real")
    assert frame.velocities[0, 0] == pytest.approx(1.0)
    (frame,) = LammpsDump(path)
    assert frame.velocities[0, 0] == pytest.approx(0.001)
    path.write_text("ITEM: UNITS\nlj\n" + text)
    with pytest.raises(TrajectoryError, match="units 'lj' cannot be converted"):
        list(LammpsDump(path))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_frames_are_read_one_at_a_time(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"long.dump{suffix}"
    text = long_dump(4000).encode()
    path.write_bytes(gzip.compress(text) if suffix else text)
    tracemalloc.start()
    steps = [frame.step for frame in LammpsDump(path)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert steps == list(range(0, 40000, 10))
    assert len(text) > 2e6
    assert peak < 1e6


@pytest.mark.parametrize("part", [0.3, 0.7, 0.999])
@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize("kind", ["dump", "xyz"])
def test_a_cut_file_is_read_as_far_as_it_goes_and_says_so(
    tmp_path: Path, part: float, gzipped: bool, kind: str
) -> None:
    path = tmp_path / f"cut.{kind}{'.gz' if gzipped else ''}"
    rng = np.random.default_rng(0)
    frames = [Atoms("C20", positions=rng.random((20, 3)), cell=[9] * 3, info={"step": 10 * k}) for k in range(100)]
    if kind == "xyz":
        ase.io.write(path, frames, format="extxyz")
    else:
        rows = [[f"{k} 1 C {x:.9f} {y:.9f} {z:.9f}" for k, (x, y, z) in enumerate(f.positions, 1)] for f in frames]
        text = "".join(dump_frame(10 * k, each) for k, each in enumerate(rows)).encode()
        path.write_bytes(gzip.compress(text) if gzipped else text)
    whole = path.read_bytes()
    assert [frame.step for frame in open_trajectory(path)] == list(range(0, 1000, 10))
    path.write_bytes(whole[: int(part * len(whole))])
    trajectory = open_trajectory(path)
    steps = [frame.step for frame in trajectory]
    assert steps == list(range(0, 10 * len(steps), 10))
    assert 100 * part - 15 < len(steps) <= 100 * part
    assert f"frame {len(steps)}" in trajectory.dropped
    assert "cut off" in trajectory.dropped
    if gzipped:
        assert "gzip data are cut off" in trajectory.dropped


def test_damaged_gzip_data_are_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.dump.gz"
    path.write_bytes(gzip.compress(long_dump(5).encode()) + b"no gzip at all")
    trajectory = LammpsDump(path)
    assert len(list(trajectory)) == 5
    assert "gzip data are damaged" in trajectory.dropped


def test_gzip_files_of_several_members_are_one(tmp_path: Path) -> None:
    path = tmp_path / "a.dump.gz"
    path.write_bytes(gzip.compress(long_dump(3).encode()) + gzip.compress(long_dump(2).encode()))
    trajectory = LammpsDump(path)
    assert [frame.step for frame in trajectory] == [0, 10, 20]
    assert trajectory.dropped == "frames that repeat an earlier one and were skipped: 2 (step 0, 10)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (dump_frame(3, ["1 1 C 0 0"]) + dump_frame(4, []), r"frame 0 \(step 3\) is damaged: 1 atoms with 6 columns"),
        (dump_frame(3, ["1 1 C 0 0 zero"]), r"frame 0 \(step 3\) is damaged: could not convert.*zero"),
        (dump_frame(3, ["1 1 C 0 0 0", "1 1 C 1 0 0"]), "it has atom 1 twice"),
        (dump_frame(3, ["1 1 Carbon 0 0 0"]), "'Carbon' is not a chemical element; give --elements"),
        (dump_frame(3, ["C 0 0 0"], "element x y z"), "has no column id"),
        (dump_frame(3, ["1 C 0 0 0"], "id element fx fy fz"), "has no positions"),
        ("ITEM: TIMESTEP\nthree\n", "what follows 'ITEM: TIMESTEP' cannot be understood"),
    ],
)
def test_damaged_dumps_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.dump"
    path.write_text(text)
    with pytest.raises(TrajectoryError, match=message):
        list(LammpsDump(path))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.dump",
            dump_frame(3, ["1 1 C 0 0 0"]) + "2 1 C 1 1 1\n",
            "frame 1 is damaged: expected a line 'ITEM: …', got",
        ),
        (
            "a.dump",
            dump_frame(3, ["1 1 C 0 0 0"]) + dump_frame(4, ["1 1 C 0 x 0"]),
            "frame 1 (step 4) is damaged: could",
        ),
        ("a.xyz", "1\n\nC 0 0 0\n1\n\nC 0 zero 0\n", "frame 1 is damaged"),
        ("a.xyz", "1\n\nC 0 0 0\n\x00\x00 1\n\nC 0 0 0\n", "frame 1 is damaged: expected its number of atoms"),
    ],
)
def test_frames_before_a_damaged_one_are_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    trajectory = open_trajectory(tmp_path / name)
    assert len(list(trajectory)) == 1
    assert trajectory.dropped.startswith("frame 1 and what follows were left out: ")
    assert message in trajectory.dropped


def test_a_cut_file_of_ase_or_mdanalysis_is_read_as_far_as_it_goes(tmp_path: Path, water: list[Atoms]) -> None:
    ase.io.write(tmp_path / "top.pdb", water[0])
    text = "".join(dump_frame(k, [f"{i} 1 O {i} {i} {k}.5" for i in (1, 2, 3)]) for k in range(400)).encode()
    whole = gzip.compress(text)
    (tmp_path / "a.lammpsdump.gz").write_bytes(whole[: int(0.7 * len(whole))])  # as kill -9 leaves it
    trajectory = open_trajectory(tmp_path / "a.lammpsdump.gz")
    steps = [frame.step for frame in trajectory]
    assert 150 < len(steps) < 400
    assert "its gzip data are cut off" in trajectory.dropped
    universe = MDAnalysis.Universe(str(tmp_path / "top.pdb"))
    with MDAnalysis.Writer(str(tmp_path / "a.trr"), n_atoms=3, dt=0.25) as writer:
        for _ in range(20):
            universe.trajectory.ts.dimensions = [8, 9, 10, 90, 90, 90]
            writer.write(universe.atoms)
    data = (tmp_path / "a.trr").read_bytes()
    (tmp_path / "cut.trr").write_bytes(data[: int(0.7 * len(data))])
    cut = open_trajectory(tmp_path / "cut.trr", topology=tmp_path / "top.pdb")
    assert 10 < len(list(cut)) < 15


@pytest.fixture
def water() -> list[Atoms]:
    """Two frames of a water molecule with velocities."""
    frames = []
    for k in range(2):
        atoms = Atoms("OH2", positions=[[1, 1, 1], [1.9, 1, 1], [1, 1.9 + k, 1]], cell=[8, 9, 10], pbc=True)
        atoms.set_velocities(np.full((3, 3), 2.0 / (1e3 * units.fs)))  # 2 Å/ps
        frames.append(atoms)
    return frames


def test_ase_and_xyz_files_give_the_same_frames(tmp_path: Path, water: list[Atoms]) -> None:
    for name in ("a.traj", "a.xyz", "a.xyz.gz"):
        ase.io.write(tmp_path / name, water)
        frames = list(open_trajectory(tmp_path / name))
        assert len(frames) == 2
        for frame, atoms in zip(frames, water, strict=True):
            np.testing.assert_allclose(frame.positions, atoms.positions, atol=1e-7)
            np.testing.assert_allclose(frame.velocities, 2.0, rtol=1e-6)
            np.testing.assert_allclose(frame.cell, atoms.cell.array)
            assert frame.ids.tolist() == [1, 2, 3]
            assert frame.numbers.tolist() == [8, 1, 1]


@pytest.mark.parametrize("name", ["a.dcd", "a.xtc", "a.trr"])
def test_mdanalysis_reads_with_a_topology(tmp_path: Path, water: list[Atoms], name: str) -> None:
    ase.io.write(tmp_path / "top.pdb", water[0])
    universe = MDAnalysis.Universe(str(tmp_path / "top.pdb"))
    with MDAnalysis.Writer(str(tmp_path / name), n_atoms=3, dt=0.25) as writer:
        for atoms in water:
            universe.atoms.positions = atoms.positions
            universe.trajectory.ts.dimensions = [8, 9, 10, 90, 90, 90]
            writer.write(universe.atoms)
            universe.trajectory.ts.frame += 1
    with pytest.raises(TrajectoryError, match="give --topology FILE"):
        open_trajectory(tmp_path / name)
    frames = list(open_trajectory(tmp_path / name, topology=tmp_path / "top.pdb"))
    assert len(frames) == 2
    for frame, atoms in zip(frames, water, strict=True):
        np.testing.assert_allclose(frame.positions, atoms.positions, atol=0.006)
        np.testing.assert_allclose(frame.cell, np.diag([8, 9, 10]), atol=1e-4)
        assert frame.numbers.tolist() == [8, 1, 1]
        assert frame.periodic.all()
    times = [frame.time_ps for frame in frames]
    assert times == ([None, None] if name == "a.dcd" else pytest.approx([0.0, 0.25]))


@pytest.mark.parametrize("style", ["atomic", "full"])
def test_lammps_data_are_a_topology(tmp_path: Path, water: list[Atoms], style: str) -> None:
    """What LAMMPS writes with `dump dcd`, and the structure it began with: atoms by id."""
    ase.io.write(
        tmp_path / "top.data", water[0], format="lammps-data", specorder=["H", "O"], masses=True, atom_style=style
    )
    universe = MDAnalysis.Universe.empty(3, trajectory=True)
    with MDAnalysis.Writer(str(tmp_path / "a.dcd"), n_atoms=3, dt=0.25) as writer:
        for atoms in water:
            universe.atoms.positions = atoms.positions
            universe.dimensions = [8, 9, 10, 90, 90, 90]
            writer.write(universe.atoms)
    frames = list(open_trajectory(tmp_path / "a.dcd", topology=tmp_path / "top.data"))
    assert [frame.numbers.tolist() for frame in frames] == [[8, 1, 1]] * 2
    np.testing.assert_allclose(frames[1].positions, water[1].positions, atol=1e-5)
    assert frames[0].masses == pytest.approx([15.999, 1.008, 1.008])
    assert frames[1].time_ps is None  # the unit of time in a DCD is anybody's guess
