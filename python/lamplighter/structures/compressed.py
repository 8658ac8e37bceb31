"""Plain and compressed files, read as far as they go: a simulation that was killed leaves its last file cut off."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from lamplighter.errors import TrajectoryError

SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
"""Of compressed files; what a file is, is told by its first bytes."""

_CHUNK = 1 << 16
_ZSTD_REMEDY = "it is compressed by zstd, which this Python cannot read: pip install zstandard, or unpack it"


class Decompressor(Protocol):
    """The interface of Python's own `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool:
        """Whether the compressed stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows it."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing can be had without more of it."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most so many bytes of the content."""
        ...


class _Gzip:
    """zlib's stream of one gzip member."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max(max_length, 0))


class _Zstandard:
    """The stream of one frame of the package `zstandard`, which gives all at once."""

    def __init__(self) -> None:
        import zstandard

        self._stream = zstandard.ZstdDecompressor().decompressobj()
        self._ready = b""

    @property
    def eof(self) -> bool:
        return bool(self._stream.eof) and not self._ready

    @property
    def unused_data(self) -> bytes:
        return bytes(self._stream.unused_data)

    @property
    def needs_input(self) -> bool:
        return not self._ready and not self._stream.eof

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._ready += self._stream.decompress(data)
        size = len(self._ready) if max_length < 0 else max_length
        given, self._ready = self._ready[:size], self._ready[size:]
        return given


def _zstd() -> Decompressor:
    """Python's own from 3.14 on, else that of the package `zstandard`. Raises ImportError: there is neither."""
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError:
        return _Zstandard()
    made: Decompressor = zstd.ZstdDecompressor()
    return made


_KINDS: tuple[tuple[bytes, str, Callable[[], Decompressor]], ...] = (
    (b"\x1f\x8b", "gzip", _Gzip),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", lzma.LZMADecompressor),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
)


class PartialContent(io.RawIOBase):
    """The content of a compressed file of one or several streams, as far as it can be read.

    Where the file is cut off or damaged, it ends, and `damage` says so; nothing is raised.

    Attributes:
        damage: What is wrong with the file, in words; empty as long as nothing is.
    """

    def __init__(self, path: Path, name: str, new_stream: Callable[[], Decompressor]) -> None:
        super().__init__()
        self._name, self._new_stream = name, new_stream
        self._stream = new_stream()
        self._file = path.open("rb")
        self._waiting = b""
        self._inside = False  # a stream has begun and not ended
        self.damage = ""

    def fraction_read(self) -> float:
        """How much of the file, as it lies on the disk, has been read, from 0 to 1."""
        return _fraction(self._file)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while not self.damage:
            given = b""
            if self._stream.needs_input:
                given, self._waiting = self._waiting or self._file.read(_CHUNK), b""
            ended = self._stream.needs_input and not given
            if ended and not self._inside:
                break
            try:
                text = self._stream.decompress(given, len(view))  # without input: what is still inside
            except Exception as problem:  # each package has an error of its own
                self.damage = f"its {self._name} data are damaged ({problem})"
                break
            self._inside = True
            if self._stream.eof:
                self._waiting, self._inside = self._stream.unused_data, False
                self._stream = self._new_stream()
            elif ended and not text:
                self.damage = f"its {self._name} data are cut off"
            if text:
                view[: len(text)] = text
                return len(text)
        return 0


class _Whole(PartialContent):
    """The same of a file that must be whole: damage is an OSError."""

    def readinto(self, buffer: Any) -> int:
        n = super().readinto(buffer)
        if not n and self.damage:
            raise OSError(self.damage)
        return n


def open_as_far_as_it_goes(path: Path) -> io.BufferedReader:
    """Open a file, plain or compressed by gzip, bzip2, xz or zstd (told by its first bytes), for reading bytes.

    What is wrong with it is told by `damage_of` after reading.

    Raises:
        TrajectoryError: it cannot be opened.
    """
    try:
        return _opened(path, PartialContent)
    except OSError as problem:
        raise TrajectoryError(f"{path} cannot be read: {problem.strerror or problem}") from problem


def open_whole(path: Path) -> io.BufferedReader:
    """The same of a file that must be whole.

    Raises:
        OSError: it cannot be opened; reading raises it, too, where the file is cut off or damaged.
    """
    return _opened(path, _Whole)


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its first bytes; False where there is none."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _kind_of(file.read(8)) is not None


def uncompressed_name(path: Path) -> str:
    """The name of a file without the suffix of its compression."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _kind_of(start: bytes) -> tuple[str, Callable[[], Decompressor]] | None:
    return next(((name, new) for magic, name, new in _KINDS if start.startswith(magic)), None)


def _opened(path: Path, reader: type[PartialContent]) -> io.BufferedReader:
    file = path.open("rb")
    kind = _kind_of(file.peek(8)[:8])
    if kind is None:
        return file
    file.close()
    try:
        return io.BufferedReader(reader(path, *kind), _CHUNK)
    except ImportError:
        raise OSError(_ZSTD_REMEDY) from None


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
    return raw.fraction_read() if isinstance(raw, PartialContent) else _fraction(raw)


def _fraction(file: IO[bytes] | io.RawIOBase) -> float:
    size = os.fstat(file.fileno()).st_size
    return min(1.0, file.tell() / size) if size else 1.0
