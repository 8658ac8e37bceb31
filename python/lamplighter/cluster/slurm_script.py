"""A job as a script for Slurm, which is put back into the queue until what it runs is done."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import lamplighter
from lamplighter import exit_status
from lamplighter.cluster.job import Job
from lamplighter.cluster.wall_time import slurm_words

_PLAIN = re.compile(r"[\w@%+=:,./\[\]-]+", re.ASCII)


def slurm_script(job: Job, command: Sequence[str], *, requeue: bool = True, programs: Path | None = None) -> str:
    """The script.

    Args:
        job: What it asks for.
        command: What every rank runs: a program of this environment, and its words. It goes on where it was broken
            off when it is started again, and ends with status 75 where it is to be started again.
        requeue: Put the job back into the queue after status 75.
        programs: Folder of the programs; None: that of this Python.
    """
    folder = Path(sys.prefix) / "bin" if programs is None else programs
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {word}" for word in _directives(job, requeue)),
        "",
        f"# Written by lamplighter submit, version {lamplighter.__version__}.",
        "# What Slurm sends before the end is for the ranks: they end in good order, and this script waits for them.",
        "trap : TERM USR1",
        f"export PATH={shlex.quote(str(folder))}:$PATH",
        f"export OMP_NUM_THREADS=1 LAMPLIGHTER_THREADS={job.threads}",
        *job.setup,
        "",
        " ".join([*_start(job), *(shlex.quote(word) for word in command)]),
        "status=$?",
        'echo "exit status $status"',
    ]
    if requeue:
        lines += [
            f"if [ $status = {exit_status.LATER} ]; then  # time was up, or the folder was in use: go on later",
            '  case $(scontrol show job "$SLURM_JOB_ID" -o) in',
            # what scancel ended; a job that is preempted, or ends before its time, still says RUNNING here
            '    *"JobState=COMPLETING Reason=None "*) echo "the job was cancelled, and is not put back" ;;',
            '    *) scontrol requeue "$SLURM_JOB_ID" ;;',
            "  esac",
            "fi",
        ]
    return "\n".join([*lines, "exit $status", ""])


def _directives(job: Job, requeue: bool) -> list[str]:
    words = [
        ("job-name", job.name),
        ("nodes", str(job.nodes)),
        ("ntasks-per-node", str(job.ranks_on_node)),
        ("cpus-per-task", str(job.threads)),
        ("gpus-per-node", str(job.gpus_per_node or "")),
        ("time", slurm_words(job.time_s)),
        ("partition", job.partition),
        ("account", job.account),
        ("qos", job.qos),
        ("signal", f"USR1@{job.signalled_before_s}"),
        ("output", job.log or f"{job.name}.log"),
        ("open-mode", "append"),
        ("mail-type", "NONE"),
    ]
    directives = [f"--{key}={_quoted(value)}" for key, value in words if value]
    directives.append("--requeue" if requeue else "--no-requeue")
    if job.exclusive:
        directives.append("--exclusive")
    # later words count, so that the user's own come last
    return directives + [word if word.startswith("-") else f"--{word}" for word in job.words]


def _start(job: Job) -> list[str]:
    if job.launcher == "srun":
        # srun takes the number of cores from the job since Slurm 22.05 only where it is told
        words = ["srun", f"--cpus-per-task={job.threads}"]
        words += [f"--mpi={job.mpi}"] if job.mpi else []
        return words + (["--cpu-bind=cores"] if job.bind else [])
    words = ["mpirun", "-n", str(job.ranks), "-ppn", str(job.ranks_on_node)]
    # on a node that others use too, mpirun would bind the ranks of all jobs to the same first cores
    return words + (["-bind-to", f"core:{job.threads}"] if job.bind and job.exclusive else [])


def _quoted(value: str) -> str:
    """As sbatch reads its lines in a script: words end at blanks unless they are quoted."""
    return value if _PLAIN.fullmatch(value) else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
