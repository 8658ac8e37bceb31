"""Run molecular dynamics, or a volume scan, as a run file describes it.

The command runs alone or under `mpirun -n N`. It writes a run folder.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lamplighter import launcher
from lamplighter.errors import LamplighterError


def run(
    run_file: Annotated[Path, typer.Argument(help="Run file (YAML) that is carried out.", metavar="RUN.yaml")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write this run folder, in place of output.folder of the run file."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the LAMMPS script, and run nothing.")] = False,
    ranks: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="With --dry-run: print the script of a run on this number of MPI ranks; the default is those that are "
            "started.",
            metavar="N",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Start the run, or go on with it where it was interrupted.")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", help="Use this number of threads for the model on each rank; the default is cores / ranks."
        ),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Put the model files on your list of trusted files.")] = False,
    walltime: Annotated[
        str,
        typer.Option(
            help="End with a restart file before this time is up, e.g. 23h30m or 1-12:00:00; auto asks the batch queue "
            "where the run is in a job, and none sets no limit.",
            metavar="TIME",
        ),
    ] = "auto",
    margin: Annotated[
        str | None,
        typer.Option(
            help="Stop this long before the wall time is up, e.g. 2min; the default is measured.", metavar="TIME"
        ),
    ] = None,
    stall: Annotated[
        str,
        typer.Option(
            help="End all ranks with a message if no step ends for so long, e.g. 30min; auto is 20 times the longest "
            "step and at least 10 minutes, and none waits for ever.",
            metavar="TIME",
        ),
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor summary.")] = False,
) -> None:
    from lamplighter.driver import environment, interruption

    interruption.mind_early_signals()
    _continue_elsewhere(run_file)
    from lamplighter.driver.failure import end_together

    environment.limit_openmp()
    comm = environment.import_mpi().COMM_WORLD

    def program() -> int:
        if ranks is not None and not dry_run:
            raise LamplighterError(f"--ranks {ranks} goes with --dry-run; a run is started by mpirun -n {ranks}")
        if dry_run:
            _print_script(comm, run_file, output, ranks or comm.Get_size())
        else:
            _run(
                comm,
                run_file,
                output,
                quiet,
                resume=resume,
                threads=threads,
                trust=trust,
                walltime=walltime,
                margin=margin,
                stall=stall,
            )
        return 0

    raise typer.Exit(end_together(comm, program))


def _continue_elsewhere(run_file: Path) -> None:
    """In the Python that the run file names; every rank by itself, as MPI must not have started."""
    from lamplighter.driver import other_python

    try:
        other_python.continue_in_python_of(run_file, sys.argv[1:])
    except LamplighterError as problem:
        if launcher.own_rank() == 0:
            print(f"Error: {problem}", file=sys.stderr)
        raise typer.Exit(1) from problem


def _print_script(comm: Any, run_file: Path, output: Path | None, ranks: int) -> None:
    from lamplighter.driver.failure import agree
    from lamplighter.driver.run import script_of

    text = agree(comm, lambda: script_of(run_file, output, ranks))
    if comm.Get_rank() == 0:
        print(text, end="")


def _run(
    comm: Any,
    run_file: Path,
    output: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    from lamplighter.api.run import run as carry_out

    done = carry_out(run_file, output=output, progress=not quiet, **options)
    if quiet or comm.Get_rank() != 0:
        return
    from lamplighter.report import format_summary

    print(format_summary(done.summary))
    scan = done.summary["volume_scan"]
    if scan is not None and scan["status"] == "completed":
        from lamplighter.observables.stored_scan import read_scan
        from lamplighter.report.volume_scan_text import format_volume_scan

        print(f"\n{format_volume_scan(read_scan(done.folder))}\n")
    print(f"Run folder: {done.folder} (a page about it: lamplighter report {shlex.quote(str(done.folder))})")
