"""`engine torch-fast`: forces, energies and stresses of mace-torch's own calculator, on one rank and on two."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.units import bar
from lammps_evaluation import evaluate, load
from tests.conftest import Run

import structures
from conftest import as_if_trained, build_mace, mace_calculator
from lamplighter.errors import LamplighterError, ModelError
from lamplighter.potentials.bridge import callbacks as bridge
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.torch_fast.contraction import Polynomial
from lamplighter.potentials.torch_fast.harmonics import spherical_harmonics
from lamplighter.potentials.torch_fast.neighbours import grouped
from lamplighter.potentials.torch_fast.potential import TorchFast

pytestmark = pytest.mark.usefixtures("double_precision")

ELEMENTS = " ".join(structures.ELEMENTS)
OPTIONS = LoadOptions(elements=structures.ELEMENTS, dtype="float64")
PROGRAM = Path(__file__).with_name("torch_fast_evaluation.py")
GATED = "RealAgnosticResidualNonLinearInteractionBlock"


@pytest.fixture(scope="module")
def models(trained_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example's; one with vectors; one with most of what models are made of."""
    import mace.modules

    folder = tmp_path_factory.mktemp("models")
    classes = mace.modules.interaction_classes
    return {
        "trained": trained_model,
        "vectors": build_mace(folder / "vectors.model", channels=8, hidden_ell=1, interactions=3, max_ell=3),
        "foundation": build_mace(
            folder / "foundation.model",
            channels=8,
            hidden_ell=1,
            interactions=2,
            max_ell=3,
            correlation=3,
            interaction_cls_first=classes["RealAgnosticDensityInteractionBlock"],
            interaction_cls=classes["RealAgnosticDensityResidualInteractionBlock"],
            distance_transform="Agnesi",
            pair_repulsion=True,
            radial_MLP=[16, 16],
        ),
    }


@pytest.fixture(scope="module")
def small_liquid() -> Atoms:
    """Vacuum beside it, so that numbers of neighbours differ, and of two ranks along z one has none."""
    atoms = structures.liquid()
    near = np.argsort(np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1))[:40]
    cut = atoms[np.sort(near)]
    cut.positions -= cut.positions.min(axis=0)
    cut.set_cell([12.0, 12.0, 26.0])
    return cut


