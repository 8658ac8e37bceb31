"""Which model files can only be used by running code that is in them, and what in a file asks for it.

Told from a file's bytes before it is opened; neither torch nor a framework is imported. What is found here is what
users are asked about. The loader (`loading`) looks again, closer, and refuses by itself.
"""

from __future__ import annotations

from pathlib import Path

from lamplighter import file_suffixes
from lamplighter.errors import ModelError
from lamplighter.model_files import calculator_file, calculator_trust, deepmd_graph, gap_file, recognition
from lamplighter.model_files.permitted_names import is_permitted
from lamplighter.model_files.pickle_shells import names_with_places

TORCHSCRIPT = "a TorchScript file is a program"
PACKAGE = "a package of NequIP or Allegro holds the Python code of its model"
CHECKPOINT = "a checkpoint of NequIP or Allegro is a Python pickle, which their own loader runs"
HOLDS_PACKAGE = "it holds a package or checkpoint of NequIP or Allegro, which is run"
COMPILED = "a compiled model is machine code"

_MOST_NAMED = 5


def code_in(path: Path) -> str:
    """Why a model file needs code of its own to be run; empty where nothing in it asks for that.

    Args:
        path: A model file of any kind; of one that is missing or damaged the loaders say so.
    """
    if not path.is_file() or holds_numbers_alone(path):
        return ""
    if calculator_file.is_calculator_file(path):
        try:
            return calculator_trust.asks_for(calculator_file.read(path))
        except ModelError:
            return ""
    if deepmd_graph.looks_like_graph(path):
        return _operators(path)
    members = recognition.members(path)
    inside = {name.partition("/")[2] for name in members}
    if recognition.is_nequip_compiled(path):
        return COMPILED
    if recognition.is_nequip_package(path):
        return PACKAGE
    if {"constants.pkl", "data.pkl"} <= inside:
        return TORCHSCRIPT
    if recognition.is_nequip_checkpoint(path):
        return CHECKPOINT
    if recognition.is_nequip_mliap(path):
        return HOLDS_PACKAGE
    return names_not_permitted(path)


def holds_numbers_alone(path: Path) -> bool:
    """A compiled model, statistics of a training set or a GAP: there is nothing in it that could be run."""
    return path.suffix in (file_suffixes.COMPILED, file_suffixes.TRAINING_SET) or gap_file.is_gap(path)


def names_not_permitted(path: Path) -> str:
    """What the pickle of a file asks for beyond what the narrow loader permits, and where; empty if nothing."""
    asked = names_with_places(path)
    refused = [f"{name}{_where(place)}" for name, place in sorted(asked.items()) if not is_permitted(name)]
    if not refused:
        return ""
    more = f" and {len(refused) - _MOST_NAMED} more" if len(refused) > _MOST_NAMED else ""
    return f"it asks for {'; '.join(refused[:_MOST_NAMED])}{more}"


def _where(place: str) -> str:
    return f", in its attribute {place}" if place else ""


def _operators(path: Path) -> str:
    found = deepmd_graph.operators_with_effects(path)
    return f"its graph uses {', '.join(found[:_MOST_NAMED])}, which reach beyond numbers" if found else ""
