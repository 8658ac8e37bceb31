"""What came of checking a trajectory, as text, JSON and a table."""

from __future__ import annotations

from typing import Any

from lamplighter.analysis.stability_check import CheckResult, Violation
from lamplighter.guard_criteria import UNITS, format_limit
from lamplighter.observables.trajectory_check import Check
from lamplighter.report.events_text import format_atoms
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

_MOST_LINES = 50


def format_check(made: Check) -> str:
    """The first violation with its evidence, the others in a line each, t_stab, and what was watched."""
    result, n_bonds, reference = made.outcome, made.n_bonds, made.reference
    lines: list[str] = []
    if result.violations:
        lines += _first(result.violations[0], reference)
        others = result.violations[1:]
        lines += [f"then: {_line(each)}" for each in others[:_MOST_LINES]]
        if len(others) > _MOST_LINES:
            lines.append(f"and {len(others) - _MOST_LINES} more (all of them: --json)")
    elif n_bonds == 0:
        lines.append("No t_stab: there are no bonds, so the bond criterion watched nothing; nothing else was violated.")
    else:
        lines.append("No violation.")
    if result.fails_at_once:
        lines.append(
            "No t_stab: the trajectory begins beyond the limit. Limits that fit the system are needed (--density-start "
            "for bounds around the start's density), or another start (--start)."
        )
    elif not (result.censored and n_bonds == 0):
        lines.append(_t_stab(result))
    else:
        lines.append(f"The other criteria held up to {_end(result)}.")
    frames = f"{result.n_frames} frame{'s' if result.n_frames != 1 else ''}"
    bonds = "" if n_bonds is None else f", {n_bonds} bonds (reference {reference})"
    lines.append(f"Checked: {frames}{bonds}: {'; '.join([*made.criteria, 'finite', 'lost'])}.")
    if made.molecules:
        lines.append(f"Molecules: {made.molecules}.")
    return "\n".join(lines + [f"Note: {note}" for note in made.notes])


def _first(violation: Violation, reference: str) -> list[str]:
    unit = UNITS[violation.criterion]
    lines = [f"First violation: {violation.criterion}, {_when(violation)}"]
    if violation.criterion not in ("finite", "lost"):
        lines.append(f"  value  {_value(violation)}, limit {format_limit(violation.limit, unit)}")
    elif violation.criterion == "lost":
        lines.append(f"  value  {violation.value:.0f} atoms lost or new")
    if violation.atoms:
        named = format_atoms(violation.atoms, violation.elements, violation.criterion)
        lines.append(f"  atoms  {named}")
    if violation.reference_length is not None:
        lines.append(f"  bond   compared with {violation.reference_length:.5g} Å ({reference})")
    return lines


def _line(violation: Violation) -> str:
    atoms = format_atoms(violation.atoms, violation.elements, violation.criterion)
    value = "" if violation.criterion in ("finite", "lost") else f", {_value(violation)}"
    return f"{violation.criterion}, {_when(violation)}{value}" + (f" ({atoms})" if atoms else "")


def _value(violation: Violation) -> str:
    if violation.value is None:
        return "not finite"
    return f"{violation.value:.6g} {UNITS[violation.criterion]}".rstrip()


def _when(violation: Violation) -> str:
    known = []
    if violation.step is not None:
        known.append(f"step {violation.step}")
    if violation.time_ps is not None:
        known.append(f"{violation.time_ps:.6g} ps")
    return f"frame {violation.frame}" + (f" ({', '.join(known)})" if known else "")


def _end(result: CheckResult) -> str:
    return f"frame {result.last_index}" if result.t_stab_ps is None else f"{result.t_stab_ps:.6g} ps"


def _t_stab(result: CheckResult) -> str:
    if result.t_stab_ps is None:
        end = result.violations[0].frame if result.violations else result.last_index
        sign = "≥ " if result.censored else ""
        return f"t_stab {sign or '= '}{end} frames (times are not known: give --timestep or --dt)"
    if result.censored:
        return f"t_stab ≥ {result.t_stab_ps:.6g} ps (censored: the trajectory ends there)"
    before = ""
    if result.last_good_ps is not None and result.first_ps is not None:
        before = f" (the frame before, at {result.last_good_ps - result.first_ps:.6g} ps, was still good)"
    return f"t_stab = {result.t_stab_ps:.6g} ps{before}"


def check_as_json(made: Check) -> dict[str, Any]:
    """What `--json` prints."""
    result = made.outcome
    return {
        "t_stab_ps": made.t_stab_ps,
        "censored": result.censored,
        "last_good_ps": result.last_good_ps,
        "violations": result.violations,
        "n_frames": result.n_frames,
        "n_bonds": made.n_bonds,
        "bond_criterion_watches_nothing": made.n_bonds == 0,
        "molecules": made.molecules,
        "reference": made.reference,
        "criteria": made.criteria,
        "notes": made.notes,
    }


def check_table(made: Check) -> Table:
    """A row each violation; of a density outside its bounds `limit` has both."""
    header = ("frame", "step", "time_ps", "criterion", "value", "limit", "unit", "atoms", "elements")
    rows = [
        (
            each.frame,
            each.step,
            each.time_ps,
            each.criterion,
            each.value,
            " ".join(f"{bound:.10g}" for bound in each.limit) if isinstance(each.limit, tuple) else each.limit,
            UNITS[each.criterion],
            " ".join(map(str, each.atoms)),
            " ".join(each.elements),
        )
        for each in made.outcome.violations
    ]
    return Table(header, rows)


SHOWN = Shown(format_check, check_as_json, tables={"violations": check_table})
