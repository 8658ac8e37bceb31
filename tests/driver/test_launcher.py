"""Launchers that our MPI does not know: refused before anything is written, by one process, with the remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamplighter import launcher
from lamplighter.driver.environment import prepare
from lamplighter.errors import EnvironmentProblem

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
Run = Callable[..., Any]
WriteRunFile = Callable[..., Path]

# What Slurm 22.05 sets: in a step of two tasks by srun, in a batch script or salloc of two tasks, in a step of one.
STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}
BATCH = {"SLURM_NTASKS": "2", "SLURM_NPROCS": "2", "SLURM_PROCID": "0"}
ONE_TASK = {"SLURM_STEP_ID": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
# What Hydra sets for rank 1 of two that it starts in a batch script of Slurm.
HYDRA = {"PMI_SIZE": "2", "PMI_RANK": "1", "PMI_FD": "6", "MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "1"}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        (STEP, "srun (Slurm)"),
        ({**STEP, **HYDRA}, "srun (Slurm)"),  # a PMI that MPI could not use
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"}, "mpirun of Open MPI"),
        ({"OMPI_COMM_WORLD_SIZE": "4", "JSM_NAMESPACE_SIZE": "4", "PMIX_RANK": "0"}, "mpirun of Open MPI"),
        ({"JSM_NAMESPACE_SIZE": "6", "JSM_NAMESPACE_RANK": "0"}, "jsrun"),
        ({"PMI_SIZE": "8", "PMI_RANK": "0"}, "mpiexec of another MPI"),
        ({"MPI_LOCALNRANKS": "8", "MPI_LOCALRANKID": "0"}, "mpiexec of another MPI"),
        ({"PALS_RANKID": "0", "PMI_SIZE": "8", "PMI_RANK": "0"}, "mpiexec of PALS"),
        ({"ALPS_APP_PE": "3"}, "aprun"),
        ({"FLUX_JOB_SIZE": "2", "FLUX_TASK_RANK": "0"}, "flux run"),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "RANK": "0"}, "torchrun"),
    ],
)
def test_more_processes_than_ranks_are_noticed(environment: dict[str, str], name: str) -> None:
    found = launcher.lonely(1, environment)
    assert found is not None
    assert found.launcher == name
    assert launcher.lonely(1, {**environment, "LAMPLIGHTER_SEPARATE_RUNS": "1"}) is None


@pytest.mark.parametrize(
    ("environment", "ranks"),
    [
        ({}, 1),
        (BATCH, 1),  # alone in a batch script, or in salloc
        (ONE_TASK, 1),
        ({**BATCH, **HYDRA}, 2),  # by our mpirun in a batch script
        ({**STEP, **HYDRA}, 2),  # by srun --mpi=pmi2
        ({**ONE_TASK, **HYDRA}, 2),  # Hydra's own srun starts its proxy
        ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "PMI_SIZE": "2", "PMI_RANK": "0"}, 2),
        ({"WORLD_SIZE": "4", "RANK": "0"}, 1),  # left over from something else
        ({"SLURM_STEP_ID": "4294967290", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, 1),  # interactive step
        ({"OMPI_COMM_WORLD_SIZE": "junk"}, 1),
    ],
)
def test_innocent_surroundings_are_let_through(environment: dict[str, str], ranks: int) -> None:
    assert launcher.lonely(ranks, environment) is None


def test_one_process_knows_that_it_is_the_one_to_speak() -> None:
    assert [launcher.own_rank(each) for each in ({}, BATCH, STEP, HYDRA, {**STEP, "PMI_RANK": "0"})] == [0, 0, 1, 1, 0]
    without_size = [launcher.lonely(1, {"ALPS_APP_PE": str(rank)}) for rank in range(3)]
    assert [found and found.is_first_to_know for found in without_size] == [None, True, False]


def test_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentProblem, match=r"srun \(Slurm\) started 2 processes.*mpi=pmi2.*mpirun -n 2 lampli"):
        prepare(threads=1)


def test_nothing_is_written_and_one_process_prints(run: Run, write_run_file: WriteRunFile, tmp_path: Path) -> None:
    run_file = write_run_file([{"type": "nve", "length": "10 steps"}], velocities="80 K")
    commands = (["run", str(run_file)], ["lmp", "-in", "none"])
    for command in commands:
        first, second = (run([PROGRAM, *command], env={**STEP, "SLURM_PROCID": rank}) for rank in "01")
        assert first.returncode == second.returncode == 1
        assert first.stderr.startswith("Error: srun (Slurm) started 2 processes, but to our MPI (MPICH) each of them")
        assert second.stdout + second.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} == {"argon.xyz", "run.yaml"}
