"""A LAMMPS script without models, to compare `lamplighter lmp` with `lmp`."""

from __future__ import annotations

from pathlib import Path

import pytest

SCRIPT = """
units           metal
lattice         fcc 5.3
region          box block 0 3 0 3 0 3
create_box      1 box
create_atoms    1 box
mass            1 39.948
pair_style      lj/cut 7.0
pair_coeff      1 1 0.0104 3.4
velocity        all create 80 1 loop geom
fix             integrate all nve
variable        n index 10
print           "steps: $n"
thermo          5
run             ${n}
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """`in.argon`: ten steps (variable `n`) of argon."""
    path = tmp_path / "in.argon"
    path.write_text(SCRIPT)
    return path
