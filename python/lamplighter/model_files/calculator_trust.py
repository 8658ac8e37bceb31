"""Whether an ASE calculator that a file names may be made without asking: what its name and options could run."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamplighter.named_calculator import NamedCalculator

_STARTS_PROGRAMS = re.compile(r"command|profile|shell|launch|exec|script|binary", re.IGNORECASE)


def asks_for(named: NamedCalculator) -> str:
    """What speaks against making a calculator that somebody else's file may name; empty if nothing does.

    A calculator class of an installed package, with plain options, is the package's own business: the user has
    installed it. Anything else can run what the writer of the file likes: functions, classes of other modules, options
    that name commands, or files, which calculators read in their own ways.
    """
    module = named.name.partition(":")[0]
    if not _is_installed(module.partition(".")[0]):
        return f"it names {named.name}, and {module} is no module of an installed package"
    found = _found(named)
    if found is None:
        return ""  # it cannot be made, and whoever tries says why
    if not isinstance(found, type):
        return f"it names {named.name}, a function, which may do anything"
    for key, value in _options(named.options):
        if _STARTS_PROGRAMS.search(key):
            return f"its option {key} may name a program that is started"
        if isinstance(value, str) and _may_be_a_file(value):
            return f"its option {key} names a file, {value}, which the calculator reads in its own way"
    return ""


def is_calculator_class(found: object) -> bool:
    """Whether a class is one of ASE's calculators, by what it offers."""
    return isinstance(found, type) and hasattr(found, "get_forces") and hasattr(found, "get_potential_energy")


def _is_installed(package: str) -> bool:
    """Told without importing it: in the folder of packages, or by the list of what pip has installed for editing."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    if found is None:
        return True  # nothing there to run
    places = [found.origin, *(found.submodule_search_locations or ())]
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    resolved = [Path(place).resolve() for place in places if place not in (None, "built-in", "frozen")]
    if any(folder in place.parents for place in resolved for folder in folders):
        return True
    return package in importlib.metadata.packages_distributions()


def _found(named: NamedCalculator) -> Any:
    module, _, attribute = named.name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception:  # whatever an installed package's import stumbles over
        return None
    return found


def _options(given: Any, key: str = "options") -> Iterator[tuple[str, Any]]:
    """All values, however deep, with the key that they stand under."""
    if isinstance(given, dict):
        for name, value in given.items():
            yield from _options(value, str(name))
    elif isinstance(given, list | tuple):
        for value in given:
            yield from _options(value, key)
    else:
        yield key, given


def _may_be_a_file(value: str) -> bool:
    if any(sign in value for sign in "/\\*?") or value.startswith("~"):
        return True
    try:
        return Path(value).exists()
    except (OSError, ValueError):
        return False
