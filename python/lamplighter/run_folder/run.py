"""`Run`: the one way to read a run folder."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.analysis.bonding import BondRule
from lamplighter.arrays import Integers
from lamplighter.errors import LamplighterError, NoDynamics, RunFolderError
from lamplighter.run_folder.bonds import bonds_of_run, rule_without_list
from lamplighter.run_folder.centres import RunCentres
from lamplighter.run_folder.events import Event, read_events
from lamplighter.run_folder.names import (
    BONDS,
    CENTRES,
    COMMITTEE,
    EVENTS,
    EXTRAPOLATION,
    MOLECULE_LIST,
    PRESSURE,
    PROVENANCE,
    STATUS,
    STRUCTURE,
    SUMMARY,
    THERMO,
)
from lamplighter.run_folder.run_file import StoredRunFile, read_run_file
from lamplighter.run_folder.stages import Stages
from lamplighter.run_folder.status import GuardStatus, RunStatus, ScanStatus, StageStatus, read_json_object
from lamplighter.run_folder.system import formula_of
from lamplighter.run_folder.thermo_table import ThermoTable, empty_table, read_thermo
from lamplighter.run_folder.trajectory import RunTrajectory
from lamplighter.structures.frame import Frame
from lamplighter.structures.lammps_dump import AtomTypes
from lamplighter.structures.molecule_list import MoleculeList, read_molecule_list
from lamplighter.structures.trajectory import read_start


def runs_inside(folder: Path) -> str:
    """What a message says of a folder that is no run and has some, as a campaign's; nothing where it has none."""
    inside = sorted(path.parent.name for path in folder.glob(f"*/{STATUS}"))
    return f"; there are runs inside ({', '.join(inside[:3])}{', …' if inside[3:] else ''})" if inside else ""


