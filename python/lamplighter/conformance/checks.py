"""What must hold for every potential, as tests. They need the fixtures of `lamplighter.conformance.fixtures`."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import chemical_symbols
from ase.neighborlist import neighbor_list
from ase.units import bar

from lamplighter.conformance import structures
from lamplighter.conformance.fixtures import Evaluations
from lamplighter.conformance.subject import Subject
from lamplighter.errors import ModelError
from lamplighter.potentials import registry
from lamplighter.potentials.exchange import ExchangeCall, Recording
from lamplighter.potentials.interface import AnyPotential, LoadOptions, PairData, Potential

RANKS = (1, 2, 4)


def _require(subject: Subject, ranks: int) -> None:
    if ranks not in subject.ranks:
        pytest.skip(f"{subject.name} is tested on {subject.ranks} ranks")


def _loaded(subject: Subject) -> AnyPotential:
    dtype = dict(zip(*[iter(subject.words.split())] * 2, strict=True)).get("dtype", "auto")
    options = LoadOptions(elements=subject.elements, dtype=dtype)
    return registry.recognise(subject.model).load(subject.model, options)


# each structure is a new neighbour list: models may keep what they derived from the last one
_topologies = itertools.count(1)


def evaluated(potential: Potential, atoms: Atoms, longest: float) -> tuple[PairData, list[ExchangeCall]]:
    """Pairs of a structure as one rank would give them, up to any distance (Å), evaluated; and the exchanges made."""
    i, j, vectors = neighbor_list("ijD", atoms, longest)
    recording = Recording()
    data = PairData(
        nlocal=len(atoms),
        ntotal=len(atoms),
        elems=torch.tensor([potential.element_index(symbol) for symbol in atoms.symbols]),
        pair_i=torch.as_tensor(i, dtype=torch.int64),
        pair_j=torch.as_tensor(j, dtype=torch.int64),
        rij=torch.as_tensor(vectors, dtype=torch.float64).reshape(-1, 3),
        eatoms=torch.full((len(atoms),), torch.nan, dtype=torch.float64),
        pair_forces=torch.full((len(i), 3), torch.nan, dtype=torch.float64),
        exchange=recording,
        topology=next(_topologies),
    )
    potential.compute(data)
    return data, recording.calls


@pytest.mark.parametrize("name", structures.COMPARED)
@pytest.mark.parametrize("ranks", RANKS)
def test_energy_forces_and_stress_are_the_frameworks_own(
    subject: Subject, evaluations: Evaluations, ranks: int, name: str
) -> None:
    _require(subject, ranks)
    words = subject.reference_words or subject.words
    found, expected = evaluations.compared(subject, ranks, words), evaluations.reference(subject, subject.model)
    n = len(expected[f"{name}/forces"])
    np.testing.assert_allclose(found[f"{name}/forces"], expected[f"{name}/forces"], rtol=0, atol=subject.force)
    assert abs(found[f"{name}/energy"] - expected[f"{name}/energy"]) / n <= subject.energy
    if f"{name}/energies" in expected:
        np.testing.assert_allclose(found[f"{name}/energies"], expected[f"{name}/energies"], rtol=0, atol=subject.energy)
    if f"{name}/stress" in expected:
        wanted = -expected[f"{name}/stress"] / bar
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(found[f"{name}/pressure_bar"], wanted, rtol=0, atol=subject.stress * scale + 1e-9)


@pytest.mark.parametrize("name", structures.COMPARED)
@pytest.mark.parametrize("ranks", RANKS[1:])
def test_the_number_of_ranks_does_not_matter(subject: Subject, evaluations: Evaluations, ranks: int, name: str) -> None:
    _require(subject, ranks)
    several, one = (evaluations.compared(subject, number, subject.words) for number in (ranks, 1))
    for quantity in ("forces", "energies"):
        np.testing.assert_allclose(
            several[f"{name}/{quantity}"], one[f"{name}/{quantity}"], rtol=0, atol=subject.own_force
        )


def test_energies_of_atoms_sum_to_the_energy(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.compared(subject, 1, subject.words)
    for name in structures.COMPARED:
        total = float(found[f"{name}/energies"].sum())
        assert total == pytest.approx(float(found[f"{name}/energy"]), rel=1e-12, abs=1e-9)


def test_the_order_of_atom_types_does_not_matter(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.compared(subject, 1, subject.words)
    np.testing.assert_allclose(found["reversed/forces"], found["liquid/forces"], rtol=0, atol=subject.own_force)
    np.testing.assert_allclose(found["reversed/energies"], found["liquid/energies"], rtol=0, atol=subject.own_force)


def test_a_shifted_and_reordered_liquid_is_the_same(subject: Subject, evaluations: Evaluations) -> None:
    before, after = evaluations.compared(subject, 1, subject.words), evaluations.moved(subject)
    order = structures.shift_of(structures.liquid(subject.elements))
    for quantity in ("forces", "energies"):
        np.testing.assert_allclose(
            after[f"liquid_moved/{quantity}"], before[f"liquid/{quantity}"][order], rtol=0, atol=subject.own_force
        )


def test_forces_turn_with_the_atoms(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.moved(subject)
    order = structures.shift_of(structures.cluster(subject.elements))
    turned = found["cluster/forces"][order] @ structures.TURN
    assert np.abs(turned).max() > 1e-3
    np.testing.assert_allclose(found["cluster_moved/forces"], turned, rtol=0, atol=subject.own_force)
    np.testing.assert_allclose(
        found["cluster_moved/energies"], found["cluster/energies"][order], rtol=0, atol=subject.own_force
    )


def test_forces_are_the_slope_of_the_energy(subject: Subject, evaluations: Evaluations) -> None:
    if subject.slope is None:
        pytest.skip("too coarse in the precision of this model")
    found = evaluations.slopes(subject)
    np.testing.assert_allclose(found["forces"], found["differences"], rtol=0, atol=subject.slope)


@pytest.mark.parametrize("ranks", RANKS[:2])
def test_variances_of_a_committee_are_those_of_its_members(
    subject: Subject, evaluations: Evaluations, ranks: int
) -> None:
    _require(subject, ranks)
    found = evaluations.committee(subject, ranks)
    members = [evaluations.reference(subject, model)["slab/forces"] for model in (subject.model, subject.second)]
    spread = np.square(members - np.mean(members, axis=0)).sum(axis=(0, 2)) / len(members)
    # σ² of two members is |F₁ − F₂|²/4, so that an error of the forces counts with the difference of the members
    allowed = subject.force * (np.sqrt(3 * spread.max()) + subject.force) + 1e-12
    assert spread.max() > 10 * allowed
    np.testing.assert_allclose(found["variance"], spread, rtol=0, atol=allowed)
    assert found["numbers"][0] == pytest.approx(spread.max(), abs=allowed)
    np.testing.assert_allclose(found["forces"], members[0], rtol=0, atol=subject.force)


def test_exchanges_do_not_depend_on_the_pairs(subject: Subject) -> None:
    """All ranks make the same exchanges, or some wait for ever: also those with one atom, and no pair or one."""
    potential = _loaded(subject)
    if not isinstance(potential, Potential):
        pytest.skip(f"models of kind {potential.kind} make no exchange of their own")
    schedules: list[list[ExchangeCall]] = []
    for build in (structures.liquid, structures.lone_atom, structures.dimer_across_ranks):
        data, calls = evaluated(potential, build(subject.elements), potential.cutoff)
        assert torch.isfinite(data.eatoms).all()
        assert torch.isfinite(data.pair_forces).all()
        schedules.append(calls)
    assert schedules[0] == schedules[1] == schedules[2]


def test_the_file_is_recognised(subject: Subject) -> None:
    potential = _loaded(subject)
    assert registry.recognise(subject.model).kind == potential.kind
    assert potential.kind in registry.installed()


def test_an_element_that_the_model_does_not_know_is_refused(subject: Subject) -> None:
    potential_class = registry.recognise(subject.model)
    known = set(_loaded(subject).elements)
    unknown = next((symbol for symbol in chemical_symbols[1:] if symbol not in known), None)
    if unknown is None:
        pytest.skip(f"models of kind {potential_class.kind} do not say which elements they know")
    with pytest.raises(ModelError) as refused:
        potential_class.load(subject.model, LoadOptions(elements=(*subject.elements, unknown)))
    assert unknown in str(refused.value)
    assert str(subject.model) in str(refused.value)


def test_a_damaged_file_is_refused(subject: Subject, tmp_path: Path) -> None:
    content = subject.model.read_bytes()
    damaged = tmp_path / subject.model.name
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError):
        registry.recognise(damaged).load(damaged, LoadOptions(elements=subject.elements))
