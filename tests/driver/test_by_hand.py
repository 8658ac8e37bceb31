"""The plain scripts run without the driver: each ensemble, with variables from the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamplighter.config import StructureSection
from lamplighter.driver.lammps_scripts import scripts_folder
from lamplighter.structures import read_start_structure

STAGES = sorted(path.name for path in scripts_folder().glob("n[pv][etv]*.lmp"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_by_hand(run: Callable[..., Any], lmp: Path, argon: Path, tmp_path: Path, stage: str) -> None:
    shutil.copytree(scripts_folder(), tmp_path / "inputs")
    read_start_structure(StructureSection(file=argon)).write(tmp_path / "structure.data")
    (tmp_path / "potential.lmp").write_text("pair_style lj/cut 7.0\npair_coeff * * 0.0104 3.40\n")
    variables = {"stage_file": stage, "elements": "Ar", "temperature": 60, "step_end": 40, "thermo_every": 10}
    words = [word for name, value in variables.items() for word in ("-var", name, str(value))]
    done = run([lmp, "-in", "inputs/by_hand.lmp", *words])
    assert done.returncode == 0, done.stdout
    rows = np.genfromtxt(tmp_path / "thermo.csv", delimiter=",", names=True)
    assert rows["step"].tolist() == [0, 10, 20, 30, 40]
    assert rows["temperature_K"][0] == pytest.approx(60)
    assert (np.ptp(rows["volume_A3"]) > 0) == stage.startswith("npt")


def test_all_ensembles_were_tried() -> None:
    assert len(STAGES) == 7
