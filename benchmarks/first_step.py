"""How long a run takes to its first step: `lamplighter run` with a model that was compiled before, beside `lmp`.

Both carry out the same script: that of the run folder, in which `lmp` gets the compiled model by its file. They take
turns; the clock stops when the first line of values stands in the table of the run. Beside the time on the clock stands
the processor time of the process until then, which other work on the machine changes less.

    python benchmarks/first_step.py [--model FILE] [--turns 7] [--write]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from lamplighter.driver import provenance
from lamplighter.potentials import compiled_cache

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "ec_emc"
PROGRAMS = Path(sys.prefix) / "bin"
ELEMENTS = ("H", "C", "O")
RESULTS = HERE / "results" / "first_step.md"
LIMIT_S = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=EXAMPLE / "models" / "ec_emc_0.model")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.relative_to(HERE.parent)}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = table(measured(Path(folder), given.model.resolve(), given.turns), given.model)
    print(text)
    if given.write:
        RESULTS.write_text(text, encoding="utf-8")


def measured(folder: Path, model: Path, turns: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds on the clock and of the processor, turn by turn, of both."""
    run_file = folder / "run.yaml"
    run_file.write_text(yaml.safe_dump(content(model)), encoding="utf-8")
    subprocess.run([PROGRAMS / "lamplighter", "run", run_file, "-o", folder / "made", "-q"], check=True)
    plain = folder / "plain"
    found: dict[str, list[tuple[float, float]]] = {"lamplighter run": [], "lmp": []}
    for _ in range(turns):
        for name, times in found.items():
            if name == "lmp":
                shutil.rmtree(plain, ignore_errors=True)
                shutil.copytree(folder / "made", plain, ignore=shutil.ignore_patterns("thermo.csv", "*.bin", "log*"))
                with_compiled(plain / "in.lammps", model)
                times.append(first_values([PROGRAMS / "lmp", "-in", "in.lammps", "-screen", "none"], plain, plain))
            else:
                shutil.rmtree(folder / "again", ignore_errors=True)
                command: list[str | Path] = [PROGRAMS / "lamplighter", "run", run_file, "-o", folder / "again", "-q"]
                times.append(first_values(command, folder, folder / "again"))
    return found


def content(model: Path) -> dict[str, object]:
    return {
        "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": {"models": [str(model)]},
        "velocities": "300 K",
        "stages": [{"type": "nvt", "temperature": "300 K", "length": "20 steps"}],
        "output": {"thermo": "1 steps"},
    }


def with_compiled(script: Path, model: Path) -> None:
    """The script that plain `lmp` can carry out: it has no Python to look into the cache."""
    compiled = compiled_cache.find([model], ELEMENTS)
    assert compiled is not None, "the run has made it"
    text = script.read_text(encoding="utf-8").replace(str(model), str(compiled))
    script.write_text(re.sub(r" engine auto| kind auto| device auto", "", text), encoding="utf-8")


def first_values(command: list[str | Path], cwd: Path, run_folder: Path) -> tuple[float, float]:
    """Run a command to its end; when its table had its first values, on the clock and in processor time (s)."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], cwd=cwd, env=environment, stdout=subprocess.DEVNULL)
    found: tuple[float, float] | None = None
    while process.poll() is None and time.perf_counter() - began < LIMIT_S:
        if found is None and lines_of(run_folder / "thermo.csv") > 1:
            found = time.perf_counter() - began, processor_time(process.pid)
        time.sleep(0.005)
    process.kill()
    process.wait()
    if found is None:
        raise SystemExit(f"{command[0]} wrote no values")
    return found


def lines_of(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(found: dict[str, list[tuple[float, float]]], model: Path) -> str:
    clock = {name: statistics.median(each[0] for each in times) for name, times in found.items()}
    processor = {name: statistics.median(each[1] for each in times) for name, times in found.items()}
    ratio = statistics.median(a[0] / b[0] for a, b in zip(*found.values(), strict=True))
    machine = provenance.machine([])
    lines = [
        "# Time to the first step",
        "",
        f"`python benchmarks/first_step.py`: {model.name}, 160 atoms, compiled before; medians of "
        f"{len(found['lmp'])} turns, in turn. {machine['cpu']}, {machine['logical_cores']} cores, "
        f"load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| | on the clock (s) | of the processor (s) |",
        "|---|---|---|",
        *(f"| `{name}` | {clock[name]:.2f} | {processor[name]:.2f} |" for name in found),
        "",
        f"Median of the paired ratios on the clock: {ratio:.2f}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
