"""The stability of a set of runs: t_stab of each, their mean, the survival curve, what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lamplighter.analysis.series import Estimate
from lamplighter.analysis.survival import SurvivalCurve, kaplan_meier, mean_time
from lamplighter.observables.lifetime import RunLifetime, read_lifetime
from lamplighter.report.drawing import PALETTE, new_figure, save
from lamplighter.report.text import format_with_error
from lamplighter.run_folder.system import require_same_system


@dataclass(frozen=True)
class StabilityOfRuns:
    """What a set of runs says together.

    Attributes:
        runs: Each run.
        mean: Of the observed times, ps; a lower bound of the mean time to failure where `n_censored` > 0.
        curve: Kaplan-Meier.
        n_censored: Runs that did not fail.
        causes: How many failed of which criterion.
        horizon_ps: Where the probability of being stable is told, ps.
        stable_at_horizon: That probability, and its band.
        n_undecided: Runs that ended before the horizon without a failure.
        notes: What limits the numbers.
    """

    runs: list[RunLifetime]
    mean: Estimate
    curve: SurvivalCurve
    n_censored: int
    causes: dict[str, int]
    horizon_ps: float
    stable_at_horizon: tuple[float, float, float]
    n_undecided: int
    notes: list[str]


def stability_of_runs(
    folders: Sequence[Path], horizon_ps: float = 1000.0, confidence_level: float = 0.95
) -> StabilityOfRuns:
    """Read the runs and put them together.

    Raises:
        RunFolderError: a run cannot be judged, or they are of different systems.
    """
    return stability_of_lifetimes([read_lifetime(folder) for folder in folders], horizon_ps, confidence_level)


def stability_of_lifetimes(
    runs: Sequence[RunLifetime], horizon_ps: float = 1000.0, confidence_level: float = 0.95
) -> StabilityOfRuns:
    """Put runs together; else as `stability_of_runs`."""
    require_same_system((run.folder, run.system) for run in runs)
    times, failed = [run.time_ps for run in runs], [run.failed for run in runs]
    curve = kaplan_meier(times, failed, confidence_level)
    undecided = sum(not run.failed and run.time_ps < horizon_ps * (1.0 - 1e-9) for run in runs)
    notes = []
    watched = {"; ".join(sorted(run.criteria)) for run in runs}
    if len(watched) > 1:
        notes.append(f"the runs were not watched alike: {' | '.join(sorted(watched))}")
    if undecided:
        notes.append(f"{undecided} of {len(runs)} runs ended before {horizon_ps:g} ps without a failure")
    longest = max(times)
    if undecided and longest < horizon_ps * (1.0 - 1e-9):
        notes.append(f"no run is known to {horizon_ps:g} ps: the probability there is that at {longest:g} ps at most")
    causes = Counter(str(run.cause) for run in runs if run.failed)
    return StabilityOfRuns(
        runs=list(runs),
        mean=mean_time(times, failed),
        curve=curve,
        n_censored=failed.count(False),
        causes=dict(causes.most_common()),
        horizon_ps=horizon_ps,
        stable_at_horizon=curve.at(horizon_ps),
        n_undecided=undecided,
        notes=notes,
    )


def format_stability(result: StabilityOfRuns) -> str:
    """A line for each run, then what they say together."""
    rows = [("run", "t_stab / ps", "ended by", "from")]
    for run in result.runs:
        sign = "" if run.failed else "≥ "
        rows.append((run.folder.name or str(run.folder), f"{sign}{run.time_ps:.6g}", run.cause or "–", run.source))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    n, failures = len(result.runs), len(result.runs) - result.n_censored
    sign = "≥ " if result.n_censored else ""
    bound = f" (a lower bound: {result.n_censored} of {n} runs did not fail)" if result.n_censored else ""
    mean = format_with_error(result.mean.value, result.mean.standard_error, "ps")
    lines += ["", f"mean t_stab    {sign}{mean}{bound}", f"median t_stab  {_median(result.curve)}"]
    at, low, high = result.stable_at_horizon
    percent = f"{100.0 * result.curve.confidence_level:g} %"
    band = f" ({percent}: {low:.2f} to {high:.2f})" if failures else " (no failure was seen: no band)"
    lines.append(f"stable at {result.horizon_ps:g} ps with probability {at:.2f}{band}")
    causes = ", ".join(f"{cause} {count}" for cause, count in result.causes.items()) or "none"
    lines.append(f"failures       {failures} of {n}: {causes}")
    lines += [f"Note: {run.folder.name}: {note}" for run in result.runs for note in run.notes]
    return "\n".join(lines + [f"Note: {note}" for note in result.notes])


def draw_stability(result: StabilityOfRuns, path: Path) -> None:
    """The survival curve with its band, censored runs marked on it, and failures by cause.

    Raises:
        LamplighterError: the file cannot be written.
    """
    figure, axes = new_figure(1, 2)
    draw_survival(axes[0], result)
    draw_causes(axes[1], result)
    save(figure, path)


def draw_survival(axis: Axes, result: StabilityOfRuns) -> None:
    """The survival curve with its band, and the runs that ended without a failure."""
    curve = result.curve
    end = max(run.time_ps for run in result.runs)
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
    axis.set(xlabel="t / ps", ylabel="probability of being stable", ylim=(0.0, 1.05), xlim=(0.0, 1.03 * end))
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
