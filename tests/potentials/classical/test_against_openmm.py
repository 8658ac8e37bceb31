"""Energies, term by term, and forces of LAMMPS are those of OpenMM, whose system moltemplate's own program made."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdkit")
pytest.importorskip("moltemplate")
pytest.importorskip("openmm")
pytest.importorskip("networkx")

sys.path.insert(0, str(Path(__file__).parent))
import electrolytes
import moltemplate_reference
import openmm_reference
from moltemplate_reference import Converted
from test_nist import configuration

from lamplighter.driver import classical
from lamplighter.driver.classical_frames import ClassicalFrameEvaluator
from lamplighter.driver.evaluation import open_evaluator
from lamplighter.potentials.classical import lammps_lines
from lamplighter.potentials.classical.force_fields import FORCE_FIELDS
from lamplighter.structures.molecule_list import MoleculeList

RELATIVE = 1e-4
BONDED = ("bond", "angle", "dihedral", "improper")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Converted]:
    return moltemplate_reference.converted(tmp_path_factory.mktemp("moltemplate"))


@pytest.mark.thorough
def test_single_molecules_have_openmm_s_energies_term_by_term_and_its_forces(
    converted: dict[str, Converted], tmp_path: Path
) -> None:
    for name in ("EC", "EMC", "DMC", "PC", "DEC", "PF6"):
        atoms, molecules = electrolytes.box([(name, 1)], 8.0, seed=3)
        atoms.pbc = False
        with open_evaluator(electrolytes.potential(tmp_path, molecules), sorted(set(atoms.symbols))) as evaluator:
            assert isinstance(evaluator, ClassicalFrameEvaluator)
            ours = evaluator.compute(atoms)
            parts = evaluator.parts
        energies, forces = openmm_reference.evaluate(atoms, [(converted[name], 1.0)], 10.0)
        scale = np.abs(forces).max()
        for part in (*BONDED, "van der Waals", "Coulomb"):
            assert parts[part] == pytest.approx(energies[part], rel=RELATIVE, abs=1e-9), (name, part)
        assert ours.energy == pytest.approx(sum(energies.values()), rel=RELATIVE), name
        np.testing.assert_allclose(ours.forces, forces, atol=RELATIVE * scale, err_msg=name)
        assert name == "PF6" or abs(parts["dihedral"]) > 0.001


def test_the_faster_variant_of_the_pair_style_gives_the_numbers_of_the_plain_one(tmp_path: Path) -> None:
    atoms, molecules = electrolytes.box([("EC", 2), ("EMC", 4), ("Li", 1), ("PF6", 1)], 7.0)
    with open_evaluator(
        electrolytes.potential(tmp_path, molecules, cutoff="7 A"), sorted(set(atoms.symbols))
    ) as opened:
        assert isinstance(opened, ClassicalFrameEvaluator)
        lammps = opened._session.lammps
        fast = opened.compute(atoms)
        assert lammps.available_styles("pair").count("lj/cut/coul/long/opt") == 1
        lines = lammps_lines.lines(FORCE_FIELDS["opls-aa"], opened._system, 7.0, 1e-5, True)
        for line in ("pair_style none", *classical.without_variants(lines)):
            opened._session.command(line)
        opened._session.command("run 0 post no")
        plain = np.array(lammps.gather_atoms("f", 1, 3)).reshape(-1, 3)
        energy = lammps.get_thermo("pe")
    assert energy == pytest.approx(fast.energy, rel=1e-12)
    np.testing.assert_allclose(plain, fast.forces, atol=1e-10)


@pytest.mark.thorough
@pytest.mark.parametrize("scale", [1.0, 0.8])
def test_a_periodic_electrolyte_has_openmm_s_energies_term_by_term_and_its_forces(
    converted: dict[str, Converted], tmp_path: Path, scale: float
) -> None:
    """With PME of OpenMM's own in the place of PPPM, in a box that is not a cube."""
    parts_of_box = [("EC", 7), ("EMC", 6), ("DMC", 3), ("PC", 3), ("Li", 2), ("PF6", 2), ("Na", 2), ("Cl", 2)]
    atoms, molecules = electrolytes.box(parts_of_box, 7.0)
    atoms.set_cell([21.0, 22.0, 23.5])
    wanted = electrolytes.potential(tmp_path, molecules, charge_scale=scale, cutoff="9 A", kspace_accuracy=1e-7)
    with open_evaluator(wanted, sorted(set(atoms.symbols))) as evaluator:
        assert isinstance(evaluator, ClassicalFrameEvaluator)
        ours = evaluator.compute(atoms)
        parts = evaluator.parts
    of_each = [
        (converted[name], scale if name in ("Li", "PF6", "Na", "Cl") else 1.0)
        for name, n in parts_of_box
        for _ in range(n)
    ]
    energies, forces = openmm_reference.evaluate(atoms, of_each, 9.0)
    for part in BONDED:
        assert parts[part] == pytest.approx(energies[part], rel=RELATIVE), part
    # OpenMM's correction for the tail counts each atom with itself, and is left out here
    assert parts["van der Waals"] - parts["tail"] == pytest.approx(energies["van der Waals"], rel=RELATIVE)
    assert parts["Coulomb"] + parts["k-space"] == pytest.approx(energies["Coulomb"], rel=RELATIVE)
    np.testing.assert_allclose(ours.forces, forces, atol=RELATIVE * np.abs(forces).max())


@pytest.mark.parametrize(
    ("model", "file", "published"),
    # Lennard-Jones parameters as the papers print them: (A/r)⁶, (B/r)¹² in nm (kJ/mol)^(1/6, 1/12); A, C in kcal/mol, Å
    [("spc/e", "spce.xml", (0.37122**6, 0.3428**12)), ("tip3p", "tip3p.xml", (595.0 * 4.184e-6, 582.0e3 * 4.184e-12))],
)
def test_rigid_water_has_openmm_s_energies_and_forces(
    model: str, file: str, published: tuple[float, float], tmp_path: Path
) -> None:
    """OpenMM's files have rounded Lennard-Jones parameters; those of the papers are put in their place."""
    atoms = configuration(1)
    # OpenMM takes what is excluded within a molecule without periodic images: its atoms must be together
    edge = atoms.cell.lengths()
    from_oxygen = atoms.positions - np.repeat(atoms.positions[::3], 3, axis=0)
    atoms.positions -= edge * np.round(from_oxygen / edge)
    water = electrolytes.kind("water").component.model_copy(update={"molecules": len(atoms) // 3})
    molecules = MoleculeList(components=[water])
    wanted = electrolytes.potential(tmp_path, molecules, water=model, cutoff="9 A", kspace_accuracy=1e-7)
    with open_evaluator(wanted, ["H", "O"]) as evaluator:
        assert isinstance(evaluator, ClassicalFrameEvaluator)
        frame = evaluator.compute(atoms)
        parts = evaluator.parts
        springs = parts["bond"] + parts["angle"]
    energies, forces = openmm_reference.evaluate_water(atoms, file, *published, 9.0)
    # NIST's water has SPC/E's geometry, where the springs that keep it in shape have no energy
    assert (abs(springs) < 1e-6) is (model == "spc/e")
    assert parts["van der Waals"] - parts["tail"] == pytest.approx(energies["van der Waals"], rel=RELATIVE)
    assert parts["Coulomb"] + parts["k-space"] == pytest.approx(energies["Coulomb"], rel=RELATIVE)
    if model == "spc/e":
        np.testing.assert_allclose(frame.forces, forces, atol=RELATIVE * np.abs(forces).max())
