"""In which precision models run, for the record of a run: with `dtype auto` the file decides."""

from __future__ import annotations

import json
from pathlib import Path

_noted: dict[str, str] = {}  # by path


def note(path: Path, precision: str) -> None:
    """Keep the precision in which this process opened a model."""
    _noted[str(path)] = precision


def noted(path: Path) -> str | None:
    """What was kept; None: nothing."""
    return _noted.get(str(path))


def of_compiled(path: Path, asked: str) -> str | None:
    """The precision in which the native engine runs a compiled model.

    Args:
        path: A `.lamp` file, which is one of safetensors: the length of its header, and the header as JSON.
        asked: `float32`, `float64`, or `auto`: that of the models it was made from.
    """
    if asked != "auto":
        return asked
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return str(header["__metadata__"]["dtype"])
    except (OSError, ValueError, KeyError, MemoryError, OverflowError):
        return None
