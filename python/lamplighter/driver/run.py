"""Carrying out a run: from a run file to a run folder."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.config.loading import load_run_file, parse_run_file
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise
from lamplighter.driver import gaps, model_trust, models, preflight, provenance, script
from lamplighter.driver.environment import Environment, prepare
from lamplighter.driver.failure import agree
from lamplighter.driver.inputs import scripts_folder
from lamplighter.driver.interruption import Interrupted, SignalWatch, end_at_once
from lamplighter.driver.molecules import StartOfRun, start_of_run
from lamplighter.driver.open_lammps import open_session
from lamplighter.driver.output_watch import OutputWatch, free_reserve
from lamplighter.driver.pair_setup import PairSetup
from lamplighter.driver.resume import Resumption, how_to_go_on, require_same_models
from lamplighter.driver.resumed_outputs import clear_outputs, cut_outputs
from lamplighter.driver.run_lock import RunLock
from lamplighter.driver.script import Block, Restart, steps_of_stages
from lamplighter.driver.session import LammpsError, Session
from lamplighter.driver.start_limits import refused_at_the_first_step, require_within_limits
from lamplighter.errors import OutputLost
from lamplighter.guard_criteria import OF_COMMITTEE, criterion_numbered
from lamplighter.plugin import load_plugin
from lamplighter.run_folder import folder as run_folder
from lamplighter.run_folder.names import (
    BONDS,
    COMMITTEE,
    INPUTS,
    LOG,
    MOLECULES,
    PROVENANCE,
    RUN_FILE,
    SCRIPT,
    STRUCTURE,
    THERMO,
)
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.stages import StageSteps
from lamplighter.run_folder.status import GuardStatus, RunStatus, ScanStatus, StageStatus, last_status
from lamplighter.run_folder.writing import unwritable, write_json
from lamplighter.structures import read_start_structure

if TYPE_CHECKING:
    from lamplighter.driver.volume_scan import VolumeScanOfRun

RunSource = str | os.PathLike[str] | RunFile | Mapping[str, Any]


@dataclass(frozen=True)
class _Plan:
    """What rank 0 works out and all ranks carry out; `resumption`: of the run that is there already, if one goes on;
    `notes`: what is said of the run file and the structure at the start.
    """

    run: RunFile
    folder: Path
    blocks: list[Block]
    script_name: str
    resumption: Resumption | None = None
    notes: tuple[str, ...] = ()
    setup: PairSetup | None = None

    @property
    def restart(self) -> Restart | None:
        """Where the run goes on, within its stages."""
        return None if self.resumption is None else self.resumption.restart

    @property
    def resumed_scan(self) -> bool:
        """Whether of an interrupted run the scan alone is left."""
        return self.resumption is not None and self.resumption.scan_alone


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
    env = prepare(threads)
    run_file: RunFile = agree(env.comm, lambda: _resolved(source, output))
    with _held(env, run_file) as hold:
        return _run(run_file, env, hold, resume, trust, progress, command_line)


@contextlib.contextmanager
def _held(env: Environment, run_file: RunFile) -> Iterator[Callable[[], None]]:
    """The run folder is this run's alone, from now on where it exists, else from the first call of what is given on."""
    folder = run_file.output.folder
    locks: list[RunLock] = []
    assert folder is not None, "the run file is resolved"

    def hold() -> None:
        if locks:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            locks.append(RunLock(folder, lambda: _lost(env, folder)))
        except OSError as problem:
            raise unwritable(folder, problem) from problem

    try:
        agree(env.comm, lambda: hold() if folder.is_dir() else None)
        yield hold
    finally:
        for lock in locks:
            lock.release()


def _lost(env: Environment, folder: Path) -> None:
    message = f"Error: another process has taken the run folder {folder}, because this one stood still for minutes"
    print(message, file=sys.stderr, flush=True)
    end_at_once(env.comm)


