"""Lengths of the bonds of the start topology, by class: mean, standard deviation, distribution.

A class is a pair of elements, or of elements with their numbers of bonds ("C4–H1": a carbon with four bonds and a
hydrogen with one). In a harmonic bond the variance is k_B T/k, so that at one temperature (σ_ref/σ)² is the ratio of
the force constants: below 1 the bond is softer than that of the reference. Written out in `docs/theory/structure.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase.data import chemical_symbols

from lamplighter.analysis import stability
from lamplighter.analysis.series import Estimate, mean_with_error
from lamplighter.analysis.streamed_blocks import StreamedBlocks, errors_of_means
from lamplighter.arrays import Floats, Integers

METHOD = "over bonds and frames; error from the autocorrelation of blocks in time (Wolff 2004)"
METHOD_STD = "root of the variance over bonds and frames; its error from that of the variance (Wolff 2004)"

REACH_A = 0.6
"""How far from the mean of their first lengths the histogram of a class reaches, Å."""

_BLOCKS = 512


@dataclass(frozen=True)
class BondClass:
    """The lengths of one class of bonds.

    Attributes:
        name: "C–H" or "C4–H1".
        n_bonds: How many.
        mean, standard_deviation: Å.
        edges: Of the bins, Å, shape (m + 1,).
        density, density_error: Probability density, 1/Å, shape (m,).
        outside: Share of lengths beyond the bins.
    """

    name: str
    n_bonds: int
    mean: Estimate
    standard_deviation: Estimate
    edges: Floats
    density: Floats
    density_error: Floats
    outside: float


@dataclass(frozen=True)
class BondDifference:
    """A class in one trajectory against the same in another.

    Attributes:
        name: Of the class.
        shift, shift_error: Mean minus that of the reference, Å.
        width_ratio, width_ratio_error: Standard deviation over that of the reference.
        stiffness_ratio, stiffness_ratio_error: Of the force constants of harmonic bonds; below 1: softer.
    """

    name: str
    shift: float
    shift_error: float
    width_ratio: float
    width_ratio_error: float
    stiffness_ratio: float
    stiffness_ratio_error: float


class BondLengths:
    """Takes the lengths of all bonds frame by frame; memory does not depend on how many frames there are.

    Args:
        pairs: Bonds by places of atoms, shape (m, 2).
        numbers: Atomic numbers, shape (n_atoms,).
        first: Lengths in the first frame, Å, shape (m,).
        bin_width: Å.
    """

    def __init__(self, pairs: Integers, numbers: Integers, first: Floats, bin_width: float = 0.005) -> None:
        self.pairs = pairs
        self._kinds = stability.bond_kinds(numbers, pairs)
        n_kinds = int(self._kinds.max(initial=-1)) + 1
        self._n_bonds = np.bincount(self._kinds, minlength=n_kinds)
        self._names = _names(pairs, numbers, self._kinds, n_kinds)
        self._bin_width = bin_width
        self._n_bins = 2 * round(REACH_A / bin_width)
        middle = np.bincount(self._kinds, weights=first, minlength=n_kinds) / np.maximum(self._n_bonds, 1)
        self._middle = np.maximum(np.round(middle / bin_width) * bin_width, REACH_A)
        self._moments, self._counts = StreamedBlocks(_BLOCKS), StreamedBlocks()

    def add(self, lengths: Floats) -> None:
        """The lengths of one frame, Å, shape (m,), all finite."""
        n_kinds = len(self._names)
        away = lengths - self._middle[self._kinds]  # so that squares lose no digits
        sums = [np.bincount(self._kinds, weights=away**power, minlength=n_kinds) for power in (1, 2)]
        self._moments.add(np.array(sums))
        bins = np.floor(away / self._bin_width).astype(np.int64) + self._n_bins // 2
        inside = (bins >= 0) & (bins < self._n_bins)
        flat = self._kinds[inside] * self._n_bins + bins[inside]
        counts = np.bincount(flat, minlength=n_kinds * self._n_bins).reshape(n_kinds, self._n_bins)
        self._counts.add(counts.astype(np.float64))

    def by_class(self) -> list[BondClass]:
        """Classes of elements with their numbers of bonds."""
        return [self._result(name, [kind]) for kind, name in enumerate(self._names)] if self._counts.n_frames else []

    def by_elements(self) -> list[BondClass]:
        """Pairs of elements; classes of one pair together, on the grid of the most frequent of them."""
        if not self._counts.n_frames:
            return []
        plain = ["–".join(end.rstrip("0123456789") for end in name.split("–")) for name in self._names]
        names = sorted(set(plain), key=plain.index)
        return [self._result(name, [kind for kind, each in enumerate(plain) if each == name]) for name in names]

    def _result(self, name: str, kinds: list[int]) -> BondClass:
        n_bonds = int(self._n_bonds[kinds].sum())
        origin = float(self._middle[kinds[int(np.argmax(self._n_bonds[kinds]))]])
        # sums of (r − c) and (r − c)² about each class's own middle c, moved to one origin
        shift = self._middle[kinds] - origin
        sums = self._moments.blocks()[:, :, kinds]
        whole = self._moments.mean()[:, kinds]
        first, second = _moved(whole, shift, self._n_bonds[kinds]) / n_bonds
        series = _moved(sums, shift, self._n_bonds[kinds]) / n_bonds
        mean = mean_with_error(series[:, 0], "Å")
        variance = float(second - first**2)
        spread = mean_with_error(series[:, 1] - 2.0 * first * series[:, 0], "Å²")
        deviation = math.sqrt(max(variance, 0.0))
        error = spread.standard_error / (2.0 * deviation) if deviation > 0.0 else math.nan
        edges = origin + self._bin_width * (np.arange(self._n_bins + 1, dtype=np.float64) - self._n_bins // 2)
        per_bond = 1.0 / (n_bonds * self._bin_width)
        counts = _onto(self._counts.mean(), kinds, np.round(shift / self._bin_width).astype(int))
        blocks = self._counts.blocks()
        density_error = errors_of_means(_onto(blocks, kinds, np.round(shift / self._bin_width).astype(int)) * per_bond)
        return BondClass(
            name=name,
            n_bonds=n_bonds,
            mean=replace(mean, value=origin + float(first), method=METHOD),
            standard_deviation=replace(
                spread, value=deviation, standard_error=error, unit="Å", method=METHOD_STD, note=spread.note
            ),
            edges=np.asarray(edges, dtype=np.float64),
            density=counts * per_bond,
            density_error=density_error,
            outside=max(0.0, 1.0 - float(counts.sum()) / n_bonds),
        )


def differences(
    classes: Sequence[BondClass], references: Sequence[BondClass], temperature_ratio: float = 1.0
) -> list[BondDifference]:
    """Classes that both have, one against the other; their errors are taken to be independent.

    Args:
        classes, references: Of `BondLengths`.
        temperature_ratio: Temperature over that of the reference.
    """
    known = {each.name: each for each in references}
    found = []
    for one in classes:
        if one.name not in known:
            continue
        other = known[one.name]
        wide, narrow = one.standard_deviation, other.standard_deviation
        ratio = wide.value / narrow.value if narrow.value > 0.0 else math.nan
        relative = math.hypot(_relative(wide), _relative(narrow))
        stiffness = temperature_ratio / ratio**2 if ratio > 0.0 else math.nan
        found.append(
            BondDifference(
                name=one.name,
                shift=one.mean.value - other.mean.value,
                shift_error=math.hypot(one.mean.standard_error, other.mean.standard_error),
                width_ratio=ratio,
                width_ratio_error=ratio * relative,
                stiffness_ratio=stiffness,
                stiffness_ratio_error=2.0 * stiffness * relative,
            )
        )
    return found


def _relative(estimate: Estimate) -> float:
    return estimate.standard_error / estimate.value if estimate.value > 0.0 else math.nan


def _moved(sums: Floats, shift: Floats, n_bonds: Integers) -> Floats:
    """Sums of first and second powers (…, 2, kinds) about another origin, added over kinds, shape (…, 2)."""
    first, second = sums[..., 0, :], sums[..., 1, :]
    moved_first = first + n_bonds * shift
    moved_second = second + 2.0 * shift * first + n_bonds * shift**2
    return np.stack([moved_first.sum(axis=-1), moved_second.sum(axis=-1)], axis=-1)


def _onto(counts: Floats, kinds: list[int], steps: Integers) -> Floats:
    """Histograms (…, kinds, bins), each moved by its number of bins, added up; what leaves the grid is lost."""
    total = np.zeros((*counts.shape[:-2], counts.shape[-1]))
    n = counts.shape[-1]
    for kind, step in zip(kinds, steps, strict=True):
        if abs(step) < n:
            total[..., max(step, 0) : n + min(step, 0)] += counts[..., kind, max(-step, 0) : n - max(step, 0)]
    return total


def _names(pairs: Integers, numbers: Integers, kinds: Integers, n_kinds: int) -> list[str]:
    n_bonds = np.bincount(pairs.ravel(), minlength=len(numbers)) if len(pairs) else np.empty(0, dtype=np.int64)
    names = []
    for kind in range(n_kinds):
        ends = pairs[int(np.argmax(kinds == kind))]
        words = sorted((f"{chemical_symbols[numbers[end]]}{n_bonds[end]}" for end in ends), key=_by_element)
        names.append("–".join(words))
    return names


def _by_element(word: str) -> tuple[int, str]:
    symbol = word.rstrip("0123456789")
    return (0 if symbol == "C" else 1, word)  # C first, as in formulas
