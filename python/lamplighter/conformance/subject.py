"""A potential under test: its models, the reference that they are held against, and how closely."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamplighter.config import PotentialSection
from lamplighter.driver.models import STYLE
from lamplighter.driver.pair_setup import pair_setup
from lamplighter.driver.pair_style import COMMITTEE
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.errors import LamplighterError
from lamplighter.plain_names import file_word

Lines = list[str]
RANKS_CHECK = "the_number_of_ranks_does_not_matter"


@dataclass(frozen=True)
class Subject:
    """What the checks need to know of a potential.

    It is either a model file that `pair_style lamplighter` evaluates, or, with `lines`, any other pair style of LAMMPS.

    Attributes:
        name: For the names of the tests.
        model: A model file; with `lines`, whatever `lines` and `reference` take.
        second: Another one, for the committee.
        elements: Two or more elements that both know; the type of each in LAMMPS is its place.
        reference: Gives an independent ASE calculator of a model, if there is one the framework's own. It must give
            energy and forces; energies of atoms, their stresses, and the stress are compared where it gives them.
        words: Words after `pair_style lamplighter`.
        lines: The `pair_style` and `pair_coeff` lines of a model, for the elements of the atom types in their order;
            None: those of `pair_style lamplighter`.
        cutoff: Distance at which two atoms of the first element cease to act on each other, Å; None: the model's.
        force: Largest difference from the reference, eV/Å.
        energy: Largest difference from the reference, eV per atom.
        stress: Largest difference from the reference, relative to the largest component.
        own_force: Largest difference between calls that should give equal forces (other ranks, other order of atoms,
            turned), eV/Å; energies per atom may differ by as much in eV.
        slope: Largest difference between forces and differences of energies, eV/Å.
        single: Largest difference between `dtype float32` and `words`: forces, eV/Å; energies of atoms, eV, beyond
            the rounding of the energy itself; stress, relative. None: the model has one precision.
        ranks: Numbers of MPI ranks. Without 2 among them, `without` must say why `the_number_of_ranks_does_not_matter`
            is left out.
        without: Checks that do not apply, and why: names of tests without `test_`, as pytest shows them, for all
            their parameters (`energies_of_atoms_sum_to_the_energy`). They are skipped.
        fails: Checks that the potential is known to fail, and why. They must fail.
    """

    name: str
    model: Any
    second: Any
    elements: tuple[str, ...]
    reference: Callable[[Any], Any]
    words: str = "dtype float64"
    lines: Callable[[Any, Sequence[str]], Lines] | None = None
    cutoff: float | None = None
    force: float = 1e-8
    energy: float = 1e-8
    stress: float = 1e-6
    own_force: float = 1e-8
    slope: float = 1e-4
    single: float | None = None
    ranks: tuple[int, ...] = (1, 2)
    without: Mapping[str, str] = field(default_factory=dict)
    fails: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.elements)) < 2:
            raise LamplighterError(
                f"the subject {self.name} has the elements {' '.join(self.elements) or 'none'}: name two or more that "
                "both models know, as the checks tell atom types apart (of a model of one element, make one of two)"
            )
        if 2 not in self.ranks and RANKS_CHECK not in self.without:
            raise LamplighterError(
                f"the subject {self.name} has no 2 in `ranks`: say why in `without[{RANKS_CHECK!r}]`"
            )

    @property
    def through_bridge(self) -> bool:
        """Whether Python evaluates it, as pairs of atoms that `pair_style lamplighter` hands over."""
        return self.lines is None and "engine native" not in self.words

    def alone(self, elements: Sequence[str], *changes: str) -> Lines:
        """The lines of the first model; changes are further words for `pair_style lamplighter`."""
        if self.lines is not None:
            return list(self.lines(self.model, elements))
        return _lamplighter([self.model], " ".join((self.words, *changes)), elements)

    def committee(self) -> Lines:
        """The lines of both models as a committee that is evaluated at the first step."""
        keywords = "committee every 100"
        if self.lines is None:
            return _lamplighter([self.model, self.second], f"{self.words} {keywords}", self.elements)
        members = [list(self.lines(model, self.elements)) for model in (self.model, self.second)]
        of_members = CheckedPotential(PotentialSection.model_validate({"members": members}), ranks=1)
        return list(pair_setup(of_members, self.elements, keywords).lines)

    @property
    def committee_style(self) -> str:
        """The pair style that has the numbers of the committee."""
        return STYLE if self.lines is None else COMMITTEE


def _lamplighter(models: Sequence[Any], words: str, elements: Sequence[str]) -> Lines:
    names = " ".join(file_word(model) for model in models)
    return [f"pair_style {STYLE} {words}", f"pair_coeff * * {names} {' '.join(elements)}"]