def _run(
    run_file: RunFile,
    env: Environment,
    hold: Callable[[], None],
    resume: bool,
    trust: bool,
    progress: bool,
    command_line: list[str] | None,
) -> Run:
    start: list[StartOfRun] = []  # of the first rank, which alone reads and writes the structure
    plan: _Plan = agree(env.comm, lambda: _plan(run_file, resume, env.ranks, start))
    if plan.resumption is not None and plan.resumption.completed:
        return _reported(env, plan.folder, lambda: _told_completed(plan.folder, progress))
    model_trust.require_trusted(env, plan.run.potential, trust, plan.run.volume_scan)
    scan = _scan_of(plan.run, env, progress)
    agree(env.comm, lambda: _fill_folder(plan, start, hold))
    status = _first_status(plan, env)
    if env.is_first:
        for note in plan.notes:
            print(f"Note: {note}", file=sys.stderr)
        status.write(plan.folder)
    with _inside(plan.folder):
        try:
            _carry_out(plan, env, status, progress, command_line or sys.argv)
            if plan.blocks and not _ended_by_guard(status):
                agree(env.comm, lambda: _require_whole(plan))
            if scan is not None:
                _scan(plan, env, status, scan)
            status.status = "stopped" if _ended_by_guard(status) else "completed"
            if env.is_first:
                status.write(Path())
        except Interrupted:
            agree(env.comm, lambda: _report_what_there_is(plan.folder))
            raise
        except BaseException as problem:
            if status.status != "failed":
                _record_failure(plan, status, problem, None)
            raise
    return _reported(env, plan.folder, lambda: None)


def _reported(env: Environment, folder: Path, told: Callable[[], None]) -> Run:
    """The run with its report, as rank 0 opened it: the files may reach the nodes of other ranks later."""

    def report() -> Run:
        told()
        _report(folder)
        return Run(folder)

    run: Run = agree(env.comm, report)
    return run


def script_of(source: RunSource, output: str | os.PathLike[str] | None = None) -> str:
    """The LAMMPS script that a run would carry out, with the scripts that it includes in their places.

    Writes nothing and loads no model. Raises as `run`.
    """
    run_file = _resolved(source, output)
    checked = preflight.checked(run_file.potential, ranks=1, evaluates=False)
    structure = read_start_structure(run_file.structure)
    setup = script.pair_setup_of(run_file, checked, structure)
    require_within_limits(run_file, start_of_run(structure, run_file.structure.replicate, run_file.bonds))
    text = script.text_of(script.compose(run_file, structure, setup)) if run_file.stages else ""
    text = script.expanded(text, scripts_folder())
    if run_file.volume_scan is not None:
        from lamplighter.driver import volume_scan

        text += volume_scan.described(run_file)
    return text.lstrip("\n")


def _scan_of(run_file: RunFile, env: Environment, progress: bool) -> VolumeScanOfRun | None:
    """What follows the stages; imported only where something does."""
    if run_file.volume_scan is None:
        return None
    from lamplighter.driver.volume_scan import VolumeScanOfRun

    return VolumeScanOfRun(run_file, env, progress)


def _plan(run_file: RunFile, resume: bool, ranks: int, start: list[StartOfRun]) -> _Plan:
    folder = run_file.output.folder
    assert folder is not None, "the run file is resolved"
    resumption = how_to_go_on(folder, run_file) if resume else None
    if resumption is None or not resumption.begun:
        run_folder.require_unused(folder)
        resumption = None
    elif resumption.completed:
        return _Plan(run_file, folder, [], "", resumption)
    checked = preflight.checked(run_file.potential, ranks)
    if resumption is not None:
        require_same_models(folder, run_file)
    structure, blocks, name = read_start_structure(run_file.structure), [], SCRIPT
    setup = script.pair_setup_of(run_file, checked, structure)
    restart = None if resumption is None else resumption.restart
    if run_file.stages and not (resumption and resumption.scan_alone):
        blocks = script.compose(run_file, structure, setup, restart)
    if blocks and (restart is None or not (folder / BONDS).exists()):
        start.append(start_of_run(structure, run_file.structure.replicate, run_file.bonds))
        if restart is None:
            require_within_limits(run_file, start[0])
    if restart is not None:
        name = f"in.resumed_at_{restart.step}.lammps"
    notes = () if restart is not None or (resumption and resumption.scan_alone) else (*run_file.notes, *structure.notes)
    return _Plan(run_file, folder, blocks, name, resumption, notes, setup)


