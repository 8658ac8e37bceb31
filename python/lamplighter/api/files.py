"""Files as people name them in Python: paths as text or objects, patterns, or lists of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from lamplighter.api.runs import named
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.run import Run

StrPath = str | os.PathLike[str]


def file_of(given: StrPath, name: str) -> Path:
    """One path.

    Raises:
        LamplighterError: it is none.
    """
    if not isinstance(given, str | os.PathLike) or isinstance(os.fspath(given), bytes):
        raise wrong(given, name, "the path of a file")
    return Path(given).expanduser()


def files_of(given: StrPath | Iterable[StrPath], name: str) -> list[Path]:
    """Several paths; patterns match files.

    Raises:
        LamplighterError: something that is no path, nothing was named, or a pattern matches nothing.
    """
    several = [given] if isinstance(given, str | os.PathLike) else given
    if not isinstance(several, Iterable) or isinstance(several, Mapping | bytes):
        raise wrong(given, name, "the path of a file, a pattern, or a list of these")
    paths = [file_of(each, name) for each in several]
    if not paths:
        raise LamplighterError(f"{name}: none is given; name a file at least")
    return [each.folder if isinstance(each, Run) else each for each in named(paths, name)]


def texts_of(given: str | Iterable[str], name: str) -> list[str]:
    """One text or several.

    Raises:
        LamplighterError: something that is no text.
    """
    several = [given] if isinstance(given, str) else given
    if not isinstance(several, Iterable):
        raise wrong(given, name, "text, or a list of texts")
    found = list(several)
    for each in found:
        if not isinstance(each, str):
            raise wrong(each, name, "text, or a list of texts")
    return found


def wrong(given: object, name: str, expected: str) -> LamplighterError:
    """The error about something of another kind than `expected`."""
    return LamplighterError(f"{name}: expected {expected}; got {given!r} ({type(given).__name__})")
