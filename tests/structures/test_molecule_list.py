"""molecules.yaml: the molecules of a structure in the order of its atoms, and the bonds that follow from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from lamplighter.analysis.bonding import rule_of_file
from lamplighter.config.loading import parse_run_file
from lamplighter.config.run_file import StructureSection
from lamplighter.errors import ConfigError, StructureError
from lamplighter.structures import read_start_structure
from lamplighter.structures.molecule_list import molecule_list, read_molecule_list

WATER = {
    "name": "water",
    "molecules": 2,
    "smiles": "O",
    "mapped_smiles": "[O:1]([H:2])[H:3]",
    "charge": 0,
    "elements": ["O", "H", "H"],
    "bonds": [[1, 2], [1, 3]],
}
LITHIUM = {
    "name": "Li+",
    "molecules": 1,
    "smiles": "[Li+]",
    "mapped_smiles": "[Li+:1]",
    "charge": 1,
    "elements": ["Li"],
}
RUN = {"potential": {"models": "m.model"}, "stages": [{"type": "minimise"}]}


def test_atoms_follow_component_by_component_and_molecule_by_molecule(tmp_path: Path) -> None:
    molecule_list({"components": [LITHIUM, WATER]}).write(tmp_path / "molecules.yaml")
    found = read_molecule_list(tmp_path / "molecules.yaml")
    assert found.n_atoms == 7
    assert found.charge == 1
    assert found.numbers().tolist() == [3, 8, 1, 1, 8, 1, 1]
    assert found.molecule_of_atom().tolist() == [0, 1, 1, 1, 2, 2, 2]
    assert found.component_of_molecule().tolist() == [0, 1, 1]
    assert found.bonds().tolist() == [[2, 3], [2, 4], [5, 6], [5, 7]]


def test_bonds_of_the_list_are_those_of_the_run_and_of_analyses(tmp_path: Path) -> None:
    path = tmp_path / "molecules.yaml"
    molecule_list({"components": [LITHIUM, WATER]}).write(path)
    listed = rule_of_file(path).listed
    assert listed is not None
    np.testing.assert_array_equal(listed, [[2, 3], [2, 4], [5, 6], [5, 7]])
    run = parse_run_file({"structure": {"file": "a.xyz", "molecules": "molecules.yaml"}, **RUN})
    assert run.resolved(tmp_path, "run").bonds.file == path
    named = parse_run_file({"structure": {"file": "a.xyz", "molecules": "molecules.yaml"},
                            "bonds": {"file": "b.txt"}, **RUN})  # fmt: skip
    assert named.resolved(tmp_path, "run").bonds.file == tmp_path / "b.txt"
    with pytest.raises(ConfigError, match=r"structure\.molecules: .*replicate"):
        parse_run_file({"structure": {"file": "a.xyz", "molecules": "m.yaml", "replicate": [2, 1, 1]}, **RUN})


def test_a_structure_with_other_atoms_is_refused_by_name(tmp_path: Path) -> None:
    molecules = tmp_path / "molecules.yaml"
    molecule_list({"components": [WATER]}).write(molecules)
    positions = np.arange(18.0).reshape(6, 3)
    for symbols, wrong in (("OHHOH", "has 5 atoms, and its list of molecules has 6"),
                           ("OHHHOH", r"atom 4 .* is H, .* has O there")):  # fmt: skip
        Atoms(symbols, positions=positions[: len(Atoms(symbols))], cell=[20] * 3, pbc=True).write(tmp_path / "a.xyz")
        with pytest.raises(StructureError, match=wrong):
            read_start_structure(StructureSection(file=tmp_path / "a.xyz", molecules=molecules))
    Atoms("OHHOHH", positions=positions, cell=[20] * 3, pbc=True).write(tmp_path / "a.xyz")
    assert read_start_structure(StructureSection(file=tmp_path / "a.xyz", molecules=molecules)).n_atoms == 6
    Atoms("OHHOH", positions=positions[:5], cell=[20] * 3, pbc=True).write(tmp_path / "a.data", format="lammps-data",
                                                                           masses=True)  # fmt: skip
    with pytest.raises(StructureError, match=r"a\.data has 5 atoms, and its list of molecules has 6"):
        read_start_structure(StructureSection(file=tmp_path / "a.data", molecules=molecules))


def test_atoms_of_a_data_file_are_held_against_the_list_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """Types are told by their masses, and lines may follow in any order."""
    molecules = tmp_path / "molecules.yaml"
    molecule_list({"components": [WATER]}).write(molecules)

    def data(types: str) -> StructureSection:
        lines = [f"{k} {type_} {2 * k} 0 0" for k, type_ in enumerate(types.split(), start=1)]
        text = "\n".join(reversed(lines))
        (tmp_path / "a.data").write_text(
            "water\n\n6 atoms\n2 atom types\n0 20 xlo xhi\n0 20 ylo yhi\n0 20 zlo zhi\n\n"
            f"Masses\n\n1 15.999\n2 1.008\n\nAtoms # atomic\n\n{text}\n"
        )
        return StructureSection(file=tmp_path / "a.data", molecules=molecules)

    assert read_start_structure(data("1 2 2 1 2 2")).n_atoms == 6
    with pytest.raises(StructureError, match=r"atom 2 of .*a\.data is O, and its list of molecules has H there"):
        read_start_structure(data("1 1 2 2 2 2"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"elements": ["O", "H", "Q"]}, r"components\[0\]\.elements: 'Q' is no element"),
        ({"bonds": [[1, 4]]}, r"components\[0\]\.bonds: \[1, 4\] is no bond between two of 3 atoms"),
        ({"mapped_smiles": "[OH2:1]"}, r"components\[0\]\.mapped_smiles: must have the atoms of `elements`"),
        ({"molecules": 0}, r"components\[0\]\.molecules"),
    ],
)
def test_a_list_that_contradicts_itself_names_its_key(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        molecule_list({"components": [{**WATER, **change}]})


def test_a_file_that_is_no_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "molecules.yaml").write_text("components: [\n")
    with pytest.raises(StructureError, match=r"molecules\.yaml is not valid YAML"):
        read_molecule_list(tmp_path / "molecules.yaml")
    with pytest.raises(StructureError, match="does not exist"):
        read_molecule_list(tmp_path / "nothing.yaml")
