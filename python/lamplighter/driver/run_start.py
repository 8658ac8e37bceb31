"""The start of a run: its folder is taken, and gets everything that is there before LAMMPS starts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, models
from lamplighter.driver.environment import Environment
from lamplighter.driver.failure import agree
from lamplighter.driver.interruption import StopRequests, end_at_once
from lamplighter.driver.lammps_scripts import included_files, scripts_folder
from lamplighter.driver.resumed_outputs import clear_outputs, cut_outputs
from lamplighter.driver.run_lock import RunLock
from lamplighter.driver.run_plan import Plan
from lamplighter.driver.script_block import text_of
from lamplighter.driver.stage_steps import steps_of_stages
from lamplighter.driver.start_of_run import StartOfRun
from lamplighter.run_folder import folder as run_folder
from lamplighter.run_folder.names import (
    BONDS,
    INPUTS,
    MOLECULE_LIST,
    MOLECULES,
    STRUCTURE,
)
from lamplighter.run_folder.status import GuardStatus, RunStatus, ScanStatus, StageStatus, last_status
from lamplighter.run_folder.writing import unwritable
from lamplighter.structures.molecule_list import is_molecule_list


@contextlib.contextmanager
def held(env: Environment, run_file: RunFile, stops: StopRequests) -> Iterator[Callable[[], None]]:
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
            stops.at_a_hurried_end(locks[0].release)
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


def fill_folder(plan: Plan, start: list[StartOfRun], hold: Callable[[], None]) -> None:
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
            text = text_of(plan.blocks, f"Repeat the {what} in this folder with: lamplighter lmp -in in.lammps")
            inputs = [scripts / name for name in included_files(plan.blocks, scripts)]
            run_folder.create(plan.folder, plan.run, text if plan.blocks else None, inputs)
            structure = classical.start_structure(plan.run)
            structure.write(plan.folder / STRUCTURE)
            if start and plan.run.output.centres_of_mass is not None:
                start[0].molecule_file().write(plan.folder / MOLECULES)
            listed = plan.run.structure.molecules or plan.run.potential.molecules
            if listed is not None and is_molecule_list(listed):
                (plan.folder / MOLECULE_LIST).write_bytes(listed.read_bytes())
            if plan.setup.calculator is not None:
                (plan.folder / models.CALCULATOR).write_text(plan.setup.calculator, encoding="utf-8")
        else:
            assert plan.resumption is not None, "a restart file belongs to a run that is there"
            _say(plan.resumption.notes, cut_outputs(plan.folder, plan.restart, plan.resumption.keep))
            for name in included_files(plan.blocks, scripts):
                copy = plan.folder / INPUTS / name
                if not copy.exists():
                    copy.write_bytes((scripts / name).read_bytes())
            text = text_of(plan.blocks, f"It went on from {plan.restart.file}.")
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


def first_status(plan: Plan, env: Environment) -> RunStatus:
    """The status that the run begins with; one that goes on keeps the times of its stages."""
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
