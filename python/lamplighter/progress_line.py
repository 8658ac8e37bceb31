"""A line on the terminal that counts what has been done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def counted(items: Collection[T], name: str, shown: bool = True) -> Iterator[Iterator[T]]:
    """Give the items one after the other; standard error shows which it is, and nothing where it is no terminal.

    Args:
        items: What is gone through.
        name: What it is done by, or to.
        shown: False: not on this rank.
    """
    if not (shown and sys.stderr.isatty()):
        yield iter(items)
        return

    def each() -> Iterator[T]:
        for number, item in enumerate(items, start=1):
            print(f"\r{name}: {number} of {len(items)}", end="", file=sys.stderr, flush=True)
            yield item

    try:
        yield each()
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def rewritten(shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Give a function that writes the line anew on standard error, and nothing where that is no terminal.

    Args:
        shown: False: not on this rank.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda text: None
        return
    try:
        yield lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
