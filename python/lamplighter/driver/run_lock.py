"""One process at a time in a run folder, on any file system and any number of machines.

`run.lock` names its holder. It is made by a hard link, which succeeds for one process alone on NFS and Lustre too
(locks of `flock` may hold on one machine only, or not be supported). The holder renews the file's time every few
seconds. A holder on the same machine is dead if its process is gone; of one elsewhere it counts whether the time is
renewed while it is watched, and how old it is by the clock of the file server. Whoever follows a dead holder must
first make the file that names it: so there can be only one.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from lamplighter.errors import RunFolderBusy
from lamplighter.run_folder.names import LOCK

RENEWED_EVERY_S = 10.0
"""How often a holder renews the time of its lock."""

SILENT_S = 300.0
"""A holder on another machine that has not renewed its lock for so long is dead."""

WATCHED_RENEWALS = 3
"""However old its last renewal looks, a holder on another machine gets the time of so many."""


@dataclass(frozen=True)
class Holder:
    """Who holds a run folder: the content of `run.lock`.

    Attributes:
        token: Of this holding alone.
        host, pid: Machine and process.
        began: When the process started, in ticks since the machine did; empty: not known.
        machine: Boot and process namespace, within which `pid` has a meaning; empty: not known.
        since: When it took the folder.
    """

    token: str
    host: str = "an unknown machine"
    pid: int = 0
    began: str = ""
    machine: str = ""
    since: str = "an unknown time"


class RunLock:
    """A run folder that is held, until `release`.

    Args:
        folder: The run folder; it exists.
        lost: Called, from a thread, if another process has taken the folder (this one stood still for minutes).

    Raises:
        RunFolderBusy: another process holds it.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, lost: Callable[[], None]) -> None:
        self._path = folder.resolve() / LOCK
        self._lost = lost
        self._me = _this_process()
        self._own = self._path.with_name(f"{LOCK}.{self._me.token}.part")
        with self._own.open("w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(self._me)))
            file.flush()
            os.fsync(file.fileno())
        try:
            self._take(self._path)
        finally:
            self._own.unlink(missing_ok=True)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lamplighter-lock", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Give the folder free. May be called twice."""
        self._ending.set()
        self._thread.join(timeout=RENEWED_EVERY_S)
        with contextlib.suppress(OSError):
            if _holder(self._path) == self._me:
                self._path.unlink()

    def _take(self, path: Path) -> None:
        while not self._make(path):
            dead = _holder(path)
            if dead is None:
                continue  # released in the meantime
            _require_dead(path, dead, self._own)
            successor = path.with_name(f"{LOCK}.after.{dead.token}")
            self._take(successor)
            if _holder(path) == dead:
                self._own.replace(path)
                successor.unlink(missing_ok=True)
                return
            successor.unlink(missing_ok=True)  # another one has followed it already

    def _make(self, path: Path) -> bool:
        """Whether the file was made, with this process as its holder."""
        try:
            os.link(self._own, path)
        except FileExistsError:
            return _holder(path) == self._me  # the answer of a file server may be lost, and the request repeated
        except OSError:  # no hard links here
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(self._me)))
            except FileExistsError:
                return False
        return True

    def _renew(self) -> None:
        while not self._ending.wait(RENEWED_EVERY_S):
            with contextlib.suppress(OSError):  # a disk that is full or away for a while
                if (holder := _holder(self._path)) is not None and holder != self._me:
                    self._lost()
                    return
                os.utime(self._path)


def living_holder(folder: Path) -> Holder | None:
    """Who works in a run folder now; None: nobody. Of another machine by how old its lock is, without watching it."""
    path = folder / LOCK
    holder = _holder(path)
    if holder is None:
        return None
    if holder.machine and holder.machine == _machine():
        return holder if _started(holder.pid) == holder.began else None
    seen = _renewed(path)
    return holder if seen is not None and time.time() - seen < SILENT_S else None


def _require_dead(path: Path, holder: Holder, own: Path) -> None:
    if holder.machine and holder.machine == _machine():
        if _started(holder.pid) == holder.began:
            raise _busy(path.parent, holder, "it is alive")
        return
    seen = _renewed(path)
    if seen is None:
        return
    own.touch()
    # the clock of a file server may be set while we look: a holder is watched for some of its renewals in any case
    silent = own.stat().st_mtime - seen
    waited, deadline = 0.0, min(SILENT_S, max(WATCHED_RENEWALS * RENEWED_EVERY_S, SILENT_S - silent))
    while waited < deadline:
        time.sleep(min(1.0, RENEWED_EVERY_S / 4))
        waited += min(1.0, RENEWED_EVERY_S / 4)
        renewed = _renewed(path)
        if renewed is None or _holder(path) != holder:
            return
        if renewed != seen:
            raise _busy(path.parent, holder, "it has just renewed its lock")


def _busy(folder: Path, holder: Holder, how_known: str) -> RunFolderBusy:
    who = f"process {holder.pid} on {holder.host} since {holder.since}"
    return RunFolderBusy(
        f"the run folder {folder} is in use by {who} ({how_known}): "
        "wait for its end, or end it, or name another folder (--output)"
    )


def _renewed(path: Path) -> float | None:
    """When a lock was renewed last, by the file server's clock; None: it is gone. Opening makes NFS ask its server."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None


def _holder(path: Path) -> Holder | None:
    """Who is named in a lock; None: there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return Holder(token="unreadable")


def _this_process() -> Holder:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return Holder(uuid.uuid4().hex, socket.gethostname(), os.getpid(), _started(os.getpid()), _machine(), now)


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process started (field 22 of /proc/PID/stat); empty: there is none, or one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
