"""Wall times as users and queues write them: `23h30m`, `90min`, `1-12:00:00`, `HH:MM:SS`."""

from __future__ import annotations

import math
import re

from lamplighter.errors import QueueProblem

EXAMPLES = "23h30m, 90min, 24:00:00 or 1-12:00:00"

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)\s*", re.ASCII)
_WITH_UNITS = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_OF_SLURM = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)


def seconds_of(text: str, name: str = "wall time") -> float:
    """Read a wall time, in s.

    Numbers with units follow each other with the largest first (`1d12h`, `23h30m`, `90min`, `45s`); without, it is as
    Slurm writes it: `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM`, `D-HH:MM:SS` (sbatch, option --time).

    Args:
        text: The wall time.
        name: What it is called in messages, such as an option's name.

    Raises:
        QueueProblem: it is a bare number, no time at all, or 0.
    """
    given = text.strip()
    if re.fullmatch(r"\d+(\.\d*)?", given, re.ASCII):
        raise QueueProblem(
            f"{name}: {given} could be seconds, minutes or hours; write {given}min or {given}h, or e.g. {EXAMPLES}"
        )
    seconds = _with_units(given) if _WITH_UNITS.fullmatch(given) else _as_slurm_does(given)
    if seconds is None:
        raise QueueProblem(f"{name}: {text!r} is no wall time; write e.g. {EXAMPLES}")
    if not seconds > 0:
        raise QueueProblem(f"{name}: must be more than 0, got {text!r}; write e.g. {EXAMPLES}")
    return seconds


def slurm_words(seconds: float) -> str:
    """A wall time as Slurm reads it, rounded up to whole seconds: `02:00:00`, `1-12:00:00`."""
    whole = math.ceil(seconds)
    days, rest = divmod(whole, 86400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def _with_units(text: str) -> float | None:
    """The largest unit first and each but once: `30m23h` is more probably an error than meant."""
    parts = _PART.findall(text)
    units = [_SECONDS[unit] for _, unit in parts]
    if units != sorted(set(units), reverse=True):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _as_slurm_does(text: str) -> float | None:
    match = _OF_SLURM.fullmatch(text)
    if match is None:
        return None
    days, *others = match.groups()
    numbers = [int(each) for each in others if each is not None]
    if days is None and len(numbers) == 2:
        numbers = [0, *numbers]  # MM:SS; with days it is HH:MM
    numbers += [0] * (3 - len(numbers))
    hours, minutes, seconds = numbers
    if seconds > 59 or (minutes > 59 and (days is not None or hours > 0)) or (days is not None and hours > 23):
        return None
    return int(days or 0) * 86400.0 + hours * 3600.0 + minutes * 60.0 + seconds
