"""The trajectory: ASE and MDAnalysis read it, unwrapped, also what is left of a killed run."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from pathlib import Path

import ase.io
import MDAnalysis
import numpy as np
import pytest

import lamplighter
from lamplighter.driver.mend_trajectory import keep_frames_until, step_of, whole_frames

pytestmark = pytest.mark.filterwarnings("ignore")


def trajectory(path: Path) -> Path:
    return lamplighter.run(path, progress=False).folder / "trajectory.lammpstrj.gz"


def universe(path: Path) -> MDAnalysis.Universe:
    return MDAnalysis.Universe(path, format="LAMMPSDUMP", topology_format="LAMMPSDUMP")


@pytest.mark.parametrize("barostat", ["isotropic", "triclinic"])
def test_ase_and_mdanalysis_agree(write_run_file: Callable[..., Path], barostat: str) -> None:
    stage = {"type": "npt", "length": "200 steps", "temperature": "300 K", "pressure": "1 bar", "barostat": barostat}
    path = trajectory(write_run_file([stage]))
    frames = ase.io.read(path, index=":")
    other = universe(path)
    assert len(frames) == len(other.trajectory) == 11
    for frame, step in zip(frames, other.trajectory, strict=True):
        assert set(frame.get_chemical_symbols()) == {"Ar"}
        # MDAnalysis moves the origin of the box to zero
        np.testing.assert_allclose(frame.positions - frame.get_celldisp().ravel(), step.positions, atol=2e-4)
        np.testing.assert_allclose(frame.cell.cellpar(), step.dimensions, rtol=1e-5)
        assert frame.pbc.all()
    assert list(other.atoms.ids) == list(range(1, 109))


def test_positions_are_unwrapped(write_run_file: Callable[..., Path]) -> None:
    stage = {"type": "nve", "length": "400 steps"}
    path = trajectory(write_run_file([stage], velocities={"temperature": "2000 K"}))
    frames = [frame.positions for frame in ase.io.read(path, index=":")]
    steps = [np.abs(after - before).max() for before, after in itertools.pairwise(frames)]
    assert max(steps) < 5.0
    outside = (frames[-1] < -0.5) | (frames[-1] > 15.9 + 0.5)
    assert outside.any()
    final = ase.io.read(path.parent / "final.data", format="lammps-data")
    difference = frames[-1] - final.positions
    np.testing.assert_allclose(difference - 15.9 * np.round(difference / 15.9), 0.0, atol=1e-4)


def test_no_frame_is_written_twice_over_stages(write_run_file: Callable[..., Path]) -> None:
    nvt = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
    path = trajectory(write_run_file([{"type": "minimise"}, nvt, {"type": "minimise"}, nvt, nvt]))
    assert [step_of(frame) for frame in whole_frames(path)] == [0, 20, 40, 60, 80, 100, 120]


def test_frames_of_a_cut_file_are_read_until_the_cut(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    nvt = {"type": "nvt", "length": "100 steps", "temperature": "80 K"}
    whole = trajectory(write_run_file([nvt, nvt])).read_bytes()
    cut = tmp_path / "cut.lammpstrj.gz"
    cut.write_bytes(whole[: int(0.7 * len(whole))])
    with pytest.raises(EOFError), gzip.open(cut) as file:
        file.read()
    steps = [step_of(frame) for frame in whole_frames(cut)]
    assert steps[:5] == [0, 20, 40, 60, 80]
    assert 120 <= steps[-1] < 200
    assert keep_frames_until(cut, 100) == 6
    assert len(ase.io.read(cut, index=":")) == 6
    assert len(universe(cut).trajectory) == 6
