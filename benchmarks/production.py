"""What a step of a production run costs, and what each part of it takes: model, guard, committee, output, LAMMPS.

The EC:EMC liquid at constant energy with the example's models, on two ranks unless said otherwise. The parts are runs
of their own that take turns: the model alone; with the guard; with the committee of five every 20 steps; with both and
output (`production`). `--before FOLDER` names a folder with another build of the plugin, which takes turns, too.
Ratios are of neighbouring turns. Times are the clock's; `CPU` are those of the processors, for busy machines.

Example:  python benchmarks/production.py                            # some minutes on two quiet cores
          python benchmarks/production.py --simd avx2 --dtype float32 --sizes 640
          python benchmarks/production.py --before /tmp/older_build --parts production
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import liquid
import numpy as np
from native import SIMD, table
from side_process import mpirun
from throughput import positive

from guard import CRITERIA, compiled_example
from lamplighter.driver import provenance

MEMBERS = {"model": 1, "guard": 1, "committee": 5, "production": 5}
STEPS_OF_1_NS = 1e6 / liquid.TIMESTEP_FS
COMMITTEE_EVERY, THERMO_EVERY, DUMP_EVERY = 20, 100, 200
# The sections of LAMMPS' own breakdown; the pair style's holds the model and the exchange of features.
SECTIONS = ("Pair", "Neigh", "Comm", "Output", "Modify", "Other")


@dataclass(frozen=True)
class Turn:
    """One run of one side.

    Attributes:
        wall_ms, cpu_ms: Of a step; `cpu_ms` is the mean over ranks.
        shares: Percent of the step that each of `SECTIONS` takes.
    """

    wall_ms: float
    cpu_ms: float
    shares: dict[str, float]


def script(part: str, folder: Path, model: Path, given: argparse.Namespace) -> str:
    """The LAMMPS script of `part` for the structure in `folder`."""
    with_committee = MEMBERS[part] > 1
    lines = liquid.lammps_commands(folder, ["C", "H", "O"], model, given.dtype, "cpu", "native")[:-1]
    words = f" committee every {COMMITTEE_EVERY}" if with_committee else ""
    lines = [line + words if line.startswith("pair_style") else line for line in lines]
    lines = [f"neighbor {given.skin} bin" if line.startswith("neighbor ") else line for line in lines]
    if part in ("guard", "production"):
        lines.append(f"fix guard all guard 1 {CRITERIA['all, snapshots']}")
    lines.append(f"thermo {THERMO_EVERY if part == 'production' else 1000000}")
    if part == "production":
        lines.append(f"dump trajectory all custom/gz {DUMP_EVERY} trajectory.lammpstrj.gz id type element xu yu zu")
        lines.append("dump_modify trajectory element C H O sort id")
    return "\n".join([*lines, "run 20", f"run {given.steps}", ""])


def take_turn(part: str, plugin: Path | None, text: str, folder: Path, given: argparse.Namespace) -> Turn:
    """Runs the script.

    Raises:
        RuntimeError: lmp ended with an error; the message holds the end of its output.
    """
    path = folder / f"in.{part}"
    path.write_text(text, encoding="utf-8")
    words = [str(Path(sys.executable).with_name("lmp")), "-in", str(path), "-log", "none"]
    if given.ranks > 1:
        words = [str(mpirun()), "-n", str(given.ranks), *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    if given.simd:
        env["LAMPLIGHTER_SIMD"] = given.simd
    if plugin:
        env["LAMMPS_PLUGIN_PATH"] = str(plugin)
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=folder, check=False)
    loops = re.findall(r"Loop time of ([\d.e+-]+) on[^%]*?([\d.]+)% CPU use", done.stdout)
    if done.returncode or len(loops) != 2:
        raise RuntimeError(f"lmp ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    wall, used = (float(word) for word in loops[-1])
    last = done.stdout.rpartition("Loop time of")[2]
    shares = {name: float(value) for name, value in re.findall(r"^(\w+) .*\| *([\d.]+)\s*$", last, re.MULTILINE)}
    wall_ms = 1e3 * wall / given.steps
    return Turn(wall_ms, wall_ms * used / 100.0, {name: shares.get(name, 0.0) for name in SECTIONS})


def quartiles(values: list[float]) -> str:
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:.3f} ({low:.3f} to {high:.3f})"


def row(size: int, part: str, build: str, turns: list[Turn], first: list[Turn]) -> list[str]:
    """One line of the table; ratios are to `first`, the first side of the size, turn by turn."""
    wall = float(np.median([turn.wall_ms for turn in turns]))
    shares = [f"{np.median([turn.shares[name] for turn in turns]):.1f}" for name in SECTIONS]
    return [
        str(size),
        part,
        build,
        f"{wall:.2f}",
        f"{1e3 / wall:.1f}",
        f"{STEPS_OF_1_NS * wall / 3.6e6:.2f}",
        quartiles([a.wall_ms / b.wall_ms for a, b in zip(turns, first, strict=True)]),
        quartiles([a.cpu_ms / b.cpu_ms for a, b in zip(turns, first, strict=True)]),
        *shares,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=positive, nargs="+", default=[160, 640], help="atoms")
    parser.add_argument("--parts", nargs="+", choices=MEMBERS, default=list(MEMBERS))
    parser.add_argument("--before", type=Path, help="a folder with another lamplighterplugin.so")
    parser.add_argument("--ranks", type=positive, default=2)
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--simd", choices=SIMD, help="instruction set; the widest, if not given")
    parser.add_argument("--skin", type=float, default=liquid.SKIN, help="Å")
    parser.add_argument("--steps", type=positive, default=200, help="of a turn; a multiple of 20")
    parser.add_argument("--turns", type=positive, default=6, help="of each side")
    given = parser.parse_args()
    if given.steps % COMMITTEE_EVERY:
        parser.error(f"--steps must be a multiple of {COMMITTEE_EVERY}, got {given.steps}")
    given.before = given.before and given.before.resolve()

    builds = [("before", given.before), ("after", None)] if given.before else [("", None)]
    sides = [(part, build, plugin) for part in given.parts for build, plugin in builds]
    rows = []
    with tempfile.TemporaryDirectory(prefix="production-") as scratch:
        models = {part: compiled_example(Path(scratch), MEMBERS[part]) for part in given.parts}
        for size in given.sizes:
            folder = Path(scratch) / str(size)
            folder.mkdir()
            liquid.write(liquid.build(size, liquid.EXAMPLE / "structures" / "ec_emc_160.xyz"), folder)
            found: list[list[Turn]] = [[] for _ in sides]
            for turn in range(given.turns):
                for k in range(len(sides)) if turn % 2 == 0 else reversed(range(len(sides))):
                    part, build, plugin = sides[k]
                    text = script(part, folder, models[part], given)
                    found[k].append(take_turn(part, plugin, text, folder, given))
                    print(f"{size} {part} {build}: {found[k][-1].wall_ms:.2f} ms/step", file=sys.stderr, flush=True)
            rows += [
                row(size, part, build, turns, found[0]) for (part, build, _), turns in zip(sides, found, strict=True)
            ]
    machine = provenance.machine([])
    print(
        f"{machine['cpu']}; {given.ranks} ranks, {given.dtype}, {given.simd or 'widest'} instructions, "
        f"skin {given.skin} Å; {given.turns} turns of {given.steps} steps; medians, quartiles in brackets.\n"
    )
    heads = ["atoms", "part", "build", "ms/step", "steps/s", "hours for 1 ns", "ratio", "ratio of CPU"]
    print("\n".join(table(heads + [f"{name}, %" for name in SECTIONS], rows)))


if __name__ == "__main__":
    main()
