"""Atoms that the structure holds fixed do not move, and the temperature is that of what moves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms, FixCartesian

import lamplighter
from lamplighter.errors import ConfigError
from lamplighter.labelling.calculators import CalculatorEvaluator
from lamplighter.run_folder.run import Run
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.trajectory import read_start

pytestmark = pytest.mark.filterwarnings("ignore")
WriteRunFile = Callable[..., Path]

BOLTZMANN, BAR = 8.617343e-5, 6.2415e-7  # eV/K, eV/Å³, as LAMMPS has them in metal units
NVT = {"type": "nvt", "length": "60 steps", "temperature": "60 K"}


@pytest.fixture
def held(argon: Path) -> np.ndarray:
    """The argon box with 40 atoms fixed, 10 on planes and 5 on lines; what is held, shape (108, 3)."""
    atoms = ase.io.read(argon)
    planes, lines = list(range(50, 60)), list(range(70, 75))
    atoms.set_constraint(
        [FixAtoms(range(40)), FixCartesian(planes, (False, True, False)), FixCartesian(lines, (True, False, True))]
    )
    ase.io.write(argon, atoms)
    mask = np.zeros((108, 3), dtype=bool)
    mask[:40] = mask[planes, 1] = True
    mask[np.ix_(lines, [0, 2])] = True
    return mask


def table(folder: Path) -> Any:
    return np.atleast_1d(np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True))


def final(folder: Path) -> np.ndarray:
    return read_start(folder / "final.data", AtomTypes({1: "Ar"}, {})).positions


@pytest.mark.parametrize("thermostat", ["nose-hoover", "langevin", "svr"])
def test_held_atoms_stay_and_the_others_have_the_temperature(
    write_run_file: WriteRunFile, argon: Path, held: np.ndarray, thermostat: str
) -> None:
    before = ase.io.read(argon).positions
    stages = [
        {"type": "minimise", "max_steps": 20},
        {**NVT, "length": "8 ps", "thermostat": {"type": thermostat, "damping": "50 fs"}},
        {"type": "nve", "length": "60 steps"},
    ]
    output = {"thermo": "20 steps", "trajectory": "60 steps", "restart": "never"}
    folder = lamplighter.run(write_run_file(stages, output=output, guard="stability"), progress=False).folder
    rows = table(folder)
    minimised, hot, free = (rows[rows["stage"] == stage] for stage in range(3))
    assert minimised["potential_energy_eV"][1] < minimised["potential_energy_eV"][0]
    frames = np.array([frame.positions for frame in Run(folder).trajectory])
    assert np.abs(frames - before)[:, held].max() < 6e-6  # the digits of the trajectory
    assert np.abs(frames - frames[0])[:, ~held].max() > 0.1
    moving = np.abs(frames - frames[0]).max(axis=0)
    assert (moving[~held] > 0.01).all()  # also what is held along another axis
    # equipartition over the coordinates that can move
    for stage in (hot, free):
        assert stage["temperature_K"] == pytest.approx(
            2 * stage["kinetic_energy_eV"] / ((~held).sum() * BOLTZMANN), rel=1e-6
        )
    assert hot["temperature_K"][0] == pytest.approx(60.0)
    # a mean over 80 coupling times; other degrees of freedom would give 34 or 102 K
    assert hot["temperature_K"][40:].mean() == pytest.approx(60.0, abs=5.0)
    assert np.ptp(free["total_energy_eV"]) < 5e-3


def test_the_pressure_is_the_derivative_of_the_energy_by_the_volume(
    write_run_file: WriteRunFile, held: np.ndarray
) -> None:
    path = write_run_file([{"type": "nve", "length": "1 steps"}], velocities="60 K")
    folder = lamplighter.run(path, progress=False).folder
    row = table(folder)[0]
    atoms = ase.io.read(path.parent / "argon.xyz")
    assert atoms.constraints
    # σ, ε and the cut, unshifted, of the run's potential; as another program sees it
    calculator = LennardJones(sigma=3.40, epsilon=0.0104, rc=7.0, smooth=False)
    labels = CalculatorEvaluator(calculator, "lj").evaluate(atoms)
    kinetic = 2 * row["kinetic_energy_eV"] / (3 * row["volume_A3"])
    assert row["pressure_bar"] * BAR == pytest.approx(kinetic - np.trace(labels.stress) / 3, rel=1e-4)
    assert np.abs(labels.forces[:40]).min() > 0  # a reference's forces on fixed atoms are forces, too


def test_where_an_axis_is_free_for_all_its_momentum_is_conserved(write_run_file: WriteRunFile, argon: Path) -> None:
    atoms = ase.io.read(argon)
    atoms.set_constraint(FixCartesian(range(108), (False, False, True)))
    atoms.set_momenta(np.full((108, 3), 0.4), apply_constraint=False)
    ase.io.write(argon, atoms)
    folder = lamplighter.run(write_run_file([NVT]), progress=False).folder
    rows = table(folder)
    degrees = 2 * 108 - 2
    assert rows["temperature_K"] == pytest.approx(2 * rows["kinetic_energy_eV"] / (degrees * BOLTZMANN), rel=1e-6)
    assert rows["temperature_K"][0] == pytest.approx(60.0)
    drift = (final(folder) - atoms.positions).mean(axis=0)
    assert drift == pytest.approx([0, 0, 0], abs=1e-6)
    # velocities that the file gives to what it holds do not count
    path = write_run_file([{"type": "nve", "length": "10 steps"}], velocities={"from_structure": True})
    path = Path(path.rename(path.with_name("given.yaml")))
    ase.io.write(argon, atoms, format="extxyz", columns=["symbols", "positions", "momenta", "move_mask"])
    kinetic = table(lamplighter.run(path, progress=False).folder)["kinetic_energy_eV"][0]
    assert kinetic == pytest.approx(2 / 3 * atoms.get_kinetic_energy(), rel=1e-3)


def test_copies_and_a_resumed_run_are_held_alike(write_run_file: WriteRunFile, argon: Path, held: np.ndarray) -> None:
    structure = {"file": str(argon), "replicate": [1, 2, 1]}
    output = {"thermo": "10 steps", "trajectory": "10 steps", "restart": "20 steps"}
    path = write_run_file([{**NVT, "length": "50 steps"}], structure=structure, velocities="60 K", output=output)
    folder = lamplighter.run(path, progress=False).folder
    whole, temperatures = final(folder), table(folder)["temperature_K"]
    (folder / "restart.stage0.bin").unlink()  # as if it had been killed after step 40
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "status": "running"}))
    assert lamplighter.run(path, progress=False, resume=True).folder == folder
    assert (folder / "in.resumed_at_40.lammps").exists()
    assert final(folder) == pytest.approx(whole, abs=1e-6)
    assert table(folder)["temperature_K"] == pytest.approx(temperatures, rel=1e-6)
    frames = np.array([frame.positions for frame in Run(folder).trajectory])
    assert frames.shape == (6, 216, 3)
    assert np.abs(frames - frames[0])[:, np.tile(held, (2, 1))].max() == 0.0
    assert (np.abs(frames - frames[0]).max(axis=0)[np.tile(~held, (2, 1))] > 0).all()


def test_a_barostat_and_a_structure_without_freedom_are_refused(
    write_run_file: WriteRunFile, argon: Path, held: np.ndarray
) -> None:
    npt = {**NVT, "type": "npt", "pressure": "1 bar"}
    with pytest.raises(
        ConfigError, match=r"stages\[1\] is npt, and .* holds 55 atoms fixed: the barostat changes the box"
    ):
        lamplighter.script_of(write_run_file([NVT, npt]))
    ignored = {"file": str(argon), "constraints": "ignore"}
    assert "hold" not in lamplighter.script_of(write_run_file([NVT, npt], structure=ignored)).split("# >>>")[0]
    atoms = ase.io.read(argon)
    atoms.set_constraint(FixAtoms(range(108)))
    ase.io.write(argon, atoms)
    with pytest.raises(ConfigError, match=r"all 108 atoms of .* are held fixed, so there is nothing to move"):
        lamplighter.script_of(write_run_file([NVT]))
