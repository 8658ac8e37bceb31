"""What CMake asks of Python: `python -m lamplighter.plugin.describe_build SOURCES OUTPUT_FOLDER`.

Writes `built_for.h` and `lamplighterplugin.json` into the folder and prints three lines: LAMMPS' headers, its
compile definitions separated by commas, the folder of mpi.h.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .fingerprint import DESCRIPTION, c_header, fingerprint_for
from .installed_lammps import find_installed_lammps
from .mpi_header import find_mpi_include
from .problem import PluginProblem


def main(sources: Path, output: Path) -> None:
    lammps = find_installed_lammps()
    mpi_include = find_mpi_include()
    fingerprint = fingerprint_for(lammps, sources)
    output.mkdir(parents=True, exist_ok=True)
    (output / "built_for.h").write_text(c_header(lammps, fingerprint), encoding="utf-8")
    (output / DESCRIPTION).write_text(fingerprint.to_json() + "\n", encoding="utf-8")
    print(lammps.include, ",".join(lammps.definitions), mpi_include, sep="\n")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except PluginProblem as problem:
        raise SystemExit(
            f"Lamplighter's LAMMPS plugin cannot be built: {problem.reason}.\nRemedy: {problem.remedy}."
        ) from None
