"""The table of the pressure tensor: the lines of thermo.csv, more often, and as far as a restart file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

import lamplighter
from lamplighter.driver.gaps import first_gaps
from lamplighter.driver.resumed_outputs import cut_outputs
from lamplighter.driver.stage_steps import Restart
from lamplighter.run_folder.names import PRESSURE
from lamplighter.run_folder.run import Run

STAGES = [
    {"type": "minimise", "max_steps": 5},
    {"type": "nvt", "temperature": "100 K", "length": "50 steps"},
    {"type": "npt", "temperature": "100 K", "pressure": "1 bar", "length": "60 steps"},
]
OUTPUT = {"thermo": "20 steps", "trajectory": "never", "restart": "40 steps", "pressure_tensor": "5 steps"}


def content(folder: Path, **output: Any) -> dict[str, Any]:
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True).repeat(3)
    atoms.rattle(0.05, seed=1)
    atoms.write(folder / "argon.xyz")
    return {
        "structure": str(folder / "argon.xyz"),
        "potential": {"lammps": ["pair_style lj/cut 8.0", "pair_coeff * * 0.0104 3.40"]},
        "timestep": "4 fs",
        "output": {**OUTPUT, **output},
        "stages": STAGES,
    }


def test_it_has_the_lines_of_the_thermo_table_and_more(tmp_path: Path) -> None:
    made = content(tmp_path)
    folder = lamplighter.run(made, output=tmp_path / "run", progress=False).folder
    run = Run(folder)
    table = run.pressure_tensor
    assert table is not None
    expected = [(1, step) for step in range(0, 51, 5)] + [(2, step) for step in range(50, 111, 5)]
    assert list(zip(table["stage"], table["step"], strict=True)) == expected
    lines = {(stage, step): row for row, (stage, step) in enumerate(expected)}
    for row in range(run.thermo.n_rows):
        place = lines.get((int(run.thermo["stage"][row]), int(run.thermo["step"][row])))
        if place is not None:
            for name in table:
                assert table[name][place] == pytest.approx(run.thermo[name][row], rel=1e-7, abs=1e-5), name
    np.testing.assert_allclose(np.diff(table.stage(2)["time_ps"]), 0.02, rtol=1e-6)
    resolved = lamplighter.load_run_file(folder / "run.yaml")
    assert PRESSURE not in first_gaps(folder, resolved)
    # as a run that was killed, and goes on from its restart file
    whole = (folder / PRESSURE).read_text()
    cut_outputs(folder, Restart("restart.b.bin", 2, 80, False))
    assert (folder / PRESSURE).read_text().splitlines()[-1].split(",")[:2] == ["2", "75"]
    assert first_gaps(folder, resolved)[PRESSURE] == 80
    assert whole.startswith((folder / PRESSURE).read_text())
    with pytest.raises(lamplighter.ConfigError, match="pressure_tensor"):
        lamplighter.RunFile(**{**made, "output": {"pressure_tensor": "5 bar"}})


def test_a_run_that_does_not_ask_for_it_has_none(tmp_path: Path) -> None:
    folder = lamplighter.run(content(tmp_path, pressure_tensor="never"), output=tmp_path / "run", progress=False).folder
    assert not (folder / PRESSURE).exists()
    assert Run(folder).pressure_tensor is None
