"""`lamplighter structure`: what it prints, draws and writes, runs and their reference, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase import Atoms

from .conftest import Lamplighter
from .runs import dump_text, guard, stage, thermo_rows, write_run, write_trajectory

pytest.importorskip("MDAnalysis")

EDGE = 12.0


def liquid(n_frames: int = 40, width: float = 0.03, seed: int = 0, edge: float = EDGE) -> list[Atoms]:
    """Eight waters that walk about rigidly, atoms shaken by `width`; 0.1 ps a frame."""
    rng = np.random.default_rng(seed)
    corners = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)]) * edge / 2
    walks = 0.2 * rng.standard_normal((n_frames, 8, 3)).cumsum(axis=0)
    frames = []
    for walk in walks:
        atoms = Atoms(cell=[edge] * 3, pbc=True)
        for corner, away in zip(corners, walk, strict=True):
            water = ase.build.molecule("H2O")
            water.positions += corner + away + width * rng.standard_normal((3, 3))
            atoms += water
        frames.append(atoms)
    return frames


def run_folder(path: Path, frames: list[Atoms], kind: str = "nvt") -> Path:
    mass = float(frames[0].get_masses().sum())
    rows = thermo_rows(np.full(len(frames), 0.5), mass, every=100)
    folder = write_run(path, [stage(0, kind, 100 * len(frames))], frames[0], thermo=rows, guard=guard(1.0))
    write_trajectory(folder, frames, 100)
    return folder


def test_a_run_with_its_tables_and_figure(lamplighter: Lamplighter, tmp_path: Path) -> None:
    run_folder(tmp_path / "run", liquid())
    code, out, err = lamplighter("structure", "run", "--figure", "s.png", "--csv", "t")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "run: 20 frames, 2 to 3.9 ps, 499.9 K (first half (1.95 ps of 3.9 ps) discarded)"
    assert "  between molecules" in out
    assert "  H1–O2  16" in out
    assert "  molecules: 8 H2O in the first frame" in out
    assert "    the same in all 40 frames" in out
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "t_rdf.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {"all", "inter", "intra"}
    assert {row["pair"] for row in rows} == {"H–H", "H–O", "O–O"}
    assert (tmp_path / "t_bonds.csv").read_text().count("\n") == 3
    assert (tmp_path / "t_molecules.csv").read_text().splitlines()[1] == "run,0,0,0,0,8"
    made = json.loads(lamplighter("structure", "run", "--json", "--discard", "0", "--pairs", "O-H")[1])
    (one,) = made["trajectories"]
    assert (one["n_frames"], one["begin_ps"]) == (40, 0.0)
    within = next(each for each in one["distributions"] if each["kind"] == "intra")
    assert within["pair"] == "H–O"
    assert within["coordination"][-1] == pytest.approx(1.0)
    bonds = one["bond_classes"][0]
    assert bonds["mean"]["value"] == pytest.approx(0.9686, abs=0.006)
    assert 0.02 < bonds["standard_deviation"]["value"] < 0.06


def test_softer_bonds_than_those_of_a_reference(lamplighter: Lamplighter, tmp_path: Path) -> None:
    run_folder(tmp_path / "soft", liquid(200, 0.04))
    run_folder(tmp_path / "hard", liquid(200, 0.02, 1), "npt")
    words = ["structure", "soft", "--reference", "hard", "--r-max", "5"]
    out = lamplighter(*words)[1]
    assert "  against hard" in out
    assert "reference hard: 100 frames" in out
    (made,) = json.loads(lamplighter(*words, "--json")[1])["differences"]
    assert [each["name"] for each in made] == ["H1–O2"]
    assert made[0]["width_ratio"] == pytest.approx(2.0, abs=4 * made[0]["width_ratio_error"])
    assert made[0]["stiffness_ratio"] == pytest.approx(0.25, abs=4 * made[0]["stiffness_ratio_error"])


def test_a_molecule_that_is_lost_is_told_with_its_frame(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = liquid()
    for frame in frames[25:]:
        frame.positions[1] += [0.0, 2.5, 2.5]
    (tmp_path / "a.dump").write_text(dump_text(frames, 100))
    out = lamplighter("structure", "a.dump", "--timestep", "1 fs")[1]
    assert "first change at frame 25 (2.5 ps): H2O −1, HO +1, H +1" in out
    assert "other molecules than at first in 15 of 40 frames; at the end: H2O −1, HO +1, H +1" in out
    assert out.startswith("a.dump: 20 frames, 2 to 3.9 ps (first half (1.95 ps of 3.9 ps) discarded)")
    assert "(nothing was discarded: the times of the frames are not known" in lamplighter("structure", "a.dump")[1]
    found = json.loads(lamplighter("structure", "a.dump", "--every", "10", "--json")[1])["trajectories"][0]
    assert found["n_frames"] == 4
    assert found["integrity"]["first_change"]["frame"] == 30
    assert found["integrity"]["first_change"]["time_ps"] is None


def test_what_is_whole_is_used_and_the_rest_is_told(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = liquid()
    text = dump_text(frames, 100)
    (tmp_path / "cut.dump").write_text(text[: int(0.9 * len(text))])
    assert (
        "Note: cut.dump: frame 35 (step 3500), which is cut off, was left out"
        in lamplighter("structure", "cut.dump")[1]
    )
    frames[30].positions[5] = np.nan
    (tmp_path / "exploded.dump").write_text(dump_text(frames, 100))
    out = lamplighter("structure", "exploded.dump")[1]
    assert "exploded.dump: 30 frames" in out
    assert "Note: from frame 30 on positions are not finite: what follows was left out" in out


def test_a_molecule_in_the_open_has_bonds_and_no_distribution(lamplighter: Lamplighter, tmp_path: Path) -> None:
    ethanol = ase.build.molecule("CH3CH2OH")
    ethanol.write(tmp_path / "ethanol.xyz")
    out = lamplighter("structure", "ethanol.xyz", "--figure", "e.pdf", "--molecules", "all")[1]
    assert "Note: g(r) was not computed: the cell is not periodic in all directions" in out
    assert "C4–H1  5" in out


def test_what_cannot_be_used_is_refused(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = liquid(6)
    (tmp_path / "a.dump").write_text(dump_text(frames, 100))
    (tmp_path / "lost.dump").write_text(dump_text([*frames[:4], frames[4][:-1]], 100))
    (tmp_path / "small.dump").write_text(dump_text([Atoms("H2", [[0, 0, 0], [0.7, 0, 0]], cell=[1.5] * 3)], 100))
    argon = Atoms("Ar2", [[0, 0, 0], [4.0, 0, 0]], cell=[12] * 3, pbc=True)
    (tmp_path / "argon.dump").write_text(dump_text([argon] * 3, 100))
    (tmp_path / "none.dump").write_text(dump_text(frames[:1], 100)[:100])
    run_folder(tmp_path / "run", frames)
    for words, message in [
        (["lost.dump"], "lost.dump: frame 4 has 23 atoms, 1 of the first frame's 24 are gone and 0 are new"),
        (["small.dump"], "half of the cell is 0.75 Å wide: bonds up to 0.868 Å cannot be told from their images"),
        (["none.dump"], "none.dump: there are no whole frames"),
        (["a.dump", "--r-max", "7"], "--r-max 7 is more than half of the cell (6 Å)"),
        (["a.dump", "--discard", "1 ps"], "the times of the frames are not known: give --timestep or --dt"),
        (["a.dump", "--discard", "1 ps", "--dt", "0.1 ps"], "no frame lies in what was not discarded"),
        (["a.dump", "--reference", "argon.dump"], "have no class of bonds in common"),
        (["a.dump", "--pairs", "C-O"], "--pairs: a.dump has no pair C-O; it has H–H, H–O, O–O"),
        (["a.dump", "--pairs", "C"], "--pairs: 'C' are no pairs of elements"),
        (["a.dump", "--molecules", "some"], "--molecules must be one of all, inter, intra, got 'some'"),
        (["a.dump", "--bin", "0"], "--bin must be > 0 Å, got 0"),
        (["a.dump", "--every", "0"], "--every must be at least 1, got 0"),
        (["a.dump", "--breaks", "1"], "--breaks must lie between --tolerance (1.15) and 3, got 1"),
        (["a.dump", "--tolerance", "3"], "--tolerance must lie between 0.5 and 2, got 3"),
        (["a.dump", "--stage", "0"], "--stage is for run folders"),
        (["a.dump", "--figure", "x.doc"], "--figure x.doc: the suffix must be one of"),
        (["run", "--stage", "5"], "run has no stage '5'; it has 0 nvt (nvt)"),
        (["run", "--csv", "no/such/t"], "--csv no/such/t"),
    ]:
        code, _, err = lamplighter("structure", *words)
        assert code == 1
        assert message in err, err
