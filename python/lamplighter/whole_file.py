"""A text file is written in one piece: a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


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
