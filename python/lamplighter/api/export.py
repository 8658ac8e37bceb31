"""A run as an input of plain LAMMPS, from Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lamplighter.api.ranks import on_first_rank
from lamplighter.run_folder.run import Run

if TYPE_CHECKING:
    from lamplighter.exporting.export import Export


def export(
    run: Run | str | os.PathLike[str],
    target: str | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    begin: Literal["start", "last"] = "start",
    member: int | None = None,
    ranks: int | None = None,
    convert: bool = True,
    trust: bool = False,
) -> Export:
    """Write a run as an input of plain LAMMPS, as `lamplighter export` does. Under mpirun the first rank writes.

    Args:
        run: A run, its folder, or a run file that has not run.
        target: `mliap`, `allegro`, `nequip`, `sevennet`, `symmetrix`, `mace`, `deepmd`, `quip`, `lammps` or
            `lamplighter`; None: what fits the models.
        output: A folder that is not there yet, or empty; None: `NAME_for_TARGET` in the current folder.
        begin: `start`, or `last`: with the newest restart file that is whole, else the last frame of the trajectory.
        member: Which model of several, from 1; None: the one that drives the run, or the first.
        ranks: MPI ranks that it is written for; None: those of the grid that the run file gives, else one.
        convert: Convert the model where the tool of its framework is installed.
        trust: Put models that are converted on the user's list of trusted files.

    Returns:
        Where the input is (`folder`), how it is started (`start`), what it begins with (`state`), what must be made
        first (`make_models`), and what of the run is not in it (`left_out`).

    Raises:
        LamplighterError: there is no run, the target does not take its models, or the output folder exists.

    Example:
        ```python
        made = ll.export("liquid", output="liquid_elsewhere")
        print(made.start, made.left_out)
        ```
    """
    from lamplighter.exporting.export import export as write

    path = run.folder if isinstance(run, Run) else Path(run).expanduser()
    folder = None if output is None else Path(output)
    made: Export = on_first_rank(
        lambda: write(
            path, target, folder, begin=begin, member=member, ranks=ranks, convert=convert, trust=trust
        )
    )  # fmt: skip
    return made