def _resolved(source: RunSource, output: str | os.PathLike[str] | None) -> RunFile:
    if isinstance(source, RunFile):
        run_file = source.resolved(Path.cwd(), default_output="run")
    elif isinstance(source, Mapping):
        run_file = parse_run_file(source).resolved(Path.cwd(), default_output="run")
    else:
        run_file = load_run_file(Path(source))
        if output is None:
            assert run_file.output.folder is not None, "the run file is resolved"
            output = run_folder.own_folder(Path(source), run_file.output.folder)
    if output is None:
        return run_file
    folder = Path(output).expanduser().resolve()
    return run_file.model_copy(update={"output": run_file.output.model_copy(update={"folder": folder})})


def _fill_folder(plan: _Plan, start: list[StartOfRun], hold: Callable[[], None]) -> None:
    """Make the run folder ready for LAMMPS (rank 0): everything that is there before it starts."""
    hold()
    if plan.resumption is None:
        run_folder.require_unused(plan.folder)  # another run may have been here since
    scripts = scripts_folder()
    if plan.resumed_scan:
        return
    try:
        if plan.restart is None:
            if plan.resumption is not None:
                _say(plan.resumption.notes, clear_outputs(plan.folder, plan.resumption.keep))
            what = "run" if plan.run.volume_scan is None else "run, without its volume scan,"
            text = script.text_of(plan.blocks, f"Repeat the {what} in this folder with: lamplighter lmp -in in.lammps")
            inputs = [scripts / name for name in script.included_files(plan.blocks, scripts)]
            run_folder.create(plan.folder, plan.run, text if plan.blocks else None, inputs)
            structure = read_start_structure(plan.run.structure)
            structure.write(plan.folder / STRUCTURE)
            if start and plan.run.output.centres_of_mass is not None:
                start[0].molecule_file().write(plan.folder / MOLECULES)
            assert plan.setup is not None, "the run is not completed"
            if plan.setup.calculator is not None:
                (plan.folder / models.CALCULATOR).write_text(plan.setup.calculator, encoding="utf-8")
        else:
            assert plan.resumption is not None, "a restart file belongs to a run that is there"
            _say(plan.resumption.notes, cut_outputs(plan.folder, plan.restart, plan.resumption.keep))
            for name in script.included_files(plan.blocks, scripts):
                copy = plan.folder / INPUTS / name
                if not copy.exists():
                    copy.write_bytes((scripts / name).read_bytes())
            text = script.text_of(plan.blocks, f"It went on from {plan.restart.file}.")
            (plan.folder / plan.script_name).write_text(text, encoding="utf-8")
        for each in start:
            each.write_bonds(plan.folder / BONDS)
    except OSError as problem:
        raise unwritable(plan.folder, problem) from problem


def _say(notes: list[str], kept: Path | None) -> None:
    """On standard error: what was found, and where copies are of what was written beyond the place to go on from."""
    if kept is not None:
        notes = [*notes, f"what the run had written before is kept in {kept}"]
    for note in notes:
        print(f"--resume: {note}", file=sys.stderr, flush=True)


def _told_completed(folder: Path, wanted: bool) -> None:
    if wanted:
        print(f"The run in {folder} is completed: there is nothing left to do.", flush=True)


def _first_status(plan: _Plan, env: Environment) -> RunStatus:
    if plan.resumed_scan and env.is_first:
        before = RunStatus.read(plan.folder)
        return replace(before, status="running", error=None, ranks=env.ranks, threads_per_rank=env.threads)
    placed = steps_of_stages(plan.run.stages)
    stages = [
        StageStatus(index, stage.type, stage.name or stage.type, steps.end - steps.begin, steps.timestep_ps * 1e3)
        for index, (stage, steps) in enumerate(zip(plan.run.stages, placed, strict=True))
    ]
    if plan.restart is not None and env.is_first:
        before = last_status(plan.folder, plan.restart.stage)
        for stage, old in zip(stages, before.stages, strict=False):
            stage.wall_s = old.wall_s
    criteria = plan.run.guard.criteria
    guard = GuardStatus(criteria) if criteria and stages else None
    scan = None if plan.run.volume_scan is None else ScanStatus()
    return RunStatus(ranks=env.ranks, threads_per_rank=env.threads, stages=stages, guard=guard, volume_scan=scan)


