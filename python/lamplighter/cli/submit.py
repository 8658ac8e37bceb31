"""Write a job script for Slurm that carries out a run until it is done.

The script is handed in where that is asked. The run file is checked first, as `lamplighter run --dry-run` does. The job
ends in time with a restart file, and puts itself back into the queue until the run is completed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lamplighter.cli import job_options
from lamplighter.errors import QueueProblem

SUFFIX = ".job.sh"


def submit(
    run_file: Annotated[Path, typer.Argument(help="Run file (YAML) that the job carries out.", metavar="RUN.yaml")],
    time: job_options.Time,
    nodes: job_options.Nodes = 1,
    ranks_per_node: Annotated[
        int | None, typer.Option(help="Start this number of MPI ranks on each node; the default is one a GPU, else 1.")
    ] = None,
    threads: job_options.Threads = 1,
    gpus_per_node: job_options.GpusPerNode = 0,
    partition: job_options.Partition = "",
    account: job_options.Account = "",
    qos: job_options.Qos = "",
    exclusive: Annotated[bool, typer.Option("--exclusive", help="Share the nodes with no other job.")] = False,
    no_binding: Annotated[bool, typer.Option("--no-binding", help="Do not keep ranks on their cores.")] = False,
    word: job_options.Sbatch = None,
    setup: job_options.Setup = None,
    launcher: Annotated[
        Literal["auto", "mpirun", "srun"],
        typer.Option(help="Start the ranks with this program; auto looks at the MPI library that is loaded."),
    ] = "auto",
    mpi: Annotated[str, typer.Option(help="Give srun this --mpi, e.g. pmi2; the default fits the library.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the script here; the default is NAME.job.sh.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a script that is there.")] = False,
    no_requeue: Annotated[bool, typer.Option("--no-requeue", help="Do not put the job back into the queue.")] = False,
    hand_in: Annotated[bool, typer.Option("--submit", help="Hand the script to sbatch.")] = False,
) -> None:
    from lamplighter.cluster import slurm
    from lamplighter.cluster.job import Job
    from lamplighter.cluster.slurm_script import slurm_script
    from lamplighter.cluster.wall_time import seconds_of
    from lamplighter.driver.run import script_of

    started_by, mpi_of_srun = _launcher(launcher)
    job = Job(
        name=run_file.stem,
        time_s=seconds_of(time, "--time"),
        nodes=nodes,
        ranks_per_node=ranks_per_node,
        threads=threads,
        gpus_per_node=gpus_per_node,
        partition=partition,
        account=account,
        qos=qos,
        exclusive=exclusive,
        bind=not no_binding,
        launcher=started_by,
        mpi=mpi or mpi_of_srun,
        words=tuple(word or ()),
        setup=tuple(setup or ()),
    )
    script_of(run_file, ranks=job.ranks)
    slurm.require_fit(job)
    path = output if output is not None else Path(f"{run_file.stem}{SUFFIX}")
    command = ["lamplighter", "run", str(run_file), "--resume"]
    _write(path, slurm_script(job, command, requeue=not no_requeue), overwrite)
    print(f"wrote {path}: {_described(job)}")
    if not hand_in:
        print(f"hand it in with: sbatch {path}")
        return
    number = slurm.submit(path)
    print(f"job {number} is in the queue; its output goes to {job.name}.log")


def _launcher(wanted: Literal["auto", "mpirun", "srun"]) -> tuple[Literal["mpirun", "srun"], str]:
    """What starts the ranks, and the `--mpi` of srun for the library at hand."""
    from lamplighter.cli import probe

    library = probe.mpi_library()
    if library is None:
        return ("mpirun" if wanted == "auto" else wanted), "pmi2"
    return (library.launcher if wanted == "auto" else wanted), library.mpi_of_srun


def _described(job: object) -> str:
    from lamplighter.cluster.job import Job
    from lamplighter.cluster.wall_time import slurm_words

    assert isinstance(job, Job)
    ranks = f"{job.ranks} {'rank' if job.ranks == 1 else 'ranks'}"
    nodes = f"{job.nodes} {'node' if job.nodes == 1 else 'nodes'}"
    cores = f"{job.threads} {'core' if job.threads == 1 else 'cores'} each"
    gpus = f", {job.gpus_per_node} GPUs a node" if job.gpus_per_node else ""
    return f"{ranks} on {nodes}, {cores}{gpus}, {slurm_words(job.time_s)}, started by {job.launcher}"


def _write(path: Path, text: str, overwrite: bool) -> None:
    try:
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
            return
        if path.exists() and not overwrite:
            raise QueueProblem(
                f"{path} is there, and says something else: --overwrite replaces it, --output names another"
            )
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        path.chmod(0o755)
    except OSError as problem:
        raise QueueProblem(f"{path} cannot be written: {problem.strerror or problem}") from problem
