"""SevenNet's own checkpoints: what is special about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import build_sevennet, forces_of, require, sevennet_calculator, sevennet_checkpoint

from lamplighter import pretrained_weights
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


@pytest.mark.parametrize("name", ["7net-0", "SevenNet-0_22May2024", "7net-l3i5", "7net-mf-0"])
def test_weights_by_name_are_those_of_sevennet(name: str) -> None:
    """In its own words; those that it would download are not asked for."""
    from sevenn.util import pretrained_name_to_path

    assert pretrained_weights.weights(Path(name)) == Path(pretrained_name_to_path(name)).resolve()


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


def test_a_model_of_several_modalities_runs_none_that_is_not_named(tmp_path: Path) -> None:
    """SevenNet's own calculator refuses, too."""
    from lamplighter.potentials.native import compile_files

    path = sevennet_checkpoint("SevenNet_MF_0")
    with pytest.raises(ModelError, match="has several modalities: name one of R2SCAN, PBE"):
        registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS))
    with pytest.raises(ModelError, match="has several modalities: name one of R2SCAN, PBE"):
        compile_files([path], tmp_path / "model.lamp", ELEMENTS)
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


def _require_same(compiled: Path, checkpoint: Path, modality: str = "") -> None:
    """The compiled form's float32 is SevenNet's own within rounding."""
    from lamplighter.potentials.native import NativeMace, random_cluster

    native = NativeMace(compiled, dtype="auto")
    assert "float32" in native.summary
    cluster = random_cluster(ELEMENTS, native.cutoff, 12, np.random.default_rng(2))
    found = native.evaluate(cluster)
    cluster.calc = sevennet_calculator(checkpoint, modality)
    forces = cluster.get_forces()
    np.testing.assert_allclose(found.forces, forces, rtol=0, atol=1e-5 * np.abs(forces).max())
    assert found.energy == pytest.approx(cluster.get_potential_energy(), abs=1e-4)


#: Those that come with SevenNet; those of more than one modality are in the next test.
PRETRAINED = ("SevenNet_0__11Jul2024", "SevenNet_0__22May2024", "SevenNet_l3i5")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if "l3i5" in name else ()) for name in PRETRAINED]
)
def test_the_compiled_form_is_the_checkpoint(name: str, tmp_path: Path) -> None:
    from lamplighter.potentials.native import compile_files

    path = sevennet_checkpoint(name)
    (agreement,) = compile_files([path], tmp_path / "model.lamp", ELEMENTS)
    assert agreement.is_good
    _require_same(tmp_path / "model.lamp", path)


@pytest.mark.parametrize("modality", ["PBE", pytest.param("R2SCAN", marks=pytest.mark.slow)])
def test_a_run_file_names_the_modality(modality: str, start: Any, tmp_path: Path) -> None:
    path = sevennet_checkpoint("SevenNet_MF_0")
    _, log, (record,) = start("run", potential={"models": [str(path)], "head": modality})
    assert "native SevenNet, float32" in log
    assert record["precision"] == "float32"
    (compiled,) = (tmp_path / "cache").rglob("*.lamp")
    _require_same(compiled, path, modality)


def test_no_checkpoint_that_comes_with_sevennet_is_left_out() -> None:
    """Of those that are in its wheel; others are fetched from the network."""
    import sevenn

    folder = Path(sevenn.__file__).parent / "pretrained_potentials"
    assert {path.parent.name for path in folder.glob("*/*.pth")} == {*PRETRAINED, "SevenNet_MF_0"}


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
