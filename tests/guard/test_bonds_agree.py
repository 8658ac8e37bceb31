"""The bonds of `fix guard` are those of the Python part: two statements of one rule, on systems that try all of it."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from tests.conftest import PROGRAMS, Run

from lamplighter.analysis.bonding import BondRule
from lamplighter.bond_words import read_bond_words
from lamplighter.structures.bond_files import read_bond_list

pytestmark = pytest.mark.mpi


def crowd(symbols: str, n: int, seed: int) -> Atoms:
    """Atoms of many elements at random, none nearer than 0.9 Å, in a tilted box."""
    random = np.random.default_rng(seed)
    cell = np.array([[15.0, 0, 0], [2.0, 14.5, 0], [-1.5, 1.0, 15.5]])
    atoms = Atoms(cell=cell, pbc=True)
    elements = symbols.split()
    places: list[np.ndarray] = []
    while len(places) < n:
        place = random.random(3)
        away = np.array([place - other for other in places]).reshape(-1, 3)
        away -= np.round(away)
        if not len(away) or (np.linalg.norm(away @ cell, axis=1) > 0.9).all():
            places.append(place)
    made = Atoms([elements[k] for k in random.integers(len(elements), size=n)], cell=atoms.cell, pbc=True)
    made.set_scaled_positions(places)
    return made


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        ("H H C C O O N F Cl Si Zn Li La Pt Al Cs", ""),
        ("O Cl F H Ti Li Na Mg Cu Cu Cu Au", "ions auto"),
        ("H C O Zn Li Fe Cl", "unbonded 'C-O Cl' bonded 'Zn-O, FAR'"),
        ("H C O Zn Li Fe", "ions none tolerance 1.2"),
    ],
)
def test_bonds_of_the_fix_are_those_of_python(run: Run, tmp_path: Path, symbols: str, words: str, ranks: int) -> None:
    atoms = crowd(symbols, 220, len(symbols))
    order = sorted(set(atoms.symbols))
    apart = atoms.get_all_distances(mic=True)[0]
    far = f"1-{int(np.flatnonzero((apart > 3.3) & (apart < 5.0))[0]) + 1}"
    words = words.replace("FAR", far)
    ase.io.write(tmp_path / "crowd.data", atoms, format="lammps-data", specorder=order, masses=True)
    (tmp_path / "in.lmp").write_text(
        "units metal\natom_style atomic\natom_modify map yes\nread_data crowd.data\n"
        "pair_style zero 7.4\npair_coeff * *\ncomm_modify cutoff 12\n"
        f"fix g all guard 1 bond stretch 0.5 action record elements {' '.join(order)} list bonds.txt {words}\nrun 0\n"
    )
    done = run([PROGRAMS / "mpirun", "-n", str(ranks), PROGRAMS / "lmp", "-in", "in.lmp", "-log", "none"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    rule = BondRule(
        ions="none" if "none" in words else "auto",
        tolerance=1.2 if "1.2" in words else 1.15,
        unbonded=read_bond_words(["C-O", "Cl"] if "unbonded" in words else []),
        bonded=read_bond_words(["Zn-O", far] if "unbonded" in words else []),
    )
    atoms = ase.io.read(tmp_path / "crowd.data", format="lammps-data", atom_style="atomic")  # its own box
    pairs, _ = rule.find(atoms.positions, atoms.numbers.astype(np.int64), atoms.cell.array, np.ones(3, dtype=bool))
    listed = [(first - 1, second - 1) for first, second, _ in read_bond_list(tmp_path / "bonds.txt")]
    assert sorted(listed) == sorted(map(tuple, pairs.tolist()))
    radii_alone, _ = BondRule(ions="none", tolerance=rule.tolerance).find(
        atoms.positions, atoms.numbers.astype(np.int64), atoms.cell.array, np.ones(3, dtype=bool)
    )
    assert (len(pairs) < len(radii_alone)) == (rule.ions == "auto")
