"""Which part of the box each rank gets: LAMMPS' own grid, one that suits the structure, or domains that follow atoms.

A box that is filled evenly is left to LAMMPS. Where the structure leaves a part of it empty (a slab, a droplet, a
liquid beside its gas), the grid is chosen whose fullest rank has the fewest atoms; where no grid is even, the domains
are cut anew as the run goes on. The decision rests on the start structure alone: a resumed run makes the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamplighter.analysis.cell_heights import heights
from lamplighter.analysis.domains import Grid, grids, imbalance, least_surface, surface
from lamplighter.arrays import Floats
from lamplighter.config.domains import ANY, AUTO, given_domains, is_of_ranks
from lamplighter.config.potential import EvaluatedBy
from lamplighter.config.quantity import Quantity
from lamplighter.config.run_file import RunFile
from lamplighter.driver.script_block import Block
from lamplighter.driver.stage_steps import first_timestep, interval_in_steps
from lamplighter.errors import ConfigError
from lamplighter.structures.frame import Frame

FIX = "domains"  # ID of the fix
_EVEN = 1.1
"""A fullest rank with so many times the mean number of atoms is not worth another grid."""
_NEAR = 0.05
"""Grids whose imbalance differs by less are told apart by their surface, which is what has to be sent."""
_REACH_OF_MODELS = 12.0
_REACH_OF_OTHERS = 20.0
"""Å: cutoffs that are expected of models, and of any other pair style."""
_EVERY = Quantity(1.0, "ps")
_SHIFT_PASSES, _SHIFT_UNTIL = 20, 1.02


@dataclass(frozen=True)
class Domains:
    """What LAMMPS is told of the domains of ranks.

    Attributes:
        ranks: That it holds for; on any other number the script leaves the domains to LAMMPS.
        processors: Words of its command `processors`; empty: none.
        balance: Words of `fix balance` behind the interval; empty: none.
        every: Steps between two times that domains are cut anew.
        in_words: What was decided and why; empty where LAMMPS' own grid is even.
    """

    ranks: int = 1
    processors: str = ""
    balance: str = ""
    every: int = 0
    in_words: str = ""

    @property
    def before_the_box(self) -> tuple[str, ...]:
        """Lines that come before the box is made."""
        if not self.processors:
            return ()
        return (
            f"# {self.in_words or 'the domains that the run had so far'}",
            self._for_these_ranks(f"processors {self.processors}"),
        )

    def going_on(self, ranks: int, grid: Grid | None) -> Domains:
        """Those of a run that goes on: where LAMMPS chooses, it takes the grid that the run had so far.

        A box that has changed its shape would be divided otherwise, with other sums and other random numbers.

        Args:
            ranks: Of the run from here on.
            grid: Of its restart file.
        """
        if self.processors or self.balance or grid is None or ranks == 1 or math.prod(grid) != ranks:
            return self
        return Domains(ranks, " ".join(str(n) for n in grid))

    @property
    def block(self) -> Block | None:
        """Lines that come before the first step; None where domains stay as they are."""
        if not self.balance:
            return None
        lines = [f"# {self.in_words}", self._for_these_ranks(f"fix {FIX} all balance {self.every} {self.balance}")]
        if " rcb" in self.balance:
            lines.insert(1, self._for_these_ranks("comm_style tiled"))
        return Block("the domains of ranks", tuple(lines))

    def _for_these_ranks(self, line: str) -> str:
        return f'if "$(extract_setting(world_size)) == {self.ranks}" then "{line}"'


def domains_of(
    run: RunFile, ranks: int, start: Callable[[], tuple[Frame, Floats]], evaluated_by: EvaluatedBy = "lamplighter"
) -> Domains:
    """The domains of a run.

    Args:
        run: A resolved run file.
        ranks: Of the run.
        start: Called where it matters: the atoms that the run begins with, and the corner of the box (Å).
        evaluated_by: Who evaluates the potential: pair styles of other packages may not know tiled domains.

    Raises:
        ConfigError: the grid that the run file gives does not make one domain for each rank.
    """
    wanted = run.domains
    if wanted.processors not in (AUTO, ANY):
        _require_one_each(wanted.processors, ranks)
    if ranks == 1:
        return Domains()
    every = interval_in_steps(wanted.every or run.output.restart or _EVERY, first_timestep(run))
    given = "" if wanted.processors in (AUTO, ANY) else wanted.processors
    style = wanted.balance if wanted.balance in ("shift", "rcb") else ""
    if given or style or (wanted.processors, wanted.balance) == (ANY, "never"):
        return Domains(ranks, given, _balance(run, style), every, _as_told(given, style, every))
    frame, corner = start()
    fractions = _fractions(frame, corner)
    own = max(least_surface(ranks, frame.cell), key=lambda grid: imbalance(fractions, grid))
    before = imbalance(fractions, own)
    limit = _EVEN + 2.0 / math.sqrt(len(frame) / ranks)  # twice the scatter of a count
    if before <= limit:
        return Domains()
    grid, after = _most_even(fractions, ranks, frame.cell) if wanted.processors == AUTO else (own, before)
    if after <= limit or wanted.balance == "never":
        if after > before / _EVEN:
            return Domains()
        text = f"{_told(grid)} over {ranks} ranks, in place of {_told(own)} that LAMMPS takes by itself"
        words = " ".join(str(n) for n in grid)
        return Domains(ranks, words, in_words=f"Domains: {text}: {_gain(before, after)}")
    style = "rcb" if _tiles(run, frame, evaluated_by) else "shift"
    processors = "" if style == "rcb" else " ".join(str(n) for n in grid)
    after = math.ceil(len(frame) / ranks) * ranks / len(frame)
    text = f"{_kind(style, every)}, in place of the grid {_told(own)} that LAMMPS takes by itself"
    return Domains(ranks, processors, _balance(run, style), every, f"Domains: {text}: {_gain(before, after)}")


def _require_one_each(processors: str, ranks: int) -> None:
    if not is_of_ranks(processors, ranks):
        raise ConfigError(
            f"domains.processors: '{processors}' makes {given_domains(processors)}"
            f"{' times any number of' if '*' in processors else ''} domains, and the run has {ranks} "
            f"rank{'s' if ranks > 1 else ''}: give three numbers whose product is {ranks}, or * for those that are free"
        )


def _most_even(fractions: Floats, ranks: int, cell: Floats) -> tuple[Grid, float]:
    found = {grid: imbalance(fractions, grid) for grid in grids(ranks)}
    least = min(found.values())
    near = [grid for grid, factor in found.items() if factor <= least + _NEAR]
    grid = min(near, key=lambda each: surface(each, cell))
    return grid, found[grid]


def _fractions(frame: Frame, corner: Floats) -> Floats:
    """Places in the box from 0 to 1; atoms outside are on the other side, or at the edge where it does not repeat."""
    fractions = (frame.positions - corner) @ np.linalg.inv(frame.cell)
    wrapped: Floats = np.where(frame.periodic, fractions - np.floor(fractions), np.clip(fractions, 0.0, 1.0))
    return wrapped


def _tiles(run: RunFile, frame: Frame, evaluated_by: EvaluatedBy) -> bool:
    """Whether `comm_style tiled` can be: neighbours must not lie further away than the box repeats."""
    if evaluated_by not in ("lamplighter", "lammps"):
        return False
    potential = run.potential
    reach = _REACH_OF_MODELS if evaluated_by == "lamplighter" else _REACH_OF_OTHERS
    if potential.dispersion is not None:
        reach = max(reach, potential.dispersion.cutoff.metal)
    return bool(np.all(heights(frame.cell)[frame.periodic] > reach + run.neighbour.skin.metal))


def _balance(run: RunFile, style: str) -> str:
    if not style:
        return ""
    # at each turn, also where little is gained: so the domains of a restart file's step do not depend on the past
    words = "1.0 rcb" if style == "rcb" else f"1.0 shift xyz {_SHIFT_PASSES} {_SHIFT_UNTIL}"
    return words if run.domains.weight == "atoms" else f"{words} weight neigh 1.0"


def _as_told(processors: str, style: str, every: int) -> str:
    words = [f"the grid {processors}" if processors else "", _kind(style, every) if style else ""]
    said = ", ".join(each for each in words if each)
    return f"Domains: {said}, as the run file says" if said else ""


def _kind(style: str, every: int) -> str:
    what = "cut by recursive bisection (rcb)" if style == "rcb" else "a grid with shifted planes (shift)"
    return f"{what}, and again every {every} steps"


def _told(grid: Grid) -> str:
    return " x ".join(str(n) for n in grid)


def _gain(before: float, after: float) -> str:
    return (
        f"the fullest rank has {after:.2f} times the mean number of atoms, not {before:.2f}, so that a step is "
        f"expected to take {after / before:.2f} times as long"
    )
