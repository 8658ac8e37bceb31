"""Steps in arrays whose shapes stay give what others give, and are replayed only if that gives the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from lammps_evaluation import evaluate, load
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import structures
from lamplighter.errors import ModelError
from lamplighter.potentials.bridge import callbacks as bridge
from lamplighter.potentials.bridge import pair_step
from lamplighter.potentials.bridge.replay import Calculate, Replayed, recorder
from lamplighter.potentials.bridge.static_step import StaticSteps
from lamplighter.potentials.buckets import Bucket, bucket
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.slots import ListedPairs, slots_within
from lamplighter.potentials.torch_fast.potential import TorchFast

ELEMENTS = " ".join(structures.ELEMENTS)
STYLE = "lamplighter dtype float64 engine torch-fast"


class Written:
    """In place of a CUDA graph: writes to one array, and notes how often it is asked to."""

    def __init__(self, spoil: Callable[[torch.Tensor], torch.Tensor] = lambda result: result) -> None:
        self.replays = self.recordings = 0
        self._spoil = spoil

    def __call__(self, calculate: Calculate) -> Calculate:
        self.recordings += 1
        result = calculate()

        def replay() -> torch.Tensor:
            self.replays += 1
            return result.copy_(self._spoil(calculate()))

        return replay


def droplet() -> Atoms:
    """Forty atoms of a liquid with vacuum around them, so that numbers of neighbours differ."""
    atoms = structures.liquid()
    near = np.argsort(np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1))[:40]
    cut = atoms[np.sort(near)]
    cut.center(vacuum=4.0)
    return cut


def trajectory(lmp, model: Path, steps: int, device: str = "cpu") -> np.ndarray:  # type: ignore[no-untyped-def]
    """Positions after dynamics in which the neighbour list is made anew."""
    load(lmp, droplet(), f"{STYLE} device {device}", f"{model} {ELEMENTS}")
    lmp.commands_string(
        "neighbor 0.3 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all create 1500 7 loop geom\n"
        f"fix move all nve\nrun {steps} post no"
    )
    return np.array(lmp.gather_atoms("x", 1, 3))


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Those of all steps, one after the other."""
    seen: list[dict[str, int]] = []
    evaluate_step = StaticSteps.evaluate

    def watched(self: StaticSteps, *given: object) -> None:
        evaluate_step(self, *given)  # type: ignore[arg-type]
        seen.append({name: each.size for name, each in self._buckets.items()})

    monkeypatch.setattr(StaticSteps, "evaluate", watched)
    return seen


def test_dynamics_are_the_same_in_shapes_that_stay(
    lammps_instance, plain: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[dict[str, int]]
) -> None:  # type: ignore[no-untyped-def]
    usual = trajectory(lammps_instance, plain, 14)
    assert not sizes
    monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
    graph = Written()
    monkeypatch.setattr(pair_step, "recorder", lambda _: graph)
    found = trajectory(lammps_instance, plain, 14)
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-10)
    assert len(sizes) == 15
    distinct = {tuple(each.values()) for each in sizes}
    assert len(distinct) <= 3  # of 15 steps, each with another number of pairs
    assert graph.recordings == len(distinct)
    assert graph.replays >= 8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_dynamics_on_a_gpu_are_replayed_as_graphs(
    lammps_instance, plain: Path, sizes: list[dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]
    """Never run so far."""
    usual = trajectory(lammps_instance, plain, 14)
    found = trajectory(lammps_instance, plain, 14, "cuda")
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-8)
    assert sizes
    assert "Note:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "build", [structures.lone_atom, structures.dimer_and_lone_atom, structures.smaller_than_cutoff]
)
def test_few_atoms_and_virials_of_atoms(
    lammps_instance, plain: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[dict[str, int]], build
) -> None:  # type: ignore[no-untyped-def]
    usual = evaluate(lammps_instance, build(), STYLE, f"{plain} {ELEMENTS}")
    monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
    found = evaluate(lammps_instance, build(), STYLE, f"{plain} {ELEMENTS}")
    assert sizes
    for name, expected in usual.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-8 if "bar" in name else 1e-11)


