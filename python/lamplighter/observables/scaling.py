"""What limits dynamics on a machine, and what to choose there: asked of the times that `lamplighter bench` measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamplighter.analysis import step_cost
from lamplighter.analysis.step_cost import Network, Projected, StepCost
from lamplighter.arrays import Floats

PARTS = {
    "Pair": "model",
    "Exchange": "exchange within the model",
    "Comm": "exchange and waiting",
    "Neigh": "neighbour lists",
    "Modify": "integration",
    "Output": "output",
    "Other": "other",
}
"""LAMMPS' sections as they are named here; what models exchange of their own is taken from its `Pair`."""

POSITIONS_AND_FORCES = 2
"""Exchanges of every step, whatever the model."""
BYTES_OF_POSITIONS_AND_FORCES = 48.0
EXCHANGES, GHOST_BYTES = 4, 2000.0
"""Taken on paper where nothing was measured on several ranks."""

OUTPUT_EVERY = 5
"""Steps between two lines, frames or restart files while their cost is measured."""

ON_PAPER_RANKS = (1, 10, 20, 50, 100, 200, 500, 1000)
ON_PAPER_ATOMS = (100_000, 1_000_000)

COMMITTEE_SHARE = 0.10
"""What a committee may cost of a step, where an interval is advised."""

TOO_UNCERTAIN = 0.5
"""Relative error of a step of 10⁵ atoms on one rank beyond which nothing is said on paper."""

BATCHES = 5
"""Of blocks, whose scatter tells the error of a step."""

DECIDED = 2.0
"""Differences below so many standard errors are called noise."""


@dataclass(frozen=True)
class Timed:
    """A time with its standard error, both in seconds a step."""

    seconds: float
    error: float


@dataclass(frozen=True)
class Measurement:
    """One start of LAMMPS.

    Attributes:
        variant, model, dtype, engine: The potential.
        atoms, ranks, threads: N, P, and threads of the model on each rank.
        steps, rounds: Steps of a block, and blocks of each side that count.
        step: The plain step.
        parts: Of it, by LAMMPS' timers, named as `PARTS`, s.
        waiting: For other ranks, s a step, by a timer that synchronises; None: one rank.
        exchanged: What ranks send each other in a step, of LAMMPS and of models, without waiting, s; None: one rank.
        exchanges, row_bytes: How often something travels in a step, and what then travels for each ghost.
        added: What a side takes more than the plain step, s a step: `guard`, `committee 20`, `skin 1.5`, `thermo`, …
        added_exchange: What of it is exchange by models, s a step, of each committee.
        domains: What was decided on them, in words; empty: they are LAMMPS' own.
        ghosts: Of a rank, mean.
        messages: Of a rank, each time that something travels.
        cutoff_A, density: Of ghosts, and atoms/Å³.
        rebuilt_every: Steps between two builds of neighbour lists; inf: there was none.
        memory_MB: Of the largest rank.
        forces: Name of the file of the start's forces; empty: none.
        reference: Whether sides were measured.
    """

    variant: str
    model: str
    dtype: str
    engine: str
    atoms: int
    ranks: int
    threads: int
    steps: int
    rounds: int
    step: Timed
    parts: dict[str, float]
    waiting: float | None
    exchanged: Timed | None
    exchanges: float
    row_bytes: float
    added: dict[str, Timed]
    added_exchange: dict[str, float]
    domains: str
    ghosts: float
    messages: int
    cutoff_A: float  # noqa: N815
    density: float
    rebuilt_every: float
    memory_MB: float  # noqa: N815
    forces: str
    reference: bool

    @property
    def predictors(self) -> Floats:
        """N/P, G, M and 1."""
        return np.array([self.atoms / self.ranks, self.ghosts, self.messages, 1.0])


@dataclass(frozen=True)
class VariantScaling:
    """What the times of one potential say together.

    Attributes:
        variant: The potential.
        cost: The four terms.
        limits: What takes the most of a step besides the atoms' own work, at the reference size on the most ranks, and
            its share.
        reference: The measurement that `limits` is of.
        network: Taken on paper, with what was measured of exchanges.
        on_paper: Steps of 10⁵ and 10⁶ atoms on up to 1000 ranks; empty: the terms are not known well enough.
        stops: Of each number of atoms the most ranks at an efficiency of a half.
    """

    variant: str
    cost: StepCost
    limits: tuple[str, float]
    reference: Measurement
    network: Network
    on_paper: tuple[Projected, ...]
    stops: dict[int, int | None]


