"""A run that goes on is the run that was never interrupted, bit by bit; a restart file that has changed is not used."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lamplighter
from lamplighter.config.loading import load_run_file
from lamplighter.driver.restart_checksum import checksum_of, is_as_written
from lamplighter.driver.restart_file import read_head
from lamplighter.driver.resume import how_to_go_on

STAGE: dict[str, Any] = {"length": "50 steps", "temperature": ["80 K", "90 K"]}
ENSEMBLES: dict[str, dict[str, Any]] = {
    "constant energy": {"type": "nve", "length": "50 steps"},
    "Nose-Hoover": {**STAGE, "type": "nvt"},
    "rescaled": {**STAGE, "type": "nvt", "thermostat": "svr"},
    "Langevin": {**STAGE, "type": "nvt", "thermostat": "langevin"},
    "constant pressure": {**STAGE, "type": "npt", "pressure": ["1 bar", "500 bar"], "barostat": "anisotropic"},
    "constant pressure, Langevin": {**STAGE, "type": "npt", "pressure": "1 bar", "thermostat": "langevin"},
}


def interrupted(folder: Path, name: str, *restarts: str) -> Path:
    """A copy as a kill near its end would have left it, with these restart files alone."""
    copy = folder.parent / name
    shutil.copytree(folder, copy)
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps({**status, "status": "running"}))
    for file in copy.glob("restart.*.bin*"):
        if not file.name.startswith(restarts):
            file.unlink()
    return copy


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_a_run_that_goes_on_is_bit_by_bit_the_one_without_a_break(
    write_run_file: Callable[..., Path], ensemble: str
) -> None:
    output = {"thermo": "1 steps", "trajectory": "10 steps", "restart": "20 steps"}
    path = write_run_file([ENSEMBLES[ensemble]], output=output, neighbour={"skin": "0.3 A"}, velocities="90 K")
    whole = lamplighter.run(path, progress=False).folder
    copy = interrupted(whole, "copy", "restart.a.bin")
    lamplighter.run(copy / "run.yaml", resume=True, progress=False)
    assert (copy / "in.resumed_at_20.lammps").exists()
    rows, again = ((each / "thermo.csv").read_text().splitlines() for each in (whole, copy))
    of_the_file = 1 + 20  # forces of this step were summed in another order: the line is the same within rounding
    assert again.pop(of_the_file)[:30] == rows.pop(of_the_file)[:30]
    assert again == rows
    assert (copy / "final.data").read_text() == (whole / "final.data").read_text()


def test_a_committee_takes_nothing_from_thermostat_and_guard(write_run_file: Callable[..., Path]) -> None:
    """Its table asks for a first run, at which LAMMPS forgets what the restart file holds of other fixes."""
    path = write_run_file(
        [{**STAGE, "type": "npt", "pressure": "100 bar"}],
        potential={"members": [["pair_style lj/cut 7.0", f"pair_coeff * * {e} 3.40"] for e in (0.0104, 0.0105)]},
        committee={"every": 5},
        guard={"force": "100 eV/A", "energy": 10.0},
        output={"thermo": "1 steps", "trajectory": "10 steps", "restart": "20 steps"},
    )
    whole = lamplighter.run(path, progress=False).folder
    copy = interrupted(whole, "copy", "restart.a.bin")
    lamplighter.run(copy / "run.yaml", resume=True, progress=False)
    for name in ("thermo.csv", "committee.csv", "final.data"):
        rows, again = ((each / name).read_text().splitlines() for each in (whole, copy))
        if name == "thermo.csv":
            assert again.pop(21)[:30] == rows.pop(21)[:30]
        assert again == rows, name


@pytest.mark.mpi
def test_ranks_keep_their_domains_though_the_box_has_changed_its_shape(
    write_run_file: Callable[..., Path], mpirun: Callable[..., Any]
) -> None:
    """LAMMPS would divide the box of the restart file along its longest edge; noise is drawn by rank."""
    output = {"thermo": "1 steps", "trajectory": "10 steps", "restart": "20 steps"}
    stage = {**STAGE, "type": "npt", "pressure": "100 bar", "barostat": "anisotropic", "thermostat": "langevin"}
    path = write_run_file([stage], output=output)
    program = Path(sys.executable).with_name("lamplighter")
    assert mpirun(2, [program, "run", "-q", path, "-o", "whole"]).returncode == 0
    whole = path.parent / "whole"
    copy = interrupted(whole, "copy", "restart.a.bin")
    grids = [found.grid for file in whole.glob("restart.*.bin") if (found := read_head(file)) is not None]
    assert grids == [(1, 1, 2)] * 3
    done = mpirun(2, [program, "run", copy / "run.yaml", "--resume"])
    assert done.returncode == 0, done.stderr
    assert "processors 1 1 2" in (copy / "in.resumed_at_20.lammps").read_text()
    assert (copy / "final.data").read_text() == (whole / "final.data").read_text()


def test_a_restart_file_that_has_changed_is_passed_over(write_run_file: Callable[..., Path]) -> None:
    """A flipped bit in a coordinate is no fault that LAMMPS could see."""
    path = write_run_file([{**STAGE, "type": "nvt"}])
    folder = interrupted(lamplighter.run(path, progress=False).folder, "copy", "restart.a.bin", "restart.b.bin")
    run = load_run_file(folder / "run.yaml")
    last, before = folder / "restart.b.bin", folder / "restart.a.bin"
    assert is_as_written(last)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    found = how_to_go_on(folder, run)
    assert found.restart is not None
    assert (found.restart.file, found.restart.step) == ("restart.a.bin", 20)
    assert "restart.b.bin (step 40) is not what its checksum says: damaged, and passed over" in found.notes
    # without a checksum, as earlier versions left them, or with one that was cut off, it counts if LAMMPS reads it
    checksum_of(last).write_text("12ab")
    assert is_as_written(last) is None
    found = how_to_go_on(folder, run)
    assert found.restart is not None
    assert found.restart.file == "restart.b.bin"
    checksum_of(before).unlink()
    assert is_as_written(before) is None
