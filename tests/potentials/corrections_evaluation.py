"""Potentials with and without what is added to them, in LAMMPS: `corrections_evaluation.py OUT.npz`, also under mpirun.

Each is given as a run file gives it; the added parts are evaluated alone, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import load, open_lammps

import structures
from lamplighter.config import PotentialSection
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.driver.preflight import CheckedPotential

MODELS = [str(structures.EXAMPLE / "models" / f"ec_emc_{k}.model") for k in range(2)]
DISPERSION = {"functional": "pbe", "cutoff": "11 A", "coordination_cutoff": "9 A"}
ZBL = {"inner": "0.6 A", "outer": "1.5 A"}  # beyond bond lengths, so that it counts
LJ = ["pair_style lj/cut 5.0", "pair_coeff * * 0.01 2.6"]
MORSE = ["pair_style morse 5.5", "pair_coeff * * 0.02 1.4 2.9"]
KEYWORDS = "committee every 3 drive 2"
EVERY = {"dispersion": DISPERSION, "zbl": ZBL}

GIVEN: dict[str, tuple[dict[str, object], str]] = {
    "model": ({"models": MODELS[:1]}, ""),
    "model + both": ({"models": MODELS[:1], **EVERY}, ""),
    "model + far dispersion": ({"models": MODELS[:1], "dispersion": "pbe"}, ""),
    "committee": ({"models": MODELS}, KEYWORDS),
    "committee + both": ({"models": MODELS, **EVERY}, KEYWORDS),
    "styles": ({"members": [LJ, MORSE]}, KEYWORDS),
    "styles + both": ({"members": [LJ, MORSE], **EVERY}, KEYWORDS),
}


def setup_of(section: dict[str, object], keywords: str = "") -> PairSetup:
    checked = CheckedPotential(PotentialSection.model_validate(section), MPI.COMM_WORLD.size)
    return pair_setup(checked, structures.ELEMENTS, keywords)


def alone(name: str) -> list[str]:
    """The lines of an added part without the potential that it is added to."""
    lines = setup_of({"models": MODELS[:1], **EVERY}).lines
    words = lines[0].split()
    begin = words.index(name)
    end = words.index("zbl") if name != "zbl" else len(words)
    coefficients = [line.split() for line in lines[1:] if name in line.split()]
    return [
        f"pair_style {' '.join(words[begin:end])}",
        *(" ".join(word for word in line if word != name) for line in coefficients),
    ]


def evaluate(lmp, lines: list[str], committee: str) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    load(lmp, structures.liquid(), "zero 5.0", "")
    lmp.commands_string("\n".join(lines))
    columns = "step pe pxx pyy pzz pxy pxz pyz"
    if committee:
        style = committee
        lmp.commands_string(f"compute c all pair {style}\nfix v all pair 1 {style} variance 0")
        lmp.command("fix g all guard 1 variance 1e-9 action record event events.jsonl")
        columns += " c_c[1]"
    lmp.commands_string(f"thermo_style custom {columns}\nthermo_modify norm no\nrun 0 post no")
    n = len(structures.liquid())
    found = {
        "energy": np.array(lmp.get_thermo("pe")),
        "forces": np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3),
        "pressure": np.array([lmp.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")]),
    }
    if committee:
        found["numbers"] = np.array([lmp.extract_compute("c", 0, 1)[k] for k in range(12)])
        found["variance"] = np.array(lmp.gather("f_v", 1, 1))
        found["guard"] = np.array(lmp.extract_fix("g", 0, 0))
    return found


def main() -> None:
    lmp = open_lammps()
    results = {name: evaluate(lmp, alone(name), "") for name in ("dispersion/d3", "zbl")}
    for name, (section, keywords) in GIVEN.items():
        setup = setup_of(section, keywords)
        results[name] = evaluate(lmp, list(setup.lines), setup.style if keywords else "")
    if MPI.COMM_WORLD.rank == 0:
        flat = {f"{name}|{key}": value for name, found in results.items() for key, value in found.items()}
        np.savez(sys.argv[1], **flat)


if __name__ == "__main__":
    main()
