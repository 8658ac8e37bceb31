"""An ASE calculator on the engines of Lamplighter: one LAMMPS that is open from one step to the next."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from ase.data import atomic_numbers

from lamplighter.api.potential_source import PotentialSource, Source, potential_of
from lamplighter.config.committee import CommitteeSection
from lamplighter.config.potential import Engine
from lamplighter.driver.elsewhere import EvaluatorElsewhere
from lamplighter.driver.evaluation import OpenEvaluator, open_evaluator
from lamplighter.driver.frame_evaluator import Evaluated, FrameEvaluator
from lamplighter.driver.members import Member, count_members, speaks_of_types
from lamplighter.errors import ConfigError, StructureError
from lamplighter.file_suffixes import COMPILED

_OF_A_COMMITTEE = ["member_energies", "energy_deviation", "forces_deviation"]
_VOIGT = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


@dataclass
class _Open:
    """An evaluator, and what it was opened for."""

    evaluator: OpenEvaluator
    elements: frozenset[str]


class Calculator(AseCalculator):
    """The potential of a run as an ASE calculator: energies, forces and stresses by the engine that runs use.

    MACE models on CPUs are evaluated by the native engine. LAMMPS stays open between calls: while atoms move a little,
    as in dynamics, relaxations or finite differences, it keeps its neighbour lists. A change of the cell, the elements
    or the number of atoms costs a few milliseconds more.

    Results are `energy` and `free_energy` (eV), `forces` (eV/Å, shape (n, 3)) and, where the atoms have a cell of three
    vectors, `stress` (eV/Å³, shape (6,), Voigt order xx, yy, zz, yz, xz, xy, positive under tension). Of a committee
    `results` holds in addition

    - `member_energies`: eV, shape (n_models,);
    - `energy_deviation`: their standard deviation (divisor: the number of models), eV;
    - `forces_deviation`: the root of σ² = 1/K Σ_k |F_k − F̄|² of each atom, eV/Å, shape (n,).

    One calculator serves any atoms, one after the other. A copy or an unpickled one opens a LAMMPS of its own when it
    is first used. Several at once are independent. Under mpirun it is collective: all ranks make it and use it alike,
    and all get the same results.

    Args:
        potential: A model file of any kind (`.model`, `.lamp`, …); several, which are a committee; the `potential`
            section of a run file as a mapping; a run file or run folder, whose section is taken; or a `RunFile`.
        dtype, device, kind, head, engine: As in the `potential` section of a run file; they go before what is in it.
        drive: Of a committee: whose energy and forces are returned: `mean`, `first`, or the number of a model from 1
            on. None: as the run file says, else `mean`.
        elements: Symbols, in the order of the atom types that lines of LAMMPS in the section speak of. Other potentials
            need none: they are opened for the elements that the atoms have.
        threads: Threads of a model that torch evaluates; None: the cores of the node divided by its ranks.
        trust: Put the model files on the user's list of trusted files, as `--trust` does.

    Raises:
        ConfigError, ModelError: the potential cannot be understood, or a file is missing.

    Example:
        ```python
        from ase.optimize import BFGS

        atoms.calc = ll.Calculator("model.lamp")
        BFGS(atoms).run(fmax=0.05)
        ```
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]
    ignored_changes: ClassVar[set[str]] = {"initial_charges", "initial_magmoms"}

    def __init__(
        self,
        potential: Source,
        *,
        dtype: Literal["auto", "float64", "float32"] | None = None,
        device: str | None = None,
        kind: str | None = None,
        head: str | None = None,
        engine: Engine | None = None,
        drive: Literal["mean", "first"] | int | None = None,
        elements: Sequence[str] | None = None,
        threads: int | None = None,
        trust: bool = False,
    ) -> None:
        super().__init__()
        changes = {"dtype": dtype, "device": device, "kind": kind, "head": head, "engine": engine}
        source = potential_of(potential, {key: value for key, value in changes.items() if value is not None})
        self._member = _member(source, drive, elements)
        self._threads, self._trust = threads, trust
        if self._member.spread:
            # of this calculator alone: ASE asks each for its own
            self.implemented_properties = [*self.implemented_properties, *_OF_A_COMMITTEE]  # type: ignore[misc]
        self._open: _Open | None = None
        self._closing: weakref.finalize[Any, Any] | None = None

    @property
    def is_committee(self) -> bool:
        """Whether `results` tells how far several models disagree."""
        return self._member.spread

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """ASE's own way to ask; users call `atoms.get_potential_energy()` and its siblings.

        Raises:
            StructureError: the atoms make no sense, e.g. positions that are not finite.
            ModelError: an element that the model does not have, or a model that is not trusted.
            LammpsError: LAMMPS refuses the atoms.
            PropertyNotImplementedError: a stress of atoms without a cell, or of a potential that gives none.
        """
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None, "ASE hands over atoms"
        found = self._evaluated(self.atoms)
        self.results = {"energy": found.energy, "free_energy": found.energy, "forces": found.forces}
        if self.atoms.cell.rank == 3 and np.isfinite(found.virial).all():
            stress = -found.virial / self.atoms.get_volume()
            self.results["stress"] = stress[_VOIGT]
        elif "stress" in properties:
            raise PropertyNotImplementedError(
                "there is no stress of atoms without a cell of three vectors"
                if self.atoms.cell.rank < 3
                else "this potential gives no stress"
            )
        if found.spread is not None:
            energies, variances = found.spread.energies, found.spread.variances
            spread = (energies, float(np.std(energies)), np.sqrt(variances))
            self.results.update(zip(_OF_A_COMMITTEE, spread, strict=True))

    def close(self) -> None:
        """End LAMMPS now, in place of when the calculator is no longer used. Collective. It opens anew when asked."""
        self._open = None
        if self._closing is not None:
            self._closing()

    def __enter__(self) -> Calculator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None, "_closing": None}

    def __repr__(self) -> str:
        potential = self._member.potential
        named = [str(model) for model in potential.models] or [potential.calculator or "pair styles of LAMMPS"]
        return f"lamplighter.Calculator({', '.join(named)})"

    def todict(self, skip_default: bool = True) -> dict[str, Any]:
        """What ASE's files and databases keep of a calculator."""
        return {"potential": self._member.potential.model_dump(mode="json", exclude_defaults=skip_default)}

    def _evaluated(self, atoms: Atoms) -> Evaluated:
        if len(atoms) == 0:
            raise StructureError("there are no atoms: a calculator needs one at least")
        # a vector of the cell along which nothing repeats says nothing about the system
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array * atoms.pbc[:, None], pbc=atoms.pbc)
        for axis in range(3):
            if atoms.pbc[axis] and not atoms.cell[axis].any():
                raise StructureError(f"the atoms are periodic along {'abc'[axis]} but have no such cell vector")
        evaluator = self._opened(frozenset(atoms.get_chemical_symbols()))
        try:
            if isinstance(evaluator, FrameEvaluator | EvaluatorElsewhere):
                return evaluator.compute(bare)
            labels = evaluator.evaluate(bare)
        except StructureError:
            raise
        except BaseException:
            self._forget()
            raise
        return Evaluated(labels.energy, labels.forces, -labels.stress * atoms.cell.volume)

    def _opened(self, elements: frozenset[str]) -> OpenEvaluator:
        """The evaluator, opened for these elements and those that there were before."""
        if self._open is not None and elements <= self._open.elements:
            return self._open.evaluator
        unknown = sorted(symbol for symbol in elements if atomic_numbers.get(symbol, 0) == 0)
        if unknown:
            raise StructureError(f"the atoms hold {' '.join(unknown)}, which is no element")
        wanted = elements if self._open is None else elements | self._open.elements
        self.close()
        in_order = sorted(wanted, key=lambda symbol: int(atomic_numbers[symbol]))
        evaluator = open_evaluator(self._member, in_order, threads=self._threads, trust=self._trust)
        self._open = _Open(evaluator, wanted)
        # LAMMPS speaks MPI when it ends, which it can no more once Python has ended it
        self._closing = weakref.finalize(self, evaluator.close)
        return evaluator

    def _forget(self) -> None:
        """LAMMPS may be in the midst of anything after an error: the next call opens another one."""
        evaluator = None if self._open is None else self._open.evaluator
        if isinstance(evaluator, FrameEvaluator) and evaluator.ranks > 1:
            # closing is collective, and others may not know of the error
            self._open = None
            if self._closing is not None:
                self._closing.detach()
        else:
            self.close()


