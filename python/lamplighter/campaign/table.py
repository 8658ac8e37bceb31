"""The status table of a campaign, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lamplighter.campaign.campaign_file import Campaign
from lamplighter.campaign.state import STATES, RunState

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
            f"{each.ns_per_day:.3g}" if each.ns_per_day is not None else "",
            words,
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), *(row[n].rjust(widths[n]) for n in (2, 3, 4))]
        lines.append("  ".join([*cells, row[5]]).rstrip())
    return "\n".join([*lines, "", f"{campaign.folder}: {counted(states)}", *_notes(states, unknown)])


def counted(states: list[RunState]) -> str:
    """How many runs are in each state."""
    number = Counter(each.state for each in states)
    return ", ".join([f"{len(states)} runs", *(f"{number[state]} {state}" for state in STATES if number[state])])


def as_dict(campaign: Campaign, states: list[RunState], unknown: list[Path]) -> dict[str, object]:
    """For `--json`."""
    return {
        "campaign": str(campaign.path),
        "folder": str(campaign.folder),
        "counts": dict(Counter(each.state for each in states)),
        "runs": [each.as_dict() for each in states],
        "not_in_campaign": [str(folder) for folder in unknown],
    }


def _notes(states: list[RunState], unknown: list[Path]) -> list[str]:
    notes = []
    if any(each.state == "stale" for each in states):
        notes.append(
            "stale: the campaign file has changed since these runs began. They are neither gone on with nor used: put "
            "the old value back, give the new one a value (and so a name) of its own, or move the run folder away"
        )
    if unknown:
        names = ", ".join(folder.name for folder in unknown)
        notes.append(f"not in the campaign file (any more), and not used: {names}")
    return notes
