"""The protocol of a section: one file in `sections/` each, with a function of one run and one of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lamplighter.observables.extrapolation import Extrapolation
from lamplighter.observables.lifetime import RunLifetime, lifetime_of_run
from lamplighter.observables.quality import QualityOptions, StoredReference
from lamplighter.report.page.content import Content
from lamplighter.report.page.labelled import Labelled
from lamplighter.run_folder.run import Run


@dataclass(frozen=True)
class Wishes:
    """What the user asked for.

    Attributes:
        observables: Horizon, what is discarded, blocks of diffusivities.
        references: Runs that Q compares with.
        stored: Numbers of a reference in their place.
        labelled: Frames with reference labels that models are held against; None: none were given.
        training: A training set that trajectories are held against.
    """

    observables: QualityOptions = field(default_factory=QualityOptions)
    references: Sequence[Run] = ()
    stored: StoredReference = field(default_factory=StoredReference)
    labelled: Labelled | None = None
    training: Extrapolation | None = None

    @property
    def has_reference(self) -> bool:
        """Whether there is anything that Q could be held against."""
        return bool(self.references) or self.stored.density is not None


class ReportedRun(Run):
    """A run of a report: what several sections say of it is worked out once.

    Args:
        folder: The run folder.
        label: What the run is called in tables and figures; different for each run of a report.
        wishes: What the user asked for.

    Raises:
        RunFolderError: there is no run in the folder.
    """

    def __init__(self, folder: Path, label: str, wishes: Wishes) -> None:
        super().__init__(folder)
        self.label = label
        self.wishes = wishes

    @cached_property
    def lifetime(self) -> RunLifetime:
        """t_stab. Raises LamplighterError: it cannot be judged."""
        return lifetime_of_run(self)

    def driving(self, n_models: int) -> int:
        """Place of what moved the atoms among so many models of the run; their number: the mean of all."""
        drive = self.asked("committee").get("drive", "first")
        if drive in ("mean", "hal") and n_models > 1:
            return n_models
        return min(drive, n_models) - 1 if isinstance(drive, int) else 0

    def asked(self, section: str) -> dict[str, Any]:
        """A section of the run file; empty where there is none."""
        content = self.run_file.get(section)
        return content if isinstance(content, dict) else {}


@dataclass(frozen=True)
class Definition:
    """What a number means.

    Attributes:
        key: In links; unique.
        title: Its name.
        formula: As HTML (sub, sup, i); empty: none.
        text: Plain words.
        source: Of the formula.
        page: Of the documentation.
    """

    key: str
    title: str
    formula: str
    text: str
    source: str
    page: str


@dataclass(frozen=True)
class Made:
    """What a section has made of a run."""

    run: ReportedRun
    content: Content


@dataclass(frozen=True)
class Section:
    """A section.

    Attributes:
        key: In links and names of files; unique.
        title: Its heading.
        place: "about": before the key numbers; "results": after them; "end": after the results.
        make: What there is to say of one run. A `LamplighterError` becomes the reason why the section's numbers are
            missing; any other exception is a fault, which is said on the page with its traceback on stderr.
        together: What there is to say of several runs of one system: given those for which `make` succeeded, in their
            order, and how many runs there are. None: nothing.
        promises: Names and definitions of the numbers that a reader looks for; where `make` fails they are
            listed with the reason.
        definitions: Of its numbers.
    """

    key: str
    title: str
    place: Literal["about", "results", "end"]
    make: Callable[[ReportedRun], Content]
    together: Callable[[Sequence[Made], Wishes], Content] | None = None
    promises: Sequence[tuple[str, str]] = ()
    definitions: Sequence[Definition] = ()
