"""`engine symmetrix`: forces, energies and stresses of mace-torch's own calculator, on one rank and on two."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.units import bar
from lammps_evaluation import evaluate, load
from tests.conftest import Run

import structures
from conftest import build_mace, mace_calculator
from lamplighter.errors import EnvironmentProblem, ModelError
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.symmetrix import package
from lamplighter.potentials.symmetrix import potential as symmetrix_potential
from lamplighter.potentials.symmetrix.potential import Symmetrix

pytest.importorskip("symmetrix", reason="symmetrix-xl is not installed: pip install 'lamplighter[symmetrix]'")

pytestmark = pytest.mark.usefixtures("double_precision")

ELEMENTS = " ".join(structures.ELEMENTS)
PROGRAM = Path(__file__).with_name("symmetrix_evaluation.py")
SHAPE = {"channels": 8, "interactions": 2, "max_ell": 3, "correlation": 3}
FORCES, ENERGIES = 1e-6, 1e-8  # eV/Å, which is what its splines leave, and eV per atom


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scalar features, and all else that the stages of an evaluation have to make up for."""
    import mace.modules

    residual = mace.modules.interaction_classes["RealAgnosticDensityResidualInteractionBlock"]
    return build_mace(
        tmp_path_factory.mktemp("models") / "scalars.model",
        hidden_ell=0,
        interaction_cls_first=residual,
        interaction_cls=residual,
        distance_transform="Agnesi",
        pair_repulsion=True,
        radial_MLP=[16, 16],
        **SHAPE,
    )


def slab() -> Atoms:
    """Vacuum beside a liquid: of two ranks along z one has no atoms."""
    atoms = structures.liquid()
    near = np.argsort(np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1))[:40]
    cut = atoms[np.sort(near)]
    cut.positions -= cut.positions.min(axis=0)
    cut.set_cell([12.0, 12.0, 26.0])
    return cut


def assert_is_maces(found: dict[str, np.ndarray], bare: Atoms, calculator: Calculator) -> None:
    atoms = bare.copy()
    atoms.calc = calculator
    np.testing.assert_allclose(found["forces"], atoms.get_forces(), rtol=0, atol=FORCES)
    assert float(found["energy"]) == pytest.approx(atoms.get_potential_energy(), abs=ENERGIES * len(atoms))
    np.testing.assert_allclose(found["energies"], atoms.get_potential_energies(), rtol=0, atol=10 * ENERGIES)
    np.testing.assert_allclose(-found["pressure_bar"] * bar, atoms.get_stress(voigt=False), rtol=0, atol=1e-8)


