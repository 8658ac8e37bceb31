"""Steps that a trajectory holds twice, as one does that was appended to after a restart."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b
from pathlib import Path

from lamplighter.errors import TrajectoryError
from lamplighter.structures.frame import Frame

_NAMED = 3


class RepeatedSteps:
    """Frames that were seen, by their steps.

    Args:
        path: The trajectory, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps, self._contents = array("q"), array("Q")  # steps ascend
        self._repeated: list[int] = []
        self._n_repeated = 0

    def is_repeated(self, frame: Frame) -> bool:
        """Whether a frame repeats an earlier one; one that does not is remembered.

        Raises:
            TrajectoryError: its step comes before, or is that of an earlier frame with other atoms or positions.
        """
        if frame.step is None:
            return False
        content = blake2b(frame.ids.tobytes(), digest_size=8)
        content.update(frame.positions.tobytes())
        content.update(frame.cell.tobytes())
        digest = int.from_bytes(content.digest(), "little")
        if not self._steps or frame.step > self._steps[-1]:
            self._steps.append(frame.step)
            self._contents.append(digest)
            return False
        place = bisect_left(self._steps, frame.step)
        if self._steps[place] != frame.step or self._contents[place] != digest:
            what = (
                "a second time, with other atoms or positions" if self._steps[place] == frame.step else "out of order"
            )
            raise TrajectoryError(
                f"{self._path} has step {frame.step} {what}, after step {self._steps[-1]}: it holds more than one "
                "simulation; split it there"
            )
        self._n_repeated += 1
        self._repeated = [*self._repeated, frame.step][:_NAMED]
        return True

    @property
    def note(self) -> str:
        """What was skipped, in words; empty: nothing."""
        if not self._n_repeated:
            return ""
        steps = ", ".join(map(str, self._repeated)) + (", …" if self._n_repeated > _NAMED else "")
        return f"frames that repeat an earlier one and were skipped: {self._n_repeated} (step {steps})"


def together(*notes: str) -> str:
    """Notes on one file as one text."""
    return "; ".join(note for note in notes if note)
