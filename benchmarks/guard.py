"""What watching costs: a step with `fix guard` against one without, and with a committee, or one model's own
uncertainty, against one with one model.

Both sides take turns within one LAMMPS process: a block of steps without, a block with, the next two in the other
order, so that whatever the machine does meets both. Times are the process's own (CPU); ratios are of neighbouring
blocks. One model's own uncertainty costs too little for blocks to show on a busy machine: it is evaluated and watched
in every second step, and steps are compared with their neighbours. Writes guard.json and guard.md.

Example:  python benchmarks/guard.py                      # about ten minutes on a quiet machine
          python benchmarks/guard.py --parts lj --pairs 4 --out /tmp/quick
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import liquid
import results
from native import table
from results import Spread
from throughput import positive

PARTS = ("lj", "mace", "committee", "extrapolation")
# Limits that nothing reaches: the cost of finding nothing is what is asked for.
_BONDS = "bond stretch 4 bond ratio 2.5"
_CHEAP = f"{_BONDS} density 0.01 20 temperature 1e6 force 1e6"
CRITERIA = {
    "bonds": _BONDS,
    "bonds, density, temperature, force": _CHEAP,
    "all, energy every 20 steps": f"{_CHEAP} energy 1e6 every 20",
    "all": f"{_CHEAP} energy 1e6",
    "all, snapshots": f"{_CHEAP} energy 1e6 snapshot failure.xyz before 5 every 20",
}


@dataclass(frozen=True)
class Case:
    """A system, and what is done before a block of either kind.

    Attributes:
        setup: LAMMPS commands up to the first forces.
        without, with_it: Commands before a block of each kind.
        steps: Steps of a block.
    """

    setup: list[str]
    without: list[str]
    with_it: list[str]
    steps: int


def ratios(case: Case, pairs: int, folder: Path) -> dict[str, Any]:
    """Milliseconds a step of both kinds, and the ratio with / without of neighbouring blocks.

    Raises:
        RuntimeError: lmp ended with an error; the message holds the end of its output.
    """
    lines = [*case.setup, f"run {case.steps} post no"]
    order = []
    for pair in range(pairs):
        for kind in (0, 1) if pair % 2 == 0 else (1, 0):
            order.append(kind)
            lines += [*(case.with_it if kind else case.without), f"run {case.steps}"]
    times: tuple[list[float], list[float]] = ([], [])
    for kind, seconds in zip(order, loop_times(lines, len(order), folder), strict=True):
        times[kind].append(1e3 * seconds / case.steps)
    return {
        "without_ms": Spread.of(times[0]).median,
        "with_ms": Spread.of(times[1]).median,
        "ratio": quartiles([b / a for a, b in zip(*times, strict=True)]),
    }


def step_by_step(setup: list[str], pairs: int, folder: Path) -> dict[str, Any]:
    """Milliseconds of steps of odd and of even numbers, and what the even ones take more than those before them.

    Args:
        setup: LAMMPS commands, after which there is something to do in even steps that there is not in odd ones.
        pairs: Of steps.
        folder: For LAMMPS' files.

    Raises:
        RuntimeError: as `ratios`.
    """
    import numpy as np

    loops = loop_times([*setup, "run 0 post no", *["run 1 pre no"] * (2 * pairs)], 2 * pairs, folder)
    odd, even = 1e3 * np.array(loops).reshape(pairs, 2).T
    more = (even - odd) / np.median(odd)
    drawn = np.random.default_rng(1).integers(0, pairs, (200, pairs))
    return {
        "without_ms": float(np.median(odd)),
        "with_ms": float(np.median(even)),
        "ratio": {"median": 1.0 + float(np.median(more)), "error": float(np.median(more[drawn], axis=1).std())},
    }


def loop_times(lines: list[str], count: int, folder: Path) -> list[float]:
    """Processor time of the last `count` runs of these LAMMPS commands that tell how busy they were, seconds.

    Raises:
        RuntimeError: lmp ended with an error; the message holds the end of its output.
    """
    script = folder / "in.cost"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = [str(Path(sys.executable).with_name("lmp")), "-in", str(script), "-log", "none"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=folder, check=False)
    pattern = r"Loop time of ([\d.e+-]+) on[^%]*?([\d.]+)% CPU use"
    loops = [float(wall) * float(share) / 100.0 for wall, share in re.findall(pattern, done.stdout)]
    if done.returncode or len(loops) != count:
        raise RuntimeError(f"lmp ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return loops


def quartiles(values: list[float]) -> dict[str, float]:
    """Median and the quartiles about it: single blocks scatter on shared machines."""
    import numpy as np

    low, median, high = np.percentile(values, [25, 50, 75])
    return {"low": float(low), "median": float(median), "high": float(high)}


def lj_setup(folder: Path) -> list[str]:
    """4000 atoms of solid argon at 20 K, and a file of one bond an atom (the EC:EMC liquid has 1.0)."""
    (folder / "bonds.txt").write_text(
        "".join(
            f"{4 * cell + a} {4 * cell + b}\n" for cell in range(1000) for a, b in ((1, 2), (2, 3), (3, 4), (4, 1))
        ),
        encoding="utf-8",
    )
    return [
        "units metal",
        "atom_style atomic",
        "atom_modify map yes",
        "lattice fcc 5.26",
        "region box block 0 10 0 10 0 10",
        "create_box 1 box",
        "create_atoms 1 box",
        "mass 1 39.948",
        "velocity all create 40.0 1 loop all",
        "pair_style lj/cut 8.5",
        "pair_coeff 1 1 0.01032 3.405",
        "neighbor 2.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        "timestep 0.002",
        "thermo 1000000",
        "fix integrate all nve",
    ]


def switched(setup: list[str], words: str, steps: int, bonds: str = "") -> Case:
    """With and without `fix guard`; without, a fix that does nothing stands in its place."""
    define = f"fix guard all guard 1 {words} {bonds}".rstrip()
    return Case([*setup, "fix guard all property/atom i_none"], ["unfix guard", "fix guard all property/atom i_none"],
                ["unfix guard", define], steps)  # fmt: skip


def measure_lj(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    rows = []
    for name, words in CRITERIA.items():
        case = switched(lj_setup(folder), words, 300, "bonds bonds.txt reference initial")
        rows.append({"system": "lj/cut, 4000 atoms", "criteria": name, **ratios(case, given.pairs, folder)})
        say(describe(rows[-1]))
    return rows


def measure_mace(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    rows = []
    model = compiled_example(folder, 1)
    for size, steps in ((640, 60), (4320, 10)):
        data = folder / str(size)
        data.mkdir()
        atoms = liquid.build(size, liquid.EXAMPLE / "structures" / "ec_emc_160.xyz")
        liquid.write(atoms, data)
        setup = [*liquid.lammps_commands(data, liquid.elements(atoms), model, "float64", "cpu", "native")[:-1]]
        for name in ("all", "all, snapshots"):
            case = switched(setup, CRITERIA[name], steps)
            rows.append({"system": f"MACE, {size} atoms", "criteria": name, **ratios(case, given.pairs, folder)})
            say(describe(rows[-1]))
    return rows


def measure_committee(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Five models, all evaluated every 20 steps, against the first alone; blocks of whole intervals."""
    rows = []
    model = compiled_example(folder, 5)
    for size, steps in ((640, 60), (4320, 20)):
        data = folder / f"committee-{size}"
        data.mkdir()
        atoms = liquid.build(size, liquid.EXAMPLE / "structures" / "ec_emc_160.xyz")
        liquid.write(atoms, data)
        symbols = liquid.elements(atoms)
        setup = liquid.lammps_commands(data, symbols, model, "float64", "cpu", "native")[:-1]
        coeff = f'pair_coeff * * "{model}" {" ".join(symbols)}'
        style = "pair_style lamplighter dtype float64 engine native"
        case = Case(setup, [style, coeff], [f"{style} committee every 20", coeff], steps)
        row = {
            "system": f"MACE, {size} atoms",
            "criteria": "committee of 5 every 20",
            **ratios(case, given.pairs, folder),
        }
        rows.append(row)
        say(describe(row))
    return rows


