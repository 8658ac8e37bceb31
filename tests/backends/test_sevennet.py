"""SevenNet's own checkpoints: what is special about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import build_sevennet, forces_of, require, sevennet_checkpoint

from lamplighter.conformance import structures
from lamplighter.conformance.checks import evaluated
from lamplighter.errors import ModelError
from lamplighter.model_files import trust
from lamplighter.model_files.loading import load_torch
from lamplighter.potentials import registry
from lamplighter.potentials.interface import LoadOptions

ELEMENTS = ("H", "C", "O")


@pytest.fixture(autouse=True)
def _sevennet() -> None:
    require("sevenn")


def test_the_pretrained_checkpoint_is_read_without_running_code() -> None:
    assert load_torch(sevennet_checkpoint("SevenNet_0__11Jul2024")).loader == "weights_only"


def test_float32_is_the_default() -> None:
    path = sevennet_checkpoint("SevenNet_0__11Jul2024")
    potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS))
    assert potential.dtype == torch.float32
    assert potential.cutoff == 5.0
    assert len(potential.elements) == 89


def test_ghosts_are_exchanged_at_each_convolution() -> None:
    """The features of the first come from elements alone and have no gradient."""
    path = sevennet_checkpoint("SevenNet_0__11Jul2024")
    potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS))
    _, calls = evaluated(potential, structures.dimer_across_ranks(ELEMENTS), potential.cutoff)
    assert [call.direction for call in calls] == ["forward"] * 5 + ["reverse"] * 4


def test_a_model_of_several_modalities_runs_the_one_that_is_asked_for_or_the_last() -> None:
    path = sevennet_checkpoint("SevenNet_MF_0")
    atoms = structures.liquid(ELEMENTS)
    found = {}
    for head in ("PBE", "R2SCAN", None):
        potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS, dtype="float64", head=head))
        data, _ = evaluated(potential, atoms, potential.cutoff)
        found[head] = forces_of(data)
    names = list(potential._network.modal_map)  # type: ignore[attr-defined]
    assert sorted(names) == ["PBE", "R2SCAN"]
    np.testing.assert_array_equal(found[None], found[names[-1]])
    assert np.abs(found["PBE"] - found["R2SCAN"]).max() > 1e-3
    with pytest.raises(ModelError, match=r"no modality 'SCAN'.*PBE"):
        registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS, head="SCAN"))


@pytest.mark.parametrize("modality", ["PBE", "R2SCAN"])
def test_modalities_are_those_of_its_own_calculator(modality: str) -> None:
    from sevenn.calculator import SevenNetCalculator

    path = sevennet_checkpoint("SevenNet_MF_0")
    atoms = structures.liquid(ELEMENTS)
    potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS, head=modality))
    data, _ = evaluated(potential, atoms, potential.cutoff)
    atoms.calc = SevenNetCalculator(str(path), device="cpu", modal=modality)
    assert data.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-4 * len(atoms))
    np.testing.assert_allclose(forces_of(data), atoms.get_forces(), rtol=0, atol=1e-3)


def test_a_pickle_of_its_classes_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    from sevenn.checkpoint import SevenNetCheckpoint

    path = tmp_path / "object.pt"
    torch.save(SevenNetCheckpoint(str(sevennet_checkpoint("SevenNet_0__11Jul2024"))), path)
    trust.add([path])
    with pytest.raises(ModelError, match="not a checkpoint"):
        registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS))


def test_pairs_beyond_the_cutoff_change_nothing() -> None:
    """SevenNet's own cutoff function would make nonsense of them."""
    path = sevennet_checkpoint("SevenNet_0__11Jul2024")
    potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS, dtype="float64"))
    atoms = structures.liquid(ELEMENTS)
    within, _ = evaluated(potential, atoms, potential.cutoff)
    beyond, _ = evaluated(potential, atoms, 1.3 * potential.cutoff)
    assert beyond.npairs > within.npairs
    assert beyond.energy == pytest.approx(within.energy, abs=1e-9)
    np.testing.assert_allclose(forces_of(beyond), forces_of(within), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "modality"), [("SevenNet_0__11Jul2024", None), ("SevenNet_MF_0", "PBE"), ("SevenNet_MF_0", "R2SCAN")]
)
def test_the_compiled_form_is_the_checkpoint(name: str, modality: str | None, tmp_path: Path) -> None:
    """Its float32 is SevenNet's own within rounding, and the modality is chosen when it is made."""
    from sevenn.calculator import SevenNetCalculator

    from lamplighter.potentials.native import NativeMace, compile_files, random_cluster

    path = sevennet_checkpoint(name)
    compiled = tmp_path / "model.lamp"
    (agreement,) = compile_files([path], compiled, ELEMENTS, modality)
    assert agreement.is_good
    native = NativeMace(compiled, dtype="auto")
    assert "float32" in native.summary
    cluster = random_cluster(ELEMENTS, native.cutoff, 12, np.random.default_rng(2))
    found = native.evaluate(cluster)
    cluster.calc = SevenNetCalculator(str(path), device="cpu", modal=modality or "")
    forces = cluster.get_forces()
    np.testing.assert_allclose(found.forces, forces, rtol=0, atol=1e-5 * np.abs(forces).max())
    assert found.energy == pytest.approx(cluster.get_potential_energy(), abs=1e-4)