@pytest.mark.parametrize("name", ["trained", "vectors", "foundation"])
def test_energy_forces_and_stress_are_those_of_mace(
    lammps_instance, models: dict[str, Path], small_liquid: Atoms, name: str
) -> None:  # type: ignore[no-untyped-def]
    found = evaluate(
        lammps_instance, small_liquid, "lamplighter dtype float64 engine torch-fast", f"{models[name]} {ELEMENTS}"
    )
    atoms = small_liquid.copy()
    atoms.calc = mace_calculator(models[name])
    assert np.abs(atoms.get_forces()).max() > 0.1
    np.testing.assert_allclose(found["forces"], atoms.get_forces(), rtol=0, atol=1e-8)
    assert found["energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
    np.testing.assert_allclose(found["energies"], atoms.get_potential_energies(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(-found["pressure_bar"] * bar, atoms.get_stress(voigt=False), rtol=0, atol=1e-9)


def test_float32_is_float64_within_rounding(lammps_instance, models: dict[str, Path], small_liquid: Atoms) -> None:  # type: ignore[no-untyped-def]
    exact, rounded = (
        evaluate(
            lammps_instance,
            small_liquid,
            f"lamplighter dtype {each} engine torch-fast",
            f"{models['trained']} {ELEMENTS}",
        )
        for each in ("float64", "float32")
    )
    difference = np.abs(exact["forces"] - rounded["forces"]).max()
    assert 1e-8 < difference < 1e-5 * np.abs(exact["forces"]).max()
    assert float(rounded["energy"]) == pytest.approx(float(exact["energy"]), abs=1e-5 * len(small_liquid))


@pytest.mark.mpi
def test_two_ranks_and_a_committee_are_one_rank_and_its_members(
    mpirun: Run, models: dict[str, Path], small_liquid: Atoms, tmp_path: Path
) -> None:
    """Of the two ranks one has no atoms in the slab; the members differ in shape, and the last is compiled."""
    from lamplighter.potentials.native import compile_files

    compiled = tmp_path / "trained.lamp"
    compile_files([models["trained"]], compiled)
    members = [models["vectors"], models["foundation"], compiled]
    ase.io.write(tmp_path / "atoms.traj", small_liquid)
    asked = json.dumps({"models": [str(member) for member in members]})
    done = mpirun(2, [sys.executable, PROGRAM, tmp_path, asked], timeout=280)
    assert (tmp_path / "found.npz").exists(), (done.stdout + done.stderr)[-3000:]
    found = np.load(tmp_path / "found.npz")
    expected = []
    for model in (models["vectors"], models["foundation"], models["trained"]):
        atoms = small_liquid.copy()
        atoms.calc = mace_calculator(model)
        expected.append(atoms.get_forces())
    forces = np.array(expected)
    # the same through the host from the device of one rank to that of the other
    for name in ("one_empty", "divided", "direct"):
        np.testing.assert_allclose(found[name], forces[0], rtol=0, atol=1e-8)
        assert found[f"{name}_rounds"].max() == 2 * 2  # forward and back, between three interactions
    assert found["one_empty_atoms"].min() == 0 == found["one_empty_rounds"].min()
    assert found["divided_atoms"].min() > 5
    np.testing.assert_allclose(found["forces"], forces.mean(axis=0), rtol=0, atol=1e-8)
    variance = ((forces - forces.mean(axis=0)) ** 2).sum(axis=(0, 2)) / len(forces)
    np.testing.assert_allclose(found["variance"], variance, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "build", [structures.lone_atom, structures.dimer_and_lone_atom, structures.smaller_than_cutoff]
)
def test_atoms_without_pairs_and_small_boxes(lammps_instance, models: dict[str, Path], build) -> None:  # type: ignore[no-untyped-def]
    found = evaluate(
        lammps_instance, build(), "lamplighter dtype float64 engine torch-fast", f"{models['vectors']} {ELEMENTS}"
    )
    atoms = build()
    atoms.calc = mace_calculator(models["vectors"])
    np.testing.assert_allclose(found["forces"], atoms.get_forces(), rtol=0, atol=1e-8)
    assert float(found["energy"]) == pytest.approx(atoms.get_potential_energy(), abs=1e-8)


@pytest.mark.parametrize("name", ["vectors", "foundation"])
def test_pairs_that_are_found_where_the_model_runs_are_the_same(
    lammps_instance, models: dict[str, Path], small_liquid: Atoms, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:  # type: ignore[no-untyped-def]
    """As on a GPU, where LAMMPS hands over positions and its list."""
    style, coeff = "lamplighter dtype float64 engine torch-fast", f"{models[name]} {ELEMENTS}"
    usual = evaluate(lammps_instance, small_liquid, style, coeff)
    monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
    other = evaluate(lammps_instance, small_liquid, style, coeff)
    np.testing.assert_allclose(other["forces"], usual["forces"], rtol=0, atol=1e-11)
    np.testing.assert_allclose(other["pressure_bar"], usual["pressure_bar"], rtol=0, atol=1e-5)


def test_what_it_lacks_is_named_with_what_evaluates_it(tmp_path: Path, models: dict[str, Path]) -> None:
    import mace.modules

    gated = mace.modules.interaction_classes[GATED]
    lacking = as_if_trained(
        build_mace(
            tmp_path / "gated.model",
            channels=8,
            hidden_ell=1,
            interactions=2,
            apply_cutoff=False,
            interaction_cls=gated,
            interaction_cls_first=gated,
        )
    )
    with pytest.raises(ModelError, match=rf"engine torch-fast, which lacks non-linear.*{GATED}.*use engine bridge"):
        TorchFast.load(lacking, OPTIONS)
    chebyshev = build_mace(
        tmp_path / "chebyshev.model", channels=4, hidden_ell=0, interactions=1, radial_type="chebyshev"
    )
    with pytest.raises(ModelError, match=r"lacks the radial basis Chebychev.*engine bridge"):
        TorchFast.load(chebyshev, OPTIONS)
    other = structures.EXAMPLE / "frameworks" / "models" / "nequip"
    with pytest.raises(ModelError, match=r"torch-fast evaluates MACE models, and .* is none"):
        TorchFast.load(next(other.glob("*.zip")), OPTIONS)


def test_the_pair_style_says_what_it_opened_and_refuses_other_kinds(
    lammps_instance, models: dict[str, Path], tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    lmp = lammps_instance
    lmp.command(f"log {tmp_path / 'log.lammps'}")
    load(lmp, structures.lone_atom(), "lamplighter dtype float64 engine torch-fast", f"{models['trained']} {ELEMENTS}")
    lmp.command("run 0 post no")
    lmp.command("log none")
    said = (tmp_path / "log.lammps").read_text()
    assert "by engine torch-fast, float64 on cpu: MACE, 2 interactions, radial tables of" in said
    assert "against the native engine, " in said
    with pytest.raises(Exception, match="engine"):
        evaluate(
            lmp, structures.lone_atom(), "lamplighter kind nequip engine torch-fast", f"{models['trained']} {ELEMENTS}"
        )
    problem = bridge.pending_error()
    assert isinstance(problem, LamplighterError)
    assert "engine torch-fast evaluates MACE models, not kind nequip" in str(problem)


def test_harmonics_are_e3nns() -> None:
    from e3nn import o3

    vectors = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=1)
    expected = o3.spherical_harmonics([0, 1, 2, 3], vectors, normalize=True, normalization="component")
    torch.testing.assert_close(spherical_harmonics(vectors, 3), expected, rtol=0, atol=1e-13)


def test_each_pair_stands_in_one_place_of_its_receiver() -> None:
    receivers = torch.tensor([0, 0, 0, 2, 2, 3])
    found = grouped(receivers, 5, width=2**17)  # a few pairs a block
    assert len(found.blocks) > 1
    assert found.order[found.place].tolist() == list(range(5))
    slots = torch.cat([block.slots for block in found.blocks])
    assert slots[found.slot_of_pair].tolist() == list(range(6))
    for block in found.blocks:
        for atom, mine in zip(found.order[block.atoms].tolist(), block.slots.view(block.natoms, -1), strict=True):
            pairs = [slot for slot in mine.tolist() if slot < len(receivers)]
            assert pairs == torch.nonzero(receivers == atom).squeeze(1).tolist()


def test_a_polynomial_has_the_derivatives_of_its_sum() -> None:
    terms = [
        (np.array([[0]]), np.array([0]), np.array([1.5])),
        (np.array([[1, 0], [2, 2]]), np.array([0, 1]), np.array([0.5, -1.0])),
        (np.array([[2, 1, 0], [0, 1, 2], [1, 1, 1]]), np.array([0, 1, 1]), np.array([1.0, 2.0, -0.5])),
    ]
    polynomial = Polynomial(terms, [1, 2, 2])
    sums = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 4, 2, dtype=torch.float64)
    a, w = sums.detach(), weights
    expected = w[0] * 1.5 * a[0] + w[1] * 0.5 * a[0] * a[1] - w[2] * a[2] ** 2
    expected = expected + (w[3] + 2.0 * w[4]) * a[0] * a[1] * a[2] - 0.5 * w[4] * a[1] ** 3
    torch.testing.assert_close(polynomial(sums, weights).detach(), expected)
    assert torch.autograd.gradcheck(lambda x: polynomial(x, weights), (sums,))
