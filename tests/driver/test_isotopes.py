"""A run with isotopes: types of their own in LAMMPS, one element in all that reads what the run has written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest

import lamplighter
from lamplighter.errors import ConfigError, TrajectoryError
from lamplighter.report.page.content import Table
from lamplighter.report.page.section import ReportedRun, Wishes
from lamplighter.report.page.sections import system
from lamplighter.run_folder.run import Run
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.molecule_file import read_molecule_file
from lamplighter.structures.trajectory import elements_of_data, read_start

NVT = {"type": "nvt", "length": "40 steps", "temperature": "80 K"}
WriteRunFile = Callable[..., Path]


@pytest.fixture
def mixed(argon: Path) -> np.ndarray:
    """The argon box with ³⁶Ar in every third place; the masses, as they are now in its file."""
    atoms = ase.io.read(argon)
    masses = np.full(len(atoms), 39.948)
    masses[::3] = 35.9675
    atoms.set_masses(masses)
    ase.io.write(argon, atoms)
    return masses


def test_a_run_of_isotopes_has_their_masses_everywhere(write_run_file: WriteRunFile, mixed: np.ndarray) -> None:
    zbl = {"inner": "0.5 A", "outer": "1.0 A"}
    members = [["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]] * 2
    output = {"thermo": "10 steps", "trajectory": "20 steps", "restart": "20 steps", "centres_of_mass": "20 steps"}
    path = write_run_file(
        [NVT], potential={"members": members, "zbl": zbl}, committee={"every": 20}, output=output, guard="stability"
    )
    folder = lamplighter.run(path, progress=False).folder
    rows = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)
    assert rows["density_g_cm3"] == pytest.approx(mixed.sum() / rows["volume_A3"] * 1.66053906660, rel=1e-5)
    trajectory = Run(folder).trajectory
    for frame in trajectory:
        assert set(frame.numbers) == {18}
        assert frame.masses == pytest.approx(mixed)
    assert trajectory.notes == []
    assert read_molecule_file(folder / "molecules.txt").masses == pytest.approx(mixed)
    assert "variance_max_Ar1_eV2_A2,variance_max_Ar2_eV2_A2" in (folder / "committee.csv").read_text()
    (composition,) = [
        block for block in system.make(ReportedRun(folder, "argon", Wishes())).blocks if isinstance(block, Table)
    ]
    assert composition.rows == [("Ar", "108", "1", f"{mixed.mean():.2f}", "100.0 %", "100.0 %")]
    with pytest.raises(TrajectoryError, match="tells no element"):
        read_start(folder / "final.data", AtomTypes({}, {}))
    assert set(
        read_start(folder / "final.data", AtomTypes(elements_of_data(folder / "structure.data"), {})).numbers
    ) == {18}
    assert json.loads((folder / "status.json").read_text())["status"] == "completed"


def test_elements_of_a_pair_style_must_be_those_of_the_types(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "salt.xyz", ase.Atoms("NaCl", positions=[[0, 0, 0], [3, 0, 0]], cell=[9, 9, 9], pbc=True))

    def script_of(*coefficients: str) -> str:
        return lamplighter.script_of(
            {
                "structure": str(tmp_path / "salt.xyz"),
                "potential": {"lammps": ["pair_style lamplighter", *coefficients]},
                "stages": [NVT],
            }
        )

    assert "m.lamp Na Cl" in script_of("pair_coeff * * m.lamp Na Cl")
    assert "m.lamp NULL Cl" in script_of("pair_coeff * * m.lamp NULL Cl")
    with pytest.raises(
        ConfigError, match="atom type 1 the element Cl, and in the structure it is Na: the types are Na Cl"
    ):
        script_of("pair_coeff * * m.lamp Cl Na  # the wrong way round")
    with pytest.raises(ConfigError, match="atom type 2 the element K, and in the structure it is Cl"):
        script_of("pair_coeff * * lamplighter a.lamp b.lamp Na K")
