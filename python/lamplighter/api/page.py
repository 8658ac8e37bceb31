"""The page about runs that `lamplighter report` makes, with its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamplighter.api.ranks import on_first_rank


def leave_page(folders: Sequence[Path], path: Path, title: str | None) -> Path:
    """Write it on the first rank. Collective.

    Args:
        folders: Of the runs.
        path: The page.
        title: Heading; None: the name of the first run.

    Raises:
        LamplighterError: it cannot be written.
    """

    def write() -> Path:
        from lamplighter.report.page.assemble import assemble
        from lamplighter.report.page.files import write_page
        from lamplighter.report.page.html import page
        from lamplighter.report.page.section import Wishes
        from lamplighter.report.page.sections import SECTIONS

        made = assemble(folders, SECTIONS, Wishes())
        write_page(page(made, title or made.runs[0].run.label), path)
        return path

    written: Path = on_first_rank(write)
    return written
