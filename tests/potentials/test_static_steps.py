"""Steps in arrays whose shapes stay give what others give, and are recorded only if that gives the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from lammps_evaluation import load
from tape import Tape
from tests.conftest import Run
from tests.potentials.recorded_dynamics import recorded_dynamics

import structures
from conftest import build_mace
from lamplighter.errors import ModelError
from lamplighter.potentials.bridge import callbacks as bridge
from lamplighter.potentials.bridge import pair_step
from lamplighter.potentials.bridge.exchange import OneRank
from lamplighter.potentials.bridge.recorded_step import DeviceSteps
from lamplighter.potentials.bridge.replay import record, recorder
from lamplighter.potentials.bridge.static_step import Sizes
from lamplighter.potentials.buckets import Bucket, bucket
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.mace import Mace
from lamplighter.potentials.slots import ListedPairs, Slots, slots_within
from lamplighter.potentials.torch_fast.potential import TorchFast

ELEMENTS = " ".join(structures.ELEMENTS)
STYLE = "lamplighter dtype float64 engine torch-fast"
BRIDGE = "lamplighter dtype float64 engine bridge"
Evaluated = tuple[Sizes, bool]  # of a step: its arrays, and whether a recording gave its forces


def droplet() -> Atoms:
    """Forty atoms of a liquid with vacuum around them, so that numbers of neighbours differ."""
    atoms = structures.liquid()
    near = np.argsort(np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1))[:40]
    cut = atoms[np.sort(near)]
    cut.center(vacuum=4.0)
    return cut


def begin(lmp, atoms: Atoms, model: Path, style: str = STYLE, velocities: str = "create 1500 7 loop geom") -> None:  # type: ignore[no-untyped-def]
    """Dynamics in which the neighbour list is made anew."""
    load(lmp, atoms, style, f"{model} {ELEMENTS}")
    lmp.commands_string(
        f"neighbor 0.3 bin\nneigh_modify every 1 delay 0 check yes\nvelocity all {velocities}\nfix m all nve"
    )


def trajectory(lmp, model: Path, steps: int, style: str = STYLE) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Positions after some steps."""
    begin(lmp, droplet(), model, style)
    lmp.command(f"run {steps} post no")
    return np.array(lmp.gather_atoms("x", 1, 3))


