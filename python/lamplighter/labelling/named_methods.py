"""The one way from what somebody writes to a reference method: `gfn2`, `opls-aa`, `module:Class`, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lamplighter import pretrained_weights
from lamplighter.errors import LamplighterError
from lamplighter.labelling.calculators import CalculatorMethod, XtbMethod
from lamplighter.labelling.method import Method
from lamplighter.named_calculator import TBLITE_METHODS, problem_of_name, problem_of_options

CLASSICAL = ("opls-aa",)
"""As `potential.classical` of a run file has them."""

EXPECTED = (
    f"{', '.join((*TBLITE_METHODS, *CLASSICAL))}, module:Class, or the path of a run file, model file or command file"
)

_YAML = (".yaml", ".yml", ".json")
_LARGEST = 2**20  # bytes of a file that is looked into


def named_method(name: str, options: Mapping[str, Any] | None = None, asked: str = "--reference") -> Method:
    """A reference method by what somebody writes.

    Args:
        name: `gfn1`, `gfn2`, `opls-aa`, `module:Class`, or the path of a run file, a model file or a command file.
        options: What the class is called with, or further keys of a classical force field (`molecules`, …).
        asked: What named it, for messages.

    Raises:
        LamplighterError: it is nothing of the kind, or a file that cannot be used.
    """
    if name in TBLITE_METHODS:
        _without_options(name, options, asked)
        return XtbMethod(name, asked)
    if name in CLASSICAL:
        from lamplighter.labelling.potentials import of_classical

        return of_classical(name, options or {}, asked)
    path = pretrained_weights.file_of(Path(name).expanduser())
    if path.is_file():
        _without_options(name, options, asked)
        return _of_file(path, asked)
    if not problem_of_name(name):
        if wrong := problem_of_options(dict(options or {})):
            raise LamplighterError(f"{asked} {name}: its options {wrong}")
        return CalculatorMethod(name, dict(options or {}), asked)
    raise LamplighterError(f"{asked} must be {EXPECTED}; got {name!r}")


def is_method_file(path: Path) -> bool:
    """Whether a file is a method, and not one of frames."""
    from lamplighter.model_files.recognition import framework_of

    return path.suffix in _YAML or framework_of(path) is not None


def _without_options(name: str, options: Mapping[str, Any] | None, asked: str) -> None:
    if options:
        raise LamplighterError(f"{asked} {name} takes no options: they are for a method named module:Class or opls-aa")


def _of_file(path: Path, asked: str) -> Method:
    """Told from the keys of a YAML file; everything else is a model."""
    from lamplighter.labelling import potentials

    if path.suffix not in _YAML:
        return potentials.of_model_file(path, asked)
    keys = _keys(path)
    if "command" in keys:
        from lamplighter.labelling.command_file import read_command_file

        return read_command_file(path)
    if "calculator" in keys:
        return potentials.of_model_file(path, asked)
    return potentials.of_run_file(path, asked)


def _keys(path: Path) -> set[str]:
    """Those of a mapping; what it cannot read, its own reader says why."""
    try:
        with path.open("rb") as file:
            found = yaml.safe_load(file.read(_LARGEST))
    except (OSError, ValueError, yaml.YAMLError):
        return set()
    return {str(key) for key in found} if isinstance(found, dict) else set()
