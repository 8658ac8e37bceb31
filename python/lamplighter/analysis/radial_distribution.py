"""Partial radial distribution functions and coordination numbers, within molecules, between them, or of all pairs.

g_ab(r) = V ⟨n_ab(r, r + dr)⟩ / (N_ab ΔV(r)): n_ab counts ordered pairs, N_ab = N_a N_b (a ≠ b) or N_a (N_a − 1) of
them there are, ΔV is the volume of the shell and V the mean volume. The coordination number n_ab(r) is the mean number
of atoms b nearer than r to an atom a, counted, not integrated. Pairs within molecules and between them have the same
N_ab, so that the two add up to all.

Source: M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 8.2; MDAnalysis'
`InterRDF` has the same normalisation. Written out in `docs/theory/structure.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase.data import chemical_symbols
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from lamplighter.analysis.streamed_blocks import StreamedBlocks, errors_of_means
from lamplighter.arrays import Floats, Integers

KINDS = ("all", "inter", "intra")
"""All pairs, those between molecules, those within them."""

_PROMINENCE = 0.05  # of a peak of g, smoothed over two bins, at least
_NOISE = 3.0  # and at least so many times the median error of g


@dataclass(frozen=True)
class Shell:
    """The first shell of neighbours.

    Attributes:
        peak, height: Where g has its first peak, Å, and its value there.
        minimum: The lowest point between the first peak and the second, Å; nan where there is no second one.
        coordination, standard_error: Coordination number at `minimum`.
    """

    peak: float
    height: float
    minimum: float
    coordination: float
    standard_error: float


@dataclass(frozen=True)
class PairDistribution:
    """g(r) and n(r) of one pair of elements.

    Attributes:
        pair: Elements a and b.
        kind: One of `KINDS`.
        n_atoms: Of a and of b.
        edges: Of the bins, Å, shape (m + 1,).
        g, g_error: Shape (m,); an error is nan where the data cannot tell.
        coordination, coordination_error: Atoms b within the upper edge of each bin of an a, shape (m,).
        reverse: What `coordination` is multiplied by to be that of atoms a around b.
        shell: The first shell; None: g has no peak.
    """

    pair: tuple[str, str]
    kind: str
    n_atoms: tuple[int, int]
    edges: Floats
    g: Floats
    g_error: Floats
    coordination: Floats
    coordination_error: Floats
    reverse: float
    shell: Shell | None

    @property
    def centres(self) -> Floats:
        """Middles of the bins, Å."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])


