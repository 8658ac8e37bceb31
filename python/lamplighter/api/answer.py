"""What the functions of the Python API hand back: numbers that print, plot themselves and can be kept."""

from __future__ import annotations

import base64
import html
import inspect
import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from lamplighter.api.ranks import on_first_rank
from lamplighter.errors import LamplighterError
from lamplighter.report.shown import Shown

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

R = TypeVar("R")
P = ParamSpec("P")
T = TypeVar("T")

_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
_NAMED_OTHERWISE = {
    "bin": "bin_width",
    "all": "every_violation",
    "constraint": "constraints",
    "help": "the description of the function",
    "model": "models",
    "name": "names",
    "option": "options",
}


class Answer(Generic[R]):
    """An answer about runs, trajectories or models.

    It has the attributes of its `result`, e.g. `density.mean`, an `Estimate` that prints as `0.91957 ± 0.00021 g/cm³`.
    `print` shows what the command of the same name prints, and a notebook its figure, too.

    Attributes:
        result: The numbers, a dataclass.
        shown: How they are shown.
    """

    def __init__(self, result: R, shown: Shown[R]) -> None:
        self.result = result
        self.shown = shown

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("result", "shown"):
            raise AttributeError(name)
        try:
            return getattr(self.result, name)
        except AttributeError:
            known = ", ".join(each for each in dir(self.result) if not each.startswith("_"))
            raise AttributeError(f"this {type(self.result).__name__} has no {name!r}; it has {known}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in dir(self.result) if not name.startswith("_"))]

    def __str__(self) -> str:
        return self.shown.text(self.result)

    __repr__ = __str__

    @property
    def figures(self) -> list[str]:
        """Names of the figures that there are."""
        return list(self.shown.figures)

    def figure(self, name: str = "") -> Figure:
        """A figure as the command's `--figure` draws it, for `savefig`; the first, if no name is given.

        Raises:
            LamplighterError: there is no such figure.
        """
        return self.shown.figure(self.result, name)

    def plot(self, name: str = "", *, ax: Axes | Sequence[Axes] | None = None, panel: int = 0) -> list[Axes]:
        """The axes of a new figure, to draw more into (`axes[0].figure` is the figure itself), or your own axes.

        Args:
            name: Which figure; the first, if it is empty.
            ax: Axes of yours that are drawn into: one, which takes a single panel, or one for each panel.
            panel: Which panel one `ax` takes, counted from 0.

        Raises:
            LamplighterError: there is no such figure or panel, or there are more axes than panels.
        """
        if ax is None:
            return list(self.figure(name).axes)
        from matplotlib.axes import Axes

        from lamplighter.report.drawing import onto

        given = [ax] if isinstance(ax, Axes) else list(getattr(ax, "flat", ax))
        for each in given:
            if not isinstance(each, Axes):
                raise LamplighterError(f"ax: expected axes of matplotlib, got {each!r} ({type(each).__name__})")
        if isinstance(panel, bool) or not isinstance(panel, int) or panel < 0:
            raise LamplighterError(f"panel must be a whole number of 0 at least, got {panel!r}")
        place = panel if isinstance(ax, Axes) else 0
        with onto([None] * place + given):
            self.figure(name)
        return given

    def to_dict(self) -> Any:
        """Dicts, lists, words, numbers and None alone: what the command's `--json` prints."""
        return self.shown.as_dict(self.result)

    def to_csv(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write the tables: a single one into the file, of several each into `FILE_NAME.csv`. One rank writes.

        Returns:
            The files.

        Raises:
            LamplighterError: a file cannot be written.
        """
        files: list[Path] = on_first_rank(lambda: self.shown.write_tables(self.result, Path(path)))
        return files

    def _repr_png_(self) -> bytes | None:
        if not self.shown.figures:
            return None
        buffer = io.BytesIO()
        self.figure().savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        text = f"<pre>{html.escape(str(self))}</pre>"
        try:
            image = self._repr_png_()
        except LamplighterError:  # this answer has nothing to draw
            image = None
        if image is None:
            return text
        return f'{text}<img src="data:image/png;base64,{base64.b64encode(image).decode("ascii")}">'


def in_words_of_python(function: Callable[P, T]) -> Callable[P, T]:
    """A function whose errors name its arguments, where those of the command name options: `--bin` is `bin_width`."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except LamplighterError as problem:
            if problem.args and isinstance(problem.args[0], str):
                problem.args = (_OPTION.sub(_argument, problem.args[0]), *problem.args[1:])
            raise

    return called


def in_words_of_commands(function: Callable[P, T]) -> Callable[P, T]:
    """The same function for the command of its name, whose errors name options."""
    bare: Callable[P, T] = inspect.unwrap(function)
    return bare


def _argument(option: re.Match[str]) -> str:
    name = option.group(1).rstrip("-")
    return _NAMED_OTHERWISE.get(name, name.replace("-", "_"))
