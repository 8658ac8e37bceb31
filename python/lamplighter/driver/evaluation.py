"""Energies, forces and stresses of frames, by the potential of a run: one LAMMPS, into which frame after frame is put.

The model is opened once. Between frames only the box and the atoms of LAMMPS change, so frames may differ in their
numbers of atoms, their cells, and in which directions they are periodic.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers

from lamplighter.config.run_file import PotentialSection
from lamplighter.driver import elsewhere, led_ranks, named_types, other_python, own_lammps, potential, preflight
from lamplighter.driver.environment import Environment, prepare
from lamplighter.driver.members import Member
from lamplighter.driver.open_lammps import open_session
from lamplighter.driver.session import Session
from lamplighter.errors import ConfigError, StructureError
from lamplighter.structures.atoms_file import boxed
from lamplighter.structures.labels import Labels, unknown_stress

#: LAMMPS' order of a symmetric tensor: xx yy zz xy xz yz
_ROWS, _COLUMNS = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)
_VIRIAL = "virial"  # ID of the compute

SILENT = ("-screen", "none", "-log", "none", "-nocite")
"""Command-line switches of a LAMMPS that says nothing."""


class FrameEvaluator:
    """A potential that answers for any frame of its elements; end it with `close`, or use it in a `with` statement.

    Collective: under mpirun, every rank makes it and calls it alike, with the same frames.

    Args:
        session: A LAMMPS that has what the lines need, opened with the arguments `SILENT`; it is closed with this.
        pair_lines: `pair_style` and `pair_coeff` as in a LAMMPS script with `units metal`, e.g. of `potential.lines`.
        elements: Of the atom types 1, 2, … of these lines.
        newton: `on` or `off`, as the lines need it.

    Raises:
        LammpsError, ModelError: the lines are not accepted.
    """

    def __init__(
        self, session: Session, pair_lines: Sequence[str], elements: Sequence[str], newton: str = "on"
    ) -> None:
        self.elements = tuple(elements)
        # of types that are isotopes of an element any will do
        self._type_of = {atomic_numbers[symbol]: number for number, symbol in enumerate(self.elements, start=1)}
        self._session = session
        try:
            for line in (
                "units metal",
                "atom_style atomic",
                "atom_modify map yes",
                f"newton {newton}",
                "neighbor 0.5 bin",
                "boundary f f f",
                "region box prism 0 1 0 1 0 1 0 0 0",
                f"create_box {len(self.elements)} box",
                *(
                    f"mass {type_} {atomic_masses[atomic_numbers[symbol]]:.10g}"
                    for type_, symbol in enumerate(self.elements, start=1)
                ),
                *pair_lines,
                f"compute {_VIRIAL} all pressure NULL virial",
                "thermo_style custom step pe " + " ".join(f"c_{_VIRIAL}[{k}]" for k in range(1, 7)),
            ):
                self._session.command(line)
        except BaseException:
            self._session.close()
            raise

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and stress of a frame, in its own axes and order of atoms.

        Raises:
            StructureError: no atoms, positions that are not finite, an element that was not announced, or a cell that
                LAMMPS cannot hold.
            LammpsError, ModelError: LAMMPS or the model refuses the frame, e.g. because atoms overlap.
        """
        self._check(atoms)
        given = boxed(atoms, Path("the frame"))
        prism = Prism(given.cell.array, pbc=given.pbc)
        self._change_box(prism, given.pbc)
        self._put(given.numbers, prism.vector_to_lammps(given.positions))
        self._session.command("run 0 post no")
        lmp = self._session.lammps
        forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
        stress = unknown_stress()
        if all(atoms.pbc):
            pressure = np.array([lmp.extract_compute(_VIRIAL, 0, 1)[k] for k in range(6)])
            stress[_ROWS, _COLUMNS] = stress[_COLUMNS, _ROWS] = -pressure / lmp.extract_global("nktv2p")
            stress = prism.tensor2_to_ase(stress)
        return Labels(float(lmp.get_thermo("pe")), prism.vector_to_ase(forces), stress)

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

    def _change_box(self, prism: Prism, periodic: Sequence[bool]) -> None:
        if self._session.n_atoms:
            self._session.command("delete_atoms group all compress yes")
        lx, ly, lz, xy, xz, yz = prism.get_lammps_prism()
        boundary = " ".join("p" if each else "f" for each in periodic)
        # a tilt is only allowed between periodic directions, so it goes before they change and comes after
        self._session.command(
            f"change_box all xy final 0 xz final 0 yz final 0 boundary {boundary} x final 0 {lx:.17g} "
            f"y final 0 {ly:.17g} z final 0 {lz:.17g} xy final {xy:.17g} xz final {xz:.17g} yz final {yz:.17g}"
        )

    def _put(self, numbers: np.ndarray, positions: np.ndarray) -> None:
        n = len(numbers)
        types = [self._type_of[int(number)] for number in numbers]
        made = self._session.lammps.create_atoms(n, range(1, n + 1), types, positions.reshape(-1).tolist())
        if made != n:
            raise StructureError(f"LAMMPS took {made} of the {n} atoms of the frame: the others lie outside its cell")


