"""Frames with reference labels, and what the models of runs say of them: asked for once, by the first section."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms

from lamplighter.analysis.isolated_molecules import IsolatedMolecules, isolated_molecules
from lamplighter.analysis.model_errors import LabelArrays
from lamplighter.errors import LamplighterError
from lamplighter.observables.predictions import CommitteePredictions, Prediction, committees
from lamplighter.structures.labelled_frames import LabelledFrames

Predict = Callable[[Path, Sequence[Atoms]], list[Prediction]]
LoneLabels = Callable[[LabelledFrames, IsolatedMolecules], LabelArrays]


@dataclass(frozen=True)
class Said:
    """What the models of a run say.

    Attributes:
        frames: Of the labelled frames; a single committee.
        molecules: Of the molecules of these frames, each alone, by model; empty: they were not asked.
    """

    frames: list[Prediction]
    molecules: dict[str, LabelArrays]

    @property
    def committees(self) -> list[CommitteePredictions]:
        """The models, and their mean."""
        return committees(self.frames)


@dataclass(frozen=True)
class Labelled:
    """Labelled frames that the models of each run are held against.

    Attributes:
        given: The frames.
        predict: What the models of a run folder say of structures; evaluates them, or reads what was stored.
        group_key: As `model_errors.errors_of_models`.
        names: What to call molecules, by formula.
        trained: As `transfer.transfer_of_models`.
        lone_labels: Gives reference labels of the molecules, each alone; None: they are not known.
        lone_method: What gives them.
    """

    given: LabelledFrames
    predict: Predict
    group_key: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    trained: Mapping[str, set[str]] | None = None
    lone_labels: LoneLabels | None = None
    lone_method: str = ""
    _said: dict[Path, Said | LamplighterError] = field(default_factory=dict, repr=False)

    @cached_property
    def molecules(self) -> IsolatedMolecules:
        """Of the frames. Raises StructureError: one has no end, as in a crystal."""
        return isolated_molecules(self.given.frames)

    @cached_property
    def reference_of_molecules(self) -> LabelArrays | None:
        """Labels of `molecules`. Raises LamplighterError: as what gives them."""
        return None if self.lone_labels is None else self.lone_labels(self.given, self.molecules)

    def said(self, run: Path) -> Said:
        """What the models of a run say.

        Raises:
            LamplighterError: they cannot be evaluated here; the same each time.
        """
        if run not in self._said:
            try:
                self._said[run] = self._ask(run)
            except LamplighterError as problem:
                self._said[run] = problem
        found = self._said[run]
        if isinstance(found, LamplighterError):
            raise found
        return found

    def _ask(self, run: Path) -> Said:
        frames = self.given.frames
        if self.lone_labels is None:
            return Said(self.predict(run, frames), {})
        made = self.predict(run, [*frames, *self.molecules.molecules])
        of_frames = np.arange(len(frames))
        of_molecules = np.arange(len(frames), len(frames) + len(self.molecules.molecules))
        return Said(
            [Prediction(each.name, each.committee, each.arrays.of_frames(of_frames)) for each in made],
            {each.name: each.arrays.of_frames(of_molecules) for each in made},
        )
