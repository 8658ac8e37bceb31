"""One LAMMPS, into which frame after frame is put: energies, forces and virials of each.

The model is opened once. Between frames only the box and the atoms of LAMMPS change, so frames may differ in their
numbers of atoms, their cells, and in which directions they are periodic. A frame that is the one before it with atoms
moved a little, as in dynamics or a relaxation, keeps LAMMPS' atoms and its neighbour lists.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers

from lamplighter.arrays import TENSOR_COLUMNS, TENSOR_ROWS, Floats
from lamplighter.driver.session import Session
from lamplighter.errors import StructureError
from lamplighter.structures.atoms_file import boxed
from lamplighter.structures.labels import Labels, unknown_stress

#: LAMMPS' order of a symmetric tensor: xx yy zz xy xz yz
_VIRIAL, _COMMITTEE, _VARIANCE = "virial", "committee", "variance"  # IDs of computes and of a fix
_FIXED_NUMBERS = 9  # of `compute pair` before those of each atom type

SILENT = ("-screen", "none", "-log", "none", "-nocite")
"""Command-line switches of a LAMMPS that says nothing."""

SKIN_A = 0.5
"""Neighbours are listed this far beyond the cutoff."""

SMALL_MOVE_A = 1.0
"""Atoms that moved less (Å) since the frame before stay where they are in LAMMPS, and are moved there."""


@dataclass(frozen=True)
class Spread:
    """How far the members of a committee disagree about a frame.

    Attributes:
        energies: eV, of each member, shape (n_members,).
        variances: σ² = 1/K Σ_k |F_k − F̄|² of each atom, (eV/Å)², shape (n_atoms,).
    """

    energies: Floats
    variances: Floats


@dataclass(frozen=True)
class Evaluated:
    """What a potential says of a frame, in the frame's own axes and order of atoms.

    Attributes:
        energy: eV.
        forces: eV/Å, shape (n_atoms, 3).
        virial: Σ r⊗f, eV, shape (3, 3), also of frames that are not periodic; nan where the potential gives none.
        spread: Of a committee; None where there is none.
    """

    energy: float
    forces: Floats
    virial: Floats
    spread: Spread | None = None

    def labels(self, atoms: Atoms) -> Labels:
        """The same as labels of the frame: of one that is periodic in all directions with its stress."""
        stress = -self.virial / atoms.get_volume() if all(atoms.pbc) else unknown_stress()
        return Labels(self.energy, self.forces, stress)


@dataclass
class _Held:
    """The frame that LAMMPS holds, and how it lies there."""

    numbers: np.ndarray
    cell: Floats
    pbc: np.ndarray
    positions: Floats
    prism: Prism
    shift: Floats
    """From a frame's positions to those in the box."""
    vectors: Floats
    """Of the box, in LAMMPS' axes."""

    def takes(self, atoms: Atoms) -> bool:
        """Whether a frame is this one with atoms moved a little, all of them still in the box."""
        if not (
            np.array_equal(atoms.numbers, self.numbers)
            and np.array_equal(atoms.cell.array, self.cell)
            and np.array_equal(atoms.pbc, self.pbc)
            and np.abs(atoms.positions - self.positions).max() < SMALL_MOVE_A
        ):
            return False
        if self.pbc.all():
            return True
        inside = self.in_box(atoms) @ np.linalg.inv(self.vectors)[:, ~self.pbc]
        return bool((inside > 0.0).all() and (inside < 1.0).all())

    def in_box(self, atoms: Atoms) -> Floats:
        """Positions in LAMMPS' axes, not wrapped."""
        return np.asarray(self.prism.vector_to_lammps(atoms.positions + self.shift), dtype=np.float64)