class Evaluator(Protocol):
    """Whatever answers for a frame: a `FrameEvaluator`, or a `reference_method.CalculatorEvaluator`."""

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and stress of a frame."""
        ...


class OpenEvaluator(Evaluator, Protocol):
    """An evaluator that holds something open: end it with `close`, or use it in a `with` statement."""

    def close(self) -> None:
        """End it."""
        ...

    def __enter__(self) -> Evaluator: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def open_evaluator(
    chosen: PotentialSection | Member, elements: Sequence[str], *, threads: int | None = None, trust: bool = False
) -> OpenEvaluator:
    """The evaluator of a run file's potential; of several models or members, the first one.

    This is the one way from a run file to an evaluator: all that its section `potential` says holds, and what cannot
    work is refused before anything is opened. Collective, but for the first rank of a command that it leads
    (`led_ranks`).

    Args:
        chosen: A potential section with absolute paths, or one of its members.
        elements: All elements that frames will hold.
        threads: As `environment.prepare`.
        trust: Put its model files on the user's list of trusted files.

    Raises:
        ModelError: a model file is missing or does not cover the elements; UntrustedModelError: it is not trusted.
        ConfigError, EnvironmentProblem, PluginError, LammpsError: see there.
    """
    member = chosen if isinstance(chosen, Member) else Member(chosen)
    python = member.potential.python
    team = led_ranks.team()
    if python is not None and not other_python.goes_on_here(python):
        comm = prepare(threads).comm if team is None else None
        return elsewhere.EvaluatorElsewhere(comm, member, elements, threads, trust)
    if team is not None:
        return led_ranks.LedEvaluator(team, member, tuple(elements), threads, trust)
    env = prepare(threads)
    preflight.require_usable(env, member.potential, trust)
    return evaluator_of(env, member, elements)


def evaluator_of(env: Environment, member: Member, elements: Sequence[str]) -> FrameEvaluator:
    """The same, in this Python, where it is known that the model files are there, and trusted.

    Args:
        env: From `environment.prepare`.
        member, elements: As `open_evaluator`.
    """
    chosen = member.potential
    types = _types(member, elements)
    with _calculator_file(chosen) as file:
        lines = potential.lines(chosen, member.committee, types, env.ranks, file)
        named_types.require_same_elements(lines, types)
        newton = own_lammps.newton_of(chosen)
        return FrameEvaluator(open_session(env, chosen, SILENT, types, bool(member.committee)), lines, types, newton)


def _types(member: Member, elements: Sequence[str]) -> Sequence[str]:
    """The elements of the atom types that the lines of a potential will be given.

    Raises:
        ConfigError: its own lines are for other types.
    """
    own = member.types
    if not own:
        return elements
    twice = sorted({symbol for symbol in own if own.count(symbol) > 1})
    # isotopes are alike where lines name their elements
    if twice and not named_types.name_elements(member.potential):
        raise ConfigError(
            f"potential: its lines are written for the atom types {' '.join(own)}, which tell atoms of "
            f"{' '.join(twice)} apart, and frames do not say which atom is of which type: only a run can use them"
        )
    lacking = [symbol for symbol in elements if symbol not in own]
    if lacking:
        raise ConfigError(
            f"potential: its lines are written for the atom types of the start structure, {' '.join(own)}, and the "
            f"frames hold {' '.join(lacking)} as well: name a structure with these elements, and extend the lines"
        )
    return own


@contextlib.contextmanager
def _calculator_file(chosen: PotentialSection) -> Iterator[Path]:
    """What a run has in its folder: the file that names the calculator of the run file, if it names one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / potential.CALCULATOR
        content = potential.calculator_file(chosen)
        if content is not None:
            path.write_text(content, encoding="utf-8")
        yield path


def evaluate_frames(evaluator: Evaluator, frames: Iterable[Atoms]) -> Iterator[Labels]:
    """Frame by frame.

    Raises:
        StructureError: as `FrameEvaluator.evaluate`, with the number of the frame.
    """
    for index, atoms in enumerate(frames):
        try:
            yield evaluator.evaluate(atoms)
        except StructureError as problem:
            raise StructureError(f"frame {index}: {problem}") from problem
