"""What a step of dynamics costs on several ranks: four terms fitted to times, and what they say of other sizes.

A rank owns N/P atoms, knows G ghosts (copies of others' atoms within the ghost cutoff) and exchanges M messages each
time that positions, forces or features travel. A step takes t = a N/P + b G + c M + d (docs/theory/scaling.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from lamplighter.arrays import Floats

TERMS = ("atoms", "ghosts", "messages", "constant")
"""The names of a, b, c and d."""

UNITS = ("s/atom", "s/ghost", "s/message", "s")

_OF_WORK, _OF_EXCHANGE = (0, 1, 3), (1, 2)
"""The terms that are fitted to what a rank computes, and to what it exchanges: ghosts cost in both."""

RESAMPLINGS = 400


@dataclass(frozen=True)
class StepCost:
    """The fitted terms.

    Attributes:
        values: a, b, c, d in seconds; 0 of a term that is not known.
        errors: One standard error of each; nan: not known.
        known: Whether the times tell the term.
        told_apart: Whether all terms that there are could be told apart.
        residuals: (measured - fitted) / measured, of each time.
        samples: Terms of resampled times, shape (RESAMPLINGS, 4): what errors of predictions come from.
        notes: Which terms are not known, and why.
    """

    values: Floats
    errors: Floats
    known: tuple[bool, bool, bool, bool]
    told_apart: bool
    residuals: Floats
    samples: Floats
    notes: tuple[str, ...]

    def seconds(self, predictors: Floats) -> tuple[float, float]:
        """Time of a step and its standard error, s, for N/P, G, M and 1."""
        return float(predictors @ self.values), float(np.std(self.samples @ predictors))

    def shares(self, predictors: Floats) -> Floats:
        """The four terms of a step, s."""
        return np.asarray(predictors * self.values, dtype=float)


def fit(
    predictors: Floats,
    seconds: Floats,
    errors: Floats,
    exchange: Floats | None = None,
    exchange_errors: Floats | None = None,
    seed: int = 1,
) -> StepCost:
    """Non-negative least squares of relative differences; errors by resampling.

    What ranks exchange is fitted by itself, as b G + c M, and all else as a N/P + b G + d: messages are a small part of
    a step, and would else be given what ranks lose by sharing caches and memory. On one rank nothing is exchanged that
    a message would be needed for, and the copies of periodic images count as work.

    Each time is drawn again about its fitted value, with the larger one of its own error and of the scatter of the
    fit, so that what the terms cannot describe widens the errors.

    Args:
        predictors: N/P, G, M and 1 of each time, shape (n, 4).
        seconds: Of a step, shape (n,), positive.
        errors: One standard error of each, shape (n,), s.
        exchange: What of it is exchange between ranks, without waiting for them, shape (n,), s; None: nothing is known
            of it.
        exchange_errors: One standard error of each, shape (n,), s; None: not known.
        seed: Of the resampling.

    Raises:
        ValueError: there is no time, or one is not positive.

    Source: C. L. Lawson, R. J. Hanson, Solving Least Squares Problems (1974), chapter 23.
    """
    if not len(seconds) or not np.all(seconds > 0.0):
        raise ValueError("times of steps must be positive, and one at the least must be there")
    generator = np.random.default_rng(seed)
    several = predictors[:, 2] > 0.0
    sent = np.zeros(len(seconds)) if exchange is None else np.where(several, np.minimum(exchange, 0.9 * seconds), 0.0)
    work = _fit(predictors, seconds - sent, errors, _OF_WORK, generator)
    notes = list(work.notes)
    parts = [work]
    if np.any(sent > 0.0):
        at = sent > 0.0
        own = np.zeros(len(sent)) if exchange_errors is None else exchange_errors
        parts.append(_fit(predictors[at], sent[at], own[at], _OF_EXCHANGE, generator))
        notes += parts[1].notes
    else:
        notes.append("messages: no measurement has any" if not several.any() else "messages: exchange was not measured")
    values, spread = sum(each.values for each in parts), np.full(4, math.nan)
    samples = np.asarray(sum(each.samples for each in parts))
    known = tuple(any(k in each.active for each in parts) for k in range(4))
    spread[list(known)] = samples[:, list(known)].std(axis=0)
    left = seconds - predictors @ work.values
    if len(parts) == 2:
        left -= np.where(sent > 0.0, predictors @ parts[1].values, 0.0)
    apart = all(each.told_apart for each in parts) and (len(parts) == 2 or not several.any())
    return StepCost(values, spread, known, apart, left / seconds, samples, tuple(dict.fromkeys(notes)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Fitted:
    values: Floats
    samples: Floats
    active: tuple[int, ...]
    told_apart: bool
    notes: tuple[str, ...]


def _fit(
    predictors: Floats, seconds: Floats, errors: Floats, terms: tuple[int, ...], generator: np.random.Generator
) -> _Fitted:
    """Some of the terms; where there are fewer times than terms, the last of them are left out first."""
    present = [k for k in terms if np.any(predictors[:, k] > 0.0)]
    active, notes = list(present), []
    distinct = len(np.unique(predictors[:, present], axis=0))
    for k in sorted(present, reverse=True):
        if len(active) > distinct:
            active.remove(k)
            notes.append(f"{TERMS[k]}: {distinct} combination(s) of atoms and ranks do not tell it from the others")

    def solve(times: Floats) -> Floats:
        weighted = predictors[:, active] / times[:, None]
        # columns of like size: else the solver's tolerance decides which of them are zero
        scale = np.linalg.norm(weighted, axis=0)
        solution = np.zeros(4)
        solution[active] = nnls(weighted / scale, np.ones(len(times)))[0] / scale
        return solution

    values = solve(seconds)
    fitted = predictors @ values
    residuals = (seconds - fitted) / seconds
    free = len(seconds) - len(active)
    scatter = math.sqrt(float(residuals @ residuals) / free) if free > 0 else 0.0
    if free <= 0:
        notes.append("as many terms as times: the errors are those of the times alone")
    sigma = np.maximum(np.nan_to_num(errors / seconds), scatter) * seconds
    samples = np.zeros((RESAMPLINGS, 4))
    for row in samples:
        drawn = fitted + sigma * generator.standard_normal(len(seconds))
        row[:] = solve(np.maximum(drawn, 1e-3 * np.maximum(fitted, 1e-3 * seconds)))
    return _Fitted(values, samples, tuple(active), len(active) == len(present), tuple(notes))


def messages(grid: Sequence[int], lengths: Sequence[float], cutoff: float) -> int:
    """Messages that a rank sends each time that something travels.

    Along an axis that is divided, there are two directions, and as many steps in each as domains are reached by the
    cutoff. Source: LAMMPS documentation, "Communication" of the developer guide: bricks exchange along x, y and z.

    Args:
        grid: Domains along x, y, z.
        lengths: Of the box along x, y, z, Å.
        cutoff: Of the ghosts, Å.
    """
    return sum(
        2 * math.ceil(cutoff * number / length) for number, length in zip(grid, lengths, strict=True) if number > 1
    )


def cubic_predictors(atoms: float, ranks: float, density: float, cutoff: float) -> Floats:
    """N/P, G, M and 1 of cubic domains in a periodic box.

    The edge of a domain is L = (N/(P ρ))^(1/3); ghosts fill a shell of the width of the cutoff,
    G = ρ ((L + 2 r)³ - L³), and M = 6 ceil(r/L), none on one rank.

    Args:
        atoms: N.
        ranks: P.
        density: ρ, atoms/Å³.
        cutoff: r, of the ghosts (cutoff of the model and skin), Å.
    """
    edge = (atoms / (ranks * density)) ** (1.0 / 3.0)
    ghosts = density * ((edge + 2.0 * cutoff) ** 3 - edge**3)
    sent = 6.0 * math.ceil(cutoff / edge) if ranks > 1 else 0.0
    return np.array([atoms / ranks, ghosts, sent, 1.0])


@dataclass(frozen=True)
class Network:
    """What joins the nodes.

    Attributes:
        latency_s: Of a message, s.
        bandwidth: Of a node, bytes/s; its ranks share it.
        ranks_per_node: Of a full node.
        ghost_bytes: That travel for each ghost in a step, all exchanges together; None: not known.
        exchanges: How often in a step something travels; None: not known.
    """

    latency_s: float
    bandwidth: float
    ranks_per_node: int
    ghost_bytes: float | None
    exchanges: int | None

    def seconds(self, predictors: Floats, ranks: float) -> float:
        """What it adds to a step, s: nothing within one node; beyond, all messages are taken to leave the node."""
        assert self.ghost_bytes is not None, "what travels is known"
        assert self.exchanges is not None, "what travels is known"
        if ranks <= self.ranks_per_node:
            return 0.0
        sharing = min(self.ranks_per_node, ranks)
        sent = predictors[2] * self.exchanges * self.latency_s
        return float(sent + predictors[1] * self.ghost_bytes * sharing / self.bandwidth)


@dataclass(frozen=True)
class Projected:
    """A step on paper.

    Attributes:
        atoms, ranks: N and P.
        seconds, error: Of a step, with the standard error of the fit alone, s.
        efficiency: t(N, 1) / (P t(N, P)).
        limit: The largest of the terms besides the atoms themselves: `ghosts`, `messages`, `constant` or `network`.
        limit_share: Its share of the step.
    """

    atoms: int
    ranks: int
    seconds: float
    error: float
    efficiency: float
    limit: str
    limit_share: float


def projected(cost: StepCost, atoms: int, ranks: int, density: float, cutoff: float, network: Network) -> Projected:
    """A step of so many atoms on so many ranks, from the fitted terms and the figures of a network."""
    predictors = cubic_predictors(atoms, ranks, density, cutoff)
    fitted, error = cost.seconds(predictors)
    added = network.seconds(predictors, ranks)
    alone, _ = cost.seconds(cubic_predictors(atoms, 1, density, cutoff))
    total = fitted + added
    parts = dict(zip(TERMS[1:], cost.shares(predictors)[1:], strict=True)) | {"network": added}
    limit = max(parts, key=lambda name: parts[name])
    return Projected(atoms, ranks, total, error, alone / (ranks * total), limit, float(parts[limit] / total))


def stops_at(made: Sequence[Projected], efficiency: float = 0.5) -> int | None:
    """The most ranks at which all is still as efficient; None: not even the fewest."""
    last = None
    for each in sorted(made, key=lambda one: one.ranks):
        if each.efficiency < efficiency:
            break
        last = each.ranks
    return last
