"""The user's list of trusted model files, and the refusal of files that would run code and are not on it.

Model files of the common frameworks are Python pickles: loading one can run any code in it. A file is trusted by
the SHA-256 hash of its content, so a file that changes is no longer trusted. The list is a small JSON file that a
person can read; see `docs/how_to/model_files.md`.
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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lamplighter.errors import LamplighterError, ModelError, UntrustedModelError

_allowed: set[str] = set()  # SHA-256, for this process alone
_asks = False


@dataclass(frozen=True)
class Program:
    """Something that can only be used by running code that came with it.

    Attributes:
        name: Of the file, or what else names the code.
        sha256: Hash of its content.
        reason: What in it asks for code to be run.
        is_file: Whether `lamplighter trust NAME` can trust it.
    """

    name: str
    sha256: str
    reason: str
    is_file: bool = True


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
    return _add([(sha256(path), str(Path(path).resolve())) for path in paths])


def _add(named: Sequence[tuple[str, str]]) -> list[TrustedFile]:
    """By hash and name."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    with _locked():
        entries = trusted_files()
        for digest, name in named:
            entries.setdefault(digest, TrustedFile(digest, name, now))
        _write(entries.values())
    return [entries[digest] for digest, _ in named]


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


def allow(digests: Iterable[str]) -> None:
    """Let this process run code of these files, of whose hashes another rank has found that they may be."""
    _allowed.update(digests)


def is_allowed(digest: str) -> bool:
    """Whether this process may run the code of a file: it is on the list, or `allow` said so."""
    return digest in _allowed or is_trusted(digest)


def ask_at_terminal(ask: bool = True) -> None:
    """Whether this process may ask about a file that turns out to need its code; not before it is said, and of several
    ranks none may: they would all ask."""
    global _asks
    _asks = ask


def require(programs: Sequence[Program], *, trust: bool = False, ask: bool | None = None) -> list[str]:
    """Refuse whatever would run code of its own and is not trusted. Of several ranks, one calls it.

    Args:
        programs: What is about to be used.
        trust: `--trust` was given: put all of them on the list.
        ask: Where a person is at the terminal, ask, and put on the list what is answered with yes; None: as
            `ask_at_terminal` said.

    Returns:
        The hashes of all of them, for `allow` on other ranks.

    Raises:
        UntrustedModelError: one is not on the list, and nobody said yes; the message names each, with the reason.
        LamplighterError: the list cannot be read, or not be written.
    """
    if not programs:
        return []
    if trust:
        _add([(each.sha256, each.name) for each in programs])
    else:
        unknown = [each for each in programs if not is_allowed(each.sha256)]
        if unknown and (_asks if ask is None else ask) and at_terminal() and _answered_yes(unknown):
            _add([(each.sha256, each.name) for each in unknown])
        elif unknown:
            raise UntrustedModelError(_refusal(unknown))
    return [each.sha256 for each in programs]


def at_terminal() -> bool:
    """Whether a person sees messages of this process, and can answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def _refusal(unknown: Sequence[Program]) -> str:
    lines = [f"{each.name}\n    {each.reason}\n    sha256 {each.sha256}" for each in unknown]
    if len(unknown) == 1:
        what = "is not on your list of trusted files, and using it runs code that came with it; nothing of it was run:"
    else:
        what = "are not on your list of trusted files, and using them runs code that came with them; nothing was run:"
    files = [_quoted(Path(each.name)) for each in unknown if each.is_file]
    remedies = [f"lamplighter trust {' '.join(files)}"] if files else []
    if len(files) < len(unknown):
        remedies.append("--trust, of the command that you gave")
    named = "\n  ".join(lines)
    return (
        f"{'this model file' if len(unknown) == 1 else 'these model files'} {what}\n  {named}\n"
        "If you know where it comes from, and would run a program from there (docs/how_to/model_files.md): "
        f"{'; and '.join(remedies)}"
    )


def _answered_yes(unknown: Sequence[Program]) -> bool:
    for each in unknown:
        print(
            f"{each.name} runs code that came with it: {each.reason}.\n(sha256 {each.sha256})",
            file=sys.stderr,
        )
    print(
        "Would you run a program from where this comes from? Yes trusts it from now on. [y/N] ", end="", file=sys.stderr
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


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
