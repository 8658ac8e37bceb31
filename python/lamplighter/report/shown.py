"""How a kind of answer is shown: in words, as JSON, in tables and in figures.

Each `X_text.py` states it once, as `SHOWN`; commands and Python show answers by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from lamplighter.errors import LamplighterError
from lamplighter.json_text import plain
from lamplighter.report.drawing import save
from lamplighter.report.table_text import Table, write_table

R = TypeVar("R")


@dataclass(frozen=True)
class Shown(Generic[R]):
    """What can be shown of one kind of answer.

    Attributes:
        text: Lines for the terminal.
        json: Dataclasses, dicts, lists, arrays and numbers, of which JSON is made.
        figures: Each by its name; the first is drawn where none is named.
        tables: Each by its name.
    """

    text: Callable[[R], str]
    json: Callable[[R], Any]
    figures: Mapping[str, Callable[[R], Figure]] = field(default_factory=dict)
    tables: Mapping[str, Callable[[R], Table]] = field(default_factory=dict)

    def as_dict(self, result: R) -> Any:
        """The answer of dicts, lists, words, numbers and None only: what `--json` prints."""
        return plain(self.json(result))

    def figure(self, result: R, name: str = "") -> Figure:
        """A figure of the answer; the first, if no name is given.

        Raises:
            LamplighterError: there is no such figure.
        """
        make = self.figures.get(name) if name else next(iter(self.figures.values()), None)
        if make is None:
            known = f"it has {', '.join(self.figures)}" if self.figures else "it has none"
            raise LamplighterError(f"this answer has no figure {name!r}".replace(" ''", "") + f": {known}")
        return make(result)

    def draw(self, result: R, path: Path, name: str = "", option: str = "") -> None:
        """Write a figure in the format of the file's suffix.

        Args:
            result: The answer.
            path: The file.
            name: Which figure; the first, if it is empty.
            option: Which option of a command named the file, for the message.

        Raises:
            LamplighterError: there is no such figure, the format is not known, or the file cannot be written.
        """
        save(self.figure(result, name), path, option)

    def table(self, result: R, name: str = "") -> Table:
        """A table of the answer; the first, if no name is given.

        Raises:
            LamplighterError: there is no such table.
        """
        make = self.tables.get(name) if name else next(iter(self.tables.values()), None)
        if make is None:
            known = f"it has {', '.join(self.tables)}" if self.tables else "it has none"
            raise LamplighterError(f"this answer has no table {name!r}".replace(" ''", "") + f": {known}")
        return make(result)

    def write_tables(self, result: R, path: Path, option: str = "") -> list[Path]:
        """Write the tables as CSV: a single one into the file, of several each into `FILE_NAME.csv`.

        Args:
            result: The answer.
            path: The file; of several tables its suffix `.csv` may be left out.
            option: Which option of a command named the file, for the message.

        Returns:
            The files that were written.

        Raises:
            LamplighterError: a file cannot be written.
        """
        stem = path.name.removesuffix(".csv")
        alone = len(self.tables) == 1
        written = []
        for name, make in self.tables.items():
            file = path if alone else path.with_name(f"{stem}_{name}.csv")
            write_table(make(result), file, option)
            written.append(file)
        return written
