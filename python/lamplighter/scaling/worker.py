"""One measurement, on the ranks that started it: `python -m lamplighter.scaling.worker SECONDS THREADS`.

In the working directory it finds `run.yaml` and `sides.json`, and leaves `result.json`. Blocks of steps of each side
take turns, forth and back, so that whatever the machine does meets all of them; LAMMPS' own timers tell the parts.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.config.loading import load_run_file
from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, model_trust, preflight
from lamplighter.driver.environment import Environment, prepare
from lamplighter.driver.failure import agree, end_together
from lamplighter.driver.lammps_scripts import scripts_folder
from lamplighter.driver.models import CALCULATOR
from lamplighter.driver.open_lammps import open_session
from lamplighter.driver.pair_setup import pair_setup
from lamplighter.driver.script import compose
from lamplighter.driver.script_block import equal
from lamplighter.driver.session import Session
from lamplighter.driver.stage_blocks import RIGID
from lamplighter.driver.stage_steps import first_timestep
from lamplighter.driver.start_of_run import start_of_run
from lamplighter.run_folder.names import BONDS, INPUTS, RUN_FILE, STRUCTURE
from lamplighter.run_folder.writing import write_json
from lamplighter.scaling.breakdown import grid_and_cutoff, timed_runs
from lamplighter.scaling.sides import PLAIN, Side, alone, side

WARM_STEPS = 5
"""Untimed: frameworks optimise in their first evaluations."""

FEWEST_STEPS, MOST_STEPS = 5, 500
FEWEST_ROUNDS, MOST_ROUNDS = 4, 8
"""The first round is dropped."""

MOST_FORCES = 20_000
"""Atoms whose forces are kept, for comparing precisions and engines."""

LOG = "blocks.log"


def main() -> int:
    """Measure, in the time given."""
    began = time.monotonic()
    seconds, threads = float(sys.argv[1]), int(sys.argv[2]) or None
    env = prepare(threads)
    return end_together(env.comm, lambda: _measure(env, began, seconds))


def _measure(env: Environment, began: float, seconds: float) -> int:
    run, wanted = agree(env.comm, lambda: (load_run_file(RUN_FILE), json.loads(Path("sides.json").read_text())))
    structure = classical.start_structure(run)
    checked = agree(env.comm, lambda: preflight.checked(run.potential, env.ranks))
    model_trust.require_trusted(env, run.potential, False)
    setup = pair_setup(checked, structure.elements, periodic=structure.periodic)
    if env.is_first:
        shutil.copytree(scripts_folder(), INPUTS, dirs_exist_ok=True)
        structure.write(Path(STRUCTURE))
        if run.guard.watches_bonds:
            start_of_run(structure, run.structure.replicate, run.bonds).write_bonds(Path(BONDS))
        if setup.calculator is not None:
            Path(CALCULATOR).write_text(setup.calculator, encoding="utf-8")
    env.comm.Barrier()
    sides = [side(name, run, structure, checked, setup.lines) for name in [PLAIN, *wanted]]
    with open_session(env, setup, ["-log", LOG, "-screen", "none"]) as session:
        for line in _system(alone(run), structure, setup):
            session.command(line)
        session.command("run 0 post no")
        if session.n_atoms <= MOST_FORCES:
            _keep_forces(env, session)
        session.command(f"run {WARM_STEPS} post no")
        made = _in_turns(env, session, sides, seconds - (time.monotonic() - began), time.monotonic() - began)
        made |= {
            "atoms": session.n_atoms,
            "ranks": env.ranks,
            "threads": env.threads,
            "memory_MB": _memory(env),
            "lammps": int(session.lammps.version()),
        }
        lengths = np.asarray(session.lammps.extract_box()[1]) - np.asarray(session.lammps.extract_box()[0])
        made["box_A"] = [float(each) for each in lengths]
    if env.is_first:
        write_json(Path("result.json"), made)
    return 0


def _system(run: RunFile, structure: Any, setup: Any) -> list[str]:
    """Up to constant energy: what thermostats and barostats cost is no matter of scale."""
    blocks = compose(run, structure, setup)
    lines = [line for block in blocks[:3] for line in block.lines]
    temperature = run.velocities.temperature
    if temperature is not None:
        script = "velocities" if structure.held is None else "held_velocities"
        lines += [equal("velocity_temperature", temperature.metal), equal("velocity_seed", run.seed)]
        lines.append(f"include inputs/{script}.lmp")
    if structure.rigid:
        lines.append(f"fix {RIGID} {structure.rigid}")
    lines += [f"timestep {first_timestep(run):g}", "fix integrate ${mobile} nve", "thermo 0", "timer normal nosync"]
    return lines


def _in_turns(env: Environment, session: Session, sides: list[Side], left: float, startup: float) -> dict[str, Any]:
    """Blocks of each side, forth and back, as many as the time allows."""
    probe = _step_seconds(env, session)
    multiple = math.lcm(*(each.multiple for each in sides))
    most = MOST_STEPS if multiple <= MOST_STEPS else multiple
    least = max(FEWEST_STEPS, multiple)
    wished = 0.6 * max(left, 0.0) / (probe * len(sides) * (FEWEST_ROUNDS + 2))
    steps = env.comm.bcast(int(np.clip(wished // multiple * multiple, -(-least // multiple) * multiple, most)))
    order: list[str] = []
    deadline = time.monotonic() + left
    for turn in range(MOST_ROUNDS):
        began = time.monotonic()
        for each in sides if turn % 2 == 0 else reversed(sides):
            for line in each.before:
                session.command(line)
            session.command(f"run {steps} post yes")
            for line in each.after:
                session.command(line)
            order.append(each.name)
        used = time.monotonic() - began
        late = time.monotonic() + used - deadline
        # one block that counts is better than none, where a busy machine takes twice what was planned
        done = late > 0.0 and (turn + 1 >= FEWEST_ROUNDS or (turn >= 1 and late > max(left, 0.0)))
        if env.comm.bcast(done):
            break
    session.command("log none")
    result: dict[str, Any] = {"startup_s": startup, "steps": steps, "first_step_s": probe}
    if env.is_first:
        log = Path(LOG).read_text(encoding="utf-8")
        blocks = timed_runs(log)[-len(order) :]
        grid, cutoff = grid_and_cutoff(log)
        kept: dict[str, list[Any]] = {each.name: [] for each in sides}
        for name, block in list(zip(order, blocks, strict=True))[len(sides) :]:
            if block.steps != steps:
                raise RuntimeError(f"a block of {steps} steps ended after {block.steps}")
            kept[name].append({"seconds": block.seconds, "parts": block.parts, "builds": block.builds})
        ghosts = float(np.median([each.ghosts for each in blocks]))
        result |= {"blocks": kept, "ghosts": ghosts, "grid": grid, "cutoff_A": cutoff}
    return result


def _step_seconds(env: Environment, session: Session) -> float:
    began = time.monotonic()
    session.command(f"run {WARM_STEPS} post no")
    return float(env.comm.bcast(max((time.monotonic() - began) / WARM_STEPS, 1e-7)))


def _keep_forces(env: Environment, session: Session) -> None:
    """Forces of the start, by ID; gathered on all ranks."""
    forces = session.lammps.gather_atoms("f", 1, 3)
    if env.is_first:
        np.save("forces.npy", np.ctypeslib.as_array(forces).reshape(-1, 3))


def _memory(env: Environment) -> float:
    """The largest resident memory of a rank, MB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return float(max(env.comm.allgather(own)))


if __name__ == "__main__":
    sys.exit(main())
