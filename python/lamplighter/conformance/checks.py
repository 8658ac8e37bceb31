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
from lamplighter.conformance.evaluations import SINGLE, UNKNOWN, Evaluations
from lamplighter.conformance.measurements import Arrays
from lamplighter.conformance.subject import RANKS_CHECK, Subject
from lamplighter.errors import ModelError
from lamplighter.potentials import registry
from lamplighter.potentials.bridge.exchange import ExchangeCall, Recording
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential

RANKS = (1, 2, 3, 4)


def _require(subject: Subject, ranks: int) -> None:
    if ranks not in subject.ranks:
        listed = f"{subject.name} is tested on {', '.join(map(str, subject.ranks))} ranks"
        pytest.skip(subject.without.get(RANKS_CHECK, listed))


def _require_model_file(subject: Subject) -> None:
    if subject.lines is not None:
        pytest.skip("its files are read by a pair style of its own")


# each structure is a new neighbour list: models may keep what they derived from the last one
_topologies = itertools.count(1)


def evaluated(potential: PairPotential, atoms: Atoms, longest: float) -> tuple[PairData, list[ExchangeCall]]:
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


def _close(found: np.ndarray, expected: np.ndarray, within: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=within)


def _is_reference(subject: Subject, found: Arrays, expected: Arrays, name: str) -> None:
    _close(found[f"{name}/forces"], expected[f"{name}/forces"], subject.force)
    n = len(expected[f"{name}/forces"])
    assert abs(found[f"{name}/energy"] - expected[f"{name}/energy"]) / n <= subject.energy
    if f"{name}/stress" in expected:
        wanted = -expected[f"{name}/stress"] / bar
        _close(found[f"{name}/pressure_bar"], wanted, subject.stress * np.abs(wanted).max() + 1e-9)


@pytest.mark.parametrize("name", structures.COMPARED)
@pytest.mark.parametrize("ranks", RANKS)
def test_energy_forces_and_stress_are_those_of_the_reference(
    subject: Subject, evaluations: Evaluations, ranks: int, name: str
) -> None:
    _require(subject, ranks)
    expected = evaluations.reference(subject)  # while LAMMPS works
    _is_reference(subject, evaluations.found(subject, ranks, "compared"), expected, name)


def test_energies_of_atoms_are_those_of_the_reference(subject: Subject, evaluations: Evaluations) -> None:
    """Where the reference has them."""
    expected, found = evaluations.reference(subject), evaluations.found(subject, min(subject.ranks), "compared")
    for name in structures.COMPARED:
        if f"{name}/energies" in expected:
            _close(found[f"{name}/energies"], expected[f"{name}/energies"], subject.energy)


def test_virials_of_atoms_are_those_of_the_reference(subject: Subject, evaluations: Evaluations) -> None:
    """Where the reference has them; their sum is the pressure."""
    expected, found = evaluations.reference(subject), evaluations.found(subject, min(subject.ranks), "compared")
    for name, build in structures.COMPARED.items():
        virials = found[f"{name}/virials_bar_A3"]
        total = found[f"{name}/pressure_bar"] * build(subject.elements).get_volume()
        _close(virials.sum(axis=0), total, 1e-9 * np.abs(virials).max() + 1e-6)
        if f"{name}/virials" in expected:
            wanted = expected[f"{name}/virials"] / bar
            _close(virials, wanted, subject.stress * np.abs(wanted).max() + 1e-9)


@pytest.mark.parametrize("name", structures.COMPARED)
@pytest.mark.parametrize("ranks", RANKS[1:])
def test_the_number_of_ranks_does_not_matter(subject: Subject, evaluations: Evaluations, ranks: int, name: str) -> None:
    _require(subject, ranks)
    several, one = (evaluations.found(subject, number, "compared") for number in (ranks, min(subject.ranks)))
    for quantity in ("forces", "energies"):
        _close(several[f"{name}/{quantity}"], one[f"{name}/{quantity}"], subject.own_force)


