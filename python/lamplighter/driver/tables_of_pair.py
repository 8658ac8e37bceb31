"""The tables of what a pair style says of its models: `committee.csv` and `extrapolation.csv`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from lamplighter.config.run_file import RunFile
from lamplighter.driver.members import count_members
from lamplighter.driver.pair_setup import PairSetup
from lamplighter.driver.script_block import Block
from lamplighter.driver.stage_blocks import place_lines
from lamplighter.driver.stage_steps import Restart
from lamplighter.file_suffixes import COMPILED
from lamplighter.run_folder.names import COMMITTEE, EXTRAPOLATION
from lamplighter.run_folder.stages import StageSteps
from lamplighter.run_folder.thermo_table import COMMITTEE_COLUMNS, EXTRAPOLATION_COLUMNS
from lamplighter.structures.start import StartStructure

_OF_COMMITTEE, _OF_EXTRAPOLATION = 9, 3
"""Numbers of `compute pair` before those of the atom types (docs/reference/pair_lamplighter.md)."""


class _Table(NamedTuple):
    """`key`: of the compute and of variables; `first`, `width`: which numbers of `compute pair` are columns."""

    key: str
    file: str
    columns: str
    every: int
    first: int
    width: int


def extrapolation_every(run: RunFile) -> int:
    """Steps between evaluations of a model's own uncertainty: for the table and for the guard; 0: it is not wanted."""
    if run.extrapolation is None:
        return 0
    return math.gcd(run.extrapolation.every, run.guard.every if run.guard.of_training_set else 0)


def tables_of_pair(
    run: RunFile,
    structure: StartStructure,
    setup: PairSetup,
    restart: Restart | None,
    index: int,
    steps: StageSteps,
) -> Block:
    """From the first dynamics on, like the guard."""
    tables = _tables(run, structure.elements)
    lines = [*place_lines(run, index, steps), *(f"compute {each.key} all pair {setup.style}" for each in tables)]
    lines += [f'variable {each.key}_next equal "floor(step/{each.every} + 1)*{each.every}"' for each in tables]
    asked = " ".join(f"$(c_{each.key}[1])" for each in tables)
    lines += [
        "# The first row is the title: the compute must have been asked for its numbers in a run before.",
        f'fix ask all print 1 "{asked}" screen no',
        "run 0 post no",
    ]
    for each in tables:
        numbers = ",".join(f"$(c_{each.key}[{each.first + k}]:%.10g)" for k in range(each.width))
        row = f"$(v_stage),$(step),$(v_time_ps:%.10g),{numbers}"
        lines.append(
            f'fix {each.key}_table all print v_{each.key}_next "{row}" append {each.file} screen no title {row}'
        )
    lines.append("unfix ask")
    if restart is None:
        lines = [*(f'print "{each.columns}" file {each.file} screen no' for each in tables), *lines]
    return Block("what the models say of themselves", tuple(lines))


def _tables(run: RunFile, elements: Sequence[str]) -> list[_Table]:
    # an element of several atom types is followed by the type's number
    names = [
        element if list(elements).count(element) == 1 else f"{element}{number}"
        for number, element in enumerate(elements, start=1)
    ]
    found, first = [], 1
    if run.committee is not None:
        columns = ",".join([COMMITTEE_COLUMNS, *(f"variance_max_{name}_eV2_A2" for name in names)])
        count = _OF_COMMITTEE + len(elements)
        found.append(_Table("committee", COMMITTEE, columns, run.committee.every, 1, count))
        first += count
    if run.extrapolation is not None:
        columns = ",".join([EXTRAPOLATION_COLUMNS, *(f"extrapolation_max_{name}" for name in names)])
        if run.committee is not None:  # the energy of each model comes between
            models = run.potential.models
            first += len(models) if len(models) > 1 or models[0].suffix != COMPILED else count_members(models[0])
        count = _OF_EXTRAPOLATION + len(elements)
        found.append(_Table("extrapolation", EXTRAPOLATION, columns, run.extrapolation.every, first, count))
    return found
