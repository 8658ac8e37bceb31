"""DeePMD-kit: whether it is there, and the elements of its models.

Its own `pair_style deepmd` evaluates the models, in LAMMPS' process and without Python, so nothing of DeePMD-kit or
TensorFlow is imported here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lamplighter.errors import EnvironmentProblem, ModelError

KIND = "deepmd"
INSTALL = "pip install 'lamplighter[deepmd]' (or 'deepmd-kit[cpu,lmp]')"
_TYPE_MAP = b"model_attr/tmap"


def require_installed() -> None:
    """Refuse to go on without DeePMD-kit.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    if importlib.util.find_spec("deepmd") is None:
        raise EnvironmentProblem(f"potential.kind deepmd needs DeePMD-kit, which is not installed: {INSTALL}")


def require_style(lammps: Any) -> None:
    """Refuse an open LAMMPS that has no `pair_style deepmd`.

    Raises:
        EnvironmentProblem: it has none, although DeePMD-kit is installed.
    """
    if not lammps.has_style("pair", "deepmd"):
        raise EnvironmentProblem(
            "DeePMD-kit is installed, but LAMMPS did not load its plugin, so there is no pair_style deepmd: the lines "
            f"above say why; it needs its LAMMPS and TensorFlow parts, {INSTALL}"
        )


def require_elements(model: Path, elements: Sequence[str], key: str) -> None:
    """Refuse elements that a frozen model does not know; `key` is that of the run file.

    Raises:
        ModelError: one of them is not in the model's type map, or as `elements_of`.
    """
    known = elements_of(model, key)
    unknown = [element for element in dict.fromkeys(elements) if element not in known]
    if unknown:
        raise ModelError(
            f"{key}: {model} knows the elements {' '.join(known)} (its type map), and the structure has "
            f"{' '.join(unknown)} as well"
        )


def elements_of(model: Path, key: str = "model file") -> list[str]:
    """The type map of a frozen model: its elements in the model's own order.

    The file is a TensorFlow GraphDef; the type map is the text of its node `model_attr/tmap`. Field numbers are those
    of tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto.

    Raises:
        ModelError: the file is no frozen TensorFlow graph, or one without a type map.
    """
    remedy = "`dp freeze -o MODEL.pb` writes one; `dp convert-backend` makes one of other files of DeePMD-kit"
    try:
        text = _type_map(memoryview(model.read_bytes()))
    except (IndexError, ValueError) as problem:
        raise ModelError(f"{key}: {model} is no frozen model of DeePMD-kit's TensorFlow backend: {remedy}") from problem
    if not text:
        raise ModelError(f"{key}: {model} holds no type map of DeePMD-kit: {remedy}")
    return text.split()


def _type_map(graph: memoryview) -> str:
    for node in list(_messages(graph, 1)):  # to the end, so that a truncated file is seen
        if next(_messages(node, 1), None) != _TYPE_MAP:
            continue
        for attribute in _messages(node, 5):
            for value in _messages(attribute, 2):
                for tensor in _messages(value, 8):
                    return "".join(bytes(text).decode() for text in _messages(tensor, 8))
    return ""


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """The parts of a protocol-buffer message that have a length and the number `wanted`.

    Raises:
        ValueError, IndexError: it is no such message.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, place = _varint(data, place)
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        elif wire == 2:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise ValueError("a part is longer than the whole")
            if number == wanted:
                yield data[place : place + length]
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
