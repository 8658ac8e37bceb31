"""The structure of a liquid along a trajectory: radial distributions, bond lengths, and whether molecules hold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamplighter.analysis import stability
from lamplighter.analysis.bond_statistics import BondClass, BondDifference, BondLengths, differences
from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.centres_of_mass import molecules_of
from lamplighter.analysis.integrity import BREAKS, Integrity, IntegrityCheck
from lamplighter.analysis.molecules import Molecules
from lamplighter.analysis.pairs_within import half_width, pairs_within
from lamplighter.analysis.radial_distribution import KINDS, PairDistribution, RadialDistributions
from lamplighter.errors import TrajectoryError
from lamplighter.observables.production import Production, production_of_length, production_of_stage
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.stages import time_in_stage_ps
from lamplighter.run_folder.trajectory import RunTrajectory
from lamplighter.structures.frame import Frame

FARTHEST_A = 10.0
"""How far g(r) goes where the cell allows it and nothing is asked for."""


@dataclass(frozen=True)
class StructureOptions:
    """What is done with a trajectory.

    Attributes:
        discard: ps, left out from the beginning; None: as `production.production_of_stage`, of other files
            `production.production_of_length`.
        r_max: Å, of g(r); None: as far as the cell allows, at most `FARTHEST_A`.
        bin_width: Å, of g(r).
        bonds: Which atoms are bonded, and where a new bond begins; None: as the run decided, else `BondRule()`.
        breaks: A bond ends at this times the sum of its covalent radii.
        every: Only each such frame is looked at.
    """

    discard: float | None = None
    r_max: float | None = None
    bin_width: float = 0.05
    bonds: BondRule | None = None
    breaks: float = BREAKS
    every: int = 1


@dataclass(frozen=True)
class TrajectoryStructure:
    """One trajectory.

    Attributes:
        path: The file or run folder.
        n_frames: From which distributions and bond lengths were taken.
        begin_ps, end_ps: Times of the first and last of them; None: not known.
        discarded: What was left out before them, in words.
        molecules: Of the first frame.
        distributions: Of each of `KINDS`; empty lists where there is no cell.
        bond_classes, bond_elements: By elements with their numbers of bonds, and by elements alone.
        integrity: Of all frames, also those that were discarded.
        temperature: K, mean of the stage; None: not known.
        notes: What limits the numbers.
    """

    path: Path
    n_frames: int
    begin_ps: float | None
    end_ps: float | None
    discarded: str
    molecules: Molecules
    distributions: dict[str, list[PairDistribution]]
    bond_classes: list[BondClass]
    bond_elements: list[BondClass]
    integrity: Integrity
    temperature: float | None
    notes: list[str]


@dataclass(frozen=True)
class StructureOfTrajectories:
    """Several trajectories, and how the bonds of each differ from those of the reference.

    Attributes:
        trajectories: Each of them.
        reference: What they are compared with; None: nothing.
        differences: For each trajectory, of the classes; empty without a reference.
    """

    trajectories: list[TrajectoryStructure]
    reference: TrajectoryStructure | None
    differences: list[list[BondDifference]]


def compared(trajectories: list[TrajectoryStructure], reference: TrajectoryStructure | None) -> StructureOfTrajectories:
    """Put trajectories together with their reference.

    Raises:
        TrajectoryError: a trajectory has no class of bonds in common with the reference.
    """
    found = []
    for one in trajectories if reference is not None else []:
        assert reference is not None
        ratio = one.temperature / reference.temperature if one.temperature and reference.temperature else 1.0
        ours, theirs = one.bond_classes, reference.bond_classes
        made = differences(ours, theirs, ratio)
        if not made:
            names = [", ".join(each.name for each in classes) or "none" for classes in (ours, theirs)]
            raise TrajectoryError(
                f"{one.path} and its reference {reference.path} have no class of bonds in common ({'; '.join(names)})"
            )
        found.append(made)
    return StructureOfTrajectories(trajectories, reference, found)


def structure_of_run(
    run: Run, stage: str | None, wanted: StructureOptions, trajectory: RunTrajectory | None = None
) -> TrajectoryStructure:
    """The structure in one stage of a run; molecules are followed through all of its trajectory.

    Args:
        run: The run.
        stage: Name or index; None: the last of dynamics.
        wanted: What is done.
        trajectory: Its trajectory, where its elements are not those that the run wrote.

    Raises:
        LamplighterError: there is no such stage, or its frames cannot be used.
    """
    trajectory = trajectory or run.trajectory
    record = run.stage(stage, ("nvt", "npt", "nve"), "the structure")
    begin, end = run.stages.interval_ps(record)
    wanted = replace(wanted, bonds=wanted.bonds or run.bonds)
    production = production_of_stage(run, record, wanted.discard)
    made = structure_of_frames(run.folder, trajectory, wanted, (begin, end), production)
    rows = run.thermo.stage(record.index)
    kept = rows["temperature_K"][production.of(time_in_stage_ps(rows, record))]
    kept = kept[np.isfinite(kept)]
    notes = [*made.notes, *trajectory.notes]
    if trajectory.dropped:
        notes.append(f"{trajectory.path.name}: {trajectory.dropped}")
    return replace(made, temperature=float(kept.mean()) if len(kept) else None, notes=notes)


def production_of_frames(frames: Iterable[Frame], discard_ps: float | None = None) -> Production:
    """Production of a trajectory that is no run's, as `production.production_of_length`.

    Args:
        frames: In order of time; read through once where the length is needed.
        discard_ps: As there.
    """
    if discard_ps is not None:
        return Production(discard_ps, f"first {discard_ps:g} ps discarded, as asked" if discard_ps else "")
    begin = end = None
    for frame in frames:
        if frame.time_ps is None:
            return Production(0.0, "nothing was discarded: the times of the frames are not known (--timestep or --dt)")
        begin, end = frame.time_ps if begin is None else begin, frame.time_ps
    return production_of_length(0.0 if begin is None or end is None else end - begin)


def structure_of_frames(
    path: Path,
    frames: Iterable[Frame],
    wanted: StructureOptions,
    window_ps: tuple[float, float] | None = None,
    production: Production | None = None,
) -> TrajectoryStructure:
    """The structure in the frames of a trajectory; one of them is in memory at a time.

    Args:
        path: What the frames come from, for messages.
        frames: In order of time, all of the same atoms. Read twice where `production` is not given and nothing is said
            by `wanted.discard`, so then no generator.
        wanted: What is done.
        window_ps: Times of the stage from which distributions and bond lengths are taken; None: all.
        production: What is left out from its beginning; None: as `production_of_frames`.

    Raises:
        TrajectoryError: there are no frames, atoms come or go, elements or times that are needed are not known, nothing
            is left, or g(r) is asked for beyond half of the cell.
    """
    try:
        chosen = production or production_of_frames(frames, wanted.discard)
        return _Reading(path, wanted, window_ps, chosen).read(frames)
    except TrajectoryError as problem:
        raise TrajectoryError(f"{path}: {problem}") from None


class _Reading:
    """What is gathered while frames go by."""

    def __init__(
        self, path: Path, wanted: StructureOptions, window_ps: tuple[float, float] | None, production: Production
    ) -> None:
        self._path, self._wanted, self._window, self._production = path, wanted, window_ps, production
        self._notes: list[str] = []
        self._first: Frame | None = None
        self._distributions: RadialDistributions | None = None
        self._farthest = math.inf  # that the cells of all frames allow
        self._times: list[float | None] = []
        self._n_frames = 0

    def read(self, frames: Iterable[Frame]) -> TrajectoryStructure:
        for frame in frames:
            if frame.index % self._wanted.every:
                continue
            if self._first is None:
                self._begin(frame)
            elif not np.array_equal(frame.ids, self._first.ids):
                lost, new = stability.lost_or_new(self._first.ids, frame.ids)
                raise TrajectoryError(
                    f"frame {frame.index} has {len(frame)} atoms, {len(lost)} of the first frame's {len(self._first)} "
                    f"are gone and {len(new)} are new: the structure needs the same atoms throughout"
                )
            if len(stability.not_finite(frame.positions)) or not np.isfinite(frame.cell).all():
                self._notes.append(f"from frame {frame.index} on positions are not finite: what follows was left out")
                break
            self._take(frame)
        if self._first is None:
            raise TrajectoryError("there are no whole frames")
        if not self._n_frames:
            asked = "the chosen stage" if self._window else "what was not discarded"
            raise TrajectoryError(f"no frame lies in {asked}: give a shorter --discard, or another --stage")
        return self._result()

    def _begin(self, frame: Frame) -> None:
        self._first = frame
        rule = self._wanted.bonds or BondRule()
        self._molecules = molecules_of(frame, rule)
        assert frame.masses is not None
        self._check = IntegrityCheck(frame.numbers, frame.masses, rule.tolerance, self._wanted.breaks, rule, frame.ids)
        pairs, lengths = rule.find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
        self._bonds = BondLengths(pairs, frame.numbers, lengths)

    def _take(self, frame: Frame) -> None:
        here = half_width(frame.cell, frame.periodic)
        if self._check.reach > here:
            raise TrajectoryError(
                f"in frame {frame.index} half of the cell is {here:.4g} Å wide: bonds up to {self._check.reach:.4g} Å "
                "cannot be told from their images"
            )
        counted = self._counts(frame)
        if counted and self._distributions is None:
            self._start_distributions(frame, here)
        reach = self._check.reach
        if counted and self._distributions is not None:
            reach = max(reach, min(self._distributions.r_max, here))
        pairs, distances = pairs_within(frame.positions, frame.cell, frame.periodic, reach)
        self._check.add(frame.index, frame.time_ps, pairs, distances)
        if not counted:
            return
        self._n_frames += 1
        self._times = [self._times[0] if self._times else frame.time_ps, frame.time_ps]
        if self._distributions is not None:
            self._farthest = min(self._farthest, here)
            self._distributions.add(pairs, distances, abs(float(np.linalg.det(frame.cell))))
        if len(self._bonds.pairs):
            self._bonds.add(stability.bond_lengths(frame.positions, self._bonds.pairs, frame.cell, frame.periodic))

    def _counts(self, frame: Frame) -> bool:
        """Whether distributions and bond lengths are taken from a frame."""
        if self._window is None and not self._production.begin_ps:
            return True
        if frame.time_ps is None:
            raise TrajectoryError("the times of the frames are not known: give --timestep or --dt, or --discard 0")
        assert self._first is not None
        assert self._first.time_ps is not None
        begin, end = self._window or (self._first.time_ps, math.inf)
        if frame.time_ps > end + 1e-6 * max(end, 1.0):
            return False
        return bool(self._production.of(np.array([frame.time_ps - begin]))[0])

    def _start_distributions(self, frame: Frame, here: float) -> None:
        if not (frame.periodic & frame.cell.any(axis=1)).all():
            if not self._notes:
                self._notes.append("g(r) was not computed: the cell is not periodic in all directions")
            return
        wanted = self._wanted.r_max
        if wanted is not None and wanted > here:
            raise TrajectoryError(
                f"--r-max {wanted:g} is more than half of the cell ({here:.4g} Å), beyond which images are counted "
                "twice: give less, or simulate a larger cell"
            )
        assert self._first is not None
        self._distributions = RadialDistributions(
            self._first.numbers, self._molecules.of_atom, min(wanted or FARTHEST_A, here), self._wanted.bin_width
        )

    def _result(self) -> TrajectoryStructure:
        made: dict[str, list[PairDistribution]] = {kind: [] for kind in KINDS}
        if self._distributions is not None:
            made = {kind: self._distributions.results(kind, self._farthest) for kind in KINDS}
            if self._farthest < self._distributions.r_max - 1e-9:
                self._notes.append(f"g(r) ends at {self._farthest:.4g} Å: half of the smallest cell")
        if not len(self._bonds.pairs):
            self._notes.append("there are no bonds in the first frame")
        return TrajectoryStructure(
            path=self._path,
            n_frames=self._n_frames,
            begin_ps=self._times[0],
            end_ps=self._times[-1],
            discarded=self._production.words,
            molecules=self._molecules,
            distributions=made,
            bond_classes=self._bonds.by_class(),
            bond_elements=self._bonds.by_elements(),
            integrity=self._check.result(),
            temperature=None,
            notes=self._notes,
        )
