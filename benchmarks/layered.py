"""Models of NequIP and SevenNet in the native engine against the framework's own ASE calculator, and on two ranks.

One thread a rank, all programs in turn. The model is compiled to a `.lamp` file first. Both sides run in the precision
that the model was made for, unless --dtype says otherwise for a framework whose calculator takes it. Milliseconds
against ASE are of processor time, which another program on the machine changes less than the clock, and of the clock
beside it.

Two ranks are compared with one on the clock, since ranks that wait use their processors, too: with the domains that
LAMMPS cuts, and with those of `domains: {balance: shift, every: 100 steps}`, which have as many atoms each. Two
processors of a machine may share what one core has: two programs that have nothing to do with each other, each of one
rank, take their turns at once, too. What both make then in a second, over what one makes by itself, is what two ranks
could reach.

Example:  .venv-frameworks/bin/python benchmarks/layered.py --backend nequip --sizes 160 640
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from dataclasses import asdict
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
PARTS = (ASE_PART, RANKS_PART) = ("ase", "ranks")
#: Programs that take turns; `both` are `one` and `other` at once, `even` are two ranks with as many atoms each.
ALONE, OTHER, TWO, EVEN, FRAMEWORK, BOTH = "one", "other", "two", "even", "ase", "both"

Turns = dict[str, dict[str, list[float]]]


def take_turns(
    tasks: dict[str, tuple[Side, Task]], steps: dict[str, int], folder: Path, given: argparse.Namespace
) -> tuple[Turns, float]:
    """ms/step of every turn by program and clock, and the largest difference of a force from ASE's (eV/Å).

    Without ASE the difference is that from one rank.
    """
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(SideProcess(side, task, folder / name, given.timeout))
            for name, (side, task) in tasks.items()
        }
        for process in started.values():
            process.wait_until_ready()
        for process in started.values():
            process.take_turn(given.warmup)
        at_once = {name: [name] for name in started if name != OTHER}
        if OTHER in started:
            at_once[BOTH] = [ALONE, OTHER]
        found: Turns = {name: {clock: [] for clock in CLOCKS} for name in at_once}
        for repeat in range(given.repeats):
            for name in list(at_once) if repeat % 2 == 0 else list(at_once)[::-1]:
                programs = [started[each] for each in at_once[name]]
                for program in programs:
                    program.begin_turn(steps[name])
                answers = [program.end_turn() for program in programs]
                for clock in CLOCKS:
                    spent = sum(answer[clock] for answer in answers) / len(answers)
                    found[name][clock].append(1e3 * spent / steps[name])
        forces = {name: np.load(process.folder / "forces.npy") for name, process in started.items()}
    right = forces.get(FRAMEWORK, forces[ALONE])
    return found, max(float(np.abs(each - right).max()) for each in forces.values())


def ratios(first: list[float], second: list[float], times: float = 1.0) -> dict[str, float]:
    """Of turns of the same repeat."""
    return asdict(Spread.of([times * a / b for a, b in zip(first, second, strict=True)]))


def measure(given: argparse.Namespace, model: Path, scratch: Path) -> list[dict[str, Any]]:
    """Each size, all programs in turn."""
    compiled = scratch / "model.lamp"
    compile_files([model], compiled)
    print(NativeMace(compiled, dtype=given.dtype).summary, file=sys.stderr, flush=True)
    rows = []
    for size in given.sizes:
        structure = scratch / str(size)
        structure.mkdir()
        liquid.write(liquid.build(size), structure)
        native = Task(structure, given.backend, compiled, given.dtype, "cpu")
        tasks = {ALONE: (Side(LAMPLIGHTER, 1, 1), native)}
        if ASE_PART in given.parts:
            tasks[FRAMEWORK] = (Side(ASE, 1, 1), Task(structure, given.backend, model, given.dtype, "cpu"))
        if RANKS_PART in given.parts:
            tasks[OTHER] = tasks[ALONE]
            tasks[TWO] = (Side(LAMPLIGHTER, 2, 1), native)
            tasks[EVEN] = (Side(LAMPLIGHTER, 2, 1, even=True), native)
        fewer = max(1, size // 160)
        steps = dict.fromkeys((ALONE, TWO, EVEN, BOTH), max(10, 10 * given.steps // fewer))
        steps[FRAMEWORK] = max(1, given.steps // fewer)
        found, difference = take_turns(tasks, steps, scratch / f"sides-{size}", given)
        rows.append(row_of(size, found, difference))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def row_of(size: int, found: Turns, difference: float) -> dict[str, Any]:
    """What the turns of a size say."""
    row: dict[str, Any] = {"atoms": size}
    if FRAMEWORK in found:
        row["force_difference"] = difference
        for clock in CLOCKS:
            row[clock] = {
                "ase_ms": Spread.of(found[FRAMEWORK][clock]).median,
                "native_ms": Spread.of(found[ALONE][clock]).median,
                "ase_over_native": ratios(found[FRAMEWORK][clock], found[ALONE][clock]),
            }
    if TWO in found:
        alone, two, even, both = (found[name]["wall_s"] for name in (ALONE, TWO, EVEN, BOTH))
        row["ranks"] = {
            "one_ms": Spread.of(alone).median,
            "two_ms": Spread.of(two).median,
            "even_ms": Spread.of(even).median,
            "both_ms": Spread.of(both).median,
            "one_over_two": ratios(alone, two),
            "one_over_even": ratios(alone, even),
            "ceiling": ratios(alone, both, 2.0),
        }
    return row


def _text(ratio: dict[str, float], digits: int) -> str:
    return f"{ratio['median']:.{digits}f} ({ratio['low']:.{digits}f} to {ratio['high']:.{digits}f})"


def rows_with(part: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the sizes of which a part was measured."""
    return [row for row in found["rows"] if part in row]


