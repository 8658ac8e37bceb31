"""A trajectory held against the criteria of stability, frame by frame: when it first fails, where, and t_stab."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from lamplighter.analysis import stability
from lamplighter.analysis.reference_bonds import Bonds
from lamplighter.errors import CriterionError, TrajectoryError
from lamplighter.guard_criteria import CRITERIA, UNITS
from lamplighter.structures.frame import Frame

LONGEST_LIST = 20
"""Offending atoms that a violation names, the worst first."""


@dataclass(frozen=True)
class Limits:
    """What counts as a violation; None: not watched. Non-finite numbers and lost atoms always count.

    Attributes:
        bond_stretch: A bond longer than its reference by more than this, Å.
        bond_ratio: A bond longer than this times its reference.
        density: Lower and higher bound, g/cm³.
        density_start: Share by which the density may leave that of the reference frame; with `density`, both hold.
        temperature: Highest, K.
        force: Largest force on an atom, eV/Å.
        energy: Largest difference of the total energy per atom from that of the first frame, eV/atom.

    Raises:
        CriterionError: a limit is not a positive number, or bounds are reversed.
    """

    bond_stretch: float | None = None
    bond_ratio: float | None = None
    density: tuple[float, float] | None = None
    density_start: float | None = None
    temperature: float | None = None
    force: float | None = None
    energy: float | None = None

    def __post_init__(self) -> None:
        for criterion in CRITERIA:
            limit = self.of(criterion.name) if criterion.is_seen_in_trajectories else None
            if limit is None or criterion.has_bounds:
                continue
            if not (isinstance(limit, float | int) and limit > 0.0 and math.isfinite(limit)):
                raise CriterionError(f"{criterion.name} must be a positive number{_unit(criterion.name)}, got {limit}")
            if limit <= criterion.above:
                raise CriterionError(f"{criterion.name} must be above {criterion.above:g}, got {limit:g}")
        if self.density is not None:
            low, high = self.density
            if not 0.0 <= low < high < math.inf:
                raise CriterionError(f"density needs a lower and then a higher bound in g/cm³, got {low:g} {high:g}")
        if self.density_start is not None and not 0.0 < self.density_start < 1.0:
            raise CriterionError(
                f"the share by which the density may leave that of the start must lie between 0 and 1, got "
                f"{self.density_start:g}"
            )

    def around(self, start: Frame) -> Limits:
        """With bounds of the density around that of a frame, if they were asked for; its masses and cell are known."""
        if self.density_start is None:
            return self
        assert start.masses is not None
        value = stability.density(start.masses, start.cell)
        low, high = self.density or (0.0, math.inf)
        share = self.density_start
        bounds = max(low, value * (1.0 - share)), min(high, value * (1.0 + share))
        if not bounds[0] < bounds[1]:
            raise CriterionError(
                f"density: the start has {value:.4g} g/cm³, and {100.0 * share:g} % around it is outside of "
                f"{low:g} to {high:g} g/cm³"
            )
        return replace(self, density=bounds, density_start=None)

    def of(self, criterion: str) -> float | tuple[float, float] | None:
        """The limit of a criterion; that of what always counts is 0."""
        if criterion in ("finite", "lost"):
            return 0.0
        limit: float | tuple[float, float] | None = getattr(self, criterion.replace(" ", "_"))
        if criterion == "density" and limit is None and self.density_start is not None:
            return self.density_start  # bounds are known with the start
        return limit

    @property
    def criteria(self) -> list[str]:
        """What is watched, apart from what always is."""
        return [each.name for each in CRITERIA if each.is_seen_in_trajectories and self.of(each.name) is not None]

    @property
    def watch_bonds(self) -> bool:
        """Whether bonds are needed."""
        return any(each.of_bonds and self.of(each.name) is not None for each in CRITERIA)


@dataclass(frozen=True)
class Violation:
    """One violation. Ids as in the trajectory (LAMMPS: from 1), worst first; for bonds in pairs.

    Attributes:
        frame: Place in the trajectory, from 0.
        step, time_ps: None where they are not known.
        criterion: Its name.
        value, limit: In the unit of the criterion; for density the limit is both bounds; value None: not finite.
        atoms, elements: At most `LONGEST_LIST` of the atoms that violate it, and their elements.
        reference_length: Å, of the worst bond.
    """

    frame: int
    step: int | None
    time_ps: float | None
    criterion: str
    value: float | None
    limit: float | tuple[float, float]
    atoms: list[int]
    elements: list[str]
    reference_length: float | None = None


@dataclass
class CheckResult:
    """What came of a trajectory.

    Attributes:
        n_frames: Frames that were checked.
        violations: Those found, in order; several may be of one frame.
        first_ps, last_ps: Time of the first frame, and of the last one checked; None where it is not known.
        last_good_ps: Time of the last frame before the first violation; None also where the first frame fails.
        first_index, last_index: Index of the first and last frame checked.
        last_step: Its step; None where it is not known.
        blind_from: Index of the first frame whose box is too small to tell a bond at its limit from its image; None:
            there was none.
    """

    n_frames: int = 0
    violations: list[Violation] = field(default_factory=list)
    first_ps: float | None = None
    last_ps: float | None = None
    last_good_ps: float | None = None
    first_index: int = -1
    last_index: int = -1
    last_step: int | None = None
    blind_from: int | None = None

    @property
    def censored(self) -> bool:
        """Whether nothing happened, so that t_stab is a lower bound."""
        return not self.violations

    @property
    def fails_at_once(self) -> bool:
        """Whether the first frame is beyond a limit, so that nothing can be said of how long it would have held."""
        return bool(self.violations) and self.last_good_ps is None and self.violations[0].frame == self.first_index

    @property
    def t_stab_ps(self) -> float | None:
        """Time from the first frame to the first violation, else to the last frame, ps; None: times are not known."""
        end = self.violations[0].time_ps if self.violations else self.last_ps
        return None if end is None or self.first_ps is None else end - self.first_ps


def lacking(frame: Frame, limits: Limits) -> dict[str, str]:
    """The criteria asked for that the trajectory of a frame cannot serve, each with what it lacks."""
    no_masses = "the elements of some atoms are not known, so neither are their masses" if frame.masses is None else ""
    no_velocities = "the trajectory has no velocities" if frame.velocities is None else ""
    no_volume = "the trajectory has no cell" if abs(np.linalg.det(frame.cell)) == 0.0 else ""
    reasons = {
        "density": no_volume or no_masses,
        "temperature": no_velocities or no_masses,
        "force": "the trajectory has no forces" if frame.forces is None else "",
        "energy": ("the trajectory has no energies" if frame.potential_energy is None else "")
        or no_velocities
        or no_masses,
    }
    return {name: reasons[name] for name in limits.criteria if reasons.get(name)}


class StabilityCheck:
    """Holds frames against limits, relative to the frame that bonds and atoms were taken from.

    Args:
        start: The reference frame.
        limits: What counts.
        bonds: From `bonds_of`; needed where bonds are watched.

    Raises:
        CriterionError: a bond would be watched beyond half of the box.
    """

    def __init__(self, start: Frame, limits: Limits, bonds: Bonds | None = None) -> None:
        self.limits = limits.around(start)
        self.bonds = bonds if limits.watch_bonds and bonds is not None else Bonds(np.empty((0, 2), int), np.empty(0))
        self._ids = start.ids
        self._elements = {int(atom): start.element(place) for place, atom in enumerate(start.ids)}
        self._places = np.searchsorted(start.ids, self.bonds.ids)
        self._first_energy: float | None = None
        self._farthest = self._longest_watched()
        self._refuse_a_small_box(start)

    def _longest_watched(self) -> float:
        reference = self.bonds.reference
        longest = float(reference.max(initial=0.0))
        if self.limits.bond_stretch is not None and len(reference):
            longest = max(longest, float(reference.max()) + self.limits.bond_stretch)
        if self.limits.bond_ratio is not None:
            longest = max(longest, float(reference.max(initial=0.0)) * self.limits.bond_ratio)
        return longest

    def _refuse_a_small_box(self, start: Frame) -> None:
        half = stability.farthest_seen(start.cell, start.periodic)
        if self._farthest > half:
            worst = self.bonds.ids[int(np.argmax(self.bonds.reference))]
            raise CriterionError(
                f"bonds are watched up to {self._farthest:.4g} Å (atoms {worst[0]} and {worst[1]}), more than half of "
                f"the box ({half:.4g} Å), where they cannot be told from their images: lower the limit, or simulate "
                "a larger box"
            )

    def sees_all(self, frame: Frame) -> bool:
        """Whether a bond at its limit would be seen in this frame: half of its box is longer."""
        return self._farthest <= stability.farthest_seen(frame.cell, frame.periodic)

    def violations(self, frame: Frame) -> list[Violation]:
        """All criteria that a frame violates, in the order of `CRITERIA`.

        Raises:
            TrajectoryError: the frame lacks what a criterion is measured by.
        """
        missing = lacking(frame, self.limits)
        for criterion, reason in missing.items():
            raise TrajectoryError(f"frame {frame.index} does not serve the criterion {criterion}: {reason}")
        found: list[Violation] = []
        measures: dict[str, Callable[[Frame], Violation | None]] = {
            "bond stretch": self._stretch,
            "bond ratio": self._ratio,
            "density": self._density,
            "temperature": self._temperature,
            "force": self._force,
            "energy": self._energy,
            "finite": self._finite,
            "lost": self._lost,
        }
        for criterion in (*self.limits.criteria, "finite", "lost"):
            violation = measures[criterion](frame)
            if violation is not None:
                found.append(violation)
        return found

    def _stretch(self, frame: Frame) -> Violation | None:
        assert self.limits.bond_stretch is not None
        return self._bond(frame, "bond stretch", self.limits.bond_stretch)

    def _ratio(self, frame: Frame) -> Violation | None:
        assert self.limits.bond_ratio is not None
        return self._bond(frame, "bond ratio", self.limits.bond_ratio)

    def _bond(self, frame: Frame, criterion: str, limit: float) -> Violation | None:
        places, ids, reference = self._places, self.bonds.ids, self.bonds.reference
        if not np.array_equal(frame.ids, self._ids):  # bonds of lost atoms have no length
            there = np.isin(ids, frame.ids).all(axis=1)
            ids, reference = ids[there], reference[there]
            places = np.searchsorted(frame.ids, ids)
        lengths = stability.bond_lengths(frame.positions, places, frame.cell, frame.periodic)
        values = lengths - reference if criterion == "bond stretch" else lengths / reference
        over = np.flatnonzero(values > limit)
        if len(over) == 0:
            return None
        over = over[np.argsort(-values[over], kind="stable")]
        atoms = [int(atom) for atom in ids[over].ravel()]
        return self._violation(frame, criterion, float(values[over[0]]), atoms, float(reference[over[0]]))

    def _density(self, frame: Frame) -> Violation | None:
        assert self.limits.density is not None
        assert frame.masses is not None
        low, high = self.limits.density
        value = stability.density(frame.masses, frame.cell)
        return None if low <= value <= high else self._violation(frame, "density", value, [])

    def _temperature(self, frame: Frame) -> Violation | None:
        assert self.limits.temperature is not None
        assert frame.masses is not None
        assert frame.velocities is not None
        value = stability.temperature(frame.masses, frame.velocities)
        return None if value <= self.limits.temperature else self._violation(frame, "temperature", value, [])

    def _force(self, frame: Frame) -> Violation | None:
        assert self.limits.force is not None
        assert frame.forces is not None
        sizes = stability.force_sizes(frame.forces)
        value = float(np.fmax.reduce(sizes, initial=0.0))
        if value <= self.limits.force:
            return None
        ranked = np.where(np.isfinite(sizes), sizes, math.inf)
        over = np.flatnonzero(ranked > self.limits.force)
        over = over[np.argsort(-ranked[over], kind="stable")]
        return self._violation(frame, "force", value, [int(atom) for atom in frame.ids[over]])

    def _energy(self, frame: Frame) -> Violation | None:
        assert self.limits.energy is not None
        energy = _energy_per_atom(frame)
        if self._first_energy is None:
            self._first_energy = energy
        value = energy - self._first_energy
        return None if abs(value) <= self.limits.energy else self._violation(frame, "energy", value, [])

    def _finite(self, frame: Frame) -> Violation | None:
        bad = stability.not_finite(frame.positions, frame.forces)
        unknown_energy = self.limits.energy is not None and not math.isfinite(_energy_per_atom(frame))
        if len(bad) == 0 and np.isfinite(frame.cell).all() and not unknown_energy:
            return None
        return self._violation(frame, "finite", 1.0, [int(atom) for atom in frame.ids[bad]])

    def _lost(self, frame: Frame) -> Violation | None:
        lost, new = stability.lost_or_new(self._ids, frame.ids)
        if len(lost) + len(new) == 0:
            return None
        self._elements.update({int(atom): frame.element(int(np.searchsorted(frame.ids, atom))) for atom in new})
        return self._violation(frame, "lost", float(len(lost) + len(new)), [int(atom) for atom in (*lost, *new)])

    def _violation(
        self, frame: Frame, criterion: str, value: float, atoms: list[int], reference: float | None = None
    ) -> Violation:
        named = atoms[:LONGEST_LIST]
        limit = self.limits.of(criterion)
        assert limit is not None
        return Violation(
            frame=frame.index,
            step=frame.step,
            time_ps=frame.time_ps,
            criterion=criterion,
            value=value if math.isfinite(value) else None,
            limit=limit,
            atoms=named,
            elements=[self._elements.get(atom, "?") for atom in named],
            reference_length=reference,
        )


def check_frames(check: StabilityCheck, frames: Iterable[Frame], *, to_the_end: bool = False) -> CheckResult:
    """Hold frames against the criteria, one at a time, up to the first that violates one.

    Args:
        check: The criteria.
        frames: In order of time; only one is held in memory.
        to_the_end: Go on after a violation; it is then written down when it begins, and again after it has ended.

    Raises:
        TrajectoryError: a frame cannot be read, or lacks what a criterion needs.
    """
    result = CheckResult()
    violated: set[str] = set()
    for frame in frames:
        if result.n_frames == 0:
            result.first_ps, result.first_index = frame.time_ps, frame.index
        if result.blind_from is None and not check.sees_all(frame):
            result.blind_from = frame.index
        found = check.violations(frame)
        if not found and not result.violations:
            result.last_good_ps = frame.time_ps
        result.violations += [each for each in found if each.criterion not in violated]
        violated = {each.criterion for each in found}
        result.n_frames += 1
        result.last_index, result.last_step, result.last_ps = frame.index, frame.step, frame.time_ps
        if found and not to_the_end:
            break
    return result


def _energy_per_atom(frame: Frame) -> float:
    """Total energy per atom, eV."""
    assert frame.masses is not None
    assert frame.velocities is not None
    assert frame.potential_energy is not None
    kinetic = stability.kinetic_energy(frame.masses, frame.velocities)
    return (frame.potential_energy + kinetic) / max(len(frame), 1)


def _unit(criterion: str) -> str:
    return f" of {UNITS[criterion]}" if UNITS[criterion] else ""
