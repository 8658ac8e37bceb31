"""Trajectories with a topology, as MDAnalysis reads them: DCD, XTC, TRR, NetCDF and others."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import units
from numpy.typing import NDArray

from lamplighter.arrays import Floats, Integers
from lamplighter.errors import TrajectoryError
from lamplighter.structures import atom_names, lammps_data, metal_data
from lamplighter.structures.compressed import left_out_from
from lamplighter.structures.frame import Frame, number_of_mass, standard_masses
from lamplighter.structures.lammps_dump import AtomTypes

_EV_PER_KJ_MOL = units.kJ / units.mol
_DATA_COLUMNS = {  # of LAMMPS atom styles, for MDAnalysis
    "atomic": "id type x y z",
    "charge": "id type charge x y z",
    "bond": "id resid type x y z",
    "angle": "id resid type x y z",
    "molecular": "id resid type x y z",
    "full": "id resid type charge x y z",
}


def without_remarks() -> None:
    """Let MDAnalysis be imported in silence: it logs that netCDF4 is missing, which writes what nobody writes here."""
    logging.getLogger("MDAnalysis.coordinates.AMBER").setLevel(logging.ERROR)


class MDAnalysisTrajectory:
    """The frames of a trajectory of which another file says what its atoms are.

    Args:
        path: The trajectory.
        topology: The other file.
        types: Elements of numbered atom types, and of names; they count more than what the topology says.
    """

    def __init__(self, path: Path, topology: Path, types: AtomTypes | None) -> None:
        self.path = path
        self.topology = topology
        self.dropped = ""
        self._elements = dict(types.elements) if types else {}
        self._names = dict(types.names) if types else {}

    def __iter__(self) -> Iterator[Frame]:
        """Raises TrajectoryError: MDAnalysis is missing, or cannot read the files; the elements are not known."""
        self.dropped = ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            universe = self._universe()
            ids, numbers, masses = self._atoms(universe)
            order = np.argsort(ids, kind="stable")
            order = order[numbers[order] != atom_names.LEAVE_OUT]
            frames = iter(universe.trajectory)
            index = 0
            while True:
                try:
                    given = next(frames)
                except StopIteration:
                    return
                except Exception as problem:  # its readers raise whatever they stumble over
                    if index:
                        self.dropped = left_out_from(index, problem)
                        return
                    raise TrajectoryError(
                        f"MDAnalysis cannot read frame {index} of {self.path} ({type(problem).__name__}: {problem})"
                    ) from problem
                frame = _frame_of_timestep(given, index, ids[order], numbers[order], masses, order)
                # programs disagree about the unit of time in a DCD header, and about its first step
                yield replace(frame, step=None, time_ps=None) if universe.trajectory.format == "DCD" else frame
                index += 1

    def _universe(self) -> Any:
        without_remarks()
        try:
            import MDAnalysis
        except ImportError:
            raise TrajectoryError("--topology needs MDAnalysis: pip install MDAnalysis") from None
        options, header = {}, None
        if lammps_data.looks_like_data(self.topology):
            header = lammps_data.read_header(self.topology)
            columns = _DATA_COLUMNS.get(header.atom_style or "atomic")
            options = {"topology_format": "DATA", "atom_style": columns} if columns else {"topology_format": "DATA"}
            if not self._elements:
                self._elements = dict(enumerate(lammps_data.elements_of_types(header, None), start=1))
        try:
            with tempfile.TemporaryDirectory() as folder:
                topology = self.topology
                if header is not None:  # MDAnalysis wants UTF-8, and masses in g/mol
                    topology = Path(folder) / "topology.data"
                    topology.write_text(metal_data.metal_text(header, header.atom_style or "atomic"), encoding="utf-8")
                # nothing is guessed: neither elements from names nor masses from elements
                return MDAnalysis.Universe(str(topology), str(self.path), to_guess=(), **options)
        except Exception as problem:
            raise TrajectoryError(
                f"MDAnalysis cannot read {self.path} with the topology {self.topology} "
                f"({type(problem).__name__}: {problem})"
            ) from problem

    def _atoms(self, universe: Any) -> tuple[Integers, Integers, Floats | None]:
        """Ids, atomic numbers and masses, in the order of the file."""
        atoms = universe.atoms
        ids = np.asarray(atoms.ids if hasattr(atoms, "ids") else np.arange(1, len(atoms) + 1), dtype=np.int64)
        masses = np.asarray(atoms.masses, dtype=np.float64) if hasattr(atoms, "masses") else None
        words = [str(word) for word in getattr(atoms, "types", [])]
        names = [str(name) for name in getattr(atoms, "names", words)]
        if self._elements:
            numbers = np.array(
                [atom_names.number_of_symbol(self._elements.get(int(w) if w.isdigit() else 0, "")) for w in words]
            )
        else:
            stated = [str(symbol).capitalize() for symbol in getattr(atoms, "elements", [])] or [""] * len(atoms)
            numbers = np.array([atom_names.number_of_symbol(symbol) for symbol in stated])
            for name, symbol in self._names.items():  # what the user says counts more
                numbers[[name in pair for pair in zip(names, words or names, strict=True)]] = (
                    atom_names.number_of_symbol(symbol)
                )
            lacking = np.flatnonzero(numbers == 0)
            if len(lacking) and masses is not None:
                numbers[lacking] = [number_of_mass(masses[place]) for place in lacking]
            elif len(lacking) and names:
                residues = [str(name) for name in getattr(atoms, "resnames", [])] or [""] * len(atoms)
                told = [names[place] for place in lacking], [residues[place] for place in lacking]
                numbers[lacking] = atom_names.numbers_of_names(*told, {})
        unknown = Counter((names or words)[place] for place in np.flatnonzero(numbers == 0)) if names or words else None
        if unknown is None or not len(numbers):
            raise TrajectoryError(f"{self.topology} names no elements, and no atoms either; give a topology that does")
        if unknown:
            numbered = all(word.isdigit() for word in unknown)
            raise TrajectoryError(
                f"{self.topology} tells no element of these atoms: {atom_names.in_words(unknown)}; "
                + (
                    "give --elements, one for each of its numbered atom types"
                    if numbered
                    else atom_names.remedy(unknown)
                )
            )
        standard = standard_masses(np.maximum(numbers, 1).astype(np.int64))
        if masses is None or standard is None:
            return ids, numbers.astype(np.int64), standard
        return ids, numbers.astype(np.int64), np.where(masses > 0.0, masses, standard)


def _frame_of_timestep(
    given: Any, index: int, ids: Integers, numbers: Integers, masses: Floats | None, order: NDArray[np.intp]
) -> Frame:
    """A frame from MDAnalysis' units: Å, Å/ps, kJ/(mol Å), ps."""
    cell = given.triclinic_dimensions
    forces = np.asarray(given.forces, dtype=np.float64)[order] * _EV_PER_KJ_MOL if given.has_forces else None
    step = given.data.get("step")
    return Frame(
        index=index,
        step=None if step is None else int(step),
        time_ps=_time_of(given),
        ids=ids,
        numbers=numbers,
        positions=np.asarray(given.positions, dtype=np.float64)[order],
        cell=np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=np.float64),
        periodic=np.full(3, cell is not None),
        masses=None if masses is None else masses[order],
        velocities=np.asarray(given.velocities, dtype=np.float64)[order] if given.has_velocities else None,
        forces=forces,
    )


def _time_of(given: Any) -> float | None:
    """The time (ps) where the file knows it; MDAnalysis takes 1 ps between frames where it does not, with a warning."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        time = float(given.time)
    return None if any("1.0 ps" in str(each.message) for each in said) else time
