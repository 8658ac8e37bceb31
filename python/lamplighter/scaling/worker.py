"""One measurement, on the ranks that started it: `python -m lamplighter.scaling.worker SECONDS THREADS`.

In the working directory it finds `run.yaml` and `sides.json`, and leaves `result.json`. Blocks of steps of each side
stand between plain ones, forth and back, so that whatever the machine does meets both; LAMMPS' own timers, and ours of
what models exchange, tell the parts.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.arrays import Floats
from lamplighter.config.domains import AUTO, is_of_ranks
from lamplighter.config.loading import load_run_file
from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, model_trust, preflight
from lamplighter.driver.domains import Domains, domains_of
from lamplighter.driver.environment import Environment, prepare
from lamplighter.driver.failure import agree, end_together
from lamplighter.driver.lammps_scripts import scripts_folder
from lamplighter.driver.models import CALCULATOR
from lamplighter.driver.open_lammps import open_session
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.driver.restart_checksum import RestartSeals
from lamplighter.driver.script import compose
from lamplighter.driver.script_block import equal
from lamplighter.driver.session import Session
from lamplighter.driver.stage_blocks import RIGID, RUN_TO_RESTART
from lamplighter.driver.stage_steps import first_timestep
from lamplighter.driver.start_of_run import frame_of_start, start_of_run
from lamplighter.run_folder.names import BONDS, INPUTS, RUN_FILE, STRUCTURE
from lamplighter.run_folder.writing import write_json
from lamplighter.scaling.breakdown import grid_and_cutoff, timed_runs
from lamplighter.scaling.sides import PLAIN, Side, alone, side
from lamplighter.structures.frame import Frame
from lamplighter.structures.start import StartStructure

WARM_STEPS = 5
"""Untimed: frameworks optimise in their first evaluations."""

BLOCK_S = 0.25
"""Of a plain block: what slows the machine down for seconds meets a side and the plain blocks about it."""

FEWEST_STEPS, MOST_STEPS = 5, 500
FEWEST_ROUNDS, MOST_ROUNDS = 4, 200
"""The first round is dropped."""

RESTARTS_A_BLOCK = 4

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
    domains = agree(env.comm, lambda: _domains(run, structure, setup, env.ranks))
    env.comm.Barrier()
    sides = [side(name, run, structure, checked, setup.lines) for name in wanted]
    with open_session(env, setup, ["-log", LOG, "-screen", "none"]) as session:
        for line in _system(alone(run), structure, setup, domains):
            session.command(line)
        session.command("run 0 post no")
        if session.n_atoms <= MOST_FORCES:
            _keep_forces(env, session)
        session.command(f"run {WARM_STEPS} post no")
        made = _in_turns(env, session, sides, seconds - (time.monotonic() - began), time.monotonic() - began)
        made |= {
            "atoms": session.n_atoms,
            "ranks": env.ranks,
            "threads": env.threads if session.uses_threads or not setup.bridge else 1,
            "memory_MB": _memory(env),
            "lammps": int(session.lammps.version()),
            "domains": domains.in_words,
        }
        lengths = np.asarray(session.lammps.extract_box()[1]) - np.asarray(session.lammps.extract_box()[0])
        made["box_A"] = [float(each) for each in lengths]
    if env.is_first:
        write_json(Path("result.json"), made)
    return 0


def _domains(run: RunFile, structure: StartStructure, setup: PairSetup, ranks: int) -> Domains:
    """Those that a run gets; a grid that the run file gives for another number of ranks is passed over."""
    if not is_of_ranks(run.domains.processors, ranks):
        run = run.model_copy(update={"domains": run.domains.model_copy(update={"processors": AUTO})})

    def start() -> tuple[Frame, Floats]:
        return frame_of_start(structure, run.structure.replicate)

    return domains_of(run, ranks, start, setup.evaluated_by)


def _system(run: RunFile, structure: StartStructure, setup: PairSetup, domains: Domains) -> list[str]:
    """Up to constant energy: what thermostats and barostats cost is no matter of scale."""
    blocks = compose(run, structure, setup, domains=domains)
    lines = [line for block in blocks[:3] for line in block.lines]
    if domains.block is not None:
        lines += domains.block.lines
    temperature = run.velocities.temperature
    if temperature is not None:
        script = "velocities" if structure.held is None else "held_velocities"
        lines += [equal("velocity_temperature", temperature.metal), equal("velocity_seed", run.seed)]
        lines.append(f"include inputs/{script}.lmp")
    if structure.rigid:
        lines.append(f"fix {RIGID} {structure.rigid}")
    lines += [f"timestep {first_timestep(run):g}", "fix integrate ${mobile} nve", "thermo 0", "timer normal nosync"]
    return lines


def _in_turns(env: Environment, session: Session, others: list[Side], left: float, startup: float) -> dict[str, Any]:
    """Short blocks, each side between two plain ones, forth and back, as many as the time allows."""
    probe = _step_seconds(env, session)
    fitting = 0.6 * max(left, 0.0) / (probe * max(2 * len(others), 1) * FEWEST_ROUNDS)
    steps = env.comm.bcast(int(np.clip(min(BLOCK_S / probe, fitting), FEWEST_STEPS, MOST_STEPS)))
    plain = Side(PLAIN)
    made = [(plain, _block(session, env, plain, steps))]
    deadline = time.monotonic() + left
    dropped = 0
    for turn in range(MOST_ROUNDS):
        began = time.monotonic()
        for each in others if turn % 2 == 0 else reversed(others):
            made.append((each, _block(session, env, each, steps)))
            made.append((plain, _block(session, env, plain, steps)))
        if not others:
            made.append((plain, _block(session, env, plain, steps)))
        dropped = dropped or len(made) - 1
        used = time.monotonic() - began
        late = time.monotonic() + used - deadline
        # one block that counts is better than none, where a busy machine takes twice what was planned
        done = late > 0.0 and (turn + 1 >= FEWEST_ROUNDS or (turn >= 1 and late > max(left, 0.0)))
        if env.comm.bcast(done):
            break
    session.command("log none")
    result: dict[str, Any] = {"startup_s": startup, "steps": steps, "first_step_s": probe}
    if env.is_first:
        result |= _with_lammps_account(made, Path(LOG).read_text(encoding="utf-8"), dropped)
    return result


def _block(session: Session, env: Environment, each: Side, steps: int) -> dict[str, Any]:
    for line in each.before:
        session.command(line)
    made = _to_restart_files(session, env) if each.ends_and_begins else _steps(session, env, each.steps(steps))
    for line in each.after:
        session.command(line)
    return made


def _steps(session: Session, env: Environment, steps: int) -> dict[str, Any]:
    """A block of steps, and what models exchanged in them."""
    # apart from the steps: the evaluation that each run begins with
    session.command("run 0 post no")
    before = session.exchanged
    session.command(f"run {steps} pre no post yes")
    after = session.exchanged
    spent = np.array([after.seconds - before.seconds, after.waiting - before.waiting]) / steps
    seconds, waiting = (float(each) for each in env.comm.allreduce(spent) / env.ranks)
    return {
        "runs": 1, "exchange": seconds, "exchange_waiting": waiting,
        "rounds": (after.rounds - before.rounds) / steps, "row_bytes": (after.bytes - before.bytes) / steps,
    }  # fmt: skip


def _to_restart_files(session: Session, env: Environment) -> dict[str, Any]:
    """Dynamics from restart file to restart file, as a run carries it out: it ends at each and begins anew."""
    seals = RestartSeals(Path())
    env.comm.Barrier()
    began = time.perf_counter()
    for _ in range(RESTARTS_A_BLOCK):
        session.command(RUN_TO_RESTART)
        if env.is_first:
            seals.seal_new()
        env.comm.Barrier()
    return {"runs": RESTARTS_A_BLOCK, "wall": time.perf_counter() - began}


def _with_lammps_account(made: list[tuple[Side, dict[str, Any]]], log: str, dropped: int) -> dict[str, Any]:
    """Each block but the first `dropped`, with LAMMPS' timers, and each side with the mean of the plain about it."""
    runs = timed_runs(log)[-sum(block["runs"] for _, block in made) :]
    ghosts = float(np.median([each.ghosts for each in runs]))
    for each, block in made:
        own, runs = runs[: block["runs"]], runs[block["runs"] :]
        if each.ends_and_begins:
            # what it takes besides the steps, for each file
            block["outside"] = (block["wall"] - sum(one.seconds * one.steps for one in own)) / len(own)
        else:
            block |= {"seconds": own[0].seconds, "parts": own[0].parts, "builds": own[0].builds}
    kept: dict[str, list[dict[str, Any]]] = {each.name: [] for each, _ in made}
    for place, (each, block) in list(enumerate(made))[dropped:]:
        if each.name != PLAIN:
            about = [made[place - 1][1], made[place + 1][1]]
            block["plain"] = {key: sum(one[key] for one in about) / 2 for key in ("seconds", "exchange")}
        kept[each.name].append(block)
    grid, cutoff = grid_and_cutoff(log)
    return {"blocks": kept, "ghosts": ghosts, "grid": grid, "cutoff_A": cutoff}


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
