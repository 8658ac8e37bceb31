"""Molecular dynamics of the training clusters in vacuum, labelled with GFN2-xTB (energy_xtb eV, forces_xtb eV/Å).

Two hundred clusters hold few conformations. Each trajectory starts from a training cluster, runs Langevin dynamics
(0.5 fs) at a temperature drawn from 300-2000 K with a first model, by the native engine, and gives a frame every
0.1 ps; hot frames stretch and bend bonds together, as the strongly strained clusters of the data set do. A
trajectory ends when a bond breaks. No test cluster is used.

Example:  python generate_cluster_md.py --model models/ec_emc_0.model --output data/clusters_md.xyz
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from generate_clusters import label_cluster
from molecules import longest_bond_stretch

from lamplighter.potentials.native import NativeMace, compile_files

HERE = Path(__file__).parent
LONGEST_STRETCH = 0.7  # Å beyond the first frame's bond: hot, not broken


class NativeCalculator(Calculator):  # type: ignore[misc]
    """The native engine for ASE's dynamics of clusters in vacuum."""

    implemented_properties = ("energy", "forces")

    def __init__(self, native: NativeMace) -> None:
        super().__init__()
        self.native = native

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):  # type: ignore[no-untyped-def]
        super().calculate(atoms, properties, system_changes)
        found = self.native.evaluate(self.atoms)
        self.results = {"energy": found.energy, "forces": found.forces}


def trajectory(
    cluster: Atoms, native: NativeMace, temperature: float, frames: int, rng: np.random.Generator
) -> list[Atoms]:
    """Up to `frames` frames, 0.1 ps apart, with the molecules that it began with."""
    atoms = Atoms(cluster.numbers, cluster.positions)
    start = atoms.copy()
    atoms.calc = NativeCalculator(native)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng)
    kept: list[Atoms] = []
    while len(kept) < frames:
        dynamics.run(200)
        if longest_bond_stretch(atoms, start) > LONGEST_STRETCH:
            break
        kept.append(atoms.copy())
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="MACE model that drives the dynamics")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=4, help="of every training cluster")
    parser.add_argument("--temperature", type=float, nargs=2, default=(300, 2000), metavar="K")
    parser.add_argument("--largest-force", type=float, default=50.0, help="eV/Å; drop beyond")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        compile_files([arguments.model], Path(folder) / "model.lamp")
        native = NativeMace(Path(folder) / "model.lamp")
    labelled = []
    for cluster in [a for a in read(HERE / "data" / "xtb_train.xyz", ":") if len(a) > 1]:
        temperature = rng.uniform(*arguments.temperature)
        for frame in trajectory(cluster, native, temperature, arguments.frames, rng):
            frame.positions = np.round(frame.positions, 6)
            result = label_cluster(
                frame,
                arguments.largest_force,
                config_type="cluster_md",
                Comp=cluster.info["Comp"],
                temperature=round(temperature),
            )
            if result is not None:
                labelled.append(result)
    write(arguments.output, labelled, format="extxyz")
    strengths = [a.arrays["forces_xtb"].std() for a in labelled]
    print(f"{len(labelled)} clusters, force rms per cluster: {np.percentile(strengths, [5, 50, 95])}")


if __name__ == "__main__":
    main()