@pytest.mark.slow
def test_degree_3_is_compiled_as_well(tmp_path: Path) -> None:
    from lamplighter.potentials.native import compile_files

    (agreement,) = compile_files([sevennet_checkpoint("SevenNet_l3i5")], tmp_path / "model.lamp", ELEMENTS)
    assert agreement.is_good


#: What SevenNet's own input file may ask for, beside its defaults.
NETWORKS: dict[str, dict[str, object]] = {
    "defaults": {},
    "degree 2 without parity": {"lmax": 2, "is_parity": False},
    "linear self connection, bias": {"self_connection_type": "linear", "use_bias_in_linear": True},
    "XPLOR": {"cutoff_function": {"cutoff_function_name": "XPLOR", "cutoff_on": 3.5}},
    "solid harmonics": {"lmax": 2, "_normalize_sph": False},
    "readout by a network": {
        "readout_as_fcn": True,
        "readout_fcn_hidden_neurons": [6],
        "readout_fcn_activation": "silu",
    },
    "softplus": {"act_radial": "ssp", "act_scalar": {"e": "ssp", "o": "abs"}, "act_gate": {"e": "ssp", "o": "tanh"}},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_its_input_file_may_ask_for_is_compiled(name: str, tmp_path: Path) -> None:
    from lamplighter.potentials.native import compile_files

    path = build_sevennet(tmp_path / "checkpoint.pth", **NETWORKS[name])
    (agreement,) = compile_files([path], tmp_path / "model.lamp")
    assert agreement.is_good
    assert agreement.largest_force > 1e-3


def test_checkpoints_that_were_compiled_before_need_neither_torch_nor_sevennet(start: Any, tmp_path: Path) -> None:
    """Both in one pass, in the precision of the checkpoints."""
    models = [str(build_sevennet(tmp_path / f"{seed}.pth", seed=seed)) for seed in (0, 1)]
    content = {"potential": {"models": models}, "committee": {"every": 1}}
    imported, log, _ = start("first", **content)
    assert "native SevenNet, 2 members, float32" in log
    assert imported == "imported: e3nn sevenn torch", "the watch must see what is imported, or it shows nothing"
    imported, log, record = start("second", **content)
    assert imported == "imported:"
    assert "native SevenNet, 2 members, float32" in log
    assert [each["loader"] for each in record] == ["native engine, from its compiled form"] * 2
    assert [each["precision"] for each in record] == ["float32"] * 2
    for file in ("thermo.csv", "committee.csv"):
        assert (tmp_path / "second" / file).read_text() == (tmp_path / "first" / file).read_text()
    _, log, _ = start("double", potential={"models": models[:1], "dtype": "float64"})
    assert "native SevenNet, float64" in log


def test_a_network_that_is_not_covered_runs_through_the_bridge_with_the_reason(start: Any, tmp_path: Path) -> None:
    model = build_sevennet(tmp_path / "degree_4.pth", lmax=4, channel=2)
    _, log, (record,) = start("auto", potential={"models": [str(model)]})
    assert "through the bridge" in log
    assert "degree" in log
    assert record["loader"] == "weights_only"
