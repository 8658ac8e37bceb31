"""Under which conditions: the stages of a run, what was asked for and how far each came, and their means."""

from __future__ import annotations

from typing import Any

from lamplighter.observables.stage_summary import summarise_stage
from lamplighter.report.page.content import Block, Content, Facts, Missing, Table
from lamplighter.report.page.section import ReportedRun, Section
from lamplighter.report.text import format_estimate


def make(run: ReportedRun) -> Content:
    """What the run file asked for and `status.json` and the thermo table say was done."""
    asked = run.run_file.get("stages") or []
    summaries = [summarise_stage(run, stage) for stage in run.stages]
    rows, means = [], []
    for stage, summary in zip(run.stages, summaries, strict=True):
        given = asked[stage.index] if stage.index < len(asked) and isinstance(asked[stage.index], dict) else {}
        rows.append(_row(given, summary))
        for name, mean in (summary.get("means") or {}).items():
            means.append((summary["name"], name.replace("_", " "), format_estimate(mean), summary["averaged_over"]))
        if summary.get("drift"):
            drift = summary["drift"]
            means.append((summary["name"], "drift of total energy", format_estimate(drift), drift["method"]))
    scan = run.asked("workflow").get("volume_scan")
    if run.is_scan_alone:
        return Content(blocks=[Facts([("Volume scan", describe(scan))])], data={"stages": []})
    facts = [("Timestep", str(run.run_file.get("timestep") or "not recorded"))]
    velocities = run.asked("velocities")
    if velocities:
        facts.append(("First velocities", describe(velocities)))
    guard = run.guard.criteria if run.guard is not None else []
    watched = "; ".join([*guard, "finite", "lost"]) if guard else "nothing (the run file has no guard)"
    facts.append(("Watched by the guard", watched))
    if scan:
        facts.append(("Volume scan of the last configuration", describe(scan)))
    head = ("stage", "type", "temperature", "pressure", "thermostat", "barostat", "asked for", "done", "speed")
    blocks: list[Block] = [Facts(facts), Table("stages", "Stages, in sequence.", head, rows)]
    if means:
        caption = "Means of each stage; errors from the integrated autocorrelation time."
        blocks.append(Table("stage_means", caption, ("stage", "quantity", "mean", "averaged over"), means))
    if not run.run_file:
        blocks.append(Missing("What was asked for", "run.yaml is missing or cannot be read"))
    return Content(blocks=blocks, data={"stages": summaries})


def _row(given: dict[str, Any], summary: dict[str, Any]) -> tuple[str, ...]:
    length = summary.get("length_ps")
    done = f"{summary['steps_done']} steps" if length is None else f"{length:.4g} ps"
    speed = summary.get("ns_per_day")
    return (
        summary["name"],
        str(summary["type"] or "not recorded"),
        describe(given.get("temperature")),
        describe(given.get("pressure")),
        describe(given.get("thermostat")),
        describe(given.get("barostat")),
        describe(given.get("length")),
        done,
        f"{speed:.3g} ns/day" if speed else "–",
    )


def describe(value: Any) -> str:
    """A value of a run file in words: ramps as `300 K → 500 K`, sections as `svr, damping 50 fs`."""
    if value is None or value == "" or value == [] or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " → ".join(describe(each) for each in value)
    if isinstance(value, dict):
        words = [str(value["type"])] if "type" in value else []
        words += [
            f"{name.replace('_', ' ')} {describe(each)}" for name, each in value.items() if name != "type" and each
        ]
        return ", ".join(words)
    return str(value)


SECTION = Section("conditions", "Conditions", "about", make)
