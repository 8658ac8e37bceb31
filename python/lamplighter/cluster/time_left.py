"""How much wall time a batch job has left, as its queue says.

Slurm tells it in an environment variable since version 23.02, and by squeue always (manual pages of sbatch and squeue).
PBS, LSF and Flux are asked by their commands (qstat(1B), bjobs(1), flux-job(1)). What SGE knows has to be given.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lamplighter.cluster.wall_time import seconds_of
from lamplighter.errors import QueueProblem

ASKING_S = 20.0
"""How long a queue may take to answer."""

ENDLESS_S = 400 * 86400.0
"""Queues without a limit name a year as the end."""


@dataclass(frozen=True)
class TimeLeft:
    """What is left of a job.

    Attributes:
        seconds: Wall time that is left, s.
        source: Who says so, for the log.
    """

    seconds: float
    source: str


def time_left(environment: Mapping[str, str] | None = None) -> TimeLeft | None:
    """What the queue of this process says; None: it is in no job, there is no limit, or nobody can be asked."""
    given = os.environ if environment is None else environment
    for ask in (_of_slurm, _of_pbs, _of_lsf, _of_flux):
        found = ask(given)
        if found is not None:
            return found if found.seconds < ENDLESS_S else None
    return None


def _of_slurm(given: Mapping[str, str]) -> TimeLeft | None:
    job = given.get("SLURM_JOB_ID", "")
    if not job:
        return None
    # squeue first: a job's time can be changed while it runs, and the variable stays as it was
    said = _said(["squeue", "-h", "-j", job, "-o", "%L"], given)
    if said:
        left = slurm_left(said.splitlines()[0])
        return None if left is None else TimeLeft(left, f"Slurm (squeue, job {job})")
    end = given.get("SLURM_JOB_END_TIME", "")
    return TimeLeft(float(end) - time.time(), f"Slurm (SLURM_JOB_END_TIME, job {job})") if end.isdigit() else None


def _of_pbs(given: Mapping[str, str]) -> TimeLeft | None:
    job = given.get("PBS_JOBID", "")
    left = pbs_left(_said(["qstat", "-f", job], given)) if job else None
    return None if left is None else TimeLeft(left, f"PBS (qstat -f {job})")


def _of_lsf(given: Mapping[str, str]) -> TimeLeft | None:
    job = given.get("LSB_JOBID", "")
    left = lsf_left(_said(["bjobs", "-noheader", "-o", "time_left", job], given)) if job else None
    return None if left is None else TimeLeft(left, f"LSF (bjobs, job {job})")


def _of_flux(given: Mapping[str, str]) -> TimeLeft | None:
    job = given.get("FLUX_JOB_ID", "")
    said = _said(["flux", "job", "timeleft"], given) if job else ""
    return TimeLeft(float(said), "Flux (flux job timeleft)") if re.fullmatch(r"\d+(\.\d+)?", said) else None


def slurm_left(said: str) -> float | None:
    """Of squeue's field %L: `1-02:03:04`, `2:03`, `0:00`, `UNLIMITED`, `INVALID`."""
    return _seconds_or_none(said)


def pbs_left(said: str) -> float | None:
    """Of `qstat -f`: the wall time that was asked for, less what was used."""
    asked = re.search(r"Resource_List\.walltime = (\S+)", said)
    used = re.search(r"resources_used\.walltime = (\S+)", said)
    total = _seconds_or_none(asked.group(1)) if asked else None
    return None if total is None else total - ((_seconds_or_none(used.group(1)) or 0.0) if used else 0.0)


def lsf_left(said: str) -> float | None:
    """Of bjobs' field time_left: `hours:minutes L`, where E stands for an estimate, and `-` for no limit."""
    match = re.fullmatch(r"(\d+):(\d+)\s*[LX]?", said.strip())
    return None if match is None else int(match.group(1)) * 3600.0 + int(match.group(2)) * 60.0


def _seconds_or_none(text: str) -> float | None:
    if re.fullmatch(r"[0:]+", text.strip()):
        return 0.0
    try:
        return seconds_of(text)
    except QueueProblem:
        return None


def _said(words: list[str], given: Mapping[str, str]) -> str:
    """What a command of the queue answers; empty where it is missing, silent or unhappy."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=ASKING_S, check=False, env=dict(given)
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


Ask = Callable[[], TimeLeft | None]
"""Asks for the time that is left, now."""
