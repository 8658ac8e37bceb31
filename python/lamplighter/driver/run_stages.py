"""The stages of a run: LAMMPS carries out the script, block by block, and is watched."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lamplighter.config.stages import Minimise
from lamplighter.driver import provenance, script
from lamplighter.driver.environment import Environment
from lamplighter.driver.execution import Execution
from lamplighter.driver.failing_frame import write_failing_frame
from lamplighter.driver.failure import agree, all_ranks_failed
from lamplighter.driver.interruption import Stop
from lamplighter.driver.open_lammps import open_session
from lamplighter.driver.output_watch import OutputWatch
from lamplighter.driver.restart_checksum import RestartSeals, forget_checksum
from lamplighter.driver.run_end import ended_by_guard, how_to_resume, output_lost, record_failure
from lamplighter.driver.run_plan import Plan
from lamplighter.driver.script_block import Block
from lamplighter.driver.session import LammpsError, Session
from lamplighter.driver.stage_blocks import BEGIN_TABLE, RESTART_STEP, RUN_DYNAMICS, RUN_TO_RESTART
from lamplighter.driver.stage_steps import steps_of_stages
from lamplighter.driver.stall_watch import StallWatch
from lamplighter.driver.start_limits import refused_at_the_first_step
from lamplighter.driver.wall_checkpoints import WallCheckpoints
from lamplighter.errors import LamplighterError, ModelError
from lamplighter.guard_criteria import OF_MODELS, criterion_numbered
from lamplighter.plugin import load_plugin
from lamplighter.run_folder.names import (
    BONDS,
    FAILURE,
    INTERRUPTED,
    LOG,
    THERMO,
)
from lamplighter.run_folder.stages import StageSteps
from lamplighter.run_folder.status import RunStatus


@dataclass(frozen=True)
class _UnderWay:
    """A run whose script LAMMPS carries out, and who watches it.

    Attributes:
        plan, execution, status: What is carried out, with what, and how far it is.
        session: LAMMPS.
        stall, output, checkpoints: Who watches it beside the clock of the execution.
        placed: Where the stages begin and end.
        seals: Checksums of restart files.
    """

    plan: Plan
    execution: Execution
    status: RunStatus
    session: Session
    stall: StallWatch
    output: OutputWatch
    checkpoints: WallCheckpoints
    placed: list[StageSteps]
    seals: RestartSeals

    def has_dynamics_to_keep(self, block: Block) -> bool:
        """Whether LAMMPS is within a stage of dynamics, beyond its first step."""
        if block.stage is None or isinstance(self.plan.run.stages[block.stage], Minimise):
            return False
        return self.placed[block.stage].begin < self.session.step


def carry_out_stages(plan: Plan, execution: Execution, status: RunStatus) -> None:
    """Open LAMMPS in the run folder, which is the current one, and carry out the blocks of the script. Collective.

    Raises:
        LammpsError, ModelError: LAMMPS or a model ended the run.
        Interrupted: a signal or the wall time did.
        OutputLost: the run folder takes no output any more.
    """
    env, stops, progress = execution.env, execution.stops, execution.progress
    log = ["-log", LOG] if plan.blocks and not plan.restart else ["-log", "none"]
    session = open_session(env, plan.setup, ["-screen", "none", "-nocite", *log])
    try:
        run = plan.run
        if plan.setup.evaluated_by == "own lammps" and (run.guard.criteria or run.committee is not None):
            load_plugin(session.lammps)
        if plan.restart is not None:
            session.command(f"log {LOG} append")
        if plan.blocks:
            said = agree(env.comm, lambda: [*_molecules(), *filter(None, [plan.domains, str(execution.clock)])])
            _tell(env, session, progress, said)
        if env.is_first:
            provenance.write(plan.provenance_file, plan.run, env, session.lammps, execution.command_line)
        stops.check(f"the run before its first step; {how_to_resume(plan)}")
        output = OutputWatch(plan.folder, lambda: _request_stop(session, env), env.is_first)
        asking = stops.passed_to(lambda: _request_stop(session, env))
        every = run.output.restart_wall
        checkpoints = WallCheckpoints(
            None if every is None else every.metal,
            lambda: _request_stop(session, env),
            env.is_first,
            plan.restart.file if plan.restart is not None else "",
        )
        last_words = partial(_record_stall, plan, status)
        began = 0 if plan.restart is None else plan.restart.step
        watch = StallWatch(env.comm, execution.stall_s, began, last_words)
        with asking, _progress(plan, env, status, progress), output, checkpoints, watch as stall:
            placed = steps_of_stages(plan.run.stages)
            seals = RestartSeals(Path())
            _run_blocks(_UnderWay(plan, execution, status, session, stall, output, checkpoints, placed, seals))
    except LammpsError as problem:
        if env.ranks == 1 or problem.on_all_ranks:
            session.close()
        raise
    except BaseException:
        if env.ranks == 1:
            session.close()
        raise
    session.close()


def _molecules() -> list[str]:
    """What was decided on bonds."""
    lines = Path(BONDS).read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("# ") for line in lines[:2] if line.startswith("# ")]


def _tell(env: Environment, session: Session, progress: bool, lines: list[str]) -> None:
    """Into the log and onto the terminal."""
    for line in lines:
        session.command(f'print "{line}"')
        if progress and env.is_first:
            print(line, flush=True)


def _run_blocks(run: _UnderWay) -> None:
    plan, status, session, env = run.plan, run.status, run.session, run.execution.env
    stops = run.execution.stops
    for block in plan.blocks:
        if ended_by_guard(status) and block.stage is not None:
            continue  # the run is over
        began = time.perf_counter()
        before = 0.0 if block.stage is None else status.stages[block.stage].wall_s or 0.0
        try:
            for line in _lines(block, session, status, run.checkpoints):
                _carry_out(run, line, block)
                if block.stage is not None:
                    status.stages[block.stage].wall_s = before + time.perf_counter() - began
                with run.stall.watching(lambda: session.step):  # a file server may never answer
                    if line == RUN_TO_RESTART:
                        # at each restart file: so at most one of the two is newer than what a full disk did not take
                        run.output.look()
                    stop, against, due = env.comm.bcast((stops.first, run.output.problem, run.checkpoints.due), root=0)
                if against is not None:
                    raise output_lost(plan, against)
                if stop is not None:
                    raise _interrupted(run, stop, block)
                if due:
                    _write_by_the_clock(run, block)
                if block.stage is not None:
                    if env.is_first:
                        run.seals.seal_new()
                    _ask_guard(plan, session, status, run.placed[block.stage])
            status.natoms = session.n_atoms
            stops.came_further = stops.came_further or block.stage is not None
            if env.is_first and block.title == script.POTENTIAL_TITLE:
                provenance.add_loaders(plan.provenance_file, plan.run, plan.setup)
        except BaseException as problem:
            # on any rank: the failing one may be the only one that knows
            record_failure(plan, status, problem, block.stage)
            raise
        if env.is_first:
            status.write(Path())


def _carry_out(run: _UnderWay, line: str, block: Block) -> None:
    """One line of the script, under watch. Raises what LAMMPS or a model ends it with, where the atoms then are."""
    session, clock = run.session, run.execution.clock
    pausing = run.checkpoints.within_dynamics(line == RUN_TO_RESTART)
    try:
        with clock.measuring(lambda: session.step), run.stall.watching(lambda: session.step), pausing:
            session.command(line)
    except (LammpsError, ModelError) as problem:
        together = _all_are_here(run, problem)
        if isinstance(problem, LammpsError) and (against := _against_output(run, together)) is not None:
            raise output_lost(run.plan, against) from problem
        if together and (block.stage is not None or line.startswith("run ")):  # the committee's first evaluation
            _keep_evidence(run, problem)
        raise


def _all_are_here(run: _UnderWay, problem: LammpsError | ModelError) -> bool:
    """Whether all ranks have failed and may do something together; asked before one of them does what takes time."""
    env = run.execution.env
    if env.ranks == 1:
        return True
    return isinstance(problem, LammpsError) and problem.on_all_ranks and all_ranks_failed(env.comm)


def _against_output(run: _UnderWay, together: bool) -> OSError | None:
    """What stands against writing into the run folder. Collective where all are here, so that all say the same."""
    with run.stall.watching(lambda: run.session.step):
        against = run.output.look()
        return run.execution.env.comm.bcast(against, root=0) if together else against


def _keep_evidence(run: _UnderWay, problem: LammpsError | ModelError) -> None:
    """Write the atoms as they were, where that can be done, and have the message say where they are. Collective."""
    env = run.execution.env
    with contextlib.suppress(Exception):  # nothing may hide the problem itself
        if write_failing_frame(run.session, env, run.plan.setup.elements, str(problem)):
            where = f"the atoms at step {run.session.step}: {run.plan.folder / FAILURE}"
            problem.args = (f"{str(problem).rstrip()}\n  {where}", *problem.args[1:])


def _lines(block: Block, session: Session, status: RunStatus, checkpoints: WallCheckpoints) -> Iterator[str]:
    """The lines that LAMMPS carries out, one after the other; dynamics in parts, from restart file to restart file."""
    for line in block.lines:
        if line == RUN_DYNAMICS:
            yield from BEGIN_TABLE
            yield RUN_TO_RESTART
            while session.step < session.variable("step_end") and session.step in (
                session.variable(RESTART_STEP),
                checkpoints.written_at,
            ):
                if ended_by_guard(status):
                    break
                yield RUN_TO_RESTART
        elif not line.startswith("#"):
            yield line


def _write_by_the_clock(run: _UnderWay, block: Block) -> None:
    """A restart file, where there is a step of dynamics to keep; LAMMPS then goes on. Collective."""

    def release() -> None:
        run.session.lammps.set_internal_variable(script.STOP_VARIABLE, 0.0)

    if run.has_dynamics_to_keep(block):
        run.checkpoints.write(run.session, release)
    else:
        run.checkpoints.later(run.session, release)


def _record_stall(plan: Plan, status: RunStatus, message: str) -> None:
    stage = next((each.index for each in reversed(status.stages) if each.wall_s is not None), None)
    record_failure(plan, status, LamplighterError(message), stage)


def _ask_guard(plan: Plan, session: Session, status: RunStatus, steps: StageSteps) -> None:
    """Whether the guard has ended the run, or how long nothing has happened."""
    guard = status.guard
    if guard is None or guard.criterion or not steps.timestep_ps:
        return
    guard.step = session.step
    guard.time_ps = steps.begin_ps + (session.step - steps.begin) * steps.timestep_ps
    number = session.guard_criterion(script.GUARD) if plan.run.guard.action == "stop" else 0
    if number:
        guard.criterion = criterion_numbered(number)
        # a start that models disagree about or do not know is what was looked for, and no fault of the start
        if session.step == 0 and plan.restart is None and guard.criterion not in OF_MODELS:
            raise refused_at_the_first_step(guard.criterion, plan.folder)


def _interrupted(run: _UnderWay, stop: Stop, block: Block) -> LamplighterError:
    """What is raised: in dynamics, once a restart file is written, while thermostat and barostat are still defined."""
    plan, stops, is_first = run.plan, run.execution.stops, run.execution.env.is_first
    step = run.session.step
    if run.has_dynamics_to_keep(block):
        if is_first:
            forget_checksum(Path(INTERRUPTED))
        run.session.command(f"write_restart {INTERRUPTED}")
        if is_first:
            run.seals.seal_new()
        if plan.restart is None or step > plan.restart.step:
            stops.came_further = True
    return stops.ending(stop, f"the run at step {step}; {how_to_resume(plan)}")


@contextlib.contextmanager
def _progress(plan: Plan, env: Environment, status: RunStatus, wanted: bool) -> Iterator[None]:
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
