"""Lamplighter against ASE, for each framework: the same model, atoms, velocities, timestep, dtype and cores, in turn
in one run; DeePMD against `lmp` run by itself, too. The frameworks that this environment has are measured
(`--backends`), and what was measured before of the others stays in the results.

Every program is a process of its own (or one per MPI rank) that keeps its model and sleeps while another takes
its turn; each repeat gives every program one turn, in an order that is reversed from repeat to repeat. Warm-up is
not timed. Writes throughput.json, throughput.md and throughput.png. README.md in this folder says what the
columns mean.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import json
import os
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
from side_process import ASE, BRIDGE, LAMPLIGHTER, LMP, PLAIN, Side, SideFailed, SideProcess, Task

from backends import BACKENDS
from lamplighter.driver import provenance


def default_steps(size: int) -> int:
    """Timed steps of a turn: 100, 40 and 8 for 160, 640 and 4320 atoms, which takes seconds each."""
    return max(8, min(100, 25600 // size))


def sides_of(
    layouts: list[tuple[int, int]], plain: bool = False, bridge: bool = False, lmp: bool = False
) -> list[Side]:
    """The sides to measure: each layout in Lamplighter, and ASE with as many threads as a layout has cores.

    `bridge` adds the first layout through the bridge, `plain` that with mace-torch's own operations, too; `lmp` adds
    LAMMPS by itself.
    """
    sides: list[Side] = []
    for ranks, threads in layouts:
        candidates = [Side(LAMPLIGHTER, ranks, threads), Side(ASE, 1, ranks * threads)]
        if lmp:
            candidates.append(Side(LMP, ranks, threads))
        if (plain or bridge) and not sides:
            candidates[1:1] = [Side(BRIDGE, ranks, threads), *([Side(PLAIN, ranks, threads)] if plain else [])]
        sides += [side for side in candidates if side not in sides]
    return sides


def measure(
    name: str, size: int, given: argparse.Namespace, folder: Path, say: Callable[[str], None]
) -> list[Measured]:
    """All sides of one backend at one size.

    Raises:
        SideFailed: a program ended or did not answer.
    """
    plain, bridge = (given.plain, given.bridge) if name == "mace" else (False, False)
    layouts = [layout for layout in given.layouts if layout[0] == 1 or BACKENDS[name].several_ranks]
    sides = sides_of(layouts, plain, bridge, lmp=bool(BACKENDS[name].own_style))
    steps = given.steps or max(2, default_steps(size) // BACKENDS[name].fewer_steps)
    folder.mkdir(parents=True)
    liquid.write(liquid.build(size), folder)
    task = Task(folder, name, given.models[name], dtype_of(name, given), given.device)
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
            if side.program != LMP:  # which starts anew at each turn
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


def dtype_of(name: str, given: argparse.Namespace) -> str:
    """The precision that is asked for where a backend leaves a choice."""
    return str(given.dtype) if name == "mace" else BACKENDS[name].dtype


def conditions(name: str, given: argparse.Namespace, measured: list[Measured]) -> dict[str, Any]:
    """When, where and with what a backend was measured."""
    model = given.models[name]
    return {
        "backend": BACKENDS[name].name,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": {**provenance.machine([]), "load_average": [round(load, 1) for load in os.getloadavg()]},
        "versions": {each: version for m in measured for each, version in m.ready["versions"].items()},
        "model": {"file": model.name, "sha256": provenance.hashed(model)["sha256"]},
        "dtype": dtype_of(name, given),
        "device": given.device,
        "timestep_fs": liquid.TIMESTEP_FS,
        "repeats": given.repeats,
        "untimed_steps": given.warmup,
        "results": [results.as_json(m, measured) for m in measured],
    }


def write(out: Path, found: list[dict[str, Any]]) -> str:
    """The three files; what they held of other backends stays. Returns the text of the markdown file."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "throughput.json"
    before = json.loads(file.read_text(encoding="utf-8"))["measurements"] if file.exists() else []
    by_name = {each["backend"]: each for each in [*before, *found]}
    names = [backend.name for backend in BACKENDS.values()]
    measurements = [by_name[name] for name in names if name in by_name]
    file.write_text(json.dumps({"measurements": measurements}, indent=1) + "\n", encoding="utf-8")
    of_each = {each["backend"]: [results.from_json(one) for one in each["results"]] for each in measurements}
    lines = [
        "# Throughput",
        "",
        f"EC:EMC liquid, NVE at {liquid.TIMESTEP_FS} fs; medians of the turns, with smallest and largest in brackets.",
        "Each backend beside its own ASE calculator with the same model on as many cores, measured in turn in one run.",
        "",
        results.ratios(of_each),
    ]
    for each in measurements:
        lines += ["", *_section(each, of_each[each["backend"]])]
    text = "\n".join(lines) + "\n"
    (out / "throughput.md").write_text(text, encoding="utf-8")
    figure.draw(of_each, "EC:EMC liquid, NVE", out / "throughput.png")
    return text