def _carry_out(plan: _Plan, env: Environment, status: RunStatus, progress: bool, command_line: list[str]) -> None:
    log = ["-log", LOG] if plan.blocks and not plan.restart else ["-log", "none"]
    assert plan.setup is not None, "the run is not completed"
    session = open_session(env, plan.setup, ["-screen", "none", "-nocite", *log])
    try:
        if plan.setup.evaluated_by == "own lammps" and (plan.run.guard.criteria or plan.run.committee is not None):
            load_plugin(session.lammps)
        if plan.restart is not None:
            session.command(f"log {LOG} append")
        if plan.blocks:
            _tell_molecules(env, session, progress)
        if env.is_first:
            _write_provenance(plan, env, session, command_line)
        watch = SignalWatch(lambda: _request_stop(session, env), lambda: end_at_once(env.comm))
        output = OutputWatch(plan.folder, lambda: _request_stop(session, env), env.is_first)
        with watch, _progress(plan, env, status, progress), output:
            _run_blocks(plan, env, status, session, watch, output)
    except LammpsError as problem:
        if env.ranks == 1 or problem.on_all_ranks:
            session.close()
        raise
    except BaseException:
        if env.ranks == 1:
            session.close()
        raise
    session.close()


def _tell_molecules(env: Environment, session: Session, progress: bool) -> None:
    """What was decided on bonds, into the log and onto the terminal. Collective."""

    def head() -> list[str]:
        lines = Path(BONDS).read_text(encoding="utf-8").splitlines()
        return [line.removeprefix("# ") for line in lines[:2] if line.startswith("# ")]

    for line in agree(env.comm, head):
        session.command(f'print "{line}"')
        if progress and env.is_first:
            print(line, flush=True)


def _ended_by_guard(status: RunStatus) -> bool:
    return status.guard is not None and status.guard.criterion is not None


def _scan(plan: _Plan, env: Environment, status: RunStatus, scan: VolumeScanOfRun) -> None:
    """The volume scan, unless the guard has ended the stages before it."""
    assert status.volume_scan is not None
    if _ended_by_guard(status):
        status.volume_scan.status = "skipped"
        status.volume_scan.note = "the guard ended the stages before it"
        return
    status.volume_scan.status = "running"
    if env.is_first:
        status.write(Path())
    before, began = status.volume_scan.wall_s, time.perf_counter()
    try:
        status.natoms = scan.carry_out()
        if env.is_first:
            _add_loaders(plan)
    except BaseException as problem:
        status.volume_scan.status = "failed"
        status.volume_scan.wall_s = before + time.perf_counter() - began
        _record_failure(plan, status, problem, None)
        raise
    status.volume_scan.status = "completed"
    status.volume_scan.wall_s = before + time.perf_counter() - began


def _run_blocks(
    plan: _Plan, env: Environment, status: RunStatus, session: Session, watch: SignalWatch, output: OutputWatch
) -> None:
    placed = steps_of_stages(plan.run.stages)
    for block in plan.blocks:
        if _ended_by_guard(status) and block.stage is not None:
            continue  # the run is over
        began = time.perf_counter()
        before = 0.0 if block.stage is None else status.stages[block.stage].wall_s or 0.0
        try:
            for line in block.lines:
                if line.startswith("#"):
                    continue
                try:
                    session.command(line)
                except LammpsError as problem:
                    if (against := output.look()) is not None:
                        raise _output_lost(plan, against) from problem
                    raise
                if block.stage is not None:
                    status.stages[block.stage].wall_s = before + time.perf_counter() - began
                number, against = env.comm.bcast((watch.received, output.problem), root=0)
                if against is not None:
                    raise _output_lost(plan, against)
                if number is not None:
                    raise _interrupted(plan, session, number, block, placed)
                if block.stage is not None:
                    _ask_guard(plan, session, status, placed[block.stage])
            status.natoms = session.n_atoms
            if env.is_first and block.title == script.POTENTIAL_TITLE:
                _add_loaders(plan)
        except BaseException as problem:
            # on any rank: the failing one may be the only one that knows
            _record_failure(plan, status, problem, block.stage)
            raise
        if env.is_first:
            status.write(Path())


def _output_lost(plan: _Plan, problem: OSError) -> OutputLost:
    return OutputLost(
        f"the run folder {plan.folder} takes no output any more ({problem.strerror or problem}), so the run was ended: "
        f"make room, or bring it back, and {_how_to_go_on(plan)}"
    )


