"""Methods that are potentials: what a run file describes, or a model file, evaluated as in a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from ase import Atoms

import lamplighter
from lamplighter.config.potential import PotentialSection
from lamplighter.config.problems import section_of
from lamplighter.driver import classical, evaluation, model_trust
from lamplighter.driver.evaluation import Evaluator, OpenEvaluator
from lamplighter.driver.members import Member, members_of_run_file
from lamplighter.errors import LamplighterError
from lamplighter.labelling.calculators import versions_of
from lamplighter.model_files import trust as trusted
from lamplighter.model_files.trust import sha256
from lamplighter.structures.labels import Labels


@dataclass(frozen=True)
class PotentialMethod:
    """The potential of a run file, or a model file.

    Attributes:
        path: The file, or the name of a classical force field.
        member: What it describes.
        apart: Whether it is opened in a process of its own: by one rank of a program of several.
    """

    path: Path
    member: Member
    apart: bool = False
    has_electrons: bool = False
    has_own_threads: bool = False

    @property
    def name(self) -> str:
        """The file's, without its folder; of a classical force field its own."""
        return self.path.name

    def require_possible(self, trust: bool = False) -> None:
        """As `evaluation.require_possible`, and its files are trusted. Called by one rank."""
        evaluation.require_possible(self.member)
        trusted.allow(model_trust.asked_about([self.member.potential], trust))

    def refusal(self, atoms: Atoms) -> str:
        """Nothing: LAMMPS says what it cannot hold."""
        return ""

    def open(self, elements: Sequence[str], threads: int | None = None, folder: Path | None = None) -> OpenEvaluator:
        """As `evaluation.open_evaluator`; collective, unless it is opened apart."""
        if self.apart:
            return _Apart(self.member, tuple(elements))
        return evaluation.open_evaluator(self.member, elements, threads=threads)

    def workers(self, cores: int) -> int:
        """One a core; one alone where a GPU evaluates."""
        return 1 if str(self.member.potential.device).startswith("cuda") else cores

    def provenance(self) -> dict[str, Any]:
        """The potential, and the hashes of its files."""
        potential = self.member.potential
        return {
            "method": self.name,
            "description": f"the potential of {self.path}" if self.path.suffix else "a classical force field",
            "potential": potential.model_dump(mode="json", exclude_defaults=True),
            "files": {str(each): sha256(each) for each in (*potential.files, *classical.tables_of(potential))},
            "versions": self._versions(),
        }

    def _versions(self) -> dict[str, str]:
        packages = ["lammps", *(("moltemplate", "rdkit") if self.member.potential.classical else ())]
        return {"lamplighter": lamplighter.__version__} | {
            name: version for package in packages for name, version in versions_of(package).items()
        }


class _Apart:
    """A potential in a process of its own, which starts with the first frame."""

    def __init__(self, member: Member, elements: tuple[str, ...]) -> None:
        self._member = member
        self._elements = elements
        self._opened: Any = None

    def evaluate(self, atoms: Atoms) -> Labels:
        """As `EvaluatorElsewhere.evaluate`."""
        if self._opened is None:
            from lamplighter.driver.elsewhere import EvaluatorElsewhere

            python = self._member.potential.python or Path(sys.executable)
            potential = self._member.potential.model_copy(update={"python": python})
            member = replace(self._member, potential=potential)
            self._opened = EvaluatorElsewhere(None, member, self._elements, None, False)
        found: Labels = self._opened.evaluate(atoms)
        return found

    def close(self) -> None:
        """End the process, if it has begun."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def of_run_file(path: Path, asked: str) -> PotentialMethod:
    """The one potential of a run file.

    Raises:
        ConfigError: the run file is not valid.
        LamplighterError: it describes several models.
    """
    members = members_of_run_file(path)
    if len(members) > 1:
        raise LamplighterError(
            f"{asked} {path} describes {len(members)} models ({', '.join(members)}), and a reference is one: name its "
            "file, or write a run file with it alone"
        )
    return PotentialMethod(path, next(iter(members.values())))


def of_model_file(path: Path, asked: str) -> PotentialMethod:
    """The potential that a model file alone is.

    Raises:
        ConfigError: it cannot be one.
    """
    section = section_of(PotentialSection, {"models": [path.resolve()]}, f"{asked} {path}")
    return PotentialMethod(path, Member(section))


def of_classical(name: str, options: Mapping[str, Any], asked: str) -> PotentialMethod:
    """A classical force field by its name, with further keys of `potential`; paths are those of the current folder.

    Raises:
        ConfigError: a key is wrong.
        LamplighterError: no list of molecules is given.
    """
    if "molecules" not in options:
        raise LamplighterError(
            f"{asked} {name} needs to know which atoms are bonded: give the list of molecules that `lamplighter build` "
            "writes, --option molecules=molecules.yaml, or name a run file that has it"
        )
    section = section_of(PotentialSection, {"classical": name, **options}, f"{asked} {name}")
    return PotentialMethod(Path(name), Member(section.resolved(Path.cwd())))
