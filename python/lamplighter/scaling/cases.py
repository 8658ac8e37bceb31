"""What is measured: a potential, a size and a number of ranks; in which order, and with which sides."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamplighter.config.run_file import RunFile
from lamplighter.errors import LamplighterError
from lamplighter.run_folder.folder import run_file_text

DEFAULT_MULTIPLES = (1, 2, 4, 8)
"""Sizes where none are given, in copies of the system of the run file."""


@dataclass(frozen=True)
class Variant:
    """A potential in one precision and by one engine.

    Attributes:
        name: As tables have it, e.g. `ec_emc_0, float32, native`.
        run: The resolved run file with this potential.
        model, dtype, engine: The parts of the name.
    """

    name: str
    run: RunFile
    model: str
    dtype: str
    engine: str


@dataclass(frozen=True)
class Case:
    """One measurement, which one start of LAMMPS makes.

    Attributes:
        variant: The potential.
        replicate: Copies of the structure along x, y, z.
        atoms: That they have.
        ranks: Of MPI.
        threads: Of the model on each rank; None: cores / ranks.
        sides: What is measured beside the plain step, in words of `sides.py`.
    """

    variant: Variant
    replicate: tuple[int, int, int]
    atoms: int
    ranks: int
    threads: int | None
    sides: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.variant.name}: {self.atoms} atoms on {self.ranks} rank{'s' if self.ranks != 1 else ''}"

    @property
    def key(self) -> str:
        """For the file of measurements: the same for what is measured alike."""
        potential = self.variant.run.potential.model_dump_json()
        words = [potential, str(self.replicate), str(self.ranks), str(self.threads), *self.sides]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]

    @property
    def run(self) -> RunFile:
        """The run file that the measurement reads."""
        run = self.variant.run
        structure = run.structure.model_copy(update={"replicate": self.replicate})
        return run.model_copy(update={"structure": structure})

    @property
    def run_file(self) -> str:
        """Its text."""
        return run_file_text(self.run)


def replicates(
    sizes: Sequence[int] | None, unit: int, own: tuple[int, int, int], lengths: Sequence[float], periodic: bool
) -> list[tuple[int, int, int]]:
    """Copies of the structure for each size, as cubic as they can be, in ascending order.

    Args:
        sizes: Atoms; None: 1, 2, 4 and 8 times the system of the run file.
        unit: Atoms of the structure file.
        own: Copies that the run file makes.
        lengths: Of the structure's cell vectors, Å.
        periodic: Whether copies can be made.

    Raises:
        LamplighterError: a size is no multiple of the structure, or copies cannot be made.
    """
    base = math.prod(own)
    if not periodic:
        if sizes not in (None, [unit * base]):
            raise LamplighterError(
                f"--sizes {','.join(map(str, sizes or ()))}: the structure is not periodic, so that it cannot be "
                f"repeated, and has {unit * base} atoms: leave out --sizes"
            )
        return [own]
    counts = [base * multiple for multiple in DEFAULT_MULTIPLES]
    if sizes is not None:
        for size in sizes:
            if size < 1 or size % unit:
                below, above = size // unit * unit, (size // unit + 1) * unit
                near = " and ".join(str(each) for each in (below, above) if each > 0)
                raise LamplighterError(
                    f"--sizes {size} is no multiple of the {unit} atoms of the structure, which is repeated as a "
                    f"whole: {near} are the nearest"
                )
        counts = sorted({size // unit for size in sizes})
    return [own if count == base else _most_cubic(count, lengths) for count in counts]


def _most_cubic(count: int, lengths: Sequence[float]) -> tuple[int, int, int]:
    divisors = [n for n in range(1, count + 1) if count % n == 0]
    triples = [(x, y, count // (x * y)) for x, y in itertools.product(divisors, repeat=2) if count % (x * y) == 0]

    def longest(triple: tuple[int, int, int]) -> float:
        return max(n * length for n, length in zip(triple, lengths, strict=True))

    return min(triples, key=longest)


def rank_counts(given: Sequence[int] | None, cores: int) -> list[int]:
    """Ranks that are tried: those given, or 1, 2, 4 … and all cores.

    Raises:
        LamplighterError: more ranks than cores, or less than one.
    """
    if given is None:
        doubled = itertools.takewhile(lambda n: n <= cores, (2**k for k in itertools.count()))
        return sorted({*doubled, cores})
    for ranks in given:
        if ranks < 1:
            raise LamplighterError(f"--ranks {ranks}: must be at least 1")
        if ranks > cores:
            raise LamplighterError(
                f"--ranks {ranks}: there are {cores} cores for this program, and ranks that share a core measure the "
                f"scheduler: give at most {cores}, or ask the queue for more"
            )
    return sorted(set(given))


def in_order(
    variants: Sequence[Variant],
    sizes: Sequence[tuple[int, int, int]],
    unit: int,
    reference: tuple[int, int, int],
    ranks: Sequence[int],
    threads: int | None,
    sides: Callable[[RunFile], Sequence[str]],
    of_several_ranks: Sequence[str] = (),
) -> list[Case]:
    """All cases, what tells most first: a budget may end anywhere.

    First the reference size on all ranks and on one, with all sides; then the largest and smallest sizes on the same,
    which tell the terms apart; then what lies between; each for all variants before the next. `sides` gives those of a
    run file. `of_several_ranks` are measured at all sizes, where there is more than one rank.
    """

    def sides_at(variant: Variant, size: tuple[int, int, int], count: int) -> tuple[str, ...]:
        several = tuple(of_several_ranks) if count > 1 else ()
        return several + (tuple(sides(variant.run)) if size == reference else ())

    def importance(place: tuple[tuple[int, int, int], int]) -> tuple[int, int, int]:
        size, count = place
        at_reference, at_edge = size == reference, size in (sizes[0], sizes[-1])
        ends = count in (ranks[0], ranks[-1])
        group = 0 if at_reference and ends else 1 if at_edge and ends else 2 if at_reference else 3 if ends else 4
        return group, math.prod(size), -count

    return [
        Case(variant, size, unit * math.prod(size), count, threads, sides_at(variant, size, count))
        for size, count in sorted(itertools.product(sizes, ranks), key=importance)
        for variant in variants
    ]
