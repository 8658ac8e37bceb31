"""What came of labelling a file: an answer, which commands and Python show."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Failed:
    """A frame without labels.

    Attributes:
        frame: Its number in the file, from 0.
        formula: What it holds.
        why: In words.
    """

    frame: int
    formula: str
    why: str


@dataclass(frozen=True)
class LabelledFrame:
    """What was found of a frame.

    Attributes:
        frame: Its number in the file, from 0.
        n_atoms: How many atoms it has.
        energy: eV; nan: it failed.
        largest_force: eV/Å; nan: it failed.
        pressure: −trace(stress)/3, eV/Å³; nan: it failed, or has no stress.
        seconds: That it took.
    """

    frame: int
    n_atoms: int
    energy: float
    largest_force: float
    pressure: float
    seconds: float


@dataclass
class Labelling:
    """What came of labelling a file.

    Attributes:
        method: Name of the method.
        provenance: Versions, parameters and files that the labels rest on.
        output: Frames with labels; None: there are none.
        failed_output: Frames without; None: there are none.
        record: What the labels rest on, as JSON.
        frames: One each frame of the input, in its order.
        failures: Those that failed.
        notes: What limits the labels.
        was_complete: Whether an earlier call had made all of it, so that nothing was evaluated.
    """

    method: str
    provenance: dict[str, Any]
    output: Path | None
    failed_output: Path | None
    record: Path
    frames: list[LabelledFrame]
    failures: list[Failed]
    notes: list[str] = field(default_factory=list)
    was_complete: bool = False

    @property
    def n_labelled(self) -> int:
        """How many frames have labels."""
        return len(self.frames) - len(self.failures)
