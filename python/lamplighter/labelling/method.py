"""What a reference method is: something with a name that answers for frames, and says with what it does so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase import Atoms

from lamplighter.errors import LamplighterError, StructureError
from lamplighter.structures.labels import Labels, unknown_stress

if TYPE_CHECKING:
    from lamplighter.driver.evaluation import Evaluator, OpenEvaluator


class Method(Protocol):
    """A reference method. It can be sent to other processes, and nothing is opened before `open`.

    Attributes:
        name: As messages and files call it.
        has_electrons: Whether it is told the charge and the multiplicity of each frame.
        has_own_threads: Whether it decides itself how many threads an evaluation has.
    """

    @property
    def name(self) -> str: ...

    @property
    def has_electrons(self) -> bool: ...

    @property
    def has_own_threads(self) -> bool: ...

    def require_possible(self, trust: bool) -> None:
        """Refuse what can be known to be missing before anything is opened.

        Args:
            trust: Put its files on the user's list of trusted files.

        Raises:
            LamplighterError: a package, a program or a file is missing, or a file is not trusted.
        """
        ...

    def refusal(self, atoms: Atoms) -> str:
        """Why it cannot answer for a frame; empty: nothing is known to speak against it."""
        ...

    def open(self, elements: Sequence[str], threads: int | None, folder: Path | None) -> OpenEvaluator:
        """What answers for frames.

        Args:
            elements: All elements that frames will hold.
            threads: Of each evaluation; None: as the method has it.
            folder: Where it may leave the files of each frame; None: nowhere.

        Raises:
            LamplighterError: it cannot be opened.
        """
        ...

    def workers(self, cores: int) -> int:
        """How many processes evaluate frames at once, if nobody says."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Versions, parameters and files that its labels rest on, for JSON."""
        ...


class Checked:
    """An evaluator that refuses frames that its method is not made for, and results that are no numbers."""

    def __init__(self, method: Method, evaluator: OpenEvaluator) -> None:
        self._method = method
        self._evaluator = evaluator

    def evaluate(self, atoms: Atoms) -> Labels:
        """Energy, forces and stress; the stress of a frame that is not periodic in all directions is unknown.

        Raises:
            StructureError: the method is not made for the frame.
            LamplighterError: it fails, or its results are not finite.
        """
        if why := self._method.refusal(atoms):
            raise StructureError(f"{self._method.name}: {why}")
        labels = self._evaluator.evaluate(atoms)
        if not all(atoms.pbc):  # a program may print one of the box that it put a molecule into
            labels = replace(labels, stress=unknown_stress())
        require_finite(labels, self._method.name)
        return labels

    def close(self) -> None:
        """End it."""
        self._evaluator.close()

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._evaluator.__exit__(kind, error, traceback)


def checked(
    method: Method, elements: Sequence[str], threads: int | None = None, folder: Path | None = None
) -> OpenEvaluator:
    """The evaluator of a method, held to what it says. Arguments and errors as `Method.open`."""
    return Checked(method, method.open(elements, threads, folder))


def require_finite(labels: Labels, name: str) -> None:
    """Refuse results that are no numbers; a stress may be unknown as a whole.

    Raises:
        LamplighterError: the energy, a force, or a part of the stress is not finite.
    """
    if not np.isfinite(labels.energy):
        raise LamplighterError(f"{name} gives the energy {labels.energy}, which is not finite")
    bad = np.flatnonzero(~np.isfinite(labels.forces).all(axis=1))
    if len(bad):
        raise LamplighterError(f"{name} gives forces that are not finite, of {len(bad)} atoms; the first is {bad[0]}")
    unknown = np.isnan(labels.stress)
    if not unknown.all() and not np.isfinite(labels.stress).all():
        raise LamplighterError(f"{name} gives a stress that is not finite")


class WithoutClosing:
    """The base of evaluators that hold nothing open."""

    def close(self) -> None:
        """Nothing is to be ended."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
