"""The stability of a set of runs: t_stab of each, their mean, the survival curve, what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lamplighter.analysis.series import Estimate
from lamplighter.analysis.survival import SurvivalCurve, kaplan_meier, mean_time
from lamplighter.observables.lifetime import RunLifetime, lifetime_of_run
from lamplighter.run_folder.run import Run
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

    @property
    def is_known_at_horizon(self) -> bool:
        """Whether a run was watched as far as the horizon, or all failed before; else the probability is a bound."""
        watched = any(run.time_ps >= self.horizon_ps * (1.0 - 1e-9) for run in self.runs)
        return watched or not self.n_undecided


def stability_of_runs(
    runs: Sequence[Run], horizon_ps: float = 1000.0, confidence_level: float = 0.95
) -> StabilityOfRuns:
    """How long each run was stable, put together.

    Raises:
        RunFolderError: a run cannot be judged, or they are of different systems.
    """
    return stability_of_lifetimes([lifetime_of_run(run) for run in runs], horizon_ps, confidence_level)


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
