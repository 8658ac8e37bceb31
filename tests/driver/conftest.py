"""A small box of argon with a Lennard-Jones potential: every part of a run in LAMMPS, in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import pytest
import yaml

LENNARD_JONES = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]

WriteRunFile = Callable[..., Path]


@pytest.fixture
def argon(tmp_path: Path) -> Path:
    """108 argon atoms in a periodic box, a little off their lattice."""
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3)
    atoms.rattle(0.05, seed=1)
    path = tmp_path / "argon.xyz"
    ase.io.write(path, atoms)
    return path


@pytest.fixture
def write_run_file(tmp_path: Path, argon: Path) -> WriteRunFile:
    """`write_run_file(stages, **sections)`: a run file for the argon box; the run folder is `run` beside it."""

    def write(stages: list[dict[str, Any]], **sections: Any) -> Path:
        content = {
            "structure": {"file": str(argon)},
            "potential": {"lammps": LENNARD_JONES},
            "timestep": "2 fs",
            "output": {"thermo": "10 steps", "trajectory": "20 steps", "restart": "20 steps"},
            "stages": stages,
            **sections,
        }
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write
