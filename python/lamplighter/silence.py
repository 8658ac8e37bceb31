"""Ranks other than the first are silent, so that nothing is said twice; what ends all ranks, any of them may say."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from lamplighter import launcher


class _Silent(io.TextIOBase):
    """Takes everything, and keeps what it stands for."""

    def __init__(self, behind: TextIO) -> None:
        self.behind = behind

    def write(self, text: str) -> int:
        return len(text)

    def writable(self) -> bool:
        return True


def silence_other_ranks() -> None:
    """Silence this process if it is a rank, but not the first, of a program that our MPI's launcher started."""
    if os.environ.get("PMI_RANK", "0") == "0" or os.environ.get(launcher.SEPARATE) == "1":
        return
    sys.stdout, sys.stderr = _Silent(sys.stdout), _Silent(sys.stderr)


@contextlib.contextmanager
def libraries_silent() -> Iterator[None]:
    """What libraries say themselves while they are loaded is for the first rank alone to say."""
    if not isinstance(sys.stderr, _Silent):
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def last_words() -> TextIO:
    """Standard error, of a silent rank too."""
    behind: TextIO = getattr(sys.stderr, "behind", sys.stderr)
    return behind
