"""A classical force field that answers for frames: of all molecules of its list, or of some of them.

LAMMPS gets each frame with its bonds anew, as the data file of a run has them. Energies are of the force field alone:
rigid water that is not at its model's own geometry has the energy of the springs that keep it in shape. Its frames have
no stress: what holds the water rigid in dynamics is a part of the pressure, and depends on velocities.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.data import atomic_numbers

from lamplighter.arrays import TENSOR_COLUMNS, TENSOR_ROWS, Integers
from lamplighter.config.potential import PotentialSection
from lamplighter.driver import classical
from lamplighter.driver.frame_evaluator import Evaluated, FrameEvaluator
from lamplighter.driver.session import Session
from lamplighter.errors import StructureError
from lamplighter.potentials.classical import lammps_lines
from lamplighter.potentials.classical.force_fields import FORCE_FIELDS
from lamplighter.potentials.classical.system import (
    Box,
    System,
    require_neutral,
    system_of,
    terms_of_structure,
    write_data,
)
from lamplighter.potentials.classical.typed_molecule import TypedMolecule
from lamplighter.structures.atoms_file import boxed

_VIRIAL = "virial"
_TERMS = {
    "bond": "ebond",
    "angle": "eangle",
    "dihedral": "edihed",
    "improper": "eimp",
    "van der Waals": "evdwl",
    "Coulomb": "ecoul",
    "k-space": "elong",
    "tail": "etail",
}
"""Parts of the energy, by LAMMPS' words of `thermo_style`."""


class ClassicalFrameEvaluator(FrameEvaluator):
    """As `FrameEvaluator`, of a classical force field; frames hold molecules in the order of its list.

    Args:
        session: A LAMMPS opened with the arguments `frame_evaluator.SILENT`; it is closed with this.
        potential: A resolved section with a classical force field.

    Raises:
        ConfigError, StructureError, EnvironmentProblem: as `classical.require_possible`.
    """

    def __init__(self, session: Session, potential: PotentialSection) -> None:
        self._session = session
        self._potential = potential
        self._whole = classical.system_of_potential(potential)
        self.elements = tuple(dict.fromkeys(self._whole.type_elements))
        self._numbers: Integers | None = None
        self._system = self._whole
        self._committee = ""
        self.parts: dict[str, float] = {}
        """Energy of each part of the force field for the last frame, eV; `van der Waals` holds `tail`."""

    def compute(self, atoms: Atoms) -> Evaluated:
        """Energy, forces and virial of a frame; the virial is nan where molecules are rigid.

        Raises:
            StructureError: the frame is no row of the molecules of the list, or it is periodic in some directions only.
            ConfigError: a periodic frame with a net charge.
            LammpsError: LAMMPS refuses the frame.
        """
        if len(atoms) == 0 or not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
            raise StructureError("the frame holds no atoms, or positions or cell vectors that are not finite")
        periodic = bool(atoms.pbc.all())
        if atoms.pbc.any() and not periodic:
            raise StructureError("a classical force field takes frames that are periodic in all directions or in none")
        system = self._system_of(atoms)
        if periodic:
            require_neutral(system, "the frame")
        prism = self._read(atoms, system, periodic)
        lmp = self._session.lammps
        virial = np.full((3, 3), np.nan)
        if not system.rigid:
            pressure = np.array([lmp.extract_compute(_VIRIAL, 0, 1)[k] for k in range(6)])
            six = pressure * (lmp.get_thermo("vol") / lmp.extract_global("nktv2p"))
            virial[TENSOR_ROWS, TENSOR_COLUMNS] = virial[TENSOR_COLUMNS, TENSOR_ROWS] = six
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
        self.parts = {part: float(lmp.get_thermo(word)) for part, word in _TERMS.items()}
        return Evaluated(float(lmp.get_thermo("pe")), prism.vector_to_ase(forces), prism.tensor2_to_ase(virial))

    def _read(self, atoms: Atoms, system: System, periodic: bool) -> Prism:
        given = boxed(atoms, Path("the frame"))
        prism = Prism(given.cell.array, pbc=given.pbc)
        lx, ly, lz, xy, xz, yz = prism.get_lammps_prism()
        box = Box(np.zeros(3), np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]), given.pbc)
        positions = prism.vector_to_lammps(given.positions)
        terms = terms_of_structure(system, positions, box, "the frame")
        assert self._potential.classical is not None
        lines = lammps_lines.lines(
            FORCE_FIELDS[self._potential.classical],
            system,
            self._potential.cutoff.metal,
            self._potential.kspace_accuracy,
            periodic,
            self._potential.tail_correction,
        )
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "frame.data"
            if self._session.environment.is_first:
                write_data(data, system, positions, box, terms)
            name = self._session.environment.comm.bcast(str(data), root=0)
            for line in (
                "clear",
                "units metal",
                "atom_style full",
                "atom_modify map yes sort 0 0.0",
                f"boundary {' '.join('p' if each else 'm' for each in given.pbc)}",
                f"read_data {name}",
                *lines,
                f"compute {_VIRIAL} all pressure NULL virial",
                "thermo_style custom step pe " + " ".join(f"c_{_VIRIAL}[{k}]" for k in range(1, 7)) + " "
                + " ".join(_TERMS.values()),
                "run 0 post no",
            ):  # fmt: skip
                self._session.command(line)
        return prism

    def _system_of(self, atoms: Atoms) -> System:
        if self._numbers is None or not np.array_equal(self._numbers, atoms.numbers):
            self._system = _system_of_numbers(self._whole, np.asarray(atoms.numbers))
            self._numbers = atoms.numbers.copy()
        return self._system


def _system_of_numbers(whole: System, numbers: Integers) -> System:
    """The molecules that atomic numbers in a row are: all of a list, or some of each component in the list's order."""
    own = np.concatenate([np.tile(_numbers_of(each), n) for each, n in zip(whole.molecules, whole.counts, strict=True)])
    if np.array_equal(own, numbers):
        return whole
    rows = [tuple(int(number) for number in _numbers_of(each)) for each in whole.molecules]
    ways = _ways(rows, tuple(int(number) for number in numbers))
    if len(ways) != 1:
        names = ", ".join(each.name for each in whole.molecules)
        raise StructureError(
            f"the atoms of the frame are {'no row' if not ways else 'several rows'} of the molecules {names} in this "
            "order, each with its atoms as in the list of molecules"
        )
    chosen = [(each, n) for each, n in zip(whole.molecules, ways[0], strict=True) if n]
    return system_of([each for each, _ in chosen], [n for _, n in chosen])


def _ways(rows: Sequence[tuple[int, ...]], numbers: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Numbers of molecules of each kind in a row, in all ways there are, two at most."""
    if not rows:
        return [()] if not numbers else []
    found: list[tuple[int, ...]] = []
    row, count = rows[0], 0
    while True:
        found += [(count, *rest) for rest in _ways(rows[1:], numbers[count * len(row) :])]
        if len(found) > 1 or numbers[count * len(row) : (count + 1) * len(row)] != row:
            return found[:2]
        count += 1


def _numbers_of(molecule: TypedMolecule) -> Integers:
    return np.array([atomic_numbers[symbol] for symbol in molecule.elements])