def _require_whole(plan: _Plan) -> None:
    """Refuse to call a run completed of whose output something never reached the disk."""
    began = 0 if plan.restart is None else plan.restart.step
    for name, step in gaps.first_gaps(plan.folder, plan.run).items():
        if name != COMMITTEE and step > began:
            raise OutputLost(
                f"{name} lacks step {step}: the run folder {plan.folder} took no output for a while (a full disk, a "
                f"quota); see that there is room, and {_how_to_go_on(plan)}"
            )


def _ask_guard(plan: _Plan, session: Session, status: RunStatus, steps: StageSteps) -> None:
    """Whether the guard has ended the run, or how long nothing has happened."""
    guard = status.guard
    if guard is None or guard.criterion or not steps.timestep_ps:
        return
    guard.step = session.step
    guard.time_ps = steps.begin_ps + (session.step - steps.begin) * steps.timestep_ps
    number = session.guard_criterion(script.GUARD) if plan.run.guard.action == "stop" else 0
    if number:
        guard.criterion = criterion_numbered(number)
        # a committee that disagrees about the start is what was looked for, and no fault of the start
        if session.step == 0 and plan.restart is None and guard.criterion not in OF_COMMITTEE:
            raise refused_at_the_first_step(guard.criterion, plan.folder)


def _interrupted(plan: _Plan, session: Session, number: int, block: Block, placed: list[StageSteps]) -> Interrupted:
    step = session.step
    inside = block.stage is not None and not isinstance(plan.run.stages[block.stage], Minimise)
    if inside and placed[block.stage or 0].begin < step:
        session.command("write_restart restart.interrupted.bin")
    name = signal.Signals(number).name
    return Interrupted(f"{name} ended the run at step {step}; {_how_to_go_on(plan)}", number)


def _how_to_go_on(plan: _Plan) -> str:
    return f"go on with it: lamplighter run {shlex.quote(str(plan.folder / RUN_FILE))} --resume"


def _record_failure(plan: _Plan, status: RunStatus, problem: BaseException, stage: int | None) -> None:
    """Put the failure into status.json; never hides the failure itself."""
    status.status = "failed"
    # without the folder's own place: it may be moved and copied
    status.error = str(problem).replace(f"{plan.folder}{os.sep}", "") or type(problem).__name__
    status.failed_stage = stage
    if isinstance(problem, OutputLost):
        free_reserve(plan.folder)
    with contextlib.suppress(Exception):
        status.write(plan.folder)


def _provenance_file(plan: _Plan) -> Path:
    if plan.resumed_scan:
        return Path("provenance.resumed_at_volume_scan.json")
    if plan.restart is not None:
        return Path(f"provenance.resumed_at_{plan.restart.step}.json")
    return Path(PROVENANCE)


def _write_provenance(plan: _Plan, env: Environment, session: Session, command_line: list[str]) -> None:
    content = provenance.collect(plan.run, env, session.lammps, provenance.gpu_names(), command_line)
    write_json(_provenance_file(plan), content)


def _add_loaders(plan: _Plan) -> None:
    """The models are loaded with the potential, after the rest is known."""
    content = json.loads(_provenance_file(plan).read_text(encoding="utf-8"))
    assert plan.setup is not None, "the run is not completed"
    provenance.add_loaders(content, plan.run, plan.setup)
    write_json(_provenance_file(plan), content)


@contextlib.contextmanager
def _progress(plan: _Plan, env: Environment, status: RunStatus, wanted: bool) -> Iterator[None]:
    if not (wanted and env.is_first and plan.blocks):
        yield
        return
    from lamplighter.driver.progress import ProgressReporter, StagePlan

    stages = [StagePlan(stage.index, stage.name, stage.steps or 0, stage.timestep_fs or 0.0) for stage in status.stages]
    reporter = ProgressReporter(plan.folder / THERMO, stages)
    reporter.start()
    try:
        yield
    finally:
        reporter.stop()


def _request_stop(session: Session, env: Environment) -> None:
    if env.is_first and session.lammps is not None:
        session.lammps.set_internal_variable(script.STOP_VARIABLE, 1.0)


def _report(folder: Path) -> None:
    from lamplighter.report import run_report

    run_report(folder)


def _report_what_there_is(folder: Path) -> None:
    """The report of a run that was broken off; its lack must not hide why."""
    with contextlib.suppress(Exception):
        _report(folder)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder: LAMMPS opens its files relative to the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
