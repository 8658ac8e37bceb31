"""`head NAME`: which head of a model runs, by both engines, alone and in a committee, against the ASE calculator."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule
from ase.io import write
from lammps_evaluation import evaluate, load
from tests.conftest import PROGRAMS, Run

import structures
from conftest import build_mace
from lamplighter.driver.training_statistics import learn_beside
from lamplighter.errors import ModelError
from lamplighter.model_files.describe import describe
from lamplighter.potentials.native import compile_files

ELEMENTS = " ".join(structures.ELEMENTS)
HEADS = ("pbe", "r2scan")


def build_two_heads(path: Path, seed: int = 0, heads: tuple[str, ...] = HEADS) -> Path:
    """A MACE model with two heads of different atomic energies, readouts, scales and shifts."""
    import mace.modules  # isort: skip  # noqa: F401
    from e3nn import o3

    return build_mace(
        path,
        channels=4,
        hidden_ell=0,
        interactions=2,
        seed=seed,
        heads=list(heads),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.array([[-13.6, -1028.0, -2042.0], [-13.1, -1029.0, -2043.0]]),
        atomic_inter_scale=[1.0, 0.7],
        atomic_inter_shift=[0.1, -0.2],
    )


@pytest.fixture(scope="session")
def two_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_two_heads(tmp_path_factory.mktemp("heads") / "two_heads.model")


def test_models_that_mean_different_heads_share_no_file(two_heads: Path, tmp_path: Path) -> None:
    import torch
    from mace.calculators.lammps_mliap_mace import LAMMPS_MLIAP_MACE

    made = []
    for head in HEADS:
        made.append(tmp_path / f"{head}-mliap_lammps.pt")
        torch.save(LAMMPS_MLIAP_MACE(torch.load(two_heads, weights_only=False), head=head), made[-1])
        assert describe(made[-1]).head == head
    with pytest.raises(ModelError, match=r"r2scan-mliap.* means its head r2scan, and .*pbe-mliap.* its head pbe"):
        compile_files(made, tmp_path / "both.lamp")
    compile_files(made, tmp_path / "both.lamp", head="pbe")


def in_ase(model: Path, head: str | None) -> Atoms:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        atoms = structures.liquid()
        words = {"head": head} if head else {}
        atoms.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64", **words)
        atoms.get_potential_energy()
    return atoms


@pytest.mark.parametrize("engine", ["native", "bridge"])
def test_each_head_is_that_of_the_ase_calculator(lammps_instance, two_heads: Path, engine: str) -> None:
    energies = {}
    for head in HEADS:
        words = f"lamplighter dtype float64 engine {engine} head {head}"
        found = evaluate(lammps_instance, structures.liquid(), words, f"{two_heads} {ELEMENTS}")
        expected = in_ase(two_heads, head)
        assert found["energy"] == pytest.approx(expected.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(found["forces"], expected.get_forces(), rtol=0, atol=1e-8)
        energies[head] = float(found["energy"])
    assert abs(energies["pbe"] - energies["r2scan"]) > 1.0


@pytest.mark.parametrize("engine", ["native", "bridge"])
def test_of_several_heads_none_is_taken_because_of_its_place(
    lammps_instance, two_heads: Path, tmp_path: Path, engine: str
) -> None:
    """As MACE's ASE calculator: one called Default is meant, which replay and pseudolabels leave beside pt_head."""
    with pytest.raises(Exception, match=r"two_heads.model has several heads.*name one of pbe, r2scan"):
        load(lammps_instance, structures.lone_atom(), f"lamplighter engine {engine}", f"{two_heads} {ELEMENTS}")
    tuned = build_two_heads(tmp_path / "tuned.model", heads=("Default", "pt_head"))
    words = f"lamplighter dtype float64 engine {engine}"
    found = evaluate(lammps_instance, structures.liquid(), words, f"{tuned} {ELEMENTS}")
    assert float(found["energy"]) == pytest.approx(in_ase(tuned, None).get_potential_energy(), abs=1e-6)
    replayed = evaluate(lammps_instance, structures.liquid(), f"{words} head pt_head", f"{tuned} {ELEMENTS}")
    assert float(replayed["energy"]) == pytest.approx(in_ase(tuned, "pt_head").get_potential_energy(), abs=1e-6)
    assert abs(float(replayed["energy"]) - float(found["energy"])) > 1.0


def test_models_lists_the_head_that_a_run_uses(two_heads: Path, tmp_path: Path) -> None:
    tuned = build_two_heads(tmp_path / "tuned.model", heads=("Default", "pt_head"))
    assert (describe(two_heads).head, describe(two_heads).atomic_energies) == (None, {})
    assert (describe(tuned).head, describe(tuned).atomic_energies["H"]) == ("Default", -13.6)


@pytest.mark.parametrize("engine", ["native", "bridge"])
def test_an_unknown_head_is_refused_with_those_that_exist(lammps_instance, two_heads: Path, engine: str) -> None:
    with pytest.raises(Exception, match=r"two_heads.model has no head 'scan'; its heads: pbe, r2scan"):
        load(
            lammps_instance,
            structures.lone_atom(),
            f"lamplighter engine {engine} head scan",
            f"{two_heads} {ELEMENTS}",
        )


