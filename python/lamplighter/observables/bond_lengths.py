"""Lengths of bonds, by kind, along the last stages of several runs, and in frames that belong to no run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from lamplighter.analysis import stability
from lamplighter.analysis.bond_statistics import BondLengths
from lamplighter.analysis.bonding import BondRule
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError, RunFolderError, TrajectoryError
from lamplighter.guard_criteria import OF_MODELS
from lamplighter.run_folder.run import Run
from lamplighter.structures.frame_of_atoms import frame_of_atoms

BROKEN = 2.0
"""Of its kind's mean length: a longer bond is broken (Niblett et al., section 3.3), and what follows is no liquid."""


@dataclass(frozen=True)
class KindOfBond:
    """The lengths of one kind of bond.

    Attributes:
        name: As `analysis.bond_statistics` has it: C4–H1.
        lengths: How many.
        mean, error: Å, with its standard error; nan: there is none.
        spread: Standard deviation over bonds and frames, Å.
    """

    name: str
    lengths: int
    mean: float
    error: float
    spread: float


@dataclass(frozen=True)
class _Part:
    """One kind of bond in one run, or in one frame."""

    lengths: int
    mean: float
    error: float
    variance: float


def bonds_along_runs(runs: Iterable[Run]) -> tuple[list[KindOfBond], list[str]]:
    """Bonds of the first frame of each run, through the last stage that its run file has.

    Frames count until something breaks: a criterion of the guard that is not one of the models' own uncertainty, or a
    bond that is longer than `BROKEN`. The error is that of each run by the autocorrelation of its own course; where a
    run is too short for one, it is from the scatter over runs.

    Returns:
        Each kind of bond, and a line for each run without any such frame.
    """
    parts: dict[str, list[_Part]] = {}
    notes = []
    for run in runs:
        try:
            found = _of_run(run)
        except LamplighterError as problem:
            notes.append(f"{run.name} says nothing of bond lengths: {problem}")
            continue
        for name, part in found.items():
            parts.setdefault(name, []).append(part)
    return [_pooled(name, each) for name, each in sorted(parts.items())], notes


def bonds_of_frames(frames: Iterable[Atoms]) -> list[KindOfBond]:
    """Bonds as covalent radii find them in each frame; frames are taken to be independent."""
    parts: dict[str, list[_Part]] = {}
    for place, atoms in enumerate(frames):
        frame, rule = frame_of_atoms(atoms, place), BondRule()
        pairs, lengths = rule.find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
        if not len(pairs):
            continue
        one = BondLengths(pairs, frame.numbers, lengths)
        one.add(lengths)
        for kind in one.by_class():
            variance = kind.standard_deviation.value**2
            parts.setdefault(kind.name, []).append(_Part(kind.n_bonds, kind.mean.value, math.nan, variance))
    return [_pooled(name, each) for name, each in sorted(parts.items())]


def _of_run(run: Run) -> dict[str, _Part]:
    begin = _begin_of_last_stage(run)
    broke_at = min((event.step for event in run.events if event.criterion not in OF_MODELS), default=math.inf)
    bonds: BondLengths | None = None
    longest: Floats = np.empty(0)
    n_atoms = n_frames = 0
    for frame in run.trajectory:
        if bonds is None:
            pairs, lengths = run.bonds.find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
            if not len(pairs):
                raise TrajectoryError("it has no bonds")
            bonds, n_atoms = BondLengths(pairs, frame.numbers, lengths), len(frame)
            longest = BROKEN * stability.mean_of_kind(lengths, stability.bond_kinds(frame.numbers, pairs))
        if len(frame) != n_atoms or (frame.step is not None and frame.step >= broke_at):
            break
        lengths = stability.bond_lengths(frame.positions, bonds.pairs, frame.cell, frame.periodic)
        if not (lengths <= longest).all():
            break
        if frame.time_ps is not None and frame.time_ps >= begin - 1e-9 * max(begin, 1.0):
            bonds.add(lengths)
            n_frames += 1
    if bonds is None or not n_frames:
        raise TrajectoryError("no frame of its last stage is whole")
    return {
        kind.name: _Part(
            kind.n_bonds * n_frames, kind.mean.value, kind.mean.standard_error, kind.standard_deviation.value**2
        )
        for kind in bonds.by_class()
    }


def _begin_of_last_stage(run: Run) -> float:
    """When the last stage of dynamics begins that the run file has, ps.

    Raises:
        RunFolderError: the run did not reach it.
    """
    given = run.run_file.get("stages")
    planned = given if isinstance(given, list) else []
    last = max((k for k, each in enumerate(planned) if not str(each.get("type", "")).startswith("minimi")), default=-1)
    stage = run.stages.indexed(last) if last >= 0 else next(iter(reversed(run.stages)), None)
    if stage is None:
        raise RunFolderError("it ended before its last stage")
    return run.stages.interval_ps(stage)[0]


def _pooled(name: str, parts: Sequence[_Part]) -> KindOfBond:
    n, mean, error, variance = (
        np.array([getattr(each, key) for each in parts], dtype=np.float64)
        for key in ("lengths", "mean", "error", "variance")
    )
    share = n / n.sum()
    middle = float(share @ mean)
    spread = math.sqrt(float(share @ (variance + (mean - middle) ** 2)))
    own = float(np.sqrt(np.sum((share * error) ** 2)))
    if math.isnan(own) and len(parts) > 1:
        own = math.sqrt(len(parts) / (len(parts) - 1) * float(np.sum((share * (mean - middle)) ** 2)))
    return KindOfBond(name, int(n.sum()), middle, own, spread)
