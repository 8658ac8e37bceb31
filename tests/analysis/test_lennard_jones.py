"""A Lennard-Jones liquid of LAMMPS: our numbers against those of LAMMPS, MDAnalysis and kinisi on the same frames."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from lamplighter.analysis.centres_of_mass import CentresOfMass, read_centres
from lamplighter.analysis.compressibility import compressibility
from lamplighter.analysis.diffusivity import BlockPlan, einstein, green_kubo
from lamplighter.analysis.displacement import mean_squared_displacement
from lamplighter.analysis.series import mean_with_error
from lamplighter.structures.lammps_dump import LammpsDump

from ..lennard_jones import N_ATOMS, TEMPERATURE_K, TIMESTEP_PS, Table

PLAN = BlockPlan(16.0, 4.0, 2.0)


@pytest.fixture(scope="module")
def centres(lennard_jones: Table) -> CentresOfMass:
    dump = LammpsDump(lennard_jones.folder / "argon.dump")
    return read_centres(replace(frame, time_ps=TIMESTEP_PS * (frame.step or 0)) for frame in dump)


def test_the_displacement_is_that_of_compute_msd(lennard_jones: Table, centres: CentresOfMass) -> None:
    assert centres.positions.shape == (2001, N_ATOMS, 3)
    away = centres.positions - centres.positions[0]
    ours = (away**2).sum(axis=2).mean(axis=1)
    assert ours[-1] > 50.0
    np.testing.assert_allclose(ours, lennard_jones.rows[:, 1], rtol=1e-10, atol=1e-10)


def test_the_displacement_over_all_origins_is_that_of_mdanalysis(lennard_jones: Table) -> None:
    MDAnalysis = pytest.importorskip("MDAnalysis")  # noqa: N806
    pytest.importorskip("tidynamics")
    from MDAnalysis.analysis.msd import EinsteinMSD

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe(
            lennard_jones.folder / "argon.dump",
            format="LAMMPSDUMP",
            topology_format="LAMMPSDUMP",
            lammps_coordinate_convention="unwrapped",
        )
        theirs = EinsteinMSD(universe, select="all", msd_type="xyz", fft=True).run(step=5).results.timeseries
        kept = np.array([frame.positions.copy() for frame in universe.trajectory[::5]], dtype=np.float64)
    ours = mean_squared_displacement(kept)
    np.testing.assert_allclose(ours[1:], theirs[1:], rtol=1e-10)


def test_the_diffusivity_is_that_of_kinisi_within_errors(centres: CentresOfMass) -> None:
    sc = pytest.importorskip("scipp")
    from ase import Atoms
    from kinisi.analyze import DiffusionAnalyzer

    ours = einstein(centres.positions, centres.interval_ps, PLAN)
    assert ours.diffusive
    # it takes scaled positions and removes jumps through the cell itself
    frames = [Atoms(f"Ar{N_ATOMS}", positions=row, cell=centres.cell, pbc=True) for row in centres.positions[::10]]
    interval = 10 * centres.interval_ps
    steps = interval * np.arange(1, 13)
    made = DiffusionAnalyzer.from_ase(
        frames,
        specie="Ar",
        time_step=sc.scalar(interval, unit="ps"),
        step_skip=sc.scalar(1),
        dt=sc.array(dims=["time interval"], values=steps, unit="ps"),
        progress=False,
    )
    made.diffusion(
        sc.scalar(2.0, unit="ps"), n_samples=200, n_burn=100, progress=False, random_state=np.random.RandomState(0)
    )
    theirs = sc.to_unit(made.D, "angstrom^2/ps").values
    apart = abs(ours.value - theirs.mean())
    assert 0.1 < theirs.mean() < 0.6
    assert 0.0 < theirs.std() < 0.05
    assert apart < 3.0 * math.hypot(ours.standard_error, theirs.std())


def test_velocities_and_displacements_give_one_diffusivity(centres: CentresOfMass) -> None:
    assert centres.velocities is not None
    moved = einstein(centres.positions, centres.interval_ps, PLAN)
    kubo = green_kubo(centres.velocities, centres.interval_ps, 2.0)
    assert kubo.value == pytest.approx(moved.value, abs=3.0 * math.hypot(kubo.standard_error, moved.standard_error))
    assert moved.standard_error < 0.1 * moved.value
    heat = 39.948 * 1.0364269e-4 * kubo.autocorrelation[0] / (3.0 * 8.617333e-5)  # m⟨v²⟩ = 3 k_B T
    assert heat == pytest.approx(TEMPERATURE_K, rel=0.05)


def test_the_compressibility_from_fluctuations_is_that_from_compression(
    lennard_jones_volumes: dict[float, Table],
) -> None:
    """κ = −∂ ln V/∂p between 500 and 700 bar, against the fluctuations at 600 bar."""
    low, middle, high = (lennard_jones_volumes[each].rows[:, 1] for each in (500.0, 600.0, 700.0))
    fluctuating = compressibility(middle, TEMPERATURE_K)
    less, more = mean_with_error(low), mean_with_error(high)
    compressed = math.log(less.value / more.value) / 200e5
    error = math.hypot(less.standard_error / less.value, more.standard_error / more.value) / 200e5
    assert error < 0.2 * compressed
    assert fluctuating.standard_error < 0.25 * fluctuating.value
    assert abs(fluctuating.value - compressed) < 3.0 * math.hypot(error, fluctuating.standard_error)
