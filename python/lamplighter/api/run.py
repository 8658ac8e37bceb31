"""Runs from Python: carrying them out, opening their folders, and making their pages."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.api.methods import reference_of_run
from lamplighter.api.page import leave_page
from lamplighter.api.ranks import on_first_rank
from lamplighter.config.run_file import RunFile
from lamplighter.errors import ConfigError, RunFolderError, StructureError
from lamplighter.run_folder import run as run_folder
from lamplighter.run_folder.names import PAGE, START

if TYPE_CHECKING:
    from ase import Atoms

    from lamplighter.observables.volume_scan import VolumeScanOfModels

StrPath = str | os.PathLike[str]


class Run(run_folder.Run):
    """A run folder: `thermo`, `trajectory`, `status`, `stages`, `events` and more, each read when first asked for.

    `print(run)` shows its summary, as the end of the run did.

    Args:
        folder: The run folder.

    Raises:
        RunFolderError: it does not exist, is a file, or holds no run.

    Example:
        ```python
        run = ll.open_run("liquid")
        run.thermo["density_g_cm3"].mean()
        for frame in run.trajectory:
            atoms = frame.to_ase()
        ```
    """

    def __init__(self, folder: StrPath) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise RunFolderError(f"a run is opened by the path of its folder, got {folder!r} ({type(folder).__name__})")
        super().__init__(Path(folder).expanduser())

    def report(self, output: StrPath | None = None, *, title: str | None = None) -> Path:
        """Write the page of the run, as `lamplighter report` does. Under mpirun the first rank writes; collective.

        Args:
            output: The page; None: `report.html` in the run folder.
            title: Heading; None: the name of the run.

        Returns:
            The page.

        Raises:
            LamplighterError: the page cannot be written.
        """
        return leave_page([self.folder], self.folder / PAGE if output is None else Path(output).expanduser(), title)

    def __str__(self) -> str:
        from lamplighter.report.run_report import summary_of
        from lamplighter.report.text import format_summary

        return format_summary(summary_of(self))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}\n{html.escape(str(self))}</pre>"


def open_run(folder: StrPath) -> Run:
    """Open the folder of a run that is there: finished, broken off, or still going on.

    Args:
        folder: The run folder.

    Raises:
        RunFolderError: it does not exist, is a file, or holds no run.
    """
    return Run(folder)


def run(
    source: StrPath | Mapping[str, Any] | RunFile,
    *,
    output: StrPath | None = None,
    resume: bool = False,
    threads: int | None = None,
    trust: bool = False,
    walltime: str = "auto",
    margin: str | None = None,
    stall: str = "auto",
    progress: bool = True,
    command_line: list[str] | None = None,
) -> Run:
    """Carry out a run. Collective: under mpirun, every rank calls it alike, and all get the run.

    Args:
        source: A run file; or its content as a mapping or `RunFile`, whose paths are relative to the current folder.
            The structure of a mapping may be `ase.Atoms`, alone or as `file` of the section: they are kept as
            `start.traj` in the run folder, with their velocities, masses and constraints.
        output: The run folder, in place of `output.folder`; relative to the current folder.
        resume: Go on with the run in that folder, wherever it was interrupted; start it where there is none, and do
            nothing where it is completed.
        threads: Threads of the model on each rank; None: the node's cores divided by its ranks.
        trust: Put the model files on the user's list of trusted files.
        walltime: How long the run may take, such as `23h30m` or `1-12:00:00`: it then ends with a restart file.
            `auto`: as long as the batch job has left, where it runs in one; `none`: as long as it takes.
        margin: How long before it stops; None: measured.
        stall: All ranks are ended if no step ends for so long, such as `30min`. `auto`: 20 times the longest step so
            far, and at least 10 minutes (an hour before the first step has ended); `none`: never.
        progress: Show the progress and the summary (rank 0).
        command_line: What `provenance.json` records; None: that of this process.

    Raises:
        ConfigError, StructureError, ModelError, PluginError, EnvironmentProblem, RunFolderError: what is wrong before
            the first step; raised on all ranks.
        LammpsError: LAMMPS ended the run.
        RunFolderBusy: another process works in the run folder.
        QueueProblem: `walltime`, `margin` or `stall` is no time, or too short.
        Interrupted: a signal or the wall time did; its `status` is 75 where the same call goes on later.

    Example:
        ```python
        run = ll.run(
            {
                "structure": atoms,
                "potential": {"models": ["model.lamp"]},
                "stages": [{"type": "nvt", "temperature": "300 K", "length": "5 fs"}],
            },
            output="hot",
        )
        ```
    """
    from lamplighter.driver.run import AtEnd, carry_out

    if isinstance(source, Mapping):
        source, output = _with_atoms_in_a_file(dict(source), output, resume)
    elif not isinstance(source, str | os.PathLike | RunFile):
        raise ConfigError(
            f"a run is given by a run file, or by what is in one as a mapping or RunFile; got {source!r} "
            f"({type(source).__name__})"
        )
    done = carry_out(
        source,
        AtEnd(_leave_summary, _leave_scan, reference_of_run),
        output=output,
        resume=resume,
        threads=threads,
        trust=trust,
        walltime=walltime,
        margin=margin,
        stall=stall,
        progress=progress,
        command_line=command_line,
    )
    return Run(done.folder)


# What draws is imported when a run is over: it takes a second.


def _leave_summary(folder: Path) -> None:
    from lamplighter.report import run_report

    run_report(folder)


def _leave_scan(scan: VolumeScanOfModels, folder: Path) -> None:
    from lamplighter.report.volume_scan_text import leave_scan

    leave_scan(scan, folder)


def _with_atoms_in_a_file(
    content: dict[str, Any], output: StrPath | None, resume: bool
) -> tuple[dict[str, Any], StrPath | None]:
    """A run file's content in which a structure of ASE is a file of the run folder."""
    from ase import Atoms

    given = content.get("structure")
    section = dict(given) if isinstance(given, Mapping) else {"file": given}
    atoms = section.get("file")
    if not isinstance(atoms, Atoms):
        return content, output
    own = content.get("output")
    folder = Path(output or (own.get("folder") if isinstance(own, Mapping) else None) or "run").expanduser().resolve()
    on_first_rank(lambda: _write_start(atoms, folder, resume))
    return {**content, "structure": {**section, "file": folder / START}}, folder


def _write_start(atoms: Atoms, folder: Path, resume: bool) -> None:
    from ase.io.trajectory import Trajectory

    from lamplighter.run_folder.folder import require_unused
    from lamplighter.structures.atoms_file import check

    check(atoms, Path("the atoms"))
    if resume and (folder / START).exists():
        return
    require_unused(folder)
    bare = atoms.copy()  # without its calculator
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Trajectory(str(folder / START), "w", bare, master=True) as file:
            file.write()
    except OSError as problem:
        raise RunFolderError(f"{folder / START} cannot be written: {problem.strerror or problem}") from problem
    except (TypeError, ValueError, NotImplementedError) as problem:
        raise StructureError(f"the atoms cannot be kept in a file ({problem}): leave out what ASE cannot write") from (
            problem
        )
