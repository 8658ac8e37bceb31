"""The user's cache: files that cost time to make and can be made again. One folder a kind."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def cache_folders(kind: str) -> list[Path]:
    """Where files of a kind may lie, the preferred place first; none of them need exist."""
    import tempfile

    folders = []
    with contextlib.suppress(RuntimeError):  # no home folder
        folders.append(Path("~/.cache").expanduser())
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # noqa: PTH117 (an empty string is not a path)
        folders.insert(0, Path(xdg))
    own = Path(tempfile.gettempdir()) / f"lamplighter-{os.getuid()}"
    if _is_private(own):
        folders.append(own)
    return [folder / "lamplighter" / kind for folder in folders]


def writable_cache_folder(kind: str) -> Path:
    """The first of them that can be written, made if need be.

    Raises:
        OSError: none can.
    """
    folders = cache_folders(kind)
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    raise OSError(f"none of {', '.join(map(str, folders))} can be written")


def _is_private(folder: Path) -> bool:
    """True if the folder is, or now becomes, this user's alone: LAMMPS will run code that lies in it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
