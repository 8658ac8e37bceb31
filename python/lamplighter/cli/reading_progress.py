"""A bar on the terminal while trajectories are read, by how much of the file has gone by."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

INTERVAL_S = 0.2


@contextlib.contextmanager
def reading_progress(trajectory: Any, name: str) -> Iterator[None]:
    """Show a bar as long as the block lasts; nothing where standard error is no terminal.

    Args:
        trajectory: Anything with `fraction_read` (from 0 to 1, or None where it is not known).
        name: What is read.
    """
    if not sys.stderr.isatty() or getattr(trajectory, "fraction_read", None) is None:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    done = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {name}", total=1.0)

        def watch() -> None:
            while not done.wait(INTERVAL_S):
                with contextlib.suppress(ValueError, OSError):  # the file may be closed at any time
                    bar.update(task, completed=trajectory.fraction_read)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
