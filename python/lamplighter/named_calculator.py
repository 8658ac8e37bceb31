"""An ASE calculator by its name: how a run file or a model file writes the class or function that makes it.

Nothing is imported here: `model_files.calculator_opening` makes the calculator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

TBLITE_METHODS = {"gfn1": "GFN1-xTB", "gfn2": "GFN2-xTB"}
"""Reference methods with a name of their own."""

_WORD = r"[A-Za-z_]\w*"
_NAME = re.compile(rf"{_WORD}(\.{_WORD})*:{_WORD}(\.{_WORD})*")


@dataclass(frozen=True)
class NamedCalculator:
    """What makes a calculator.

    Attributes:
        name: `module:class`, or a function in place of the class.
        options: What it is called with.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The content of a file that names it."""
        return yaml.safe_dump({"calculator": self.name, "options": self.options}, sort_keys=False)


def problem_of_name(name: object) -> str:
    """What is wrong with the name of a calculator; empty if nothing is."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return ""
    return f"must be module:class, e.g. tblite.ase:TBLite, got {name!r}"


def problem_of_options(options: object) -> str:
    """What is wrong with the options of a calculator; empty if nothing is."""
    if isinstance(options, Mapping) and all(isinstance(key, str) and key.isidentifier() for key in options):
        return ""
    return f"must be a mapping from names of Python arguments to values, got {options!r}"
