"""Reference labels of frames: how they are found, and what is said where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.stress import full_3x3_to_voigt_6_stress

from lamplighter.errors import TrajectoryError
from lamplighter.structures.labelled_frames import LabelKeys, read_labelled

DATA = Path(__file__).parents[2] / "examples" / "ec_emc" / "data"
STRESS = np.array([[1.0, 0.4, 0.5], [0.4, 2.0, 0.6], [0.5, 0.6, 3.0]])


def argon(**info: object) -> Atoms:
    atoms = Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]], cell=[10, 11, 12], pbc=True)
    atoms.arrays["forces_ref"] = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    atoms.info |= {"energy_ref": -0.5, **info}
    return atoms


def test_labels_of_the_example_are_found() -> None:
    clusters, liquid = read_labelled(DATA / "xtb_test.xyz"), read_labelled(DATA / "liquid_test.xyz")
    assert (len(clusters), len(liquid)) == (500, 35)
    assert liquid.keys == LabelKeys("energy_xtb", "forces_xtb", "stress_xtb")
    assert clusters.keys == LabelKeys("energy_xtb", "forces_xtb", None)
    assert liquid.labels[0].energy == liquid.frames[0].info["energy_xtb"]
    np.testing.assert_array_equal(liquid.labels[3].forces, liquid.frames[3].arrays["forces_xtb"])
    np.testing.assert_array_equal(liquid.labels[3].stress.ravel(), liquid.frames[3].info["stress_xtb"].ravel())
    assert np.isnan(clusters.labels[0].stress).all()
    assert liquid.elements == ["H", "C", "O"]
    assert len(liquid.numbers) == 3425


def test_ases_own_results_voigt_stress_and_virials(tmp_path: Path) -> None:
    atoms = Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]], cell=[10, 11, 12], pbc=True)
    voigt = STRESS[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.ones((2, 3)), stress=voigt)
    write(tmp_path / "a.xyz", atoms)
    write(tmp_path / "a.traj", atoms)
    for name in ("a.xyz", "a.traj"):
        found = read_labelled(tmp_path / name)
        assert found.keys == LabelKeys("energy", "forces", "stress")
        np.testing.assert_allclose(found.labels[0].stress, STRESS)
    virial = argon(virial_ref=-STRESS * 1320.0)
    write(tmp_path / "v.xyz", virial)
    found = read_labelled(tmp_path / "v.xyz")
    assert found.keys.stress == "virial_ref"
    np.testing.assert_allclose(found.labels[0].stress, STRESS)


@pytest.mark.parametrize(
    ("name", "size"),  # of `virial` ASE reads nine numbers only
    [("virial", 9), ("virials", 9), ("virials", 6), ("REF_virials", 9), ("REF_virials", 6), ("dft_virial", 9)],
)
def test_virials_as_gap_quip_and_mace_write_them(tmp_path: Path, name: str, size: int) -> None:
    affix = name.replace("virials", "virial")
    atoms = Atoms("Ar2", [[0, 0, 0], [3.8, 0, 0]], cell=[10, 11, 12], pbc=True)
    atoms.arrays[affix.replace("virial", "forces")] = np.ones((2, 3))
    virial = -STRESS * 1320.0
    given = virial if size == 9 else full_3x3_to_voigt_6_stress(virial)
    atoms.info |= {affix.replace("virial", "energy"): -1.0, name: given}
    write(tmp_path / "a.xyz", atoms)
    found = read_labelled(tmp_path / "a.xyz")
    assert found.keys.stress == name
    np.testing.assert_allclose(found.labels[0].stress, STRESS)


def test_the_virial_of_quips_own_calculator_is_the_stress_of_ase(tmp_path: Path) -> None:
    potential = pytest.importorskip("quippy.potential").Potential
    text = '<LJ_params n_types="1"><per_type_data type="1" atomic_num="18"/><per_pair_data type1="1" type2="1" sigma='
    text += '"3.4" eps6="0.0104" eps12="0.0104" cutoff="8" energy_shift="T" linear_force_shift="F"/></LJ_params>'
    atoms = bulk("Ar", a=5.2).repeat(4)
    atoms.calc = potential("IP LJ", param_str=text)
    stress = atoms.get_stress(voigt=False)
    virial = np.asarray(atoms.calc.results["virial"]) if "virial" in atoms.calc.results else None
    if virial is None:
        atoms.calc.calculate(atoms, properties=["virial"])
        virial = np.asarray(atoms.calc.extra_results["config"]["virial"])
    plain = atoms.copy()
    plain.info |= {"energy_gap": atoms.get_potential_energy(), "virial_gap": virial}
    plain.arrays["forces_gap"] = atoms.get_forces()
    write(tmp_path / "a.xyz", plain)
    np.testing.assert_allclose(read_labelled(tmp_path / "a.xyz").labels[0].stress, stress, atol=1e-9)


def test_a_stress_and_a_virial_must_say_the_same(tmp_path: Path) -> None:
    write(tmp_path / "same.xyz", argon(stress_ref=STRESS, virial_ref=-STRESS * 1320.0))
    assert read_labelled(tmp_path / "same.xyz").keys.stress == "stress_ref"
    write(tmp_path / "other.xyz", [argon(stress_ref=STRESS), argon(stress_ref=STRESS, virial_ref=STRESS * 1320.0)])
    with pytest.raises(TrajectoryError, match=r"frame 1 .*'stress_ref' and 'virial_ref' say different .*--stress KEY"):
        read_labelled(tmp_path / "other.xyz")
    assert read_labelled(tmp_path / "other.xyz", stress="stress_ref").keys.stress == "stress_ref"


def test_a_stress_of_another_name_is_told_and_atomic_virials_are_no_stress(tmp_path: Path) -> None:
    atoms = argon(virials=-STRESS * 1320.0)
    atoms.arrays["virial_ref"] = np.ones((2, 9))
    write(tmp_path / "a.xyz", atoms)
    found = read_labelled(tmp_path / "a.xyz")
    assert found.keys.stress is None
    assert "virials of a.xyz is not held against anything" in found.notes[0]
    np.testing.assert_allclose(read_labelled(tmp_path / "a.xyz", stress="virials").labels[0].stress, STRESS)


def test_a_frame_without_a_label_is_named(tmp_path: Path) -> None:
    bare = argon()
    del bare.info["energy_ref"]
    write(tmp_path / "a.xyz", [argon(), bare])
    with pytest.raises(TrajectoryError, match=r"frame 1 of .*a.xyz has no label 'energy_ref'"):
        read_labelled(tmp_path / "a.xyz")
    write(tmp_path / "b.xyz", [bare])
    with pytest.raises(TrajectoryError, match=r"has no energy; say which is the reference with --energy KEY"):
        read_labelled(tmp_path / "b.xyz")
    with pytest.raises(TrajectoryError, match=r"no label 'forces_dft'"):
        read_labelled(tmp_path / "a.xyz", forces="forces_dft")


def test_several_energies_must_be_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "a.xyz", argon(energy_dft=-0.7))
    with pytest.raises(TrajectoryError, match="several energies: energy_ref, energy_dft"):
        read_labelled(tmp_path / "a.xyz")
    assert read_labelled(tmp_path / "a.xyz", "energy_dft", "forces_ref").labels[0].energy == -0.7


def test_what_a_calculator_of_ase_wrote_is_read_with_its_total_energy(tmp_path: Path) -> None:
    """Many of them tell energies of atoms, too."""
    atoms = argon()
    del atoms.info["energy_ref"], atoms.arrays["forces_ref"]
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=5.0)
    energy = atoms.get_potential_energy()
    write(tmp_path / "lj.xyz", [atoms])
    given = read_labelled(tmp_path / "lj.xyz")
    assert given.keys.energy == "energy"
    assert given.labels[0].energy == pytest.approx(energy, rel=1e-6)


def test_labels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    bad = argon()
    bad.arrays["forces_ref"] = bad.arrays["forces_ref"] * np.nan
    write(tmp_path / "a.xyz", bad)
    with pytest.raises(TrajectoryError, match="'forces_ref' holds numbers that are not finite"):
        read_labelled(tmp_path / "a.xyz")
    write(tmp_path / "s.xyz", argon(stress_ref=np.ones(5)))
    with pytest.raises(TrajectoryError, match="has 5 numbers, expected 9 or 6"):
        read_labelled(tmp_path / "s.xyz")


def test_files_that_are_missing_empty_or_cut_off(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="does not exist"):
        read_labelled(tmp_path / "none.xyz")
    (tmp_path / "empty.xyz").touch()
    with pytest.raises(TrajectoryError, match="is empty"):
        read_labelled(tmp_path / "empty.xyz")
    write(tmp_path / "a.xyz", [argon(), argon(), argon()])
    text = (tmp_path / "a.xyz").read_text()
    (tmp_path / "cut.xyz").write_text(text[:-20])
    found = read_labelled(tmp_path / "cut.xyz")
    assert len(found) == 2
    assert found.notes == ["cut.xyz: frame 2, which is cut off, was left out"]
