"""A molecule has the types that its rules name, or is refused; a missing parameter is never made up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("rdkit")
pytest.importorskip("moltemplate")

sys.path.insert(0, str(Path(__file__).parent))
import electrolytes
from moltemplate_reference import ATOM_TYPES

from lamplighter.driver.evaluation import open_evaluator
from lamplighter.errors import ConfigError, EnvironmentProblem, StructureError
from lamplighter.potentials.classical import atom_types, moltemplate_file
from lamplighter.potentials.classical.typed_molecule import TypedMolecule, typed_molecule


def typed(name: str, scale: float = 1.0, water: str | None = None) -> TypedMolecule:
    component = electrolytes.kind(name).component
    return typed_molecule(component.mapped_smiles, name, component.charge, "opls-aa", scale, water)


def test_atoms_have_the_types_of_the_published_tables_and_charges_add_up() -> None:
    for name, types in ATOM_TYPES.items():
        molecule = typed(name)
        assert [each.name for each in molecule.types] == types.split(), name
        assert sum(molecule.charges) == pytest.approx(molecule.charge, abs=1e-12)
    assert sum(typed("DMC").charges) == pytest.approx(0.0, abs=1e-12)
    assert typed("EC").in_words == "EC: types 771 772 2×773 2×774 4×777, charge +0 e"


def test_charges_of_ions_are_scaled_and_those_of_neutral_molecules_are_not() -> None:
    assert typed("Li", 0.8).charges == (0.8,)
    assert sum(typed("PF6", 0.8).charges) == pytest.approx(-0.8)
    assert typed("PF6", 0.8).charges[1] == pytest.approx(0.8 * 1.34)
    assert typed("EC", 0.8).charges == typed("EC").charges


def test_what_has_no_parameters_is_refused_and_named() -> None:
    with pytest.raises(ConfigError, match=r"no type here for .*atom 4 \(C bonded to C H O\).* of VC"):
        typed("VC")
    with pytest.raises(ConfigError, match=r"no type here for .*\(F bonded to C\).* of FEC"):
        typed("FEC")
    with pytest.raises(ConfigError, match=r"potential.water: water is water.* spc/e and tip3p"):
        typed("water")
    with pytest.raises(ConfigError, match="cannot read the SMILES"):
        typed_molecule("[C:1](", "broken", 0, "opls-aa")
    with pytest.raises(ConfigError, match="must have the numbers 1 to 1"):
        typed_molecule("[Li+]", "Li", 1, "opls-aa")
    with pytest.raises(ConfigError, match=r"given as \+2 e"):
        typed_molecule("[Li+:1]", "Li", 2, "opls-aa")


def test_frames_are_all_molecules_of_the_list_or_some_of_them(tmp_path: Path) -> None:
    """Apart from each other, molecules have the sum of their energies; their forces are those of the energy."""
    atoms, molecules = electrolytes.box([("EC", 1), ("EMC", 1)], 400.0, seed=2)
    atoms.pbc = False
    wanted = electrolytes.potential(tmp_path, molecules)
    with open_evaluator(wanted, ["C", "H", "O"]) as evaluator:
        both, first, second = (evaluator.evaluate(each) for each in (atoms, atoms[:10], atoms[10:]))
        assert both.energy == pytest.approx(first.energy + second.energy, abs=1e-5)
        step = 1e-4
        energies = []
        for shift in (step, -step):
            moved = atoms[:10]
            moved.positions[3, 1] += shift
            energies.append(evaluator.evaluate(moved).energy)
        assert first.forces[3, 1] == pytest.approx((energies[1] - energies[0]) / (2 * step), rel=1e-5)
        with pytest.raises(StructureError, match="are no row of the molecules EC, EMC in this order"):
            evaluator.evaluate(atoms[1:])


def test_water_is_the_model_that_was_named() -> None:
    spce, tip3p = typed("water", water="spc/e"), typed("water", water="tip3p")
    # NIST gives Berendsen's parameters as σ = 3.16555789 Å, ε/k_B = 78.19743111 K
    assert spce.types[0].sigma == pytest.approx(3.16555789, abs=1e-8)
    assert spce.types[0].epsilon == pytest.approx(78.19743111 * 8.31446261815324e-3 / 4.184, rel=1e-6)
    assert tip3p.charges == (-0.834, 0.417, 0.417)
    assert spce.terms["bond"][0][1][1] == 1.0


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "rdkit", None)
        with pytest.raises(EnvironmentProblem, match=r"needs RDKit.*lamplighter\[classical\]"):
            atom_types.chemistry()
    monkeypatch.setattr(moltemplate_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"moltemplate, which is not installed.*lamplighter\[classical\]"):
        moltemplate_file.folder()
