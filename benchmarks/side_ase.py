"""The other side of the comparison: ASE's velocity Verlet with MACE's own calculator. Started by throughput.py."""

from __future__ import annotations

import time
import warnings
from typing import Any

import ase.io
import liquid
import numpy as np
import turns
from ase import Atoms
from ase.md.verlet import VelocityVerlet


class ModelTime:
    """Seconds inside the model's `forward` (gradients included), and how many calls there were."""

    def __init__(self, model: Any) -> None:
        self.seconds = 0.0
        self.calls = 0
        self._began = 0.0
        model.register_forward_pre_hook(self._begin)
        model.register_forward_hook(self._end)

    def _begin(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._began
        self.calls += 1


def main() -> None:
    given = turns.arguments(__doc__)
    turns.enter(given.folder, 0)
    import torch

    torch.set_num_threads(given.threads)
    atoms = ase.io.read(given.structure / "structure.traj")
    assert isinstance(atoms, Atoms)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        calculator = MACECalculator(model_paths=str(given.model), device=given.device, default_dtype=given.dtype)
    atoms.calc = calculator
    model_time = ModelTime(calculator.models[0])
    dynamics = VelocityVerlet(atoms, timestep=liquid.timestep_ase())
    np.save(given.folder / "forces.npy", atoms.get_forces())
    turns.write_json(given.folder / "ready.json", {"energy": float(atoms.get_potential_energy()), "versions": {}})

    def take_turn(steps: int) -> dict[str, Any]:
        dynamics.run(1)  # untimed: the other programs have emptied the caches
        seconds, calls = model_time.seconds, model_time.calls
        began = time.perf_counter()
        dynamics.run(steps)
        wall = time.perf_counter() - began
        return {
            "steps": steps,
            "evaluations": model_time.calls - calls,
            "wall_s": wall,
            "model_s": model_time.seconds - seconds,
            "peak_MiB": turns.peak_memory(),
        }

    turns.serve(given.folder, 0, given.driver, take_turn)


if __name__ == "__main__":
    main()