def test_places_that_do_not_suffice_become_more_before_forces_are_given(
    lammps_instance, plain: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[dict[str, int]]
) -> None:  # type: ignore[no-untyped-def]
    coeff = f"{plain} {ELEMENTS}"
    usual = evaluate(lammps_instance, droplet(), STYLE, coeff)
    monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
    init = StaticSteps.__init__

    def with_few_places(self: StaticSteps, *given: object) -> None:
        init(self, *given)  # type: ignore[arg-type]
        self._buckets["longest"].size = 2

    monkeypatch.setattr(StaticSteps, "__init__", with_few_places)
    found = evaluate(lammps_instance, droplet(), STYLE, coeff)
    assert sizes[0]["longest"] > 8
    np.testing.assert_allclose(found["forces"], usual["forces"], rtol=0, atol=1e-11)
    assert float(found["energy"]) == pytest.approx(float(usual["energy"]), abs=1e-9)


def test_more_atoms_than_gain_by_it_are_evaluated_without(
    lammps_instance, plain: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[dict[str, int]]
) -> None:  # type: ignore[no-untyped-def]
    usual = evaluate(lammps_instance, droplet(), STYLE, f"{plain} {ELEMENTS}")
    monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
    monkeypatch.setattr(pair_step, "_MOST_ATOMS", 39)
    found = evaluate(lammps_instance, droplet(), STYLE, f"{plain} {ELEMENTS}")
    assert not sizes
    for name, expected in usual.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-11, atol=1e-7 if "bar" in name else 1e-11)


