"""Merge labelled frames into `data/liquid_train.xyz` and `data/liquid_test.xyz` by whole trajectories.

Frames of one trajectory are alike, so a trajectory is either trained on or held out, never both.
Frames that hold other molecules than EC and EMC (a packing fused two of them) are dropped.

Example:  python split_frames.py round1.xyz round2.xyz --held-out 0.12
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from molecules import find_molecules

HERE = Path(__file__).parent
SPECIES = {"C3H4O3", "C4H8O3"}  # EC, EMC


def intact(atoms: Atoms) -> bool:
    """Whether the frame holds only EC and EMC molecules."""
    return {atoms[m].get_chemical_formula() for m in find_molecules(atoms)} <= SPECIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", help="output of generate_frames.py")
    parser.add_argument("--held-out", type=float, default=0.12, help="share of trajectories")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    frames = [a for path in arguments.files for a in read(path, ":")]
    kept = [a for a in frames if intact(a)]
    names = sorted({a.info["trajectory"] for a in kept})
    order = np.random.default_rng(arguments.seed).permutation(len(names))
    test = {names[k] for k in order[: round(arguments.held_out * len(names))]}
    for frame in kept:
        frame.positions = np.round(frame.positions, 6)
        frame.info["stress_xtb"] = np.ravel(frame.info["stress_xtb"])
    parts = {
        "liquid_train.xyz": [a for a in kept if a.info["trajectory"] not in test],
        "liquid_test.xyz": [a for a in kept if a.info["trajectory"] in test],
    }
    for name, part in parts.items():
        write(HERE / "data" / name, part, format="extxyz")
        print(f"{name}: {len(part)} frames, {sum(len(a) for a in part)} atoms")
    print(f"dropped {len(frames) - len(kept)} of {len(frames)} frames")


if __name__ == "__main__":
    main()
