"""Importing MACE, and leaving the process as it was.

MACE's import sets `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`, by which torch's unpickler runs any code in every later file of
the process; e3nn 0.4 needs that for its own constants, once, while it is imported. MACE also prints that optional
packages are missing. Both end with the import.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator

VARIABLE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

_one_at_a_time = threading.RLock()


def load() -> None:
    """Import MACE, and e3nn after it.

    Raises:
        ImportError: it is not installed, or cannot be imported.
    """
    with quiet():
        import mace.modules  # noqa: F401


@contextlib.contextmanager
def variable_put_back() -> Iterator[None]:
    """Whatever is imported within, torch's unpickler is afterwards as restricted as it was."""
    before = os.environ.get(VARIABLE)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


@contextlib.contextmanager
def as_mace_wants() -> Iterator[None]:
    """For MACE's own programs, which read their model files with torch's full unpickler: the user has allowed it."""
    with variable_put_back():
        os.environ[VARIABLE] = "1"
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """For imports: neither prints of packages that could be used, nor warnings to e3nn's and torch's programmers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with _one_at_a_time, variable_put_back(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
