"""The native engine against MACE's own ASE calculator, and against itself: ranks, sizes, what each part brings.

Two models with random weights (speed does not depend on them): `small` (16 channels, harmonics to 2, correlation 2,
cutoff 4 Å) and `foundation` (64 channels, harmonics to 3, correlation 3, cutoff 5 Å: the shape of published models).
All comparisons are of turns in one run, one program awake at a time. Writes native.json and native.md.

Example:  python benchmarks/native.py                     # all of it, about ten minutes on two quiet cores
          python benchmarks/native.py --parts engines --repeats 1 --out /tmp/quick
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import liquid
import results
from results import Spread
from side_process import ASE, BRIDGE, LAMPLIGHTER, Side, SideProcess, Task, mpirun
from throughput import positive

MODELS: dict[str, dict[str, Any]] = {
    "small": {"channels": 16, "max_ell": 2, "correlation": 2, "r_max": 4.0, "radial_MLP": [64, 64, 64]},
    "foundation": {"channels": 64, "max_ell": 3, "correlation": 3, "r_max": 5.0, "radial_MLP": [64, 64, 64]},
}
PARTS = ("engines", "ranks", "sizes", "parts", "tables", "committee")
SIMD = ("baseline", "avx2", "avx512")


def build_model(name: str, folder: Path) -> Path:
    """A ScaleShiftMACE with random weights and two interactions, saved as mace-torch saves its own."""
    import mace.modules
    import numpy as np
    import torch
    from e3nn import o3

    shape = dict(MODELS[name])
    channels = shape.pop("channels")
    hidden = "+".join(f"{channels}x{degree}{'eo'[degree % 2]}" for degree in range(shape.pop("max_degree", 0) + 1))
    block = mace.modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    model = mace.modules.ScaleShiftMACE(
        num_bessel=8,
        num_polynomial_cutoff=5,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=3,
        hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(3),
        avg_num_neighbors=18.0,
        atomic_numbers=[1, 6, 8],
        gate=torch.nn.functional.silu,
        atomic_inter_scale=0.1,
        atomic_inter_shift=0.0,
        **shape,
    )
    path = folder / f"{name}.model"
    torch.save(model, path)
    return path


def take_turns(
    sides: list[Side], task: Task, folder: Path, steps: dict[Side, int], given: argparse.Namespace
) -> tuple[dict[Side, Spread], dict[Side, list[float]], float]:
    """ms/step of each side, its single turns, and the largest difference of a force from the first side's (eV/Å)."""
    import contextlib

    import numpy as np

    with contextlib.ExitStack() as stack:
        started = {
            side: stack.enter_context(SideProcess(side, task, folder / f"side-{k}", given.timeout))
            for k, side in enumerate(sides)
        }
        for process in started.values():
            process.wait_until_ready()
        for process in started.values():
            process.take_turn(4)
        found: dict[Side, list[float]] = {side: [] for side in sides}
        for repeat in range(given.repeats):
            for side in sides if repeat % 2 == 0 else sides[::-1]:
                answer = started[side].take_turn(steps[side])
                found[side].append(1e3 * answer["wall_s"] / steps[side])
        forces = [np.load(process.folder / "forces.npy") for process in started.values()]
        difference = max(float(np.abs(f - forces[0]).max()) for f in forces)
    return {side: Spread.of(values) for side, values in found.items()}, found, difference


