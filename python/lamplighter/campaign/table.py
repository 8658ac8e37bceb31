"""The status table of a campaign, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lamplighter.campaign.campaign_file import LOGS, Campaign
from lamplighter.campaign.state import FAILED, STALE, STATES, RunState

_MOST_WORDS = 90


def as_text(campaign: Campaign, states: list[RunState], unknown: list[Path]) -> str:
    """One line a run, then how many are in each state, and what the campaign file does not know."""
    rows = [("run", "state", "step", "done", "ns/day", "")]
    for each in states:
        words = each.words if len(each.words) <= _MOST_WORDS else f"{each.words[: _MOST_WORDS - 1]}…"
        rows.append((
            each.run.name,
            each.state,
            str(each.step) if each.step else "",
            f"{100.0 * each.share:.0f} %" if each.step else "",
            _speed(each.ns_per_day),
            words,
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), *(row[n].rjust(widths[n]) for n in (2, 3, 4))]
        lines.append("  ".join([*cells, row[5]]).rstrip())
    return "\n".join([*lines, "", f"{campaign.folder}: {counted(states)}", *_notes(campaign, states, unknown)])


def _speed(ns_per_day: float | None) -> str:
    if ns_per_day is None:
        return ""
    return f"{ns_per_day:.0f}" if ns_per_day >= 100.0 else f"{ns_per_day:.3g}"


def counted(states: list[RunState]) -> str:
    """How many runs are in each state."""
    number = Counter(each.state for each in states)
    runs = f"{len(states)} {'run' if len(states) == 1 else 'runs'}"
    return ", ".join([runs, *(f"{number[state]} {state}" for state in STATES if number[state])])


def columns(states: list[RunState]) -> dict[str, list[object]]:
    """The table by columns: the name, the label on each axis, how far the run is. Of several runs of one campaign."""
    of_state: dict[str, list[object]] = {
        "state": [each.state for each in states],
        "step": [each.step for each in states],
        "share": [each.share for each in states],
        "ns_per_day": [each.ns_per_day for each in states],
        "words": [each.words for each in states],
        "folder": [str(each.run.folder) for each in states],
    }
    taken = {"run", *of_state}
    axes = states[0].run.point if states else {}
    of_axes: dict[str, list[object]] = {
        f"axis_{axis}" if axis in taken else axis: [each.run.point[axis] for each in states] for axis in axes
    }
    return {"run": [each.run.name for each in states], **of_axes, **of_state}


def as_dict(campaign: Campaign, states: list[RunState], unknown: list[Path]) -> dict[str, object]:
    """For `--json`."""
    return {
        "campaign": str(campaign.path),
        "folder": str(campaign.folder),
        "counts": dict(Counter(each.state for each in states)),
        "runs": [each.as_dict() for each in states],
        "not_in_campaign": [str(folder) for folder in unknown],
    }


def _notes(campaign: Campaign, states: list[RunState], unknown: list[Path]) -> list[str]:
    notes = []
    if stale := [each.run.name for each in states if each.state == STALE]:
        notes.append(
            f"stale: the campaign file, or a file that it names, has changed since {', '.join(stale)} began. They are "
            "neither gone on with nor used: put the old value or file back, give the new one a value (and so a name) "
            "of its own, or move the run folders away"
        )
    if any(each.state == FAILED for each in states):
        logs = campaign.folder / LOGS
        notes.append(f"failed: {logs} has what each run said; mend the cause, and start them once more with --again")
    if new := [each.run.name for each in states if each.is_new]:
        notes.append(f"new in the campaign file since the campaign was begun: {', '.join(new)}")
    if unknown:
        names = ", ".join(folder.name for folder in unknown)
        notes.append(f"not in the campaign file (any more), and not used: {names}")
    return notes
