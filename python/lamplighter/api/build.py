"""A liquid from a recipe, from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.api.ranks import on_first_rank

if TYPE_CHECKING:
    from lamplighter.building.build import Built


def build(
    recipe: Mapping[str, Any] | str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    seed: int | None = None,
    potential: Mapping[str, Any] | None = None,
) -> Built:
    """Build a liquid from a recipe, as `lamplighter build` does. Under mpirun the first rank builds.

    Args:
        recipe: A file, or what it holds, by its keys.
        folder: Written anew; None: the file's name without `.yaml`.
        seed: In place of the recipe's.
        potential: Section `potential` of the run file, in place of the recipe's.

    Returns:
        Where the files are (`folder`, `structure`, `molecules`, `bonds`, `run_file`), what is in the box
        (`components`, `n_atoms`), its `cell` (Å), `density` (g/cm³), and how near atoms of two molecules come
        (`nearest`, Å).

    Raises:
        LamplighterError: the recipe is not valid, the liquid cannot be built as it says, the folder holds something,
            or RDKit is not installed.

    Example:
        ```python
        water = {"components": [{"molecule": "water", "number": 33}], "density": "1 g/cm3"}
        built = ll.build(water, "water")
        print(built.n_atoms, built.density)
        ```
    """
    from lamplighter.building.build import build as make

    given = Path(recipe).expanduser() if isinstance(recipe, str | os.PathLike) else recipe
    target = None if folder is None else Path(folder).expanduser()
    made: Built = on_first_rank(
        lambda: make(given, target, seed=seed, potential=potential, shown=True), takes_long=True
    )
    return made
