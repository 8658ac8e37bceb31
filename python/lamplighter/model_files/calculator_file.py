"""Files that name an ASE calculator: which class or function makes it, and with which options.

YAML or JSON with two keys:

    calculator: tblite.ase:TBLite
    options: {method: GFN1-xTB, verbosity: 0}
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import yaml

from lamplighter.errors import ModelError
from lamplighter.model_files.description import Description
from lamplighter.model_files.trust import sha256
from lamplighter.named_calculator import NamedCalculator, problem_of_name, problem_of_options

_LARGEST = 2**16  # bytes


def is_calculator_file(path: Path) -> bool:
    """Whether a file is YAML or JSON with the key `calculator`. Nothing that it names is imported."""
    try:
        return "calculator" in _content(path)
    except ModelError:
        return False


def read(path: Path) -> NamedCalculator:
    """What a file names.

    Raises:
        ModelError: it is not such a file, or what it says is not understood.
    """
    return _understood(path, _content(path))


def parse(path: Path, content: bytes) -> NamedCalculator:
    """What the content of a file names. Raises as `read`."""
    return _understood(path, _mapping(path, content))


def _content(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as problem:
        raise ModelError(f"model file {path} cannot be read: {problem.strerror or problem}") from problem
    return _mapping(path, content)


def _mapping(path: Path, content: bytes) -> dict[str, Any]:
    try:
        found = yaml.safe_load(content.decode("utf-8")) if len(content) <= _LARGEST and b"\0" not in content else None
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ModelError(f"{path} does not name an ASE calculator: {_expected()}")
    return found


def _understood(path: Path, found: dict[str, Any]) -> NamedCalculator:
    unknown = sorted(str(key) for key in set(found) - {"calculator", "options"})
    if unknown:
        raise ModelError(f"{path}: unknown key {', '.join(unknown)}; {_expected()}")
    name, options = found.get("calculator"), found.get("options") or {}
    for key, problem in (("calculator", problem_of_name(name)), ("options", problem_of_options(options))):
        if problem:
            raise ModelError(f"{path}: {key} {problem}; {_expected()}")
    return NamedCalculator(str(name), options)


def _expected() -> str:
    return "expected YAML such as `calculator: tblite.ase:TBLite` and `options: {method: GFN1-xTB}`"


def describe(path: Path) -> Description:
    """What a file that names a calculator is. Nothing that it names is imported."""
    named = read(path)
    module = named.name.partition(":")[0].partition(".")[0]
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="ASE calculator",
        form=named.name + "".join(f", {key} {value}" for key, value in named.options.items()),
        needs=f"the Python package {module}; one rank",
        notes=["it names code, which runs when it is loaded (docs/how_to/model_files.md); here, nothing was run"],
    )
    if importlib.util.find_spec(module) is None:
        description.notes.append(f"{module} is not installed here")
    return description
