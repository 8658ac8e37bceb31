"""The content of a torch file for its description: read without any code of its own, or left with a note."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch

from lamplighter.errors import ModelError
from lamplighter.model_files.description import Description
from lamplighter.model_files.loading import NeedsItsCode, load_narrowly


def without_its_code(path: Path, description: Description) -> Any:
    """The content of a file that needs no code of its own to be loaded; None, with a note, of any other."""
    try:
        # importing a framework may print advice
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return load_narrowly(path)
    except NeedsItsCode as problem:
        description.notes.append(
            f"more could be told only by running code that is in it (docs/how_to/model_files.md): {problem}"
        )
    except ModelError as problem:
        if "not installed" not in str(problem):
            raise
    return None


def precision(dtype: torch.dtype) -> str:
    """`float32` or `float64`."""
    return str(dtype).removeprefix("torch.")