class Run:
    """A run folder: whole, broken off, still being written, or of an earlier version.

    Each file is read when it is first asked for, and once: to see how a run that goes on has come further, make
    another `Run`. What is missing or cannot be read is said in `notes`, not raised, unless nothing is left without it.

    Args:
        folder: The run folder.

    Attributes:
        folder: The same, as a path.

    Raises:
        RunFolderError: `folder` does not exist, is a file, or holds neither a thermo table nor a status.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise RunFolderError(f"a run is opened by the path of its folder, got {type(folder).__name__}: {folder!r}")
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise RunFolderError(
                f"{folder} is a file, no run folder" if self.folder.exists() else f"run folder {folder} does not exist"
            )
        if not (self.folder / THERMO).exists() and not (self.folder / STATUS).exists():
            raise RunFolderError(
                f"{folder} holds no run: it has neither {THERMO} nor {STATUS}{runs_inside(self.folder)}"
            )
        self._problems: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    def __repr__(self) -> str:
        return f"<Run {self.folder}: {self.status}>"

    # how far it has come -----------------------------------------------------------------------------------------

    @cached_property
    def status_file(self) -> RunStatus:
        """The content of `status.json`; where it is missing, everything in it is unknown."""
        return RunStatus.of(self._json(STATUS))

    @property
    def status(self) -> str:
        """ "completed", "stopped" (by its guard), "failed", "running", or "unknown"."""
        return self.status_file.status

    @property
    def error(self) -> str | None:
        """Message of a failed run."""
        return self.status_file.error

    @property
    def failed_stage(self) -> int | None:
        """Zero-based index of the stage in which it failed."""
        return self.status_file.failed_stage

    @property
    def natoms(self) -> int | None:
        """Number of atoms; None where it is not recorded."""
        return self.status_file.natoms

    @property
    def guard(self) -> GuardStatus | None:
        """What its guard has to say; None: there was none."""
        return self.status_file.guard

    @property
    def volume_scan(self) -> ScanStatus | None:
        """How far the volume scan after the stages has come; None: there is none."""
        return self.status_file.volume_scan

    @property
    def wall_s(self) -> float | None:
        """Of all stages and the volume scan, s; None: not recorded."""
        walls = [stage.wall_s for stage in self.stages if stage.wall_s is not None]
        if self.volume_scan is not None:
            walls.append(self.volume_scan.wall_s)
        return sum(walls) if walls else None

    @property
    def is_scan_alone(self) -> bool:
        """Whether the run was a volume scan without any stages before it."""
        return self.volume_scan is not None and not self.stages

    def require_dynamics(self) -> None:
        """Refuse a volume scan without stages where dynamics are asked for.

        Raises:
            NoDynamics: it is one.
        """
        if self.is_scan_alone:
            raise NoDynamics(
                f"{self.folder} is a volume scan without any stages, so it has no dynamics: `lamplighter scan "
                f"{self.folder}` shows it"
            )

    @cached_property
    def stages(self) -> Stages:
        """The stages, by index; where `status.json` does not have them, those of the thermo table."""
        known = {stage.index: stage for stage in self.status_file.stages}
        for index in self.thermo.stage_indices:
            known.setdefault(index, StageStatus(index, "", f"stage {index}", wall_s=None))
        return Stages(self.folder, [known[index] for index in sorted(known)])

    def stage(self, wanted: str | None, types: tuple[str, ...], observable: str) -> StageStatus:
        """The stage that an observable is taken from; arguments as `Stages.chosen`.

        Raises:
            RunFolderError: there is none.
            NoDynamics: the run is a volume scan alone.
        """
        self.require_dynamics()
        return self.stages.chosen(wanted, types, observable)

    # what it wrote -----------------------------------------------------------------------------------------------

    @cached_property
    def thermo(self) -> ThermoTable:
        """The thermo table: name of a column, with its unit → values; without rows where the file is missing."""
        try:
            table = read_thermo(self.folder / THERMO)
        except RunFolderError as problem:
            if self.volume_scan is None or self.status_file.stages:
                self._problems[THERMO] = str(problem)
            return empty_table()
        if table.n_skipped:
            self._problems[THERMO] = (
                f"lines of {THERMO} left out because they are no rows of numbers: {table.n_skipped}"
            )
        return table

    def _table(self, name: str) -> ThermoTable | None:
        try:
            return read_thermo(self.folder / name) if (self.folder / name).exists() else None
        except RunFolderError as problem:
            self._problems[name] = str(problem)
            return None

    @cached_property
    def committee(self) -> ThermoTable | None:
        """How far the models of its committee disagreed; None: there was none, or the table cannot be read."""
        return self._table(COMMITTEE)

    @cached_property
    def extrapolation(self) -> ThermoTable | None:
        """How uncertain its model was, by its own features; None: not evaluated, or the table cannot be read."""
        return self._table(EXTRAPOLATION)

    @cached_property
    def pressure_tensor(self) -> ThermoTable | None:
        """The pressure tensor at short intervals; None: the run wrote none (`output.pressure_tensor`).

        Raises:
            RunFolderError: the table cannot be read.
        """
        return read_thermo(self.folder / PRESSURE) if (self.folder / PRESSURE).exists() else None

    @cached_property
    def events(self) -> list[Event]:
        """What the guard found; none where a line is damaged: `lamplighter.run_folder.events.read_events` names it."""
        try:
            return read_events(self.folder)
        except RunFolderError as problem:
            self._problems[EVENTS] = str(problem)
            return []

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Content of `provenance.json`; empty where it is missing."""
        return self._json(PROVENANCE)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`, written at the end of the run; empty where it is missing or cannot be read."""
        try:
            return read_json_object(self.folder / SUMMARY)
        except RunFolderError:
            return {}

    @cached_property
    def run_file(self) -> StoredRunFile:
        """`run.yaml`, as far as it can be understood."""
        return read_run_file(self.folder)

    @property
    def notes(self) -> list[str]:
        """What was missing or could not be read of the files that every run has."""
        return [
            *self._noted(STATUS, self.status_file),
            *self._noted(PROVENANCE, self.provenance),
            *self.notes_on_thermo,
            *self._noted(EVENTS, self.events),
            *self._noted(COMMITTEE, self.committee),
            *self._noted(EXTRAPOLATION, self.extrapolation),
        ]

    @property
    def notes_on_thermo(self) -> list[str]:
        """What of the thermo table was missing or could not be read."""
        return self._noted(THERMO, self.thermo)

    # what was simulated ------------------------------------------------------------------------------------------

    @cached_property
    def start(self) -> Frame:
        """The start structure, as LAMMPS read it.

        Raises:
            LamplighterError: it is missing, or cannot be read.
        """
        return read_start(self.folder / STRUCTURE, AtomTypes({}, {}))

    @cached_property
    def system(self) -> str:
        """All atoms as a formula; `N atoms` where the structure cannot be read; empty: unknown."""
        try:
            return formula_of(self.start)
        except LamplighterError:
            return "" if self.natoms is None else f"{self.natoms} atoms"

    @cached_property
    def bonds(self) -> BondRule:
        """The bonds that the run decided on.

        Raises:
            TrajectoryError: their list cannot be read.
        """
        return bonds_of_run(self.folder, self.run_file)

    @cached_property
    def molecule_list(self) -> MoleculeList | None:
        """The molecules of its structure, as its run file listed them; None: it named no list, or has lost it.

        Raises:
            StructureError: the list cannot be read.
        """
        kept = self.folder / MOLECULE_LIST
        section = self.run_file.get("structure")
        named = section.get("molecules") if isinstance(section, dict) else None
        if not kept.exists() and isinstance(named, str):  # runs of versions that kept no copy
            kept = self.folder / named
        return read_molecule_list(kept) if kept.is_file() else None

    def bonds_among(self, ids: Integers) -> BondRule:
        """The same for some of the atoms: where the list names others, too (copies that `structure.replicate` made),
        bonds are found in these.

        Args:
            ids: Of the atoms that are looked at, shape (n,).

        Raises:
            TrajectoryError: as `bonds`.
        """
        rule = self.bonds
        if not (self.folder / BONDS).exists() or rule.listed is None or np.isin(rule.listed, ids).all():
            return rule
        return rule_without_list(self.run_file)

    @property
    def has_no_bonds(self) -> bool:
        """Whether the run decided that nothing is bonded, so that a bond criterion watches nothing; False: not known.

        Raises:
            TrajectoryError: as `bonds`.
        """
        return (self.folder / BONDS).exists() and self.bonds.listed is not None and len(self.bonds.listed) == 0

    # its frames --------------------------------------------------------------------------------------------------

    @cached_property
    def trajectory(self) -> RunTrajectory:
        """Its frames, one at a time: `for frame in run.trajectory`.

        Raises:
            RunFolderError: the run wrote no trajectory.
            NoDynamics: the run is a volume scan alone.
        """
        return self.trajectory_of({})

    def trajectory_of(self, elements: dict[int, str]) -> RunTrajectory:
        """The trajectory, with elements of atom types that it does not name. Raises as `trajectory`."""
        self.require_dynamics()
        return RunTrajectory(self.folder, self.stages, elements)

    def centres(self) -> RunCentres:
        """The centres of mass of its molecules, frame by frame.

        Raises:
            RunFolderError: the run wrote none.
            StructureError: its list of molecules cannot be read.
        """
        return RunCentres(self.folder, self.stages)

    def motion(self, source: str = "auto") -> RunTrajectory | RunCentres:
        """What displacements are taken from.

        Args:
            source: "centres", "trajectory", or "auto": the centres of mass where the run wrote them.

        Raises:
            RunFolderError: the run did not write what was asked for.
        """
        if source == "centres" or (source == "auto" and (self.folder / CENTRES).exists()):
            return self.centres()
        return self.trajectory

    def _noted(self, name: str, read: object) -> list[str]:
        """What was noted of a file, once it has been read: `read` is what is in it."""
        return [self._problems[name]] if name in self._problems else []

    def _json(self, name: str) -> dict[str, Any]:
        try:
            return read_json_object(self.folder / name)
        except RunFolderError as problem:
            self._problems[name] = str(problem)
            return {}
