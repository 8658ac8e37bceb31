"""What a run may ask of a model: elements and a head that the model has. Anything else is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamplighter.errors import ModelError
from lamplighter.model_files.mace_heads import own_head

_MOST_SHOWN = 30
_PLURALS = {"head": "heads", "modality": "modalities", "model": "models"}


def require_elements(model: Path | None, known: Sequence[str], asked: Sequence[str]) -> None:
    """Refuse a model that lacks an element.

    Args:
        model: Its file; None: the model that the caller names.
        known: Symbols of the elements that it knows.
        asked: Symbols of the elements that it is asked for.

    Raises:
        ModelError: naming the elements that are lacking and those that the model knows.
    """
    lacking = sorted(set(asked) - set(known))
    if lacking:
        more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
        raise ModelError(
            f"{_named(model)} was trained for {', '.join(known[:_MOST_SHOWN])}{more} and does not know "
            f"{', '.join(lacking)}; the elements asked for are {' '.join(asked)}"
        )


def require_head(model: Path | None, asked: str | None, known: Sequence[str], called: str = "head") -> None:
    """Refuse the name of a head that a model does not have.

    Args:
        model: Its file; None: the model that the caller names.
        asked: Name of the head; None: whichever is the model's own.
        known: Names of its heads.
        called: What its framework calls a head: "head", "modality" or "model".

    Raises:
        ModelError: naming those that it has.
    """
    if asked is not None and asked not in known:
        raise ModelError(
            f"{_named(model)} has no {called} {asked!r}; its {_PLURALS[called]}: {', '.join(known) or 'none'}"
        )


def chosen_head(model: Path | None, asked: str | None, known: Sequence[str]) -> str:
    """Which head of a MACE model is meant: the one asked for, or its own (`mace_heads.own_head`).

    Raises:
        ModelError: the model lacks the head, or has several and none is asked for.
    """
    return _chosen(model, asked, known, "head", own_head(known), ", and none is called Default")


def chosen_of_several(
    model: Path | None, asked: str | None, known: Sequence[str], called: str, own: str | None = None
) -> str:
    """Which modality or network is meant: the one asked for, the only one, or `own` if it is among them.

    None is taken because of its place: they are methods with energies of their own, and their frameworks' calculators
    ask for a name, too.

    Raises:
        ModelError: the model lacks what is asked for, or has several and none is asked for.
    """
    if len(known) == 1:
        own = known[0]
    return _chosen(model, asked, known, called, own if own in known else None)


def _chosen(
    model: Path | None, asked: str | None, known: Sequence[str], called: str, own: str | None, more: str = ""
) -> str:
    require_head(model, asked, known, called)
    found = asked if asked is not None else own
    if found is None:
        raise ModelError(
            f"{_named(model)} has several {_PLURALS[called]}{more}: name one of {', '.join(known)} "
            "(`potential.head` in a run file, `head NAME` after pair_style lamplighter, `--head NAME` of a command)"
        )
    return found


def _named(model: Path | None) -> str:
    return "the model" if model is None else f"model file {model}"
