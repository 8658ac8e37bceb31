"""Plain and gzipped files, read as far as they go: a simulation that was killed leaves its last file cut off."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import IO

from lamplighter.errors import TrajectoryError

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 16


class PartialGzip(io.RawIOBase):
    """The content of a gzip file of one or several members, as far as it can be read.

    Where the file is cut off or damaged, it ends, and `damage` says so; nothing is raised.

    Attributes:
        damage: What is wrong with the file, in words; empty as long as nothing is.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._stream = zlib.decompressobj(31)
        self._waiting = b""
        self._inside = False  # a member has begun and not ended
        self.damage = ""

    def fraction_read(self) -> float:
        """How much of the file, as it lies on the disk, has been read, from 0 to 1."""
        return _fraction(self._file)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self.damage:
            given = self._waiting or self._file.read(_CHUNK)
            ended = not given
            if ended and not self._inside:
                break
            try:
                text = self._stream.decompress(given, len(view))  # without input: what is still inside
            except zlib.error as problem:
                self.damage = f"its gzip data are damaged ({problem})"
                break
            self._inside, self._waiting = True, self._stream.unconsumed_tail
            if self._stream.eof:
                self._waiting, self._inside = self._stream.unused_data, False
                self._stream = zlib.decompressobj(31)
            elif ended and not text:
                self.damage = "its gzip data are cut off"
            if text:
                view[: len(text)] = text
                return len(text)
        return 0


def open_as_far_as_it_goes(path: Path) -> io.BufferedReader:
    """Open a plain or gzipped file (known by its first bytes) for reading bytes; see `damage_of`.

    Raises:
        TrajectoryError: it cannot be opened.
    """
    try:
        file = path.open("rb")
        if file.peek(2)[:2] != _GZIP_MAGIC:
            return file
        file.close()
        return io.BufferedReader(PartialGzip(path), _CHUNK)
    except OSError as problem:
        raise TrajectoryError(f"{path} cannot be read: {problem.strerror or problem}") from problem


def left_out_from(index: int, problem: Exception) -> str:
    """What is said of a file of which the frames before a damaged one were used."""
    return f"frame {index} and what follows were left out: {problem}"


def damage_of(file: io.BufferedReader) -> str:
    """What was wrong with a file so far read; empty where nothing was."""
    return str(getattr(file.raw, "damage", ""))


def fraction_read(file: io.BufferedReader | None) -> float:
    """How much of such a file, as it lies on the disk, has been read, from 0 to 1; 1 where it is closed."""
    if file is None or file.closed:
        return 0.0 if file is None else 1.0
    raw = getattr(file, "raw", file)
    return raw.fraction_read() if isinstance(raw, PartialGzip) else _fraction(raw)


def _fraction(file: IO[bytes] | io.RawIOBase) -> float:
    size = os.fstat(file.fileno()).st_size
    return min(1.0, file.tell() / size) if size else 1.0
