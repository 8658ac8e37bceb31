"""Making an ASE calculator of its name and options. Code that the name stands for is run."""

from __future__ import annotations

import importlib
from typing import Any

from lamplighter.errors import ModelError
from lamplighter.model_files import mace_package
from lamplighter.model_files.calculator_trust import asks_for
from lamplighter.named_calculator import NamedCalculator


def open_named(named: NamedCalculator, where: object) -> Any:
    """The ASE calculator of a name and its options. Code that the name stands for is run.

    Args:
        named: What makes it.
        where: Who names it, for messages.

    Raises:
        ModelError: it cannot be imported, does not take the options, or is no calculator.
    """
    # what the user has allowed may read files as it likes; an installed package's own class is left as it was
    of_mace = named.name.partition(":")[0].partition(".")[0] == "mace"
    with mace_package.as_mace_wants() if of_mace or asks_for(named) else mace_package.variable_put_back():
        return _made(named, where)


def _made(named: NamedCalculator, where: object) -> Any:
    module_name, _, attribute = named.name.partition(":")
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
        raise ModelError(f"{where}: {named.name} makes a {found.__name__}, which is not an ASE calculator")
    try:
        calculator = found(**named.options)
    except Exception as problem:  # whatever its constructor stumbles over
        raise ModelError(
            f"{where}: {named.name} does not take these options ({type(problem).__name__}: {problem}): {named.options}"
        ) from problem
    if not hasattr(calculator, "get_forces"):
        raise ModelError(f"{where}: {named.name} makes a {type(calculator).__name__}, which is not an ASE calculator")
    return calculator
