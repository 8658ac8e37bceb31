"""What a frozen model of DeePMD-kit's TensorFlow backend says about itself, read without TensorFlow.

The file is a TensorFlow GraphDef, a protocol-buffer message. Field numbers are those of
tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto; names of nodes are DeePMD-kit's.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.errors import ModelError
from lamplighter.model_files import recognition
from lamplighter.model_files.description import Description
from lamplighter.model_files.trust import sha256

_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 3: np.dtype("<i4"), 9: np.dtype("<i8")}
_VALUES = {1: 5, 2: 6}  # of single numbers: float_val, double_val
_WEIGHT = re.compile(r"(^|/)(matrix|bias|idt)(_\d+)*$")
_EFFECTS = re.compile(
    r"File|Py_?Func|Save|Restore|Dataset|Iterator|Print|Debug|Dump|Socket|Rpc|Send|Recv|Reader|Queue|Assert|Lookup|Summary"
)
"""In the names of TensorFlow's operators that reach beyond numbers: files, Python, other processes, the terminal."""

_LOCAL_DESCRIPTORS = ("se_", "loc_frame")
"""Descriptors of DeePMD-kit that see an atom's own neighbours only."""

_REMEDY = "`dp freeze -o MODEL.pb` writes one; `dp convert-backend` makes one of other files of DeePMD-kit"


@dataclass(frozen=True)
class DeepmdGraph:
    """A frozen model.

    Attributes:
        elements: Its type map, in its own order.
        cutoff: Å.
        version: Of the model format, e.g. "1.1".
        descriptor: Its type, e.g. "se_e2_a"; empty if the graph does not hold its training script.
        precision: Of the weights, "float32" or "float64".
        parameters: Number of weights and biases.
        atomic_energies: eV, the fitting net's bias of each element.
    """

    elements: list[str]
    cutoff: float | None
    version: str
    descriptor: str
    precision: str
    parameters: int
    atomic_energies: dict[str, float]


def looks_like_graph(path: Path) -> bool:
    """Whether a file is a GraphDef with a type map of DeePMD-kit."""
    try:
        with path.open("rb") as file:
            if file.read(1) != b"\n":  # its first field is a node
                return False
        return bool(_text(_constants(path), "model_attr/tmap"))
    except (OSError, ValueError, IndexError):
        return False


def read_graph(model: Path, key: str = "model file") -> DeepmdGraph:
    """Read a frozen model.

    Raises:
        ModelError: the file is no frozen TensorFlow graph, or one without a type map; `key` begins the message.
    """
    try:
        constants = _constants(model)
    except (IndexError, ValueError) as problem:
        raise ModelError(
            f"{key}: {model} is no frozen model of DeePMD-kit's TensorFlow backend: {_REMEDY}"
        ) from problem
    elements = _text(constants, "model_attr/tmap").split()
    if not elements:
        raise ModelError(f"{key}: {model} holds no type map of DeePMD-kit: {_REMEDY}")
    weights = [tensor for name, tensor in constants.items() if _WEIGHT.search(name)]
    cutoff = _numbers(constants, "descrpt_attr/rcut")
    energies = _numbers(constants, "fitting_attr/t_bias_atom_e")
    script = _text(constants, "train_attr/training_script")
    described = re.search(r'"descriptor"\s*:\s*\{[^{}]*?"type"\s*:\s*"(\w+)"', script)
    return DeepmdGraph(
        elements=elements,
        cutoff=float(cutoff[0]) if len(cutoff) else None,
        version=_text(constants, "model_attr/model_version"),
        descriptor=described.group(1) if described else "",
        precision=str(_TYPES[weights[0].dtype]) if weights and weights[0].dtype in _TYPES else "",
        parameters=sum(tensor.size for tensor in weights),
        atomic_energies=dict(zip(elements, map(float, energies), strict=False)) if len(energies) else {},
    )


