"""One side of the comparison: LAMMPS with `pair_style lamplighter`, alone or under mpirun. Started by throughput.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import ase.io
import liquid
import numpy as np
import turns
from ase import Atoms

import backends
from lamplighter.driver import environment, other_plugins, provenance
from lamplighter.driver.session import Session
from lamplighter.model_files import trust


def no_timing() -> SimpleNamespace:
    """Stands for the bridge's where LAMMPS' own pair style evaluates."""
    return SimpleNamespace(seconds=0.0, calls=0)


def main() -> None:
    given = turns.arguments(__doc__)
    env = environment.prepare(given.threads)
    turns.enter(given.folder, env.rank)
    trust.allow([trust.sha256(given.model)])  # whoever measures a model has chosen it
    atoms = ase.io.read(given.structure / "structure.traj")
    assert isinstance(atoms, Atoms)
    backend = backends.BACKENDS[given.backend]
    symbols = liquid.elements(atoms)
    pair = backend.pair_lines(given.model, symbols, given.dtype, given.device, given.engine)
    evaluates = not backend.own_style  # else LAMMPS' own pair style does
    plugins = {other_plugins.DEEPMD} & {given.backend}
    with Session(env, ["-log", "none", "-screen", "none"], with_models=evaluates, plugins=plugins) as session:
        for line in liquid.lammps_commands(given.structure, symbols, pair=pair, even=given.even):
            session.command(line)
        forces = np.array(session.lammps.gather_atoms("f", 1, 3)).reshape(-1, 3)
        energy = float(session.lammps.get_thermo("pe"))
        if env.is_first:
            np.save(given.folder / "forces.npy", forces)
            versions = provenance.versions(session.lammps)
            turns.write_json(given.folder / "ready.json", {"energy": energy, "versions": versions})
        turns.serve(given.folder, env.rank, given.driver, lambda steps: take_turn(session, steps, evaluates))


def take_turn(session: Session, steps: int, evaluates: bool) -> dict[str, Any]:
    """`steps` steps of dynamics; collective. Seconds in the model are the mean over ranks, memory is their sum.

    `evaluates`: whether Lamplighter does, and so knows the seconds in the model.
    """
    timing: Callable[[], Any] = no_timing
    if evaluates:
        from lamplighter.potentials.bridge import callbacks as bridge

        timing = bridge.total_timing
    session.command("run 1 pre no post no")  # untimed: the other programs have emptied the caches
    comm = session.environment.comm
    comm.Barrier()
    before = timing()
    began, cpu = time.perf_counter(), time.process_time()
    session.command(f"run {steps} pre no post no")
    wall = time.perf_counter() - began
    cpu = time.process_time() - cpu
    after = timing()
    model = comm.allreduce(after.seconds - before.seconds) / comm.Get_size()
    return {
        "steps": steps,
        "evaluations": after.calls - before.calls if evaluates else steps,
        "wall_s": wall,
        "cpu_s": comm.allreduce(cpu),
        "model_s": model if evaluates else None,
        "peak_MiB": comm.allreduce(turns.peak_memory()),
    }


if __name__ == "__main__":
    main()