@pytest.fixture
def taped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tape]:
    """From the call on, models find their pairs themselves and their steps are recorded."""

    def begin(*given: object) -> Tape:
        tape = Tape(*given)  # type: ignore[arg-type]
        monkeypatch.setenv("LAMPLIGHTER_PAIRS", "model")
        monkeypatch.setattr(pair_step, "recorder", lambda _: tape)
        return tape

    return begin


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Evaluated]:
    """All steps, one after the other."""
    seen: list[Evaluated] = []
    evaluate_step = DeviceSteps.evaluate

    def watched(self: DeviceSteps, *given: object) -> object:
        found = evaluate_step(self, *given)  # type: ignore[arg-type]
        seen.append((self._static.sizes, found is None))
        return found

    monkeypatch.setattr(DeviceSteps, "evaluate", watched)
    return seen


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three interactions, vectors as node features: two exchanges each way."""
    return build_mace(tmp_path_factory.mktemp("models") / "vectors.model", channels=4, hidden_ell=1, interactions=3)


@pytest.mark.parametrize("engine", ["torch-fast", "bridge", "bridge, vectors"])
def test_dynamics_are_the_same_in_shapes_that_stay(
    lammps_instance,
    trained_model: Path,
    vectors: Path,
    taped: Callable[..., Tape],
    steps: list[Evaluated],
    capsys: pytest.CaptureFixture[str],
    engine: str,
) -> None:  # type: ignore[no-untyped-def]
    """Of the bridge once with convolutions that are reordered, once with all those of mace-torch but one."""
    style, model = (STYLE, trained_model) if engine == "torch-fast" else (BRIDGE, trained_model)
    if engine == "bridge, vectors":
        model = vectors
    usual = trajectory(lammps_instance, model, 14, style)
    assert not steps
    tape = taped()
    found = trajectory(lammps_instance, model, 14, style)
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-10)
    assert len(steps) == 15
    distinct = {sizes for sizes, _ in steps}
    assert tape.recordings == len(distinct) <= 3  # of 15 steps, each with another number of pairs
    assert sum(recorded for _, recorded in steps) >= 4


def test_recordings_are_compared_at_first_and_at_the_next_two_new_lists(
    lammps_instance,
    plain: Path,
    taped: Callable[..., Tape],
    steps: list[Evaluated],
    capsys: pytest.CaptureFixture[str],
) -> None:  # type: ignore[no-untyped-def]
    """Of an evaluation that is carried out both ways no recording gives the forces."""
    tape = taped()
    begin(lammps_instance, droplet(), plain, velocities="create 30 7 loop geom")
    lammps_instance.command("neigh_modify every 4 delay 0 check no")
    lammps_instance.command("run 15 post no")
    assert len({sizes for sizes, _ in steps}) == 1
    both_ways = [step for step, (_, recorded) in enumerate(steps) if not recorded]
    assert both_ways == [0, 1, 2, 4, 8]  # lists are new at 0, 4, 8 and 12
    assert tape.recordings == 1
    assert tape.replays == len(steps)
    assert capsys.readouterr().err == ""


@pytest.mark.mpi
def test_two_ranks_record_what_lies_between_exchanges(
    mpirun: Run, trained_model: Path, vectors: Path, tmp_path: Path
) -> None:
    """Two exchanges each way for one model, one for the other; lists and sizes change, and one rank lacks places."""
    atoms = droplet()
    atoms.positions[:, 2] += 0.5 * atoms.cell[2, 2] - atoms.positions[:, 2].mean()  # across the plane between the ranks
    fast, bridged = STYLE.removeprefix("lamplighter "), BRIDGE.removeprefix("lamplighter ")
    asked = {
        "fast": (fast, str(trained_model)),
        "vectors": (bridged, str(vectors)),
    }
    found = recorded_dynamics(mpirun, 2, atoms, asked, tmp_path)
    for name in asked:
        atoms_of_ranks, _, _, lacked = found[f"{name}_counts"].T
        assert atoms_of_ranks.min() > 5
        assert lacked[0] >= 1
        assert lacked[1] == 0  # it had begun to carry out its recording, and waited for rows
        forces = found[f"{name}_usual_forces"]
        np.testing.assert_allclose(found[f"{name}_recorded_forces"], forces, rtol=0, atol=1e-9 * np.abs(forces).max())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("style", [STYLE, BRIDGE])
def test_dynamics_on_a_gpu_are_replayed_as_graphs(
    lammps_instance, trained_model: Path, steps: list[Evaluated], capsys: pytest.CaptureFixture[str], style: str
) -> None:  # type: ignore[no-untyped-def]
    """Never run so far."""
    usual = trajectory(lammps_instance, trained_model, 14, style)
    found = trajectory(lammps_instance, trained_model, 14, f"{style} device cuda")
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-8)
    assert any(recorded for _, recorded in steps)
    assert "Note:" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "build", [structures.lone_atom, structures.dimer_and_lone_atom, structures.smaller_than_cutoff]
)
def test_few_atoms_and_virials_of_atoms(
    lammps_instance, plain: Path, taped: Callable[..., Tape], steps: list[Evaluated], build: Callable[[], Atoms]
) -> None:  # type: ignore[no-untyped-def]
    """Steps for which virials of atoms are wanted are among the others, and not recorded."""

    def evaluated() -> dict[str, np.ndarray]:
        begin(lammps_instance, build(), plain, velocities="set 3.0 -2.0 1.0")
        lammps_instance.commands_string(
            "compute s all stress/atom NULL virial\ncompute t all reduce sum c_s[1] c_s[4]\nthermo 3\n"
            "thermo_style custom step pe press pxy c_t[1] c_t[2]\nrun 14 post no"
        )
        names = "pe", "press", "pxy"
        return {
            "thermo": np.array([lammps_instance.get_thermo(name) for name in names]),
            "positions": np.array(lammps_instance.gather_atoms("x", 1, 3)),
            "virials": np.array(lammps_instance.extract_compute("t", 0, 1)[:2]),
        }

    usual = evaluated()
    tape = taped()
    found = evaluated()
    assert 1 <= tape.recordings <= 2
    assert [recorded for _, recorded in steps[:4]] == [False] * 4
    assert any(recorded for _, recorded in steps)
    for name, expected in usual.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-10, atol=1e-6 if name != "positions" else 1e-11)


def test_places_that_do_not_suffice_become_more_before_forces_are_given(
    lammps_instance, plain: Path, taped: Callable[..., Tape], steps: list[Evaluated]
) -> None:  # type: ignore[no-untyped-def]
    """Atoms come nearer while recordings are used; then two of them too near."""

    def evaluated() -> np.ndarray:
        begin(lammps_instance, droplet(), plain)
        lammps_instance.commands_string(
            "neigh_modify check no\nrun 6 post no\nneigh_modify check yes\nneighbor 6 bin\nrun 2 post no"
        )
        x = lammps_instance.numpy.extract_atom("x")
        x[:40] = x[:40].mean(axis=0) + 0.85 * (x[:40] - x[:40].mean(axis=0))
        lammps_instance.command("run 1 pre no post no")
        return np.array(lammps_instance.gather_atoms("f", 1, 3))

    usual = evaluated()
    tape = taped()
    found = evaluated()
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-9 * np.abs(usual).max())
    assert steps[-1][0].longest > steps[-2][0].longest
    assert tape.replays == len(steps) + 1  # the last step twice, with places that did not suffice, and with more
    lammps_instance.command("run 5 pre no post no")
    assert steps[-1][1]
    x = lammps_instance.numpy.extract_atom("x")
    x[1] = x[0] + [0.05, 0.0, 0.0]
    lammps_instance.commands_string("timestep 1e-9\nneigh_modify every 100 delay 100 check no")
    with pytest.raises(Exception, match=r"0\.05 Å apart"):
        lammps_instance.command("run 1 pre no post no")
    assert isinstance(bridge.pending_error(), ModelError)


def test_more_atoms_than_gain_by_it_are_not_recorded(
    lammps_instance, plain: Path, monkeypatch: pytest.MonkeyPatch, taped: Callable[..., Tape]
) -> None:  # type: ignore[no-untyped-def]
    usual = trajectory(lammps_instance, plain, 3)
    tape = taped()
    monkeypatch.setattr(TorchFast, "most_in_slots", 39)
    np.testing.assert_allclose(trajectory(lammps_instance, plain, 3), usual, rtol=0, atol=1e-11)
    assert not tape.recordings


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs count in a density and in a repulsion of nuclei, too."""
    import mace.modules

    return build_mace(
        tmp_path_factory.mktemp("models") / "foundation.model",
        channels=4,
        hidden_ell=0,
        interactions=2,
        interaction_cls_first=mace.modules.interaction_classes["RealAgnosticDensityInteractionBlock"],
        interaction_cls=mace.modules.interaction_classes["RealAgnosticDensityResidualInteractionBlock"],
        distance_transform="Agnesi",
        pair_repulsion=True,
    )


