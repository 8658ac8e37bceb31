"""Small GAPs of EC:EMC, fitted with `gap_fit` to a few frames of the example; a fit takes about a second."""

from __future__ import annotations

from pathlib import Path

import ase.io
from ase import Atoms
from tests.conftest import PROGRAMS, run_program

import structures

PAIRS = "distance_2b cutoff=4.0 cutoff_transition_width=1.0 n_sparse=8 covariance_type=ard_se delta=1.0 \
theta_uniform=1.0 sparse_method=uniform add_species=T"
PAIRS_BY_NUMBER = "distance_Nb order=2 cutoff=4.0 n_sparse=8 covariance_type=ard_se delta=1.0 theta_uniform=1.0 \
sparse_method=uniform compact_clusters=T add_species=T"
ENVIRONMENTS = (
    "soap l_max=2 n_max=3 atom_sigma=0.5 cutoff=3.5 cutoff_transition_width=0.7 zeta=4 delta=0.3 n_sparse=10 \
covariance_type=dot_product sparse_method=cur_points add_species=T"
)
ANGLES = "angle_3b cutoff=2.5 n_sparse=8 covariance_type=ard_se delta=0.5 theta_uniform=1.0 sparse_method=random \
add_species=T"
FAST_ENVIRONMENTS = "soap_turbo l_max=2 alpha_max={{3 3 3}} atom_sigma_r={{0.5 0.5 0.5}} atom_sigma_t={{0.5 0.5 0.5}} \
atom_sigma_r_scaling={{0.0 0.0 0.0}} atom_sigma_t_scaling={{0.0 0.0 0.0}} zeta=4 rcut_hard=3.5 rcut_soft=3.0 \
basis=poly3 scaling_mode=polynomial amplitude_scaling={{1.0 1.0 1.0}} n_species=3 species_Z={{1 6 8}} \
radial_enhancement=1 compress_mode=trivial central_weight={{1.0 1.0 1.0}} add_species=F central_index=2 n_sparse=10 \
delta=0.3 covariance_type=dot_product sparse_method=cur_points"


def fit(folder: Path, *descriptors: str, first_frame: int = 0, name: str = "tiny.xml", words: str = "") -> Path:
    """Fit a GAP of some descriptors to two liquid frames and some clusters; its XML file."""
    data = structures.EXAMPLE / "data"
    clusters = ase.io.read(data / "xtb_train.xyz", ":")
    liquids = ase.io.read(data / "liquid_train.xyz", ":")[first_frame::120][:2]
    frames = [_labelled(atoms) for atoms in [*clusters[:3], *liquids, *clusters[5::60]]]
    training = folder / f"{name}.train.xyz"
    ase.io.write(training, frames)
    done = run_program(
        [
            PROGRAMS / "gap_fit",
            f"atoms_filename={training.name}",
            f"gap={{{' : '.join(descriptors)}}}",
            "default_sigma={0.001 0.1 0.1 0.0}",
            "e0_method=isolated",
            "energy_parameter_name=energy",
            "force_parameter_name=forces",
            "do_copy_at_file=F",
            "sparse_separate_file=T",
            "rnd_seed=1",
            f"gp_file={name}",
            *words.split(),
        ],
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / name


def _labelled(atoms: Atoms) -> Atoms:
    cell = atoms.cell if any(atoms.pbc) or len(atoms) == 1 else [30.0] * 3
    bare = Atoms(atoms.symbols, positions=atoms.positions, cell=cell, pbc=atoms.pbc)
    bare.info["energy"] = atoms.info["energy_xtb"]
    bare.arrays["forces"] = atoms.arrays["forces_xtb"]
    return bare
