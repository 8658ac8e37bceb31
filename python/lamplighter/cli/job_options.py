"""Options of commands that write jobs for Slurm, with one wording."""

from __future__ import annotations

from typing import Annotated

import typer

Time = Annotated[str, typer.Option(help="Ask for this wall time a job, e.g. 24h, 90min or 1-12:00:00.", metavar="TIME")]
Nodes = Annotated[int, typer.Option("--nodes", "-N", help="Give each run this number of nodes.")]
Threads = Annotated[int, typer.Option(help="Give each rank this number of cores.")]
GpusPerNode = Annotated[int, typer.Option(help="Ask for this number of GPUs on each node.")]
Partition = Annotated[str, typer.Option("--partition", "-p", help="Submit to this partition.")]
Account = Annotated[str, typer.Option("--account", "-A", help="Charge this account for it.")]
Qos = Annotated[str, typer.Option(help="Ask for this quality of service.")]
Sbatch = Annotated[
    list[str] | None,
    typer.Option("--sbatch", help="Add a word for #SBATCH, e.g. constraint=milan.", metavar="WORD"),
]
Setup = Annotated[
    list[str] | None,
    typer.Option(help="Add a line of shell before the start, e.g. 'module load cray-mpich-abi'.", metavar="LINE"),
]