def report(found: dict[str, Any]) -> str:
    """The tables, as Markdown."""
    name = BACKENDS[found["backend"]].name
    lines = [
        f"# {name}: its ASE calculator against the native engine, and two ranks against one",
        "",
        f"{found['model']}, dtype {found['dtype']}, one thread a rank, {found['repeats']} turns a program; medians, "
        "and of the ratios of turns the smallest and largest.",
        "",
        "| atoms | time | ASE, ms/step | native, ms/step | ASE / native | max \\|ΔF\\|, eV/Å |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows_with("wall_s", found):
        for clock, words in CLOCKS.items():
            one = row[clock]
            lines.append(
                f"| {row['atoms']} | {words} | {one['ase_ms']:.1f} | {one['native_ms']:.2f} | "
                f"{_text(one['ase_over_native'], 1)} | {row['force_difference']:.0e} |"
            )
    lines += [
        "",
        "Two ranks on the clock, with LAMMPS' domains and with even ones (`domains: {balance: shift, every: 100 "
        "steps}`), beside two programs of one rank that run at once: as many times as fast as one rank they could be "
        "on these processors.",
        "",
        "| atoms | one rank, ms/step | two ranks | even | two programs, each | one / two | one / even | could be |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows_with("ranks", found):
        ranks = row["ranks"]
        if "even_ms" not in ranks:  # measured before there were even domains
            continue
        times = " | ".join(f"{ranks[name]:.2f}" for name in ("one_ms", "two_ms", "even_ms", "both_ms"))
        ratio = " | ".join(_text(ranks[name], 2) for name in ("one_over_two", "one_over_even", "ceiling"))
        lines.append(f"| {row['atoms']} | {times} | {ratio} |")
    return "\n".join([*lines, ""])


def with_kept(rows: list[dict[str, Any]], found: dict[str, Any], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows with what was measured before, of the same model on the same machine: a quiet slot may be short."""
    path = given.out / f"layered_{given.backend}.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = all(before.get(key) == found[key] for key in ("model", "dtype", "machine", "versions", "repeats"))
    by_size = {row["atoms"]: row for row in before.get("rows", []) if same}
    for row in rows:
        by_size[row["atoms"]] = by_size.get(row["atoms"], {}) | row
    return [by_size[size] for size in sorted(by_size)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", choices=KINDS, default="nequip")
    parser.add_argument("--model", type=Path, help="instead of the framework's first one of throughput.py")
    parser.add_argument("--dtype", choices=("auto", "float32", "float64"), default="auto")
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=PARTS, help="measure these, keep the other's rows")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[160, 640])
    parser.add_argument("--steps", type=positive, default=16, help="of ASE in a turn, for 160 atoms")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--warmup", type=positive, default=4, help="steps of all programs before the first turn")
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
        rows = measure(given, model, Path(scratch))
    found["rows"] = with_kept(rows, found, given)
    results.leave(found, report(found), given.out, f"layered_{given.backend}")


if __name__ == "__main__":
    main()
