"""What a suitable cut of the box is worth where a part of it is empty: slabs, droplets, a liquid beside its gas.

Each system runs with LAMMPS' own grid, as `domains: auto` decides, and (beside a gas) cut by recursive bisection with
ranks weighted by their neighbours, in turn; ratios are of neighbouring turns. Writes domains.json and domains.md.

Example:  python benchmarks/domains.py                          # about ten minutes
          python benchmarks/domains.py --turns 1 --ranks 2 --systems slab --out /tmp/quick
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

import ase.io
import liquid
import numpy as np
import results
import yaml
from ase import Atoms
from native import table
from throughput import positive

from guard import compiled_example, quartiles
from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.molecules import molecules
from lamplighter.analysis.whole_molecules import whole_molecules

STEPS = 40
OWN = "LAMMPS' grid"
SIDES: dict[str, dict[str, str]] = {
    OWN: {"processors": "* * *", "balance": "never"},
    "auto": {},
    "rcb, neigh": {"balance": "rcb", "weight": "neigh", "every": "10 steps"},
}


def whole_liquid(size: int) -> tuple[Atoms, Any]:
    """The liquid with whole molecules, and the molecule of each atom."""
    atoms = liquid.build(size)
    pairs, _ = BondRule().find(atoms.positions, atoms.numbers, atoms.cell.array, atoms.pbc)
    atoms.positions = whole_molecules(atoms.positions, pairs, atoms.cell.array, atoms.pbc)
    return atoms, molecules(pairs, atoms.numbers, atoms.get_masses()).of_atom


def slab() -> Atoms:
    """A layer in the lower part of a box three times as high."""
    atoms, _ = whole_liquid(1280)
    atoms.positions[:, 2] -= atoms.positions[:, 2].min() - 0.5
    atoms.cell[2, 2] *= 3
    return atoms


def droplet() -> Atoms:
    """A ball of 14 Å in a corner of a box of 70 Å."""
    atoms, of_atom = whole_liquid(4320)
    centres = np.array([atoms.positions[of_atom == each].mean(axis=0) for each in range(of_atom.max() + 1)])
    inside = np.linalg.norm(centres - centres.mean(axis=0), axis=1) < 14.0
    ball = atoms[inside[of_atom]]
    ball.positions += 22.0 - ball.positions.mean(axis=0)
    ball.set_cell([70.0, 70.0, 70.0])
    return ball


def coexistence() -> Atoms:
    """A layer of liquid, and in twice its volume above it every eighth of its molecules."""
    atoms, of_atom = whole_liquid(1280)
    atoms.positions[:, 2] -= atoms.positions[:, 2].min() - 0.5
    height = atoms.cell[2, 2]
    gas = [atoms[of_atom % 8 == 3 * copy].copy() for copy in (0, 1)]
    for copy, part in enumerate(gas, start=1):
        part.positions[:, 2] += copy * height + 3.0
        atoms += part
    atoms.cell[2, 2] = 3 * height + 6.0
    return atoms


SYSTEMS: dict[str, Callable[[], Atoms]] = {"slab": slab, "droplet": droplet, "liquid and gas": coexistence}


def turn(folder: Path, model: Path, ranks: int, domains: dict[str, str], structure: Path) -> dict[str, Any]:
    """One run: ms/step of its dynamics, and atoms of the fullest rank over the mean at its end.

    Raises:
        RuntimeError: the run failed; the message holds its output.
    """
    output = folder / "run"
    content = {
        "structure": str(structure),
        "potential": {"models": [str(model)]},
        "timestep": "0.25 fs",
        "velocities": "300 K",
        "domains": domains,
        "stages": [{"type": "nve", "length": f"{STEPS} steps"}],
        "output": {"folder": str(output), "thermo": "20 steps", "trajectory": "never", "restart": "never"},
    }
    run_file = folder / "run.yaml"
    run_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    program = Path(sys.executable).with_name
    words: list[str | Path] = [program("mpirun"), "-n", str(ranks), program("lamplighter"), "run", "-q", run_file]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise RuntimeError(f"lamplighter run ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    log = (output / "log.lammps").read_text(encoding="utf-8")
    seconds = re.findall(rf"Loop time of (\S+) on \d+ procs for {STEPS} steps", log)[-1]
    mean, most = re.findall(r"Nlocal:\s+(\S+) ave\s+(\S+) max", log)[-1]
    said = re.findall(r"^Domains: (.*)$", log, re.M)
    subprocess.run(["rm", "-r", output], check=True)
    return {"ms": 1e3 * float(seconds) / STEPS, "imbalance": float(most) / float(mean), "said": (said or [""])[-1]}


def measure(given: argparse.Namespace, scratch: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    model = compiled_example(scratch, 1)
    rows = []
    for name in given.systems:
        structure = scratch / "start.xyz"
        atoms = SYSTEMS[name]()
        ase.io.write(structure, Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True))
        for ranks in given.ranks:
            sides = [side for side in SIDES if "neigh" not in side or "gas" in name]
            found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
            for number in range(given.turns):
                for side in sides if number % 2 == 0 else sides[::-1]:
                    found[side].append(turn(scratch, model, ranks, SIDES[side], structure))
            for side, turns in found.items():
                pairs = zip(turns, found[OWN], strict=True)
                rows.append({
                    "system": name, "atoms": len(atoms), "ranks": ranks, "side": side, "turns": turns,
                    "imbalance": turns[-1]["imbalance"],
                    "ms": quartiles([each["ms"] for each in turns]),
                    "ratio": quartiles([mine["ms"] / own["ms"] for mine, own in pairs]),
                })  # fmt: skip
                say(" | ".join(described(rows[-1])))
    return rows


def described(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['system']}, {row['atoms']} atoms",
        str(row["ranks"]),
        row["side"],
        f"{row['imbalance']:.2f}",
        f"{row['ms']['median']:.1f}",
        "" if row["side"] == OWN else "{median:.2f} ({low:.2f}–{high:.2f})".format(**row["ratio"]),
    ]


def report(found: dict[str, Any]) -> str:
    machine = found["machine"]
    lines = [
        "# What a suitable cut of the box is worth",
        "",
        f"{machine['cpu']}, {found['cores']} cores; {found['date']}; other programs were running. Model ec_emc_0, "
        f"native engine, NVE, {STEPS} steps a turn, {found['turns']} turns of each side, alternating. Imbalance: atoms "
        "of the fullest rank over the mean, at the end of a turn. Ratio of neighbouring turns to LAMMPS' own grid: "
        "median, quartiles in brackets. Ranks beyond the cores share them.",
        "",
        *table(["system", "ranks", "domains", "imbalance", "ms/step", "ratio"], [described(r) for r in found["rows"]]),
        "What `auto` decided:",
        "",
    ]
    for row in found["rows"]:
        if row["side"] == "auto":
            lines.append(f"- {row['system']}, {row['ranks']} ranks: {row['turns'][0]['said'] or 'nothing'}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--ranks", nargs="+", type=positive, default=[2, 4])
    parser.add_argument("--turns", type=positive, default=5, help="of each side")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    found: dict[str, Any] = {
        **results.conditions("lammps", "lamplighter"),
        "cores": os.cpu_count(),
        "turns": given.turns,
    }
    with tempfile.TemporaryDirectory(prefix="domains-") as scratch:
        found["rows"] = measure(given, Path(scratch), say)
    results.leave(found, report(found), given.out, "domains")


if __name__ == "__main__":
    main()
