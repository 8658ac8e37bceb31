"""One process at a time works in a run folder; a dead one stands in nobody's way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lamplighter
from lamplighter.driver import run_lock
from lamplighter.driver.run_lock import RunLock
from lamplighter.errors import RunFolderBusy
from lamplighter.run_folder.names import LOCK

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
MPIRUN = Path(sys.prefix) / "bin" / "mpirun"
HOLDING = """
import sys, time
from pathlib import Path
from lamplighter.driver.run_lock import RunLock
from lamplighter.errors import RunFolderBusy
try:
    lock = RunLock(Path(sys.argv[1]), print)
except RunFolderBusy:
    print("refused", flush=True)
else:
    print("held", flush=True)
    time.sleep(60)
"""


def contend(folder: Path, number: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDING, str(folder)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(number)]


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_one_of_many_holds_it_and_one_of_many_follows_a_dead_holder(tmp_path: Path) -> None:
    first = contend(tmp_path, 3)
    assert sorted(said(each) for each in first) == ["held", "refused", "refused"]
    with pytest.raises(RunFolderBusy, match=r"in use by process \d+ on .* since 20.*it is alive"):
        RunLock(tmp_path, lambda: None)
    for each in first:
        each.kill()
        each.wait()
    second = contend(tmp_path, 3)
    assert sorted(said(each) for each in second) == ["held", "refused", "refused"]
    for each in second:
        each.kill()
        each.wait()
    RunLock(tmp_path, lambda: None).release()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_elsewhere_is_known_by_its_renewals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of another machine cannot be asked; what counts is whether its lock is renewed."""
    monkeypatch.setattr(run_lock, "RENEWED_EVERY_S", 0.2)
    lost: list[str] = []
    lock = RunLock(tmp_path, lambda: lost.append("lost"))
    elsewhere = {**json.loads((tmp_path / LOCK).read_text()), "machine": "another", "host": "node7"}
    lock._ending.set()
    lock._thread.join()
    (tmp_path / LOCK).write_text(json.dumps(elsewhere))
    ending = threading.Event()

    def renew() -> None:
        while not ending.wait(0.1):
            (tmp_path / LOCK).touch()

    thread = threading.Thread(target=renew)
    thread.start()
    with pytest.raises(RunFolderBusy, match=r"on node7 .*it has just renewed its lock"):
        RunLock(tmp_path, lambda: None)
    ending.set()
    thread.join()
    monkeypatch.setattr(run_lock, "SILENT_S", 1.0)
    before = time.monotonic()
    follower = RunLock(tmp_path, lambda: lost.append("lost"))
    assert time.monotonic() - before < 10
    # the first one was not dead but stood still, and takes the folder again: the follower notices
    (tmp_path / LOCK).write_text(json.dumps(elsewhere))
    time.sleep(1.0)
    assert lost == ["lost"]
    follower.release()
    assert json.loads((tmp_path / LOCK).read_text()) == elsewhere  # not its own any more


@pytest.mark.thorough
def test_a_second_run_in_a_folder_is_refused(write_run_file: Callable[..., Path], tmp_path: Path) -> None:
    """Two ranks hold it together; what dies leaves it free."""
    stage: dict[str, Any] = {"type": "nvt", "length": "10000000 steps", "temperature": "80 K"}
    path = write_run_file([stage])
    folder = tmp_path / "run"
    process = subprocess.Popen([MPIRUN, "-n", "2", PROGRAM, "run", "-q", path, "--resume"], start_new_session=True)
    try:
        deadline = time.monotonic() + 100
        while not (folder / "restart.b.bin").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        holder = json.loads((folder / LOCK).read_text())
        done = subprocess.run(
            [PROGRAM, "run", path, "--resume"], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 75
        assert f"is in use by process {holder['pid']} on {holder['host']}" in done.stderr
        with pytest.raises(RunFolderBusy):
            lamplighter.run(path, progress=False)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    deadline = time.monotonic() + 20
    while (folder / LOCK).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not (folder / LOCK).exists()
