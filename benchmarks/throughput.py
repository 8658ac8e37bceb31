"""Lamplighter against ASE: the same model, atoms, velocities, timestep, dtype and cores, in turn in one run.

Every program is a process of its own (or one per MPI rank) that keeps its model and sleeps while another takes
its turn; each repeat gives every program one turn, in an order that is reversed from repeat to repeat. Warm-up is
not timed. Writes throughput.json, throughput.md and throughput.png. README.md in this folder says what the
columns mean.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import figure
import liquid
import numpy as np
import results
from results import Measured
from side_process import ASE, BRIDGE, LAMPLIGHTER, PLAIN, Side, SideFailed, SideProcess, Task

from lamplighter.engine import provenance


def default_steps(size: int) -> int:
    """Timed steps of a turn: 100, 40 and 8 for 160, 640 and 4320 atoms, which takes seconds each."""
    return max(8, min(100, 25600 // size))


def sides_of(layouts: list[tuple[int, int]], plain: bool = False) -> list[Side]:
    """The sides to measure: each layout in Lamplighter, and ASE with as many threads as a layout has cores.

    `plain` adds the first layout through the bridge, as it is and with mace-torch's own operations.
    """
    sides: list[Side] = []
    for ranks, threads in layouts:
        candidates = [Side(LAMPLIGHTER, ranks, threads), Side(ASE, 1, ranks * threads)]
        if plain and not sides:
            candidates[1:1] = [Side(BRIDGE, ranks, threads), Side(PLAIN, ranks, threads)]
        sides += [side for side in candidates if side not in sides]
    return sides


def measure(size: int, given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[Measured]:
    """All sides at one size.

    Raises:
        SideFailed: a program ended or did not answer.
    """
    sides = sides_of(given.layouts, given.plain)
    steps = given.steps or default_steps(size)
    folder.mkdir()
    liquid.write(liquid.build(size), folder)
    task = Task(folder, given.model, given.dtype, given.device)
    with contextlib.ExitStack() as stack:
        say(f"{size} atoms: starting {len(sides)} programs")
        started = {
            side: stack.enter_context(SideProcess(side, task, folder / f"side-{number}", given.timeout))
            for number, side in enumerate(sides)
        }
        ready = {}
        for side, process in started.items():
            ready[side] = process.wait_until_ready()
            say(f"{size} atoms: {side} has its first forces")
        for side, process in started.items():
            process.take_turn(given.warmup)
            say(f"{size} atoms: {side} is warm")
        answers: dict[Side, list[dict[str, Any]]] = {side: [] for side in sides}
        for repeat in range(given.repeats):
            for side in sides if repeat % 2 == 0 else reversed(sides):
                answer = started[side].take_turn(steps)
                if answer["evaluations"] != steps:
                    raise SideFailed(f"{side} evaluated its model {answer['evaluations']} times in {steps} steps")
                answers[side].append(answer)
                per_step = results.four_digits(1e3 * answer["wall_s"] / steps)
                say(f"{size} atoms: repeat {repeat + 1} of {given.repeats}: {side}: {per_step} ms/step")
        forces = {side: np.load(process.folder / "forces.npy") for side, process in started.items()}
    reference = next(side for side in sides if side.program == ASE)
    return [
        Measured(
            size,
            side,
            answers[side],
            ready[side],
            float(np.abs(forces[side] - forces[reference]).max()),
            abs(ready[side]["energy"] - ready[reference]["energy"]),
        )
        for side in sides
    ]


def conditions(given: argparse.Namespace, measured: list[Measured]) -> dict[str, Any]:
    """When, where and with what it was measured."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": provenance.machine([]),
        "versions": {name: version for m in measured for name, version in m.ready["versions"].items()},
        "model": {"file": given.model.name, "sha256": provenance.hashed(given.model)["sha256"]},
        "dtype": given.dtype,
        "device": given.device,
        "timestep_fs": liquid.TIMESTEP_FS,
        "repeats": given.repeats,
        "untimed_steps": given.warmup,
    }


