"""Checksums of restart files: a file beside each, in the form of `sha256sum`, made once the restart file is complete.

A block that never reached the disk, or a flipped bit, is found by it and by nothing else: LAMMPS reads numbers as they
are. LAMMPS takes the checksum away before it writes a restart file anew (`lammps_inputs/write_restart.lmp`), so that a
process that is killed in between leaves a file without one: it counts as those of earlier versions do.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from lamplighter.driver.restart_file import read_head
from lamplighter.run_folder.names import CHECKSUM, RESTART_FILES


def checksum_of(path: Path) -> Path:
    """Where the checksum of a restart file lies."""
    return path.with_name(path.name + CHECKSUM)


def forget_checksum(path: Path) -> None:
    """Before a restart file is written over."""
    with contextlib.suppress(OSError):
        checksum_of(path).unlink()


class RestartSeals:
    """Gives each restart file that is written from now on its checksum.

    Those that are there already are left as they are: what happened to them since they were written is not known.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = self._present()

    def seal_new(self) -> None:
        """Bring what was written since, and its checksums, to the disk. LAMMPS must be at rest.

        A folder that takes no output is left to those who watch it.
        """
        for path, state in self._present().items():
            if self._known.get(path) == state or read_head(path) is None:
                continue
            with contextlib.suppress(OSError):
                _seal(path)
                self._known[path] = state

    def _present(self) -> dict[Path, tuple[int, int, int]]:
        found: dict[Path, tuple[int, int, int]] = {}
        for path in self._folder.glob(RESTART_FILES):
            with contextlib.suppress(OSError):
                state = path.stat()
                found[path] = (state.st_ino, state.st_size, state.st_mtime_ns)
        return found


def is_as_written(path: Path) -> bool | None:
    """Whether a restart file is what its checksum says; None where it has none, or one that cannot be read."""
    try:
        words = checksum_of(path).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return None
    if len(words) != 2 or len(words[0]) != 2 * hashlib.sha256().digest_size:
        return None
    try:
        return _sha256(path) == words[0]
    except OSError:
        return False


def _seal(path: Path) -> None:
    text = f"{_sha256(path, to_disk=True)}  {path.name}\n"
    partial = path.with_name(f"{path.name}{CHECKSUM}.part")
    with partial.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(checksum_of(path))


def _sha256(path: Path, to_disk: bool = False) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if to_disk:
            os.fsync(file.fileno())
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
