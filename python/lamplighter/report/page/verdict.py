"""What became of a run, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lamplighter.errors import LamplighterError
from lamplighter.guard_criteria import OF_MODELS, format_limit
from lamplighter.observables.lifetime import RunLifetime
from lamplighter.report.events_text import format_atoms
from lamplighter.report.page.section import ReportedRun
from lamplighter.run_folder.events import Event

State = Literal["held", "failed", "ended", "broken off", "running", "scanned", "not known"]


@dataclass(frozen=True)
class Verdict:
    """Whether a run held.

    Attributes:
        state: "held": to its end without a failure; "failed": it ceased to be physical; "ended": its guard ended it
            because models disagreed; "broken off": something else ended it; "running": so far without a failure.
        sentence: The same with times, and the cause.
    """

    state: State
    sentence: str


def verdict_of(run: ReportedRun) -> Verdict:
    """The verdict from the run's status and its t_stab."""
    first_line = (run.error or "").strip().partition("\n")[0]
    try:
        life = run.lifetime
    except LamplighterError as problem:
        if run.status == "failed":
            return Verdict("broken off", f"Failed{_stage(run)}: {first_line}")
        if run.status == "running":
            return Verdict("running", "Still running, or killed before it could say so; nothing can be said yet.")
        if run.is_scan_alone and run.status == "completed":
            return Verdict("scanned", "A volume scan, completed; there were no dynamics that could hold or fail.")
        return Verdict("not known", f"Its stability is not known: {problem}")
    if life.failed:
        return Verdict("failed", _failure(run, life))
    reached = f"{life.time_ps:.5g} ps{_asked(run)}"
    if run.status == "completed":
        how = "" if life.source == "guard" else ", as far as the frames of its trajectory tell"
        return Verdict("held", f"Held for {reached}: {_nothing(life)}{how}.")
    if run.status == "running":
        return Verdict("running", f"Still running, or killed: {reached} so far; {_nothing(life)}.")
    if run.status == "stopped":
        why = (run.guard and run.guard.criterion) or "its guard"
        return Verdict("ended", f"Ended by its guard at {reached} because of {why}: {_of_models(why)}, nothing broke.")
    if run.status == "failed":
        return Verdict("broken off", f"Broken off{_stage(run)} after {reached}, {_nothing(life)}: {first_line}")
    return Verdict("not known", f"How it ended is not known; {_nothing(life)} for {reached}.")


def _of_models(criterion: str) -> str:
    return "the model left its training set" if criterion == "extrapolation" else "models disagreed"


def asked_ps(run: ReportedRun) -> float | None:
    """How much dynamics the run file asked for, ps; None: it is not recorded."""
    lengths = [stage.length_ps for stage in run.stages if not stage.is_minimisation]
    return sum(each for each in lengths if each is not None) if lengths and None not in lengths else None


def _asked(run: ReportedRun) -> str:
    asked = asked_ps(run)
    return "" if asked is None else f" of {asked:.5g} ps"


def _failure(run: ReportedRun, life: RunLifetime) -> str:
    events = [event for event in run.events if event.criterion not in OF_MODELS]
    event = events[0] if events and life.source == "guard" else None
    step = "" if event is None else f"step {event.step}, "
    text = f"Failed at {step}{life.time_ps:.5g} ps{_asked(run)}: {_cause(run, life, event)}."
    if run.status == "completed":
        text += " The run went on to its end: its guard only recorded."
    return text


def _cause(run: ReportedRun, life: RunLifetime, event: Event | None) -> str:
    if event is None:
        error = (run.error or "").strip().partition("\n")[0]
        return f"{life.cause} ({error})" if life.source == "LAMMPS" and error else str(life.cause)
    atoms = format_atoms(event.atoms, event.elements, event.criterion)
    value = "not finite" if event.value is None else f"{event.value:.4g} {event.unit}".strip()
    limit = format_limit(event.limit, event.unit)
    if event.criterion == "bond stretch":
        return f"the bond {atoms} was {value} longer than bonds of its kind (limit {limit})"
    if event.criterion == "density":
        return f"the density was {value} (bounds {limit})"
    return f"{event.criterion} {value} (limit {limit})" + (f", {atoms}" if atoms else "")


def _nothing(life: RunLifetime) -> str:
    watched = " ".join(life.criteria)
    said = ["no bond broke"] if "bond" in watched else []
    if "density" in watched:
        said.append("the density stayed within its bounds")
    return " and ".join(said) or "no failure was seen"


def _stage(run: ReportedRun) -> str:
    index = run.failed_stage
    if index is None:
        return ""
    stage = run.stages.indexed(index)
    return f" in stage {index}" + (f" ({stage.name})" if stage is not None and stage.name else "")
