"""A campaign as jobs of Slurm: one for each run, which the queue starts, preempts and starts again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lamplighter.campaign.campaign_file import Campaign, CampaignRun
from lamplighter.campaign.local import command_of, write_run_file
from lamplighter.campaign.state import BROKEN_OFF, FAILED, WAITING, log_of, state_of
from lamplighter.cluster import slurm
from lamplighter.cluster.job import Job
from lamplighter.cluster.slurm_script import slurm_script
from lamplighter.errors import EnvironmentProblem
from lamplighter.run_folder.writing import unwritable, write_whole

JOBS = "jobs"


def require_slurm() -> None:
    """Refuse where jobs cannot be handed in.

    Raises:
        EnvironmentProblem: there is no sbatch here.
    """
    if not slurm.has_slurm():
        raise EnvironmentProblem(
            "Slurm is not here (sbatch is not found): log in where jobs are handed in, or carry the campaign out on "
            "this machine: lamplighter campaign run"
        )


def job_name(campaign: Campaign, run: CampaignRun) -> str:
    """As the queue shows it: unique among campaigns of other names."""
    return f"{campaign.folder.name}.{run.name}"


def in_queue(campaign: Campaign) -> set[str]:
    """Names of the runs that have a job in the queue, or a running one; told by the job's name and its script's folder.

    Raises:
        QueueProblem: the queue does not answer.
    """
    folder = str(campaign.folder / JOBS)
    here = {name for name, script in slurm.own_jobs() if script.startswith(folder)}
    return {run.name for run in campaign.runs if job_name(campaign, run) in here}


def submit(campaign: Campaign, job: Job, again: bool, say: Callable[[str], None]) -> int:
    """Hand in a job for each run that waits or was broken off and has none yet.

    Args:
        campaign: The campaign.
        job: What each run asks for; its name and log are the run's.
        again: Runs that have failed, too.
        say: Is told each job.

    Returns:
        Number of jobs.

    Raises:
        QueueProblem: the queue rejects a job, with its own message.
        RunFolderError: a script cannot be written.
    """
    slurm.require_fit(job)
    queued, number = in_queue(campaign), 0
    startable = (WAITING, BROKEN_OFF, *([FAILED] if again else []))
    for run in campaign.runs:
        if run.name in queued:
            say(f"{run.name}: is in the queue")
            continue
        if state_of(run).state not in startable:
            continue
        path = _script(campaign, run, job)
        say(f"{run.name}: job {slurm.submit(path)}")
        number += 1
    return number


def _script(campaign: Campaign, run: CampaignRun, job: Job) -> Path:
    write_run_file(campaign, run)
    path = campaign.folder / JOBS / f"{run.name}.job.sh"
    own = replace(job, name=job_name(campaign, run), log=str(log_of(run)))
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, slurm_script(own, command_of(campaign, run)))
        path.chmod(0o755)
    except OSError as problem:
        raise unwritable(campaign.folder, problem) from problem
    return path
