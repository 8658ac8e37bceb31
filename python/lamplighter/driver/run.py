"""Carrying out a run: from a run file to a run folder."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, model_trust, preflight, provenance, script
from lamplighter.driver.domains import domains_of
from lamplighter.driver.environment import Environment, prepare
from lamplighter.driver.execution import Execution
from lamplighter.driver.failure import agree
from lamplighter.driver.interruption import StopRequests
from lamplighter.driver.lammps_scripts import expanded, scripts_folder
from lamplighter.driver.resumed_outputs import drop_lines_between
from lamplighter.driver.run_end import ended_by_guard, record_failure, require_whole
from lamplighter.driver.run_plan import Plan, RunSource, plan_of, resolved
from lamplighter.driver.run_stages import carry_out_stages
from lamplighter.driver.run_start import fill_folder, first_status, held
from lamplighter.driver.script_block import text_of
from lamplighter.driver.shared_folder import require_shared
from lamplighter.driver.stall_watch import stall_limit
from lamplighter.driver.start_limits import require_within_limits
from lamplighter.driver.start_of_run import StartOfRun, start_of_run
from lamplighter.driver.wall_clock import FROM_QUEUE, WallClock
from lamplighter.errors import Interrupted
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.status import RunStatus

if TYPE_CHECKING:
    from lamplighter.driver.volume_scan import OpenReference, VolumeScanOfRun
    from lamplighter.observables.volume_scan import VolumeScanOfModels


@dataclass(frozen=True)
class AtEnd:
    """What follows the stages of a run. The driver knows no reports and no reference methods: they are handed in.

    Attributes:
        summary: Called by the first rank with the run folder, also where the run was interrupted.
        scan: Called by the first rank with the result of a volume scan and the folder that it is written to.
        open_reference: Opens the reference of a volume scan, before the stages.
    """

    summary: Callable[[Path], None]
    scan: Callable[[VolumeScanOfModels, Path], None]
    open_reference: OpenReference


def carry_out(
    source: RunSource,
    at_end: AtEnd,
    *,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    threads: int | None = None,
    trust: bool = False,
    walltime: str = FROM_QUEUE,
    margin: str | None = None,
    stall: str = "auto",
    progress: bool = True,
    command_line: list[str] | None = None,
) -> Run:
    """Carry out a run. Collective: under mpirun, every rank calls it alike.

    Args:
        source: A run file's path, a `RunFile`, or its content as a mapping. Paths in the latter two are relative
            to the current folder.
        at_end: What is made of the run when it is over.
        output: The run folder, in place of `output.folder`; relative to the current folder.
        resume: Go on with the run in that folder, wherever it was interrupted; start it where there is none, and do
            nothing where it is completed.
        threads: Threads of the model on each rank; None: the node's cores divided by its ranks.
        trust: Put the model files on the user's list of trusted files.
        walltime, margin: When it has to end, and how long before it stops; as `wall_clock.WallClock`.
        stall: How long no step may end before all ranks are ended; as `stall_watch.stall_limit`.
        progress: Show the progress (rank 0).
        command_line: What `provenance.json` records; None: that of this process.

    Returns:
        The run, as its folder has it.

    Raises:
        ConfigError, StructureError, ModelError, PluginError, EnvironmentProblem, RunFolderError: see there; raised
            on all ranks.
        LammpsError: LAMMPS ended the run.
        RunFolderBusy: another process works in the run folder.
        QueueProblem: `walltime`, `margin` or `stall` is no time.
        Interrupted: a signal or the wall time did.
    """
    env = prepare(threads)
    stall_s: float | None = agree(env.comm, lambda: stall_limit(stall))
    run_file: RunFile = agree(env.comm, lambda: resolved(source, output))
    with StopRequests(env.comm) as stops:
        clock = _clock(env, stops, walltime, margin)
        with clock, held(env, run_file, stops) as hold:
            execution = Execution(env, stops, clock, stall_s, progress, command_line or sys.argv)
            return _run(run_file, at_end, execution, hold, resume=resume, trust=trust)


def _run(
    run_file: RunFile, at_end: AtEnd, execution: Execution, hold: Callable[[], None], *, resume: bool, trust: bool
) -> Run:
    env, stops = execution.env, execution.stops
    start: list[StartOfRun] = []  # of the first rank, which alone reads and writes the structure
    plan: Plan | None = agree(env.comm, lambda: plan_of(run_file, resume, env.ranks, start))
    if plan is None:
        completed: Run = agree(env.comm, lambda: _completed_before(run_file, at_end, execution.progress))
        return completed
    model_trust.require_trusted(env, plan.run.potential, trust, plan.run.volume_scan)
    scan = _scan_of(plan.run, env, execution.progress, at_end)
    stops.check("the run before its first step; the same command starts it")
    agree(env.comm, lambda: fill_folder(plan, start, hold))
    require_shared(env.comm, plan.folder)
    start.clear()  # as large as the system, and in the folder from here on
    status = first_status(plan, env)
    if env.is_first:
        for note in plan.notes:
            print(f"Note: {note}", file=sys.stderr)
        status.write(plan.folder)
    with _inside(plan.folder):
        try:
            carry_out_stages(plan, execution, status)
            if plan.blocks and not ended_by_guard(status):
                agree(env.comm, lambda: require_whole(plan))
                if plan.restart is not None:
                    agree(env.comm, lambda: drop_lines_between(plan.folder, plan.run))
            if scan is not None:
                _carry_out_scan(plan, execution, status, scan, at_end)
            status.status = "stopped" if ended_by_guard(status) else "completed"
            if env.is_first:
                status.write(Path())
        except Interrupted:
            agree(env.comm, lambda: _summary_of_what_there_is(plan.folder, at_end))
            raise
        except BaseException as problem:
            if status.status != "failed":
                record_failure(plan, status, problem, None)
            raise
    # as the first rank opened it: the files may reach the nodes of other ranks later
    done: Run = agree(env.comm, lambda: _reported(plan.folder, at_end))
    return done


def _clock(env: Environment, stops: StopRequests, walltime: str, margin: str | None) -> WallClock:
    """The first rank's may refuse, and then does so on all ranks."""
    made: list[WallClock] = []
    agree(env.comm, lambda: made.append(WallClock(stops, walltime, margin, active=True)))
    return made[0] if made else WallClock(stops, walltime, None, active=False)