class FrameEvaluator:
    """A potential that answers for any frame of its elements; end it with `close`, or use it in a `with` statement.

    Collective: under mpirun, every rank makes it and calls it alike, with the same frames.

    Args:
        session: A LAMMPS that has what the lines need, opened with the arguments `SILENT`; it is closed with this.
        pair_lines: `pair_style` and `pair_coeff` as in a LAMMPS script with `units metal`, e.g. of `potential.lines`.
        elements: Of the atom types 1, 2, … of these lines.
        newton: `on` or `off`, as the lines need it.
        committee: The pair style in these lines that is a committee, whose `Spread` is wanted; "": none is.

    Raises:
        LammpsError, ModelError: the lines are not accepted.
    """

    def __init__(
        self,
        session: Session,
        pair_lines: Sequence[str],
        elements: Sequence[str],
        newton: str = "on",
        committee: str = "",
    ) -> None:
        self.elements = tuple(elements)
        # of types that are isotopes of an element any will do
        self._type_of = {atomic_numbers[symbol]: number for number, symbol in enumerate(self.elements, start=1)}
        self._session = session
        self._committee = committee
        self._held: _Held | None = None
        watched = (
            f"compute {_COMMITTEE} all pair {committee}",
            f"fix {_VARIANCE} all pair 1 {committee} variance 0",
        )
        try:
            for line in (
                "units metal",
                "atom_style atomic",
                "atom_modify map yes",
                f"newton {newton}",
                f"neighbor {SKIN_A} bin",
                "boundary f f f",
                "region box prism 0 1 0 1 0 1 0 0 0",
                f"create_box {len(self.elements)} box",
                *(
                    f"mass {type_} {atomic_masses[atomic_numbers[symbol]]:.10g}"
                    for type_, symbol in enumerate(self.elements, start=1)
                ),
                *pair_lines,
                f"compute {_VIRIAL} all pressure NULL virial",
                *(watched if committee else ()),
                "thermo_style custom step pe "
                + " ".join(f"c_{_VIRIAL}[{k}]" for k in range(1, 7))
                + (f" c_{_COMMITTEE}[1]" if committee else ""),
            ):
                self._session.command(line)
        except BaseException:
            self._session.close()
            raise

    @property
    def ranks(self) -> int:
        """How many take part."""
        return self._session.environment.ranks

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and stress of a frame, in its own axes and order of atoms.

        Raises:
            StructureError: no atoms, positions that are not finite, an element that was not announced, or a cell that
                LAMMPS cannot hold.
            LammpsError, ModelError: LAMMPS or the model refuses the frame, e.g. because atoms overlap.
        """
        return self.compute(atoms).labels(atoms)

    def compute(self, atoms: Atoms) -> Evaluated:
        """Energy, forces and virial of a frame, and how far a committee disagrees. Raises as `evaluate`."""
        self._check(atoms)
        try:
            if self._held is not None and self._held.takes(atoms):
                self._move(self._held, atoms)
            else:
                self._put(atoms)
        except BaseException:
            self._held = None
            raise
        assert self._held is not None
        prism = self._held.prism
        lmp = self._session.lammps
        pressure = np.array([lmp.extract_compute(_VIRIAL, 0, 1)[k] for k in range(6)])
        volume = abs(np.linalg.det(self._held.vectors))
        virial = np.empty((3, 3))
        six = pressure * (volume / lmp.extract_global("nktv2p"))
        virial[TENSOR_ROWS, TENSOR_COLUMNS] = virial[TENSOR_COLUMNS, TENSOR_ROWS] = six
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
        return Evaluated(
            float(lmp.get_thermo("pe")),
            prism.vector_to_ase(forces),
            prism.tensor2_to_ase(virial),
            self._spread() if self._committee else None,
        )

    def close(self) -> None:
        """End LAMMPS. Collective."""
        self._session.close()

    def __enter__(self) -> FrameEvaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # as `Session` has it: closing is collective
        if error is None or self._session.environment.ranks == 1:
            self.close()

    def _check(self, atoms: Atoms) -> None:
        if len(atoms) == 0:
            raise StructureError("the frame holds no atoms")
        if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
            raise StructureError("the frame has positions or cell vectors that are not finite")
        unknown = sorted(set(atoms.symbols[~np.isin(atoms.numbers, list(self._type_of))]))
        if unknown:
            raise StructureError(
                f"the frame holds {' '.join(unknown)}, and the potential was opened for {' '.join(self.elements)}"
            )
        for axis in range(3):
            if atoms.pbc[axis] and not atoms.cell[axis].any():
                raise StructureError(f"the frame is periodic along {'abc'[axis]} but has no such cell vector")

    def _put(self, atoms: Atoms) -> None:
        """Take the atoms out of LAMMPS, change its box, and put these in."""
        given = boxed(atoms, Path("the frame"))
        prism = Prism(given.cell.array, pbc=given.pbc)
        lx, ly, lz, xy, xz, yz = prism.get_lammps_prism()
        if self._session.n_atoms:
            self._session.command("delete_atoms group all compress yes")
        boundary = " ".join("p" if each else "f" for each in given.pbc)
        # a tilt is only allowed between periodic directions, so it goes before they change and comes after
        self._session.command(
            f"change_box all xy final 0 xz final 0 yz final 0 boundary {boundary} x final 0 {lx:.17g} "
            f"y final 0 {ly:.17g} z final 0 {lz:.17g} xy final {xy:.17g} xz final {xz:.17g} yz final {yz:.17g}"
        )
        n = len(given)
        types = [self._type_of[int(number)] for number in given.numbers]
        positions = prism.vector_to_lammps(given.positions)
        made = self._session.lammps.create_atoms(n, range(1, n + 1), types, positions.reshape(-1).tolist())
        if made != n:
            raise StructureError(f"LAMMPS took {made} of the {n} atoms of the frame: the others lie outside its cell")
        self._session.command("run 0 post no")
        self._held = _Held(
            atoms.numbers.copy(),
            atoms.cell.array.copy(),
            atoms.pbc.copy(),
            atoms.positions.copy(),
            prism,
            given.positions[0] - atoms.positions[0],
            np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]),
        )
        self._note_images(positions, self._held.vectors)

    def _note_images(self, positions: Floats, vectors: Floats) -> None:
        """Tell LAMMPS by how many cells it has wrapped each atom; `create_atoms` forgets it."""
        lmp = self._session.lammps
        wrapped = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
        images = np.rint((positions - wrapped) @ np.linalg.inv(vectors)).astype(np.int32)
        lmp.scatter_atoms("image", 0, 3, images.ctypes.data_as(ctypes.POINTER(ctypes.c_int)))

    def _move(self, held: _Held, atoms: Atoms) -> None:
        """Move the atoms where they are in LAMMPS, which may have wrapped them, and let it decide on its lists."""
        lmp = self._session.lammps
        images = np.array(lmp.gather_atoms("image", 0, 3)).reshape(-1, 3)
        positions = np.ascontiguousarray(held.in_box(atoms) - images @ held.vectors)
        lmp.scatter_atoms("x", 1, 3, positions.ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
        # no fix integrates: a step moves nothing, and takes over what moved
        self._session.command("run 1 pre no post no")
        held.positions = atoms.positions.copy()

    def _spread(self) -> Spread:
        lmp = self._session.lammps
        numbers = lmp.extract_compute(_COMMITTEE, 0, 1)
        members, first = round(numbers[7]), _FIXED_NUMBERS + len(self.elements)
        return Spread(
            np.array([numbers[first + k] for k in range(members)]),
            np.array(lmp.gather(f"f_{_VARIANCE}", 1, 1), dtype=np.float64),
        )
