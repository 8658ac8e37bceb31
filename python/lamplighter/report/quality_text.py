"""The quality metric Q as text and JSON."""

from __future__ import annotations

import math

from lamplighter.json_text import plain
from lamplighter.observables.diffusivity import TO_1E6_CM2_S
from lamplighter.observables.quality import QualityOfRuns
from lamplighter.report import table_text
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error


def format_quality(result: QualityOfRuns) -> str:
    """Each run, the three terms, and Q."""
    rows: list[tuple[str, ...]] = [("run", "ensemble", "t_stab / ps", "ρ / (g/cm³)", "D_KL", "D / (×10⁻⁶ cm²/s)")]
    for each in result.members:
        sign = "" if each.lifetime.failed else "≥ "
        moving = None if each.diffusivity is None else each.diffusivity * TO_1E6_CM2_S
        rows.append(
            (
                each.lifetime.folder.name,
                each.ensemble,
                f"{sign}{each.lifetime.time_ps:.6g}" + ("" if each.stable else " (not stable)"),
                *(_number(value) for value in (each.density, each.divergence, moving)),
            )
        )
    lines = table_text.rows(rows[0], rows[1:])
    made = result.quality
    lines.append("")
    for name, term in (("stability", made.stability), ("density", made.density), ("diffusivity", made.diffusivity)):
        note = f": {term.note}" if term.note else ""
        value = format_with_error(term.value, term.standard_error, "").rstrip().replace("  (", " (")
        lines.append(f"{name:<12} {value}  ({term.n_included} of {term.n_runs} runs{note})")
    bound = ", a lower bound: some runs ended before the horizon without a failure" if made.lower_bound else ""
    total = format_with_error(made.value, made.standard_error, "").rstrip().replace("  (", " (")
    lines.append(f"Q            {total}{bound}")
    known = "none" if result.reference_diffusivity is None else f"{result.reference_diffusivity * TO_1E6_CM2_S:.4g}"
    lines.append(
        f"reference    D_KL between references (noise) {result.noise:.4g}; D {known} ×10⁻⁶ cm²/s; horizon "
        f"{result.horizon_ps:g} ps"
    )
    lines.append("The errors come from the spread of the runs; that of the reference is not in them.")
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def quality_as_json(result: QualityOfRuns) -> dict[str, object]:
    """What `--json` prints."""
    return {**plain(result), "reference_diffusivity": result.reference_diffusivity}


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.4g}"


def quality_table(result: QualityOfRuns) -> Table:
    """A row each run."""
    header = ["run", "ensemble", "t_stab_ps", "failed", "stable", "density_g_cm3", "D_KL", "D_1e-6_cm2_s"]
    rows = [
        [
            str(each.lifetime.folder),
            each.ensemble,
            each.lifetime.time_ps,
            int(each.lifetime.failed),
            int(each.stable),
            each.density,
            each.divergence,
            None if each.diffusivity is None else each.diffusivity * TO_1E6_CM2_S,
        ]
        for each in result.members
    ]
    return Table(header, rows)


SHOWN = Shown(format_quality, quality_as_json, tables={"runs": quality_table})
