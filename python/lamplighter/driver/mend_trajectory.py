"""Mending the trajectory of a run that was cut off: whole frames are kept, the rest is dropped."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

_FRAME = b"ITEM: TIMESTEP\n"
_CHUNK = 1 << 20


def keep_frames_until(path: Path, last_step: int) -> int:
    """Rewrite a gzipped LAMMPS dump with its whole frames up to `last_step`; returns how many.

    A file that ends in the middle (the process was killed) is read as far as it goes. The file's last state
    stays in place until the new one is complete.
    """
    kept = 0
    partial = path.with_name(path.name + ".part")
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    with partial.open("wb") as out:
        for frame in whole_frames(path):
            if step_of(frame) > last_step:
                break
            out.write(compressor.compress(frame))
            kept += 1
        out.write(compressor.flush())
    partial.replace(path)
    return kept


def whole_frames(path: Path) -> Iterator[bytes]:
    """The text of each complete frame of a gzipped LAMMPS dump, even if the file ends in the middle."""
    rest = b""
    for text in _unzipped(path):
        rest += text
        begin = 0
        while (cut := rest.find(_FRAME, begin + len(_FRAME))) >= 0:
            yield rest[begin:cut]
            begin = cut
        rest = rest[begin:]
    if _is_whole(rest):
        yield rest


def step_of(frame: bytes) -> int:
    """The step of a frame."""
    return int(frame.split(b"\n", 2)[1])


def _is_whole(frame: bytes) -> bool:
    lines = frame.split(b"\n")
    if len(lines) < 10 or not frame.endswith(b"\n"):
        return False
    return len(lines) - 1 == 9 + int(lines[3])


def _unzipped(path: Path) -> Iterator[bytes]:
    """The content of a gzip file of one or several members, as far as it can be read."""
    stream = zlib.decompressobj(31)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            while chunk:
                try:
                    yield stream.decompress(chunk)
                except zlib.error:
                    return
                chunk = stream.unused_data
                if stream.eof:
                    stream = zlib.decompressobj(31)