def test_a_model_of_one_head_refuses_other_names(lammps_instance, small_model: Path) -> None:
    with pytest.raises(Exception, match=r"has no head 'pbe'; its heads: Default"):
        load(lammps_instance, structures.lone_atom(), "lamplighter head pbe", f"{small_model} {ELEMENTS}")


def test_a_compiled_model_has_the_head_it_was_made_with(lammps_instance, two_heads: Path, tmp_path: Path) -> None:
    from lamplighter.potentials.native import compile_files

    compiled = tmp_path / "pbe.lamp"
    compile_files([two_heads], compiled, head="pbe")
    found = evaluate(lammps_instance, structures.liquid(), "lamplighter dtype float64", f"{compiled} {ELEMENTS}")
    assert float(found["energy"]) == pytest.approx(in_ase(two_heads, "pbe").get_potential_energy(), abs=1e-6)
    with pytest.raises(Exception, match=r"one head.*--head r2scan"):
        load(lammps_instance, structures.lone_atom(), "lamplighter head r2scan", f"{compiled} {ELEMENTS}")


@pytest.mark.parametrize("head", HEADS)
def test_an_mliap_file_can_run_another_head(lammps_instance, two_heads: Path, tmp_path: Path, head: str) -> None:
    import torch
    from mace.calculators.lammps_mliap_mace import LAMMPS_MLIAP_MACE

    model = torch.load(two_heads, weights_only=False)
    model.lammps_mliap = True
    torch.save(LAMMPS_MLIAP_MACE(model, head="pbe"), tmp_path / "two-mliap_lammps.pt")
    words = f"lamplighter dtype float64 engine bridge head {head}"
    found = evaluate(lammps_instance, structures.liquid(), words, f"{tmp_path / 'two-mliap_lammps.pt'} {ELEMENTS}")
    assert float(found["energy"]) == pytest.approx(in_ase(two_heads, head).get_potential_energy(), abs=1e-6)


@pytest.mark.mpi
@pytest.mark.parametrize("engine", ["native", "bridge"])
def test_one_name_holds_for_a_committee(mpirun: Run, two_heads: Path, tmp_path: Path, engine: str) -> None:
    other = build_two_heads(tmp_path / "other.model", seed=1)
    atoms = structures.liquid()
    atoms.write(tmp_path / "start.xyz")
    content = {
        "structure": "start.xyz",
        "potential": {"models": [str(two_heads), str(other)], "head": "pbe", "engine": engine},
        "committee": 1,
        "velocities": "300 K",
        "stages": [{"type": "nve", "length": "1 steps"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = mpirun(2, [PROGRAMS / "lamplighter", "run", "run.yaml"], timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = np.genfromtxt(tmp_path / "run" / "committee.csv", delimiter=",", names=True)
    forces = np.array([in_ase(model, "pbe").get_forces() for model in (two_heads, other)])
    variance = np.square(forces - forces.mean(axis=0)).sum(axis=(0, 2)) / 2
    assert rows["variance_max_eV2_A2"][0] == pytest.approx(variance.max(), rel=1e-6)


def test_a_run_file_refuses_a_head_without_models() -> None:
    from lamplighter.config.loading import parse_run_file
    from lamplighter.errors import ConfigError

    stages = [{"type": "nve", "length": "1 steps"}]
    for potential in ({"lammps": "pair_style zero 5"}, {"kind": "deepmd", "models": ["a.pb"]}):
        content = {"structure": "a.xyz", "potential": {**potential, "head": "pbe"}, "stages": stages}
        with pytest.raises(ConfigError, match=r"potential\.head"):
            parse_run_file(content)
    content = {"structure": "a.xyz", "potential": {"models": ["a.model"], "head": "two words"}, "stages": stages}
    with pytest.raises(ConfigError, match="one word"):
        parse_run_file(content)


def test_statistics_of_another_head_are_refused(  # type: ignore[no-untyped-def]
    lammps_instance, two_heads: Path, tmp_path: Path
) -> None:
    frames = [molecule("CH3OCH3") for _ in range(40)]
    for seed, each in enumerate(frames):
        each.rattle(0.1, seed=seed)
    write(tmp_path / "train.xyz", frames, format="extxyz")
    statistics, compiled = tmp_path / "pbe.training", tmp_path / "r2scan.lamp"
    learn_beside(two_heads, statistics, tmp_path / "train.xyz", frames, head="pbe")
    compile_files([two_heads], compiled, head="r2scan")
    for words, model, said in (
        ("engine bridge head r2scan", two_heads, "is about the head pbe of .*, and the head r2scan is meant"),
        ("engine native head r2scan", two_heads, "or another head of it, was trained on"),
        ("", compiled, "or another head of it, was trained on"),
    ):
        with pytest.raises(Exception, match=said):
            load(lammps_instance, structures.liquid(), f"lamplighter {words} extrapolation every 1 from {statistics}",
                 f"{model} {ELEMENTS}")  # fmt: skip
    words = f"lamplighter engine bridge head pbe extrapolation every 1 from {statistics}"
    load(lammps_instance, structures.liquid(), words, f"{two_heads} {ELEMENTS}")
