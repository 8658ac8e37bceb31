"""Writing into a run folder: a file is whole or it is not there, and what failed is said."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from lamplighter.errors import RunFolderError


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never half of it.

    Raises:
        RunFolderError: it cannot be written.
    """
    try:
        write_whole(path, json.dumps(content, indent=2) + "\n")
    except OSError as problem:
        raise unwritable(path.parent, problem) from problem


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one piece. Raises OSError: it cannot be written."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")  # several failing ranks may write at once
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def unwritable(folder: Path, problem: OSError) -> RunFolderError:
    """The error for a folder that cannot be written."""
    return RunFolderError(
        f"the run folder {folder} cannot be written ({problem.strerror or problem}): choose another output.folder, or "
        "make room and check its permissions"
    )
