"""`--from last`: the newest state that a run has left, however it ended, and nothing while it goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.exporting.argon import NVT, argon_run
from tests.exporting.plain_lammps import plain_lammps

from lamplighter.driver.mend_trajectory import whole_frames
from lamplighter.errors import RunFolderError
from lamplighter.exporting.export import export
from lamplighter.structures.lammps_dump import LammpsDump

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
LONG = {**NVT, "length": "200000 steps", "thermostat": "svr"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows_of(table: Path) -> list[dict[str, str]]:
    head, *lines = table.read_text().splitlines()
    whole = [line.split(",") for line in lines if line.count(",") == head.count(",")]
    return [dict(zip(head.split(","), line, strict=True)) for line in whole]


def shortened(folder: Path, steps: int) -> None:
    """The same run, as if it had been asked for fewer steps, so that what goes on with it comes to an end."""
    held = yaml.safe_load((folder / "run.yaml").read_text())
    held["stages"][0]["length"] = f"{steps} steps"
    (folder / "run.yaml").write_text(yaml.safe_dump(held))


def killed_run(**sections: Any) -> Path:
    """A run that SIGKILL has ended behind its second restart file."""
    path = argon_run(stages=[LONG], **sections)
    process = subprocess.Popen([PROGRAM, "run", "-q", path])
    folder, deadline = Path("lj"), time.monotonic() + 60
    while not ((folder / "restart.b.bin").exists() and len(rows_of(folder / "thermo.csv")) > 12):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    with pytest.raises(RunFolderError, match=rf"still goes on \(process {process.pid} on "):
        export(folder, begin="last")
    process.kill()
    process.wait()
    return folder


@pytest.mark.thorough
def test_a_run_that_was_killed_is_exported_from_its_newest_whole_state(tmp_path: Path) -> None:
    folder = killed_run(output={"thermo": "1 steps", "trajectory": "20 steps", "restart": "20 steps"})
    table = rows_of(folder / "thermo.csv")
    reached = int(table[-1]["step"])
    shortened(folder, reached + 40)
    made = export(folder, begin="last")
    assert ". The run was killed." in made.state
    begin = int(made.state.split("begins at step ")[1].split(",")[0])
    assert reached - 40 <= begin <= reached
    assert made.state in (made.folder / "README.md").read_text()
    assert "ERROR" not in plain_lammps(made.folder)
    first = rows_of(made.folder / "thermo.csv")[0]
    before = next(row for row in table if row["step"] == str(begin))
    assert first["step"] == str(begin)
    for name in ("temperature_K", "potential_energy_eV", "volume_A3"):
        assert float(first[name]) == pytest.approx(float(before[name]), rel=1e-9)

    # a newer file that is torn is passed over, and said
    newest = max(folder.glob("restart.?.bin"), key=lambda path: path.stat().st_mtime)
    newest.write_bytes(newest.read_bytes()[:-100])
    other = export(folder, begin="last", output=tmp_path / "other")
    assert f"{newest.name.capitalize()} is not whole and is passed over." in other.state

    # without any restart file: the last whole frame, of which the process had written a part of the next
    for path in folder.glob("restart.*"):
        path.unlink()
    frame = list(LammpsDump(folder / "trajectory.lammpstrj.gz"))[-1]
    step = len(list(whole_frames(folder / "trajectory.lammpstrj.gz"))) * 20 - 20
    assert frame.step == step
    drawn = export(folder, begin="last", output=tmp_path / "drawn")
    assert f"begins at step {step}, with positions of the last frame" in drawn.state
    assert "drawn anew at 90 K" in drawn.state
    assert "ERROR" not in plain_lammps(drawn.folder)
    first = rows_of(drawn.folder / "thermo.csv")[0]
    before = next(row for row in table if row["step"] == str(step))
    assert first["step"] == str(step)
    assert float(first["temperature_K"]) == pytest.approx(90.0, rel=1e-6)
    assert float(first["potential_energy_eV"]) == pytest.approx(float(before["potential_energy_eV"]), rel=1e-5)
    atoms = np.array(
        [line.split() for line in (drawn.folder / "structure.data").read_text().split("Atoms")[1].splitlines()[2:110]]
    ).astype(float)
    atoms = atoms[np.argsort(atoms[:, 0])]
    unwrapped = atoms[:, 2:5] + atoms[:, 5:8] @ frame.cell
    assert np.allclose(unwrapped, frame.positions, atol=1e-9)

    # energy that nobody knows is not made up
    held = yaml.safe_load((folder / "run.yaml").read_text())
    held["stages"] = [{"type": "nve", "length": held["stages"][0]["length"]}]
    (folder / "run.yaml").write_text(yaml.safe_dump(held))
    with pytest.raises(RunFolderError, match="stage 0 is nve"):
        export(folder, begin="last", output=tmp_path / "x")
    (folder / "trajectory.lammpstrj.gz").unlink()
    with pytest.raises(RunFolderError, match="no restart file to go on from, and no frame of dynamics"):
        export(folder, begin="last", output=tmp_path / "x")
