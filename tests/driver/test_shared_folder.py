"""A run folder on a disk of one node's own is refused on all ranks, with one message."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import sys
from pathlib import Path
from mpi4py import MPI
from lamplighter.driver import shared_folder
from lamplighter.driver.failure import end_together

folder = Path(sys.argv[1])
shared_folder.SEEN_WITHIN_S = 1.0
if MPI.COMM_WORLD.Get_rank() == 0:
    (folder / "run.lock").write_text("rank 0")

def program():
    shared_folder.require_shared(MPI.COMM_WORLD, folder)
    return 0

sys.exit(end_together(MPI.COMM_WORLD, program))
"""


@pytest.mark.mpi
def test_a_folder_that_one_rank_does_not_see_is_refused(
    run: Callable[..., Any], mpirun: Callable[..., Any], python: Path, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "folder").mkdir()
    own = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', "folder"]
    if os.geteuid() != 0 or subprocess.run([*own, "true"], cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("a disk of one rank's own needs the right to mount one")
    program: list[Any] = [python, "program.py", "folder"]
    assert mpirun(2, program, timeout=60).returncode == 0
    done = run([Path(sys.prefix) / "bin" / "mpirun", "-n", "1", *program, ":", "-n", "1", *own, *program], timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("rank 1 on ") == 1
    assert "does not see the run folder folder" in done.stderr
    assert "name a folder that all nodes share (--output)" in done.stderr
