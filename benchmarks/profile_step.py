"""Where the time of a step goes: LAMMPS' own breakdown, the bridge, and the model's operators.

Runs in one process, or under mpirun (rank 0 prints). Operators are timed by torch's profiler in a second run, as it
slows a step; their self times say what to change, the first table says what a change can gain at most.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import liquid

from lamplighter.driver import environment
from lamplighter.driver.session import Session

_SECTION = re.compile(r"^(Pair|Bond|Kspace|Neigh|Comm|Output|Modify|Other)\s*\|(.*)$", re.M)
Row = tuple[str, ...]


def lammps_seconds(log: str) -> dict[str, float]:
    """Seconds of each part of the last run of a log, mean over ranks (docs.lammps.org/Run_output.html).

    Raises:
        ValueError: the log holds no breakdown.
    """
    _, found, last = log.rpartition("MPI task timing breakdown")
    if not found:
        raise ValueError("the log holds no 'MPI task timing breakdown'")
    seconds = {}
    for name, columns in _SECTION.findall(last):
        cells = [cell.strip() for cell in columns.split("|")]
        seconds[name] = float(cells[1] or cells[0] or 0)  # min | avg | max | %varavg | %total; Other has avg alone
    return seconds


def parts(seconds: dict[str, float], model: float, steps: int) -> list[Row]:
    """Rows of the first table: part, ms/step, share of a step."""
    total = sum(seconds.values())
    split = {"model call (exchanges included)": model, "pair filter, force scatter": seconds["Pair"] - model}
    titles = {"Neigh": "neighbour list", "Comm": "communication of positions and forces", "Modify": "integration"}
    split |= {titles.get(name, name.lower()): value for name, value in seconds.items() if name != "Pair"}
    rows = [(name, f"{1e3 * s / steps:.3f}", f"{100 * s / total:.2f} %") for name, s in split.items() if s]
    return [*rows, ("step", f"{1e3 * total / steps:.3f}", "100 %")]


def operators(events: Sequence[Any], steps: int, top: int, shapes: bool, on_device: bool) -> list[Row]:
    """Rows of the second table: operator, calls/step, self ms/step, share, and the shapes of its inputs if wanted."""
    name = "self_device_time_total" if on_device else "self_cpu_time_total"
    ordered = sorted(events, key=lambda event: -getattr(event, name))
    total = sum(getattr(event, name) for event in ordered) or 1.0
    rows: list[Row] = []
    shown = 0.0
    for event in ordered[:top]:
        microseconds = getattr(event, name)
        shown += microseconds
        row = (
            event.key,
            f"{event.count / steps:.1f}",
            f"{microseconds / 1e3 / steps:.3f}",
            f"{100 * microseconds / total:.1f} %",
        )
        rows.append((*row, str(event.input_shapes)) if shapes else row)
    rest = ("others", "", f"{(total - shown) / 1e3 / steps:.3f}", f"{100 * (total - shown) / total:.1f} %")
    rows.append((*rest, "") if shapes else rest)
    return rows


def markdown(head: Row, rows: Sequence[Row]) -> str:
    """A markdown table."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = tuple("-" * width for width in widths)
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, rule, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=640, help="atoms: a multiple of 160 (default: 640)")
    parser.add_argument("--steps", type=int, default=10, help="steps of each of the two runs (default: 10)")
    parser.add_argument("--warmup", type=int, default=4, help="untimed steps before (default: 4)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model on each rank (default: 1)")
    parser.add_argument("--model", type=Path, default=liquid.MODEL, help="MACE .model file (default: the example's)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--top", type=int, default=25, help="operators to list (default: 25)")
    parser.add_argument("--shapes", action="store_true", help="one line for each shape of an operator's inputs")
    parser.add_argument("--trace", type=Path, help="write a trace for chrome://tracing or ui.perfetto.dev")
    return parser.parse_args()


def main() -> None:
    given = parse()
    env = environment.prepare(given.threads)
    folder = Path(tempfile.mkdtemp(prefix="profile-")) if env.is_first else Path()
    folder = env.comm.bcast(folder)
    atoms = liquid.build(given.size)
    if env.is_first:
        liquid.write(atoms, folder)
    env.comm.Barrier()
    log = folder / "breakdown.log"
    try:
        with Session(env, ["-log", "none", "-screen", "none"]) as session:
            import torch

            from lamplighter.potentials.bridge import callbacks as bridge

            for line in liquid.lammps_commands(
                folder, liquid.elements(atoms), given.model.resolve(), given.dtype, given.device, "bridge"
            ):
                session.command(line)
            session.command(f"run {given.warmup} pre no post no")

            before = bridge.timing.seconds
            session.command(f'log "{log}"')
            session.command(f"run {given.steps} pre no post yes")
            session.command("log none")
            model = env.comm.allreduce(bridge.timing.seconds - before) / env.ranks

            on_device = given.device.startswith("cuda")
            kinds = [torch.profiler.ProfilerActivity.CPU]
            if on_device:
                kinds.append(torch.profiler.ProfilerActivity.CUDA)
            with torch.profiler.profile(activities=kinds, record_shapes=given.shapes) as profiler:
                session.command(f"run {given.steps} pre no post no")
            if not env.is_first:
                return
            print(
                f"{given.size} atoms, {given.model.name}, {given.dtype}, {given.device}, {env.ranks} rank(s) × "
                f"{env.threads} thread(s), {given.steps} steps\n"
            )
            rows = parts(lammps_seconds(log.read_text(encoding="utf-8")), model, given.steps)
            print(markdown(("part", "ms/step", "share"), rows))
            head: Row = ("operator (rank 0)", "calls/step", "self ms/step", "share of operators")
            events = profiler.key_averages(group_by_input_shape=given.shapes)
            table = operators(events, given.steps, given.top, given.shapes, on_device)
            print(f"\n{markdown((*head, 'shapes') if given.shapes else head, table)}")
            if given.trace:
                profiler.export_chrome_trace(str(given.trace))
    finally:
        if env.is_first:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


if __name__ == "__main__":
    main()
