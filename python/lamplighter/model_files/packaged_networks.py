"""The networks in a package of NequIP, as empty shells: their names and sizes. Nothing that is in the package is run.

A package pickles a `ModuleDict` of networks. It is unpickled here with an inert class in the place of every class and
function that it asks for, so that what is left is the tree of modules with the shapes of their tensors.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

from lamplighter.model_files import pickle_shells
from lamplighter.model_files.pickle_shells import Shell

_NETWORKS = "/model/eager_model.pkl"


def parameters(path: Path) -> dict[str, int]:
    """How many parameters each network of a package has, by the network's name; empty where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as package:
            name = next(name for name in package.namelist() if name.endswith(_NETWORKS))
            if package.getinfo(name).file_size > pickle_shells.LARGEST_PICKLE:
                return {}
            with package.open(name) as file:
                networks = _inside(pickle_shells.load(file), "_modules")
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
    if not isinstance(parameter, Shell) or not parameter.made_of:
        return 0
    tensor = parameter.made_of[0]
    if not isinstance(tensor, Shell) or len(tensor.made_of) < 3:
        return 0
    return math.prod(tensor.made_of[2])
