"""A Lennard-Jones liquid (108 argon atoms, ρ* = 0.80, T* = 1), run in LAMMPS: what tests of observables share.

σ = 3.405 Å, ε = 0.0104 eV, cut at 2.5 σ, steps of 8 fs.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

N_ATOMS, EDGE_A, TEMPERATURE_K, TIMESTEP_PS = 108, 17.466, 120.7, 0.008

_SYSTEM = f"""
units           metal
lattice         fcc {EDGE_A / 3}
region          box block 0 3 0 3 0 3
create_box      1 box
create_atoms    1 box
mass            1 39.948
pair_style      lj/cut 8.5
pair_coeff      1 1 0.0104 3.405
timestep        {TIMESTEP_PS}
velocity        all create {2 * TEMPERATURE_K} SEED loop geom
fix             integrate all nvt temp {TEMPERATURE_K} {TEMPERATURE_K} 0.4
run             1500
unfix           integrate
reset_timestep  0
"""

_NVE = """
velocity        all scale 120.7
fix             integrate all nve
compute         msd all msd com yes
thermo          10
thermo_style    custom step c_msd[4] temp
thermo_modify   format float %.15g
dump            all all custom 10 argon.dump id type element xu yu zu vx vy vz
dump_modify     all element Ar sort id format float %.15g
run             20000
"""

_NPT = """
fix             integrate all npt temp 120.7 120.7 0.4 iso PRESSURE PRESSURE 1.0
run             1500
reset_timestep  0
thermo          10
thermo_style    custom step vol temp
thermo_modify   format float %.12g
run             12000
"""


@dataclass(frozen=True)
class Table:
    """What LAMMPS printed, a row each time; `columns` as in `thermo_style`."""

    rows: np.ndarray
    folder: Path


def constant_energy(folder: Path) -> Table:
    """160 ps: rows of step, `compute msd … com yes` (Å²) and temperature; in `argon.dump` frames 0.08 ps apart."""
    return _run(folder, _SYSTEM.replace("SEED", "1") + _NVE, 3)


def constant_pressure(folder: Path, pressure_bar: float) -> Table:
    """96 ps after equilibration: rows of step, volume (Å³), temperature, 0.08 ps apart."""
    return _run(folder, _SYSTEM.replace("SEED", "2") + _NPT.replace("PRESSURE", f"{pressure_bar:g}"), 3)


def _run(folder: Path, script: str, columns: int) -> Table:
    (folder / "in.lj").write_text(script)
    program = Path(sys.prefix) / "bin" / "lmp"
    command = [str(program), "-in", "in.lj", "-log", "log"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout
    lines = [line.split() for line in (folder / "log").read_text().splitlines()]
    begins = max(place for place, words in enumerate(lines) if words[:1] == ["Step"])
    ends = next(place for place in range(begins, len(lines)) if lines[place][:1] == ["Loop"])
    rows = np.array([[float(word) for word in words] for words in lines[begins + 1 : ends]])
    assert rows.shape[1] == columns
    return Table(rows, folder)