@pytest.fixture(
    scope="module",
    params=[(TorchFast, "trained_model"), (TorchFast, "foundation"), (Mace, "trained_model")],
)
def potential(request: pytest.FixtureRequest) -> PairPotential:
    kind, model = request.param
    found: PairPotential = kind.load(request.getfixturevalue(model), LoadOptions(structures.ELEMENTS, "float64"))
    return found


@pytest.fixture(scope="module")
def system() -> tuple[torch.Tensor, torch.Tensor, ListedPairs]:
    """Elements and positions of some atoms, and the list of all their pairs, with some places behind it."""
    generator = torch.Generator().manual_seed(3)
    grid = torch.cartesian_prod(*[torch.arange(3, dtype=torch.float64)] * 3) * 1.6
    x = grid + 0.2 * torch.rand(len(grid), 3, generator=generator, dtype=torch.float64)
    i, j = torch.nonzero(~torch.eye(len(x), dtype=torch.bool), as_tuple=True)
    behind = torch.zeros(5, dtype=torch.int64)
    listed = torch.arange(len(i) + 5) < len(i)
    i, j = torch.cat((i, behind)), torch.cat((j, behind))
    first = torch.arange(len(x)) * (len(x) - 1)
    return torch.arange(len(x)) % 3, x, ListedPairs(i, j, j, listed, first)


