"""A stage at constant volume that begins at the mean cell of one at constant pressure: `mean_volume_of`.

LAMMPS takes the mean itself, from the lines that the run has written into thermo.csv, so that a script which is run by
hand, one that is exported and a run that goes on all find the same cell. Which lines count is decided here, beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from lamplighter.config.mean_volume import sampled_stage
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Nvt
from lamplighter.driver.script_block import equal
from lamplighter.driver.stage_steps import interval_in_steps, steps_of_stages
from lamplighter.errors import ConfigError
from lamplighter.observables.production import production_as_planned
from lamplighter.run_folder.folder import run_file_text
from lamplighter.run_folder.run_file import StoredRunFile

FEWEST_LINES = 2


@dataclass(frozen=True)
class Sample:
    """The lines of thermo.csv that a mean cell is taken from.

    Attributes:
        stage: Index of the stage at constant pressure.
        first: Step of the first line that can count: where its production begins.
        every: Steps between two lines; others, written where a run went on, do not count.
    """

    stage: int
    first: int
    every: int


def sample_of(run: RunFile, index: int) -> Sample | None:
    """What the stage's `mean_volume_of` is a mean of; None: the stage begins with the cell that there is.

    Args:
        run: A resolved run file.
        index: Of the stage.

    Raises:
        ConfigError: too few lines of the table lie in production.
    """
    stage = run.stages[index]
    if not isinstance(stage, Nvt) or stage.mean_volume_of is None:
        return None
    sampled = sampled_stage(run.stages, index)
    steps = steps_of_stages(run.stages)[sampled]
    every = interval_in_steps(run.output.thermo, steps.timestep_ps)
    last = max(steps.begin, every * (steps.end // every))
    planned = StoredRunFile(Path(), yaml.safe_load(run_file_text(run))).stages
    production = production_as_planned(planned, sampled, (last - steps.begin) * steps.timestep_ps)
    first = steps.begin + math.ceil(production.begin_ps / steps.timestep_ps - 1e-6)
    lines = last // every - (first - 1) // every
    if lines < FEWEST_LINES:
        raise ConfigError(
            f"stages[{index}].mean_volume_of: thermo.csv will have {lines} line{'' if lines == 1 else 's'} of "
            f"production of stage '{stage.mean_volume_of}', too few for a mean: write it more often (output.thermo is "
            f"{run.output.thermo}), or make the stage longer"
        )
    return Sample(sampled, first, every)


def mean_volume_lines(run: RunFile, index: int) -> list[str]:
    """The lines of the script that change the cell before a stage; none where it stays. Raises as `sample_of`."""
    sample = sample_of(run, index)
    if sample is None:
        return []
    return [
        equal("mean_of_stage", sample.stage),
        equal("mean_from_step", sample.first),
        equal("mean_every", sample.every),
        "include inputs/mean_volume.lmp",
    ]