def _section(found: dict[str, Any], measured: list[Measured]) -> list[str]:
    """What the markdown file says of one backend."""
    machine, versions = found["machine"], dict(found["versions"])
    versions["mpi"] = " ".join(versions.pop("mpi", "").replace("Version:", "").split())
    load = machine.get("load_average")
    busy = f", load average {load[0]:g} at its end" if load else ""
    largest = max(m.force_difference for m in measured)
    return [
        f"## {found['backend']}",
        "",
        f"Model {found['model']['file']}, {found['dtype'].replace('auto', 'in its own precision')}, {found['device']}. "
        f"{machine['cpu']}, {machine['logical_cores']} cores{busy}; {found['date']}. Turns: {found['repeats']}.",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "",
        results.table(measured),
        "",
        *[f"- {line}" for line in results.in_short(measured)],
        f"- First frame, all sides against ASE: max |ΔF| {largest:.1e} eV/Å, "
        f"|ΔE| ≤ {max(m.energy_difference / m.atoms for m in measured):.1e} eV per atom",
    ]


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
    parser.add_argument("--bridge", action="store_true", help="MACE also through the bridge, first layout")
    parser.add_argument(
        "--backends", choices=BACKENDS, nargs="+", help="what to measure (default: all that are installed here)"
    )
    parser.add_argument("--model", type=Path, help="model file of the one backend (default: that of backends.py)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="of MACE (default: float64)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--timeout", type=float, default=900.0, help="longest wait for a program, s (default: 900)")
    given = parser.parse_args(words)
    given.models = _models(parser, given)
    for size in given.sizes:
        try:
            liquid.copies(size, liquid.atoms_of_frame())
        except ValueError as problem:
            parser.error(str(problem))
    return given


def _models(parser: argparse.ArgumentParser, given: argparse.Namespace) -> dict[str, Path]:
    """The model of each backend that is to be measured."""
    names = given.backends or [name for name, backend in BACKENDS.items() if backend.installed]
    if given.model is not None and len(names) != 1:
        parser.error(f"--model is of one backend, and these are asked for: {' '.join(names)}; add --backends NAME")
    found = {}
    for name in names:
        backend = BACKENDS[name]
        if not backend.installed:
            parser.error(f"{backend.name} is not installed in this environment (docs/how_to/environments.md)")
        model = given.model.resolve() if given.model is not None else backend.default_model()
        if model is None and given.backends is None:
            continue
        if model is None or not model.is_file():
            parser.error(
                f"--model {model} is not a file" if model else f"{backend.name} has no model: give --model FILE"
            )
        found[name] = model
    return found


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: every program that was started is ended too."""
    raise KeyboardInterrupt


def main() -> int:
    given = parse()
    signal.signal(signal.SIGTERM, interrupt)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {line}", file=sys.stderr, flush=True)

    def say_of(name: str, line: str) -> None:
        say(f"{name}: {line}")

    measured: dict[str, list[Measured]] = {}
    code = 0
    with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
        try:
            for name in given.models:
                for size in given.sizes:
                    where = Path(folder) / name / str(size)
                    found = measure(name, size, given, where, functools.partial(say_of, name))
                    measured.setdefault(name, []).extend(found)
        except SideFailed as problem:
            say(str(problem))
            code = 1
        except KeyboardInterrupt:
            say("interrupted; what follows holds the sizes that were complete")
            code = 130
    if measured:
        print(write(given.out, [conditions(name, given, all_sides) for name, all_sides in measured.items()]))
    for name, all_sides in measured.items():
        limit = 1e-4 if dtype_of(name, given) == "float32" else BACKENDS[name].force_tolerance
        for line in results.disagreements(all_sides, limit):
            print(f"DISAGREEMENT: {BACKENDS[name].name}: {line}")
            code = code or 1
    return code


if __name__ == "__main__":
    sys.exit(main())
