"""`lamplighter diffusivity`: species, LAMMPS' own displacement, wrapped and broken files, and what is refused."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms

from lamplighter.analysis.centres_of_mass import read_centres
from lamplighter.analysis.displacement import mean_squared_displacement
from lamplighter.structures.frame import Frame
from lamplighter.structures.lammps_dump import LammpsDump
from lamplighter.structures.molecule_file import MoleculeFile

from ..conftest import Run
from .conftest import Lamplighter
from .runs import dump_text, guard, stage, thermo_rows, write_run, write_trajectory

EDGE = 12.0
BLOCKS = ["--discard", "1 ps", "--block", "2 ps", "--block-spacing", "0.5 ps", "--ballistic", "0.2 ps"]


def liquid(n_frames: int = 131, seed: int = 0, step: float = 0.25, edge: float = EDGE) -> list[Atoms]:
    """Four water and two methane molecules that walk about rigidly and drift together; 0.1 ps a frame."""
    rng = np.random.default_rng(seed)
    molecules = [ase.build.molecule(name) for name in ["H2O"] * 4 + ["CH4"] * 2]
    grid = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)])[:6] * edge / 2
    walks = step * rng.standard_normal((n_frames, 6, 3)).cumsum(axis=0) + 0.3 * np.arange(n_frames)[:, None, None]
    frames = []
    for walk in walks:
        atoms = Atoms(cell=[edge] * 3, pbc=True)
        for molecule, corner, away in zip(molecules, grid, walk, strict=True):
            moved = molecule.copy()
            moved.positions += corner + away
            atoms += moved
        frames.append(atoms)
    return frames


def write_dump(path: Path, frames: list[Atoms], columns: str = "xu yu zu") -> None:
    path.write_text(dump_text(frames, 100, columns))


def test_each_species_and_their_number_weighted_mean(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write_dump(tmp_path / "a.dump", liquid())
    code, out, err = lamplighter("diffusivity", "a.dump", "--timestep", "1 fs", *BLOCKS, "--figure", "m.png")
    assert (code, err) == (0, "")
    assert "21 overlapping blocks of 2 ps, 6 that do not overlap" in out
    result = json.loads(lamplighter("diffusivity", "a.dump", "--timestep", "1 fs", *BLOCKS, "--json")[1])
    water, methane, mixture = result["trajectories"][0]["species"]
    assert [each["name"] for each in (water, methane, mixture)] == ["H2O", "CH4", "all molecules"]
    assert [each["n_molecules"] for each in (water, methane, mixture)] == [4, 2, 6]
    weighted = (4 * water["D_1e-6_cm2_s"] + 2 * methane["D_1e-6_cm2_s"]) / 6
    assert mixture["D_1e-6_cm2_s"] == pytest.approx(weighted)
    walked = 0.25**2 / 2 / 0.1 * 100  # ⟨step²⟩/(6 t) of three components, in 10⁻⁶ cm²/s
    assert mixture["D_1e-6_cm2_s"] == pytest.approx(walked, abs=5 * mixture["standard_error"])
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


def test_the_motion_of_the_whole_does_not_count(tmp_path: Path) -> None:
    write_dump(tmp_path / "still.dump", liquid(30, step=0.0))
    frames = [replace(f, time_ps=0.1 * f.index) for f in LammpsDump(tmp_path / "still.dump")]
    assert mean_squared_displacement(read_centres(frames).positions)[-1] < 1e-12


@pytest.mark.parametrize("columns", ["x y z ix iy iz", "x y z"])
def test_wrapped_positions_need_images_or_to_be_asked_for(
    lamplighter: Lamplighter, tmp_path: Path, columns: str
) -> None:
    frames = liquid()
    write_dump(tmp_path / "unwrapped.dump", frames)
    expected = lamplighter("diffusivity", "unwrapped.dump", "--timestep", "1 fs", *BLOCKS)[1].splitlines()[1:]
    if "ix" not in columns:
        frames = [frame.copy() for frame in frames]
        for frame in frames:
            frame.wrap()
    write_dump(tmp_path / "wrapped.dump", frames, columns)
    words = ["diffusivity", "wrapped.dump", "--timestep", "1 fs", *BLOCKS]
    if "ix" not in columns:
        code, _, err = lamplighter(*words)
        assert code == 1
        assert "more than half of the cell: the positions are wrapped. Give unwrapped ones" in err
        words.append("--unwrap")
    assert lamplighter(*words)[1].splitlines()[1:] == expected


def test_a_run_folder_has_its_own_times_stage_and_temperature(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = liquid()
    mass = float(frames[0].get_masses().sum())
    rows = thermo_rows(np.full(131, 0.5), mass, every=100)
    folder = write_run(tmp_path / "run", [stage(0, "nvt", 13000)], frames[0], thermo=rows, guard=guard(13.0))
    write_trajectory(folder, frames, 100)
    out = lamplighter("diffusivity", "run", *BLOCKS, "--viscosity", "0.5")[1]
    assert out.startswith("run: 12 ps of frames 0.1 ps apart, first 1 ps of 13 ps discarded, as asked")
    correction = 2.837297 * 1.380649e-23 * 500.0 / (6 * np.pi * 0.5e-3 * 12e-10) * 1e10
    assert f"finite-size correction {correction:.3g} ×10⁻⁶ cm²/s (edge 12 Å, viscosity 0.5 mPa s)" in out
    write_run(tmp_path / "npt", [stage(0, "npt", 13000)], frames[0], thermo=rows, guard=guard(13.0))
    write_trajectory(tmp_path / "npt", frames, 100)
    code, _, err = lamplighter("diffusivity", "npt", *BLOCKS)
    assert code == 1
    assert "npt has no stage that serves: displacement at fixed volume needs one of nvt, nve; it has 0 npt (npt)" in err
    out = lamplighter("diffusivity", "run", "run", *BLOCKS)[1]
    assert "mean of 2 trajectories (error from their spread)" in out


def test_a_cut_trajectory_is_used_as_far_as_it_goes(lamplighter: Lamplighter, tmp_path: Path) -> None:
    text = dump_text(liquid(), 100)
    (tmp_path / "cut.dump").write_text(text[: int(0.9 * len(text))])
    code, out, _ = lamplighter("diffusivity", "cut.dump", "--timestep", "1 fs", *BLOCKS)
    assert code == 0
    assert "Note: cut.dump: frame 118 (step 11800), which is cut off, was left out" in out
    assert "10.7 ps of frames 0.1 ps apart" in out


def write_centres(folder: Path, frames: list[Atoms]) -> None:
    """What a run writes with `output.centres_of_mass`: six molecules, and which atoms they have."""
    sizes = [3, 3, 3, 3, 5, 5]
    first = np.cumsum([1, *sizes[:-1]])
    of_atom = np.repeat(np.arange(6), sizes)
    masses = np.array([frames[0].get_masses()[of_atom == k].sum() for k in range(6)])
    MoleculeFile(np.arange(1, 23), first[of_atom], first, ["H2O"] * 4 + ["CH4"] * 2, masses).write(
        folder / "molecules.txt"
    )
    centres = []
    for atoms in frames:
        rows = [atoms[of_atom == k].get_center_of_mass() for k in range(6)]
        centres.append(Atoms("X6", positions=rows, cell=atoms.cell, pbc=True))
    text = dump_text(centres, 100)
    for k in range(6, 0, -1):  # each by the id of its first atom
        text = text.replace(f"\n{k} 0 X ", f"\n{first[k - 1]} 0 X ")
    with gzip.open(folder / "centres_of_mass.lammpstrj.gz", "wt") as file:
        file.write(text.replace("id type element", "id type label"))


def test_centres_of_mass_of_a_run_give_what_its_trajectory_gives(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = liquid()
    rows = thermo_rows(np.full(131, 0.5), float(frames[0].get_masses().sum()), every=100)
    folder = write_run(tmp_path / "run", [stage(0, "nvt", 13000)], frames[0], thermo=rows, guard=guard(13.0))
    write_trajectory(folder, frames, 100)
    expected = lamplighter("diffusivity", "run", *BLOCKS)[1].splitlines()
    write_centres(folder, frames)
    preferred = lamplighter("diffusivity", "run", *BLOCKS)[1].splitlines()
    assert preferred[-1] == "  Note: from the centres of mass in centres_of_mass.lammpstrj.gz"
    assert preferred[:-1] == expected
    assert lamplighter("diffusivity", "run", *BLOCKS, "--source", "trajectory")[1].splitlines() == expected
    assert lamplighter("diffusivity", "run", *BLOCKS, "--tolerance", "1.2")[1].splitlines() == expected
    (folder / "trajectory.lammpstrj.gz").unlink()
    assert lamplighter("diffusivity", "run", *BLOCKS)[1].splitlines() == preferred
    whole = (folder / "centres_of_mass.lammpstrj.gz").read_bytes()
    (folder / "centres_of_mass.lammpstrj.gz").write_bytes(whole[: int(0.9 * len(whole))])  # as kill -9 leaves it
    assert "centres_of_mass.lammpstrj.gz: its gzip data are cut off" in lamplighter("diffusivity", "run", *BLOCKS)[1]
    (folder / "molecules.txt").unlink()
    assert "is no file of molecules of Lamplighter" in lamplighter("diffusivity", "run", *BLOCKS)[2]
    (folder / "centres_of_mass.lammpstrj.gz").unlink()
    assert (
        "the run wrote none (output.centres_of_mass)"
        in lamplighter("diffusivity", "run", "--source", "centres", *BLOCKS)[2]
    )
    assert (
        "--source must be auto, centres or trajectory, got 'x'" in lamplighter("diffusivity", "run", "--source", "x")[2]
    )


def test_a_run_that_was_killed_is_used_as_far_as_its_trajectory_goes(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = liquid(edge=8.0)
    rows = thermo_rows(np.full(131, 0.5), float(frames[0].get_masses().sum()), every=100)
    folder = write_run(tmp_path / "run", [stage(0, "nvt", 13000)], frames[0], thermo=rows, status="running")
    write_trajectory(folder, frames, 100)
    whole = (folder / "trajectory.lammpstrj.gz").read_bytes()
    (folder / "trajectory.lammpstrj.gz").write_bytes(whole[: int(0.8 * len(whole))])
    with (folder / "thermo.csv").open("a") as file:
        file.write("0,13100,13.1,50")
    for command in (
        ["diffusivity", "run", *BLOCKS],
        ["structure", "run"],
        ["stability", "run"],
        ["check", "run", "--preset", "stability"],
    ):
        code, out, err = lamplighter(*command)
        assert (code, err) == (0, ""), err
        assert ": its gzip data are cut off" in out


def test_what_cannot_be_used_is_refused(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = liquid(60)
    write_dump(tmp_path / "short.dump", frames)
    fewer = [*frames[:40], frames[40][:-1]]
    write_dump(tmp_path / "lost.dump", fewer)
    squeezed = [frame.copy() for frame in frames]
    squeezed[30].set_cell([0.99 * EDGE] * 3)
    write_dump(tmp_path / "npt.dump", squeezed)
    write_dump(tmp_path / "one.dump", frames[:1])
    ase.io.write(tmp_path / "uneven.xyz", [frames[0], frames[1], frames[2]])
    other = [frame[:12] for frame in frames]
    write_dump(tmp_path / "other.dump", other)
    for words, message in [
        (["short.dump"], "short.dump: of 5.9 ps, 2.95 ps were discarded; 2.9 ps are too short"),
        (["short.dump", "--discard", "100 ps"], "--discard 100ps leaves nothing of 5.9 ps"),
        (
            ["short.dump", "--discard", "0"],
            "short.dump: of 5.9 ps, 0 ps were discarded; 5.9 ps are too short",
        ),
        (["lost.dump", *BLOCKS], "frame 40 has 21 atoms, 1 of the first frame's 22 are gone and 0 are new"),
        (["npt.dump", *BLOCKS], "the cell changes (by 1 % up to frame 30)"),
        (["one.dump", *BLOCKS], "displacements need at least 2 frames, got 1"),
        (["short.dump", "other.dump", *BLOCKS], "trajectories of different systems cannot be averaged"),
        (["short.dump", *BLOCKS, "--viscosity", "1"], "needs --temperature"),
        (["short.dump", *BLOCKS, "--viscosity", "0"], "--viscosity must be > 0, got 0"),
        (["short.dump", *BLOCKS, "--stage", "0"], "--stage is for run folders"),
        (["short.dump", "--block", "2", "--discard", "0"], "--block: 2 has no unit"),
    ]:
        code, _, err = lamplighter("diffusivity", *words, "--timestep", "1 fs")
        assert code == 1
        assert message in err, err
    assert "give --timestep or --dt" in lamplighter("diffusivity", "short.dump", *BLOCKS)[2]


def test_frames_at_unequal_times_are_refused() -> None:
    def frame(index: int, time: float) -> Frame:
        return Frame(
            index, None, time, np.arange(1, 3), np.array([18, 18]), np.array([[0.0, 0, 0], [5, 5, 5]]),
            np.eye(3) * 10, np.ones(3, bool), np.full(2, 40.0),
        )  # fmt: skip

    with pytest.raises(Exception, match="equal intervals: from 2 to 4 ps between frames 2 and 3"):
        read_centres([frame(k, time) for k, time in enumerate([0.0, 1.0, 2.0, 4.0, 5.0])])


def test_the_displacement_is_that_of_lammps(run: Run, lmp: Path, tmp_path: Path) -> None:
    """compute msd with the drift removed, from the first frame on, of argon atoms that are molecules of their own."""
    (tmp_path / "in.argon").write_text(
        "units metal\nlattice fcc 5.5\nregion b block 0 3 0 3 0 3\ncreate_box 1 b\ncreate_atoms 1 box\nmass 1 39.948\n"
        "pair_style lj/cut 7.0\npair_coeff 1 1 0.0104 3.4\nvelocity all create 300 1 loop geom\nfix 1 all nve\n"
        "compute m all msd com yes\nthermo 20\nthermo_style custom step c_m[4]\nthermo_modify format float %.12g\n"
        "dump d all custom 20 argon.dump id type element xu yu zu\ndump_modify d element Ar sort id "
        "format float %.12g\n"
        "run 400\n"
    )
    done = run([lmp, "-in", "in.argon", "-log", "log"])
    assert done.returncode == 0, done.stdout
    table = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    rows = [row for row in table if len(row) == 2 and row[0].isdigit()][-21:]
    frames = [replace(f, time_ps=f.step * 1e-3) for f in LammpsDump(tmp_path / "argon.dump")]
    centres = read_centres(frames)
    assert len(centres.molecules) == 108
    ours = ((centres.positions - centres.positions[0]) ** 2).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(ours, [float(value) for _, value in rows], rtol=1e-8, atol=1e-10)
    assert mean_squared_displacement(centres.positions)[-1] == pytest.approx(float(rows[-1][1]), rel=1e-8)


def test_the_spread_over_seeds_stands_beside_the_mean(lamplighter: Lamplighter, tmp_path: Path) -> None:
    for seed in range(3):
        write_dump(tmp_path / f"{seed}.dump", liquid(seed=seed, step=0.2 + 0.1 * (seed == 2)))
    words = ["diffusivity", "0.dump", "1.dump", "2.dump", "--timestep", "1 fs", *BLOCKS]
    result = json.loads(lamplighter(*words, "--json")[1])
    values = [each["species"][-1]["D_1e-6_cm2_s"] for each in result["trajectories"]]
    found = result["seed_sensitivity"]["all molecules"]
    assert found["spread_1e-6_cm2_s"] == pytest.approx(np.std(values, ddof=1))
    assert found["n"] == 3
    assert "spread of the trajectories" in lamplighter(*words)[1]
    alone = json.loads(lamplighter(*words[:2], *words[4:], "--json")[1])
    assert alone["seed_sensitivity"] == {}
