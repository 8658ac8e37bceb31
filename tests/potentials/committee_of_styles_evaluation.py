"""What `pair_style lamplighter/committee` finds. `… OUT.npz SETUP STYLE COEFF [COEFF …]`, alone or under mpirun.

SETUP are commands before the structure is read (`newton off`), separated by `;`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.io.lammpsdata import write_lammps_data
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent))
from lammps_evaluation import open_lammps

out, setup, style, *coeffs = sys.argv[1:]
comm = MPI.COMM_WORLD
atoms = bulk("Cu", cubic=True, a=3.7).repeat(4)
atoms.rattle(0.15, seed=3)
path = Path(out).with_suffix(".data")
if comm.rank == 0:
    write_lammps_data(path, atoms, masses=True)
comm.barrier()

lmp = open_lammps()
lmp.commands_string("units metal\natom_modify map yes\n" + setup.replace(";", "\n") + f"\nread_data {path}")
lmp.commands_string(f"pair_style {style}\n" + "".join(f"pair_coeff {coeff}\n" for coeff in coeffs))
is_committee = "lamplighter/committee" in style
lmp.commands_string(
    "compute e all pe/atom\ncompute s all stress/atom NULL pair\ncompute sum all reduce sum c_e c_s[1] c_s[4]\n"
    "thermo_style custom step pe pxx pyy pzz pxy pxz pyz c_sum[1]\nthermo_modify norm no"
)
if is_committee:
    lmp.commands_string("compute c all pair lamplighter/committee\nfix v all pair 1 lamplighter/committee variance 0")
    lmp.commands_string("thermo_style custom step pe pxx pyy pzz pxy pxz pyz c_sum[1] c_c[1]\nthermo_modify norm no")
lmp.command("run 0 post no")
n = len(atoms)


def forces() -> np.ndarray:
    return np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3)


found = {
    "forces": forces(),
    "energy": np.array(lmp.get_thermo("pe")),
    "pressure": np.array([lmp.get_thermo(name) for name in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")]),
    "energies": np.array(lmp.gather("c_e", 1, 1)),
    "virials": np.array(lmp.gather("c_s", 1, 6)).reshape(n, 6),
}
if is_committee:
    found["numbers"] = np.array([lmp.extract_compute("c", 0, 1)[k] for k in range(10)])
    found["variance"] = np.array(lmp.gather("f_v", 1, 1))
# steps between evaluations, in which the driver is alone
lmp.commands_string("velocity all create 600 5 loop all\nfix move all nve\ntimestep 0.002\nrun 7 post no")
found["later_forces"] = forces()
if is_committee:
    found["later_step"] = np.array(lmp.extract_compute("c", 0, 1)[6])
if comm.rank == 0:
    np.savez(out, **found)
