"""`lamplighter.run`: the driver carries a run out, and what is reported of it is left in its folder."""

from __future__ import annotations

import os
from pathlib import Path

from lamplighter.driver.run import AtEnd, carry_out
from lamplighter.driver.run_plan import RunSource
from lamplighter.observables.volume_scan import VolumeScanOfModels
from lamplighter.run_folder.run import Run


def run(
    source: RunSource,
    *,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    threads: int | None = None,
    trust: bool = False,
    progress: bool = True,
    command_line: list[str] | None = None,
) -> Run:
    """Carry out a run. Collective: under mpirun, every rank calls it alike.

    Args:
        source: A run file's path, a `RunFile`, or its content as a mapping. Paths in the latter two are relative
            to the current folder.
        output: The run folder, in place of `output.folder`; relative to the current folder.
        resume: Go on with the run in that folder, wherever it was interrupted; start it where there is none, and do
            nothing where it is completed.
        threads: Threads of the model on each rank; None: the node's cores divided by its ranks.
        trust: Put the model files on the user's list of trusted files.
        progress: Show the progress (rank 0).
        command_line: What `provenance.json` records; None: that of this process.

    Returns:
        The run, as its folder has it.

    Raises:
        ConfigError, StructureError, ModelError, PluginError, EnvironmentProblem, RunFolderError: see there; raised
            on all ranks.
        LammpsError: LAMMPS ended the run.
        RunFolderBusy: another process works in the run folder.
        Interrupted: SIGINT or SIGTERM did.
    """
    return carry_out(
        source,
        AtEnd(_leave_summary, _leave_scan),
        output=output,
        resume=resume,
        threads=threads,
        trust=trust,
        progress=progress,
        command_line=command_line,
    )


# What draws is imported when a run is over: it takes a second.


def _leave_summary(folder: Path) -> None:
    from lamplighter.report import run_report

    run_report(folder)


def _leave_scan(scan: VolumeScanOfModels, folder: Path) -> None:
    from lamplighter.report.volume_scan_text import leave_scan

    leave_scan(scan, folder)
