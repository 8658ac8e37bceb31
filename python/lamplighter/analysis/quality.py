"""One number for how good a committee's liquid is: stable, of the right density, of the right mobility.

Source: Niblett, Kourtis, Magdău, Grey, Csányi, Transferability of datasets between machine-learning interaction
potentials, equation 1. How it is read here is in `docs/theory/quality.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

ABOUT = 1e-9
"""Relative tolerance with which a run counts as having reached the horizon: times are sums of steps."""

Run = TypeVar("Run")


@dataclass(frozen=True)
class NptRun:
    """A member's run at constant pressure.

    Attributes:
        t_stab: Simulated time to its failure, or to its end where there was none.
        failed: Whether it failed.
        divergence: D_KL(P‖P_ref) of its density; None: it is not known.
    """

    t_stab: float
    failed: bool
    divergence: float | None = None


@dataclass(frozen=True)
class NvtRun:
    """A member's run at constant volume; `diffusivity` in any unit, None: it is not known."""

    t_stab: float
    failed: bool
    diffusivity: float | None = None


@dataclass(frozen=True)
class Term:
    """One of the three terms.

    Attributes:
        value: In [0, 1].
        standard_error: By leaving out one run after the other; nan with a single one, 0 where none enters.
        n_included: Runs that are averaged over.
        n_runs: Runs that there are.
        note: What limits it; empty otherwise.
    """

    value: float
    standard_error: float
    n_included: int
    n_runs: int
    note: str = ""


@dataclass(frozen=True)
class Quality:
    """Q and its terms; `standard_error` is theirs in quadrature, that of the reference not included.

    Attributes:
        lower_bound: Whether a run ended before the horizon without a failure: with more time Q may be larger.
    """

    value: float
    standard_error: float
    stability: Term
    density: Term
    diffusivity: Term
    lower_bound: bool


def quality(
    npt: Sequence[NptRun],
    nvt: Sequence[NvtRun],
    noise: float,
    reference_diffusivity: float | None,
    horizon: float,
) -> Quality:
    """Q = ⟨min(1, t_NPT/h)⟩ + {1 − tanh[max(0, ⟨D_KL⟩ − noise)]} + {1 − tanh(|⟨D⟩ − D_ref|/D_ref)}.

    The averages in the second and third term are over the runs that are stable to the horizon h; a term without any
    is 0.

    Args:
        npt, nvt: One run for each member of the committee; `npt` has at least one.
        noise: D_KL between references that differ in their seed, ≥ 0.
        reference_diffusivity: In the unit of the runs'; None: the third term is 0.
        horizon: In the unit of the runs' times.

    Raises:
        ValueError: no run at constant pressure, or a number that is out of its range.
    """
    if not npt:
        raise ValueError("Q needs at least one run at constant pressure")
    if not (horizon > 0.0 and math.isfinite(horizon)):
        raise ValueError(f"the horizon must be > 0, got {horizon:g}")
    if not (noise >= 0.0 and math.isfinite(noise)):
        raise ValueError(f"the noise must be ≥ 0, got {noise:g}")
    if reference_diffusivity is not None and not reference_diffusivity > 0.0:
        raise ValueError(f"the reference's diffusivity must be > 0, got {reference_diffusivity:g}")

    def of_density(runs: Sequence[NptRun]) -> float:
        known = [run.divergence for run in runs if _stable(run, horizon) and run.divergence is not None]
        return 1.0 - math.tanh(max(0.0, float(np.mean(known)) - noise)) if known else 0.0

    def of_diffusivity(runs: Sequence[NvtRun]) -> float:
        known = [run.diffusivity for run in runs if _stable(run, horizon) and run.diffusivity is not None]
        if not known or reference_diffusivity is None:
            return 0.0
        return 1.0 - math.tanh(abs(float(np.mean(known)) - reference_diffusivity) / reference_diffusivity)

    def of_stability(runs: Sequence[NptRun]) -> float:
        return float(np.mean([_reached(run, horizon) for run in runs]))

    everyone: list[NptRun | NvtRun] = [*npt, *nvt]
    unfinished = sum(not run.failed and not _stable(run, horizon) for run in everyone)
    included = sum(_stable(run, horizon) and run.divergence is not None for run in npt)
    moving = sum(_stable(run, horizon) and run.diffusivity is not None for run in nvt)
    stability = _term(of_stability, npt, len(npt), "")
    density = _term(of_density, npt, included, "" if included else _none_of(npt, horizon, "density"))
    note = "" if moving and reference_diffusivity is not None else _none_of(nvt, horizon, "diffusivity")
    mobility = _term(of_diffusivity, nvt, moving, note)
    terms = (stability, density, mobility)
    error = math.sqrt(sum(term.standard_error**2 for term in terms))
    return Quality(sum(term.value for term in terms), error, *terms, lower_bound=unfinished > 0)


def _stable(run: NptRun | NvtRun, horizon: float) -> bool:
    return run.t_stab >= horizon * (1.0 - ABOUT)


def _reached(run: NptRun | NvtRun, horizon: float) -> float:
    return 1.0 if _stable(run, horizon) else run.t_stab / horizon


def _none_of(runs: Sequence[NptRun] | Sequence[NvtRun], horizon: float, what: str) -> str:
    if not runs:
        return f"no runs for the {what}: 0"
    if not any(_stable(run, horizon) for run in runs):
        return "no run is stable to the horizon: 0"
    return f"no {what} to compare: 0"


def _term(value: Callable[[Sequence[Run]], float], runs: Sequence[Run], n_included: int, note: str) -> Term:
    error = _jackknife(value, runs) if n_included else 0.0  # a term that no run enters is 0 whatever is left out
    return Term(value(runs), error, n_included, len(runs), note)


def _jackknife(value: Callable[[Sequence[Run]], float], runs: Sequence[Run]) -> float:
    """Standard error of a function of runs, leaving out one after the other; nan with one, 0 with none."""
    n = len(runs)
    if n == 0:
        return 0.0
    if n == 1:
        return math.nan
    without = np.array([value([*runs[:place], *runs[place + 1 :]]) for place in range(n)])
    return math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
