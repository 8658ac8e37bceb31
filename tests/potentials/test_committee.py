"""The committee of `pair_style lamplighter` against its members' own ASE calculators."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.io.lammpsdata import write_lammps_data
from lammps_evaluation import load
from tests.conftest import PROGRAMS, Run, run_program

import structures
from conftest import build_mace
from lamplighter.potentials.native import compile_files

PROGRAM = Path(__file__).with_name("committee_evaluation.py")
MEMBERS = 3


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("committee")
    return [build_mace(folder / f"{k}.model", channels=6, hidden_ell=0, interactions=2, seed=k) for k in range(MEMBERS)]


@pytest.fixture(scope="module")
def expected(members: list[Path]) -> dict[str, np.ndarray]:
    """Forces and energies of each member on the slab, from mace-torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        atoms = structures.slab()
        forces, energies = [], []
        for model in members:
            atoms.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
            forces.append(atoms.get_forces())
            energies.append(atoms.get_potential_energy())
    return {"forces": np.array(forces), "energies": np.array(energies), "numbers": atoms.numbers}


ALONE, BRIDGE = "committee every 100", "engine bridge committee every 100"
VARIANCES = (
    *((ranks, ALONE, MEMBERS, 0) for ranks in (1, 2, 4)),
    *((ranks, BRIDGE, MEMBERS, 0) for ranks in (1, 2, 4)),
    (2, f"{ALONE} drive 2 divisor K-1", MEMBERS - 1, 1),
    (1, f"{BRIDGE} drive 2 divisor K-1", MEMBERS - 1, 1),
)
MEAN = (2, f"{ALONE} drive mean")
HYPER_ACTIVE = ((1, "native", 0.0), (2, "native", 3.0), (4, "native", 0.0), (2, "bridge", 3.0))


def words_of_hyper_active(engine: str, cap: float) -> str:
    return f"engine {engine} committee every 100 drive hal 0.7" + (f" cap {cap}" if cap else "")


class Evaluations:
    """What a committee finds: a start of the framework takes seconds, so one on each number of ranks for all words."""

    def __init__(self, members: list[Path], folder: Path) -> None:
        self._members = [str(member) for member in members]
        self._folder = folder
        asked = [(ranks, words) for ranks, words, *_ in VARIANCES] + [MEAN]
        asked += [(ranks, words_of_hyper_active(engine, cap)) for ranks, engine, cap in HYPER_ACTIVE]
        self._words = {ranks: [words for each, words in asked if each == ranks] for ranks, _ in asked}

    def __call__(self, ranks: int, words: str) -> dict[str, np.ndarray]:
        folder = self._folder / str(ranks)
        if not folder.exists():
            folder.mkdir()
            asked = json.dumps({"models": self._members, "words": self._words[ranks]})
            command = [PROGRAMS / "mpirun", "-n", str(ranks), sys.executable, PROGRAM, folder, asked]
            done = run_program(command, cwd=self._folder, timeout=280)
            (folder / "output").write_text(done.stdout + done.stderr)
        found = folder / f"{self._words[ranks].index(words)}.npz"
        assert found.exists(), (folder / "output").read_text()[-2000:]
        return dict(np.load(found))


