"""One frame of a trajectory, whatever file it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import TrajectoryError
from lamplighter.structures.isotopes import NEAR_STANDARD, element_of_isotope

_UNITED_ATOMS = np.array([atomic_masses[6] + n * atomic_masses[1] for n in range(1, 5)])  # CH to CH4
_NEAR_UNITED = 0.008  # g/mol
_STANDARD_MASSES = np.array(atomic_masses[1:])


@dataclass(frozen=True)
class Frame:
    """Atoms in the order of their ids; None where the file does not say.

    Attributes:
        index: Place in the trajectory, from 0.
        step: Number of the simulation step.
        time_ps: Time, ps.
        ids: Shape (n,), ascending and without repetition; 1 … n where the file has none.
        numbers: Atomic numbers, shape (n,); 0: unknown.
        positions: Å, shape (n, 3), wrapped or not.
        cell: Cell vectors as rows, Å, shape (3, 3); zero where there is none.
        periodic: Which cell vectors repeat, shape (3,).
        masses: g/mol, shape (n,).
        velocities: Å/ps, shape (n, 3).
        forces: eV/Å, shape (n, 3).
        potential_energy: eV, of the whole system.
        images: How often each position was moved back into the cell, in cell vectors, shape (n, 3); positions +
            images @ cell are unwrapped.
        unwrapped: Whether the file says that positions are those of atoms that may have left the cell.
    """

    index: int
    step: int | None
    time_ps: float | None
    ids: Integers
    numbers: Integers
    positions: Floats
    cell: Floats
    periodic: NDArray[np.bool_]
    masses: Floats | None = None
    velocities: Floats | None = None
    forces: Floats | None = None
    potential_energy: float | None = None
    images: Integers | None = None
    unwrapped: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def element(self, atom: int) -> str:
        """Symbol of the atom at a place of the arrays; "?" where it is unknown."""
        return str(chemical_symbols[self.numbers[atom]]) if self.numbers[atom] else "?"

    def to_ase(self) -> Atoms:
        """The frame as `ase.Atoms`, with masses, and with velocities where the file has them; `info` has step and time.

        Raises:
            TrajectoryError: the elements of some atoms are not known.
        """
        if not self.numbers.all():
            raise TrajectoryError(
                f"frame {self.index} has atoms whose elements are not known: say which element each atom type is"
            )
        atoms = atoms_of_frame(self)
        if self.velocities is not None:
            atoms.set_velocities(self.velocities / (1e3 * units.fs))
        atoms.info.update({"step": self.step, "time_ps": self.time_ps})
        return atoms


def number_of_mass(mass: float) -> int:
    """Atomic number of the element whose standard mass (g/mol) is nearest, within 0.3; then of a light isotope that
    tells its element, such as deuterium; 0: there is none, or it is the mass of a united atom (CH2 is no nitrogen).
    """
    if np.abs(_UNITED_ATOMS - mass).min() < _NEAR_UNITED:
        return 0
    away = np.abs(_STANDARD_MASSES - mass)
    nearest = int(np.argmin(away))
    if away[nearest] < NEAR_STANDARD:
        return nearest + 1
    isotope = element_of_isotope(mass)
    return 0 if isotope is None else atomic_numbers[isotope]


def standard_masses(numbers: Integers) -> Floats | None:
    """Standard masses (g/mol, IUPAC 2016 as in ASE), shape (n,); None where an element is unknown."""
    if len(numbers) and not numbers.all():
        return None
    return np.asarray(atomic_masses[numbers], dtype=np.float64)


def atoms_of_frame(frame: Frame) -> Atoms:
    """ASE's atoms of a frame whose elements are known, without velocities and forces."""
    return Atoms(
        numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.periodic, masses=frame.masses
    )
