"""What is exported: a run file that has not run, or the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lamplighter.config.loading import load_run_file
from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical
from lamplighter.errors import ConfigError, RunFolderError, StructureError
from lamplighter.run_folder.folder import own_folder
from lamplighter.run_folder.names import RUN_FILE, SCRIPT, STRUCTURE
from lamplighter.run_folder.run import runs_inside
from lamplighter.structures.start import StartStructure


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
        raise RunFolderError(
            f"{path} holds no run: it has no {RUN_FILE}{runs_inside(path)}; name a run folder, or a run file"
        )
    file = path / RUN_FILE if path.is_dir() else path
    run = load_run_file(file)
    of_folder = own_folder(file, Path()) != Path()
    if not run.stages:
        raise ConfigError(f"{path} has no stages, and its volume scan is no input of LAMMPS")
    return Source(path, run, file.resolve().parent if of_folder else None, _structure(run, file, of_folder))


def _structure(run: RunFile, file: Path, of_folder: bool) -> StartStructure:
    """That of the run file; where it is gone, what LAMMPS read, if that says all that there was."""
    if run.structure.file.is_file() or not of_folder:
        return classical.start_structure(run)
    stored = file.parent / STRUCTURE
    script = (file.parent / SCRIPT).read_text(encoding="utf-8") if (file.parent / SCRIPT).is_file() else ""
    if 'variable boundary string "p p p"' not in script or "hold.lmp" in script:
        raise StructureError(
            f"structure.file: {run.structure.file} does not exist any more, and {stored} does not hold all that "
            "it said (open boundaries, atoms held fixed): put it back"
        )
    section = run.structure.model_copy(update={"file": stored, "format": "lammps-data", "units": None})
    return classical.start_structure(run.model_copy(update={"structure": section}))
