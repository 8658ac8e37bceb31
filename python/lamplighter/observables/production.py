"""Which part of a stage is production: one rule for every mean, distribution and fit that is made of a run.

The rule is in `docs/theory/statistics.md`. Source of the 100 ps: Niblett et al., sections 3.2 and 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamplighter.analysis.equilibration import detect_equilibration
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.run_file import PlannedStage
from lamplighter.run_folder.stages import time_in_stage_ps
from lamplighter.run_folder.status import StageStatus
from lamplighter.run_folder.thermo_table import ThermoTable

EQUILIBRATION_PS = 100.0
"""What the protocol discards from the beginning of a run."""


@dataclass(frozen=True)
class Production:
    """What is left of a stage or a trajectory without its beginning.

    Attributes:
        begin_ps: Since the beginning of the stage; nan: times are not known, and the latter half of the rows counts.
        words: What was discarded and why, for a reader.
    """

    begin_ps: float
    words: str

    def of(self, time_ps: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which samples are production.

        Args:
            time_ps: Since the beginning of the stage, shape (N,).
        """
        if math.isnan(self.begin_ps):
            return np.arange(len(time_ps)) >= len(time_ps) // 2
        return time_ps >= self.begin_ps - 1e-6 * max(1.0, self.begin_ps)


def production_of_length(length_ps: float, discard_ps: float | None = None) -> Production:
    """Production of a trajectory of which only the length is known.

    Args:
        length_ps: Of the trajectory, or of a stage as far as it has run; nan: not known.
        discard_ps: What the user wants left out from the beginning; None: the first 100 ps, at most half.
    """
    if discard_ps is not None:
        return Production(discard_ps, f"first {discard_ps:g} ps of {length_ps:.6g} ps discarded, as asked")
    if not math.isfinite(length_ps):
        return Production(math.nan, "first half of the rows discarded")
    if length_ps >= 2.0 * EQUILIBRATION_PS:
        return Production(EQUILIBRATION_PS, f"first {EQUILIBRATION_PS:g} ps of {length_ps:.6g} ps discarded")
    half = 0.5 * length_ps
    return Production(half, f"first half ({half:.4g} ps of {length_ps:.4g} ps) discarded")


def production_of_stage(run: Run, stage: StageStatus, discard_ps: float | None = None) -> Production:
    """Production of a stage of a run, as far as it has run.

    Nothing is discarded from a stage that goes on at the conditions of the one before it, whose time was its
    equilibration.

    Args:
        run: The run.
        stage: One of its stages of dynamics.
        discard_ps: As `production_of_length`.
    """
    time_ps = time_in_stage_ps(run.thermo.stage(stage.index), stage)
    finite = time_ps[np.isfinite(time_ps)]
    planned_ps = stage.length_ps or 0.0  # where the thermo table is missing
    length_ps = float(finite.max()) if len(finite) else math.nan if len(time_ps) else planned_ps
    if discard_ps is None and run.stages.indexed(stage.index - 1) is not None:
        return production_as_planned(run.run_file.stages, stage.index, length_ps)
    return production_of_length(length_ps, discard_ps)


def production_as_planned(planned: Sequence[PlannedStage], index: int, length_ps: float) -> Production:
    """Production of a stage by what its run file asks for: the rule of `production_of_stage`, also before the run.

    Args:
        planned: The stages of the run file; empty where it does not say.
        index: Of the stage.
        length_ps: From its first row to its last; nan: not known.
    """
    if 0 < index < len(planned):
        before, now = planned[index - 1], planned[index]
        if now.conditions is not None and now.conditions == before.conditions:
            words = f"nothing of {length_ps:.6g} ps discarded: stage {before.name} before it was at the same conditions"
            return Production(0.0, words)
    return production_of_length(length_ps)


def production_of_committee(run: Run, table: ThermoTable) -> tuple[NDArray[np.bool_], str]:
    """Which evaluations of a committee are production: those in that of the last stage of dynamics that has any.

    Args:
        run: The run.
        table: Its committee's table, with at least one row.

    Returns:
        Of each row whether it counts, shape (n_rows,), and in words what was left out.
    """
    counted = [each for each in run.stages if not each.is_minimisation and each.index in table.stage_indices]
    if not counted:
        production = production_of_length(float(table["time_ps"][-1] - table["time_ps"][0]))
        return production.of(table["time_ps"] - table["time_ps"][0]), production.words
    last = counted[-1]
    production = production_of_stage(run, last)
    here = table["stage"] == last.index
    thermo = run.thermo.stage(last.index)
    begin = float((thermo if thermo.n_rows else table.stage(last.index))["time_ps"][0])
    kept = np.zeros(table.n_rows, dtype=bool)
    kept[here] = production.of(table["time_ps"][here] - begin)
    return kept, f"stage {last.name}, {production.words}"


def unsettled(series: NDArray[np.float64], name: str) -> str:
    """A warning where production still drifts by MSER-5 (White 1997); empty where it does not.

    Args:
        series: Production at equal intervals, all finite, shape (N,).
        name: Of the quantity, for the warning.
    """
    if len(series) < 2 or not detect_equilibration(series).unsettled:
        return ""
    return (
        f"the {name} has not settled by the middle of what was averaged (MSER-5): discard more with --discard, or "
        "simulate longer"
    )
