"""A campaign as jobs of Slurm: one for each run, or one for all; the queue starts, preempts and starts them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lamplighter.campaign.campaign_file import JOBS, Campaign, CampaignRun
from lamplighter.campaign.local import command_of, write_run_file, write_run_files
from lamplighter.campaign.state import FAILED, STARTABLE, log_of, state_of
from lamplighter.cluster import slurm
from lamplighter.cluster.job import Job
from lamplighter.cluster.slurm_script import slurm_script
from lamplighter.errors import EnvironmentProblem, QueueProblem
from lamplighter.run_folder.writing import unwritable
from lamplighter.whole_file import write_whole

ALL = "campaign.job.sh"
"""The script of a job that carries out all runs; beside `JOBS`, where no run can have its name."""

ALL_LOG = "campaign.log"


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


def has_job_for_all(campaign: Campaign) -> bool:
    """Whether a job for all runs is in the queue.

    Raises:
        QueueProblem: the queue does not answer.
    """
    return any(script == str(campaign.folder / ALL) for _, script in slurm.own_jobs())


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
    if has_job_for_all(campaign):
        say("all runs: are in the queue as one job")
        return 0
    queued, number = in_queue(campaign), 0
    startable = (*STARTABLE, *([FAILED] if again else []))
    write_run_files(campaign)
    for run in campaign.runs:
        if run.name in queued:
            say(f"{run.name}: is in the queue")
            continue
        if state_of(run).state not in startable:
            continue
        write_run_file(campaign, run)
        path = campaign.folder / JOBS / f"{run.name}.job.sh"
        own = replace(job, name=job_name(campaign, run), log=str(log_of(run)))
        _write(campaign, path, own, command_of(campaign, run))
        say(f"{run.name}: job {slurm.submit(path)}")
        number += 1
    return number


def submit_as_one(campaign: Campaign, job: Job, words: Sequence[str], say: Callable[[str], None]) -> int:
    """Hand in one job that carries out all runs, a number at once, as `lamplighter campaign run` does.

    The command is a step of the job (srun), to which Slurm sends its signals: the script would not pass them on.

    Args:
        campaign: The campaign.
        job: One task on one node, with the cores of all runs that go on at once.
        words: Of `lamplighter campaign run`, after the file.
        say: Is told the job.

    Returns:
        Number of jobs: 0 where nothing is to be started, or it is in the queue.

    Raises:
        QueueProblem: runs have jobs of their own in the queue, or the queue rejects the job, with its own message.
        RunFolderError: the script cannot be written.
    """
    slurm.require_fit(job)
    if has_job_for_all(campaign):
        say("all runs: are in the queue as one job")
        return 0
    if queued := in_queue(campaign):
        raise QueueProblem(
            f"{len(queued)} runs have jobs of their own in the queue ({', '.join(sorted(queued)[:3])}, …): wait for "
            "them, or take them back (scancel)"
        )
    startable = (*STARTABLE, *([FAILED] if "--again" in words else []))
    if not any(state_of(run).state in startable for run in campaign.runs):
        return 0
    write_run_files(campaign)
    own = replace(job, name=campaign.folder.name, log=str(campaign.folder / ALL_LOG))
    _write(campaign, campaign.folder / ALL, own, ["lamplighter", "campaign", "run", str(campaign.path), *words])
    say(f"all runs: job {slurm.submit(campaign.folder / ALL)}")
    return 1


def _write(campaign: Campaign, path: Path, job: Job, command: Sequence[str]) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, slurm_script(job, command))
        path.chmod(0o755)
    except OSError as problem:
        raise unwritable(campaign.folder, problem) from problem