def test_the_liquid_is_maces_by_code_generated_for_the_model(lammps_instance, model: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lmp = lammps_instance
    lmp.command(f"log {tmp_path / 'log.lammps'}")
    found = evaluate(lmp, structures.liquid(), "lamplighter dtype float64 engine symmetrix", f"{model} {ELEMENTS}")
    lmp.command("log none")
    assert np.abs(found["forces"]).max() > 1.0
    assert_is_maces(found, structures.liquid(), mace_calculator(model))
    said = (tmp_path / "log.lammps").read_text()
    assert "by engine symmetrix, float64 on cpu: Symmetrix-XL 0.1" in said
    assert "with code generated for the model; against mace-torch, 5 random clusters" in said


@pytest.mark.mpi
def test_two_ranks_are_one_and_one_may_have_no_atoms(mpirun: Run, model: Path, tmp_path: Path) -> None:
    """More atoms, then fewer, then one: an evaluator keeps what it made last."""
    frames = [structures.liquid(), slab(), structures.lone_atom()]
    ase.io.write(tmp_path / "atoms.traj", frames)
    asked = json.dumps({"models": [str(model)], "style": ""})
    done = mpirun(2, [sys.executable, PROGRAM, tmp_path, asked], timeout=280)
    assert (tmp_path / "found_2.npz").exists(), (done.stdout + done.stderr)[-3000:]
    assert f"Symmetrix-XL {package.version()}, in stages" in (tmp_path / "log.lammps").read_text()
    calculator = mace_calculator(model)
    for number, atoms in enumerate(frames):
        assert_is_maces(dict(np.load(tmp_path / f"found_{number}.npz")), atoms, calculator)


@pytest.mark.slow
@pytest.mark.mpi
def test_vectors_and_a_committee_on_two_ranks(mpirun: Run, model: Path, tmp_path: Path) -> None:
    vectors = build_mace(tmp_path / "vectors.model", hidden_ell=1, **SHAPE)
    for name, models, style in (("alone", [vectors], ""), ("mean", [vectors, model], "committee every 1 drive mean")):
        (tmp_path / name).mkdir()
        ase.io.write(tmp_path / name / "atoms.traj", [structures.liquid()])
        asked = json.dumps({"models": list(map(str, models)), "style": style})
        done = mpirun(2, [sys.executable, PROGRAM, tmp_path / name, asked], timeout=280)
        assert (tmp_path / name / "found_0.npz").exists(), (done.stdout + done.stderr)[-3000:]
    assert_is_maces(dict(np.load(tmp_path / "alone" / "found_0.npz")), structures.liquid(), mace_calculator(vectors))
    forces = []
    for each in (vectors, model):
        atoms = structures.liquid()
        atoms.calc = mace_calculator(each)
        forces.append(atoms.get_forces())
    found = np.load(tmp_path / "mean" / "found_0.npz")["forces"]
    np.testing.assert_allclose(found, np.mean(forces, axis=0), rtol=0, atol=FORCES)


def test_float32_and_no_compiler_are_the_same_within_rounding(
    lammps_instance, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("SYMMETRIX_JIT_POLICY", "none")
    lmp = lammps_instance
    lmp.command(f"log {tmp_path / 'log.lammps'}")
    exact, rounded = (
        evaluate(lmp, slab(), f"lamplighter dtype {each} engine symmetrix", f"{model} {ELEMENTS}")
        for each in ("float64", "float32")
    )
    lmp.command("log none")
    assert "without code generated for the model (" in (tmp_path / "log.lammps").read_text()
    assert_is_maces(exact, slab(), mace_calculator(model))
    difference = np.abs(exact["forces"] - rounded["forces"]).max()
    assert 1e-8 < difference < 1e-5 * np.abs(exact["forces"]).max()


def test_what_it_does_not_take_is_named_with_what_evaluates_it(
    trained_model: Path, deep_model: Path, small_model: Path, tmp_path: Path
) -> None:
    options = LoadOptions(elements=structures.ELEMENTS)

    def problem_of(path: Path) -> str:
        with pytest.raises(ModelError, match=r"does not take\. Use engine auto, torch-fast or bridge") as problem:
            Symmetrix.load(path, options)
        return str(problem.value)

    def built(name: str, **changed: object) -> Path:
        return build_mace(tmp_path / name, channels=2, hidden_ell=0, interactions=2, max_ell=1, **changed)

    assert "it has 3 interactions (2 are taken)" in problem_of(deep_model)
    assert "it has a correlation of 2 (3 is taken)" in problem_of(small_model)
    assert "it has harmonics to degree 2 (`max_ell`; 3 is taken)" in problem_of(trained_model)
    assert "it has the radial basis ChebychevBasis" in problem_of(built("a.model", radial_type="chebyshev"))
    assert "it has energies without scale and shift" in problem_of(built("b.model", scaled=False))
    nequip = next((structures.EXAMPLE / "frameworks" / "models" / "nequip").glob("*.zip"))
    with pytest.raises(ModelError, match=r"engine symmetrix evaluates MACE models, and .* is none"):
        Symmetrix.load(nequip, options)


def test_kernels_that_do_not_agree_with_mace_are_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actual = symmetrix_potential.clusters_of
    monkeypatch.setattr(
        symmetrix_potential,
        "clusters_of",
        lambda content: [(atoms, energy, forces + 1e-4) for atoms, energy, forces in actual(content)],
    )
    with pytest.raises(ModelError, match=r"symmetrix does not agree with mace-torch .* differ by at most 1\.0e-04"):
        Symmetrix.load(model, LoadOptions(elements=structures.ELEMENTS, dtype="float64", nranks=2))


def test_a_package_or_kernels_that_are_not_installed_are_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(EnvironmentProblem, match=r"none for the GPU cuda:1.*pip install symmetrix-xl-cuda12-sm90"):
        package.kernels(torch.device("cuda", 1))
    monkeypatch.setitem(sys.modules, "symmetrix", None)
    with pytest.raises(EnvironmentProblem, match=r"not installed here.*pip install 'symmetrix-xl>=0\.1\.1,<0\.2'"):
        Symmetrix.load(model, LoadOptions(elements=structures.ELEMENTS))


def test_a_compiled_model_is_refused(lammps_instance, plain: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Exception, match="leave out 'engine symmetrix', or name the model that it was made from"):
        load(lammps_instance, structures.lone_atom(), "lamplighter engine symmetrix", f"{plain} {ELEMENTS}")