def measure_extrapolation(given: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One model's own uncertainty, evaluated and watched by the guard in every second step, against steps between."""
    from ase.io import read

    from lamplighter.driver.training_statistics import learn_training_set

    rows = []
    model = compiled_example(folder, 1)
    training = liquid.EXAMPLE / "data" / "xtb_train.xyz"
    learn_training_set(model, training, read(training, ":200"))
    for size, steps in ((160, 200), (640, 50), (4320, 8)):
        data = folder / f"extrapolation-{size}"
        data.mkdir()
        atoms = liquid.build(size, liquid.EXAMPLE / "structures" / "ec_emc_160.xyz")
        liquid.write(atoms, data)
        symbols = liquid.elements(atoms)
        setup = liquid.lammps_commands(data, symbols, model, "float64", "cpu", "native")[:-1]
        setup += [
            "pair_style lamplighter dtype float64 engine native extrapolation every 2",
            f'pair_coeff * * "{model}" {" ".join(symbols)}',
            "fix guard all guard 2 extrapolation 1e6",
        ]
        row = {
            "system": f"MACE, {size} atoms",
            "criteria": "extrapolation",
            **step_by_step(setup, given.pairs * steps, folder),
        }
        rows.append(row)
        say(describe(row))
    return rows


def compiled_example(folder: Path, members: int) -> Path:
    """The first models of the EC:EMC example in one file."""
    from lamplighter.potentials.native import compile_files

    output = folder / f"example-{members}.lamp"
    if not output.exists():
        compile_files([liquid.EXAMPLE / "models" / f"ec_emc_{k}.model" for k in range(members)], output)
    return output


def describe(row: dict[str, Any]) -> str:
    ratio = row["ratio"]
    return (
        f"{row['system']}, {row['criteria']}: {row['without_ms']:.3f} -> {row['with_ms']:.3f} ms/step, "
        f"{100 * (ratio['median'] - 1):+.2f} %"
    )


def percent(ratio: dict[str, float]) -> str:
    median = f"{100 * (ratio['median'] - 1):.2f}"
    if "error" in ratio:
        return f"{median} ± {100 * ratio['error']:.2f}"
    return f"{median} ({100 * (ratio['low'] - 1):.2f} to {100 * (ratio['high'] - 1):.2f})"


def report(found: dict[str, Any]) -> str:
    machine = found["machine"]
    lines = [
        "# What watching costs",
        "",
        f"{machine['cpu']}, one core; {found['date']}. "
        f"{', '.join(f'{name} {version}' for name, version in found['versions'].items())}. Blocks with and without "
        f"take turns in one process, {found['pairs']} pairs; CPU time; median of the ratios of neighbouring blocks, "
        "quartiles in brackets. Of one model's own uncertainty (extrapolation) it is steps that take turns, and the "
        "median of the differences of neighbours with its bootstrap error.",
        "",
    ]
    rows = [row for part in PARTS for row in found.get(part, [])]
    lines += table(
        ["system", "watched", "without, ms/step", "with, ms/step", "more, %"],
        [
            [
                row["system"],
                row["criteria"],
                f"{row['without_ms']:.3f}",
                f"{row['with_ms']:.3f}",
                percent(row["ratio"]),
            ]
            for row in rows
        ],
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--pairs", type=positive, default=30, help="blocks of each kind")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    found: dict[str, Any] = {
        **results.conditions("lammps", "mace-torch"),
        "pairs": given.pairs,
    }
    measures = {"lj": measure_lj, "mace": measure_mace, "committee": measure_committee,
                "extrapolation": measure_extrapolation}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="guard-") as scratch:
        for part in given.parts:
            folder = Path(scratch) / part
            folder.mkdir()
            found[part] = measures[part](given, folder, say)
    results.leave(found, report(found), given.out, "guard")


if __name__ == "__main__":
    main()
