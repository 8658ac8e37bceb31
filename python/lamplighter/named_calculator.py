"""An ASE calculator by its name: the class or function that makes it, and its options."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from lamplighter.errors import ModelError

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

    def made(self, where: object) -> Any:
        """The calculator. Code that it names is run.

        Args:
            where: Who names it, for messages.

        Raises:
            ModelError: it cannot be imported, does not take the options, or is no calculator.
        """
        from lamplighter.model_files import mace_package
        from lamplighter.model_files.calculator_trust import asks_for

        # what the user has allowed may read files as it likes; an installed package's own class is left as it was
        of_mace = self.name.partition(":")[0].partition(".")[0] == "mace"
        with mace_package.as_mace_wants() if of_mace or asks_for(self) else mace_package.variable_put_back():
            return self._made(where)

    def _made(self, where: object) -> Any:
        module_name, _, attribute = self.name.partition(":")
        try:
            found: Any = importlib.import_module(module_name)
        except Exception as problem:
            raise ModelError(
                f"{where}: {module_name} cannot be imported ({type(problem).__name__}: {problem}): install the package "
                "that has it, or put its folder on PYTHONPATH"
            ) from problem
        try:
            for part in attribute.split("."):
                found = getattr(found, part)
        except AttributeError:
            raise ModelError(f"{where}: the module {module_name} has no {attribute}") from None
        if isinstance(found, type) and not hasattr(found, "get_forces"):
            raise ModelError(f"{where}: {self.name} makes a {found.__name__}, which is not an ASE calculator")
        try:
            calculator = found(**self.options)
        except Exception as problem:  # whatever its constructor stumbles over
            raise ModelError(
                f"{where}: {self.name} does not take these options ({type(problem).__name__}: {problem}): "
                f"{self.options}"
            ) from problem
        if not hasattr(calculator, "get_forces"):
            raise ModelError(
                f"{where}: {self.name} makes a {type(calculator).__name__}, which is not an ASE calculator"
            )
        return calculator


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