def test_energies_of_atoms_sum_to_the_energy(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.found(subject, min(subject.ranks), "compared")
    for name in structures.COMPARED:
        total = float(found[f"{name}/energies"].sum())
        assert total == pytest.approx(float(found[f"{name}/energy"]), rel=1e-12, abs=1e-9)


def test_the_order_of_atom_types_does_not_matter(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.found(subject, min(subject.ranks), "compared")
    backward = evaluations.found(subject, min(subject.ranks), "reversed")
    for quantity in ("forces", "energies"):
        _close(backward[f"liquid/{quantity}"], found[f"liquid/{quantity}"], subject.own_force)


def test_a_shifted_and_reordered_liquid_is_the_same(subject: Subject, evaluations: Evaluations) -> None:
    before, after = (evaluations.found(subject, min(subject.ranks), name) for name in ("compared", "moved"))
    order = structures.shift_of(structures.liquid(subject.elements))
    for quantity in ("forces", "energies"):
        _close(after[f"liquid_moved/{quantity}"], before[f"liquid/{quantity}"][order], subject.own_force)


def test_forces_turn_with_the_atoms(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.found(subject, min(subject.ranks), "moved")
    order = structures.shift_of(structures.cluster(subject.elements))
    turned = found["cluster/forces"][order] @ structures.TURN
    assert np.abs(turned).max() > 1e-3
    _close(found["cluster_moved/forces"], turned, subject.own_force)
    _close(found["cluster_moved/energies"], found["cluster/energies"][order], subject.own_force)


def test_forces_are_the_slope_of_the_energy(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.found(subject, min(subject.ranks), "slopes")
    assert np.abs(found["forces"]).max() > 10 * subject.slope
    _close(found["forces"], found["differences"], subject.slope)


def test_the_virial_is_the_slope_of_the_energy_with_strain(subject: Subject, evaluations: Evaluations) -> None:
    found = evaluations.found(subject, min(subject.ranks), "strains")
    # of all atoms, each with a force on a lever of some Å
    within = subject.slope * len(structures.small_triclinic(subject.elements))
    assert np.abs(found["virial"]).max() > 10 * within
    _close(found["virial"], found["differences"], within)


def test_the_energy_drifts_with_the_square_of_the_timestep(subject: Subject, evaluations: Evaluations) -> None:
    """Velocity Verlet at the same times: the error is second order, so half the timestep gives a quarter."""
    coarse, fine = evaluations.found(subject, min(subject.ranks), "energy_in_time")["errors"]
    assert np.abs(coarse).max() > 1e-9
    assert np.linalg.norm(coarse) / np.linalg.norm(fine) == pytest.approx(4.0, abs=0.2)


def test_energy_and_forces_are_continuous_at_the_cutoff(subject: Subject, evaluations: Evaluations) -> None:
    """The step across the cutoff vanishes with its width; and beyond, nothing acts."""
    found = evaluations.found(subject, min(subject.ranks), "across_cutoff")
    for values in (found["energies"], found["forces"]):
        wide, narrow = np.abs(values[2] - values[1]).max(), np.abs(values[4] - values[3]).max()
        assert narrow <= max(0.3 * wide, subject.own_force), f"a step of {narrow:.3g} remains at the cutoff"
    acting = np.abs(found["forces"][:, -1]).max(axis=1)
    within, beyond = acting[0], acting[[2, 4, 5]]
    assert within > 100 * subject.own_force
    assert (beyond <= subject.own_force).all()


@pytest.mark.parametrize("ranks", RANKS[:2])
def test_a_run_goes_on_from_a_restart_file(subject: Subject, evaluations: Evaluations, ranks: int) -> None:
    _require(subject, ranks)
    found = evaluations.found(subject, ranks, "resumed")
    _close(found["again_places"], found["places"], subject.own_force)
    _close(found["again_forces"], found["forces"], 10 * subject.own_force)


def test_the_trajectory_does_not_depend_on_the_number_of_ranks(subject: Subject, evaluations: Evaluations) -> None:
    _require(subject, 2)
    one, two = (evaluations.found(subject, ranks, "resumed") for ranks in (min(subject.ranks), 2))
    _close(two["places"], one["places"], subject.own_force)


@pytest.mark.parametrize("ranks", RANKS[:2])
def test_variances_of_a_committee_are_those_of_its_members(
    subject: Subject, evaluations: Evaluations, ranks: int
) -> None:
    _require(subject, ranks)
    each = (evaluations.reference(subject), evaluations.reference_of_second(subject))
    members = np.array([reference["slab/forces"] for reference in each])
    found = evaluations.found(subject, ranks, "committee")
    spread = np.square(members - members.mean(axis=0)).sum(axis=(0, 2)) / len(members)
    # σ² of two members is |F₁ − F₂|²/4, so that an error of the forces counts with the difference of the members
    allowed = float(subject.force * (np.sqrt(3 * spread.max()) + subject.force)) + 1e-12
    assert spread.max() > 10 * allowed
    _close(found["variance"], spread, allowed)
    assert found["numbers"][0] == pytest.approx(spread.max(), abs=allowed)
    _close(found["forces"], members[0], subject.force)


@pytest.mark.parametrize("ranks", RANKS[:2])
def test_float32_is_float64_within_its_rounding(subject: Subject, evaluations: Evaluations, ranks: int) -> None:
    _require(subject, ranks)
    if subject.single is None:
        pytest.skip("it runs in one precision")
    single, double = (evaluations.found(subject, ranks, name) for name in ("single", "compared"))
    for name in SINGLE:
        _close(single[f"{name}/forces"], double[f"{name}/forces"], subject.single)
        energies = double[f"{name}/energies"]
        _close(single[f"{name}/energies"], energies, subject.single + 1.2e-7 * np.abs(energies).max())
        pressure = double[f"{name}/pressure_bar"]
        _close(single[f"{name}/pressure_bar"], pressure, subject.single * np.abs(pressure).max() + 1e-9)
    assert np.abs(single["liquid/forces"] - double["liquid/forces"]).max() > 1e-9  # it did run in float32


@pytest.mark.parametrize("ranks", RANKS[:2])
def test_pairs_made_where_the_model_runs_give_the_same(subject: Subject, evaluations: Evaluations, ranks: int) -> None:
    """What a GPU does (the list stays on the device, positions go down), here with the CPU as the device."""
    _require(subject, ranks)
    if not subject.through_bridge:
        pytest.skip("it takes LAMMPS' own lists")
    expected, found = evaluations.reference(subject), evaluations.found(subject, ranks, "pairs_in_model")
    for name in structures.COMPARED:
        _is_reference(subject, found, expected, name)


def test_exchanges_do_not_depend_on_the_pairs(subject: Subject, evaluations: Evaluations) -> None:
    """All ranks make the same exchanges, or some wait for ever: also those with one atom, and no pair or one."""
    _require_model_file(subject)
    potential = evaluations.loaded(subject)
    if not isinstance(potential, PairPotential):
        pytest.skip(f"models of kind {potential.kind} take positions and make no exchange of their own")
    schedules: list[list[ExchangeCall]] = []
    for build in (structures.liquid, structures.lone_atom, structures.dimer_across_ranks):
        data, calls = evaluated(potential, build(subject.elements), potential.cutoff)
        assert torch.isfinite(data.eatoms).all()
        assert torch.isfinite(data.pair_forces).all()
        schedules.append(calls)
    assert schedules[0] == schedules[1] == schedules[2]


def test_the_file_is_recognised(subject: Subject, evaluations: Evaluations) -> None:
    _require_model_file(subject)
    potential = evaluations.loaded(subject)
    assert registry.recognise(subject.model).kind == potential.kind
    assert potential.kind in registry.installed()


def test_an_element_that_it_does_not_know_is_refused(subject: Subject, evaluations: Evaluations) -> None:
    assert UNKNOWN in str(evaluations.found(subject, min(subject.ranks), "refused")["message"])


def test_the_refusal_names_the_element_and_the_file(subject: Subject, evaluations: Evaluations) -> None:
    _require_model_file(subject)
    known = set(evaluations.loaded(subject).elements)
    unknown = next((symbol for symbol in chemical_symbols[1:] if symbol not in known), None)
    if unknown is None:
        pytest.skip("it knows all elements")
    with pytest.raises(ModelError) as refused:
        registry.recognise(subject.model).load(subject.model, LoadOptions(elements=(*subject.elements, unknown)))
    assert unknown in str(refused.value)
    assert str(subject.model) in str(refused.value)


def test_a_damaged_file_is_refused(subject: Subject, tmp_path: Path) -> None:
    _require_model_file(subject)
    content = subject.model.read_bytes()
    damaged = tmp_path / subject.model.name
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError):
        registry.recognise(damaged).load(damaged, LoadOptions(elements=subject.elements))