def script_of(source: RunSource, output: str | os.PathLike[str] | None = None, ranks: int = 1) -> str:
    """The LAMMPS script that a run would carry out, with the scripts that it includes in their places.

    Writes nothing and loads no model. Raises as `run`.

    Args:
        source: As `run`.
        output: The run folder, in place of `output.folder`.
        ranks: MPI ranks of the run, on which domains and the choice of some pair styles depend.
    """
    run_file = resolved(source, output)
    checked = preflight.checked(run_file.potential, ranks, evaluates=False)
    structure = classical.start_structure(run_file)
    setup = script.pair_setup_of(run_file, checked, structure)
    start = start_of_run(structure, run_file.structure.replicate, run_file.bonds)
    require_within_limits(run_file, start)
    text = ""
    if run_file.stages:
        domains = domains_of(run_file, ranks, lambda: (start.frame, start.corner), setup.evaluated_by)
        text = text_of(script.compose(run_file, structure, setup, None, domains))
    text = expanded(text, scripts_folder())
    if run_file.volume_scan is not None:
        from lamplighter.driver import volume_scan

        text += volume_scan.described(run_file)
    return text.lstrip("\n")


def _scan_of(run_file: RunFile, env: Environment, progress: bool, at_end: AtEnd) -> VolumeScanOfRun | None:
    """What follows the stages; imported only where something does."""
    if run_file.volume_scan is None:
        return None
    from lamplighter.driver.volume_scan import VolumeScanOfRun

    return VolumeScanOfRun(run_file, env, progress, at_end.open_reference)


def _carry_out_scan(plan: Plan, execution: Execution, status: RunStatus, scan: VolumeScanOfRun, at_end: AtEnd) -> None:
    """The volume scan, unless the guard has ended the stages before it."""
    env = execution.env
    assert status.volume_scan is not None
    if ended_by_guard(status):
        status.volume_scan.status = "skipped"
        status.volume_scan.note = "the guard ended the stages before it"
        return
    status.volume_scan.status = "running"
    if env.is_first:
        status.write(Path())
    before, began = status.volume_scan.wall_s, time.perf_counter()
    try:
        status.natoms = scan.carry_out(at_end.scan, execution.stops)
        if env.is_first:
            provenance.add_loaders(plan.provenance_file, plan.run, plan.setup)
    except BaseException as problem:
        status.volume_scan.status = "failed"
        status.volume_scan.wall_s = before + time.perf_counter() - began
        record_failure(plan, status, problem, None)
        raise
    status.volume_scan.status = "completed"
    status.volume_scan.wall_s = before + time.perf_counter() - began


def _completed_before(run_file: RunFile, at_end: AtEnd, wanted: bool) -> Run:
    folder = run_file.output.folder
    assert folder is not None, "the run file is resolved"
    if wanted:
        print(f"The run in {folder} is completed: there is nothing left to do.", flush=True)
    return _reported(folder, at_end)


def _reported(folder: Path, at_end: AtEnd) -> Run:
    at_end.summary(folder)
    return Run(folder)


def _summary_of_what_there_is(folder: Path, at_end: AtEnd) -> None:
    """Of a run that was broken off; its lack must not hide why."""
    with contextlib.suppress(Exception):
        at_end.summary(folder)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder: LAMMPS opens its files relative to the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
