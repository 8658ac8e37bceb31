"""Reading model files: what kind a file is, and the narrowest loader that works for it.

A model file is a Python pickle, and unpickling can run any code. So the file is first read with torch's restricted
unpickler and a short list of permitted classes (`permitted_classes`); where it asks for more, the full unpickler is
used only for a file that the user has put on the list of trusted files.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import pickle
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from lamplighter.errors import ModelError
from lamplighter.model_files import tested_versions, trust
from lamplighter.model_files.examination import TORCHSCRIPT, names_not_permitted
from lamplighter.model_files.permitted_classes import permission_for
from lamplighter.model_files.permitted_names import known_to_torch
from lamplighter.model_files.pickle_shells import is_whole, names_with_places
from lamplighter.model_files.torch_file import kind_of, read_bytes, require_model_file
from lamplighter.model_files.trust import sha256

__all__ = [
    "LoadedModel",
    "NeedsItsCode",
    "load_narrowly",
    "load_torch",
    "loader_of",
    "read_program",
    "require_model_file",
    "sha256",
]

Loader = Literal["weights_only", "pickle", "torchscript"]

_permissions_in_force = threading.Lock()
_loaders: dict[str, str] = {}  # by SHA-256, for the record of a run


@dataclass(frozen=True)
class LoadedModel:
    """A model and how it was read.

    Attributes:
        object: What the file holds.
        loader: "weights_only": torch's restricted unpickler with a list of permitted classes; "pickle": the full
            unpickler, which runs any code that the file asks for; "torchscript": a TorchScript program.
        sha256: Hash of the bytes that were loaded.
        reason: Why a wider loader than "weights_only" was needed; empty otherwise.
    """

    object: Any
    loader: Loader
    sha256: str
    reason: str = ""


class NeedsItsCode(Exception):
    """The narrow loader does not do for a file; the message says what in it asks for more."""


def load_torch(path: Path, map_location: torch.device | str = "cpu") -> LoadedModel:
    """Load a model file with the narrowest loader that works.

    Args:
        path: A file written by `torch.save` or `torch.jit.save`.
        map_location: Where its tensors go.

    Returns:
        The model and how it was read. File and hash are one: the bytes are read once.

    Raises:
        UntrustedModelError: the file asks for more than the permitted classes, and it is not trusted.
        ModelError: the file is missing, empty, truncated, no torch file, or needs a package that is not installed.
    """
    path = Path(path)
    content, kind = _torch_file(path)
    digest = hashlib.sha256(content).hexdigest()
    try:
        model = _narrowly(path, content, kind, map_location)
    except NeedsItsCode as problem:
        reason = str(problem)
    else:
        _loaders[digest] = "weights_only"
        return LoadedModel(model, "weights_only", digest)
    trust.require([trust.Program(str(path), digest, reason)])
    _loaders[digest] = f"{_full_loader(kind)}: {reason}"
    return LoadedModel(_load_fully(path, content, map_location, kind), _full_loader(kind), digest, reason)


def load_narrowly(path: Path, map_location: torch.device | str = "cpu") -> Any:
    """What a file holds, if no code of its own needs to be run for it, however far it is trusted.

    Raises:
        NeedsItsCode: it asks for more than the narrow loader permits.
        ModelError: as `load_torch`.
    """
    content, kind = _torch_file(Path(path))
    return _narrowly(Path(path), content, kind, map_location)


def read_program(path: Path, reason: str) -> bytes:
    """The bytes of a model file that can only be used by running code that is in it, if the user allows that.

    Args:
        path: The file.
        reason: Why nothing narrower works, for the message; empty: nothing of the file itself is run.

    Raises:
        UntrustedModelError: the file is not trusted.
        ModelError: the file cannot be read.
    """
    content = read_bytes(Path(path))
    digest = hashlib.sha256(content).hexdigest()
    if reason:
        trust.require([trust.Program(str(path), digest, reason)])
    _loaders[digest] = f"its framework: {reason}" if reason else "its framework"
    return content


def loader_of(digest: str) -> str | None:
    """How a model file of this SHA-256 was read by this process, and why so; None if it was not."""
    return _loaders.get(digest)


def _torch_file(path: Path) -> tuple[bytes, str]:
    """Its bytes, and which kind of torch file it is."""
    content = read_bytes(path)
    kind = kind_of(path, content)
    if kind in ("package", "compiled"):
        what = "a torch package" if kind == "package" else "a compiled program"
        raise ModelError(f"model file {path} is {what}, not a file written by torch.save or torch.jit.save")
    return content, kind


def _full_loader(kind: str) -> Loader:
    return "torchscript" if kind == "torchscript" else "pickle"


def _narrowly(path: Path, content: bytes, kind: str, map_location: torch.device | str) -> Any:
    if kind == "torchscript":
        raise NeedsItsCode(TORCHSCRIPT)
    try:
        asked = (
            [name for name in names_with_places(path) if not known_to_torch(name)]
            if kind == "legacy"  # which torch's own list of names is not made for
            else torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(content))
        )
    except (pickle.UnpicklingError, ValueError, EOFError) as problem:
        if not is_whole(path):
            raise _corrupt(path, problem) from problem
        raise NeedsItsCode(f"its pickle cannot be examined ({problem})") from problem
    except RuntimeError as problem:
        raise _corrupt(path, problem) from problem
    permission = permission_for(asked)
    if permission.missing:
        raise ModelError(
            f"model file {path} needs the Python package {', '.join(permission.missing)}, which is not installed"
        )
    if permission.unknown and not permission.refused:
        raise _of_other_versions(path, permission.unknown[0])
    if permission.refused:
        raise NeedsItsCode(names_not_permitted(path) or f"it asks for {_shortened(permission.refused)}")
    try:
        with _permissions_in_force, torch.serialization.safe_globals(permission.granted), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Said in full, as e3nn's and MACE's environment variable turns the restriction off where it is not.
            return torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as problem:
        raise NeedsItsCode(_first_sentence(problem)) from problem
    except (RuntimeError, OSError, EOFError) as problem:
        raise _corrupt(path, problem) from problem
    except Exception as problem:  # a state that does not fit its class; another version may know how to read it
        raise NeedsItsCode(f"its content does not fit ({type(problem).__name__}: {problem})") from problem


def _load_fully(path: Path, content: bytes, map_location: torch.device | str, kind: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "torchscript":
                return torch.jit.load(io.BytesIO(content), map_location=map_location)
            return torch.load(io.BytesIO(content), map_location=map_location, weights_only=False)
    except ModuleNotFoundError as problem:
        raise ModelError(
            f"model file {path} needs the Python package {problem.name}, which is not installed"
        ) from problem
    except AttributeError as problem:
        raise _of_other_versions(path, str(problem)) from problem
    except Exception as problem:
        raise _corrupt(path, problem) from problem


def _of_other_versions(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"model file {path} was written with other versions of its packages than the installed ones: {problem}; "
        f"{_other_versions(problem)}"
    )


def _other_versions(problem: str) -> str:
    """What may help where a module lacks what a pickle asks for: Python names the module in its words."""
    module = re.search(r"module (?:named )?'(\w+)", problem)
    packages = importlib.metadata.packages_distributions().get(module[1], []) if module else []
    if not packages:
        return "install the versions that wrote it"
    installed = importlib.metadata.version(packages[0])
    tested = next((each.requirement for each in tested_versions.all_of_them() if each.package == packages[0]), "")
    limit = f"; Lamplighter is tested with {tested}: a file of a newer one needs a newer Lamplighter" if tested else ""
    return (
        f"{packages[0]} {installed} is installed: pip install --upgrade {tested or packages[0]!r}, or the version that "
        f"wrote it{limit}"
    )


def _corrupt(path: Path, problem: BaseException) -> ModelError:
    return ModelError(
        f"model file {path} cannot be loaded, it is damaged or of an unknown kind; copy or download it again "
        f"({type(problem).__name__}: {_first_sentence(problem)})"
    )


def _first_sentence(problem: BaseException) -> str:
    # torch wraps the unpickler's message in advice on its own arguments; the message itself is the context.
    inner = problem.__context__ if isinstance(problem.__context__, pickle.UnpicklingError) else problem
    return " ".join(str(inner).split("\n\n")[0].split("Please use")[0].split())


def _shortened(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
