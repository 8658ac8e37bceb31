"""Run the liquid of 640 atoms at 500 K and 1 atm with each member of a committee, until it breaks or time is up.

All runs begin with the same frame and the same velocities. The guard has the criteria of t_stab (`guard: stability`: a
bond 0.5 Å longer than the mean of its kind, density outside 0.2-2.0 g/cm³); the driving member comes first in the
committee, whose force variance is recorded every 20 steps. Run it in an environment that has the framework.

Example:  python stability_runs.py deepmd --length "5 ps"
          python stability_runs.py mace --members 0 1 --length "2 ps"
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
LAMPLIGHTER = Path(sys.executable).parent / "lamplighter"
RUNS = HERE.parents[2] / "runs" / "frameworks"

#: The `kind` of a potential, and where the models of a committee are.
COMMITTEES = {
    "mace": ("mace", "../models/ec_emc_*.model"),
    "nequip": ("nequip", "models/nequip/*.nequip.zip"),
    "allegro": ("nequip", "models/allegro/*.nequip.zip"),
    "deepmd": ("deepmd", "models/deepmd/*.pb"),
    "deepmd_short": ("deepmd", "../deepmd/models/*.pb"),
    "gap": ("gap", "models/gap/*.xml"),
}


def run_file(committee: str, member: int, length: str, structure: Path) -> dict[str, Any]:
    """The run file of one member: it drives, the others are the rest of its committee.

    Raises:
        IndexError: there is no such member.
    """
    kind, pattern = COMMITTEES[committee]
    models = sorted(str(path) for path in HERE.glob(pattern))
    driving = models.pop(member)
    potential: dict[str, Any] = {"kind": kind, "models": [driving, *models]}
    if kind in ("mace", "nequip"):  # a model of DeePMD-kit or GAP has the precision that it was made in
        potential["dtype"] = "float32"
    return {
        "structure": str(structure),
        "potential": potential,
        "committee": {"every": 20},
        "timestep": "0.5 fs",
        "seed": 1,
        "velocities": "500 K",
        "guard": "stability",
        "stages": [
            {"type": "npt", "name": "liquid", "length": length, "temperature": "500 K", "pressure": "1 atm"},
        ],
        "output": {"thermo": "10 fs", "trajectory": "100 fs", "restart": "500 fs"},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("committee", choices=COMMITTEES)
    parser.add_argument("--members", type=int, nargs="+", help="default: all")
    parser.add_argument("--length", default="2 ps")
    parser.add_argument("--structure", type=Path, default=HERE.parent / "structures" / "ec_emc_640.xyz")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where the run folders go")
    arguments = parser.parse_args()

    arguments.runs.mkdir(parents=True, exist_ok=True)
    for member in arguments.members or range(len(list(HERE.glob(COMMITTEES[arguments.committee][1])))):
        folder = arguments.runs / f"{arguments.committee}_{member}"
        given = run_file(arguments.committee, member, arguments.length, arguments.structure.resolve())
        file = folder.with_suffix(".yaml")
        file.write_text(yaml.safe_dump(given, sort_keys=False))
        # a run that the guard stopped, or that LAMMPS could not go on with, is a result as well
        subprocess.run(
            [str(LAMPLIGHTER), "run", str(file), "-o", str(folder), "-q", "--threads", "1", "--trust"], check=False
        )


if __name__ == "__main__":
    main()
