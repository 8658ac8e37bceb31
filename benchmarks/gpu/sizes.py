"""Time of a step on a device against the number of atoms, until the memory ends: a program for each size.

    python benchmarks/gpu/sizes.py --device cuda --dtype float32 --out results

Writes results/sizes_ENGINE_DTYPE.json after each size: ms a step, µs an atom and step, memory of the device, or why a
size could not be run, which ends the series: for a lack of memory, mostly.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import liquid

SIZES = (640, 4320, 34560, 138240, 276480, 552960, 1000000)
ATOM_STEPS = 2_000_000
"""That a measurement takes at most, more where that would be fewer than `FEWEST` steps; it also ends after a quarter of
the longest time of a size."""

FEWEST, MOST = 5, 200


def one(given: argparse.Namespace) -> dict[str, Any]:
    """Run one size in this process."""
    from lamplighter.driver import environment
    from lamplighter.driver.session import Session
    from lamplighter.model_files import trust

    env = environment.prepare(1)
    trust.allow([trust.sha256(given.model)])
    atoms = liquid.build(given.size)
    steps = max(FEWEST, min(MOST, ATOM_STEPS // given.size))
    with tempfile.TemporaryDirectory() as name:
        liquid.write(atoms, Path(name))
        with Session(env, ["-log", "none", "-screen", "none"]) as session:
            import torch

            for line in liquid.lammps_commands(
                Path(name),
                liquid.elements(atoms),
                given.model.resolve(),
                given.dtype,
                given.device,
                given.engine,
            ):
                session.command(line)
            session.command(f"run {FEWEST} pre no post no")
            piece, done, seconds = max(FEWEST, steps // 10), 0, 0.0
            while done < steps and seconds < given.each / 4:
                began = time.perf_counter()
                session.command(f"run {piece} pre no post no")
                seconds += time.perf_counter() - began
                done += piece
            on_device = given.device.startswith("cuda")
            memory = torch.cuda.max_memory_allocated() / 2**20 if on_device else None
    return {
        "atoms": len(atoms),
        "steps": done,
        "ms_step": 1e3 * seconds / done,
        "us_atom_step": 1e6 * seconds / done / len(atoms),
        "memory_MiB": memory,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--engine", default="bridge")
    parser.add_argument("--model", type=Path, default=liquid.MODEL)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="atoms: multiples of 160")
    parser.add_argument("--each", type=float, default=100.0, help="longest time of a size, s (default: 100)")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.size:
        print(json.dumps(one(given)))
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / f"sizes_{given.engine}_{given.dtype}.json"
    found: list[dict[str, Any]] = []
    for size in given.sizes:
        words = [sys.executable, __file__, "--device", given.device, "--dtype", given.dtype, "--engine", given.engine]
        words += ["--model", str(given.model), "--size", str(size), "--each", str(given.each)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=given.each)
            said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
            notes = [line for line in done.stderr.splitlines() if line.startswith("Note:")]
            if said and notes:
                said["notes"] = notes
            why = "" if said else (done.stderr.strip() or f"status {done.returncode}")[-300:]
        except subprocess.TimeoutExpired:
            said, why = None, f"not done in {given.each:g} s"
        found.append(said or {"atoms": size, "failed": why})
        file.write_text(
            json.dumps({"model": given.model.name, "device": given.device, "sizes": found}, indent=1) + "\n"
        )
        print(json.dumps(found[-1]), flush=True)
        if said is None:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