def _member(
    source: PotentialSource, drive: Literal["mean", "first"] | int | None, elements: Sequence[str] | None
) -> Member:
    """The potential with all of its models, as frames are evaluated by it."""
    section = source.section
    types = tuple(elements or source.types)
    if types:
        wrong = [symbol for symbol in types if atomic_numbers.get(symbol, 0) == 0]
        if wrong:
            raise ConfigError(f"elements: {wrong[0]!r} is not a chemical element")
    if speaks_of_types(section):
        if not types:
            raise ConfigError(
                "potential: its lines speak of atom types; say which element each type is, e.g. elements=['H', 'C', "
                "'O'] for the types 1, 2 and 3"
            )
    else:
        types = ()
    number = len(section.models) + len(section.members)
    if number == 1 and section.models and section.models[0].suffix == COMPILED and section.kind in ("auto", "mace"):
        number = count_members(section.models[0])
    if number < 2:
        if drive is not None:
            raise ConfigError(f"drive is of a committee, and there is one model; leave drive={drive!r} out")
        return Member(section, types=types)
    chosen = drive if drive is not None else source.drive or "mean"
    if not (chosen in ("mean", "first") or (isinstance(chosen, int) and 1 <= chosen <= number)):
        raise ConfigError(f"drive must be 'mean', 'first' or the number of a model from 1 to {number}, got {chosen!r}")
    committee = CommitteeSection(every=1, drive=chosen)
    return replace(Member(section, committee.words(0.0), types), spread=True)
