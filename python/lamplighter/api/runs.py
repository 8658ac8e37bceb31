"""Runs and trajectories as people name them in Python: objects, paths, patterns, or lists of these."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.run_folder.run import Run

One = str | os.PathLike[str] | Run
Runs = One | Iterable[One]
"""Run folders: an open run, a path, a pattern such as `runs/*`, or several of these."""

_PATTERN = set("*?[")


def runs_of(given: Runs, name: str = "runs") -> list[Run]:
    """The runs that were named, in order.

    Args:
        given: What was named.
        name: Of the argument, for messages.

    Raises:
        RunFolderError: nothing was named, a folder does not exist or holds no run, a pattern matches none.
        LamplighterError: something that is neither a run nor a path.
    """
    return [each if isinstance(each, Run) else Run(each) for each in named(given, name, folders_alone=True)]


def named(given: Runs, name: str, folders_alone: bool = False) -> list[Run | Path]:
    """The same as open runs and paths; patterns match files, too, unless folders alone are wanted. Raises as `runs_of`.

    A path that is there, or that is no pattern, is returned as it is.
    """
    if isinstance(given, str | os.PathLike | Run):
        several: list[One] = [given]
    elif isinstance(given, Iterable) and not isinstance(given, Mapping | bytes):
        several = list(given)
    else:
        raise _wrong(given, name)
    found: list[Run | Path] = []
    for each in several:
        if isinstance(each, Run):
            found.append(each)
        elif isinstance(each, str | os.PathLike) and not isinstance(os.fspath(each), bytes):
            path = Path(each).expanduser()
            found += [path] if path.exists() or not _PATTERN & set(str(path)) else _matching(path, found, folders_alone)
        else:
            raise _wrong(each, name)
    if not found:
        raise RunFolderError(f"{name}: none is given; name a run folder at least")
    return found


def _matching(pattern: Path, there: Sequence[Run | Path], folders_alone: bool) -> list[Path]:
    """What matches, without what is there already."""
    anchor = Path(pattern.anchor or ".")
    found = sorted(anchor.glob(str(pattern.relative_to(pattern.anchor))))
    found = [path for path in found if path.is_dir() or not folders_alone]
    if not found:
        raise RunFolderError(
            f"{pattern}: there is no such run folder" if folders_alone else f"{pattern}: there is no such run or file"
        )
    return [path for path in found if path not in there]


def _wrong(given: object, name: str) -> LamplighterError:
    return LamplighterError(
        f"{name}: expected the path of a run folder, a pattern of them, an open run, or a list of these; got {given!r} "
        f"({type(given).__name__})"
    )
