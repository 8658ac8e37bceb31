"""A run whose output cannot be written ends soon, says so, and goes on once there is room, with nothing missing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lamplighter
from lamplighter.config.loading import load_run_file
from lamplighter.driver.mend_trajectory import step_of, whole_frames
from lamplighter.driver.resume import how_to_go_on
from lamplighter.errors import OutputLost

BIN = Path(sys.prefix) / "bin"
NVT: dict[str, Any] = {"type": "nvt", "length": "4000 steps", "temperature": "80 K"}
WriteRunFile = Callable[..., Path]

pytestmark = pytest.mark.thorough


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """One megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def state(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "status.json").read_text()))


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_disk_that_fills_up_ends_the_run(write_run_file: WriteRunFile, small_disk: Path, ranks: int) -> None:
    folder = small_disk / "run"
    long = {**NVT, "length": "10000000 steps"}
    path = write_run_file([NVT, long])
    command = [BIN / "lamplighter", "run", "-q", path, "--output", folder, "--resume"]
    if ranks > 1:
        command = [BIN / "mpirun", "-n", str(ranks), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 74, done.stderr
    assert "takes no output any more (No space left on device)" in done.stderr
    assert f"lamplighter run {folder / 'run.yaml'} --resume" in done.stderr
    ended = state(folder)
    assert ended["status"] == "failed"
    assert "No space left on device" in ended["error"]
    assert not (folder / "run.reserve").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    before = (folder / "thermo.csv").read_text()
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while (folder / "thermo.csv").read_text().count("\n") <= before.count("\n") and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    process.wait(timeout=60)
    rows = [int(line.split(",")[1]) for line in (folder / "thermo.csv").read_text().splitlines()[1:]]
    assert len(rows) >= before.count("\n")
    assert sorted(set(rows)) == list(range(0, rows[-1] + 1, 10))
    frames = [step_of(frame) for frame in whole_frames(folder / "trajectory.lammpstrj.gz")]
    assert frames == list(range(0, frames[-1] + 1, 20))


@pytest.mark.parametrize("lost", ["thermo.csv", "trajectory.lammpstrj.gz"])
def test_output_that_was_lost_for_a_while_is_noticed(
    write_run_file: WriteRunFile, small_disk: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The file lies on a disk that is full, while the folder itself has room."""
    from lamplighter.driver import run as driver
    from lamplighter.driver import script

    folder = small_disk.parent / "run"
    fill = driver.fill_folder
    (small_disk / "filler").write_bytes(bytes(1_010_000))

    def fill_and_link(*given: Any) -> None:
        fill(*given)
        (folder / lost).symlink_to(small_disk / lost)

    path = write_run_file([NVT])
    if lost == "trajectory.lammpstrj.gz":  # LAMMPS removes it at its start
        monkeypatch.setattr(script, "_setup", _without_removal(script._setup))
    monkeypatch.setattr(driver, "fill_folder", fill_and_link)
    with pytest.raises(OutputLost, match=rf"{lost} lacks step \d+: the run folder .* took no output for a while"):
        lamplighter.run(path, progress=False)
    assert state(folder)["status"] == "failed"
    # all restart files lie behind what was lost: it is not computed again, and that is said
    found = how_to_go_on(folder, load_run_file(folder / "run.yaml"))
    assert found.restart is not None
    assert any(lost in note and "gap" in note for note in found.notes), found.notes


def _without_removal(setup: Callable[..., Any]) -> Callable[..., Any]:
    def changed(*given: Any) -> Any:
        block = setup(*given)
        lines = tuple(line for line in block.lines if not line.startswith("shell rm"))
        return type(block)(block.title, lines, block.stage)

    return changed


def test_a_folder_that_vanishes_ends_the_run(write_run_file: WriteRunFile, tmp_path: Path) -> None:
    path = write_run_file([{**NVT, "length": "10000000 steps"}])
    process = subprocess.Popen(
        [BIN / "lamplighter", "run", "-q", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "restart.b.bin").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (tmp_path / "run").rename(tmp_path / "gone")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 74, err
    assert "takes no output any more (No such file or directory)" in err