class RadialDistributions:
    """Counts pairs frame by frame; memory does not depend on how many frames there are.

    Args:
        numbers: Atomic numbers, shape (n,), the same in all frames.
        molecule_of_atom: Shape (n,).
        r_max: Å.
        bin_width: Å; there are ⌊r_max / bin_width⌋ bins.
    """

    def __init__(self, numbers: Integers, molecule_of_atom: Integers, r_max: float, bin_width: float) -> None:
        self.n_bins = max(1, int(r_max / bin_width + 1e-9))
        self.bin_width = bin_width
        self._elements = sorted(np.unique(numbers), key=lambda number: (number != 6, _symbol(number)))  # as in formulas
        rank = {int(number): k for k, number in enumerate(self._elements)}
        self._element = np.array([rank[int(number)] for number in numbers], dtype=np.int64)
        self._molecule = molecule_of_atom
        self._pairs = list(combinations_with_replacement(range(len(self._elements)), 2))
        self._class = np.zeros((len(self._elements), len(self._elements)), dtype=np.int64)
        for place, (a, b) in enumerate(self._pairs):
            self._class[a, b] = self._class[b, a] = place
        self._counts, self._volumes = StreamedBlocks(), StreamedBlocks()

    @property
    def r_max(self) -> float:
        """Upper edge of the last bin, Å."""
        return self.n_bins * self.bin_width

    def add(self, pairs: Integers, distances: Floats, volume: float) -> None:
        """Count the pairs of one frame.

        Args:
            pairs, distances: All pairs nearer than `r_max`, as `pairs_within.pairs_within`; others may be among them.
            volume: Å³.
        """
        bins = (distances / self.bin_width).astype(np.int64)
        inside = bins < self.n_bins
        first, second, bins = pairs[inside, 0], pairs[inside, 1], bins[inside]
        same = (self._molecule[first] == self._molecule[second]).astype(np.int64)
        classes = self._class[self._element[first], self._element[second]]
        flat = (2 * classes + same) * self.n_bins + bins
        counts = np.bincount(flat, minlength=2 * len(self._pairs) * self.n_bins)
        self._counts.add(counts.reshape(len(self._pairs), 2, self.n_bins).astype(np.float64))
        self._volumes.add(np.array(volume))

    def results(self, kind: str, farthest: float = math.inf) -> list[PairDistribution]:
        """All pairs of elements, C first, then by the alphabet.

        Args:
            kind: One of `KINDS`.
            farthest: Bins that reach further than this are left out, Å.
        """
        if self._counts.n_frames == 0:
            return []
        n_bins = self.n_bins if math.isinf(farthest) else min(self.n_bins, int(farthest / self.bin_width + 1e-9))
        edges = self.bin_width * np.arange(n_bins + 1, dtype=np.float64)
        which = {"all": slice(0, 2), "inter": slice(0, 1), "intra": slice(1, 2)}[kind]
        mean = self._counts.mean()[:, which, :n_bins].sum(axis=1)
        blocks = self._counts.blocks()[:, :, which, :n_bins].sum(axis=2)
        volumes = self._volumes.blocks()
        shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
        found = []
        for place, (a, b) in enumerate(self._pairs):
            n_a, n_b = (int((self._element == each).sum()) for each in (a, b))
            n_pairs = n_a * n_b if a != b else n_a * (n_a - 1)
            if n_pairs == 0:
                continue
            ordered = 1.0 if a != b else 2.0  # each pair of equal atoms was counted once
            scale = ordered / (n_pairs * shells)
            g = mean[place] * float(self._volumes.mean()) * scale
            g_error = errors_of_means(blocks[:, place] * volumes[:, None] * scale)
            around = np.cumsum(mean[place]) * ordered / n_a
            around_error = errors_of_means(np.cumsum(blocks[:, place], axis=1) * ordered / n_a)
            found.append(
                PairDistribution(
                    pair=(_symbol(self._elements[a]), _symbol(self._elements[b])),
                    kind=kind,
                    n_atoms=(n_a, n_b),
                    edges=edges,
                    g=g,
                    g_error=g_error,
                    coordination=around,
                    coordination_error=around_error,
                    reverse=n_a / n_b,
                    shell=first_shell(edges, g, around, around_error, _typical(g_error)),
                )
            )
        return found


def first_shell(
    edges: Floats, g: Floats, coordination: Floats, coordination_error: Floats, noise: float = 0.0
) -> Shell | None:
    """First peak of g, first minimum behind it and the coordination number there; None without a peak.

    Peaks are those of g smoothed over two bins that rise above both sides by `_PROMINENCE` and by `_NOISE` times the
    noise of g.
    """
    smooth = gaussian_filter1d(g, 2.0, mode="nearest")
    peaks, _ = find_peaks(smooth, prominence=max(_PROMINENCE, _NOISE * noise))
    if len(peaks) == 0:
        return None
    centres = 0.5 * (edges[1:] + edges[:-1])
    first = int(peaks[0])
    nearby = slice(max(0, first - 3), first + 4)
    top = nearby.start + int(np.argmax(g[nearby]))
    if len(peaks) == 1:
        return Shell(float(centres[top]), float(g[top]), math.nan, math.nan, math.nan)
    low = first + int(np.argmin(smooth[first : peaks[1]]))
    return Shell(
        float(centres[top]),
        float(g[top]),
        float(centres[low]),
        float(coordination[low]),
        float(coordination_error[low]),
    )


def _typical(errors: Floats) -> float:
    known = errors[np.isfinite(errors)]
    return float(np.median(known)) if len(known) else 0.0


def _symbol(number: int) -> str:
    return str(chemical_symbols[int(number)])
