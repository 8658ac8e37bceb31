"""NequIP's models in the native engine, against NequIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from small_models import ELEMENTS

#: What a model may be made of, beside what `build_nequip` makes by itself and the conformance suite has.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "numbers and cutoffs by type, ZBL, a readout with a hidden layer": {
        "num_layers": 2,
        "l_max": 2,
        "num_features": 4,
        "type_embed_num_features": 3,
        "radial_mlp_depth": 2,
        "avg_num_neighbors": {"H": 5.0, "C": 11.0, "O": 7.0},
        "per_type_energy_scales": {"H": 0.5, "C": 0.9, "O": 0.7},
        "readout_mlp_hidden_layers_depth": 1,
        "bessel_trainable": True,
        # the reciprocal of the reciprocal of 3.8 is more than 3.8
        "r_max": 3.8,
        "per_edge_type_cutoff": {"H": 2.8, "C": {"H": 3.3, "C": 3.8, "O": 3.7}},
        "pair_potential": {
            "_target_": "nequip.nn.pair_potential.ZBL",
            "units": "metal",
            "chemical_species": list(ELEMENTS),
            "polynomial_cutoff_p": 5,
        },
    },
    "no parity, degree 3, float32": {
        "num_layers": 2,
        "l_max": 3,
        "parity": False,
        "num_features": [5, 4, 3, 2],
        "polynomial_cutoff_p": 5,
        "num_bessels": 6,
        "model_dtype": "float32",
    },
    "one layer, no scales": {"num_layers": 1, "per_type_energy_scales": None, "per_type_energy_shifts": None},
}


@pytest.fixture(scope="module", autouse=True)
def _nequip() -> None:
    small_models.require("nequip")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_compiled_form_is_the_model(name: str, tmp_path: Path) -> None:
    from lamplighter.potentials.native import NativeMace, compile_files, random_cluster

    options = ARCHITECTURES[name]
    package = small_models.build_nequip(tmp_path / "model.nequip.zip", **options)
    compiled = tmp_path / "model.lamp"
    (agreement,) = compile_files([package], compiled)
    assert agreement.force < 1e-6 * max(1.0, agreement.largest_force)
    native = NativeMace(compiled)
    cluster = random_cluster(ELEMENTS, native.cutoff, 12, np.random.default_rng(2))
    found = native.evaluate(cluster)
    cluster.calc = small_models.nequip_calculator(package)
    single = options.get("model_dtype") == "float32"
    assert np.abs(found.forces - cluster.get_forces()).max() < (1e-3 if single else 1e-6)
    assert abs(found.energy - cluster.get_potential_energy()) < (1e-3 if single else 1e-6)


def test_the_examples_committee_is_evaluated_in_one_pass(tmp_path: Path) -> None:
    """In float32, as it was trained."""
    from lamplighter.model_files import trust
    from lamplighter.potentials.native import NativeMace, compile_files, random_cluster

    folder = Path(__file__).parents[2] / "examples" / "ec_emc" / "frameworks" / "models" / "nequip"
    packages = [folder / f"nequip_{k}.nequip.zip" for k in (0, 1)]
    trust.allow([trust.sha256(package) for package in packages])
    compile_files(packages, tmp_path / "committee.lamp")
    native = NativeMace(tmp_path / "committee.lamp", dtype="auto")
    assert "native NequIP, 2 members, float32" in native.summary
    cluster = random_cluster(ELEMENTS, native.cutoff, 30, np.random.default_rng(2))
    for package, found in zip(packages, native.evaluate_members(cluster), strict=True):
        cluster.calc = small_models.nequip_calculator(package)
        forces = cluster.get_forces()
        assert np.abs(found.forces - forces).max() < 1e-5 * np.abs(forces).max()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"convnet_resnet": True, "parity": False}, "convnet_resnet"),
        ({"convnet_nonlinearity_type": "norm"}, "the nonlinearity NormActivation"),
        ({"readout_mlp_hidden_layers_depth": 1, "readout_mlp_nonlinearity": "mish"}, "an activation other than"),
        ({"pair_potential": "LennardJones"}, "NequIP's module LennardJones"),
        ({"type_names": ["H", "Cring", "O"]}, "atom types that are no elements: Cring"),
    ],
)
def test_what_is_not_covered_is_named(options: dict[str, Any], said: str) -> None:
    import torch
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    from lamplighter.potentials.double_precision import double_precision
    from lamplighter.potentials.native import NotCovered
    from lamplighter.potentials.nequip_arrays import nequip_arrays

    settings: dict[str, Any] = {
        "seed": 0,
        "model_dtype": "float64",
        "r_max": 4.0,
        "type_names": list(ELEMENTS),
        "num_layers": 3,
        "num_features": 2,
        "l_max": 1,
        "avg_num_neighbors": 12.0,
        "per_type_energy_scales": 1.0,
        "per_type_energy_shifts": 0.0,
    }
    if "pair_potential" in options:
        target = f"nequip.nn.pair_potential.{options['pair_potential']}"
        options = {"pair_potential": {"_target_": target, "lj_sigma": 1.0, "lj_epsilon": 0.1}}
    with double_precision():
        set_global_state()
        torch.set_default_dtype(torch.float64)
        network = NequIPGNNModel(**(settings | options)).eval()
        with pytest.raises(NotCovered, match=said):
            nequip_arrays(network)


def test_a_package_that_was_compiled_before_needs_neither_torch_nor_nequip(start: Any, tmp_path: Path) -> None:
    package = small_models.build_nequip(tmp_path / "model.nequip.zip", num_layers=1)
    content = {"potential": {"models": [str(package)]}}
    imported, log, _ = start("first", **content)
    assert "native NequIP, float64" in log
    assert imported == "imported: e3nn nequip torch", "the watch must see what is imported, or it shows nothing"
    imported, log, (record,) = start("second", **content)
    assert imported == "imported:"
    assert "native NequIP, float64" in log
    assert record["loader"] == "native engine, from its compiled form"


def test_allegro_runs_through_the_bridge_with_the_reason(start: Any, tmp_path: Path) -> None:
    small_models.require("allegro")
    package = small_models.build_allegro(tmp_path / "model.nequip.zip")
    _, log, _ = start("auto", potential={"models": [str(package)]})
    assert "through the bridge" in log
    assert "Allegro, whose features belong to pairs of atoms" in log