@dataclass(frozen=True)
class Advice:
    """One thing to choose.

    Attributes:
        what: `ranks`, `dtype`, `engine`, `skin`, `committee interval`.
        choice: In words.
        why: The times behind it.
        decided: Whether the difference to the next best is more than noise.
    """

    what: str
    choice: str
    why: str
    decided: bool


@dataclass(frozen=True)
class Scaling:
    """The answer of `lamplighter bench`.

    Attributes:
        source: The run file.
        machine: Processor and cores.
        timestep_ps: Of a step.
        measurements: In ascending order of size and ranks, variant by variant.
        variants: Fits of each.
        atoms: That advice is for.
        advice: What to choose.
        network: Taken on paper; with None, what was measured of exchanges.
        intervals: Steps between outputs of the run file: `thermo`, `trajectory`, `restart`, and `committee`.
        left_out: What was not measured, and why.
        notes: What limits the numbers.
    """

    source: str
    machine: dict[str, Any]
    timestep_ps: float
    measurements: tuple[Measurement, ...]
    variants: tuple[VariantScaling, ...]
    atoms: int
    advice: tuple[Advice, ...]
    network: Network
    intervals: dict[str, int]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def ns_per_day(self, seconds: float) -> float:
        """Of a step that takes so long."""
        return 86_400.0 / seconds * self.timestep_ps * 1e-3


def measurement_of(line: Mapping[str, Any]) -> Measurement:
    """A line of `measurements.jsonl`. Raises KeyError, TypeError, ValueError: it is none."""
    blocks = line["blocks"]
    plain = blocks["plain"]
    rounds, steps = len(plain), int(line["steps"])
    times = np.array([each["seconds"] for each in plain])
    builds = sum(each["builds"] for each in plain)
    sides = {name: side for name, side in blocks.items() if name not in ("plain", "synchronised")}
    step = _undisturbed(times)
    waiting = exchanged = None
    if "synchronised" in blocks:
        apart = blocks["synchronised"]
        waiting = float(np.median([each["parts"].get("Sync", 0.0) + each["exchange_waiting"] for each in apart]))
        exchanged = _middle(np.array([each["parts"].get("Comm", 0.0) + each["exchange"] for each in apart]))
    return Measurement(
        variant=line["variant"], model=line["model"], dtype=line["dtype"], engine=line["engine"],
        atoms=int(line["atoms"]), ranks=int(line["ranks"]), threads=int(line["threads"]), steps=steps, rounds=rounds,
        step=step, parts=_parts(plain, times), waiting=waiting, exchanged=exchanged,
        exchanges=POSITIONS_AND_FORCES + float(np.median([each["rounds"] for each in plain])),
        row_bytes=BYTES_OF_POSITIONS_AND_FORCES + float(np.median([each["row_bytes"] for each in plain])),
        added={name: _added(side, step.seconds) for name, side in sides.items()},
        added_exchange={
            name: float(np.median([each["exchange"] - each["plain"]["exchange"] for each in side]))
            for name, side in sides.items() if name.startswith("committee ")
        },
        domains=line["domains"], ghosts=float(line["ghosts"]),
        messages=step_cost.messages(line["grid"], line["box_A"], line["cutoff_A"]), cutoff_A=float(line["cutoff_A"]),
        density=float(line["atoms"]) / math.prod(line["box_A"]),
        rebuilt_every=steps * rounds / builds if builds else math.inf,
        memory_MB=float(line["memory_MB"]), forces=line.get("forces", ""), reference=bool(sides),
    )  # fmt: skip


