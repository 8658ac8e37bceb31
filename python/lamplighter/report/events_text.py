"""The events of a run as a table for the terminal."""

from __future__ import annotations

from lamplighter.guard_criteria import format_limit
from lamplighter.report import table_text
from lamplighter.report.text import format_scan_status
from lamplighter.run_folder.events import Event
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.status import GuardStatus

EVENT_COLUMNS = ("step", "time / ps", "criterion", "value", "limit", "atoms", "ranks")
_MOST_ATOMS = 8


def format_events(run: Run) -> str:
    """A line for each event, what is known of its cause, then how the run ended and what was watched."""
    causes = [f"Step {event.step}: {event.cause}" for event in run.events if event.cause]
    return "\n".join([*_table(run), *causes, *([""] if run.events else []), *format_ending(run)])


def format_atoms(atoms: list[int], elements: list[str], criterion: str) -> str:
    """`C 1, H 7`, or for bonds `C 1–H 7`; at most the first eight atoms."""
    named = [f"{element} {atom}" for atom, element in zip(atoms, elements, strict=False)]
    shown = named[:_MOST_ATOMS]
    if criterion.startswith("bond"):
        shown = ["–".join(shown[place : place + 2]) for place in range(0, len(shown), 2)]
    return ", ".join(shown) + (", …" if len(named) > _MOST_ATOMS else "")


def _table(run: Run) -> list[str]:
    if not run.events:
        return []
    rows = [EVENT_COLUMNS, *(event_row(run, event) for event in run.events)]
    return table_text.rows(rows[0], rows[1:])


def event_row(run: Run, event: Event) -> tuple[str, ...]:
    """An event in the order of `EVENT_COLUMNS`."""
    time = run.stages.time_of_step(event.step)
    if time is None:
        time = event.time
    return (
        str(event.step),
        "–" if time is None else f"{time:.6g}",
        event.criterion,
        "not finite" if event.value is None else f"{event.value:.6g} {event.unit}".rstrip(),
        format_limit(event.limit, event.unit),
        format_atoms(event.atoms, event.elements, event.criterion) or "–",
        ", ".join(str(rank) for rank in sorted(set(event.ranks))) or "–",
    )


def format_ending(run: Run) -> list[str]:
    """How the run ended and what was watched, in sentences."""
    guard = run.guard or GuardStatus([])
    criteria = guard.criteria
    until = "" if guard.time_ps is None else f" {guard.time_ps:.6g} ps"
    step = "" if guard.step is None else f" (step {guard.step})"
    if run.status == "stopped":
        ending = f"The guard ended the run at{until}{step}: {guard.criterion}."
    elif run.status == "failed":
        stage = "" if run.failed_stage is None else f" in stage {run.failed_stage}"
        ending = f"The run failed{stage}: {run.error}"
    elif run.status == "completed":
        ending = f"The run was completed{f', to{until}{step}' if until else ''}."
    elif run.status == "running":
        ending = "The run is still going on, or was killed."
    else:
        ending = "How the run ended is not known: status.json is missing or cannot be read."
    if run.volume_scan is not None:
        ending += f" {format_scan_status(run.volume_scan)}"
    if run.is_scan_alone:
        return ["No events: the run is a volume scan, without any stages.", ending]
    if not run.events and not criteria:
        return ["No events: nothing was watched (the run file has no guard).", ending]
    watched = [f"Watched: {'; '.join(criteria)}; finite; lost."] if criteria else []
    return [*(["No events."] if not run.events else []), ending, *watched]
