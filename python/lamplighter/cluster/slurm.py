"""Slurm's commands: what a partition has, and handing in a job."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lamplighter.cluster.job import Job
from lamplighter.cluster.wall_time import seconds_of, slurm_words
from lamplighter.errors import QueueProblem

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Partition:
    """What Slurm says of a partition.

    Attributes:
        name: Its name.
        nodes: Number of nodes.
        cores_per_node: Of its largest node.
        time_s: The longest job, in s; None: no limit.
    """

    name: str
    nodes: int
    cores_per_node: int
    time_s: float | None


def submit(script: Path) -> str:
    """Hand in a script, from the current folder.

    Returns:
        The number of the job.

    Raises:
        QueueProblem: there is no sbatch, or it rejects the job; with its own message.
    """
    words = ["sbatch", "--parsable", str(script)]
    said = _run(words, f"Slurm rejects {script}")
    return said.strip().splitlines()[-1].partition(";")[0]


def partitions(name: str = "") -> list[Partition]:
    """A partition by its name, or the default one; empty where Slurm cannot be asked, or knows none of that name."""
    words = ["sinfo", "-h", "-o", "%P|%D|%c|%l", *(["-p", name] if name else [])]
    try:
        lines = _run(words, "").splitlines()
    except QueueProblem:
        return []
    found: dict[str, Partition] = {}
    for line in lines:
        label, nodes, cores, limit = line.split("|")
        if not name and not label.endswith("*"):
            continue
        before = found.get(label.rstrip("*"), Partition("", 0, 0, None))
        found[label.rstrip("*")] = Partition(
            label.rstrip("*"),
            before.nodes + int(nodes),
            max(before.cores_per_node, int(cores.rstrip("+"))),
            None if limit in ("infinite", "n/a") else seconds_of(limit if ":" in limit else f"{limit}:00"),
        )
    return list(found.values())


def own_jobs() -> list[tuple[str, str]]:
    """Name and script of each of the user's jobs that wait or run.

    Raises:
        QueueProblem: the queue does not answer.
    """
    words = ["squeue", "-h", "-u", str(os.getuid()), "-o", "%j|%o"]
    jobs = [line.partition("|") for line in _run(words, "squeue gives no answer").splitlines()]
    return [(name, script) for name, _, script in jobs]


def require_fit(job: Job) -> None:
    """Refuse a job that cannot run in its partition; nothing where Slurm cannot be asked.

    Raises:
        QueueProblem: the partition has fewer nodes, smaller ones, or a shorter limit.
    """
    for each in partitions(job.partition):
        where = f"partition {each.name}"
        if job.nodes > each.nodes:
            raise QueueProblem(f"{job.nodes} nodes are asked for, and {where} has {each.nodes}")
        if job.cores_per_node > each.cores_per_node:
            cores = f"{job.threads} {'core' if job.threads == 1 else 'cores'}"
            do, remedy = f"{job.ranks_on_node} ranks of {cores} do", "more nodes, and fewer ranks on each"
            if job.ranks_on_node == 1:
                do, remedy = f"1 rank of {cores} does", "fewer cores"
            raise QueueProblem(
                f"{do} not fit on a node of {where}, which has {each.cores_per_node} cores: ask for {remedy}"
            )
        if each.time_s is not None and job.time_s > each.time_s:
            raise QueueProblem(
                f"{slurm_words(job.time_s)} is asked for, and {where} ends jobs after {slurm_words(each.time_s)}: ask "
                "for less; the job is put back into the queue until the run is done"
            )


def has_slurm() -> bool:
    """Whether jobs can be handed in from here."""
    return shutil.which("sbatch") is not None


def _run(words: list[str], doing: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise QueueProblem(
            f"{words[0]} is not found: log in where jobs are handed in, or copy the script there"
        ) from None
    except subprocess.TimeoutExpired:
        raise QueueProblem(f"{words[0]} gives no answer for {TIMEOUT_S:g} s: is Slurm up? sinfo tells") from None
    if done.returncode != 0:
        said = re.sub(r"^\w+: (?:error: )?", "", (done.stderr or done.stdout).strip(), flags=re.M)
        raise QueueProblem(f"{doing}: {said or f'exit status {done.returncode}'}")
    return done.stdout
