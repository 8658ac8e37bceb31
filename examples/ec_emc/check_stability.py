"""NPT (or NVT) of a start frame with one model: does the liquid hold?

Prints time (ps), temperature (K), density (g/cm³) and the largest lengthening of a bond of the
relaxed start (Å) every 50 fs. Fails, by the definition of trajectory stability, when a bond is
more than 0.5 Å longer or the density leaves 0.2-2.0 g/cm³. MTK barostat and Nosé-Hoover chains, 0.5 fs.

Example:  python check_stability.py --frame structures/ec_emc_160.xyz --time 5
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import mace  # noqa: F401  (before e3nn, which its import patches)
import numpy as np
import torch
from ase import units
from ase.io import read, write
from ase.md.nose_hoover_chain import IsotropicMTKNPT, NoseHooverChainNVT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from generate_frames import ONE_ATM, TIMESTEP_FS
from mace.calculators import MACECalculator
from molecules import density, longest_bond_stretch

HERE = Path(__file__).parent
LOOK_EVERY = 100  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=HERE / "models" / "ec_emc_0.model")
    parser.add_argument("--frame", type=Path, default=HERE / "structures" / "ec_emc_160.xyz")
    parser.add_argument("--ensemble", choices=("npt", "nvt"), default="npt")
    parser.add_argument("--temperature", type=float, default=500.0, help="K")
    parser.add_argument("--time", type=float, default=5.0, help="ps")
    parser.add_argument("--frames", type=Path, help="write a frame every 0.25 ps here")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    atoms = read(arguments.frame)
    start = atoms.copy()
    atoms.calc = MACECalculator(model_paths=str(arguments.model), device="cpu", default_dtype="float64")
    MaxwellBoltzmannDistribution(atoms, temperature_K=arguments.temperature, rng=np.random.default_rng(arguments.seed))
    Stationary(atoms)
    common = {
        "timestep": TIMESTEP_FS * units.fs,
        "temperature_K": arguments.temperature,
        "tdamp": 50 * units.fs,
    }
    if arguments.ensemble == "npt":
        dynamics = IsotropicMTKNPT(atoms, pressure_au=ONE_ATM, pdamp=500 * units.fs, **common)
    else:
        dynamics = NoseHooverChainNVT(atoms, **common)
    began, frames = time.time(), []
    for look in range(1, round(1000 * arguments.time / TIMESTEP_FS / LOOK_EVERY) + 1):
        dynamics.run(LOOK_EVERY)
        stretch, rho = longest_bond_stretch(atoms, start), density(atoms)
        print(
            f"{look * LOOK_EVERY * TIMESTEP_FS / 1000:.2f} ps {atoms.get_temperature():.0f} K "
            f"{rho:.3f} g/cm3 stretch {stretch:.2f} A "
            f"{(time.time() - began) / (look * LOOK_EVERY):.3f} s/step",
            flush=True,
        )
        if arguments.frames and look % 5 == 0:
            frames.append(atoms.copy())
            write(arguments.frames, frames, format="extxyz")
        if stretch > 0.5 or not 0.2 <= rho <= 2.0:
            sys.exit("failed: " + ("bond" if stretch > 0.5 else "density"))


if __name__ == "__main__":
    main()
