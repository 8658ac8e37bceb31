"""What a model file may name when it is loaded with the narrow loader, and what it then gets.

`torch.load(weights_only=True)` executes nothing but the callables that it is told to allow, with any arguments that the
file likes; so each of them must be harmless whatever it is called with. The rule here:

- classes of neural-network modules of torch, e3nn and MACE: as stand-ins that can be created empty and filled with
  state, but not called, so no constructor runs; generated code in the state is examined first (`generated_code`);
- the few plain classes of e3nn (irreps, instructions) and of MACE's ML-IAP object; activation functions; numpy arrays;
- `torch.fx`'s rebuilding of traced modules, which executes source from the file, replaced by one that examines it;
- `getattr`, through which torch's activation functions are pickled, replaced by one that knows only these.

Nothing else, and no module outside the packages named below is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pickle import UnpicklingError
from typing import Any

import torch

from lamplighter.model_files import mace_package, permitted_names
from lamplighter.model_files.generated_code import rebuild_graph_module, require_arithmetic_torchscript

_ACTIVATIONS = ("abs", "relu", "sigmoid", "silu", "sin", "softplus", "sqrt", "square", "tanh")


class _TorchFunctions:
    """Placeholder for the class whose attributes torch's built-in functions are."""


class _Tracer:
    """Placeholder for the tracer class that a traced module names; it is not used."""


def _torch_function(owner: object, name: str) -> Callable[..., Any]:
    """Stands in for `getattr` in model files: knows torch's activation functions and nothing else."""
    if owner is not _TorchFunctions or name not in _ACTIVATIONS:
        raise UnpicklingError(f"it asks for attribute {name!r} of an object")
    function: Callable[..., Any] = getattr(torch, name)
    return function


@dataclass
class Permission:
    """What a file asks for, sorted.

    Attributes:
        granted: For `torch.serialization.safe_globals`: what each name stands for.
        refused: Names that are not permitted, sorted.
        missing: Packages that would be needed and are not installed, sorted.
        unknown: What the installed versions of permitted packages lack, in Python's words.
    """

    granted: list[tuple[Any, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def permission_for(names: Iterable[str]) -> Permission:
    """Look up the names `package.module.name` that a model file asks for; imports only the packages named above."""
    permission = Permission()
    always = _always_permitted()
    with contextlib.suppress(ImportError):
        mace_package.load()  # before e3nn
    for name in sorted(names):
        if name in always:
            continue
        try:
            found = _find(name)
        except ModuleNotFoundError as problem:
            package = (problem.name or "").partition(".")[0]
            if package == name.partition(".")[0]:
                if sys.modules.get(package) is None:
                    permission.missing.append(package)
                else:  # it is there, in another version
                    permission.unknown.append(str(problem))
                continue
            permission.refused.append(name)
            continue
        except AttributeError as problem:
            permission.unknown.append(str(problem))
            continue
        except Exception:  # a package that is installed but broken
            permission.refused.append(name)
            continue
        if found is None:
            permission.refused.append(name)
        else:
            permission.granted.append((found, name))
    permission.granted += [(found, name) for name, found in always.items()]
    permission.missing = sorted(set(permission.missing))
    return permission


def _find(name: str) -> Any:
    """What a permitted name stands for; None where it is not permitted."""
    module_name, _, attribute = name.rpartition(".")
    in_network_package = any(
        module_name.startswith(package) if package.endswith(".") else module_name == package
        for package in permitted_names.NETWORK_PACKAGES
    )
    if not in_network_package and name not in permitted_names.EMPTY_OBJECTS | permitted_names.VALUES:
        return None
    found = getattr(importlib.import_module(module_name), attribute)
    if not isinstance(found, type) or f"{found.__module__}.{found.__qualname__}" != name:
        return None
    if name in permitted_names.VALUES:
        return found
    if name in permitted_names.EMPTY_OBJECTS or _is_plain_network(found):
        return _stand_in(found)
    return None


def _is_plain_network(found: type) -> bool:
    return issubclass(found, torch.nn.Module) and not issubclass(found, torch.jit.ScriptModule)


def _stand_in(original: type) -> type:
    """A subclass of `original` whose instances become `original` when they receive their state.

    Calling it fails, so a file can make an instance only by `__new__`, without the constructor.
    """

    def refuse_call(cls: type, *args: object, **kwargs: object) -> None:
        raise UnpicklingError(f"it calls {original.__module__}.{original.__qualname__} instead of storing its state")

    def take_state(self: Any, state: Any) -> None:
        if not isinstance(state, dict):
            raise UnpicklingError(f"the state of a {original.__qualname__} in it is a {type(state).__name__}")
        generated = state.get("__codegen__") or {}
        if not isinstance(generated, dict):
            raise UnpicklingError(f"the generated code of a {original.__qualname__} in it is not a dict")
        for archive in generated.values():
            require_arithmetic_torchscript(archive)
        self.__class__ = original
        if hasattr(self, "__setstate__"):
            self.__setstate__(state)
        else:
            self.__dict__.update(state)

    metaclass = type("NotCallable", (type(original),), {"__call__": refuse_call})
    stand_in: type = metaclass(original.__name__, (original,), {"__setstate__": take_state})
    return stand_in


def _always_permitted() -> dict[str, Any]:
    import numpy as np
    import numpy.dtypes

    multiarray = np.zeros(1).__reduce__()[0].__module__  # numpy.core.multiarray before numpy 2
    core = importlib.import_module(multiarray)
    permitted: dict[str, Any] = {
        "builtins.frozenset": frozenset,
        "builtins.getattr": _torch_function,
        "builtins.range": range,
        "builtins.slice": slice,
        "numpy.dtype": np.dtype,
        "numpy.ndarray": np.ndarray,
        "torch._C._VariableFunctionsClass": _TorchFunctions,
        "torch._C._nn.softplus": torch.nn.functional.softplus,
        "torch.fx._symbolic_trace.Tracer": _Tracer,
        "torch.fx.graph_module.reduce_graph_module": rebuild_graph_module,
    }
    for name in permitted_names.FUNCTIONS:
        permitted[f"torch.nn.functional.{name}"] = getattr(torch.nn.functional, name)
    for core_name in permitted_names.NUMPY_CORES:
        for name in permitted_names.NUMPY_FUNCTIONS:
            permitted[f"{core_name}.{name}"] = getattr(core, name)
    for name in permitted_names.NUMPY_TYPES:
        permitted[f"numpy.dtypes.{name}"] = getattr(np.dtypes, name)
    return permitted