def test_atoms_that_overlap_are_refused(lammps_instance, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
    atoms = structures.dimer_and_lone_atom()
    atoms.positions[1] = atoms.positions[0] + [0.05, 0.0, 0.0]
    with pytest.raises(Exception, match=r"0\.05 Å apart"):
        evaluate(lammps_instance, atoms, STYLE, f"{plain} {ELEMENTS}")
    assert isinstance(bridge.pending_error(), ModelError)


@pytest.fixture(scope="module")
def small_system(plain: Path) -> tuple[TorchFast, torch.Tensor, torch.Tensor, ListedPairs]:
    """A model, elements and positions of some atoms, and the list of all their pairs, with some places behind it."""
    potential = TorchFast.load(plain, LoadOptions(structures.ELEMENTS, "float64"))
    generator = torch.Generator().manual_seed(3)
    grid = torch.cartesian_prod(*[torch.arange(3, dtype=torch.float64)] * 3) * 1.6
    x = grid + 0.2 * torch.rand(len(grid), 3, generator=generator, dtype=torch.float64)
    i, j = torch.nonzero(~torch.eye(len(x), dtype=torch.bool), as_tuple=True)
    behind = torch.zeros(5, dtype=torch.int64)
    listed = torch.arange(len(i) + 5) < len(i)
    i, j = torch.cat((i, behind)), torch.cat((j, behind))
    first = torch.arange(len(x)) * (len(x) - 1)
    return potential, torch.arange(len(x)) % 3, x, ListedPairs(i, j, j, listed, first)


def test_empty_places_contribute_nothing(
    small_system: tuple[TorchFast, torch.Tensor, torch.Tensor, ListedPairs],
) -> None:
    potential, elems, x, pairs = small_system
    found = []
    for longest in (26, 40):
        slots = slots_within(x, pairs, potential.cutoff, longest)
        assert int(slots.wanted) <= 26
        energies, forces = potential.compute_slots(elems, slots)
        assert (forces[~slots.there] == 0.0).all()
        assert (forces[slots.there] != 0.0).any()
        on_atoms = forces.view(-1, longest, 3).sum(dim=1).index_add(0, slots.senders, -forces)
        found.append((energies, on_atoms))
    for few, many in zip(*found, strict=True):
        torch.testing.assert_close(few, many, rtol=0, atol=1e-11)


class Operations(TorchDispatchMode):
    """What torch does, and the shapes that come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, object]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        found = func(*args, **(kwargs or {}))
        shapes = [tuple(each.shape) for each in tree_leaves(found) if isinstance(each, torch.Tensor)]
        self.seen.append((str(func), shapes))
        return found


def test_no_operation_of_a_step_depends_on_how_many_pairs_there_are(
    small_system: tuple[TorchFast, torch.Tensor, torch.Tensor, ListedPairs],
) -> None:
    """As a recording needs it: nothing waits for a number of the device or comes from the host, no shape changes."""
    potential, elems, x, pairs = small_system
    seen, numbers = [], []
    for stretch in (1.0, 1.6):
        with Operations() as operations:
            slots = slots_within(stretch * x, pairs, potential.cutoff, 26)
            potential.compute_slots(elems, slots)
        seen.append(operations.seen)
        numbers.append(int(slots.there.sum()))
    assert numbers[0] > 1.5 * numbers[1]
    assert seen[0] == seen[1]
    names = {name for name, _ in seen[0]}
    for waits in ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "unique", "lift_fresh", "is_nonzero"):
        assert not [name for name in names if waits in name]


def test_slots_are_the_pairs_within_the_cutoff(
    small_system: tuple[TorchFast, torch.Tensor, torch.Tensor, ListedPairs],
) -> None:
    _, _, x, pairs = small_system
    cutoff = 2.6
    slots = slots_within(x, pairs, cutoff, 26)
    distances = torch.linalg.vector_norm(x[:, None] - x, dim=2)
    near = (distances < cutoff) & (distances > 0)
    expected = {tuple(pair) for pair in torch.nonzero(near).tolist()}
    assert int(slots.wanted) == int(near.sum(dim=1).max())
    assert float(slots.shortest) == pytest.approx(float(distances[distances > 0].min()))
    receivers = torch.arange(len(slots.there)) // 26
    there = torch.nonzero(slots.there).squeeze(1)
    assert {(int(receivers[k]), int(slots.senders[k])) for k in there} == expected
    few = slots_within(x, pairs, cutoff, 2)
    assert int(few.wanted) == int(slots.wanted)
    assert int(few.there.sum()) == int(near.sum(dim=1).clamp(max=2).sum())


def test_sizes_stay_while_numbers_change_a_little() -> None:
    assert [bucket(n) for n in (1, 8, 9, 16, 17, 33, 100, 1000)] == [8, 8, 9, 16, 18, 36, 104, 1024]
    assert all(n <= bucket(n) <= max(8, 1.125 * n) for n in range(1, 5000))
    size = Bucket()
    first = size.fit(1000)
    assert all(size.fit(n) == first for n in range(600, first + 1))
    assert size.fit(first + 1) > first
    assert size.fit(100) < 120


@pytest.fixture
def counted() -> tuple[Calculate, list[int]]:
    """A calculation that gives how often it was carried out."""
    calls = [0]

    def calculate() -> torch.Tensor:
        calls[0] += 1
        return torch.tensor([0.5])

    return calculate, calls


def same(one: torch.Tensor, other: torch.Tensor) -> str:
    return "" if torch.equal(one, other) else "numbers"


def test_a_recording_is_compared_before_it_is_trusted_and_at_new_lists(capsys: pytest.CaptureFixture[str]) -> None:
    given = [torch.tensor([1.0])]
    graph = Written()
    step = Replayed(lambda: given[0].clone(), graph, same)
    for value in range(8):
        given[0] = torch.tensor([float(value)])
        if value == 5:
            step.list_is_new()
        assert step().item() == value
    assert graph.recordings == 1
    assert graph.replays == 7
    assert not capsys.readouterr().err


def test_a_recording_that_holds_one_step_alone_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    given = [torch.tensor([1.0])]

    def frozen(calculate: Calculate) -> Calculate:
        result = calculate()
        return lambda: result

    step = Replayed(lambda: given[0].clone(), frozen, same)
    for value in range(6):
        given[0] = torch.tensor([float(value)])
        assert step().item() == value
    said = capsys.readouterr().err
    assert said.count("Note: a step of this model does not give the same when it is replayed (numbers)") == 1


def test_what_cannot_be_recorded_is_carried_out(
    counted: tuple[Calculate, list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    calculate, calls = counted

    def fails(_: Calculate) -> Calculate:
        raise RuntimeError("operation not permitted when stream is capturing")

    step = Replayed(calculate, fails, same)
    assert [step().item() for _ in range(4)] == [0.5] * 4
    assert calls == [4]
    said = capsys.readouterr().err
    assert said.count("cannot be recorded (RuntimeError: operation not permitted") == 1
    assert "LAMPLIGHTER_GRAPHS=off" in said


def test_nothing_is_recorded_on_cpus_or_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recorder(torch.device("cpu")) is None
    assert recorder(torch.device("cuda", 0)) is not None
    monkeypatch.setenv("LAMPLIGHTER_GRAPHS", "off")
    assert recorder(torch.device("cuda", 0)) is None


def test_a_replayed_step_that_differs_is_not_used(
    lammps_instance, plain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # type: ignore[no-untyped-def]
    """Forces of a recording that are wrong by 10⁻⁶ eV/Å never reach LAMMPS."""
    usual = trajectory(lammps_instance, plain, 6)
    monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
    monkeypatch.setattr(pair_step, "recorder", lambda _: Written(lambda result: result + 1e-6))
    found = trajectory(lammps_instance, plain, 6)
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-11)
    assert "does not give the same when it is replayed (forces by 1.0e-06)" in capsys.readouterr().err
