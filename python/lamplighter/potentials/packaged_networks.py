"""The networks in a package of NequIP, as empty shells: their names and sizes. Nothing that is in the package is run.

A package pickles a `ModuleDict` of networks. It is unpickled here with an inert class in the place of every class and
function that it asks for, so that what is left is the tree of modules with the shapes of their tensors.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

_NETWORKS = "/model/eager_model.pkl"
_LARGEST_PICKLE = 2**28  # bytes; tensors lie beside it


class _Shell:
    """Stands for an object of any class; keeps what it was made of."""

    def __init__(self, *made_of: Any) -> None:
        self.made_of = made_of
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    # shells of dictionaries, lists and sets are filled
    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...

    def add(self, value: Any) -> None: ...


class _Shells(pickle.Unpickler):
    """Every name that a pickle asks for is a class of shells, and every storage a shell."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return type(name, (_Shell,), {})

    def persistent_load(self, identity: Any) -> Any:
        return _Shell(identity)


def parameters(path: Path) -> dict[str, int]:
    """How many parameters each network of a package has, by the network's name; empty where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as package:
            name = next(name for name in package.namelist() if name.endswith(_NETWORKS))
            if package.getinfo(name).file_size > _LARGEST_PICKLE:
                return {}
            with package.open(name) as file:
                networks = _inside(_Shells(file).load(), "_modules")
            return {str(key): _count(network) for key, network in networks.items()}
    except Exception:  # of another layout, or damaged: a pickle may end in anything
        return {}


def _inside(module: Any, kind: str) -> dict[str, Any]:
    state = getattr(module, "state", None)
    found = state.get(kind) if isinstance(state, dict) else None
    return found if isinstance(found, dict) else {}


def _count(module: Any) -> int:
    own = sum(_size(each) for each in _inside(module, "_parameters").values())
    return own + sum(_count(each) for each in _inside(module, "_modules").values())


def _size(parameter: Any) -> int:
    """A parameter is made of a tensor, which is made of a storage, an offset and its shape."""
    if not isinstance(parameter, _Shell) or not parameter.made_of:
        return 0
    tensor = parameter.made_of[0]
    if not isinstance(tensor, _Shell) or len(tensor.made_of) < 3:
        return 0
    return math.prod(tensor.made_of[2])
