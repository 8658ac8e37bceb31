"""Forces, energy and stress in LAMMPS on a device against mace-torch on the CPU: of a frame, and some steps later.

    mpirun -n 2 python benchmarks/gpu/parity.py --device cuda --dtype float64

One line of JSON on rank 0: the largest differences of both frames. The exit status is 1 where forces are beyond the
limit, 1e-8 eV/Å in float64, 1e-3 eV/Å in float32, unless another is given; it is of the largest force where that is
below 1 eV/Å, as in models of random weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import liquid

from lamplighter.driver import environment
from lamplighter.driver.session import Session
from lamplighter.model_files import mace_package, trust

LIMITS = {"float64": 1e-8, "float32": 1e-3}  # eV/Å
BAR = 1.602176634e6  # in eV/Å³
STEPS = 30


def state(session: Session, atoms: Atoms) -> dict[str, Any]:
    """Positions, forces, energy and pressure tensor that LAMMPS has now, in eV and Å, in the order of ids."""
    gather = session.lammps.gather_atoms
    pressure = [float(session.lammps.get_thermo(name)) for name in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")]
    return {
        "positions": np.array(gather("x", 1, 3)).reshape(-1, 3),
        "forces": np.array(gather("f", 1, 3)).reshape(-1, 3),
        "energy": float(session.lammps.get_thermo("pe")),
        "stress": -np.array(pressure) / BAR,
    }


def differences(atoms: Atoms, model: Path, found: dict[str, Any]) -> dict[str, float]:
    """Differences from mace-torch in float64 on the CPU at the same positions; stress without the kinetic part."""
    mace_package.load()
    there = Atoms(atoms.numbers, found["positions"], cell=atoms.cell, pbc=True)
    with mace_package.quiet(), mace_package.as_mace_wants():
        from mace.calculators import MACECalculator

        there.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
    return {
        "largest_force_eV_A": float(np.abs(there.get_forces()).max()),
        "forces_eV_A": float(np.abs(there.get_forces() - found["forces"]).max()),
        "energy_eV_atom": abs(there.get_potential_energy() - found["energy"]) / len(atoms),
        "stress_eV_A3": float(np.abs(there.get_stress() - found["stress"]).max()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=LIMITS, default="float64")
    parser.add_argument("--engine", default="bridge")
    parser.add_argument("--size", type=int, default=640, help="atoms: a multiple of 160 (default: 640)")
    parser.add_argument("--model", type=Path, default=liquid.MODEL)
    parser.add_argument("--limit", type=float, help="of forces, eV/Å")
    given = parser.parse_args()
    limit = LIMITS[given.dtype] if given.limit is None else given.limit
    env = environment.prepare(1)
    trust.allow([trust.sha256(given.model)])
    atoms = liquid.build(given.size)
    atoms.set_momenta(0 * atoms.get_momenta())  # so that the pressure is that of the model
    folder = Path(env.comm.bcast(tempfile.mkdtemp(prefix="parity-") if env.is_first else ""))
    if env.is_first:
        liquid.write(atoms, folder)
    env.comm.Barrier()
    model = given.model.resolve()
    commands = liquid.lammps_commands(folder, liquid.elements(atoms), model, given.dtype, given.device, given.engine)
    log = folder / "log.lammps"
    with Session(env, ["-log", str(log), "-screen", "none"]) as session:
        for line in commands:
            session.command(line)
        states = [state(session, atoms)]
        session.command(f"velocity all create {liquid.TEMPERATURE} 7 mom yes")
        session.command(f"run {STEPS} post no")
        session.command("velocity all set 0 0 0")
        session.command("run 0 post no")
        states.append(state(session, atoms))
    if not env.is_first:
        return 0
    opened = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("pair lamplighter:")]
    shutil.rmtree(folder)
    found = [differences(atoms, model, each) for each in states]
    said = {
        "device": given.device,
        "dtype": given.dtype,
        "engine": given.engine,
        "ranks": env.ranks,
        "opened": opened,
        "atoms": len(atoms),
        "limit_forces_eV_A": limit,
        "first_frame": found[0],
        f"after_{STEPS}_steps": found[1],
    }
    print(json.dumps(said), flush=True)
    # also where one is no number
    return int(not all(each["forces_eV_A"] <= limit * min(1.0, each["largest_force_eV_A"]) for each in found))


if __name__ == "__main__":
    sys.exit(main())
