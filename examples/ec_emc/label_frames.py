"""Label existing periodic frames with GFN2-xTB, e.g. frames of a run, to test the models on them.

Example:  python label_frames.py trajectory.xyz labelled.xyz --every 2 --name run
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ase.io import read, write
from generate_frames import label
from molecules import density


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("frames", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--name", default="run", help="kept as `trajectory` and config_type liquid_<name>")
    arguments = parser.parse_args()
    labelled = []
    for frame in read(arguments.frames, f"::{arguments.every}"):
        result = label(frame)
        result.info |= {
            "config_type": f"liquid_{arguments.name}",
            "trajectory": arguments.name,
            "density": round(density(result), 4),
        }
        labelled.append(result)
        write(arguments.output, labelled, format="extxyz")
        print(f"{len(labelled)}: {result.info['energy_xtb']:.4f} eV", flush=True)


if __name__ == "__main__":
    main()
