"""What is left in the folder of a benchmark: page, text, JSON, tables and figures."""

from __future__ import annotations

from pathlib import Path

from lamplighter.json_text import json_text
from lamplighter.observables.scaling import Scaling
from lamplighter.report.scaling_page import scaling_page
from lamplighter.report.scaling_text import SHOWN
from lamplighter.run_folder.writing import unwritable
from lamplighter.whole_file import write_whole

PAGE = "bench.html"


def leave_scaling(scaling: Scaling, folder: Path) -> Path:
    """Write everything; the page is the last.

    Returns:
        The page.

    Raises:
        LamplighterError: the folder cannot be written.
    """
    try:
        write_whole(folder / "bench.txt", SHOWN.text(scaling) + "\n")
        write_whole(folder / "result.json", json_text(SHOWN.json(scaling)) + "\n")
        SHOWN.write_tables(scaling, folder / "bench.csv")
        for name in SHOWN.figures:
            SHOWN.draw(scaling, folder / f"{name}.png", name)
        write_whole(folder / PAGE, scaling_page(scaling))
    except OSError as problem:
        raise unwritable(folder, problem) from problem
    return folder / PAGE