@pytest.fixture(scope="module")
def evaluated(members: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Evaluations:
    return Evaluations(members, tmp_path_factory.mktemp("evaluated"))


def variance(forces: np.ndarray, divisor: int) -> np.ndarray:
    return ((forces - forces.mean(axis=0)) ** 2).sum(axis=(0, 2)) / divisor


@pytest.mark.mpi
@pytest.mark.parametrize(("ranks", "words", "divisor", "driver"), VARIANCES)
def test_variances_are_those_of_the_members(
    evaluated: Evaluations, expected: dict[str, np.ndarray], ranks: int, words: str, divisor: int, driver: int
) -> None:
    found = evaluated(ranks, words)
    sigma = variance(expected["forces"], divisor)
    # the members' forces agree within the error of the radial tables, about 1e-10 eV/Å
    np.testing.assert_allclose(found["variance"], sigma, rtol=1e-7, atol=1e-10)
    numbers = found["numbers"]
    assert numbers[0] == pytest.approx(sigma.max(), rel=1e-7)
    assert numbers[1] == pytest.approx(sigma.mean(), rel=1e-7)
    assert numbers[2] == pytest.approx(sigma.min(), rel=1e-5)
    assert numbers[3] == pytest.approx(np.sqrt(sigma.max()), rel=1e-7)
    spread = np.sqrt(((expected["energies"] - expected["energies"].mean()) ** 2).sum() / divisor)
    assert numbers[4] == pytest.approx(spread, rel=1e-6)
    assert numbers[5] == pytest.approx(spread / len(sigma), rel=1e-6)
    assert tuple(numbers[6:8]) == (0, MEMBERS)
    assert numbers[8] == 0  # no bias
    for k, z in enumerate((1, 6, 8)):
        assert numbers[9 + k] == pytest.approx(sigma[expected["numbers"] == z].max(), rel=1e-7)
    np.testing.assert_allclose(numbers[12:], expected["energies"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["forces"], expected["forces"][driver], rtol=0, atol=1e-8)
    assert found["energy"] == pytest.approx(expected["energies"][driver], abs=1e-6)
    assert found["step"] == 0
    np.testing.assert_allclose(found["later"], found["variance"], rtol=1e-12)  # evaluated anew when a run starts


@pytest.mark.mpi
@pytest.mark.parametrize("words", [ALONE, BRIDGE])
def test_what_members_exchange_is_counted(evaluated: Evaluations, words: str) -> None:
    seconds, waiting, rounds, row_bytes = evaluated(2, words)["exchange"]
    # of each member the features of one layer and their gradients; then three numbers of each member. The native engine
    # asks first, as the lists are new, which atoms the ghosts are images of
    whose = int("bridge" not in words)
    assert rounds == MEMBERS * 2 + 1 + whose
    channels = (row_bytes / 8 - 3 * MEMBERS - whose) / (MEMBERS * 2)
    assert channels >= 6  # or those of whole vector registers
    assert channels == int(channels)
    assert seconds > 0.0
    assert waiting > 0.0
    alone = evaluated(1, words)["exchange"]
    assert alone[3] < row_bytes / 2  # features need no exchange


@pytest.mark.mpi
def test_the_mean_of_the_members_drives(evaluated: Evaluations, expected: dict[str, np.ndarray]) -> None:
    found = evaluated(*MEAN)
    np.testing.assert_allclose(found["forces"], expected["forces"].mean(axis=0), rtol=0, atol=1e-8)
    assert found["energy"] == pytest.approx(expected["energies"].mean(), abs=1e-6)
    assert found["step"] == 30  # all members are evaluated at every step


def hal(expected: dict[str, np.ndarray], tau: float, cap: float) -> tuple[float, float, np.ndarray]:
    """Mean energy, bias and forces of hyper-active learning from the members' own, divisor K."""
    energies, forces = expected["energies"], expected["forces"]
    deviation = energies - energies.mean()
    sigma = np.sqrt((deviation**2).mean())
    bias = cap * np.tanh(tau * sigma / cap) if cap else tau * sigma
    slope = tau * (1 - (bias / cap) ** 2) if cap else tau
    weights = 1 / len(energies) - slope * deviation / (len(energies) * sigma)
    return energies.mean(), bias, np.einsum("k,kid->id", weights, forces)


@pytest.mark.mpi
@pytest.mark.parametrize(("ranks", "engine", "cap"), HYPER_ACTIVE)
def test_hyper_active_driving_is_the_members_with_other_weights(
    evaluated: Evaluations, expected: dict[str, np.ndarray], ranks: int, engine: str, cap: float
) -> None:
    found = evaluated(ranks, words_of_hyper_active(engine, cap))
    mean, bias, forces = hal(expected, 0.7, cap)
    assert bias > 0.1
    np.testing.assert_allclose(found["forces"], forces, rtol=0, atol=1e-7)
    assert found["energy"] == pytest.approx(mean - bias, abs=1e-5)
    assert found["energies"].sum() == pytest.approx(mean - bias, abs=1e-5)
    assert found["numbers"][8] == pytest.approx(bias, rel=1e-6)
    assert found["step"] == 30  # all members are evaluated at every step


@pytest.mark.parametrize("cap", ["", "cap 20.0"])
def test_biased_forces_and_pressure_are_derivatives_of_the_biased_energy(
    lammps_instance, members: list[Path], cap: str
) -> None:  # type: ignore[no-untyped-def]
    lmp = lammps_instance
    coeff = f"{' '.join(map(str, members))} {' '.join(structures.ELEMENTS)}"
    load(lmp, structures.liquid(), f"lamplighter committee every 1 drive hal 0.9 {cap}", coeff)
    lmp.commands_string("thermo_style custom step pe pxx vol\nrun 0 post no")
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    atom, axis = np.unravel_index(np.abs(forces).argmax(), forces.shape)

    def energy(command: str) -> float:
        lmp.commands_string(f"{command}\nrun 0 post no")
        return float(lmp.get_thermo("pe"))

    h = 1e-3
    shift = ["0", "0", "0"]

    def moved(by: float) -> str:
        shift[axis] = f"{by:.10g}"
        return f"group one id {atom + 1}\ndisplace_atoms one move {' '.join(shift)} units box"

    slope = (energy(moved(h)) - energy(moved(-2 * h))) / (2 * h)
    lmp.commands_string(moved(h))
    assert -slope == pytest.approx(forces[atom, axis], rel=1e-5)

    # stretched along x: dE = -p_xx V d(strain), without the kinetic part as nothing moves
    lmp.command("run 0 post no")
    pressure, volume = lmp.get_thermo("pxx"), lmp.get_thermo("vol")
    strain = 1e-5
    up = energy(f"change_box all x scale {1 + strain:.10g} remap units box")
    down = energy(f"change_box all x scale {(1 - strain) / (1 + strain):.16g} remap units box")
    bar = 1.602176634e6  # 1 eV/Å^3
    assert pressure * volume / bar == pytest.approx(-(up - down) / (2 * strain), rel=2e-3)


@pytest.mark.parametrize("cap", ["", "cap 10.0"])
def test_the_biased_hamiltonian_is_conserved(lammps_instance, members: list[Path], cap: str) -> None:  # type: ignore[no-untyped-def]
    """The error of NVE falls with the square of the timestep, so it is the integrator's and not that of the forces."""
    lmp = lammps_instance
    coeff = f"{' '.join(map(str, members))} {' '.join(structures.ELEMENTS)}"
    scatter = []
    for steps in (20, 40, 80):
        load(lmp, structures.liquid(), f"lamplighter committee every 1 drive hal 0.5 {cap}", coeff)
        lmp.commands_string(
            f"thermo_style custom step etotal\nvelocity all create 300 5 loop all\nfix move all nve\n"
            f"timestep {0.01 / steps}\nvariable e equal etotal\nfix total all ave/time 1 1 1 v_e\n"
            "thermo 1\nrun 0 post no"
        )
        energies = [lmp.get_thermo("etotal")]
        for _ in range(10):
            lmp.command(f"run {steps // 10} pre no post no")
            energies.append(lmp.get_thermo("etotal"))
        scatter.append(np.abs(np.array(energies) - energies[0]).max())
    assert scatter[0] / scatter[1] == pytest.approx(4.0, rel=0.25)
    assert scatter[1] / scatter[2] == pytest.approx(4.0, rel=0.25)


def test_warmup_raises_the_bias_step_by_step(lammps_instance, members: list[Path]) -> None:  # type: ignore[no-untyped-def]
    lmp = lammps_instance
    coeff = f"{' '.join(map(str, members))} {' '.join(structures.ELEMENTS)}"

    def bias_over_deviation(words: str, first_step: int) -> list[float]:
        load(lmp, structures.liquid(), f"lamplighter committee every 1 drive hal 0.8 {words}", coeff)
        lmp.commands_string(
            f"reset_timestep {first_step}\ncompute c all pair lamplighter\nthermo_style custom step pe c_c[9]\n"
            "thermo 1\nfix move all nve\nrun 0 post no"
        )
        found = []
        for _ in range(4):
            numbers = lmp.extract_compute("c", 0, 1)
            found.append(numbers[8] / numbers[4])
            lmp.command("run 1 pre no post no")
        return found

    assert bias_over_deviation("warmup 2", 50) == pytest.approx([0.0, 0.4, 0.8, 0.8])
    assert bias_over_deviation("warmup 4 from 49", 50) == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert bias_over_deviation("", 50) == pytest.approx([0.8] * 4)


def test_members_of_two_shapes_run_through_the_bridge(lammps_instance, members: list[Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Other cutoffs and layers: each model gets the pairs within its own cutoff."""
    other = build_mace(tmp_path / "other.model", channels=4, hidden_ell=1, interactions=3, seed=9, r_max=3.0)
    atoms = structures.liquid()
    forces = []
    for model in (members[0], other):
        load(lammps_instance, atoms, "lamplighter engine bridge", f"{model} {' '.join(structures.ELEMENTS)}")
        lammps_instance.command("run 0 post no")
        forces.append(np.array(lammps_instance.gather_atoms("f", 1, 3)).reshape(-1, 3))
    coeff = f"{members[0]} {other} {' '.join(structures.ELEMENTS)}"
    load(lammps_instance, atoms, "lamplighter committee every 10 drive mean", coeff)
    lammps_instance.commands_string("fix v all pair 1 lamplighter variance 0\nrun 0 post no")
    found = np.array(lammps_instance.gather("f_v", 1, 1))
    np.testing.assert_allclose(found, variance(np.array(forces), 2), rtol=1e-9, atol=1e-12)
    both = np.array(lammps_instance.gather_atoms("f", 1, 3)).reshape(-1, 3)
    np.testing.assert_allclose(both, np.mean(forces, axis=0), rtol=0, atol=1e-10)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_guard_stops_where_the_committee_disagrees(
    run: Run, tmp_path: Path, members: list[Path], expected: dict[str, np.ndarray], ranks: int
) -> None:
    """In plain `lmp`: the first evaluation beyond the limit ends the run, and names the atom."""
    compile_files(members, tmp_path / "committee.lamp")
    write_lammps_data(tmp_path / "slab.data", structures.slab(), specorder=structures.ELEMENTS, masses=True)
    sigma = variance(expected["forces"], MEMBERS)
    (tmp_path / "in.lmp").write_text(
        "units metal\natom_modify map yes\nboundary p p p\nread_data slab.data\n"
        f"pair_style lamplighter committee every 5\npair_coeff * * committee.lamp {' '.join(structures.ELEMENTS)}\n"
        "fix move all nve\n"
        f"fix g all guard 1 variance {sigma.max() * 0.99:.10g} event events.jsonl snapshot failure.xyz\n"
        "run 50\nprint 'ended at $(step)'\n"
    )
    words: list[str | Path] = [PROGRAMS / "mpirun", "-n", str(ranks), PROGRAMS / "lmp", "-in", "in.lmp", "-log", "none"]
    done = run(words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (event,) = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert event["criterion"] == "variance"
    assert event["step"] == 0
    assert event["value"] == pytest.approx(sigma.max(), rel=1e-7)
    assert event["atoms"][0] == int(np.argmax(sigma)) + 1
    (frame,) = ase.io.read(tmp_path / "failure.xyz", ":")
    np.testing.assert_allclose(frame.arrays["committee_variance"], sigma, rtol=1e-6, atol=1e-10)
    assert frame.info["committee_step"] == 0


@pytest.mark.parametrize(
    ("style", "count", "message"),
    [
        ("committee every 0", 2, "'committee every N' needs N >= 1 steps, got 0"),
        ("committee 5", 2, "expected 'committee every N'"),
        ("drive mean", 2, "give 'committee every N', too"),
        ("committee every 5", 1, "a committee needs two models or more"),
        ("committee every 5 drive 4", 3, "asks for a model beyond the 3 there are"),
        ("committee every 5 drive all", 2, "Expected integer"),
        ("committee every 5 divisor 7", 2, "divisor must be K or K-1, got '7'"),
        ("committee every 5 drive hal", 2, "'drive hal' lacks TAU"),
        ("committee every 5 drive hal strong", 2, "Expected floating point"),
        ("committee every 5 drive hal -1", 2, "'drive hal TAU' needs TAU >= 0, got -1"),
        ("committee every 5 drive hal 1 cap 0", 2, "cap C' needs C > 0 eV, got 0"),
        ("committee every 5 drive hal 1 warmup", 2, "lacks the steps of warmup"),
        ("committee every 5 drive hal 1 warmup -5", 2, "needs the steps of warmup >= 0, got -5"),
        ("committee every 5 engine bridge", 1, "a committee needs two models or more"),
    ],
)
def test_wrong_committees_are_refused(
    lammps_instance, members: list[Path], style: str, count: int, message: str
) -> None:  # type: ignore[no-untyped-def]
    lammps_instance.commands_string("clear\nunits metal\nregion b block 0 10 0 10 0 10\ncreate_box 3 b\nmass * 1.0")
    models = " ".join(map(str, members[:count]))
    with pytest.raises(Exception) as caught:  # noqa: PT011 (LAMMPS raises plain exceptions)
        lammps_instance.commands_string(f"pair_style lamplighter {style}\npair_coeff * * {models} H C O")
    assert message in str(caught.value)