def evaluated_in(slots: Slots, potential: PairPotential, elems: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies of atoms and forces of places."""
    data = PairData(
        nlocal=len(elems),
        ntotal=len(elems),
        elems=elems,
        pair_i=slots.receivers,
        pair_j=slots.senders,
        rij=slots.vectors,
        eatoms=torch.zeros(len(elems), dtype=torch.float64),
        pair_forces=torch.zeros_like(slots.vectors),
        exchange=OneRank(),
        slots=slots,
    )
    potential.compute(data)
    return data.eatoms, data.pair_forces


def test_empty_places_contribute_nothing(
    potential: PairPotential, system: tuple[torch.Tensor, torch.Tensor, ListedPairs]
) -> None:
    elems, x, pairs = system
    found = []
    for longest in (26, 40):
        slots = slots_within(x, pairs, potential.cutoff, longest)
        assert int(slots.wanted) <= 26
        energies, forces = evaluated_in(slots, potential, elems)
        assert (forces[slots.there] != 0.0).any()
        forces = forces.masked_fill(~slots.there.unsqueeze(1), 0.0)
        on_atoms = forces.view(-1, longest, 3).sum(dim=1).index_add(0, slots.senders, -forces)
        found.append((energies, on_atoms))
    for few, many in zip(*found, strict=True):
        torch.testing.assert_close(few, many, rtol=1e-14, atol=1e-11)


def test_no_operation_of_a_step_depends_on_how_many_pairs_there_are(
    potential: PairPotential, system: tuple[torch.Tensor, torch.Tensor, ListedPairs]
) -> None:
    """As a recording needs it: done again at other positions, with fewer pairs, it gives what these have."""
    elems, x, pairs = system
    given = x.clone()

    def calculate(_: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        slots = slots_within(given, pairs, potential.cutoff, 26)
        return *evaluated_in(slots, potential, elems), slots.there

    recording = record(calculate, Tape(), OneRank(), cut=False)  # which refuses what waits for a number
    numbers = []
    for stretch in (1.0, 1.6):
        given.copy_(stretch * x)
        for known, expected in zip(recording(OneRank()), calculate(None), strict=True):
            torch.testing.assert_close(known, expected, rtol=1e-12, atol=1e-12)
        numbers.append(int(recording.result[2].sum()))
    assert numbers[0] > 1.5 * numbers[1]


def test_slots_are_the_pairs_within_the_cutoff(system: tuple[torch.Tensor, torch.Tensor, ListedPairs]) -> None:
    _, x, pairs = system
    cutoff = 2.6
    slots = slots_within(x, pairs, cutoff, 26)
    distances = torch.linalg.vector_norm(x[:, None] - x, dim=2)
    near = (distances < cutoff) & (distances > 0)
    expected = {tuple(pair) for pair in torch.nonzero(near).tolist()}
    assert int(slots.wanted) == int(near.sum(dim=1).max())
    assert float(slots.shortest) == pytest.approx(float(distances[distances > 0].min()))
    there = torch.nonzero(slots.there).squeeze(1)
    assert {(int(slots.receivers[k]), int(slots.senders[k])) for k in there} == expected
    assert (torch.linalg.vector_norm(slots.vectors[~slots.there], dim=1) == cutoff).all()
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


def test_nothing_is_recorded_on_cpus_or_where_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recorder(torch.device("cpu")) is None
    assert recorder(torch.device("cuda", 0)) is not None
    monkeypatch.setenv("LAMPLIGHTER_GRAPHS", "off")
    assert recorder(torch.device("cuda", 0)) is None


@pytest.mark.parametrize("engine", ["torch-fast", "bridge"])
def test_a_recorded_step_that_differs_is_not_used(
    lammps_instance,
    trained_model: Path,
    taped: Callable[..., Tape],
    capsys: pytest.CaptureFixture[str],
    engine: str,
) -> None:  # type: ignore[no-untyped-def]
    """Forces of a recording that are wrong by 10⁻⁶ never reach LAMMPS."""
    style = f"lamplighter dtype float64 engine {engine}"
    usual = trajectory(lammps_instance, trained_model, 6, style)
    tape = taped(lambda array: array * (1 + 1e-6) if array.is_floating_point() else array)
    found = trajectory(lammps_instance, trained_model, 6, style)
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-11)
    assert tape.replays == 1
    said = capsys.readouterr().err
    assert said.count("Note: a step of this model does not give the same when it is replayed (forces by ") == 1


def test_a_recording_that_holds_one_step_alone_is_given_up(
    lammps_instance,
    trained_model: Path,
    taped: Callable[..., Tape],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # type: ignore[no-untyped-def]
    """It is right for the first, and is compared at the next ones, too."""
    usual = trajectory(lammps_instance, trained_model, 6)
    tape = taped()
    end = Tape.end

    def frozen(self: Tape) -> Callable[[], None]:
        replay = end(self)
        return lambda: replay() if not self.replays else None

    monkeypatch.setattr(Tape, "end", frozen)
    found = trajectory(lammps_instance, trained_model, 6)
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-11)
    assert tape.replays == 1
    assert "Note: a step of this model does not give the same when it is replayed" in capsys.readouterr().err


def test_what_cannot_be_recorded_is_carried_out(
    lammps_instance,
    trained_model: Path,
    taped: Callable[..., Tape],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # type: ignore[no-untyped-def]
    """A network that asks for a number of the device."""
    usual = trajectory(lammps_instance, trained_model, 4, BRIDGE)
    tape = taped()
    compute = Mace.compute

    def waits(self: Mace, data: PairData) -> None:
        assert float(data.rij.abs().max()) > 0.0
        compute(self, data)

    monkeypatch.setattr(Mace, "compute", waits)
    found = trajectory(lammps_instance, trained_model, 4, BRIDGE)
    np.testing.assert_allclose(found, usual, rtol=0, atol=1e-11)
    assert not tape.replays
    said = capsys.readouterr().err
    assert said.count("cannot be recorded (RuntimeError: operation not permitted") == 1
    assert "LAMPLIGHTER_GRAPHS=off" in said
