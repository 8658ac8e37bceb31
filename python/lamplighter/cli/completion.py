"""Completion by the shell, which calls the program with the line so far in variables, and shows what it prints."""

from __future__ import annotations

import os
from collections.abc import Callable

_SHELL = "_LAMPLIGHTER_COMPLETE"
_LINES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")  # of bash; of zsh, fish and PowerShell


def is_asked_for() -> bool:
    """Whether a shell asks for words, rather than a user for a command."""
    return bool(os.environ.get(_SHELL))


def command() -> str | None:
    """The command on the line so far, which is loaded for the sake of its options; None: it is not written yet."""
    line = next((os.environ[name] for name in _LINES if os.environ.get(name)), "")
    words = line.split()[1:]
    if words and not line[-1:].isspace() and "COMP_WORDS" not in os.environ:
        words.pop()  # it is being written
    return next((word for word in words if not word.startswith("-")), None)


def one_of(*words: str) -> Callable[[str], list[str]]:
    """The words that an option takes, for `autocompletion` of `typer.Option`: those that begin like what is written."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete
