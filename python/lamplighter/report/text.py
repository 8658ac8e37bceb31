"""A summary as a few lines for the terminal."""

from __future__ import annotations

from typing import Any

from lamplighter.analysis.series import CONSTANT, format_with_error
from lamplighter.run_folder.status import ScanStatus


def format_summary(summary: dict[str, Any]) -> str:
    """The summary of `run_report` as plain text: status, then each stage with its means ± standard errors."""
    lines = [_headline(summary)]
    for stage in summary["stages"]:
        lines += ["", *_stage_lines(stage)]
    if summary.get("volume_scan"):
        lines += ["", format_scan_status(ScanStatus.of(summary["volume_scan"]))]
    if summary["notes"]:
        lines.append("")
        lines += [f"Note: {note}" for note in summary["notes"]]
    return "\n".join(lines)


def format_scan_status(scan: ScanStatus) -> str:
    """How far the volume scan of a run has come, in a sentence."""
    why = f", because {scan.note}" if scan.note else ""
    return f"Volume scan: {scan.status}{why}."


def _headline(summary: dict[str, Any]) -> str:
    parts = [f"Run {summary['status']}"]
    if summary["natoms"]:
        parts.append(f"{summary['natoms']} atoms")
    if summary["ranks"]:
        threads = summary["threads_per_rank"] or 1
        ranks = summary["ranks"]
        parts.append(f"{ranks} rank{'s' if ranks != 1 else ''} × {threads} thread{'s' if threads != 1 else ''}")
    if summary["wall_s"] is not None:
        parts.append(f"{summary['wall_s']:.4g} s")
    headline = ", ".join(parts)
    stability = summary.get("stability")
    if stability and stability["cause"]:
        headline += f"\nThe guard ended it at {stability['t_stab_ps']:.6g} ps: {stability['cause']} (events.jsonl)"
        if stability.get("explanation"):
            headline += f"\n{stability['explanation']}"
    elif stability and stability.get("note"):
        headline += f"\nThe guard found nothing up to {stability['t_stab_ps']:.6g} ps, but {stability['note']}"
    elif stability:
        headline += f"\nThe guard found nothing: stable for at least {stability['t_stab_ps']:.6g} ps"
    committee = summary.get("committee")
    if committee and committee["variance_max_eV2_A2"] is not None:
        headline += (
            f"\nCommittee of {committee['models']}: largest force variance {committee['variance_max_eV2_A2']:.3g} "
            f"eV²/Å² at {committee['variance_max_at_ps']:.6g} ps, median of the largest "
            f"{committee['median_variance_max_eV2_A2']:.3g} (committee.csv)"
        )
    if summary["error"]:
        stage = summary["failed_stage"]
        where = f" in stage {stage}" if stage is not None else ""
        headline += f"\nFailed{where}: {summary['error']}"
    return headline


def _stage_lines(stage: dict[str, Any]) -> list[str]:
    type_name = f" ({stage['type']})" if stage["type"] and stage["type"] != stage["name"] else ""
    head = f"Stage {stage['index']} {stage['name']}{type_name}: {stage['steps_done']} steps"
    if stage.get("length_ps"):
        head += f", {stage['length_ps']:.4g} ps"
    if stage["wall_s"]:
        head += f", {stage['wall_s']:.4g} s, {stage['steps_per_s']:.3g} steps/s"
    if stage.get("ns_per_day"):
        head += f", {stage['ns_per_day']:.3g} ns/day"
    lines = [head]
    if stage.get("energy_after_eV_per_atom") is not None:
        before, after = stage["energy_before_eV_per_atom"], stage["energy_after_eV_per_atom"]
        lines.append(f"  {'energy':<18}{_number(before)} → {_number(after)} eV/atom")
    for name, mean in stage.get("means", {}).items():
        lines.append(f"  {name.replace('_', ' '):<18}{format_estimate(mean)}")
    if stage.get("drift"):
        lines.append(f"  {'energy drift':<18}{format_estimate(stage['drift'])}")
    if stage.get("averaged_over") and stage.get("means"):
        lines.append(f"  {'means':<18}{stage['averaged_over']}")
    return lines + [f"  Note: {note}" for note in stage["notes"]]


def format_estimate(estimate: dict[str, Any]) -> str:
    """An `Estimate` as a dict: value ± error, or why there is no error bar."""
    if estimate["note"] == CONSTANT:  # the density where the volume is fixed
        return f"{estimate['value']:.5g} {estimate['unit']} (constant)"
    text = format_with_error(estimate["value"], estimate["standard_error"], estimate["unit"])
    if not estimate["note"]:
        return text
    if estimate["value"] is None:
        return f"{text} ({estimate['note']})"
    return text.removesuffix(" (no error bar)") + f" (no error bar: {estimate['note']})"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.6g}"
