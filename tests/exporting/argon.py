"""A run of argon with LAMMPS' own Lennard-Jones, in the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.build
import ase.io
import yaml

LENNARD_JONES = {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]}
NVT = {"type": "nvt", "temperature": "90 K", "length": "40 steps"}
NPT = {"type": "npt", "temperature": "90 K", "pressure": "1 bar", "length": "40 steps"}


def argon_run(path: str = "lj.yaml", **sections: Any) -> Path:
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3)
    atoms.rattle(0.05, seed=1)
    ase.io.write("argon.xyz", atoms)
    content = {
        "structure": "argon.xyz",
        "potential": LENNARD_JONES,
        "timestep": "2 fs",
        "output": {"thermo": "10 steps", "trajectory": "20 steps", "restart": "20 steps"},
        "stages": [{"type": "minimise", "max_steps": 20},
                   {**NVT, "temperature": ["60 K", "90 K"], "thermostat": "svr"},
                   NPT],
        **sections,
    }  # fmt: skip
    Path(path).write_text(yaml.safe_dump(content))
    return Path(path)