def operators_with_effects(path: Path) -> list[str]:
    """The operators of a graph that do more than compute, sorted; none where the file is no graph.

    Frozen models of DeePMD-kit have none: a graph that reads or writes files was made by somebody else.
    """
    try:
        return sorted(name for name in _operators(memoryview(path.read_bytes())) if _EFFECTS.search(name))
    except (OSError, ValueError, IndexError):
        return []


def _operators(graph: memoryview) -> set[str]:
    """Of its nodes, and of the functions in its library."""
    nodes = [*_messages(graph, 1)]
    for library in _messages(graph, 2):
        for function in _messages(library, 1):
            nodes += _messages(function, 3)
    return {bytes(next(_messages(node, 2), b"")).decode(errors="replace") for node in nodes}


@dataclass(frozen=True)
class _Tensor:
    """A constant of the graph: TensorFlow's number of its type, its size, and its message."""

    dtype: int
    size: int
    message: memoryview


def _constants(path: Path) -> dict[str, _Tensor]:
    """All constants of a graph, to the end of the file, so that a truncated one is seen."""
    found = {}
    for node in _messages(memoryview(path.read_bytes()), 1):
        if bytes(next(_messages(node, 2), b"")) != b"Const":
            continue
        name = bytes(next(_messages(node, 1), b"")).decode()
        for attribute in _messages(node, 5):
            for value in _messages(attribute, 2):
                for tensor in _messages(value, 8):
                    found[name] = _Tensor(_number(tensor, 1), _size(tensor), tensor)
    return found


def _size(tensor: memoryview) -> int:
    shape = next(_messages(tensor, 2), memoryview(b""))
    size = 1
    for dimension in _messages(shape, 2):
        size *= _number(dimension, 1)
    return size


def _text(constants: dict[str, _Tensor], name: str) -> str:
    if name not in constants:
        return ""
    return "".join(bytes(part).decode() for part in _messages(constants[name].message, 8))


def _numbers(constants: dict[str, _Tensor], name: str) -> np.ndarray:
    """The numbers of a constant, in one row; none if it is not there."""
    tensor = constants.get(name)
    if tensor is None or tensor.dtype not in _VALUES:
        return np.empty(0)
    for number in (4, _VALUES[tensor.dtype]):  # as bytes, or one by one
        for part in _messages(tensor.message, number):
            return np.frombuffer(bytes(part), _TYPES[tensor.dtype])
    return np.empty(0)


def _number(message: memoryview, wanted: int) -> int:
    """A whole number of a message; 0, as protocol buffers have it, if it is left out."""
    for number, value in _fields(message):
        if number == wanted and isinstance(value, int):
            return value
    return 0


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The parts of a message that have a length and the number `wanted`."""
    for number, value in _fields(message):
        if number == wanted and not isinstance(value, int):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protocol-buffer message: their numbers and values.

    Raises:
        ValueError, IndexError: it is no such message.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
        elif wire in (1, 2, 5):
            length, place = _varint(message, place) if wire == 2 else (8 if wire == 1 else 4, place)
            if place + length > len(message):
                raise ValueError("a part is longer than the whole")
            yield number, message[place : place + length]
            place += length
        else:
            raise ValueError(f"no protocol buffer: wire type {wire}")


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError("a number is too long")


def describe(path: Path) -> Description:
    """What a frozen model of DeePMD-kit is."""
    graph = read_graph(path)
    description = Description(
        path=path,
        sha256=sha256(path),
        framework="DeePMD",
        form="frozen TensorFlow graph" + (f", descriptor {graph.descriptor}" if graph.descriptor else ""),
        needs="deepmd-kit, in LAMMPS (`kind: deepmd`)",
        version=f"model format {graph.version}" if graph.version else None,
        elements=graph.elements,
        cutoff=graph.cutoff,
        precision=graph.precision or None,
        parameters=graph.parameters or None,
        atomic_energies=graph.atomic_energies,
        exchanges=False if graph.descriptor.startswith(_LOCAL_DESCRIPTORS) else None,
    )
    if importlib.util.find_spec("deepmd") is None:
        description.notes.append(f"deepmd is not installed here; {recognition.how_to_install('deepmd')}")
    return description
