"""Centres of mass written during a run: those of the full trajectory, on any ranks, also over a resumption."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml

import lamplighter
from lamplighter.analysis.centres_of_mass import CentresOfMass, read_centres
from lamplighter.driver.mend_trajectory import step_of, whole_frames
from lamplighter.driver.restart_file import step_of_restart
from lamplighter.errors import StructureError
from lamplighter.observables.diffusivity import frames_of_stage
from lamplighter.run_folder.centres import RunCentres
from lamplighter.run_folder.names import CENTRES, MOLECULES
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.trajectory import RunTrajectory
from lamplighter.structures.molecule_file import read_molecule_file

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
NVT = {"type": "nvt", "length": "400 steps", "temperature": "300 K"}
OUTPUT = {"thermo": "50 steps", "trajectory": "20 steps", "centres_of_mass": "20 steps", "restart": "100 steps"}
EDGE, SPACING, LENGTH = 16.0, 4.0, 1.27


def hydrogen_chloride(path: Path) -> Path:
    """64 HCl with harmonic bonds as LAMMPS data, H before Cl, some molecules across the boundary."""
    corners = np.array([(i, j, k) for i in range(4) for j in range(4) for k in range(4)]) * SPACING
    directions = np.random.default_rng(0).standard_normal((64, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    positions = np.stack([corners + LENGTH * directions, corners], axis=1).reshape(-1, 3)
    images = np.floor(positions / EDGE).astype(int)
    positions -= images * EDGE
    lines = ["HCl\n", "128 atoms", "64 bonds", "2 atom types", "1 bond types", ""]
    lines += [f"0 {EDGE} {axis}lo {axis}hi" for axis in "xyz"]
    lines += ["", "Masses\n", "1 1.008", "2 35.45", "", "Atoms # bond\n"]
    for k, (xyz, image) in enumerate(zip(positions, images, strict=True)):
        lines.append(f"{k + 1} {k // 2 + 1} {k % 2 + 1} " + " ".join([*(f"{x:.9f}" for x in xyz), *map(str, image)]))
    lines += ["", "Bonds\n", *(f"{k} 1 {2 * k - 1} {2 * k}" for k in range(1, 65))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def write_hcl(tmp_path: Path) -> Callable[..., Path]:
    """`write_hcl(stages, **sections)`: a run file for liquid HCl; the run folder is `run` beside it."""
    hydrogen_chloride(tmp_path / "hcl.data")

    def write(stages: list[dict[str, Any]], **sections: Any) -> Path:
        structure = {"file": "hcl.data", **sections.pop("structure", {})}
        lines = [
            "pair_style lj/cut 7.0",
            "pair_coeff 1 1 0.001 2.0",
            "pair_coeff 2 2 0.01 3.4",
            "special_bonds lj 0 1 1",
        ]
        lines += ["pair_modify mix arithmetic", "bond_style harmonic", f"bond_coeff 1 15.0 {LENGTH}"]
        content = {
            "structure": structure, "potential": {"lammps": lines}, "timestep": "0.25 fs", "output": OUTPUT,
            "stages": stages, **sections,
        }  # fmt: skip
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def both(folder: Path, stage: str | None = None) -> tuple[CentresOfMass, CentresOfMass]:
    """From the file that the run wrote, and from its full trajectory."""
    run = Run(folder)
    written = run.centres()
    made = read_centres(frames_of_stage(run, written, stage), of_molecules=written.molecules)
    return made, read_centres(frames_of_stage(run, run.trajectory, stage))


def require_equal(written: CentresOfMass, computed: CentresOfMass) -> None:
    np.testing.assert_allclose(written.positions, computed.positions, atol=2e-5)  # five decimals in the trajectory
    assert written.molecules.names == computed.molecules.names
    np.testing.assert_array_equal(written.molecules.of_atom, computed.molecules.of_atom)
    np.testing.assert_allclose(written.molecules.masses, computed.molecules.masses)
    assert written.interval_ps == pytest.approx(computed.interval_ps)
    np.testing.assert_allclose(written.cell, computed.cell)


def steps(path: Path) -> list[int]:
    return [step_of(frame) for frame in whole_frames(path)]


def test_they_are_those_of_the_full_trajectory(write_hcl: Callable[..., Path]) -> None:
    folder = lamplighter.run(write_hcl([{"type": "minimise", "max_steps": 20}, NVT]), progress=False).folder
    written, computed = both(folder)
    assert len(written) == 21
    assert written.molecules.counts() == [64]
    assert written.molecules.names == ["ClH"]
    require_equal(written, computed)
    assert np.abs(written.positions[-1] - written.positions[0]).max() > 0.1
    # one line for a molecule in place of one for each atom
    assert len((folder / CENTRES).read_bytes()) < 1.2 * len((folder / "trajectory.lammpstrj.gz").read_bytes())
    # velocities are the derivatives of the positions
    assert written.velocities is not None
    moved = (written.positions[2:] - written.positions[:-2]) / (2 * written.interval_ps)
    assert np.corrcoef(moved.ravel(), written.velocities[1:-1].ravel())[0, 1] > 0.9
    heat = (written.molecules.masses[:, None] * written.velocities[5:] ** 2).mean() * 1.03642697e-4 / 8.617333e-5
    assert 200.0 < heat < 400.0  # m v²/k_B a component, with 64 molecules
    assert isinstance(Run(folder).motion(), RunCentres)
    assert isinstance(Run(folder).motion("trajectory"), RunTrajectory)


@pytest.mark.mpi
def test_two_ranks_write_what_one_writes(
    write_hcl: Callable[..., Path], mpirun: Callable[..., Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    path = write_hcl([{**NVT, "length": "200 steps"}])
    assert run([PROGRAM, "run", "-q", path, "-o", "one"]).returncode == 0
    done = mpirun(2, [PROGRAM, "run", "-q", path, "-o", "two"])
    assert done.returncode == 0, done.stderr
    one, two = both(tmp_path / "one"), both(tmp_path / "two")
    require_equal(*two)
    np.testing.assert_allclose(two[0].positions, one[0].positions, atol=5e-6)
    assert (tmp_path / "one" / MOLECULES).read_bytes() == (tmp_path / "two" / MOLECULES).read_bytes()


def test_a_resumed_run_goes_on_in_the_same_file(write_hcl: Callable[..., Path], tmp_path: Path) -> None:
    stage = {**NVT, "length": "200 steps"}
    path = write_hcl([stage, stage])
    folder = lamplighter.run(path, progress=False).folder
    whole, _ = both(folder, "1")
    assert steps(folder / CENTRES) == list(range(0, 401, 20))
    # as if the process had been killed in the middle of the second stage, after it had written more
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "status": "running"}))
    (folder / "restart.stage1.bin").unlink()
    for name in ("restart.a.bin", "restart.b.bin"):
        if step_of_restart(folder / name) == 400:
            (folder / name).unlink()
    cut = (folder / CENTRES).read_bytes()
    (folder / CENTRES).write_bytes(cut[: int(0.97 * len(cut))])
    lamplighter.run(path, progress=False, resume=True)
    assert steps(folder / CENTRES) == list(range(0, 401, 20))
    assert list(folder.glob("in.resumed_at_300.lammps"))
    again, computed = both(folder, "1")
    require_equal(again, computed)
    np.testing.assert_allclose(again.positions, whole.positions, atol=1e-3)


def test_molecules_of_copies_are_numbered_as_lammps_numbers_them(write_hcl: Callable[..., Path]) -> None:
    path = write_hcl([{**NVT, "length": "40 steps"}], structure={"replicate": [2, 1, 3]})
    folder = lamplighter.run(path, progress=False).folder
    written, computed = both(folder)
    assert len(written.molecules) == 64 * 6
    require_equal(written, computed)


def test_the_file_says_what_the_molecules_are(write_hcl: Callable[..., Path]) -> None:
    folder = lamplighter.run(write_hcl([{**NVT, "length": "20 steps"}]), progress=False).folder
    held = read_molecule_file(folder / MOLECULES)
    assert held.first_atoms.tolist() == list(range(1, 129, 2))
    assert set(held.formulas) == {"ClH"}
    assert held.masses == pytest.approx(36.458)
    assert held.first_of_atom.tolist() == [k for k in range(1, 129, 2) for _ in range(2)]
    (folder / MOLECULES).write_text("128\n1 1\n")
    with pytest.raises(StructureError, match="no file of molecules of Lamplighter: its numbers do not agree"):
        Run(folder).centres()


def test_nothing_is_written_unless_it_is_asked_for(write_hcl: Callable[..., Path]) -> None:
    output = {key: value for key, value in OUTPUT.items() if key != "centres_of_mass"}
    folder = lamplighter.run(write_hcl([{**NVT, "length": "20 steps"}], output=output), progress=False).folder
    assert not (folder / CENTRES).exists()
    assert not (folder / MOLECULES).exists()


def test_a_single_molecule_has_no_centres_to_follow(write_hcl: Callable[..., Path], tmp_path: Path) -> None:
    molecule = ase.Atoms("HCl", positions=[[0, 0, 0], [1.27, 0, 0]], cell=[20] * 3, pbc=True)
    ase.io.write(tmp_path / "one.xyz", molecule)
    path = write_hcl([{**NVT, "length": "20 steps"}], structure={"file": "one.xyz"})
    with pytest.raises(
        StructureError, match=r"all 2 atoms of .*one.xyz are one molecule by distance.*`centres_of_mass: never`"
    ):
        lamplighter.run(path, progress=False)
