"""RDKit, which not every installation has: imported when it is asked for, and named when it is missing."""

from __future__ import annotations

from typing import Any

from lamplighter.errors import EnvironmentProblem


def rdkit(needed_by: str, extra: str) -> Any:
    """RDKit's module `Chem`.

    Args:
        needed_by: What needs it, for the message.
        extra: Of this package, that brings it.

    Raises:
        EnvironmentProblem: RDKit cannot be imported.
    """
    try:
        from rdkit import Chem
    except ImportError as problem:
        raise EnvironmentProblem(
            f"{needed_by} needs RDKit, which cannot be imported ({problem}): pip install 'lamplighter[{extra}]'"
        ) from problem
    return Chem
