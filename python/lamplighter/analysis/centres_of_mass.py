"""Centres of mass of molecules along a trajectory: frames are read one at a time, only the centres are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix, identity

from lamplighter.analysis import stability
from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.molecules import Molecules, molecules
from lamplighter.arrays import Floats
from lamplighter.errors import TrajectoryError
from lamplighter.structures.frame import Frame

CELL_TOLERANCE = 1e-5
"""Relative change of a cell vector from which on the volume is not constant."""

SPACING_TOLERANCE = 1e-3
"""Relative deviation of an interval between frames from their mean."""

_FEWEST_FRAMES = 256


def change_of_cell(one: Frame, other: Frame) -> float:
    """Largest difference of two cells, over the largest number of the first one."""
    return float(np.abs(other.cell - one.cell).max()) / max(float(np.abs(one.cell).max()), 1e-30)


@dataclass(frozen=True)
class CentresOfMass:
    """Centres of mass of n molecules at T equally spaced times.

    Attributes:
        interval_ps: Time between frames, ps.
        positions: Å, shape (T, n, 3), unwrapped.
        velocities: Å/ps, shape (T, n, 3); None where the trajectory has none.
        molecules: What moves.
        cell: Å, shape (3, 3), the same in all frames.
    """

    interval_ps: float
    positions: Floats
    velocities: Floats | None
    molecules: Molecules
    cell: Floats

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def length_ps(self) -> float:
        """Time from the first frame to the last, ps."""
        return (len(self) - 1) * self.interval_ps

    def since(self, time_ps: float) -> CentresOfMass:
        """What is left without the first `time_ps`."""
        first = max(0, int(np.ceil(time_ps / self.interval_ps - 1e-6)))
        velocities = None if self.velocities is None else self.velocities[first:]
        return replace(self, positions=self.positions[first:], velocities=velocities)


def molecules_of(frame: Frame, bonds: BondRule | None = None) -> Molecules:
    """Molecules of a frame.

    Args:
        frame: Positions finite, elements and masses known.
        bonds: Which atoms are bonded; None: `BondRule()`.

    Raises:
        TrajectoryError: an element or a mass is not known, or a position is not finite.
    """
    unknown = np.flatnonzero(frame.numbers == 0)
    if len(unknown) or frame.masses is None:
        atom = frame.ids[unknown[0]] if len(unknown) else frame.ids[0]
        raise TrajectoryError(
            f'element or mass of atom {atom} is not known: give --elements "C H O", one for each atom type'
        )
    if len(stability.not_finite(frame.positions)):
        raise TrajectoryError(f"frame {frame.index} has positions that are not finite: molecules cannot be found in it")
    rule = bonds or BondRule()
    pairs, _ = rule.find(frame.positions, frame.numbers, frame.cell, frame.periodic, frame.ids)
    return molecules(pairs, frame.numbers, frame.masses)


def read_centres(
    frames: Iterable[Frame],
    *,
    unwrap: bool = False,
    bonds: BondRule | None = None,
    of_molecules: Molecules | None = None,
) -> CentresOfMass:
    """Read frames one at a time and keep the centres of mass, whose motion against the total centre is what is left.

    Molecules are those of the first frame. Memory: 24 bytes for each frame and molecule (and as much again for
    velocities).

    Args:
        frames: Of constant cell, at equal intervals of time; positions unwrapped, or with image flags.
        unwrap: Take each atom's step from frame to frame through the nearest image. Right where no atom moves half a
            cell between frames.
        bonds: As `molecules_of`.
        of_molecules: The frames' "atoms" are the centres of mass of these molecules already.

    Raises:
        TrajectoryError: fewer than two frames, no times, unequal intervals, atoms that come or go, a cell that changes,
            positions that are not finite, or positions that jump by a cell (wrapped).
    """
    stream = _Frames(frames, unwrap)
    first = next(stream, None)
    if first is None:
        raise TrajectoryError("there are no frames")
    if of_molecules is None:
        species = molecules_of(first.frame, bonds)
        share = first.frame.masses / species.masses[species.of_atom]  # type: ignore[operator]
        n_atoms = len(species.of_atom)
        centre = csr_matrix((share, (species.of_atom, np.arange(n_atoms))), shape=(len(species), n_atoms))
    else:
        species, centre = of_molecules, identity(len(of_molecules), format="csr")
    weights = species.masses / species.masses.sum()
    has_velocities = first.frame.velocities is not None
    times: list[float] = []
    positions, velocities = _Rows(len(species)), _Rows(len(species))
    for each in _after(first, stream):
        times.append(each.time_ps)
        positions.append(_without_common_motion(centre @ each.positions, weights))
        has_velocities &= each.frame.velocities is not None
        if has_velocities:
            velocities.append(_without_common_motion(centre @ each.frame.velocities, weights))
    speeds = velocities.all() if has_velocities else None
    return CentresOfMass(_interval(times), positions.all(), speeds, species, first.frame.cell)


@dataclass(frozen=True)
class _Unwrapped:
    frame: Frame
    time_ps: float
    positions: Floats


class _Frames:
    """Frames that were held against the first one, with unwrapped positions."""

    def __init__(self, frames: Iterable[Frame], unwrap: bool) -> None:
        self._frames = iter(frames)
        self._unwrap = unwrap
        self._first: Frame | None = None
        self._before: Frame | None = None
        self._shift: Floats | None = None  # what unwrapping has added so far

    def __iter__(self) -> Iterator[_Unwrapped]:
        return self

    def __next__(self) -> _Unwrapped:
        frame = next(self._frames)
        self._first = self._first or frame
        self._compare(frame)
        if frame.time_ps is None:
            raise TrajectoryError("the times of the frames are not known: give --timestep or --dt")
        positions = frame.positions
        if frame.images is not None:
            positions = positions + frame.images @ frame.cell
        elif not frame.unwrapped and self._before is not None:
            positions = self._through_the_cell(frame)
        self._before = frame
        return _Unwrapped(frame, frame.time_ps, positions)

    def _compare(self, frame: Frame) -> None:
        assert self._first is not None
        if not np.array_equal(frame.ids, self._first.ids):
            lost, new = stability.lost_or_new(self._first.ids, frame.ids)
            raise TrajectoryError(
                f"frame {frame.index} has {len(frame)} atoms, {len(lost)} of the first frame's "
                f"{len(self._first)} are gone and {len(new)} are new: displacements need the same atoms throughout"
            )
        if len(stability.not_finite(frame.positions)):
            raise TrajectoryError(
                f"frame {frame.index} has positions that are not finite: `lamplighter check` says what failed first"
            )
        change = change_of_cell(self._first, frame)
        if change > CELL_TOLERANCE:
            raise TrajectoryError(
                f"the cell changes (by {100.0 * change:.3g} % up to frame {frame.index}): displacements are analysed "
                "at fixed volume; take a stage at constant volume (nvt or nve; --stage), or simulate one from the last "
                "frame of the NPT run"
            )

    def _through_the_cell(self, frame: Frame) -> Floats:
        """Positions where the file may be wrapped: nearest images if asked for, else an error at a jump."""
        assert self._before is not None
        if self._shift is None:
            self._shift = np.zeros_like(frame.positions)
        repeats = frame.periodic & frame.cell.any(axis=1)
        if repeats.any():
            cell = np.where(repeats[:, None], frame.cell, np.eye(3) * 1e30)
            steps = np.round((frame.positions - self._before.positions) @ np.linalg.inv(cell))
            jumps = np.flatnonzero((steps != 0.0).any(axis=1))
            if len(jumps) and not self._unwrap:
                atom = jumps[0]
                far = float(np.linalg.norm(frame.positions[atom] - self._before.positions[atom]))
                raise TrajectoryError(
                    f"atom {frame.ids[atom]} jumps by {far:.3g} Å between frames {self._before.index} and "
                    f"{frame.index}, more than half of the cell: the positions are wrapped. Give unwrapped ones "
                    "(xu yu zu, or ix iy iz beside x y z), or --unwrap, which is right where no atom moves half a cell "
                    "between frames"
                )
            self._shift = self._shift - np.where(repeats, steps, 0.0) @ frame.cell
        return frame.positions + self._shift


class _Rows:
    """Rows of shape (n, 3) in one array that grows; where the system can, its memory is moved and not copied."""

    def __init__(self, n: int) -> None:
        self._rows = np.empty((_FEWEST_FRAMES, n, 3))
        self._used = 0

    def append(self, row: Floats) -> None:
        if self._used == len(self._rows):
            self._rows.resize((self._used + self._used // 4, *self._rows.shape[1:]), refcheck=False)
        self._rows[self._used] = row
        self._used += 1

    def all(self) -> Floats:
        return self._rows[: self._used]


def _without_common_motion(row: Floats, weights: Floats) -> Floats:
    """Centres (n, 3) relative to their mass-weighted mean."""
    return np.asarray(row - weights @ row)


def _interval(times: list[float]) -> float:
    if len(times) < 2:
        raise TrajectoryError(f"displacements need at least 2 frames, got {len(times)}")
    steps = np.diff(times)
    interval = float(np.median(steps))
    uneven = np.flatnonzero(np.abs(steps - interval) > SPACING_TOLERANCE * abs(interval))
    if interval <= 0.0 or len(uneven):
        at = int(uneven[0]) if len(uneven) else 0
        raise TrajectoryError(
            f"frames must follow each other at equal intervals: from {times[at]:.6g} to {times[at + 1]:.6g} ps between "
            f"frames {at} and {at + 1}, elsewhere {interval:.6g} ps"
        )
    return (times[-1] - times[0]) / (len(times) - 1)


def _after(first: _Unwrapped, rest: Iterable[_Unwrapped]) -> Iterator[_Unwrapped]:
    yield first
    yield from rest
