"""What came of labelling a file, as text, as a table of its frames, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table

if TYPE_CHECKING:
    from lamplighter.labelling.labelling import Labelling

FAILURES_SHOWN = 5


def format_labelling(result: Labelling) -> str:
    """How many frames have labels, where they are, and why others have none."""
    n = len(result.frames)
    lines = [f"{_method(result)}: {result.n_labelled} of {n} frame{'' if n == 1 else 's'} labelled"]
    if result.output is not None:
        stresses = sum(each.pressure == each.pressure for each in result.frames)
        what = "energy, forces, stress" if stresses == result.n_labelled else "energy, forces"
        what += f", stress of {stresses}" if 0 < stresses < result.n_labelled else ""
        lines.append(f"  {result.output}: {what}")
    if result.failed_output is not None:
        lines.append(f"  {result.failed_output}: {len(result.failures)} failed")
        lines += [f"    frame {each.frame} ({each.formula}): {each.why}" for each in result.failures[:FAILURES_SHOWN]]
        left = len(result.failures) - FAILURES_SHOWN
        if left > 0:
            lines.append(f"    and {left} more")
    lines.append(f"  {result.record}: method, versions, parameters")
    known = [f"{result.output} was complete: nothing was evaluated"] if result.was_complete else []
    return "\n".join(lines + [f"Note: {note}" for note in (*result.notes, *known)])


def _method(result: Labelling) -> str:
    said = str(result.provenance.get("description") or "")
    versions = [f"{name} {version}" for name, version in result.provenance.get("versions", {}).items()]
    inside = ", ".join(each for each in (said, *versions) if each)
    return f"{result.method} ({inside})" if inside else result.method


def labelling_table(result: Labelling) -> Table:
    """A row each frame."""
    why = {each.frame: each.why for each in result.failures}
    header = ["frame", "atoms", "energy_eV", "largest_force_eV_A", "pressure_eV_A3", "seconds", "failure"]
    rows = [
        [
            each.frame,
            each.n_atoms,
            each.energy,
            each.largest_force,
            each.pressure,
            each.seconds,
            why.get(each.frame, ""),
        ]
        for each in result.frames
    ]
    return Table(header, rows)


def labelling_as_json(result: Labelling) -> Any:
    """What `--json` prints: all of it."""
    return result


SHOWN = Shown(format_labelling, labelling_as_json, tables={"frames": labelling_table})
