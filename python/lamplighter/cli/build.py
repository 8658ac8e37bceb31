"""Build a liquid from a recipe: its molecules, amounts, density and box.

The new folder holds the structure, the list of its molecules with their bonds, and run.yaml, which brings the box to a
liquid in stages. The same recipe and seed give the same box.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def build(
    recipe: Annotated[
        Path | None, typer.Argument(help="Recipe, as docs/reference/recipe.md describes it.", metavar="RECIPE")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write this folder; the default is the recipe's name without .yaml."),
    ] = None,
    potential: Annotated[
        list[Path] | None,
        typer.Option(help="Name this model file in run.yaml; of several, the first drives.", metavar="MODEL"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Pack from this seed instead of the recipe's.", metavar="N")] = None,
    library: Annotated[bool, typer.Option("--library", help="List the molecules that a recipe may name.")] = False,
) -> None:
    from lamplighter.building.build import build as make
    from lamplighter.building.words import in_words, library_in_words
    from lamplighter.errors import ConfigError

    if library:
        print(library_in_words())
        return
    if recipe is None:
        raise ConfigError("name a recipe: lamplighter build recipe.yaml (or --library for the molecules it may name)")
    named = None if not potential else {"models": [str(each.expanduser().absolute()) for each in potential]}
    print(in_words(make(recipe, output, seed=seed, potential=named, shown=True)))
