"""What a job script says, and what is refused before one is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lamplighter.cluster.allocation import require_ranks_fit
from lamplighter.cluster.job import Job
from lamplighter.cluster.mpi_library import described, loaded_file
from lamplighter.cluster.slurm_script import slurm_script
from lamplighter.errors import QueueProblem

COMMAND = ["lamplighter", "run", "a liquid.yaml", "--resume"]


def test_a_script_asks_for_what_the_job_says() -> None:
    job = Job("liquid", 86400.0, nodes=2, gpus_per_node=4, threads=8, account="me", words=("constraint=a b",))
    text = slurm_script(job, COMMAND)
    for word in (
        "--nodes=2", "--ntasks-per-node=4", "--cpus-per-task=8", "--gpus-per-node=4", "--time=1-00:00:00",
        "--account=me", "--signal=USR1@60", "--requeue", "--open-mode=append", "--mail-type=NONE", "--constraint=a b",
    ):  # fmt: skip
        assert f"#SBATCH {word}\n" in text
    assert "mpirun -n 8 -ppn 4 lamplighter run 'a liquid.yaml' --resume\n" in text
    assert "if [ $status = 75 ]" in text
    assert "scontrol requeue" in text
    assert "scontrol" not in slurm_script(job, COMMAND, requeue=False)


def test_ranks_are_bound_where_that_cannot_hurt_other_jobs() -> None:
    """mpirun does not know which cores of a shared node are the job's."""
    shared = Job("a", 60.0, threads=2)
    assert "-bind-to" not in slurm_script(shared, COMMAND)
    assert "-bind-to core:2" in slurm_script(Job("a", 60.0, threads=2, exclusive=True), COMMAND)
    by_slurm = slurm_script(Job("a", 60.0, threads=2, launcher="srun", mpi="pmi2"), COMMAND)
    assert "srun --cpus-per-task=2 --mpi=pmi2 --cpu-bind=cores lamplighter" in by_slurm


@pytest.mark.parametrize("setup", [(), ("module load nothing || true", "export A='b c'")])
def test_a_script_is_one_that_bash_understands(tmp_path: Path, setup: tuple[str, ...]) -> None:
    path = tmp_path / "job.sh"
    path.write_text(slurm_script(Job('of "two" words', 60.0, setup=setup), COMMAND))
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    assert '#SBATCH --job-name="of \\"two\\" words"' in path.read_text()


def test_the_tutorial_shows_the_script_that_is_written() -> None:
    page = (Path(__file__).parents[2] / "docs/tutorials/cluster.md").read_text(encoding="utf-8")
    shown = "#!/bin/bash" + page.split("```sh\n#!/bin/bash")[1].split("```")[0]
    command = ["lamplighter", "run", "liquid.yaml", "--resume"]
    written = slurm_script(Job("liquid", 600.0, ranks_per_node=2), command)

    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("export PATH=")]

    assert lines(shown) == lines(written)


def test_impossible_jobs_are_refused() -> None:
    with pytest.raises(QueueProblem, match="nodes must be at least 1, got 0"):
        Job("a", 60.0, nodes=0)
    with pytest.raises(QueueProblem, match="threads must be at least 1"):
        Job("a", 60.0, threads=0)
    with pytest.raises(QueueProblem, match="one line"):
        Job("a", 60.0, words=("x\ny",))


def test_more_ranks_than_the_job_has_cores_are_refused() -> None:
    given = {"SLURM_JOB_CPUS_PER_NODE": "4(x2),2"}
    require_ranks_fit(4, given)
    require_ranks_fit(64, {})
    with pytest.raises(QueueProblem, match=r"5 ranks run on this node, and the job has 4 cores there: start fewer"):
        require_ranks_fit(5, given)


@pytest.mark.parametrize(
    ("said", "name", "fits", "mpi"),
    [
        ("MPICH Version:      5.0.2\nMPICH Release date: …", "MPICH", True, "pmi2"),
        ("Intel(R) MPI Library 2021.11 for Linux* OS\n", "Intel MPI", True, "pmi2"),
        ("MVAPICH Version       :\t3.0", "MVAPICH", True, "pmi2"),
        ("MPI VERSION    : CRAY MPICH version 8.1.28.29 (ANL base 3.4a2)", "Cray MPICH", True, "cray_shasta"),
        ("Open MPI v4.1.4, package: Debian OpenMPI", "Open MPI", False, "pmi2"),
    ],
)
def test_mpi_libraries_are_told_from_what_they_say(said: str, name: str, fits: bool, mpi: str) -> None:
    found = described(said, "/opt/site/lib/libmpi.so.12", "/home/me/venv")
    assert (found.name, found.fits, found.mpi_of_srun, found.launcher) == (name, fits, mpi, "srun")


def test_the_library_of_the_wheel_is_started_by_its_mpirun(tmp_path: Path) -> None:
    maps = f"7f00-7f01 r-xp 00000000 fe:00 123                        {tmp_path}/lib/libmpi.so.12\n"
    assert loaded_file(maps) == f"{tmp_path}/lib/libmpi.so.12"
    assert described("MPICH Version: 5.0.2", loaded_file(maps), str(tmp_path)).launcher == "mpirun"
