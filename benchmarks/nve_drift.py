"""Energy conservation of the native engine: NVE at 0.5 fs, 160 atoms of EC:EMC at 500 K, float64 and float32.

Each precision starts from the same equilibrated atoms. The total energy per atom is written every 50 fs; its drift is
the slope of a straight line through it, with the scatter about the line. Writes nve_drift.md.

Example:  python benchmarks/nve_drift.py --time 100      # a quarter of an hour on one core
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import liquid
import numpy as np

COLUMNS = "step,time_ps,total_eV,temperature_K"
EVERY = 100  # steps


def run(model: Path, dtype: str, time_ps: float, folder: Path) -> np.ndarray:
    """Time (ps), total energy (eV/atom), temperature (K), every 50 fs: shape (3, n).

    Raises:
        RuntimeError: lmp ended with an error; the message holds the end of its output.
    """
    steps = round(time_ps / (liquid.TIMESTEP_FS / 1000))
    atoms = liquid.build(160, liquid.EXAMPLE / "structures" / "ec_emc_160.xyz")
    liquid.write(atoms, folder)
    table = folder / f"{dtype}.csv"
    lines = [
        *liquid.lammps_commands(folder, liquid.elements(atoms), model, dtype, "cpu", "native")[:-2],
        # a quarter of a picosecond at 500 K, so that the potential and the kinetic energy have come to terms
        f"fix settle all langevin {liquid.TEMPERATURE} {liquid.TEMPERATURE} 0.05 7",
        "fix integrate all nve",
        "run 500 post no",
        "unfix settle",
        "reset_timestep 0",
        "variable e equal etotal/atoms",
        f'fix table all print {EVERY} "$(step),$(step*dt),$(v_e:%.12g),$(temp)" '
        f'file {table} screen no title "{COLUMNS}"',
        f"run {steps} post no",
    ]
    script = folder / f"in.{dtype}"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = [str(Path(sys.executable).with_name("lmp")), "-in", str(script), "-log", "none"]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    if done.returncode:
        raise RuntimeError(f"lmp ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[name]) for row in rows] for name in ("time_ps", "total_eV", "temperature_K")])


def drift(series: np.ndarray) -> tuple[float, float, float]:
    """Slope of the total energy (µeV/atom/ps), its standard error from ten blocks, scatter about it (µeV/atom)."""
    time, energy, _ = series
    slope, intercept = np.polyfit(time, energy, 1)
    blocks = np.array_split(np.arange(len(time)), 10)
    means_t = np.array([time[b].mean() for b in blocks])
    means_e = np.array([energy[b].mean() for b in blocks])
    block_slope, block_intercept = np.polyfit(means_t, means_e, 1)
    left = means_e - (block_slope * means_t + block_intercept)
    error = np.sqrt((left**2).sum() / (len(blocks) - 2) / ((means_t - means_t.mean()) ** 2).sum())
    scatter = (energy - (slope * time + intercept)).std()
    return 1e6 * slope, 1e6 * error, 1e6 * scatter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--time", type=float, default=100.0, help="ps (default: 100)")
    parser.add_argument("--model", type=Path, default=liquid.MODEL)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()

    from lamplighter.potentials.native import compile_files

    lines = [
        "# Energy conservation of the native engine",
        "",
        f"160 atoms of EC:EMC, 500 K, NVE at {liquid.TIMESTEP_FS} fs for {given.time:g} ps, {given.model.name}.",
        "",
        "| dtype | drift, µeV/atom/ps | scatter about the line, µeV/atom | mean T, K |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="drift-") as scratch:
        compiled = Path(scratch) / "model.lamp"
        compile_files([given.model], compiled)
        for dtype in ("float64", "float32"):
            series = run(compiled, dtype, given.time, Path(scratch))
            slope, error, scatter = drift(series)
            lines.append(f"| {dtype} | {slope:.2f} ± {error:.2f} | {scatter:.0f} | {series[2].mean():.0f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "nve_drift.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
