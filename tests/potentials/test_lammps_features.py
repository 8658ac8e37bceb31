"""`pair_style lamplighter` works with the rest of LAMMPS as its users know it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from lammps_evaluation import evaluate, load

import structures

ELEMENTS = " ".join(structures.ELEMENTS)


def forces_of(lmp, natoms: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    return np.array(lmp.gather_atoms("f", 1, 3)).reshape(natoms, 3)


@pytest.fixture
def coeff(small_model: Path) -> str:
    return f"{small_model} {ELEMENTS}"


@pytest.mark.parametrize("atom_style", ["charge", "full"])
def test_atom_styles_give_the_same_forces(lammps_instance, coeff: str, atom_style: str) -> None:
    atoms = structures.liquid()
    expected = evaluate(lammps_instance, atoms, "lamplighter", coeff)["forces"]
    load(lammps_instance, atoms, "lamplighter", coeff, atom_style=atom_style)
    lammps_instance.command("run 0 post no")
    np.testing.assert_allclose(forces_of(lammps_instance, len(atoms)), expected, rtol=0, atol=1e-12)


def bonded_script(folder: Path, coeff: str) -> str:
    data = folder / "bonded.data"
    data.write_text(
        "one molecule\n\n3 atoms\n3 atom types\n2 bonds\n1 bond types\n"
        "0 20 xlo xhi\n0 20 ylo yhi\n0 20 zlo zhi\n\nMasses\n\n1 1.008\n2 12.011\n3 15.999\n\n"
        "Atoms # full\n\n1 1 3 0.0 10.0 10.0 10.0\n2 1 2 0.0 11.2 10.0 10.0\n3 1 1 0.0 12.3 10.0 10.1\n\n"
        "Bonds\n\n1 1 1 2\n2 1 2 3\n"
    )
    return (
        f"clear\nunits metal\natom_style full\nnewton on\nbond_style zero\nread_data {data}\nbond_coeff *\n"
        f"pair_style lamplighter\npair_coeff * * {coeff}\n"
    )


def test_special_bonds_that_hide_neighbours_are_refused(lammps_instance, coeff: str, tmp_path: Path) -> None:
    lammps_instance.commands_string(bonded_script(tmp_path, coeff))
    with pytest.raises(Exception, match=r"special_bonds lj/coul 1\.0 1\.0 1\.0"):
        lammps_instance.command("run 0 post no")


def test_bonded_neighbours_count_like_all_others(lammps_instance, coeff: str, tmp_path: Path) -> None:
    from ase import Atoms

    lammps_instance.commands_string(bonded_script(tmp_path, coeff) + "special_bonds lj/coul 0.5 0.5 0.5\nrun 0 post no")
    found = forces_of(lammps_instance, 3)
    molecule = Atoms("OCH", [[10, 10, 10], [11.2, 10, 10], [12.3, 10, 10.1]], cell=[20] * 3, pbc=True)
    expected = evaluate(lammps_instance, molecule, "lamplighter", coeff)["forces"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.abs(expected).max() > 1e-3


def test_hybrid_overlay_adds_another_pair_style(lammps_instance, coeff: str) -> None:
    atoms = structures.liquid()
    ours = evaluate(lammps_instance, atoms, "lamplighter", coeff)
    lj = "lj/cut 6.0"
    load(lammps_instance, atoms, lj, "0.003 3.0")
    lammps_instance.command("run 0 post no")
    theirs, energy = forces_of(lammps_instance, len(atoms)), lammps_instance.get_thermo("pe")
    load(lammps_instance, atoms, f"hybrid/overlay lamplighter {lj}", f"lamplighter {coeff}")
    lammps_instance.commands_string("pair_coeff * * lj/cut 0.003 3.0\nrun 0 post no")
    both = forces_of(lammps_instance, len(atoms))
    np.testing.assert_allclose(both, ours["forces"] + theirs, rtol=1e-12, atol=1e-9)
    assert lammps_instance.get_thermo("pe") == pytest.approx(float(ours["energy"]) + energy, rel=1e-12)


def test_units_real_scale_energy_and_forces(lammps_instance, coeff: str) -> None:
    atoms = structures.dimer_and_lone_atom()
    expected = evaluate(lammps_instance, atoms, "lamplighter", coeff)
    script = (
        "clear\nunits real\natom_modify map yes\nregion box block 0 30 0 30 0 30\ncreate_box 3 box\n"
        "create_atoms 3 single 1 1 1\ncreate_atoms 1 single 2.1 1 1\ncreate_atoms 2 single 15 15 15\nmass * 12.0\n"
        f"pair_style lamplighter\npair_coeff * * {coeff}\nrun 0 post no"
    )
    lammps_instance.commands_string(script)
    kcal_per_mol = 23.060549
    assert lammps_instance.get_thermo("pe") == pytest.approx(float(expected["energy"]) * kcal_per_mol, rel=1e-7)
    np.testing.assert_allclose(forces_of(lammps_instance, 3), expected["forces"] * kcal_per_mol, rtol=1e-6, atol=1e-9)


def test_minimise_and_box_relax_reach_the_target_pressure(lammps_instance, trained_model: Path) -> None:
    atoms = structures.liquid()
    load(lammps_instance, atoms, "lamplighter", f"{trained_model} {ELEMENTS}")
    lammps_instance.commands_string("thermo_style custom step pe press fnorm fmax\nrun 0 post no")
    before = {name: lammps_instance.get_thermo(name) for name in ("pe", "press", "fmax")}
    lammps_instance.commands_string("fix relax all box/relax iso 0.0 vmax 0.002\nminimize 0 0.01 40 60\nunfix relax")
    after = {name: lammps_instance.get_thermo(name) for name in ("pe", "press", "fmax")}
    assert after["pe"] < before["pe"] - 1.0
    assert after["fmax"] < 0.5 * before["fmax"]


def test_forces_after_many_rebuilds_are_those_of_ase(lammps_instance, trained_model: Path) -> None:
    """Atoms cross the cell, lists are rebuilt: nothing kept from an earlier list may be used."""
    from ase.calculators.lammps import Prism

    atoms = structures.liquid()
    load(lammps_instance, atoms, "lamplighter", f"{trained_model} {ELEMENTS}")
    lammps_instance.commands_string(
        "neighbor 0.3 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all create 1500 7\nfix move all nve\n"
        "timestep 0.0005\nrun 60 post no"
    )
    assert lammps_instance.get_thermo("step") == 60
    found = forces_of(lammps_instance, len(atoms))
    positions = np.array(lammps_instance.gather_atoms("x", 1, 3)).reshape(-1, 3)
    atoms.set_positions(Prism(atoms.cell.array).vector_to_ase(positions))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        atoms.calc = MACECalculator(model_paths=str(trained_model), device="cpu", default_dtype="float64")
    np.testing.assert_allclose(found, atoms.get_forces(), rtol=0, atol=1e-7)


def test_a_second_pair_style_command_replaces_the_model(lammps_instance, small_model: Path, deep_model: Path) -> None:
    atoms = structures.smaller_than_cutoff()
    first = float(evaluate(lammps_instance, atoms, "lamplighter", f"{small_model} {ELEMENTS}")["energy"])
    lammps_instance.commands_string(f"pair_style lamplighter\npair_coeff * * {deep_model} {ELEMENTS}\nrun 0 post no")
    second = lammps_instance.get_thermo("pe")
    assert second == pytest.approx(
        float(evaluate(lammps_instance, atoms, "lamplighter", f"{deep_model} {ELEMENTS}")["energy"]), rel=1e-12
    )
    assert abs(first - second) > 1e-6


def test_the_ml_iap_file_of_mace_gives_the_same_as_the_model(
    lammps_instance, small_model: Path, tmp_path: Path
) -> None:
    import torch
    from mace.calculators.lammps_mliap_mace import LAMMPS_MLIAP_MACE

    model = torch.load(small_model, weights_only=False)
    model.lammps_mliap = True
    packed = tmp_path / "small-mliap_lammps.pt"
    torch.save(LAMMPS_MLIAP_MACE(model), packed)
    atoms = structures.liquid()
    expected = evaluate(lammps_instance, atoms, "lamplighter", f"{small_model} {ELEMENTS}")
    found = evaluate(lammps_instance, atoms, "lamplighter", f"{packed} {ELEMENTS}")
    np.testing.assert_allclose(found["forces"], expected["forces"], rtol=0, atol=1e-12)
