"""The stages of a run in time: where each begins and ends, when a step was made, and which one an observable is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from lamplighter.errors import RunFolderError
from lamplighter.run_folder.status import StageStatus
from lamplighter.run_folder.thermo_table import ThermoTable


@dataclass(frozen=True)
class StageSteps:
    """Where a stage lies in the run.

    Attributes:
        begin, end: First and last step; equal for a minimisation.
        begin_ps: Simulated time at which it begins, ps.
        timestep_ps: Its timestep, ps; 0 for a minimisation.
    """

    begin: int
    end: int
    begin_ps: float
    timestep_ps: float

    @property
    def end_ps(self) -> float:
        """Simulated time at which it ends, ps."""
        return self.at(self.end)

    def at(self, step: int) -> float:
        """Simulated time at a step, ps."""
        return self.begin_ps + (step - self.begin) * self.timestep_ps


def in_sequence(lengths: Iterable[tuple[int, float]]) -> list[StageSteps]:
    """Stages one after the other. Steps of dynamics are counted through all of them; a minimisation has none.

    Args:
        lengths: Number of steps and timestep (ps) of each; (0, 0) of a minimisation.
    """
    found: list[StageSteps] = []
    step, time = 0, 0.0
    for steps, timestep_ps in lengths:
        found.append(StageSteps(step, step + steps, time, timestep_ps))
        step, time = found[-1].end, found[-1].end_ps
    return found


class Stages(Sequence[StageStatus]):
    """The stages of a run, in order.

    Args:
        folder: The run folder, for messages.
        stages: As `status.json` has them; of each the length may be unknown.
    """

    def __init__(self, folder: Path, stages: Iterable[StageStatus]) -> None:
        self.folder = folder
        self._stages = list(stages)
        lengths: list[tuple[int, float]] = []
        for stage in self._stages:
            if stage.is_minimisation:
                lengths.append((0, 0.0))
            elif stage.steps is None or not stage.timestep_fs:
                break  # nothing is known of the time of what follows
            else:
                lengths.append((stage.steps, stage.timestep_fs * 1e-3))
        self._placed = in_sequence(lengths)

    @overload
    def __getitem__(self, place: int) -> StageStatus: ...

    @overload
    def __getitem__(self, place: slice) -> list[StageStatus]: ...

    def __getitem__(self, place: int | slice) -> StageStatus | list[StageStatus]:
        return self._stages[place]

    def __len__(self) -> int:
        return len(self._stages)

    def __iter__(self) -> Iterator[StageStatus]:
        return iter(self._stages)

    def __repr__(self) -> str:
        return f"<{self.in_words()}>"

    def in_words(self) -> str:
        """Index, name and type of each, for messages."""
        return ", ".join(f"{stage.index} {stage.name} ({stage.type or 'unknown'})" for stage in self) or "none"

    def indexed(self, index: int) -> StageStatus | None:
        """The stage with a place in the run file's list; None: there is none."""
        return next((stage for stage in self if stage.index == index), None)

    def time_of_step(self, step: int) -> float | None:
        """Simulated time (ps) at a step, counted through all stages of dynamics; None where steps are not recorded."""
        known = [steps for steps in self._placed if steps.timestep_ps]
        if len(self._placed) < len(self) and (not known or step > known[-1].end):
            return None
        if not known:
            return 0.0 if step == 0 else None
        return next((steps.at(step) for steps in known if step <= steps.end), None)

    def interval_ps(self, stage: StageStatus) -> tuple[float, float]:
        """When a stage begins and ends, ps since the start of the dynamics.

        Raises:
            RunFolderError: it has no dynamics, or steps or timesteps are not recorded.
        """
        place = next((place for place, each in enumerate(self) if each.index == stage.index), None)
        if place is None or self[place].is_minimisation:
            raise RunFolderError(f"stage {stage.index} of {self.folder} has no dynamics")
        if place >= len(self._placed):
            unknown = self[len(self._placed)]
            raise RunFolderError(f"{self.folder}: status.json does not say how long stage {unknown.index} is")
        return self._placed[place].begin_ps, self._placed[place].end_ps

    def chosen(self, wanted: str | None, types: Sequence[str], observable: str) -> StageStatus:
        """The stage with the name or number that was asked for, else the last one of the right type.

        Args:
            wanted: Name, or index from 0; None: by type.
            types: Of stages that serve the observable, such as ("npt",).
            observable: In words, for the message.

        Raises:
            RunFolderError: there is no such stage, or none of that type.
        """
        if wanted is not None:
            found = [stage for stage in self if wanted in (stage.name, str(stage.index))]
            if not found:
                raise RunFolderError(f"{self.folder} has no stage {wanted!r}; it has {self.in_words()}")
            if found[-1].type and found[-1].type not in types:
                raise RunFolderError(
                    f"stage {wanted!r} of {self.folder} is {found[-1].type}: {observable} needs one of "
                    f"{', '.join(types)}"
                )
            return found[-1]
        found = [stage for stage in self if stage.type in types]
        if not found:
            found = [stage for stage in self if stage.type == ""]  # status.json is missing
        if not found:
            raise RunFolderError(
                f"{self.folder} has no stage that serves: {observable} needs one of {', '.join(types)}; it has "
                f"{self.in_words()}"
            )
        return found[-1]


def time_in_stage_ps(rows: ThermoTable, stage: StageStatus) -> NDArray[np.float64]:
    """Time since the first row of a stage, in ps, shape (n_rows,).

    From the steps where the timestep is known, else from the table's own time.
    """
    if rows.n_rows == 0:
        return np.empty(0)
    if stage.timestep_fs:
        return (rows["step"] - rows["step"][0]) * stage.timestep_fs / 1000.0
    return rows["time_ps"] - rows["time_ps"][0]