def write(given: argparse.Namespace, measured: list[Measured]) -> str:
    """The three files; returns the text of the markdown file."""
    given.out.mkdir(parents=True, exist_ok=True)
    found = conditions(given, measured)
    content = {**found, "results": [results.as_json(m, measured) for m in measured]}
    (given.out / "throughput.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    machine, versions = found["machine"], found["versions"]
    where = f"{machine['cpu']}, {machine['logical_cores']} cores"
    what = f"{given.model.name}, {given.dtype}, {given.device}"
    largest = max(m.force_difference for m in measured)
    versions["mpi"] = " ".join(versions.pop("mpi", "").replace("Version:", "").split())
    lines = [
        "# Throughput",
        "",
        f"EC:EMC liquid, model {what}, NVE at {liquid.TIMESTEP_FS} fs. {where}; {found['date']}.",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        f"Median of {given.repeats} turns, with smallest and largest in brackets.",
        "",
        results.table(measured),
        "",
        *[f"- {line}" for line in results.in_short(measured)],
        f"- First frame, all sides against ASE: max |ΔF| {largest:.1e} eV/Å, "
        f"|ΔE| ≤ {max(m.energy_difference / m.atoms for m in measured):.1e} eV per atom",
    ]
    text = "\n".join(lines) + "\n"
    (given.out / "throughput.md").write_text(text, encoding="utf-8")
    figure.draw(measured, f"EC:EMC, {what}\n{where}, {found['date']}", given.out / "throughput.png")
    return text


def layout(text: str) -> tuple[int, int]:
    """`RANKSxTHREADS` as two numbers."""
    ranks, _, threads = text.partition("x")
    if not (ranks.isdigit() and threads.isdigit() and int(ranks) > 0 and int(threads) > 0):
        raise argparse.ArgumentTypeError(f"expected RANKSxTHREADS, e.g. 2x1, got {text!r}")
    return int(ranks), int(threads)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=positive, nargs="+", default=[160, 640, 4320], help="atoms: multiples of 160")
    parser.add_argument(
        "--steps", type=positive, help="timed steps of a turn (default: 100, 40, 8 for 160, 640, 4320 atoms)"
    )
    parser.add_argument("--repeats", type=positive, default=5, help="turns of each program (default: 5)")
    parser.add_argument("--warmup", type=positive, default=4, help="untimed steps before the first turn (default: 4)")
    parser.add_argument(
        "--layouts", type=layout, nargs="+", default=[(1, 1), (2, 1)], metavar="RxT", help="ranks x threads"
    )
    parser.add_argument(
        "--plain", action="store_true", help="also without Lamplighter's changes to MACE's operations, first layout"
    )
    parser.add_argument("--model", type=Path, default=liquid.MODEL, help="MACE .model file (default: the example's)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--timeout", type=float, default=900.0, help="longest wait for a program, s (default: 900)")
    given = parser.parse_args(words)
    given.model = given.model.resolve()
    if not given.model.is_file():
        parser.error(f"--model {given.model} is not a file")
    for size in given.sizes:
        try:
            liquid.copies(size, liquid.atoms_of_frame())
        except ValueError as problem:
            parser.error(str(problem))
    return given


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: every program that was started is ended too."""
    raise KeyboardInterrupt


def main() -> int:
    given = parse()
    signal.signal(signal.SIGTERM, interrupt)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {line}", file=sys.stderr, flush=True)

    measured: list[Measured] = []
    code = 0
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        try:
            for size in given.sizes:
                measured += measure(size, given, Path(folder) / str(size), say)
        except SideFailed as problem:
            say(str(problem))
            code = 1
        except KeyboardInterrupt:
            say("interrupted; what follows holds the sizes that were complete")
            code = 130
    if measured:
        print(write(given, measured))
    for line in results.disagreements(measured, given.dtype):
        print(f"DISAGREEMENT: {line}")
        code = code or 1
    return code


if __name__ == "__main__":
    sys.exit(main())
