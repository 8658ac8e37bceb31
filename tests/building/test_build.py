"""`lamplighter build`: boxes as the recipe says, whose molecules are known and do not touch, and what is refused."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from ase.neighborlist import neighbor_list

import lamplighter as ll
from lamplighter.errors import EnvironmentProblem, LamplighterError
from lamplighter.structures.molecule_list import read_molecule_list

pytest.importorskip("rdkit")

from lamplighter.building.build import build

ELECTROLYTE: dict[str, Any] = {
    "components": [
        {"molecule": "EC", "mass": 3},
        {"molecule": "EMC", "mass": 7},
        {"molecule": "LiPF6", "molality": "1 mol/kg"},
    ],
    "atoms": 300,
    "density": "1.2 g/cm3",
}
WATER = {"components": [{"molecule": "water", "number": 60}], "density": "1 g/cm3"}


def nearest_of_two_molecules(path: Path) -> float:
    """By ASE, which knows nothing of how it was built."""
    atoms = ase.io.read(path)
    first, second, distance, steps = neighbor_list("ijdS", atoms, 4.0)
    molecule = atoms.arrays["molecule"]
    apart = (molecule[first] != molecule[second]) | steps.any(axis=1)
    return float(distance[apart].min())


def test_an_electrolyte_is_what_its_recipe_says(tmp_path: Path) -> None:
    built = build(ELECTROLYTE, tmp_path / "made")
    listed = read_molecule_list(built.molecules)
    assert [each.name for each in listed.components] == ["EC", "EMC", "Li+", "PF6-"]
    assert listed.charge == 0
    assert listed.components[2].molecules == listed.components[3].molecules > 0
    atoms = ase.io.read(built.structure)
    np.testing.assert_array_equal(atoms.numbers, listed.numbers())
    np.testing.assert_array_equal(atoms.arrays["molecule"], listed.molecule_of_atom() + 1)
    assert atoms.get_masses().sum() / atoms.get_volume() * 1.66053907 == pytest.approx(1.2)
    assert built.density == pytest.approx(1.2)
    assert nearest_of_two_molecules(built.structure) == pytest.approx(built.nearest, abs=1e-6)
    assert built.nearest > 1.9
    # molecules are whole in the file: each bond is short as it stands there
    bonds = listed.bonds() - 1
    assert np.linalg.norm(atoms.positions[bonds[:, 0]] - atoms.positions[bonds[:, 1]], axis=1).max() < 1.75
    # and they are those that a structure without a list is found to have
    from lamplighter.analysis.bonding import BondRule

    found, _ = BondRule().find(atoms.positions, atoms.numbers, atoms.cell.array, atoms.pbc)
    np.testing.assert_array_equal(found, np.array(sorted(map(tuple, np.sort(bonds, axis=1).tolist()))))


def test_the_seed_makes_the_box(tmp_path: Path) -> None:
    files = [build(WATER, tmp_path / name, seed=seed).structure.read_bytes()
             for name, seed in (("a", 3), ("b", 3), ("c", 4))]  # fmt: skip
    assert files[0] == files[1] != files[2]
    again = build(tmp_path / "a" / "recipe.yaml", tmp_path / "d")  # the recipe that was written down
    assert again.structure.read_bytes() == files[0]
    assert json.loads((tmp_path / "c" / "build.json").read_text())["seed"] == 4


def test_a_slab_has_its_vacuum_and_a_tilted_cell_its_angles(tmp_path: Path) -> None:
    slab = build({**WATER, "box": {"shape": "slab", "width": "11 A", "vacuum": "15 A"}}, tmp_path / "slab")
    atoms = ase.io.read(slab.structure)
    thickness = 60 * 18.015 * 1.66053907 / 121.0
    np.testing.assert_allclose(atoms.cell.lengths(), [11.0, 11.0, thickness + 15.0], rtol=1e-6)
    heights = atoms.positions[:, 2]
    assert 7.4 < heights.min() < heights.max() < 7.6 + thickness
    assert nearest_of_two_molecules(slab.structure) > 1.9
    assert "nvt" in slab.run_file.read_text()
    assert "npt" not in slab.run_file.read_text()

    loose = {**WATER, "density": "0.7 g/cm3", "box": {"shape": "triclinic", "angles": [80, 95, 60]}}
    tilted = build(loose, tmp_path / "tilted")
    atoms = ase.io.read(tilted.structure)
    np.testing.assert_allclose(atoms.cell.angles(), [80, 95, 60])
    assert atoms.get_masses().sum() / atoms.get_volume() * 1.66053907 == pytest.approx(0.7)
    assert nearest_of_two_molecules(tilted.structure) > 1.9


def test_a_run_takes_the_molecules_as_they_were_built(tmp_path: Path) -> None:
    """Ethylene and hydrogen fluoride; forces are zero, so that what is asked is only who is bonded."""
    recipe = {
        "components": [{"smiles": "C=C", "number": 5}, {"smiles": "F", "name": "HF", "number": 7}],
        "density": "0.5 g/cm3",
        "potential": {"lammps": ["pair_style zero 5.0", "pair_coeff * *"]},
    }
    built = build(recipe, tmp_path / "made")
    content = yaml.safe_load(built.run_file.read_text())
    assert content["workflow"]["staged_equilibration"] == {"temperature": "300 K", "hot": "400 K", "scale": 0.02}
    del content["workflow"], content["guard"]
    content["stages"] = [{"type": "nve", "length": "2 steps"}]
    content["velocities"] = "10 K"
    built.run_file.write_text(yaml.safe_dump(content))
    run = ll.run(built.run_file, progress=False)
    listed = run.bonds.listed
    assert listed is not None
    np.testing.assert_array_equal(listed, np.sort(read_molecule_list(built.molecules).bonds(), axis=1))


def test_a_built_liquid_runs_as_it_is(tmp_path: Path) -> None:
    recipe = {
        "components": [{"smiles": "[Ar]", "name": "argon", "number": 40}],
        "density": "1.2 g/cm3",
        "tolerance": "3 A",
        "equilibration": {"temperature": "85 K", "hot": "95 K", "scale": 0.0002},
        "potential": {"lammps": ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]},
    }
    run = ll.run(build(recipe, tmp_path / "made").run_file, progress=False)
    assert run.status == "completed"
    assert len(run.summary["stages"]) == 10


def test_without_a_potential_the_run_file_says_what_is_missing(tmp_path: Path) -> None:
    built = build(WATER, tmp_path / "made")
    assert not built.has_potential
    assert "potential: {models: [my.model]}" in built.run_file.read_text()
    with pytest.raises(LamplighterError, match="potential: is required"):
        ll.run(built.run_file)
    named = build(WATER, tmp_path / "named", potential={"models": ["my.model"]})
    assert str(Path("my.model").absolute()) in named.run_file.read_text()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"density": "3 g/cm3"}, r"impossible: at 3 g/cm³ .* would fill \d+ % of the box.*below 1\.\d+ g/cm³"),
    ({"density": "0 g/cm3"}, r"density: must be > 0"),
    ({"density": "1e-30 g/cm3"}, r"the box would be .* Å wide, more than 100000 Å"),
    ({"components": [{"molecule": "water", "number": 10**9}]}, r"come to 3e\+09 atoms, and a box may have 2000000"),
    ({"components": [{"molecule": "water", "number": 50}, {"molecule": "NaCl", "molality": "1e300 mol/kg"}]},
     r"a box may have 2000000: give smaller amounts"),
    ({"density": 1.0}, r"density: 1\.0 has no unit; write e\.g\. '1\.1 g/cm3'"),
    ({"density": None}, r"density: is required, or box\.edge"),
    ({"cutoff": "9 A"}, r"less than twice the cutoff \(9 A\)"),
    ({"box": "sphere"}, r"box\.shape: must be 'cube', 'slab' or 'triclinic', got 'sphere'"),
    ({"box": "slab"}, r"box\.vacuum: is needed by a slab"),
    ({"box": {"edge": "12 A"}}, r"density: and the size of the box are both given"),
    ({"box": {"shape": "triclinic", "angles": [90, 90, 10]}}, r"box\.angles: \[90, 90, 10\] are no angles"),
    ({"box": {"shape": "triclinic", "angles": [30, 30, 120]}}, r"box\.angles: .* are no angles"),
    ({"tolerance": "9 A"}, r"tolerance: is the smallest distance"),
    ({"seed": 0}, r"seed"),
    ({"atoms": 100}, r"atoms: is for ratios"),
    ({"components": []}, r"components"),
    ({"components": [{"molecule": "ec", "number": 3}]}, r"'ec' is no molecule of the library \(did you mean EC\?\)"),
    ({"components": [{"molecule": "EC"}]}, r"components\[0\]: needs one of number, mole, .*and none is given"),
    ({"components": [{"molecule": "EC", "number": 1, "mass": 2}]}, r"number and mass are given"),
    ({"components": [{"molecule": "EC", "smiles": "O", "number": 1}]}, r"molecule and smiles are given"),
    ({"components": [{"molecule": "EC", "mass": 1}]}, r"atoms: is needed with ratios"),
    ({"components": [{"molecule": "EC", "mass": 1}, {"molecule": "PC", "mole": 1}]}, r"has mass and mole"),
    ({"components": [{"molecule": "LiPF6", "molality": "1 mol/kg"}]}, r"has none of them"),
    ({"components": [{"smiles": "C1CC", "number": 3}]}, r"'C1CC' is no SMILES .* do not close"),
    ({"components": [{"smiles": "C(C)(C)(C)(C)C", "number": 3}]}, r"no SMILES .*valence"),
    ({"components": [{"smiles": "", "number": 3}]}, r"it is empty"),
    ({"components": [{"smiles": "C O", "number": 3}]}, r"'C O' has a blank"),
    ({"components": [{"molecule": "NaCl", "name": "salt", "number": 3}]}, r"keep their own names: leave `name: salt`"),
    ({"components": [{"smiles": "[Na+].[Cl-]", "name": "x", "number": 3}]}, r"keep their own names: leave `name: x`"),
    ({"components": [{"molecule": "EC", "name": "a\nb", "number": 3}]}, r"name: must be one line of text"),
    ({"components": [{"smiles": "[Li]", "number": 3}]}, r"1 unpaired electron"),
    ({"components": [{"smiles": "C*", "number": 3}]}, r"without an element"),
    ({"components": [{"file": "none.sdf", "number": 3}]}, r"none\.sdf does not exist"),
    ({"components": [{"molecule": "Li+", "number": 3}, {"molecule": "EC", "number": 9}]},
     r"charge of \+3 e: 3 Li\+ \(\+1\); add 3 e of ions of the other sign"),
    ({"components": [{"smiles": "O", "name": "x", "number": 3}, {"smiles": "C", "name": "x", "number": 3}]},
     r"two different molecules are called 'x'"),
    ({"equilibration": {"temperature": "500 K", "hot": "400 K"}}, r"equilibration\.hot: must not be below .*500 K"),
    ({"colour": "blue"}, r"colour: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_cannot_be_built_is_refused_by_name_and_leaves_nothing(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(LamplighterError, match=said):
        build({**WATER, **change}, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_what_the_potential_does_not_know_is_refused_before_packing(tmp_path: Path) -> None:
    pytest.importorskip("moltemplate")
    opls = {"potential": {"classical": "opls-aa", "water": "spc/e"}}
    with pytest.raises(LamplighterError, match=r"box is 12\.\d+ Å wide .* twice the cutoff \(10 Å\).*at most 6\.\d+ Å"):
        build({**WATER, **opls}, tmp_path / "made")
    narrow = {"classical": "opls-aa", "water": "spc/e", "cutoff": "6 A"}
    assert build({**WATER, "potential": narrow}, tmp_path / "narrow").has_potential
    strange = [{"smiles": "[Ar]", "name": "argon", "number": 9}, {"smiles": "C[Si](C)(C)C", "name": "TMS", "number": 9}]
    with pytest.raises(LamplighterError, match=r"(?s)no type here for .* of argon.*of TMS.*Nothing was packed"):
        build({**WATER, **opls, "components": strange}, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_model_that_lacks_an_element_is_refused_before_packing(tmp_path: Path) -> None:
    pytest.importorskip("mace")
    model = Path(__file__).parents[2] / "examples" / "ec_emc" / "models" / "ec_emc_0.model"
    salty = {**WATER, "components": [{"molecule": "water", "number": 60}, {"molecule": "NaCl", "number": 2}]}
    with pytest.raises(LamplighterError, match=r"does not know Cl, Na \(of Na\+, Cl-\), but "):
        build(salty, tmp_path / "made", potential={"models": [str(model)]})
    assert build(WATER, tmp_path / "made", potential={"models": [str(model)]}).has_potential


def test_isomers_that_a_smiles_leaves_open_are_as_many_of_each(tmp_path: Path) -> None:
    from rdkit import Chem

    def hands(component: dict[str, Any], name: str) -> list[str]:
        built = build({"components": [{**component, "number": 6}], "density": "0.4 g/cm3"}, tmp_path / name)
        atoms, listed = ase.io.read(built.structure), read_molecule_list(built.molecules).components[0]
        from lamplighter.potentials.classical.atom_types import molecule_of

        found = []
        for place in range(6):
            molecule = molecule_of(listed.mapped_smiles, name)
            shape = Chem.Conformer(len(listed.elements))
            shape.SetPositions(atoms.positions[atoms.arrays["molecule"] == place + 1])
            molecule.AddConformer(shape)
            Chem.AssignStereochemistryFrom3D(molecule)
            found += [label for _, label in Chem.FindMolChiralCenters(molecule, useLegacyImplementation=False)]
        return sorted(found)

    assert hands({"molecule": "PC"}, "racemic") == ["R"] * 3 + ["S"] * 3
    strained = {"components": [{"smiles": "C1CC2CCC1C=C2", "name": "bicyclooctene", "number": 4}]}  # E is impossible
    built = build({**strained, "density": "0.5 g/cm3"}, tmp_path / "strained")
    assert built.components[0].name == "bicyclooctene"
    assert len(set(hands({"smiles": "C[C@H](F)Cl", "name": "one"}, "one"))) == 1


def test_a_molecule_of_a_file_keeps_its_shape(tmp_path: Path) -> None:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    made = Chem.AddHs(Chem.MolFromSmiles("CO"))
    AllChem.EmbedMolecule(made, randomSeed=1)
    Chem.MolToMolFile(made, str(tmp_path / "methanol.mol"))
    built = build({"components": [{"file": str(tmp_path / "methanol.mol"), "number": 2}], "density": "0.4 g/cm3"},
                  tmp_path / "made")  # fmt: skip
    atoms = ase.io.read(built.structure)
    conformer = made.GetConformer().GetPositions()
    for place in range(2):
        one = atoms.positions[6 * place : 6 * (place + 1)]
        for i in range(6):
            expected = np.linalg.norm(conformer - conformer[i], axis=1)
            np.testing.assert_allclose(np.linalg.norm(one - one[i], axis=1), expected, atol=2e-3)
    (tmp_path / "bare.mol").write_text(Chem.MolToMolBlock(Chem.RemoveHs(made)))
    (tmp_path / "water.xyz").write_text("1\n\nO 0 0 0\n")
    for name, said in (("bare.mol", "lacks hydrogens"), ("water.xyz", "does not say which atoms are bonded")):
        with pytest.raises(LamplighterError, match=said):
            build({"components": [{"file": str(tmp_path / name), "number": 2}], "density": "0.4 g/cm3"},
                  tmp_path / "other")  # fmt: skip


def test_a_box_in_which_molecules_find_no_room_is_refused(tmp_path: Path) -> None:
    crowded = {**WATER, "components": [{"molecule": "water", "number": 8}], "tolerance": "4 A"}
    with pytest.raises(LamplighterError, match=r"no room was found .* atoms \d+ and \d+ .* less than 4\.000 Å; lower"):
        build(crowded, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_used_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(LamplighterError, match="nothing is written over"):
        build(WATER, tmp_path)
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rdkit", None)
    said = r"building needs RDKit, which cannot be imported.*pip install 'lamplighter\[build\]'"
    with pytest.raises(EnvironmentProblem, match=said):
        build(WATER, tmp_path / "made")


def test_a_folder_that_takes_no_file_is_refused_and_what_was_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LamplighterError, match=r"cannot be written: Not a directory"):
        build(WATER, tmp_path / "file" / "made")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an error of the writer
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(LamplighterError, match=r"made cannot be written: File too large"):
            build(WATER, tmp_path / "new" / "made")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_hundred_thousand_atoms_are_packed(tmp_path: Path) -> None:
    built = build({**ELECTROLYTE, "atoms": 100_000}, tmp_path / "made")
    assert built.n_atoms == pytest.approx(100_000, rel=0.05)
    assert built.nearest > 1.9
