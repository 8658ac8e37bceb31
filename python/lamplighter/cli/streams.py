"""What the program writes to and reads from, made so that no message can fail: any encoding, closed, or broken off.

- A character that the terminal does not have is written in its stead by others (Å by A, ± by +-), never an exception.
  Bytes of file names that are no text go out as they came in.
- Where standard input, output or error are closed, they become /dev/null: else the next file to be opened would take
  their number, and what LAMMPS prints would go into it.
- What nobody reads any more (`| head -1`, a terminal that is gone) is dropped, and the program goes on; where a file
  cannot take the output (a full disk), it goes on too, and says so at its end.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
import unicodedata
from typing import Any

from lamplighter import exit_status

ERRORS = "lamplighter"
"""Name of the error handler of codecs."""

_NOBODY_READS = (errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.EBADF)

_PLAIN = {
    "±": "+-", "×": "x", "·": ".", "−": "-", "–": "-", "—": "-", "…": "...", "→": "->", "↔": "<->", "≤": "<=",
    "≥": ">=", "≈": "~", "≠": "!=", "∞": "inf", "√": "sqrt", "Δ": "d", "ρ": "rho", "κ": "kappa", "α": "alpha",
    "σ": "sigma", "τ": "tau", "μ": "u", "λ": "lambda", "χ": "chi", "π": "pi", "∂": "d", "Σ": "sum", "∑": "sum",
    "°": " deg", "⁻": "-", "⁄": "/", "✓": "+", "✗": "x", "•": "*", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'",
    "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ł": "l", "Ł": "L", "─": "-", "━": "-", "│": "|", "┃": "|",
    "╭": "+", "╮": "+", "╰": "+", "╯": "+", "█": "#", "▏": "|", "⠋": "|",
}  # fmt: skip

_failed: OSError | None = None


def make_ready() -> None:
    """Make standard input, output and error ready. Call it first; streams that a caller has replaced stay his."""
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8":
        _start_again_in_utf8_mode()
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    codecs.register_error(ERRORS, _in_its_stead)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    if sys.stdout is sys.__stdout__:
        sys.stdout = _stream(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _stream(sys.stderr, 2)


def status_at_the_end(status: int) -> int:
    """The exit status, once everything is out: another one where the output of a program that went well is lost."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        sys.stderr.flush()
    if _failed is None:
        return status
    print(f"Error: what was printed is not complete: {_failed.strerror}", file=sys.stderr, flush=True)
    return status if status > 1 else exit_status.OUTPUT_LOST


def transliterated(character: str) -> str:
    """Characters of ASCII for one that is not, `?` where nothing is known."""
    if character in _PLAIN:
        return _PLAIN[character]
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    return "".join(c if c.isascii() else _PLAIN.get(c, "?") for c in plain) or "?"


def _in_its_stead(problem: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    character = problem.object[problem.start]
    if "\udc80" <= character <= "\udcff":  # a byte of a file name
        return bytes([ord(character) - 0xDC00]), problem.start + 1
    return transliterated(character), problem.start + 1


def _stream(given: Any, descriptor: int) -> Any:
    encoding, terminal = "utf-8", False
    if given is not None:
        with contextlib.suppress(OSError, ValueError):
            given.flush()
        encoding, terminal = given.encoding, given.isatty()
    buffered = io.BufferedWriter(_Descriptor(descriptor))
    return io.TextIOWrapper(buffered, encoding, ERRORS, line_buffering=terminal or descriptor == 2)


class _Descriptor(io.RawIOBase):
    """Writes to a descriptor, and raises nothing."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.name = f"<fd {descriptor}>"
        self.mode = "wb"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        global _failed
        try:
            return os.write(self._descriptor, data)
        except OSError as problem:
            if problem.errno == errno.EAGAIN:
                raise
            if problem.errno not in _NOBODY_READS:
                _failed = problem
            return len(data)


def _start_again_in_utf8_mode() -> None:
    """File names are bytes to Linux and UTF-8 to people: a Python that takes them for ASCII cannot open `Müller`.

    It is the same process afterwards, as `driver/other_python.py` has it; what the terminal can show stays as it was.
    """
    if os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding if sys.stdout is not None else "ascii")
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
