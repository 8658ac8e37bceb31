"""Models that the tests of potentials use: a trained one of the example, and small ones with other shapes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator

from lamplighter.model_files import mace_package
from lamplighter.potentials.double_precision import double_precision as in_double_precision

sys.path.insert(0, str(Path(__file__).parent))
import structures


@pytest.fixture(scope="session")
def trained_model() -> Path:
    """A MACE model of the EC:EMC committee."""
    return structures.EXAMPLE / "models" / "ec_emc_0.model"


@pytest.fixture(scope="session")
def clusters() -> list[Atoms]:
    """Of the training set of that model."""
    return ase.io.read(structures.EXAMPLE / "data" / "xtb_train.xyz", ":40")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained model, compiled."""
    from lamplighter.potentials.native import compile_files

    path = tmp_path_factory.mktemp("plain") / "plain.lamp"
    compile_files([structures.EXAMPLE / "models" / "ec_emc_0.model"], path)
    return path


@pytest.fixture(scope="session")
def learnt(plain: Path, clusters: list[Atoms]) -> Path:
    """The same, which knows 40 clusters; the file of these lies beside it."""
    from lamplighter.driver.training_statistics import learn_training_set

    path = plain.with_name("learnt.lamp")
    path.write_bytes(plain.read_bytes())
    ase.io.write(path.with_name("train.xyz"), clusters)
    learn_training_set(path, path.with_name("train.xyz"), clusters)
    return path


def build_mace(
    path: Path, *, channels: int, hidden_ell: int, interactions: int, seed: int = 0, **options: object
) -> Path:
    """A MACE model with random weights and large atomic energies, saved as mace-torch saves its own."""
    import mace.modules
    import torch
    from e3nn import o3

    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    residual = mace.modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    hidden = "+".join(f"{channels}x{ell}{'oe'[ell % 2 == 0]}" for ell in range(hidden_ell + 1))
    settings: dict[str, object] = {
        "r_max": 4.0,
        "num_bessel": 6,
        "num_polynomial_cutoff": 5,
        "max_ell": 2,
        "interaction_cls": residual,
        "interaction_cls_first": residual,
        "num_interactions": interactions,
        "num_elements": 3,
        "hidden_irreps": o3.Irreps(hidden),
        "MLP_irreps": o3.Irreps("8x0e"),
        "atomic_energies": np.array([-13.6, -1028.0, -2042.0]),
        "avg_num_neighbors": 12.0,
        "atomic_numbers": [1, 6, 8],
        "correlation": 2,
        "gate": torch.nn.functional.silu,
        "atomic_inter_scale": 1.0,
        "atomic_inter_shift": 0.1,
        **options,
    }
    scaled = settings.pop("scaled", True)
    if not scaled:
        del settings["atomic_inter_scale"], settings["atomic_inter_shift"]
    torch.save((mace.modules.ScaleShiftMACE if scaled else mace.modules.MACE)(**settings), path)
    torch.set_default_dtype(default)
    return path


def as_if_trained(path: Path) -> Path:
    """A new non-linear interaction knows no elements, and its density counts for nothing; new biases are zero."""
    import torch

    model = torch.load(path, weights_only=False)
    torch.manual_seed(5)
    for interaction in model.interactions:
        for name, parameter in interaction.named_parameters():
            if "embedding" in name or name in ("alpha", "beta") or (".net." in name and parameter.ndim == 1):
                parameter.data += 0.3 * torch.randn_like(parameter)
        if hasattr(interaction, "beta"):
            interaction.beta.data += 2.0
    for name, parameter in model.readouts.named_parameters():
        if name.endswith("bias"):
            parameter.data += 0.3 * torch.randn_like(parameter)
    torch.save(model, path)
    return path


def mace_calculator(model: Path) -> Calculator:
    """MACE's own, in float64."""
    with mace_package.quiet():
        from mace.calculators import MACECalculator

        return MACECalculator(model_paths=[str(model)], device="cpu", default_dtype="float64")


@pytest.fixture
def double_precision() -> Iterator[None]:
    """mace-torch makes the charges of its ZBL, 14.3996 Z Z, in torch's default precision."""
    with in_double_precision():
        yield


@pytest.fixture(scope="session")
def deep_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three interactions, vectors as node features: two exchanges a step, wider than one message."""
    return build_mace(tmp_path_factory.mktemp("models") / "deep.model", channels=40, hidden_ell=1, interactions=3)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cheapest model that still passes messages."""
    return build_mace(tmp_path_factory.mktemp("models") / "small.model", channels=4, hidden_ell=0, interactions=2)


@pytest.fixture(scope="session")
def lammps_instance():  # type: ignore[no-untyped-def]
    """One silent LAMMPS for tests in this process; `lammps_evaluation.load` clears it first."""
    import lammps_evaluation

    lmp = lammps_evaluation.open_lammps()
    yield lmp
    lmp.close()