def _parts(plain: Sequence[Mapping[str, Any]], times: Floats) -> dict[str, float]:
    """Mean parts of the blocks that count for the time of a step, those up to the median."""
    found = dict.fromkeys(PARTS.values(), 0.0)
    counted = [each for each, time in zip(plain, times, strict=True) if time <= np.median(times)]
    for each in counted:
        sent = min(each["exchange"], each["parts"]["Pair"])
        for name, seconds in (each["parts"] | {"Exchange": sent, "Pair": each["parts"]["Pair"] - sent}).items():
            found[PARTS.get(name, name)] = found.get(PARTS.get(name, name), 0.0) + seconds / len(counted)
    return found


def _added(side: Sequence[Mapping[str, Any]], step: float) -> Timed:
    """What a side takes more than a plain step: by its ratio to the plain blocks about it, as all of them are slowed
    down alike."""
    if "outside" in side[0]:  # a restart file, which takes no part in steps
        return _middle(np.array([each["outside"] for each in side]) / OUTPUT_EVERY)
    ratio = _middle(np.array([each["seconds"] / each["plain"]["seconds"] for each in side]))
    return Timed(step * (ratio.seconds - 1.0), step * ratio.error)


def _middle(values: Floats) -> Timed:
    """Median, with the error of a normal sample's, sqrt(π/2) s/√n; s from the median deviation of many blocks."""
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle))) if len(values) >= 8 else _spread(values)
    return Timed(middle, math.sqrt(math.pi / 2.0) * spread / math.sqrt(len(values)))


