"""What the runs of a generation begin from: recipes are packed, structures taken as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from lamplighter.building.build import build
from lamplighter.building.folder import MOLECULES, ORIGIN, STRUCTURE
from lamplighter.learning.generation import Generation
from lamplighter.learning.generations import generation_of
from lamplighter.learning.study import Study

LARGEST_SEED = 99_999_999


def names_of_starts(study: Study) -> list[str]:
    """Of the runs of each generation."""
    packings = range(1, study.given.exploration.starts.packings + 1)
    return [*(f"{name}_{k}" for name in study.recipes for k in packings), *study.files]


def starts_of(
    study: Study, generation: Generation, before: Generation | None, say: Callable[[str], None] = lambda text: None
) -> dict[str, dict[str, Any]]:
    """Section `structure` of the run file of each start; recipes that are not packed yet are packed.

    Args:
        study: The study.
        generation: That explores.
        before: The one before; None: there is none.
        say: Told what is packed.

    Raises:
        LamplighterError: a recipe cannot be built as it says.
    """
    packings = study.given.exploration.starts.packings
    found: dict[str, dict[str, Any]] = {}
    # runs that go on have one packing, that of the first generation
    goes_on = study.given.exploration.starts.go_on
    packed = generation_of(study, 0) if goes_on else generation
    for name, recipe in study.recipes.items():
        for k in range(1, packings + 1):
            place = packed.starts / f"{name}_{k}"
            if not (place / ORIGIN).is_file():  # the file that is written last
                if place.exists():
                    shutil.rmtree(place)
                say(f"packs {place.name}")
                build(recipe, place, seed=_seed(packed.number, k, packings))
            found[place.name] = {"file": str(place / STRUCTURE), "molecules": str(place / MOLECULES)}
    found |= {name: {"file": str(path)} for name, path in study.files.items()}
    if before is None or not goes_on:
        return found
    for name in found:
        last = before.last_of(name)
        if last.is_file():
            found[name]["file"] = str(last)
        else:
            say(f"{name}: its last run broke or left no frame to go on from, and it begins from its start again")
    return found


def _seed(number: int, k: int, packings: int) -> int:
    """Of a packing: another in each generation."""
    return (number * packings + k - 1) % LARGEST_SEED + 1
