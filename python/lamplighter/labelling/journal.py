"""What is known of the frames of a file so far, a line of JSON each, written as soon as it is known.

The first line says of which method. A process that is killed leaves whole lines, and at most one that is not, which
is dropped when labelling goes on.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from ase import Atoms

from lamplighter.errors import LamplighterError, RunFolderBusy
from lamplighter.json_text import plain
from lamplighter.labelling.worker import Answered
from lamplighter.structures.labels import Labels, unknown_stress

FORMAT = 1

_SYNC_EVERY_S = 1.0


@dataclass(frozen=True)
class Known:
    """What is known of a frame: labels, or why there are none."""

    labels: Labels | None
    failure: str
    seconds: float


class Journal:
    """The journal of one output; use it in a `with` statement. One process has it at a time.

    Args:
        path: The file; it may be there already.
        method: What the labels rest on; a journal of another method is refused.
        keys: Of the frames (`key_of`).
        retry: Forget failures.

    Raises:
        RunFolderBusy: another process writes it.
        LamplighterError: it is of another method or other frames, is no journal, or cannot be written.
    """

    def __init__(self, path: Path, method: dict[str, Any], keys: list[str], retry: bool = False) -> None:
        self.path = path
        self.known: dict[int, Known] = {}
        self._keys = keys
        self._synced = 0.0
        try:
            self._file: IO[bytes] = path.open("a+b")
        except OSError as problem:
            raise self._unwritable(problem) from problem
        try:
            self._take(self._file)
            self._require_in_place()
            self._read(plain(method), retry)
        except BaseException:
            self._file.close()
            raise

    def keep(self, answer: Answered) -> None:
        """Write what is known of a frame.

        Raises:
            LamplighterError: the file cannot be written.
        """
        line: dict[str, Any] = {"frame": answer.frame, "key": self._keys[answer.frame], "seconds": answer.seconds}
        if answer.labels is None:
            line["failure"] = answer.failure
        else:
            stress = answer.labels.stress
            line |= {
                "energy": answer.labels.energy,
                "forces": answer.labels.forces.tolist(),
                "stress": None if np.isnan(stress).any() else stress.tolist(),
            }
        self._write(line)
        self.known[answer.frame] = Known(answer.labels, answer.failure, answer.seconds)

    def remove(self) -> None:
        """What it says is elsewhere."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _take(self, file: IO[bytes]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._busy() from None
        except OSError:  # a file system without locks
            pass

    def _require_in_place(self) -> None:
        """Another process may have put its journal into the place of this one since it was opened, or ended with it."""
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
                return
        raise self._busy()

    def _busy(self) -> RunFolderBusy:
        return RunFolderBusy(f"another process labels into {self.path}: wait for its end, or end it")

    def _unwritable(self, problem: OSError) -> LamplighterError:
        is_full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "make room; the same command goes on" if is_full else "mend that, and start the same command again"
        return LamplighterError(f"{self.path} cannot be written ({problem.strerror or problem}): {remedy}")

    def _read(self, method: dict[str, Any], retry: bool) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        lines = [self._parsed(line) for line in whole.splitlines()]
        if not lines:
            self._file.truncate(0)
            self._write({"format": FORMAT, "method": method})
            return
        if lines[0].get("format") != FORMAT:
            raise LamplighterError(f"{self.path} is no journal of this version: remove it, or choose another --output")
        if not isinstance(lines[0].get("method"), dict):
            raise self._damaged()
        if lines[0]["method"] != method:
            changed = [key for key in {*method, *lines[0]["method"]} if method.get(key) != lines[0]["method"].get(key)]
            raise LamplighterError(
                f"{self.path} is of a method that differs in {', '.join(sorted(changed))}: labels of two methods are "
                "not mixed; remove the file to begin anew, or choose another --output"
            )
        kept = [lines[0]]
        for line in lines[1:]:
            frame, key = line.get("frame"), line.get("key")
            if not (isinstance(frame, int) and frame >= 0 and isinstance(key, str)):
                raise self._damaged()
            is_other = frame >= len(self._keys) or self._keys[frame] != key
            if "failure" in line and (retry or is_other):  # a frame that was mended is tried again
                continue
            if is_other:
                raise LamplighterError(
                    f"{self.path} is of other frames: frame {frame}, or its charge or multiplicity, is "
                    "not the one that was labelled; remove the "
                    "file to begin anew, or choose another --output"
                )
            try:
                self.known[frame] = _known(line)
            except (KeyError, TypeError, ValueError):
                raise self._damaged() from None
            kept.append(line)
        if len(kept) < len(lines):
            self._replace(b"".join(_text(line) for line in kept))
        elif len(whole) < len(content):
            self._file.truncate(len(whole))

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._damaged()
        return found

    def _damaged(self) -> LamplighterError:
        return LamplighterError(f"{self.path} is no journal, or is damaged: remove it, or choose another --output")

    def _replace(self, content: bytes) -> None:
        """Other content in one piece: whatever ends this process, one of the two is there, and it is locked."""
        partial = self.path.with_name(f"{self.path.name}.part")
        try:
            file = partial.open("a+b")
            try:
                self._take(file)
                file.truncate(0)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(self.path)
            except BaseException:
                file.close()
                raise
        except OSError as problem:
            raise self._unwritable(problem) from problem
        self._file.close()
        self._file = file

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self._file.write(_text(line))
            self._file.flush()
            if time.monotonic() - self._synced > _SYNC_EVERY_S:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()
        except OSError as problem:
            raise self._unwritable(problem) from problem


def key_of(atoms: Atoms, more: tuple[object, ...] = ()) -> str:
    """A short hash of all of a frame that labels depend on."""
    digest = hashlib.sha256()
    for array in (
        atoms.numbers.astype("<i8"),
        atoms.positions.astype("<f8"),
        atoms.cell.array.astype("<f8"),
        atoms.pbc,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr(more).encode())
    return digest.hexdigest()[:16]


def _text(line: dict[str, Any]) -> bytes:
    return (json.dumps(line) + "\n").encode("ascii")


def _known(line: dict[str, Any]) -> Known:
    if "failure" in line:
        return Known(None, str(line["failure"]), float(line["seconds"]))
    stress = unknown_stress() if line["stress"] is None else np.array(line["stress"], dtype=np.float64)
    forces = np.array(line["forces"], dtype=np.float64).reshape(-1, 3)
    return Known(Labels(float(line["energy"]), forces, stress), "", float(line["seconds"]))
