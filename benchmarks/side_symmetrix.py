"""A peer: ASE's velocity Verlet with Symmetrix-XL's calculator. Started by peers.py, in a Python that has `symmetrix`.

Nothing of Lamplighter is imported: Symmetrix-XL lives in an environment of its own.
"""

from __future__ import annotations

import time
from typing import Any

import ase.io
import liquid
import numpy as np
import turns
from ase import Atoms
from ase.md.verlet import VelocityVerlet


def main() -> None:
    given = turns.arguments(__doc__)
    turns.enter(given.folder, 0)
    from symmetrix import Symmetrix

    atoms = ase.io.read(given.structure / "structure.traj")
    assert isinstance(atoms, Atoms)
    atoms.calc = Symmetrix(str(given.model), dtype=given.dtype, streamed_edges="direct", execution_profile=given.engine)
    dynamics = VelocityVerlet(atoms, timestep=liquid.timestep_ase())
    np.save(given.folder / "forces.npy", atoms.get_forces())
    turns.write_json(given.folder / "ready.json", {"energy": float(atoms.get_potential_energy()), "versions": {}})

    def take_turn(steps: int) -> dict[str, Any]:
        dynamics.run(1)  # untimed: the other programs have emptied the caches
        began, cpu = time.perf_counter(), time.process_time()
        dynamics.run(steps)
        return {
            "steps": steps,
            "evaluations": steps,
            "wall_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - cpu,
            "model_s": None,
            "peak_MiB": turns.peak_memory(),
        }

    turns.serve(given.folder, 0, given.driver, take_turn)


if __name__ == "__main__":
    main()
