"""A stage at constant volume begins at the mean cell of one at constant pressure, also when exported or resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.exporting.plain_lammps import plain_lammps

import lamplighter
from lamplighter.analysis.centres_of_mass import change_of_cell
from lamplighter.errors import ConfigError, RunFolderError
from lamplighter.exporting.export import export
from lamplighter.observables.density import density_of_run
from lamplighter.observables.diffusivity import frames_of_stage
from lamplighter.run_folder.run import Run

NPT = {"type": "npt", "name": "density", "length": "100 steps", "temperature": "80 K", "pressure": "500 bar"}
NVT = {"type": "nvt", "name": "transport", "length": "60 steps", "temperature": "80 K", "mean_volume_of": "density"}
CELL = ("lx_A", "ly_A", "lz_A", "xy_A", "xz_A", "yz_A")

WriteRunFile = Callable[..., Path]


@pytest.mark.parametrize("barostat", ["isotropic", "triclinic"])
def test_the_cell_is_the_mean_that_density_says(write_run_file: WriteRunFile, barostat: str) -> None:
    npt = {**NPT, "barostat": {"type": barostat, "damping": "0.2 ps"}}
    run = lamplighter.run(write_run_file([npt, NVT]), progress=False)
    before, after = (Run(run.folder).thermo.stage(index) for index in (0, 1))
    density = density_of_run(Run(run.folder), stage="density")
    assert np.ptp(after["volume_A3"]) == 0
    assert after["volume_A3"][0] == pytest.approx(density.volume.value, rel=1e-10)
    assert abs(before["volume_A3"][-1] / after["volume_A3"][0] - 1) > 1e-4, "the last volume is another one"
    rows = before["volume_A3"].size - density.production.size
    means = np.array([before[name][rows:].mean() for name in CELL])
    found = np.array([after[name][0] for name in CELL])
    np.testing.assert_allclose(found, means * (found[0] / means[0]), atol=1e-6)
    if barostat == "triclinic":
        assert np.abs(means[3:]).max() > 1e-4, "the cell is tilted"


def test_atoms_keep_their_places_in_the_cell(write_run_file: WriteRunFile) -> None:
    nvt = {**NVT, "length": "1 steps", "timestep": "0.001 fs", "temperature": "1 K"}
    output = {"thermo": "10 steps", "trajectory": "1 steps"}
    run = Run(lamplighter.run(write_run_file([NPT, nvt], output=output), progress=False).folder)
    last, first = list(run.trajectory)[-2:]
    scale = first.cell[0, 0] / last.cell[0, 0]
    assert abs(scale - 1) > 1e-4
    centre = last.positions.mean(axis=0)
    moved = first.positions.mean(axis=0) + scale * (last.positions - centre)
    np.testing.assert_allclose(first.positions, moved, atol=1e-3)


def test_displacements_begin_with_the_cell_of_the_stage(write_run_file: WriteRunFile) -> None:
    """The frame of its first step is that of the stage before, with another cell; without a new cell it counts."""
    output = {"thermo": "10 steps", "trajectory": "10 steps"}
    plain = {key: value for key, value in NVT.items() if key != "mean_volume_of"}
    for nvt, first in ((NVT, 10), (plain, 0)):
        run = Run(lamplighter.run(write_run_file([NPT, nvt], output=output), progress=False).folder)
        frames = list(frames_of_stage(run, run.trajectory, "transport"))
        assert len(frames) == 7 - first // 10
        assert max(change_of_cell(frames[0], each) for each in frames) < 1e-6
        assert round((frames[-1].time_ps or 0.0) / (frames[0].time_ps or 1e9), 3) == (6.0 if first else 0.0)
        shutil.rmtree(run.folder)


def interrupted(folder: Path, name: str, restart: str) -> Path:
    """A copy as a kill would have left it, with this restart file alone."""
    copy = folder.parent / name
    shutil.copytree(folder, copy)
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps({**status, "status": "running"}))
    for file in copy.glob("restart.*.bin*"):
        if not file.name.startswith(restart):
            file.unlink()
    return copy


@pytest.mark.parametrize("restart", ["restart.stage0.bin", "restart.a.bin"], ids=["before it is changed", "after it"])
def test_a_run_that_goes_on_has_the_same_cell(write_run_file: WriteRunFile, restart: str) -> None:
    output = {"thermo": "10 steps", "restart": "20 steps"}
    whole = lamplighter.run(write_run_file([NPT, NVT], output=output), progress=False).folder
    copy = interrupted(whole, "copy", restart)
    lamplighter.run(copy / "run.yaml", resume=True, progress=False)
    assert (copy / "final.data").read_text() == (whole / "final.data").read_text()


def test_lines_where_a_run_went_on_do_not_count(write_run_file: WriteRunFile) -> None:
    whole = lamplighter.run(write_run_file([NPT, NVT]), progress=False).folder
    copy = interrupted(whole, "copy", "restart.stage0.bin")
    lines = (copy / "thermo.csv").read_text().splitlines()
    place = next(at for at, line in enumerate(lines) if line.startswith("0,90,"))
    fields = lines[place].split(",")
    lines.insert(place, ",".join([fields[0], "87", *fields[2:6], "1e9", *fields[7:]]))
    (copy / "thermo.csv").write_text("\n".join(lines) + "\n")
    lamplighter.run(copy / "run.yaml", resume=True, progress=False)
    assert (copy / "final.data").read_text() == (whole / "final.data").read_text()


def test_an_export_has_the_same_cell_unless_it_begins_amid_the_volumes(
    write_run_file: WriteRunFile, tmp_path: Path
) -> None:
    whole = lamplighter.run(write_run_file([NPT, NVT]), progress=False).folder
    exported = export(whole, output=tmp_path / "plain").folder
    assert "ERROR" not in plain_lammps(exported)
    assert (exported / "mean_cell.txt").read_text() == (whole / "mean_cell.txt").read_text()
    late = interrupted(whole, "late", "restart.a.bin")
    amid = interrupted(whole, "amid", "restart.stage0.bin")
    assert "begins at step 140" in export(late, begin="last", output=tmp_path / "later").state
    with pytest.raises(RunFolderError, match=r"mean_volume_of takes the volumes of stage 'density' from step 50 on"):
        export(amid, begin="last", output=tmp_path / "none")


def test_a_table_with_too_few_lines_has_no_mean(write_run_file: WriteRunFile) -> None:
    path = write_run_file([NPT, NVT], output={"thermo": "100 steps"})
    with pytest.raises(ConfigError, match=r"stages\[1\]\.mean_volume_of: thermo\.csv will have 1 line of production"):
        lamplighter.script_of(path)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "output": {"thermo": "50 steps"}}))
    assert "variable mean_from_step equal 50" in lamplighter.script_of(path)


def test_nothing_is_discarded_where_the_stage_before_was_at_the_same_conditions(write_run_file: WriteRunFile) -> None:
    path = write_run_file([{**NPT, "name": "settling"}, NPT, NVT])
    assert "variable mean_from_step equal 100" in lamplighter.script_of(path)