def measure_engines(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """640 atoms, one thread: native, bridge and ASE, both precisions."""
    structure = folder / "640"
    structure.mkdir()
    liquid.write(liquid.build(640), structure)
    native, bridge, ase = Side(LAMPLIGHTER, 1, 1), Side(BRIDGE, 1, 1), Side(ASE, 1, 1)
    rows = []
    for name in MODELS:
        model = build_model(name, folder)
        for dtype in ("float64", "float32"):
            steps = {native: 40, bridge: 5, ase: 5 if name == "small" else 2}
            spreads, turns, difference = take_turns(
                [ase, bridge, native],
                Task(structure, "mace", model, dtype, "cpu"),
                folder / f"{name}-{dtype}",
                steps,
                given,
            )
            row = {
                "model": name,
                "dtype": dtype,
                "ase_ms": spreads[ase].median,
                "bridge_ms": spreads[bridge].median,
                "native_ms": spreads[native].median,
                "ase_over_native": Spread.of([a / b for a, b in zip(turns[ase], turns[native], strict=True)]).__dict__,
                "bridge_over_native": Spread.of(
                    [a / b for a, b in zip(turns[bridge], turns[native], strict=True)]
                ).__dict__,
                "force_difference": difference,
            }
            rows.append(row)
            say(
                f"{name} {dtype}: ASE {row['ase_ms']:.1f}, bridge {row['bridge_ms']:.1f}, native {row['native_ms']:.2f}"
            )
    return rows


class Lmp:
    """Plain `lmp` on a compiled model: milliseconds a step and memory, without Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.simd = ""  # the instruction set of the last run

    def run(
        self, model: Path, size: int, dtype: str, steps: int, ranks: int = 1, simd: str | None = None
    ) -> dict[str, float]:
        data = self.folder / f"plain-{size}"
        if not data.exists():
            data.mkdir()
            liquid.write(liquid.build(size), data)
        lines = liquid.lammps_commands(data, ["C", "H", "O"], model, dtype, "cpu", "native")
        script = self.folder / "in.plain"
        script.write_text(
            "\n".join([*lines[:-1], "run 3", f"run {steps} post yes", "info memory", ""]), encoding="utf-8"
        )
        words = [str(Path(sys.executable).with_name("lmp")), "-in", str(script), "-log", "none"]
        if ranks > 1:
            words = [str(mpirun()), "-n", str(ranks), *words]
        env = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"LAMPLIGHTER_SIMD": simd} if simd else {})
        done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
        loops = re.findall(r"Loop time of ([\d.]+) on", done.stdout)
        if done.returncode or len(loops) < 2:
            raise RuntimeError(f"lmp ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        used = re.search(rf"native MACE.*, ({'|'.join(SIMD)}), ", done.stdout)
        self.simd = used[1] if used else ""
        memory = re.search(r"Maximum resident set size: ([\d.]+) Mbyte", done.stdout)
        return {"ms": 1e3 * float(loops[-1]) / steps, "MB": float(memory[1]) if memory else float("nan")}


def compiled(name: str, folder: Path) -> Path:
    from lamplighter.potentials.native import compile_files

    output = folder / f"{name}.lamp"
    if not output.exists():
        compile_files([build_model(name, folder)], output)
    return output


def measure_ranks(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """4320 atoms on one and on two ranks, in turn."""
    lmp, rows = Lmp(folder), []
    for name, steps in (("small", 20), ("foundation", 6)):
        model = compiled(name, folder)
        pairs = []
        for repeat in range(given.repeats):
            order = (1, 2) if repeat % 2 == 0 else (2, 1)
            found = {ranks: lmp.run(model, 4320, "float64", steps, ranks)["ms"] for ranks in order}
            pairs.append(found)
            say(f"{name}: 1 rank {found[1]:.1f}, 2 ranks {found[2]:.1f} ms/step")
        rows.append(
            {
                "model": name,
                "one_ms": Spread.of([p[1] for p in pairs]).median,
                "two_ms": Spread.of([p[2] for p in pairs]).median,
                "one_over_two": Spread.of([p[1] / p[2] for p in pairs]).__dict__,
            }
        )
    return rows


def measure_sizes(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Cost and memory per atom from 640 to 34 560 atoms, small model, float64, one rank."""
    lmp, rows = Lmp(folder), []
    model = compiled("small", folder)
    sizes = {640: 60, 4320: 15, 34560: 3}
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    for repeat in range(given.repeats):
        for size in list(sizes) if repeat % 2 == 0 else list(sizes)[::-1]:
            found[size].append(lmp.run(model, size, "float64", sizes[size]))
    for size in sizes:
        ms = Spread.of([one["ms"] for one in found[size]])
        rows.append({"atoms": size, "us_per_atom": 1e3 * ms.median / size, "MB": found[size][0]["MB"]})
        say(f"{size} atoms: {rows[-1]['us_per_atom']:.2f} µs/atom/step, {rows[-1]['MB']:.0f} MB")
    return rows


def measure_parts(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """What vectors and single precision bring, and whether `auto` takes what is fastest: 640 atoms, one rank."""
    lmp, rows = Lmp(folder), []
    for name in MODELS:
        model = compiled(name, folder)
        cases = [(dtype, simd) for dtype in ("float64", "float32") for simd in SIMD]
        times: dict[tuple[str, str], list[float]] = {}
        chosen = {}
        for dtype in ("float64", "float32"):
            lmp.run(model, 640, dtype, 2)
            chosen[dtype] = lmp.simd
        for repeat in range(given.repeats):
            for dtype, simd in cases if repeat % 2 == 0 else cases[::-1]:
                try:
                    ms = lmp.run(model, 640, dtype, 40 if name == "small" else 10, simd=simd)["ms"]
                except RuntimeError as problem:
                    if "cannot run here" not in str(problem):
                        raise
                    continue
                times.setdefault((dtype, simd), []).append(ms)
        for (dtype, simd), values in sorted(times.items(), key=lambda item: cases.index(item[0])):
            auto = times[dtype, chosen[dtype]]
            row = {"model": name, "dtype": dtype, "simd": simd, "ms": Spread.of(values).median}
            row["auto"] = simd == chosen[dtype]
            row["over_auto"] = Spread.of([a / b for a, b in zip(values, auto, strict=True)]).__dict__
            rows.append(row)
            say(f"{name} {dtype} {simd}: {rows[-1]['ms']:.2f} ms/step")
    return rows


def seconds(native: Any, atoms: Any, members: int, repeats: int) -> float:
    """Shortest time of the evaluator alone, s."""
    times = []
    for _ in range(max(3, repeats)):
        native.evaluate_members(atoms, members)
        times.append(native.seconds)
    return min(times)


def measure_tables(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Error and cost of the radial tables against their size: 640 atoms as a cluster, small model, float64."""
    import numpy as np

    from lamplighter.potentials.native import NativeMace

    model, atoms = compiled("small", folder), liquid.build(640)
    exact = NativeMace(model, intervals=4096).evaluate(atoms).forces
    rows = []
    for intervals in (32, 64, 128, 256, 512, 1024):
        native = NativeMace(model, intervals=intervals)
        error = float(np.abs(native.evaluate(atoms).forces - exact).max())
        rows.append({"intervals": intervals, "error": error, "ms": 1e3 * seconds(native, atoms, 1, given.repeats)})
        say(f"{intervals} intervals: {error:.1e} eV/Å, {rows[-1]['ms']:.2f} ms")
    return rows


def compiled_committee(name: str, folder: Path) -> Path:
    """Five models of one shape, their weights 10 % apart, in one file."""
    import torch

    from lamplighter.potentials.native import compile_files

    files = []
    for number in range(5):
        model = torch.load(build_model(name, folder), weights_only=False)
        torch.manual_seed(number)
        for parameter in model.parameters():
            parameter.data.mul_(1.0 + 0.1 * torch.randn_like(parameter))
        files.append(folder / f"{name}-{number}.model")
        torch.save(model, files[-1])
    compile_files(files, folder / f"{name}-five.lamp")
    return folder / f"{name}-five.lamp"


def measure_committee(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Five members of one architecture in one pass against one of them: 640 atoms as a cluster."""
    from lamplighter.potentials.native import NativeMace

    rows, atoms = [], liquid.build(640)
    for name in MODELS:
        five = compiled_committee(name, folder)
        for dtype in ("float64", "float32"):
            native = NativeMace(five, dtype=dtype)
            turns = [(seconds(native, atoms, 1, 1), seconds(native, atoms, 5, 1)) for _ in range(given.repeats)]
            row = {
                "model": name,
                "dtype": dtype,
                "one_ms": 1e3 * Spread.of([one for one, _ in turns]).median,
                "five_ms": 1e3 * Spread.of([five for _, five in turns]).median,
                "five_over_one": Spread.of([five / one for one, five in turns]).__dict__,
            }
            rows.append(row)
            say(f"{name} {dtype}: one {row['one_ms']:.2f}, five {row['five_ms']:.2f} ms")
    return rows


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def spread(values: dict[str, float]) -> str:
    return f"{values['median']:.2f} ({values['low']:.2f}–{values['high']:.2f})"


def report(found: dict[str, Any]) -> str:
    machine = found["machine"]
    lines = [
        "# The native engine",
        "",
        "EC:EMC liquid, NVE at 0.5 fs, models with random weights. "
        f"{machine['cpu']}, {machine['logical_cores']} cores; {found['date']}. "
        f"{', '.join(f'{name} {version}' for name, version in found['versions'].items())}. "
        f"Median of {found['repeats']} turns, smallest and largest in brackets.",
        "",
    ]
    if "engines" in found:
        lines += ["## Against ASE and the bridge: 640 atoms, one thread, ms/step", ""]
        lines += table(
            ["model", "dtype", "ASE", "bridge", "native", "ASE / native", "bridge / native", "max |ΔF|, eV/Å"],
            [
                [
                    row["model"],
                    row["dtype"],
                    f"{row['ase_ms']:.1f}",
                    f"{row['bridge_ms']:.1f}",
                    f"{row['native_ms']:.2f}",
                    spread(row["ase_over_native"]),
                    spread(row["bridge_over_native"]),
                    f"{row['force_difference']:.0e}",
                ]
                for row in found["engines"]
            ],
        )
    if "ranks" in found:
        lines += ["## Two ranks: 4320 atoms, float64, ms/step, plain `lmp`", ""]
        lines += table(
            ["model", "1 rank", "2 ranks", "ratio"],
            [
                [row["model"], f"{row['one_ms']:.1f}", f"{row['two_ms']:.1f}", spread(row["one_over_two"])]
                for row in found["ranks"]
            ],
        )
    if "sizes" in found:
        rows = found["sizes"]
        lines += ["## Sizes: small model, float64, one rank, plain `lmp`", ""]
        lines += table(
            ["atoms", "µs/atom/step", "largest resident memory, MB"],
            [[str(row["atoms"]), f"{row['us_per_atom']:.2f}", f"{row['MB']:.0f}"] for row in rows],
        )
        slope = 1e3 * (rows[-1]["MB"] - rows[0]["MB"]) / (rows[-1]["atoms"] - rows[0]["atoms"])
        lines += [f"Memory per atom, LAMMPS and its neighbour list included: {slope:.1f} kB.", ""]
    if "parts" in found:
        lines += ["## Vectors and precision: 640 atoms, one rank, ms/step", ""]
        lines += table(
            ["model", "dtype", "instructions", "ms/step", "in time of what `auto` takes"],
            [
                [
                    row["model"],
                    row["dtype"],
                    row["simd"] + (" (auto)" if row["auto"] else ""),
                    f"{row['ms']:.2f}",
                    spread(row["over_auto"]),
                ]
                for row in found["parts"]
            ],
        )
    if "tables" in found:
        lines += ["## Radial tables: small model, 640 atoms as a cluster, float64", ""]
        lines += table(
            ["intervals", "max |ΔF| to 4096 intervals, eV/Å", "ms, evaluator alone"],
            [[str(row["intervals"]), f"{row['error']:.1e}", f"{row['ms']:.2f}"] for row in found["tables"]],
        )
    if "committee" in found:
        lines += ["## A committee of five in one pass: 640 atoms as a cluster, ms, evaluator alone", ""]
        lines += table(
            ["model", "dtype", "one member", "five members", "ratio"],
            [
                [
                    row["model"],
                    row["dtype"],
                    f"{row['one_ms']:.2f}",
                    f"{row['five_ms']:.2f}",
                    spread(row["five_over_one"]),
                ]
                for row in found["committee"]
            ],
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--timeout", type=float, default=900.0, help="longest wait for a program, s")
    given = parser.parse_args()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    found: dict[str, Any] = {
        **results.conditions("lammps", "torch", "mace-torch", "ase"),
        "repeats": given.repeats,
    }
    measures = {
        "engines": measure_engines,
        "ranks": measure_ranks,
        "sizes": measure_sizes,
        "parts": measure_parts,
        "tables": measure_tables,
        "committee": measure_committee,
    }
    with tempfile.TemporaryDirectory(prefix="native-") as scratch:
        for part in given.parts:
            folder = Path(scratch) / part
            folder.mkdir()
            found[part] = measures[part](given, folder, say)
    results.leave(found, report(found), given.out, "native")


if __name__ == "__main__":
    main()
