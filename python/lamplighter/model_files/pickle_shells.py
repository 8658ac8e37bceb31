"""A pickle as a tree of empty shells: what it asks for and where, and what it would build. Nothing in it is run.

It is unpickled with an inert class in the place of every class and function that it names.
"""

from __future__ import annotations

import contextlib
import pickle
import pickletools
import zipfile
from collections import OrderedDict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

LARGEST_PICKLE = 2**28
"""Bytes; tensors lie beside the pickle, so that this is far beyond any model."""

_LARGEST_TREE = 2_000_000  # places that are looked at
_HOLDERS = {"_modules", "_parameters", "_buffers"}  # of torch's modules; they are no names of anybody's


class Shell:
    """Stands for an object of any class; keeps what it was made of."""

    asks_for = ""
    """`package.module.name` of the class or function."""

    made_of: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *made_of: Any) -> None:
        self.made_of = made_of

    def __setstate__(self, state: Any) -> None:
        self.state = state

    # shells of dictionaries, lists and sets are filled
    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...

    def add(self, value: Any) -> None: ...


class _Shells(pickle.Unpickler):
    """Every name that a pickle asks for is a class of shells, and every storage a shell."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.classes: dict[str, type] = {}

    def find_class(self, module: str, name: str) -> Any:
        asked = f"{module}.{name}"
        if asked not in self.classes:
            if asked == "collections.OrderedDict":
                self.classes[asked] = OrderedDict
            else:
                self.classes[asked] = type(name, (Shell,), {"asks_for": asked})
        return self.classes[asked]

    def persistent_load(self, identity: Any) -> Any:
        return Shell(identity)


def load(file: IO[bytes]) -> Any:
    """The tree of one pickle. Raises whatever a damaged pickle makes Python raise."""
    return _Shells(file).load()


def is_whole(path: Path) -> bool:
    """Whether the first pickle of a torch file can be read to its end, whatever it asks for."""
    try:
        with _opened(path) as file:
            for operation, _, _ in pickletools.genops(file):
                if operation.name == "STOP":
                    return True
    except Exception:  # a damaged pickle may end in anything
        pass
    return False


def names_with_places(path: Path) -> dict[str, str]:
    """Every name that the pickle of a torch file asks for, and where in it: an attribute, or nothing.

    Nothing of a file that is no torch file, or whose pickle cannot be understood.
    """
    try:
        with _opened(path) as file:
            return _found_in(file)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return {}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """At the first pickle of a torch file. Raises ValueError: there is none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.partition("/")[2] == "data.pkl"), None)
            if name is None or archive.getinfo(name).file_size > LARGEST_PICKLE:
                raise ValueError("no pickle of torch")
            with archive.open(name) as file:
                yield file
        return
    with path.open("rb") as bare:  # before torch 1.6
        if not bare.read(2).startswith(b"\x80"):
            raise ValueError("no pickle")
        bare.seek(0)
        yield bare


def _found_in(file: IO[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for _ in range(4):  # before torch 1.6: several pickles, one after the other, then the tensors
        unpickler = _Shells(file)
        try:
            tree = unpickler.load()
        except Exception:  # damaged, or it calls an object that a shell cannot stand for: what it has named so far
            tree = None
        for name, place in _places(tree):
            if name:
                found.setdefault(name, place)
        for name in unpickler.classes:
            found.setdefault(name, "")
    return found


def _places(tree: Any) -> Iterator[tuple[str, str]]:
    """Nearest to the root first."""
    seen: set[int] = set()
    waiting: deque[tuple[Any, str]] = deque([(tree, "")])
    while waiting and len(seen) < _LARGEST_TREE:
        value, place = waiting.popleft()
        if isinstance(value, str | bytes | int | float | None) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, type):
            if issubclass(value, Shell):
                yield value.asks_for, place
        elif isinstance(value, Shell):
            yield value.asks_for, place
            waiting.extend((each, place) for each in value.made_of)
            waiting.append((value.state, place))
        elif isinstance(value, dict):
            waiting.extend((each, _below(place, key)) for key, each in value.items())
            waiting.extend((key, place) for key in value)
        elif isinstance(value, list | tuple | set | frozenset):
            waiting.extend((each, place) for each in value)


def _below(place: str, key: Any) -> str:
    if not isinstance(key, str | int) or key in _HOLDERS:
        return place
    return f"{place}.{key}" if place else str(key)
