"""The user's cache: files that cost time to make and can be made again. One folder a kind.

What lies there is believed: LAMMPS runs plugins from it, and compiled models give the numbers of a run. So a folder is
used only if it is this user's, and nobody else may write there.
"""

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
    return [each for folder in folders if _is_ours(each := folder / "lamplighter" / kind)]


def writable_cache_folder(kind: str) -> Path:
    """The first of them that can be written, made if need be.

    Raises:
        OSError: none can.
    """
    folders = cache_folders(kind)
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    raise OSError(f"none of {', '.join(map(str, folders))} can be written")


def _is_ours(folder: Path) -> bool:
    """False for a folder, or one above it that is named after us, that somebody else has or may write.

    What is ours and too open, as a umask of 002 makes it, is closed to others.
    """
    for each in (folder.parent, folder):
        try:
            link, found = each.lstat(), each.stat()
        except FileNotFoundError:
            continue
        except OSError:
            return False
        if {link.st_uid, found.st_uid} != {os.getuid()} or not stat.S_ISDIR(found.st_mode):
            return False
        if found.st_mode & 0o022:
            try:
                each.chmod(stat.S_IMODE(found.st_mode) & ~0o022)
            except OSError:
                return False
    return True


def _is_private(folder: Path) -> bool:
    """True if the folder is, or now becomes, this user's alone: LAMMPS will run code that lies in it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
