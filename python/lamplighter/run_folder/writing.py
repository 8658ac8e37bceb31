"""Writing into a run folder: a file is whole or it is not there, and what failed is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lamplighter.errors import RunFolderError
from lamplighter.whole_file import write_whole


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of it.

    Raises:
        RunFolderError: it cannot be written.
    """
    try:
        write_whole(path, json.dumps(content, indent=2) + "\n")
    except OSError as problem:
        raise unwritable(path.parent, problem) from problem


def unwritable(folder: Path, problem: OSError) -> RunFolderError:
    """The error for a folder that cannot be written."""
    return RunFolderError(
        f"the run folder {folder} cannot be written ({problem.strerror or problem}): choose another output.folder, or "
        "make room and check its permissions"
    )
