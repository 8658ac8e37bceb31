"""Which frames of the runs are labelled: one of each run for training, and some at random along all of them.

By an uncertainty: the first frame of a run with an atom of which the uncertainty is above the threshold; if there is
none, the one with the largest (Niblett et al., 3.3, of the force variance).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from lamplighter.analysis.near_duplicates import without_near_duplicates
from lamplighter.learning.candidates import Candidate

ADD, ALONG = "add", "along"
"""What a frame was chosen for: training, or errors along the runs."""


@dataclass(frozen=True)
class Chosen:
    """A frame that is labelled.

    Attributes:
        frame: The frame.
        use: `ADD` or `ALONG`.
        why: In words.
    """

    frame: Candidate
    use: str
    why: str

    def as_atoms(self) -> Atoms:
        """With what is known of it, for extended XYZ."""
        made = self.frame.atoms.copy()
        made.info = {
            "use": self.use,
            "run": self.frame.run,
            "step": self.frame.step,
            "time_ps": self.frame.time_ps,
            "why": self.why,
        }
        if math.isfinite(self.frame.uncertainty):
            made.info["uncertainty"] = self.frame.uncertainty
        return made


def first_uncertain(frames: Iterable[Candidate], above: float) -> Chosen | None:
    """The first frame above a threshold, else the one with the largest uncertainty; None: none is known.

    Args:
        frames: Of one run, in order of time.
        above: The threshold.
    """
    largest: Candidate | None = None
    for each in frames:
        if not math.isfinite(each.uncertainty):
            continue
        if each.uncertainty > above:
            return Chosen(each, ADD, f"the first above {above:.4g}")
        if largest is None or each.uncertainty > largest.uncertainty:
            largest = each
    return None if largest is None else Chosen(largest, ADD, f"none above {above:.4g}, the largest")


def at_interval(frames: Iterable[Candidate], first: int, every: int) -> list[Chosen]:
    """The frames of a stage at an interval, from its first to its last.

    Args:
        frames: Of one run, in order of time.
        first: The step that the stage begins with.
        every: Steps.
    """
    return [
        Chosen(each, ADD, f"every {every} steps")
        for each in frames
        if each.step >= first and (each.step - first) % every == 0
    ]


def drawn(frames: Iterable[Candidate], random: np.random.Generator) -> Candidate | None:
    """Any of the frames, each with the same probability; None: there are none (algorithm R: J. S. Vitter, 1985)."""
    found: Candidate | None = None
    for number, each in enumerate(frames, start=1):
        if random.integers(number) == 0:
            found = each
    return found


def distinct(chosen: Sequence[Chosen], earlier: Sequence[Atoms], least: float) -> tuple[list[Chosen], list[str]]:
    """Without frames for training that show the same as one of them, or as one of an earlier generation.

    Args:
        chosen: For training.
        earlier: Frames of earlier generations.
        least: Å, as `without_near_duplicates`.

    Returns:
        Those that are kept, and a line for each that is not.
    """
    frames = [*earlier, *(each.frame.atoms for each in chosen)]
    kept, repeats = without_near_duplicates(frames, least)
    n = len(earlier)
    notes = [
        f"{_where(chosen[place - n])} is within {least:.3g} Å of "
        + (_where(chosen[same - n]) if same >= n else "a frame of an earlier generation")
        + ": left out"
        for place, same in repeats.items()
        if place >= n
    ]
    return [chosen[place - n] for place in kept if place >= n], notes


def not_among(frame: Candidate, others: Sequence[Chosen]) -> bool:
    """Whether no other was chosen at the same step of the same run."""
    return all((frame.run, frame.step) != (each.frame.run, each.frame.step) for each in others)


def along_runs(frame: Candidate) -> Chosen:
    """A frame for errors along the runs."""
    return Chosen(frame, ALONG, "at random")


def _where(chosen: Chosen) -> str:
    return f"step {chosen.frame.step} of {chosen.frame.run}"
