"""The frames of a volume scan: made from one, or those of a file with labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write as write_frames

from lamplighter.analysis import stability
from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.molecules import Molecules
from lamplighter.analysis.volume_scan import molecules_for_scan
from lamplighter.analysis.whole_molecules import whole_molecules
from lamplighter.config.volume_scan import FEWEST_DENSITIES
from lamplighter.errors import LamplighterError, StructureError
from lamplighter.observables.volume_scan import Energies
from lamplighter.progress_line import counted
from lamplighter.structures import lammps_data
from lamplighter.structures.frame import Frame, atoms_of_frame
from lamplighter.structures.labelled_frames import read_labelled
from lamplighter.structures.labels import Labels
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.rigid_scan import density_of, isolated_molecules, rigid_scan
from lamplighter.structures.trajectory import open_trajectory, read_start

Evaluate = Callable[[Atoms], Labels]
"""`evaluate` of an evaluator or a reference."""

RIGID_A = 1e-3
"""Change of a bond (Å) along labelled frames from which on they are no rigid scan."""


class Known(Protocol):
    """Results of one method that are kept, and may be there already; places are those in `ScanFrames.everything`.

    Attributes:
        shows_progress: Whether somebody wants to see it.
    """

    shows_progress: bool

    def get(self, place: int) -> Labels | None:
        """What is known; called before each evaluation. None: nothing."""
        ...

    def keep(self, place: int, labels: Labels) -> None:
        """Called after each evaluation."""
        ...


@dataclass
class ScanFrames:
    """What a scan is evaluated at.

    Attributes:
        source: In words.
        frames: Molecules whole, by density.
        isolated: Each molecule in vacuum; empty: their energies are not wanted.
        molecules: What is in the frames.
        labels: Energies that came with the frames.
        notes: What limits them.
        results: Of a reference that was evaluated, frame after frame, then the isolated molecules.
    """

    source: str
    frames: list[Atoms]
    isolated: list[Atoms]
    molecules: Molecules
    labels: Energies = field(default_factory=lambda: Energies(np.empty(0)))
    notes: list[str] = field(default_factory=list)
    results: list[Labels] = field(default_factory=list)

    @property
    def elements(self) -> list[str]:
        """By atomic number."""
        return sorted(set(self.frames[0].symbols), key=lambda symbol: int(Atoms(symbol).numbers[0]))

    @property
    def everything(self) -> list[Atoms]:
        """What is evaluated: all frames, then the isolated molecules."""
        return [*self.frames, *self.isolated]

    def evaluated(self, evaluate: Evaluate, name: str, known: Known | None = None) -> tuple[str, Energies]:
        """The name and the energies of a reference; kept for `write`. Arguments as `all_labels`."""
        self.results = self.all_labels(evaluate, name, known)
        return name, self.energies([each.energy for each in self.results])

    def all_labels(self, evaluate: Evaluate, name: str, known: Known | None = None) -> list[Labels]:
        """Of `everything`, in order; the progress goes to a terminal.

        Args:
            evaluate: Asked for one after the other.
            name: For messages.
            known: Where results are kept, and may be already.

        Raises:
            LamplighterError: it fails; the density is named.
        """
        everything = self.everything
        found: list[Labels] = []
        with counted(everything, name, known is None or known.shows_progress) as each:
            for place, atoms in enumerate(each):
                before = None if known is None else known.get(place)
                if before is not None:
                    found.append(before)
                    continue
                try:
                    found.append(evaluate(atoms))
                except LamplighterError as problem:
                    what = f"at {density_of(atoms):.4g} g/cm³" if place < len(self.frames) else "an isolated molecule"
                    raise LamplighterError(f"{name}, {what}: {problem}") from problem
                if known is not None:
                    known.keep(place, found[-1])
        return found

    def energies_by(self, evaluate: Evaluate, name: str, known: Known | None = None) -> Energies:
        """Those of a model; arguments as `all_labels`."""
        return self.energies([each.energy for each in self.all_labels(evaluate, name, known)])

    def energies(self, total: list[float]) -> Energies:
        """Energies of all frames and isolated molecules, sorted out."""
        n = len(self.frames)
        return Energies(np.array(total[:n]), float(sum(total[n:])) if self.isolated else None)

    def write(self, path: Path, has_labels: bool) -> None:
        """Write frames and isolated molecules as extended XYZ, with the reference's labels if there is one.

        Raises:
            LamplighterError: the file cannot be written.
        """
        everything = [atoms.copy() for atoms in self.everything]
        for place, atoms in enumerate(everything):
            atoms.info["config_type"] = "volume_scan" if place < len(self.frames) else "isolated_molecule"
            if place < len(self.frames):
                atoms.info["density"] = density_of(atoms)
            if has_labels and self.results:
                label = self.results[place]
                atoms.calc = SinglePointCalculator(atoms, energy=label.energy, forces=label.forces)
        try:
            write_frames(path, everything, format="extxyz", parallel=False)
        except OSError as problem:
            raise LamplighterError(f"{path} cannot be written: {problem.strerror or problem}") from problem


def generated(path: Path | None, index: int, densities: list[float], bonds: BondRule, atomic: bool) -> ScanFrames:
    """A frame of a file with its molecules moved to each density.

    Raises:
        LamplighterError: there is no frame, it cannot be read or used, or molecules overlap at a density.
    """
    if path is None:
        raise LamplighterError("FRAME is needed: the liquid that is expanded and compressed")
    try:
        return made_from(_frame(path, index), path.name, densities, bonds, atomic)
    except StructureError as problem:
        raise StructureError(f"{path}: {problem}") from problem


def made_from(atoms: Atoms, name: str, densities: list[float], bonds: BondRule, atomic: bool) -> ScanFrames:
    """A frame with its molecules moved to each density.

    Args:
        atoms: The frame.
        name: Where it is from, in words.
        densities, bonds, atomic: As `rigid_scan` and `molecules_for_scan`.

    Raises:
        StructureError: it cannot be used, or molecules overlap at a density.
    """
    whole, molecules = molecules_for_scan(atoms, bonds, atomic)
    frames = rigid_scan(whole, molecules.of_atom, densities)
    source = f"{name} at {density_of(whole):.4g} g/cm³"
    return ScanFrames(source, frames, isolated_molecules(whole, molecules.of_atom), molecules)


def labelled(path: Path, energy: str | None, select: str | None, bonds: BondRule, atomic: bool) -> ScanFrames:
    """The frames of a file with their energies; those without a cell are isolated molecules.

    Raises:
        LamplighterError: the file cannot be used, or its frames are not of one system.
    """
    given = read_labelled(path, energy)
    chosen = list(range(len(given)))
    if select is not None:
        key, sign, value = select.partition("=")
        if not sign:
            raise LamplighterError(f"--select {select!r} must be KEY=VALUE, e.g. config_type=volume_scan")
        chosen = [k for k, said in enumerate(given.info(key)) if str(said) == value]
    dense = [k for k in chosen if all(given.frames[k].pbc)]
    dense.sort(key=lambda k: density_of(given.frames[k]))
    if len(dense) < FEWEST_DENSITIES:
        raise LamplighterError(f"{path} holds {len(dense)} periodic frames to scan, fewer than {FEWEST_DENSITIES}")
    notes = list(given.notes)
    # bonds are clearest where molecules are far from each other
    first, molecules = molecules_for_scan(given.frames[dense[0]], bonds, atomic)
    pairs = np.empty((0, 2), dtype=np.int64)
    if not atomic:
        pairs, _ = bonds.find(first.positions, first.numbers, first.cell.array, np.asarray(first.pbc))
    frames = [_like(first, pairs, given.frames[k], f"frame {k} of {path}", notes) for k in dense]
    isolated = [given.frames[k] for k in range(len(given)) if not any(given.frames[k].pbc)]
    alone = sum((Counter(atoms.symbols) for atoms in isolated), Counter())
    total = [given.labels[k].energy for k in dense]
    if isolated and alone == Counter(first.symbols):
        total += [given.labels[k].energy for k in range(len(given)) if not any(given.frames[k].pbc)]
    else:
        isolated = []
    made = ScanFrames(f"{path.name}, {len(frames)} labelled frames", frames, isolated, molecules, notes=notes)
    made.labels = made.energies(total)
    return made


def frame_of_data(path: Path, elements: Sequence[str] = ()) -> Atoms:
    """The frame of a LAMMPS data file.

    Args:
        path: The file.
        elements: Of its atom types; none: as it says itself.

    Raises:
        TrajectoryError: it cannot be read, or its elements are not known.
    """
    return _as_atoms(read_start(path, AtomTypes(dict(enumerate(elements, start=1)), {})))


def _frame(path: Path, index: int) -> Atoms:
    """One frame of any file."""
    if path.is_file() and lammps_data.looks_like_data(path):
        return frame_of_data(path)
    frames = list(open_trajectory(path))
    if not -len(frames) <= index < len(frames):
        raise LamplighterError(f"--index {index}: {path} has {len(frames)} frames")
    return _as_atoms(frames[index])


def _as_atoms(frame: Frame) -> Atoms:
    if not frame.numbers.all():
        raise StructureError("the frame names no elements")
    return atoms_of_frame(frame)


def _like(first: Atoms, pairs: stability.Integers, atoms: Atoms, where: str, notes: list[str]) -> Atoms:
    """The same atoms with whole molecules; a note where they are not as rigid as they should be."""
    if len(atoms) != len(first) or (atoms.numbers != first.numbers).any():
        raise LamplighterError(
            f"{where} is {atoms.get_chemical_formula()}, and the others are {first.get_chemical_formula()} in another "
            "order or number: choose the frames of one system with --select KEY=VALUE"
        )
    lengths = stability.bond_lengths(first.positions, pairs, first.cell.array, np.asarray(first.pbc))
    now = stability.bond_lengths(atoms.positions, pairs, atoms.cell.array, np.asarray(atoms.pbc))
    change = float(np.abs(now - lengths).max(initial=0.0))
    if change > RIGID_A:
        notes.append(f"{where}: bonds differ by up to {change:.2g} Å from those of the first: this is no rigid scan")
    whole = atoms.copy()
    whole.calc = None
    whole.positions = whole_molecules(atoms.positions, pairs, atoms.cell.array, np.asarray(atoms.pbc))
    return whole
