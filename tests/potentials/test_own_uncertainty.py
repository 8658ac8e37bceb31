"""One model's own uncertainty in LAMMPS: the engine's values against Python's, on any ranks, and what is refused."""

from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from ase import Atoms
from ase.build import molecule
from ase.io import write
from lammps_evaluation import load
from test_layered import ARCHITECTURES, network, written
from tests.conftest import PROGRAMS, run_program

import structures
from conftest import as_if_trained, build_mace
from lamplighter.driver.training_statistics import learn_beside, learn_training_set, require_training_set
from lamplighter.errors import LamplighterError, ModelError
from lamplighter.potentials.mace_compile import to_bytes
from lamplighter.potentials.native import compile_files
from lamplighter.potentials.readout_inputs import ReadoutInputs

PROGRAM = Path(__file__).with_name("own_uncertainty_evaluation.py")
COEFF = " ".join(structures.ELEMENTS)


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory, learnt: Path, clusters: list[Atoms]) -> Path:
    """A committee in one file, whose first model is that of `learnt`."""
    path = tmp_path_factory.mktemp("two") / "two.lamp"
    compile_files([structures.EXAMPLE / "models" / f"ec_emc_{k}.model" for k in range(2)], path)
    learn_training_set(path, learnt.with_name("train.xyz"), clusters)
    return path


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory, learnt: Path, clusters: list[Atoms]) -> Path:
    """A MACE model whose last readout has two hidden layers with biases."""
    from mace.modules.blocks import NonLinearBiasReadoutBlock

    path = tmp_path_factory.mktemp("biased") / "biased.lamp"
    shape = {"channels": 4, "hidden_ell": 0, "interactions": 2, "readout_cls": NonLinearBiasReadoutBlock}
    compile_files([as_if_trained(build_mace(path.with_suffix(".model"), **shape))], path)
    learn_training_set(path, learnt.with_name("train.xyz"), clusters)
    return path


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory, learnt: Path, clusters: list[Atoms]) -> Path:
    """A network of convolutions and gates, whose readout has a hidden layer."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    path = written(tmp_path_factory.mktemp("layers") / "layers.lamp", network(**ARCHITECTURES["with parity"]))
    torch.set_default_dtype(before)
    learn_training_set(path, learnt.with_name("train.xyz"), clusters)
    return path


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory, trained_model: Path, learnt: Path, clusters: list[Atoms]) -> Path:
    """What the model of `learnt` makes of the same clusters as mace-torch evaluates it, beside a copy of the model."""
    folder = tmp_path_factory.mktemp("beside")
    (folder / trained_model.name).symlink_to(trained_model)
    learn_beside(trained_model, folder / "own.training", learnt.with_name("train.xyz"), clusters)
    return folder / "own.training"


def expected(model: Path) -> np.ndarray:
    """The square root of U over the largest of the element in the training set, by Python."""
    known, atoms = require_training_set(model), structures.slab()
    with safetensors.safe_open(str(model), "np") as file:
        along = ReadoutInputs(model).describe(atoms) @ file.get_tensor("extrapolation.matrix").T
    u = (along**2).sum(axis=1)
    return np.asarray(np.sqrt(u / np.array([known.largest[symbol] for symbol in atoms.symbols])))


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("name", "ranks", "words"),
    [("biased", 1, ""), ("layers", 2, ""), ("two_models", 4, "committee every 1000 drive mean ")],
    ids=["MACE of deep readouts", "layers on 2 ranks", "a committee on 4 ranks"],
)
def test_values_are_those_of_the_definition(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, ranks: int, words: str
) -> None:
    model = request.getfixturevalue(name)
    command = [sys.executable, PROGRAM, tmp_path, model, f"{words}extrapolation every 1000"]
    done = run_program([PROGRAMS / "mpirun", "-n", str(ranks), *command], cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    found, wanted = np.load(tmp_path / "found.npz"), expected(model)
    np.testing.assert_allclose(found["values"], wanted, rtol=1e-7)
    numbers = found["numbers"][14:] if words else found["numbers"]  # 9, three types, two energies
    symbols = np.array(structures.slab().get_chemical_symbols())
    of_types = [wanted[symbols == symbol].max() for symbol in structures.ELEMENTS]
    np.testing.assert_allclose(numbers, [wanted.max(), wanted.mean(), 0.0, *of_types], rtol=1e-7)
    np.testing.assert_allclose(found["later"], found["values"], rtol=1e-12)
    assert np.abs(found["moved"] / wanted - 1.0).max() > 0.05  # a run begins with an evaluation


@pytest.mark.mpi
def test_values_on_the_bridge_are_those_of_the_native_engine(beside: Path, learnt: Path, tmp_path: Path) -> None:
    """Two ranks, of which one has few atoms, and a committee whose first model is meant."""
    models = " ".join(str(structures.EXAMPLE / "models" / f"ec_emc_{k}.model") for k in range(2))
    words = f"engine bridge committee every 1000 drive mean extrapolation every 1000 from {beside}"
    command = [sys.executable, PROGRAM, tmp_path, models, words, "still"]
    done = run_program([PROGRAMS / "mpirun", "-n", "2", *command], cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    found, wanted = np.load(tmp_path / "found.npz"), expected(learnt)
    np.testing.assert_allclose(found["values"], wanted, rtol=1e-7)
    np.testing.assert_allclose(found["numbers"][14:17], [wanted.max(), wanted.mean(), 0.0], rtol=1e-7)


def test_statistics_hold_for_whoever_evaluates_the_model(  # type: ignore[no-untyped-def]
    lammps_instance, beside: Path, learnt: Path, trained_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = expected(learnt)
    for words, file, device, tolerance in [
        ("engine native dtype float64", beside, "", 1e-7),
        ("engine bridge dtype float64", learnt, "", 1e-7),
        ("engine bridge dtype float64", beside, "model", 1e-7),  # pairs are found where the model runs
        ("engine bridge dtype float32", beside, "", 1e-3),
    ]:
        monkeypatch.setenv("LAMPLIGHTER_PAIRS", device)
        style = f"lamplighter {words} extrapolation every 1 from {file}"
        load(lammps_instance, structures.slab(), style, f"{trained_model} {COEFF}")
        lammps_instance.commands_string("fix u all pair 1 lamplighter extrapolation 0\nrun 0 post no")
        np.testing.assert_allclose(np.array(lammps_instance.gather("f_u", 1, 1)), wanted, rtol=tolerance)


def test_statistics_of_another_model_are_refused(  # type: ignore[no-untyped-def]
    lammps_instance, beside: Path, learnt: Path, trained_model: Path, tmp_path: Path
) -> None:
    lone, other = structures.lone_atom(), trained_model.with_name("ec_emc_1.model")
    gap = structures.EXAMPLE / "frameworks" / "models" / "gap" / "gap_0.xml"
    cut = tmp_path / "cut.training"
    cut.write_bytes(beside.read_bytes()[:-9])
    for words, model, message in [
        (f"engine bridge extrapolation every 1 from {beside}", other, r"ec_emc_0.model was trained on, whose hash is"),
        (f"engine native extrapolation every 1 from {beside}", other, r"says what another model, or another head"),
        (f"engine bridge extrapolation every 1 from {beside}", gap, r"of kind gap does not give what its last layers"),
        (f"engine bridge extrapolation every 1 from {cut}", trained_model, r"cut.training is not .* or it is damaged"),
        (f"engine native extrapolation every 1 from {cut}", trained_model, r"cut.training: is damaged or truncated"),
        ("engine bridge extrapolation every 1 from", trained_model, r"lacks its file"),
        ("engine bridge extrapolation every 1", trained_model, r"says nothing of its own: .*every N from MODEL"),
    ]:
        with pytest.raises(Exception, match=message):
            load(lammps_instance, lone, f"lamplighter {words}", f"{model} {COEFF}")
    alkanes = [molecule("C2H6") for _ in range(60)]
    for seed, each in enumerate(alkanes):
        each.rattle(0.1, seed=seed)
    write(tmp_path / "alkanes.xyz", alkanes, format="extxyz")
    two = tmp_path / "two.training"
    learn_beside(trained_model, two, tmp_path / "alkanes.xyz", alkanes, ["H", "C"])
    for engine, said in (("bridge", "hold H C, and the run has O"), ("native", "O")):  # atoms of a third one
        words = f"lamplighter engine {engine} extrapolation every 1 from {two}"
        with pytest.raises(Exception, match=rf"two.training.*{said}"):
            load(lammps_instance, structures.liquid(), words, f"{trained_model} {COEFF}")


def test_frames_are_held_against_a_model_beside_its_statistics(beside: Path, learnt: Path, tmp_path: Path) -> None:
    of_model, of_native = require_training_set(beside), require_training_set(learnt)
    atoms = structures.liquid()
    described = of_model.descriptor(), of_native.descriptor()
    (u, _), (wanted, _) = (
        known.elements["H"].residuals(next(each.chunks(atoms))[1])
        for known, each in zip((of_model, of_native), described, strict=True)
    )
    np.testing.assert_allclose(u, wanted, rtol=1e-7)
    alone = tmp_path / beside.name
    alone.write_bytes(beside.read_bytes())
    with pytest.raises(LamplighterError, match=r"needs the model that it is about, ec_emc_0.model, in the same folder"):
        require_training_set(alone).descriptor()
    (tmp_path / "ec_emc_0.model").symlink_to(structures.EXAMPLE / "models" / "ec_emc_1.model")
    with pytest.raises(ModelError, match="whose hash is not that of"):
        require_training_set(alone).descriptor()


def test_only_a_model_that_knows_its_training_set_is_asked(  # type: ignore[no-untyped-def]
    lammps_instance, plain: Path, two_models: Path
) -> None:
    lone = structures.lone_atom()
    for words, model, message in [
        ("extrapolation every 1", plain, r"plain.lamp says nothing of its own: .*--training"),
        ("extrapolation every 0", plain, r"needs N >= 1 steps, got 0"),
        ("extrapolation 5", plain, r"expected 'extrapolation every N'"),
        ("committee every 5 drive 2 extrapolation every 5", two_models, r"with 'drive 2' another one moves"),
    ]:
        with pytest.raises(Exception, match=message):
            load(lammps_instance, lone, f"lamplighter {words}", f"{model} {COEFF}")
    load(lammps_instance, lone, "lamplighter", f"{plain} {COEFF}")
    with pytest.raises(Exception, match="'extrapolation' needs a model that knows its training set"):
        lammps_instance.commands_string("fix g all guard 1 extrapolation 1.5\nrun 0 post no")
    # LAMMPS keeps a pair style that is named again: its models were opened for other words
    with pytest.raises(Exception, match="pair coeffs are not set"):
        lammps_instance.commands_string("unfix g\npair_style lamplighter extrapolation every 1\nrun 0 post no")


def test_a_damaged_section_is_refused_where_it_is_asked_for(  # type: ignore[no-untyped-def]
    lammps_instance, learnt: Path, tmp_path: Path
) -> None:
    """Arrays that are missing, of another shape, or hold what cannot be; the model itself can still be used."""
    with safetensors.safe_open(str(learnt), "np") as file:
        labels = {key: value for key, value in (file.metadata() or {}).items() if key != "crc32"}
        arrays = {name: file.get_tensor(name).copy() for name in file.keys()}  # noqa: SIM118
    bad, lone = tmp_path / "bad.lamp", structures.lone_atom()
    rng = np.random.default_rng(2)
    for name in [name for name in arrays if name.startswith("extrapolation.")]:
        array = arrays[name]
        whole = array.dtype.kind == "i"
        wrong = array.copy()
        wrong.reshape(-1)[rng.integers(array.size)] = -1 if whole else rng.choice([np.nan, np.inf])
        changes = [None, array[..., None], array[:-1], array.astype(float if whole else np.int64), wrong]
        for change in changes:
            changed = {each: value for each, value in arrays.items() if each != name}
            if change is not None:
                changed[name] = np.ascontiguousarray(change)
            bad.write_bytes(to_bytes(changed, labels))
            # fewer points for the map are still points
            fits = name.startswith("extrapolation.points") and change is not None and len(change) < len(array)
            refused = contextlib.nullcontext() if fits else pytest.raises(Exception, match=r"bad\.lamp")
            with refused:
                load(lammps_instance, lone, "lamplighter extrapolation every 1", f"{bad} {COEFF}")
            load(lammps_instance, lone, "lamplighter", f"{bad} {COEFF}")
    content = learnt.read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    for place in rng.integers(begin, len(content), 20):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        for damaged in (bytes(flipped), content[:place]):
            bad.write_bytes(damaged)
            with pytest.raises(Exception, match=r"damaged or truncated|is truncated"):
                load(lammps_instance, lone, "lamplighter extrapolation every 1", f"{bad} {COEFF}")
