"""The user's list of trusted model files.

Model files of the common frameworks are Python pickles: loading one can run any code in it. A file is trusted by
the SHA-256 hash of its content, so a file that changes is no longer trusted. The list is a small JSON file that a
person can read; see `docs/model_files.md`.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lamplighter.errors import LamplighterError, ModelError, UntrustedModelError

_announced: set[str] = set()
_strict = False


@dataclass(frozen=True)
class TrustedFile:
    """One entry of the list.

    Attributes:
        sha256: Hash of the file's content, 64 hexadecimal digits.
        name: Where the file was when it was trusted; for the reader only.
        added: When it was trusted, ISO 8601, UTC.
    """

    sha256: str
    name: str
    added: str


def list_path() -> Path:
    """Where the list lies: `$XDG_CONFIG_HOME/lamplighter/trusted.json`, by default under `~/.config`."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return folder / "lamplighter" / "trusted.json"


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        digest = hashlib.sha256()
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    except OSError as problem:
        raise ModelError(f"model file {path} cannot be read: {problem.strerror or problem}") from problem


def trusted_files() -> dict[str, TrustedFile]:
    """The list, by hash; empty where there is none yet.

    Raises:
        LamplighterError: the list cannot be read or is not valid.
    """
    path = list_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise LamplighterError(f"the list of trusted files {path} cannot be read: {problem.strerror}") from problem
    try:
        entries = [TrustedFile(**entry) for entry in json.loads(text)["trusted"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise LamplighterError(
            f"the list of trusted files {path} is not valid ({problem}); mend it, or delete it to start anew"
        ) from problem
    return {entry.sha256: entry for entry in entries}


def is_trusted(digest: str) -> bool:
    """Whether a hash is on the list."""
    return digest in trusted_files()


def add(paths: Iterable[Path]) -> list[TrustedFile]:
    """Put files on the list; those already on it keep their date.

    Returns:
        The entry of each file, in order.

    Raises:
        ModelError: a file cannot be read; then none is added.
        LamplighterError: the list cannot be written.
    """
    files = [(sha256(path), Path(path).resolve()) for path in paths]
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    with _locked():
        entries = trusted_files()
        for digest, path in files:
            entries.setdefault(digest, TrustedFile(digest, str(path), now))
        _write(entries.values())
    return [entries[digest] for digest, _ in files]


def remove(names: Iterable[str]) -> list[TrustedFile]:
    """Take entries off the list.

    Args:
        names: For each, a hash or its first digits (8 or more), or the path of a file.

    Returns:
        The entries taken off.

    Raises:
        LamplighterError: a name fits no entry or more than one; then none is taken off.
    """
    with _locked():
        entries = trusted_files()
        gone = [_find(name, entries) for name in names]
        for entry in gone:
            entries.pop(entry.sha256, None)
        _write(entries.values())
    return gone


def check(
    paths: Sequence[Path],
    *,
    strict: bool,
    trust: bool,
    interactive: bool,
    warn: Callable[[str], object] | None = None,
) -> None:
    """Say or refuse, before they are loaded, that model files are not on the list.

    Call it on every rank (`warn` on rank 0 only): it also sets whether `potentials.loading` may fall back to the
    full pickle loader for files that are not on the list.

    Args:
        paths: The model files of the run.
        strict: The run file's `strict`.
        trust: `--trust` was given: put the files on the list.
        interactive: A person sees the messages and can stop the run.
        warn: Takes the message for a file that is not on the list, once a file and process; standard error by default.

    Raises:
        ModelError: a file cannot be read.
        UntrustedModelError: a file is not on the list, `strict` is set and the run is not interactive.
    """
    global _strict
    _strict = strict
    if trust:
        add(paths)
        return
    known = trusted_files()
    unknown = {digest: path for path in paths if (digest := sha256(path)) not in known}
    if unknown and strict and not interactive:
        named = "\n".join(f"  {path}\n    sha256 {digest}" for digest, path in unknown.items())
        raise UntrustedModelError(
            "strict is set, and these model files are not on your list of trusted files:\n"
            f"{named}\n"
            "Loading a model file can run code that is in it. If you know where the files come from:\n"
            f"  lamplighter trust {' '.join(_quoted(path) for path in unknown.values())}"
        )
    for digest, path in unknown.items():
        if digest in _announced:
            continue
        _announced.add(digest)
        (warn or _to_standard_error)(
            f"Model file {path} is not on your list of trusted files (sha256 {digest}). Loading a model file can run "
            f"code that is in it. If you know where it comes from: lamplighter trust {_quoted(path)}"
        )


def strict_is_set() -> bool:
    """Whether the last `check` in this process was strict; False before any."""
    return _strict


def _to_standard_error(message: str) -> None:
    print(message, file=sys.stderr)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _find(name: str, entries: dict[str, TrustedFile]) -> TrustedFile:
    digits = name.lower()
    if len(digits) >= 8 and all(c in "0123456789abcdef" for c in digits):
        found = [entry for digest, entry in entries.items() if digest.startswith(digits)]
    elif Path(name).is_file():
        found = [entry for digest, entry in entries.items() if digest == sha256(Path(name))]
    else:
        found = [entry for entry in entries.values() if entry.name == str(Path(name).resolve())]
    if len(found) != 1:
        count = "no entry" if not found else f"{len(found)} entries"
        raise LamplighterError(
            f"{name!r} fits {count} of {list_path()}; give the file or the first 8 or more digits of its hash "
            "(lamplighter trust --list)"
        )
    return found[0]


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Hold the list for one writer at a time, over all processes that share the folder."""
    path = list_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("a")
    except OSError as problem:
        raise LamplighterError(
            f"the list of trusted files cannot be written in {path.parent}: {problem.strerror}; "
            "set XDG_CONFIG_HOME to a folder that you can write"
        ) from problem
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(entries: Iterable[TrustedFile]) -> None:
    """Replace the list in one step, so that no reader ever sees half of it."""
    path = list_path()
    ordered = sorted(entries, key=lambda entry: (entry.added, entry.name))
    text = json.dumps({"trusted": [asdict(entry) for entry in ordered]}, indent=2)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as new:
        try:
            new.write(text + "\n")
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).replace(path)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise
