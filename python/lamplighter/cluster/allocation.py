"""What Slurm gave the job of this process: its nodes, and their cores."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from lamplighter.errors import QueueProblem


def cores_of_nodes(environment: Mapping[str, str] | None = None) -> int | None:
    """The job's cores on that of its nodes that has most; None: this is no job of Slurm, or it does not say."""
    given = os.environ if environment is None else environment
    counts = re.findall(r"(\d+)(?:\(x\d+\))?", given.get("SLURM_JOB_CPUS_PER_NODE", ""))
    return max((int(each) for each in counts), default=None)


def nodes_of_job(environment: Mapping[str, str] | None = None) -> int:
    """Number of the job's nodes; 1 where this is no job of Slurm."""
    given = os.environ if environment is None else environment
    return int(given["SLURM_JOB_NUM_NODES"]) if given.get("SLURM_JOB_NUM_NODES", "").isdigit() else 1


def require_ranks_fit(ranks_on_node: int, environment: Mapping[str, str] | None = None) -> None:
    """Refuse more ranks on a node than the job has cores there: they would take turns, and slow each other many times.

    Raises:
        QueueProblem: there are more.
    """
    cores = cores_of_nodes(environment)
    if cores is not None and ranks_on_node > cores:
        raise QueueProblem(
            f"{ranks_on_node} ranks run on this node, and the job has {cores} {'core' if cores == 1 else 'cores'} "
            "there: start fewer (mpirun -n), or ask for more (--ntasks-per-node; with lamplighter submit, "
            "--ranks-per-node)"
        )
