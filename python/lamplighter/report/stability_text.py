"""The stability of runs as text, and as figures: the survival curve, and what failed."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lamplighter.analysis.survival import SurvivalCurve
from lamplighter.observables.stability import StabilityOfRuns
from lamplighter.report import table_text
from lamplighter.report.drawing import PALETTE, new_figure
from lamplighter.report.shown import Shown
from lamplighter.report.table_text import Table
from lamplighter.report.text import format_with_error


def format_stability(result: StabilityOfRuns) -> str:
    """A line for each run, then what they say together."""
    rows = [("run", "t_stab / ps", "ended by", "from")]
    for run in result.runs:
        sign = "" if run.failed else "≥ "
        rows.append((run.folder.name or str(run.folder), f"{sign}{run.time_ps:.6g}", run.cause or "–", run.source))
    lines = table_text.rows(rows[0], rows[1:])
    n, failures = len(result.runs), len(result.runs) - result.n_censored
    sign = "≥ " if result.n_censored else ""
    bound = f" (a lower bound: {result.n_censored} of {n} runs did not fail)" if result.n_censored else ""
    mean = format_with_error(result.mean.value, result.mean.standard_error, "ps")
    lines += ["", f"mean t_stab    {sign}{mean}{bound}", f"median t_stab  {_median(result.curve)}"]
    at, low, high = result.stable_at_horizon
    percent = f"{100.0 * result.curve.confidence_level:g} %"
    band = f" ({percent}: {low:.2f} to {high:.2f})" if failures else " (no failure was seen: no band)"
    bounded = "" if result.is_known_at_horizon else "at most "
    lines.append(f"stable at {result.horizon_ps:g} ps with probability {bounded}{at:.2f}{band}")
    causes = ", ".join(f"{cause} {count}" for cause, count in result.causes.items()) or "none"
    lines.append(f"failures       {failures} of {n}: {causes}")
    lines += [f"Note: {run.folder.name}: {note}" for run in result.runs for note in run.notes]
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def stability_figure(result: StabilityOfRuns) -> Figure:
    """The survival curve with its band, censored runs marked on it, and failures by cause."""
    figure, axes = new_figure(1, 2)
    draw_survival(axes[0], result)
    draw_causes(axes[1], result)
    return figure


def draw_survival(axis: Axes, result: StabilityOfRuns) -> None:
    """The survival curve with its band, and the runs that ended without a failure."""
    curve = result.curve
    end = max(run.time_ps for run in result.runs)
    width = 1.03 * end or 1.0  # runs that all end where they begin have an axis, too
    times = [0.0, *curve.times, end]
    values = [[1.0, *each] for each in (curve.survival, curve.low, curve.high)]
    values = [[*each, each[-1]] for each in values]
    axis.step(times, values[0], where="post", color=PALETTE[0], label="Kaplan-Meier")
    if len(curve.times):
        label = f"{100.0 * curve.confidence_level:g} % band"
        axis.fill_between(times, values[1], values[2], step="post", color=PALETTE[0], alpha=0.2, lw=0, label=label)
    censored = [run.time_ps for run in result.runs if not run.failed]
    if censored:
        heights = [curve.at(time)[0] for time in censored]
        axis.plot(censored, heights, "|", color=PALETTE[6], markersize=9, label="ended without a failure")
    axis.set(xlabel="t / ps", ylabel="probability of being stable", ylim=(0.0, 1.05), xlim=(0.0, width))
    axis.legend(fontsize="small", frameon=False, loc="lower left")


def draw_causes(bars: Axes, result: StabilityOfRuns) -> None:
    """How many runs failed of what."""
    names = [*result.causes, "none"]
    counts = [*result.causes.values(), result.n_censored]
    bars.barh(names, counts, color=[*[PALETTE[1]] * len(result.causes), "0.7"])
    bars.invert_yaxis()
    bars.set(xlabel="runs", title="failed of")
    bars.xaxis.set_major_locator(MaxNLocator(integer=True))


def _median(curve: SurvivalCurve) -> str:
    percent = f"{100.0 * curve.confidence_level:g} %"
    if curve.median == float("inf"):
        bound = "" if curve.median_low == float("inf") else f" ({percent}: above {curve.median_low:.6g} ps)"
        return f"not reached{bound}: fewer than half of the runs are known to fail"
    high = "∞" if curve.median_high == float("inf") else f"{curve.median_high:.6g}"
    return f"{curve.median:.6g} ps ({percent}: {curve.median_low:.6g} to {high} ps)"


def stability_table(result: StabilityOfRuns) -> Table:
    """A row each run."""
    header = ["run", "t_stab_ps", "failed", "cause", "source"]
    rows = [[str(run.folder), run.time_ps, int(run.failed), run.cause, run.source] for run in result.runs]
    return Table(header, rows)


def stability_as_json(result: StabilityOfRuns) -> StabilityOfRuns:
    """What `--json` prints: all of it."""
    return result


SHOWN = Shown(
    format_stability, stability_as_json, figures={"survival": stability_figure}, tables={"runs": stability_table}
)
