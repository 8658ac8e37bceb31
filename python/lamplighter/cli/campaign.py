"""Carry out many runs from one file: models, temperatures, compositions, seeds.

`campaign list` shows the runs that a campaign file means. `campaign run` carries them out on this machine, a number at
once; `campaign submit` hands each to Slurm. `campaign status` shows how far each is. Each of them can be repeated at
any time: run folders are the only record, and nothing is started twice.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from lamplighter.cli import job_options, options
from lamplighter.errors import QueueProblem

campaign = typer.Typer(no_args_is_help=True)

File = Annotated[
    Path,
    typer.Argument(
        help="Campaign file (YAML), the folder that holds it as campaign.yaml, or the folder of its runs.",
        metavar="CAMPAIGN.yaml",
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Start runs that have failed once more.")]
Trust = Annotated[bool, typer.Option("--trust", help="Put the model files on your list of trusted files.")]
AtOnce = Annotated[
    int | None,
    typer.Option(
        "--at-once", help="Carry out this number of runs at once; the default fills the cores.", metavar="N", min=1
    ),
]


@campaign.command(name="list")
def list_runs(file: File, as_json: options.Json = False) -> None:
    """Check a campaign file, and show the runs that it means."""
    from lamplighter.campaign.campaign_file import load_campaign
    from lamplighter.campaign.checks import require_possible
    from lamplighter.json_text import json_text

    found = load_campaign(file)
    require_possible(found)
    if as_json:
        print(json_text([{"name": run.name, "axes": run.point, "folder": str(run.folder)} for run in found.runs]))
        return
    for run in found.runs:
        print(run.name)
    runs, ranks = _number(len(found.runs), "run"), _number(found.ranks, "rank")
    print(f"{runs} of {ranks}, in {found.folder}")


@campaign.command()
def status(file: File, csv: options.Csv = None, as_json: options.Json = False) -> None:
    """Show how far each run is: waiting, running, completed, stopped by its guard, failed with its cause."""
    from lamplighter.api.campaign import open_campaign
    from lamplighter.cli.output import show_answer

    show_answer(open_campaign(file).status(), None, csv, as_json)


@campaign.command()
def run(
    file: File,
    at_once: AtOnce = None,
    ranks: Annotated[
        int | None,
        typer.Option(help="Give each run this number of MPI ranks, in place of the file's.", metavar="R", min=1),
    ] = None,
    tries: Annotated[
        int,
        typer.Option(help="Start a run that a signal or a crash has ended up to this number of times.", min=1),
    ] = 3,
    again: Again = False,
    trust: Trust = False,
) -> None:
    """Carry out the runs on this machine, a number at once; go on with those that were broken off.

    In a job of Slurm, the runs share the cores of the job. The status is 0 where all is well, 1 where a run has failed
    or is stale, and 75 where it is to go on later.
    """
    from lamplighter.campaign import checks, local, table
    from lamplighter.campaign.campaign_file import load_campaign
    from lamplighter.campaign.state import left_over, states_of

    found = load_campaign(file)
    plan = replace(local.plan_of(found, at_once, ranks), tries=tries, again=again)
    checks.require_possible(replace(found, ranks=plan.ranks))
    checks.require_trusted(found, trust)
    cores = f"{plan.at_once} at once, {_number(plan.ranks, 'rank')} each"
    print(f"{_number(len(found.runs), 'run')}, {cores}, in {found.folder}", flush=True)
    status = local.carry_out(found, plan, lambda text: print(text, flush=True))
    print(f"\n{table.as_text(found, states_of(found), left_over(found))}")
    raise typer.Exit(status)


@campaign.command()
def submit(
    file: File,
    time: job_options.Time,
    nodes: job_options.Nodes = 1,
    ranks_per_node: Annotated[
        int | None, typer.Option(help="Start this number of ranks on each node; the default is the file's ranks.")
    ] = None,
    threads: job_options.Threads = 1,
    gpus_per_node: job_options.GpusPerNode = 0,
    partition: job_options.Partition = "",
    account: job_options.Account = "",
    qos: job_options.Qos = "",
    word: job_options.Sbatch = None,
    setup: job_options.Setup = None,
    launcher: Annotated[Literal["mpirun", "srun"], typer.Option(help="Start the ranks with this program.")] = "mpirun",
    mpi: Annotated[str, typer.Option(help="Give srun this word as its --mpi.")] = "pmi2",
    one_job: Annotated[
        bool,
        typer.Option("--one-job", help="Hand in one job of one node that carries out all runs, --at-once N at once."),
    ] = False,
    at_once: Annotated[
        int | None, typer.Option("--at-once", help="With --one-job, carry out this number of runs at once.", min=1)
    ] = None,
    again: Again = False,
    trust: Trust = False,
) -> None:
    """Hand in a Slurm job for each run that is not done and has none; each is put back into the queue until it is.

    With --one-job, a single job carries out the runs, and is put back into the queue until all are done.
    """
    from lamplighter.campaign import checks, slurm_jobs
    from lamplighter.campaign.campaign_file import load_campaign
    from lamplighter.cluster.job import Job
    from lamplighter.cluster.wall_time import seconds_of

    found = load_campaign(file)
    if one_job and (nodes > 1 or at_once is None or launcher == "srun"):
        raise QueueProblem(
            "--one-job takes --at-once N, and one node, on which mpirun starts the ranks; without --one-job each run "
            "has a job, which may have several nodes"
        )
    if at_once is not None and not one_job:
        raise QueueProblem("--at-once belongs to --one-job: jobs of their own are started by the queue as it has room")
    if ranks_per_node is None and found.ranks % nodes:
        raise QueueProblem(
            f"the {found.ranks} ranks of each run do not divide over {nodes} nodes: give --ranks-per-node, or another "
            "number of ranks in the campaign file"
        )
    ranks = found.ranks // nodes if ranks_per_node is None else ranks_per_node
    checks.require_possible(found)
    checks.require_trusted(found, trust)
    slurm_jobs.require_slurm()
    job = Job(
        name=found.folder.name,
        time_s=seconds_of(time, "--time"),
        nodes=nodes,
        ranks_per_node=ranks,
        threads=threads,
        gpus_per_node=gpus_per_node,
        partition=partition,
        account=account,
        qos=qos,
        launcher=launcher,
        mpi=mpi if launcher == "srun" else "",
        words=tuple(word or ()),
        setup=tuple(setup or ()),
    )
    if one_job:
        assert at_once is not None
        cores = at_once * ranks * threads
        job = replace(job, ranks_per_node=1, threads=cores, launcher="srun", mpi="none", bind=False)
        words = ["--at-once", str(at_once), "--ranks", str(ranks)]
        number = slurm_jobs.submit_as_one(found, job, [*words, *(["--again"] if again else [])], print)
    else:
        number = slurm_jobs.submit(found, job, again, print)
    print(f"{_number(number, 'job')} handed in; how far they are: lamplighter campaign status {file}")


def _number(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"
