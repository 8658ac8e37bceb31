"""Memory a rank against atoms: peak of each rank of `lamplighter run` with guard and committee, slope and intercept.

Each size runs a few steps on one and on several ranks; the peak of every rank is what its process says of itself
(VmHWM). Lines are fitted through the fullest rank's peak against the atoms of the whole system. Writes memory.json and
memory.md.

Example:  python benchmarks/memory.py                              # about ten minutes
          python benchmarks/memory.py --sizes 640 4320 --ranks 1 --out /tmp/quick
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ase.io
import liquid
import numpy as np
import results
import yaml
from native import table
from throughput import positive

from guard import compiled_example

MEMBERS, STEPS = 5, 20

RANK = """
import json, sys
from pathlib import Path
from mpi4py import MPI
from lamplighter import run
done = run(sys.argv[1], progress=False)
peak = next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
found = MPI.COMM_WORLD.gather(peak / 1024)
if MPI.COMM_WORLD.rank == 0:
    Path(sys.argv[2]).write_text(json.dumps(found))
"""


def peaks(folder: Path, model: Path, structure: Path, copies: tuple[int, int, int], ranks: int) -> list[float]:
    """Peak resident memory of each rank, MiB.

    Raises:
        RuntimeError: the run failed; the message holds its output.
    """
    content = {
        "structure": {"file": str(structure), "replicate": list(copies)},
        "potential": {"models": [str(model)]},
        "committee": STEPS,
        "guard": {"preset": "stability", "bond_stretch": "3 A"},
        "velocities": "300 K",
        "stages": [{"type": "nvt", "length": f"{STEPS} steps", "temperature": "300 K", "thermostat": "svr"}],
        "output": {
            "folder": str(folder / f"run-{np.prod(copies)}-{ranks}"),
            "thermo": "10 steps", "trajectory": "10 steps", "restart": "10 steps",
        },
    }  # fmt: skip
    run_file, program, answer = folder / "run.yaml", folder / "rank.py", folder / "peaks.json"
    run_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    program.write_text(RANK, encoding="utf-8")
    words = [str(Path(sys.executable).with_name("mpirun")), "-n", str(ranks), sys.executable, str(program)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*words, str(run_file), str(answer)], capture_output=True, text=True, env=env, cwd=folder, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the run ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: list[float] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def measure(given: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    model = compiled_example(scratch, MEMBERS)
    structure = scratch / "liquid.xyz"
    frame = liquid.build(liquid.atoms_of_frame())
    frame.info.clear()
    ase.io.write(structure, frame, columns=["symbols", "positions"])
    rows = []
    for ranks in given.ranks:
        for size in given.sizes:
            found = peaks(scratch, model, structure, liquid.copies(size, len(frame)), ranks)
            rows.append({"ranks": ranks, "atoms": size, "peaks_MiB": found})
            print(" | ".join(described(rows[-1])), file=sys.stderr, flush=True)
    return rows


def described(row: dict[str, Any]) -> list[str]:
    return [str(row["ranks"]), str(row["atoms"]), ", ".join(f"{peak:.0f}" for peak in row["peaks_MiB"])]


def fit(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """KiB an atom of the whole system, and MiB without any, of the fullest rank."""
    slope, intercept = np.polyfit([row["atoms"] for row in rows], [max(row["peaks_MiB"]) for row in rows], 1)
    return 1024 * float(slope), float(intercept)


def report(found: dict[str, Any]) -> str:
    lines = [
        "# Memory a rank against atoms",
        "",
        f"{found['machine']['cpu']}; {found['date']}. EC:EMC liquid, committee of {MEMBERS} of the example's models "
        f"every {STEPS} steps, native engine, `guard: stability`, {STEPS} steps of NVT with trajectory and restarts. "
        "Peak resident memory (VmHWM) of each rank, with Python and all libraries.",
        "",
        *table(["ranks", "atoms", "MiB of each rank"], [described(row) for row in found["rows"]]),
    ]
    for ranks in sorted({row["ranks"] for row in found["rows"]}):
        mine = [row for row in found["rows"] if row["ranks"] == ranks]
        if len(mine) > 1:
            slope, intercept = fit(mine)
            lines.append(
                f"- {ranks} rank{'s' if ranks > 1 else ''}: {intercept:.0f} MiB and {slope:.2f} KiB for each atom of "
                f"the system ({slope * ranks:.2f} KiB for each atom of a rank)"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=positive, default=[4320, 17280, 34560])
    parser.add_argument("--ranks", nargs="+", type=positive, default=[1, 2])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    found: dict[str, Any] = {
        **results.conditions("lammps"),
    }
    with tempfile.TemporaryDirectory(prefix="memory-") as scratch:
        found["rows"] = measure(given, Path(scratch))
    results.leave(found, report(found), given.out, "memory")


if __name__ == "__main__":
    main()
