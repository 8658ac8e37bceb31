"""What the runs of a generation begin from: recipes are packed, structures taken as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamplighter.building.build import build
from lamplighter.building.folder import MOLECULES, ORIGIN, STRUCTURE
from lamplighter.learning.learn_file import Study

LARGEST_SEED = 99_999_999


def names_of_starts(study: Study) -> list[str]:
    """Of the runs of each generation."""
    packings = range(1, study.given.exploration.starts.packings + 1)
    return [*(f"{name}_{k}" for name in study.recipes for k in packings), *study.files]


def starts_of(
    study: Study, number: int, folder: Path, say: Callable[[str], None] = lambda text: None
) -> dict[str, dict[str, Any]]:
    """Section `structure` of the run file of each start; recipes that are not packed yet are packed.

    Args:
        study: The study.
        number: Of the generation, from 0.
        folder: Of the packings.
        say: Told what is packed.

    Raises:
        LamplighterError: a recipe cannot be built as it says.
    """
    packings = study.given.exploration.starts.packings
    found: dict[str, dict[str, Any]] = {}
    for name, recipe in study.recipes.items():
        for k in range(1, packings + 1):
            place = folder / f"{name}_{k}"
            if not (place / ORIGIN).is_file():  # the file that is written last
                if place.exists():
                    shutil.rmtree(place)
                say(f"packs {place.name}")
                build(recipe, place, seed=_seed(number, k, packings))
            found[place.name] = {"file": str(place / STRUCTURE), "molecules": str(place / MOLECULES)}
    return found | {name: {"file": str(path)} for name, path in study.files.items()}


def _seed(number: int, k: int, packings: int) -> int:
    """Of a packing: another in each generation."""
    return (number * packings + k - 1) % LARGEST_SEED + 1
