"""Ions of ionic liquids have the energies and forces that their authors' own program and OpenMM give them.

`ionic_liquids.json` was made by fftool, the program of CL&P's authors (github.com/paduagroup/fftool, 2026-04-01, with
`il.ff` and the shapes of github.com/paduagroup/clandp of 2025-12-19, constrained bonds as harmonic ones), which wrote
topologies of GROMACS, and by OpenMM 8.6, which read and evaluated these (reference platform; PME to 1e-6, cutoff 9 Å,
no tail correction in the periodic box). Dihedrals and impropers are one number there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

pytest.importorskip("rdkit")
pytest.importorskip("moltemplate")

sys.path.insert(0, str(Path(__file__).parent))
import electrolytes

from lamplighter.driver.classical_frames import ClassicalFrameEvaluator
from lamplighter.driver.evaluation import open_evaluator
from lamplighter.errors import ConfigError
from lamplighter.potentials.classical.typed_molecule import typed_molecule
from lamplighter.structures.molecule_list import MoleculeList

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent / "ionic_liquids.json").read_text(encoding="utf-8"))
RELATIVE = 1e-4
CHARGES = {"TFSI": -1, "FSI": -1, "BF4": -1, "EMIM": 1, "BMIM": 1}


@pytest.mark.parametrize("name", REFERENCE)
def test_energies_of_each_term_and_forces_are_those_of_the_authors_program_and_openmm(
    name: str, tmp_path: Path
) -> None:
    wanted = REFERENCE[name]
    components = [
        electrolytes.kind(each).component.model_copy(update={"molecules": n}) for each, n in wanted["molecules"]
    ]
    molecules = MoleculeList(components=components)
    atoms = Atoms(molecules.numbers(), wanted["positions_A"], cell=wanted["cell"], pbc=wanted["cell"] is not None)
    keys = {"cutoff": "9 A", "kspace_accuracy": 1e-7}
    with open_evaluator(electrolytes.potential(tmp_path, molecules, **keys), sorted(set(atoms.symbols))) as evaluator:
        assert isinstance(evaluator, ClassicalFrameEvaluator)
        ours = evaluator.compute(atoms)
        parts = evaluator.parts
    found = {
        "bond": parts["bond"],
        "angle": parts["angle"],
        "torsion": parts["dihedral"] + parts["improper"],
        "van der Waals": parts["van der Waals"] - parts["tail"],
        "Coulomb": parts["Coulomb"] + parts["k-space"],
    }
    for part, energy in wanted["energies_eV"].items():
        assert found[part] == pytest.approx(energy, rel=RELATIVE, abs=1e-9), part
    forces = np.array(wanted["forces_eV_A"])
    np.testing.assert_allclose(ours.forces, forces, atol=RELATIVE * np.abs(forces).max())


def test_charges_of_ions_add_up_and_each_names_its_paper() -> None:
    for name, charge in CHARGES.items():
        component = electrolytes.kind(name).component
        ion = typed_molecule(component.mapped_smiles, name, charge, "opls-aa", 0.8)
        assert sum(ion.charges) == pytest.approx(0.8 * charge, abs=1e-12)
        assert ion.sources
        assert all("zenodo.593705" in each for each in ion.sources)


def test_ions_that_the_data_set_was_not_made_for_are_refused() -> None:
    """A propyl chain, a protonated ring, and a sulfonylimide of two different halves."""
    from rdkit import Chem

    for smiles in ("CCCn1cc[n+](C)c1", "C[n+]1cc[nH]c1", "O=S(=O)(F)[N-]S(=O)(=O)C(F)(F)F"):
        molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
        for atom in molecule.GetAtoms():
            atom.SetAtomMapNum(atom.GetIdx() + 1)
        with pytest.raises(ConfigError, match="no type here for"):
            typed_molecule(Chem.MolToSmiles(molecule), "other", Chem.GetFormalCharge(molecule), "opls-aa")
