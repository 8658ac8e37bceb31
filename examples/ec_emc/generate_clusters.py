"""Strained copies of the training clusters, labelled with GFN2-xTB (energy_xtb eV, forces_xtb eV/Å).

The cluster sets hold a few per cent of strongly strained geometries (forces of 4-8 eV/Å rms), which
dominate the force error and are too few in 200 clusters to be learnt. Each copy here is a training
cluster whose atoms are displaced at random (normal, standard deviation drawn from 0.01-0.06 Å)
and whose molecules are scaled about their centres by a factor of 1 ± 0.015 (normal). No test
cluster is used. A tenth of a second of labelling each.

Example:  python generate_clusters.py --copies 2 --output data/clusters_strained.xyz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from tblite.ase import TBLite

HERE = Path(__file__).parent


def strain(cluster: Atoms, rng: np.random.Generator) -> Atoms:
    """A copy with scaled molecules and randomly displaced atoms."""
    copy = Atoms(cluster.numbers, cluster.positions)
    for molecule in np.unique(cluster.arrays["molID"]):
        members = cluster.arrays["molID"] == molecule
        centre = copy.positions[members].mean(axis=0)
        copy.positions[members] += rng.normal(0, 0.015) * (copy.positions[members] - centre)
    copy.positions += rng.normal(0, rng.uniform(0.01, 0.06), copy.positions.shape)
    return copy


def label_cluster(cluster: Atoms, largest_force: float, **info: object) -> Atoms | None:
    """A clean copy with GFN2-xTB energy and forces and `info`; None if a force component is beyond `largest_force`."""
    bare = Atoms(cluster.numbers, cluster.positions)
    bare.calc = TBLite(method="GFN2-xTB", verbosity=0)
    energy, forces = bare.get_potential_energy(), bare.get_forces()
    if np.abs(forces).max() > largest_force:
        return None
    result = Atoms(cluster.numbers, np.round(cluster.positions, 6))
    result.info |= {**info, "energy_xtb": energy}
    result.arrays["forces_xtb"] = np.round(forces, 6)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=2, help="of every training cluster")
    parser.add_argument("--largest-force", type=float, default=40.0, help="eV/Å; drop beyond")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    clusters = [a for a in read(HERE / "data" / "xtb_train.xyz", ":") if len(a) > 1]
    labelled = []
    for cluster in clusters * arguments.copies:
        result = label_cluster(
            strain(cluster, rng), arguments.largest_force, config_type="cluster_strained", Comp=cluster.info["Comp"]
        )
        if result is not None:
            labelled.append(result)
    write(arguments.output, labelled, format="extxyz")
    strengths = [a.arrays["forces_xtb"].std() for a in labelled]
    print(f"{len(labelled)} clusters, force rms per cluster: {np.percentile(strengths, [5, 50, 95])}")


if __name__ == "__main__":
    main()
