"""Every second frame of the production runs of boiling.yaml, in `boiling_frames.xyz`, with the density that each is of.

python boiling_frames.py
"""

from __future__ import annotations

from pathlib import Path

import ase.io
from ase import Atoms

import lamplighter as ll


def main() -> None:
    """Write the frames of the four runs to one file, for `lamplighter label`."""
    found = []
    for folder in sorted(Path("boiling").glob("start*")):
        run = ll.open_run(folder)
        begin, end = run.stages.interval_ps(run.stages[-1])
        frames = [each for each in run.trajectory if begin < (each.time_ps or 0.0) <= end]
        for each in frames[1::2]:
            frame = Atoms(each.numbers, each.positions, cell=each.cell, pbc=True)
            found.append(frame)
            frame.info["density"] = folder.name.removeprefix("start")
    ase.io.write("boiling_frames.xyz", found)
    print(f"boiling_frames.xyz: {len(found)} frames")


if __name__ == "__main__":
    main()
