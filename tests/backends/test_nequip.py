"""NequIP and Allegro: the files they come in, precision, and what is exchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import ELEMENTS, build_allegro, build_nequip, forces_of, nequip_calculator, require

from lamplighter.conformance import structures
from lamplighter.conformance.checks import evaluated
from lamplighter.errors import ModelError, UntrustedModelError
from lamplighter.model_files import trust
from lamplighter.model_files.describe import describe
from lamplighter.potentials import registry
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.nequip import read_network


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("nequip")
    return build_nequip(tmp_path_factory.mktemp("nequip") / "small.nequip.zip")


@pytest.fixture(scope="module")
def allegro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("allegro")
    return build_allegro(tmp_path_factory.mktemp("allegro") / "small.nequip.zip")


NAMES = ("pbe", "r2scan")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of two networks."""
    require("nequip")
    return build_nequip(tmp_path_factory.mktemp("nequip") / "two.nequip.zip", names=NAMES)


def exchanges(path: Path) -> list[str]:
    potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS))
    _, calls = evaluated(potential, structures.liquid(ELEMENTS), potential.cutoff)
    return [call.direction for call in calls]


def test_nequip_exchanges_once_a_layer_after_the_first(package: Path) -> None:
    assert exchanges(package) == ["forward"] * 2 + ["reverse"] * 2


def test_allegro_exchanges_nothing(allegro: Path) -> None:
    assert exchanges(allegro) == []


def test_a_package_under_any_name(package: Path, tmp_path: Path) -> None:
    other = tmp_path / "liquid.model"
    other.write_bytes(package.read_bytes())
    potential = registry.recognise(other).load(other, LoadOptions(elements=("O", "H")))
    assert list(potential.elements) == ["H", "C", "O"]


def test_the_ml_iap_file_gives_the_same_as_the_package(package: Path, tmp_path: Path) -> None:
    from nequip.integrations.lammps_mliap.lmp_mliap_wrapper import NequIPLAMMPSMLIAPWrapper

    before = torch.get_default_dtype()
    packed = tmp_path / "small.nequip.lmp.pt"
    torch.save(NequIPLAMMPSMLIAPWrapper(str(package), model_key="sole_model", compile=False), packed)
    torch.set_default_dtype(before)
    trust.add([packed])
    found = []
    for path in (package, packed):
        potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS))
        data, _ = evaluated(potential, structures.liquid(ELEMENTS), potential.cutoff)
        found.append(forces_of(data))
    np.testing.assert_array_equal(found[0], found[1])


def test_a_model_runs_in_its_own_precision_only(package: Path) -> None:
    with pytest.raises(ModelError, match="made for float64"):
        registry.recognise(package).load(package, LoadOptions(elements=ELEMENTS, dtype="float32"))


def test_a_float32_model_is_its_own_calculator_within_rounding(tmp_path: Path) -> None:
    require("nequip")
    single = build_nequip(tmp_path / "single.nequip.zip", model_dtype="float32")
    atoms = structures.liquid(ELEMENTS)
    potential = registry.recognise(single).load(single, LoadOptions(elements=ELEMENTS))
    assert potential.dtype == torch.float32
    data, _ = evaluated(potential, atoms, potential.cutoff)
    atoms.calc = nequip_calculator(single)
    expected = atoms.get_forces()
    np.testing.assert_allclose(forces_of(data), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_a_package_is_a_program_and_needs_trust(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(UntrustedModelError, match="lamplighter trust"):
        read_network(package)
    trust.add([package])
    assert list(read_network(package).type_names) == list(ELEMENTS)


def test_each_network_of_a_package_of_several_is_that_of_nequips_calculator(two: Path) -> None:
    """Without a name none runs."""
    atoms = structures.liquid(ELEMENTS)
    found = {}
    for name in NAMES:
        potential = registry.recognise(two).load(two, LoadOptions(elements=ELEMENTS, head=name))
        data, _ = evaluated(potential, atoms, potential.cutoff)
        found[name] = forces_of(data)
        atoms.calc = nequip_calculator(two, name)
        assert data.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-8 * len(atoms))
        np.testing.assert_allclose(found[name], atoms.get_forces(), rtol=0, atol=1e-8)
    assert np.abs(found[NAMES[0]] - found[NAMES[1]]).max() > 1e-2
    with pytest.raises(ModelError, match=r"two\.nequip\.zip has several models: name one of pbe, r2scan"):
        registry.recognise(two).load(two, LoadOptions(elements=ELEMENTS))


def test_a_committee_is_of_networks_of_one_name(two: Path, tmp_path: Path) -> None:
    """An ML-IAP object is of the network that it was made for, and says so."""
    from nequip.integrations.lammps_mliap.lmp_mliap_wrapper import NequIPLAMMPSMLIAPWrapper

    from lamplighter.potentials.native import compile_files
    from lamplighter.potentials.nequip_original import NequIPOriginal

    files = []
    for name in NAMES:
        files.append(tmp_path / f"{name}.nequip.lmp.pt")
        before = torch.get_default_dtype()
        torch.save(NequIPLAMMPSMLIAPWrapper(str(two), model_key=name, compile=False), files[-1])
        torch.set_default_dtype(before)
        trust.add([files[-1]])
        assert describe(files[-1]).head == name
    with pytest.raises(ModelError, match=r"r2scan.nequip.lmp.pt means its head r2scan, and .*pbe"):
        compile_files(files, tmp_path / "committee.lamp")
    with pytest.raises(ModelError, match="has several models: name one of pbe, r2scan"):
        compile_files([two], tmp_path / "two.lamp")
    assert NequIPOriginal(two, "r2scan").head == "r2scan"


def test_an_unknown_network_is_refused_with_those_that_there_are(two: Path) -> None:
    with pytest.raises(ModelError, match=r"two\.nequip\.zip has no model 'scan'; its models: pbe, r2scan"):
        registry.recognise(two).load(two, LoadOptions(elements=ELEMENTS, head="scan"))


def test_torch_keeps_its_default_precision(package: Path) -> None:
    before = torch.get_default_dtype()
    potential = registry.recognise(package).load(package, LoadOptions(elements=ELEMENTS))
    evaluated(potential, structures.dimer_across_ranks(ELEMENTS), potential.cutoff)
    assert torch.get_default_dtype() == before


def test_an_unknown_model_of_the_file_is_refused(package: Path) -> None:
    with pytest.raises(ModelError, match="no model 'other'; its models: sole_model"):
        read_network(package, "other")


def test_pairs_beyond_the_cutoff_of_their_elements_change_nothing(tmp_path: Path) -> None:
    require("allegro")
    cutoffs = {"H": 2.5, "C": {"H": 3.0, "C": 4.0, "O": 3.5}, "O": 3.2}
    path = build_allegro(tmp_path / "cutoffs.nequip.zip", per_edge_type_cutoff=cutoffs)
    potential = registry.recognise(path).load(path, LoadOptions(elements=ELEMENTS))
    atoms = structures.liquid(ELEMENTS)
    within, _ = evaluated(potential, atoms, 4.0)
    beyond, _ = evaluated(potential, atoms, 6.0)
    assert beyond.npairs > within.npairs
    np.testing.assert_allclose(forces_of(beyond), forces_of(within), rtol=0, atol=1e-10)
    symbols = np.array(ELEMENTS)[within.elems.numpy()]
    lengths = within.rij.norm(dim=1).numpy()
    hydrogens = (symbols[within.pair_i.numpy()] == "H") & (lengths > 2.5)
    assert hydrogens.any()
    assert not within.pair_forces.numpy()[hydrogens].any()
