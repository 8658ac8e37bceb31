"""Clusters in which single bonds are much too short or too long: `compressed_frames.xyz`.

python compress_clusters.py
lamplighter label compressed_frames.xyz --method gfn2 -o compressed.xyz             # a fifth of a second a frame

A tenth of the test clusters of ../ec_emc have bonds such as C=O of 1.0 Å, with forces beyond 15 eV/Å, and carry more
than half of a model's squared error. Frames of the training clusters' molecular dynamics get such bonds here: one bond
in twelve has 0.75 to 0.95 or 1.05 to 1.25 of its length, and all atoms are displaced by 0.02 Å.
"""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.neighborlist import natural_cutoffs, neighbor_list

HERE = Path(__file__).parent
FROM = HERE.parent / "ec_emc" / "data" / "clusters_md.xyz"
FRAMES = 250
SHARE = 1 / 12
DISPLACED = 0.02  # Å, standard deviation


def compressed(cluster: Atoms, rng: np.random.Generator) -> Atoms:
    """The cluster with some of its bonds at another length; both atoms of a bond move, the lighter one farther."""
    made = Atoms(cluster.numbers, cluster.positions)
    first, second, vectors = neighbor_list("ijD", made, natural_cutoffs(made, mult=1.15))
    for i, j, vector in zip(first, second, vectors, strict=True):
        if i < j and rng.random() < SHARE:
            low, high = (0.75, 0.95) if rng.random() < 0.7 else (1.05, 1.25)
            longer = (rng.uniform(low, high) - 1) * vector
            share = made.get_masses()[i] / (made.get_masses()[i] + made.get_masses()[j])
            made.positions[j] += share * longer
            made.positions[i] -= (1 - share) * longer
    made.positions += rng.normal(0, DISPLACED, made.positions.shape)
    return made


def main() -> None:
    """Write the frames, from clusters drawn at random."""
    rng = np.random.default_rng(17)
    clusters = ase.io.read(FROM, ":")
    drawn = sorted(rng.choice(len(clusters), FRAMES, replace=False))
    ase.io.write("compressed_frames.xyz", [compressed(clusters[k], rng) for k in drawn])
    print(f"compressed_frames.xyz: {FRAMES} frames")


if __name__ == "__main__":
    main()
