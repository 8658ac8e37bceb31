"""Every stage, thermostat and barostat runs in LAMMPS and does what its name says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamplighter
from lamplighter.run_folder.thermo_table import THERMO_COLUMNS

pytestmark = pytest.mark.filterwarnings("ignore")


def run(path: Path, **options: Any) -> Path:
    return lamplighter.run(path, progress=False, **options).folder


def table(folder: Path) -> Any:
    return np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)


NVT = {"type": "nvt", "length": "60 steps", "temperature": "80 K"}
NPT = {"type": "npt", "length": "60 steps", "temperature": "80 K", "pressure": "1 bar"}


@pytest.mark.parametrize("thermostat", ["nose-hoover", "langevin", "svr"])
@pytest.mark.parametrize("ensemble", [NVT, NPT], ids=["nvt", "npt"])
def test_thermostats_run_with_and_without_barostat(
    write_run_file: Callable[..., Path], ensemble: dict[str, Any], thermostat: str
) -> None:
    folder = run(write_run_file([{**ensemble, "thermostat": {"type": thermostat, "damping": "100 fs"}}]))
    rows = table(folder)
    assert rows["step"].tolist() == list(range(0, 61, 10))
    assert rows["time_ps"] == pytest.approx(rows["step"] * 0.002)
    assert rows["temperature_K"][0] == pytest.approx(80.0)
    moved = np.ptp(rows["volume_A3"]) > 0
    assert moved == (ensemble is NPT)
    assert json.loads((folder / "status.json").read_text())["status"] == "completed"


@pytest.mark.parametrize("thermostat", ["nose-hoover", "langevin", "svr"])
def test_thermostats_follow_a_ramp(write_run_file: Callable[..., Path], thermostat: str) -> None:
    stage = {
        "type": "nvt",
        "length": "4 ps",
        "temperature": ["20 K", "120 K"],
        "thermostat": {"type": thermostat, "damping": "50 fs"},
    }
    folder = run(write_run_file([stage], output={"thermo": "10 steps", "trajectory": "never", "restart": "never"}))
    temperature = table(folder)["temperature_K"]
    assert temperature[20:40].mean() == pytest.approx(35.0, abs=12.0)
    assert temperature[-20:].mean() == pytest.approx(115.0, abs=20.0)
    assert not (folder / "trajectory.lammpstrj.gz").exists()
    assert not (folder / "restart.a.bin").exists()


@pytest.mark.parametrize(
    ("barostat", "edges", "tilts"), [("isotropic", 1, 0), ("anisotropic", 3, 0), ("triclinic", 3, 3)]
)
def test_barostats_move_what_they_name(
    write_run_file: Callable[..., Path], barostat: str, edges: int, tilts: int
) -> None:
    rows = table(run(write_run_file([{**NPT, "barostat": barostat}])))
    ratios = {f"{rows[name][-1] / rows[name][0]:.7f}" for name in ("lx_A", "ly_A", "lz_A")}
    assert len(ratios) == edges
    assert sum(rows[name][-1] != 0 for name in ("xy_A", "xz_A", "yz_A")) == tilts


def test_the_barostat_follows_a_pressure_ramp(write_run_file: Callable[..., Path]) -> None:
    stage = {
        **NPT,
        "length": "6 ps",
        "pressure": ["1 bar", "3 kbar"],
        "barostat": {"damping": "200 fs"},
    }
    output = {"thermo": "10 steps", "trajectory": "never", "restart": "never"}
    rows = table(run(write_run_file([stage], output=output)))
    assert rows["pressure_bar"][-30:].mean() == pytest.approx(2850, rel=0.2)


def test_nve_keeps_its_energy(write_run_file: Callable[..., Path]) -> None:
    folder = run(
        write_run_file([{"type": "nve", "length": "200 steps"}], velocities={"temperature": "40 K"}, timestep="1 fs")
    )
    energy = table(folder)["total_energy_eV"]
    assert np.ptp(energy) < 1e-3 * abs(energy[0])


def test_minimisation_goes_downhill_and_takes_no_time(write_run_file: Callable[..., Path]) -> None:
    folder = run(
        write_run_file(
            [{"type": "minimise", "force_tolerance": "1 meV/A"}, {**NVT, "name": "hot"}, {"type": "minimise"}, NVT]
        )
    )
    rows = table(folder)
    first, hot, second, last = (rows[rows["stage"] == index] for index in range(4))
    assert first["potential_energy_eV"][1] < first["potential_energy_eV"][0]
    assert second["potential_energy_eV"][1] < second["potential_energy_eV"][0]
    assert set(first["time_ps"]) == {0.0}
    assert hot["step"].tolist() == list(range(0, 61, 10))
    assert last["step"].tolist() == list(range(60, 121, 10))
    assert last["time_ps"][-1] == pytest.approx(0.24)
    # after a minimisation velocities are drawn anew
    assert last["temperature_K"][0] == pytest.approx(80.0)
    status = json.loads((folder / "status.json").read_text())
    assert [stage["name"] for stage in status["stages"]] == ["minimise", "hot", "minimise", "nvt"]
    assert [stage["steps"] for stage in status["stages"]] == [0, 60, 0, 60]
    assert all(stage["wall_s"] > 0 for stage in status["stages"])


def test_stages_may_differ_in_timestep(write_run_file: Callable[..., Path]) -> None:
    folder = run(
        write_run_file(
            [{**NVT, "length": "40 fs"}, {**NVT, "length": "40 fs", "timestep": "1 fs"}],
            output={"thermo": "10 fs", "trajectory": "20 fs"},
        )
    )
    rows = table(folder)
    second = rows[rows["stage"] == 1]
    assert second["step"][0] == 20
    assert second["step"][-1] == 60
    assert second["time_ps"][-1] == pytest.approx(0.08)


def test_the_table_has_the_columns_of_the_architecture(write_run_file: Callable[..., Path]) -> None:
    folder = run(write_run_file([NVT]))
    lines = (folder / "thermo.csv").read_text().splitlines()
    assert lines[0] == THERMO_COLUMNS
    assert {line.count(",") for line in lines} == {THERMO_COLUMNS.count(",")}
    architecture = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text()
    assert "".join(THERMO_COLUMNS.split()) in "".join(architecture.split()).replace("`", "")


def test_first_velocities_carry_no_momentum(write_run_file: Callable[..., Path]) -> None:
    folder = run(write_run_file([{**NVT, "length": "1 steps"}]))
    import ase.io

    atoms = ase.io.read(folder / "final.data", format="lammps-data")
    momenta = atoms.get_masses()[:, None] * atoms.get_velocities()
    assert np.abs(momenta.sum(axis=0)).max() < 1e-8 * np.abs(momenta).sum()


def test_the_seed_decides_the_velocities(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    stages = [{**NVT, "thermostat": "svr"}]
    first = table(run(write_run_file(stages, seed=1), output=tmp_path / "a"))
    same = table(run(write_run_file(stages, seed=1), output=tmp_path / "b"))
    other = table(run(write_run_file(stages, seed=2), output=tmp_path / "c"))
    assert first.tolist() == same.tolist()
    assert first["potential_energy_eV"][-1] != other["potential_energy_eV"][-1]


def test_velocities_of_the_structure_are_used(write_run_file: Callable[..., Path], argon: Path) -> None:
    import ase.io
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

    atoms = ase.io.read(argon)
    MaxwellBoltzmannDistribution(atoms, temperature_K=33.0, force_temp=True, rng=np.random.default_rng(1))
    moving = argon.with_suffix(".traj")
    ase.io.write(moving, atoms)
    folder = run(
        write_run_file([NVT], structure={"file": str(moving)}, velocities={"from_structure": True}),
    )
    assert table(folder)["temperature_K"][0] == pytest.approx(33.0, rel=0.02)


def test_the_structure_is_replicated(write_run_file: Callable[..., Path], argon: Path) -> None:
    folder = run(write_run_file([NVT], structure={"file": str(argon), "replicate": [2, 1, 1]}))
    assert json.loads((folder / "status.json").read_text())["natoms"] == 216


def test_a_cluster_runs_in_the_open(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    import ase.io
    from ase.cluster import Octahedron

    path = tmp_path / "cluster.xyz"
    ase.io.write(path, Octahedron("Ar", 3, latticeconstant=5.3))
    rows = table(run(write_run_file([NVT], structure={"file": str(path)})))
    assert len(rows) == 7


def test_lammps_data_with_its_own_atom_style_runs(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "argon.data"
    grid = np.stack(np.meshgrid(*[np.arange(5) * 4.0 + 1.0] * 3), axis=-1).reshape(-1, 3)
    atoms = "\n".join(f"{i} 1 1 0.0 {x} {y} {z}" for i, (x, y, z) in enumerate(grid, start=1))
    path.write_text(
        f"argon\n\n{len(grid)} atoms\n1 atom types\n\n0 20 xlo xhi\n0 20 ylo yhi\n0 20 zlo zhi\n\n"
        f"Atoms # full\n\n{atoms}\n"
    )
    folder = run(write_run_file([NPT], structure={"file": str(path), "elements": ["Ar"]}))
    assert 'atom_style string "full"' in (folder / "in.lammps").read_text()
    # the data file gives no mass: it is argon's
    assert table(folder)["density_g_cm3"][0] == pytest.approx(125 * 39.948 / 8000 * 1.66053907, rel=1e-4)