def _undisturbed(times: Floats) -> Timed:
    """Lower quartile over blocks: whatever else a machine does makes a block longer, and none shorter.

    Its error is that of the mean of as many batches of consecutive blocks, as what disturbs lasts for many blocks.
    """
    batches = np.array_split(times, BATCHES) if len(times) >= 2 * BATCHES else np.array_split(times, len(times))
    each = np.array([np.quantile(batch, 0.25) for batch in batches])
    return Timed(float(np.quantile(times, 0.25)), _spread(each) / math.sqrt(len(each)))


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def scaling_of(
    measurements: Sequence[Measurement],
    *,
    source: str,
    machine: dict[str, Any],
    timestep_ps: float,
    atoms: int,
    network: Network,
    intervals: dict[str, int],
    skin: float,
    forces: Mapping[str, Floats],
    left_out: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> Scaling:
    """What the measurements say together.

    Args:
        measurements: One or more.
        source: The run file.
        machine: That they were made on.
        timestep_ps: Of the run file.
        atoms: That advice is for.
        network: For what is said on paper.
        intervals: Steps between outputs, and between evaluations of a committee, in the run file.
        skin: Of the run file, Å.
        forces: Of the start structure, by the names of their files.
        left_out: What was not measured, and why.
        notes: To be said.
    """
    names = list(dict.fromkeys(each.variant for each in measurements))
    ordered = sorted(measurements, key=lambda each: (names.index(each.variant), each.atoms, each.ranks))
    found = [_variant(name, [each for each in ordered if each.variant == name], network) for name in names]
    said = [*notes, *(f"{each.variant}: {note}" for each in found for note in each.cost.notes)]
    said += dict.fromkeys(
        f"{each.atoms} atoms on {each.ranks} ranks: {each.domains}" for each in ordered if each.domains
    )
    if len({each.threads for each in ordered}) > 1:
        said.append("threads of the model differ between numbers of ranks: cores / ranks, as in a run")
    return Scaling(
        source, machine, timestep_ps, tuple(ordered), tuple(found), atoms,
        tuple(_advice(ordered, found, atoms, skin, intervals, forces)), network, intervals, tuple(left_out),
        tuple(said),
    )  # fmt: skip


def _variant(name: str, made: Sequence[Measurement], network: Network) -> VariantScaling:
    predictors = np.array([each.predictors for each in made])
    seconds = np.array([each.step.seconds for each in made])
    sent = [each.exchanged or Timed(0.0, 0.0) for each in made]
    cost = step_cost.fit(
        predictors, seconds, np.array([each.step.error for each in made]),
        np.array([each.seconds for each in sent]), np.array([each.error for each in sent]),
    )  # fmt: skip
    last = max((each for each in made if each.reference), key=lambda each: each.ranks, default=made[-1])
    network = _with_exchanges(network, made)
    shares = cost.shares(last.predictors)
    largest = 1 + int(np.argmax(shares[1:]))
    on_paper: tuple[Projected, ...] = ()
    if _can_be_projected(cost, last):
        on_paper = tuple(
            step_cost.projected(cost, atoms, ranks, last.density, last.cutoff_A, network)
            for atoms in ON_PAPER_ATOMS
            for ranks in ON_PAPER_RANKS
        )
    stops = {n: step_cost.stops_at([each for each in on_paper if each.atoms == n]) for n in ON_PAPER_ATOMS if on_paper}
    total = float(shares.sum())
    limit = (step_cost.TERMS[largest], float(shares[largest]) / total)
    return VariantScaling(name, cost, limit, last, network, on_paper, stops)


def _with_exchanges(network: Network, made: Sequence[Measurement]) -> Network:
    """What the user does not give is what was measured on the most ranks; on one rank little has to travel."""
    most = max(made, key=lambda each: each.ranks)
    several = most.ranks > 1
    return replace(
        network,
        exchanges=network.exchanges or (round(most.exchanges) if several else EXCHANGES),
        ghost_bytes=network.ghost_bytes or (most.row_bytes if several else GHOST_BYTES),
    )


def _can_be_projected(cost: StepCost, reference: Measurement) -> bool:
    """Whether the terms are known well enough for something to be said on paper."""
    predictors = step_cost.cubic_predictors(min(ON_PAPER_ATOMS), 1, reference.density, reference.cutoff_A)
    seconds, error = cost.seconds(predictors)
    return cost.told_apart and cost.values[0] > 0.0 and error <= TOO_UNCERTAIN * seconds


def _advice(
    made: Sequence[Measurement],
    fits: Sequence[VariantScaling],
    atoms: int,
    skin: float,
    intervals: dict[str, int],
    forces: Mapping[str, Floats],
) -> list[Advice]:
    nearest = min({each.atoms for each in made}, key=lambda size: abs(math.log(size / atoms)))
    at_size = [each for each in made if each.atoms == nearest]
    best = min(at_size, key=lambda each: each.step.seconds)
    found = [_ranks(at_size, best, atoms)]
    for what in ("dtype", "engine", "model"):
        found += _between(what, at_size, best, forces)
    whole = [each for each in made if each.reference and each.variant == best.variant]
    if whole:
        reference = min(whole, key=lambda each: (abs(each.ranks - int(found[0].choice)), -each.ranks))
        found += _skin(reference, skin)
        found += _interval(reference, intervals)
    return found


def _ranks(at_size: Sequence[Measurement], best: Measurement, atoms: int) -> Advice:
    same = sorted((each for each in at_size if each.variant == best.variant), key=lambda each: each.ranks)
    known = [each for each in same if each is best or math.isfinite(each.step.error + best.step.error)]
    chosen = next(each for each in known if not differs(each.step, best.step))
    times = ", ".join(f"{each.ranks}: {digits(1e3 * each.step.seconds, 3)} ms" for each in same)
    size = "" if best.atoms == atoms else f" (measured at {best.atoms} atoms, the size nearest to {atoms})"
    if len(same) == 1:
        return Advice("ranks", str(chosen.ranks), f"no other number was measured{size}", False)
    why = f"a step of {best.variant} on {times}{size}"
    if chosen is not best:
        why += f"; {best.ranks} ranks are faster by no more than noise"
    decided = all(differs(each.step, best.step) for each in same if each is not best)
    return Advice("ranks", str(chosen.ranks), why, decided)


def _between(
    what: str, at_size: Sequence[Measurement], best: Measurement, forces: Mapping[str, Floats]
) -> list[Advice]:
    """The choice of a precision, an engine or a model, all else equal."""
    rest = [name for name in ("model", "dtype", "engine") if name != what]
    same = [
        each
        for each in at_size
        if each.ranks == best.ranks and all(getattr(each, name) == getattr(best, name) for name in rest)
    ]
    if len({getattr(each, what) for each in same}) < 2:
        return []
    others = sorted((each for each in same if each is not best), key=lambda each: each.step.seconds)
    times = ", ".join(f"{getattr(each, what)}: {digits(1e3 * each.step.seconds, 3)} ms" for each in [best, *others])
    decided = differs(others[0].step, best.step)
    choice = getattr(best, what) if decided else f"either, {getattr(best, what)} and {getattr(others[0], what)}"
    why = f"a step takes {times}" + ("" if decided else ", which is no more than noise")
    if what == "model":
        return [Advice(what, choice, f"{why}; accuracy is another question", decided)]
    for other in others:
        pair = [forces.get(each.forces) for each in (best, other)]
        if pair[0] is not None and pair[1] is not None and pair[0].shape == pair[1].shape:
            difference = pair[0] - pair[1]
            rms = float(np.sqrt(np.mean(difference**2)))
            largest = float(np.abs(difference).max())
            why += (
                f"; forces of the start differ between {getattr(best, what)} and {getattr(other, what)} by {rms:.2g} "
                f"(rms) and {largest:.2g} eV/Å (largest)"
            )
    if what == "dtype" and best.dtype == "float32":
        why += "; energies lose digits too, so look at the drift of an NVE run before long float32 runs"
    return [Advice(what, choice, why, decided)]


def _skin(reference: Measurement, own: float) -> list[Advice]:
    tried = {own: Timed(0.0, 0.0)} | {
        float(name.split()[1]): time for name, time in reference.added.items() if name.startswith("skin ")
    }
    if len(tried) < 2:
        return []
    best = min(tried, key=lambda skin: tried[skin].seconds)
    decided = best != own and differs(tried[best], tried[own])
    times = ", ".join(
        f"{skin:g} Å: {digits(1e3 * (reference.step.seconds + time.seconds), 4)} ms"
        for skin, time in sorted(tried.items())
    )
    why = f"a step takes {times} ({reference.ranks} rank{'s' if reference.ranks > 1 else ''})"
    if not decided:
        why += "; the differences to that of the run file are no more than noise" if best != own else ""
        return [Advice("skin", f"{own:g} Å", why, best == own)]
    return [Advice("skin", f"{best:g} Å", why, True)]


def _interval(reference: Measurement, intervals: dict[str, int]) -> list[Advice]:
    tried = {int(name.split()[1]): time for name, time in reference.added.items() if name.startswith("committee ")}
    if not tried:
        return []
    # all tell the same number, what one evaluation of the others costs: their mean, weighted by their errors
    each = np.array([every * time.seconds for every, time in tried.items()])
    errors = np.array([max(every * time.error, 1e-12) for every, time in tried.items()])
    weights = 1.0 / errors**2 if np.all(np.isfinite(errors)) else np.ones(len(each))
    evaluation = max(float(weights @ each / weights.sum()), 0.0)
    error = float(1.0 / math.sqrt(weights.sum())) if np.all(np.isfinite(errors)) else math.nan
    advised = max(1, math.ceil(evaluation / (COMMITTEE_SHARE * reference.step.seconds)))
    costs = ", ".join(
        f"every {every}: {100 * time.seconds / reference.step.seconds:+.1f} %" for every, time in sorted(tried.items())
    )
    why = (
        f"evaluating the other members takes {digits(1e3 * evaluation, 3)} ± {digits(1e3 * error, 1)} ms; of a step "
        f"({costs}); {advised} is the shortest interval that costs at most {100 * COMMITTEE_SHARE:.0f} %"
    )
    own = intervals.get("committee")
    if own is not None:
        why += f"; the run file has {own}"
    return [Advice("committee interval", str(advised), why, evaluation > DECIDED * error)]


def differs(one: Timed, other: Timed) -> bool:
    """Whether two times differ by more than noise; not, where an error is not known."""
    return abs(one.seconds - other.seconds) > DECIDED * math.hypot(one.error, other.error)


def digits(value: float, number: int) -> str:
    """So many significant digits and no exponent, as people read tables down their columns; `?`: not known."""
    if not math.isfinite(value):
        return "?"
    if value == 0.0:
        return "0"
    rounded = float(f"{value:.{number - 1}e}")
    return f"{rounded:.{max(number - 1 - math.floor(math.log10(abs(rounded))), 0)}f}"
