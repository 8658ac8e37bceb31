"""The other side: ASE's velocity Verlet with the framework's own calculator. Started by throughput.py."""

from __future__ import annotations

import time
from typing import Any

import ase.io
import liquid
import numpy as np
import turns
from ase import Atoms
from ase.md.verlet import VelocityVerlet

import backends
from lamplighter.driver.environment import set_model_threads, set_tensorflow_threads


class ModelTime:
    """Seconds inside the model's `forward` (gradients included), and how many evaluations there were.

    A calculator without a torch model has no such seconds: its evaluations alone are counted.
    """

    def __init__(self, calculator: Any) -> None:
        self.seconds = 0.0
        self.calls = 0
        self._began = 0.0
        self.network = backends.network_of(calculator)
        if self.network is not None:
            self.network.register_forward_pre_hook(self._begin)
            self.network.register_forward_hook(self._end)
        self._calculate = calculator.calculate
        calculator.calculate = self._counted

    def _counted(self, *arguments: Any, **options: Any) -> None:
        self._calculate(*arguments, **options)
        self.calls += 1

    def _begin(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._began


def main() -> None:
    given = turns.arguments(__doc__)
    turns.enter(given.folder, 0)
    if given.backend == "deepmd":
        set_tensorflow_threads(given.threads)
    else:
        set_model_threads(given.threads)
    atoms = ase.io.read(given.structure / "structure.traj")
    assert isinstance(atoms, Atoms)
    calculator = backends.calculator(given.backend, given.model, given.device, given.dtype)
    model_time = ModelTime(calculator)
    atoms.calc = calculator
    dynamics = VelocityVerlet(atoms, timestep=liquid.timestep_ase())
    np.save(given.folder / "forces.npy", atoms.get_forces())
    turns.write_json(given.folder / "ready.json", {"energy": float(atoms.get_potential_energy()), "versions": {}})

    def take_turn(steps: int) -> dict[str, Any]:
        dynamics.run(1)  # untimed: the other programs have emptied the caches
        seconds, calls = model_time.seconds, model_time.calls
        began, cpu = time.perf_counter(), time.process_time()
        dynamics.run(steps)
        wall = time.perf_counter() - began
        return {
            "steps": steps,
            "evaluations": model_time.calls - calls,
            "wall_s": wall,
            "cpu_s": time.process_time() - cpu,
            "model_s": None if model_time.network is None else model_time.seconds - seconds,
            "peak_MiB": turns.peak_memory(),
        }

    turns.serve(given.folder, 0, given.driver, take_turn)


if __name__ == "__main__":
    main()
