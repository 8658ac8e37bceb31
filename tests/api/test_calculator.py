"""`lamplighter.Calculator` as ASE uses it, held against MACE's own ASE calculator and against itself."""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.io import read
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS
from ase.phonons import Phonons
from ase.vibrations import Vibrations
from tests.conftest import Run

import lamplighter as ll

pytestmark = pytest.mark.thorough

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MODELS = [EXAMPLE / "models" / f"ec_emc_{k}.model" for k in range(2)]
ARGON = {"lammps": ["pair_style lj/cut 8.5", "pair_coeff * * 0.0104 3.4", "pair_modify shift yes"]}


@pytest.fixture(scope="module")
def liquid() -> Atoms:
    atoms = read(EXAMPLE / "structures" / "ec_emc_160.xyz")
    assert isinstance(atoms, Atoms)
    return atoms


@pytest.fixture(scope="module")
def molecule() -> Atoms:
    """A molecule without a cell."""
    atoms = read(EXAMPLE / "data" / "xtb_test.xyz", 0)
    assert isinstance(atoms, Atoms)
    return Atoms(atoms.numbers, atoms.positions)


@pytest.fixture(scope="module")
def committee(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both models, compiled into one file."""
    from lamplighter.potentials.native import compile_files

    path = tmp_path_factory.mktemp("committee") / "both.lamp"
    compile_files(MODELS, path, ["H", "C", "O"])
    return path


@pytest.fixture(scope="module")
def calculator(committee: Path) -> Iterator[ll.Calculator]:
    with ll.Calculator(committee, drive="first") as made:
        yield made


@pytest.fixture
def argon() -> Iterator[ll.Calculator]:
    with ll.Calculator(ARGON) as made:
        yield made


def test_numbers_are_those_of_maces_own_calculator_also_after_steps_and_for_every_cell(
    calculator: ll.Calculator, liquid: Atoms, molecule: Atoms
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        mace = MACECalculator(model_paths=str(MODELS[0]), device="cpu", default_dtype="float64")
    moved = liquid.copy()
    moved.rattle(0.02, seed=2)  # kept in LAMMPS
    strained = moved.copy()
    strained.set_cell(np.asarray(strained.cell) @ [[1.01, 0.02, 0], [0, 0.99, 0.01], [0, 0, 1.0]], scale_atoms=True)
    slab = liquid.copy()
    slab.center(vacuum=4.0, axis=2)
    slab.pbc = [True, True, False]
    for atoms in (liquid.copy(), moved, strained, slab, molecule.copy()):
        atoms.calc = mace
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        stress = atoms.get_stress() if atoms.cell.rank == 3 else None
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-7)
        assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
        np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=1e-7)
        if stress is None:
            with pytest.raises(PropertyNotImplementedError, match="without a cell"):
                atoms.get_stress()
        elif atoms.pbc.all():
            np.testing.assert_allclose(atoms.get_stress(), stress, rtol=0, atol=1e-10)
        else:  # MACE divides by the volume of a cell of its own making
            np.testing.assert_allclose(atoms.get_stress() / stress, atoms.get_stress()[0] / stress[0], rtol=1e-6)


def test_a_committee_has_the_numbers_of_its_members(committee: Path, liquid: Atoms) -> None:
    """The models one by one are those of the file together: `drive` chooses what is returned."""
    alone = []
    for drive in (1, 2, "mean"):
        with ll.Calculator(committee, drive=drive) as one:
            atoms = liquid.copy()
            atoms.calc = one
            alone.append((atoms.get_potential_energy(), atoms.get_forces()))
            found = one.results
    energies = np.array([energy for energy, _ in alone[:2]])
    forces = np.array([force for _, force in alone[:2]])
    assert one.is_committee
    np.testing.assert_allclose(found["member_energies"], energies, rtol=0, atol=1e-8)
    assert found["energy"] == pytest.approx(energies.mean(), abs=1e-8)
    assert found["energy_deviation"] == pytest.approx(energies.std(), abs=1e-8)
    np.testing.assert_allclose(alone[2][1], forces.mean(axis=0), rtol=0, atol=1e-9)
    expected = np.sqrt(((forces - forces.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))
    np.testing.assert_allclose(found["forces_deviation"], expected, rtol=1e-6, atol=1e-9)
    assert atoms.calc.get_property("energy_deviation", atoms) == found["energy_deviation"]


def test_forces_and_stress_are_derivatives_of_the_energy(
    argon: ll.Calculator, molecule: Atoms, committee: Path
) -> None:
    crystal = ase.build.bulk("Ar", a=5.2).repeat((2, 1, 1))
    crystal.rattle(0.1, seed=1)
    slab = crystal.repeat((1, 2, 2))
    slab.center(vacuum=5.0, axis=2)
    slab.pbc = [True, True, False]
    # in one sequence LAMMPS is moved for the forces, and gets another box for each strain
    for atoms in (crystal, slab):
        atoms.calc = argon
        forces = calculate_numerical_forces(atoms, eps=1e-4)
        np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=1e-7)
        np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-4), rtol=0, atol=1e-7)
    with ll.Calculator(committee, drive=1) as model:
        molecule.calc = model
        some = calculate_numerical_forces(molecule, eps=1e-4, iatoms=[0, 5])
        np.testing.assert_allclose(molecule.get_forces()[[0, 5]], some, rtol=0, atol=1e-5)


def test_a_cell_and_its_atoms_relax_to_the_lattice_constant_of_argon(argon: ll.Calculator) -> None:
    crystal = ase.build.bulk("Ar", a=5.0, cubic=True)
    crystal.rattle(0.05, seed=1)
    crystal.calc = argon
    assert BFGS(FrechetCellFilter(crystal), logfile=None).run(fmax=1e-4, steps=60)
    lengths = crystal.cell.lengths()
    energies = []
    for a in (lengths[0] - 0.01, lengths[0], lengths[0] + 0.01):
        other = ase.build.bulk("Ar", a=a, cubic=True)
        other.calc = argon
        energies.append(other.get_potential_energy())
    np.testing.assert_allclose(lengths, lengths.mean(), rtol=1e-4)
    assert energies[1] == min(energies)
    assert crystal.get_potential_energy() == pytest.approx(energies[1], abs=1e-5)


def test_phonons_and_vibrations_are_those_of_a_stable_crystal(argon: ll.Calculator, tmp_path: Path) -> None:
    crystal = ase.build.bulk("Ar", a=5.25)
    phonons = Phonons(crystal, argon, supercell=(3, 3, 3), delta=0.01, name=str(tmp_path / "phonons"))
    phonons.run()
    phonons.read(acoustic=True)
    at_gamma, at_edge = phonons.band_structure([[0, 0, 0], [0.5, 0.5, 0.0]])
    np.testing.assert_allclose(at_gamma, 0.0, atol=1e-5)
    assert 0.002 < at_edge.min() < at_edge.max() < 0.012  # eV; argon's highest is 8 meV
    dimer = Atoms("Ar2", [[0, 0, 0], [3.4 * 2 ** (1 / 6), 0, 0]], calculator=argon)
    vibrations = Vibrations(dimer, name=str(tmp_path / "vibrations"))
    vibrations.run()
    stiffness = 57.146 * 0.0104 / 3.4**2  # of a Lennard-Jones bond: 36 · 2^(2/3) ε/σ²
    expected = units._hbar * units.J * units.s * np.sqrt(2 * stiffness / dimer.get_masses()[0])
    assert vibrations.get_energies()[-1].real == pytest.approx(expected, rel=2e-3)


def test_a_nudged_band_finds_the_barrier_of_a_hopping_atom() -> None:
    """An atom on a square of others hops from one hollow to the next, and its barrier is that at the bridge."""
    slab = ase.build.fcc100("Ar", (2, 2, 2), a=5.25, vacuum=6.0)
    ase.build.add_adsorbate(slab, "Ar", 2.6, "hollow")
    with ll.Calculator(ARGON) as shared:
        from ase.constraints import FixAtoms

        slab.set_constraint(FixAtoms(range(8)))
        slab.calc = shared
        assert BFGS(slab, logfile=None).run(fmax=0.005, steps=80)
        images = [slab.copy() for _ in range(5)]
        images[-1].positions[-1] += slab.cell[0] / 2
        for image in images:
            image.calc = shared
        band = NEB(images, allow_shared_calculator=True)
        band.interpolate()
        assert BFGS(band, logfile=None).run(fmax=0.01, steps=80)
        energies = [image.get_potential_energy() for image in images]
    assert energies[0] == pytest.approx(energies[-1], abs=1e-6)
    np.testing.assert_allclose(energies, energies[::-1], atol=1e-4)
    assert energies[2] == max(energies)
    assert energies[2] - energies[0] > 0.01


def test_the_energy_of_dynamics_in_ase_is_conserved(calculator: ll.Calculator, liquid: Atoms) -> None:
    atoms = liquid.copy()
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(1))
    dynamics = VelocityVerlet(atoms, 0.25 * units.fs)
    before = atoms.get_total_energy()
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(80)
    assert np.ptp(np.array(energies) - before) < 2e-4 * len(atoms)
    assert atoms.get_kinetic_energy() / len(atoms) > 0.01
    fresh = atoms.copy()
    with ll.Calculator(calculator_source(calculator), drive="first") as another:  # two at once in one process
        fresh.calc = another
        assert fresh.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(fresh.get_forces(), atoms.get_forces(), rtol=0, atol=1e-10)


def calculator_source(calculator: ll.Calculator) -> str:
    return str(calculator.todict()["potential"]["models"][0])


def test_a_copy_or_an_unpickled_one_works_and_the_first_still_does(argon: ll.Calculator) -> None:
    dimer = Atoms("Ar2", [[0, 0, 0], [3.9, 0, 0]], calculator=argon)
    energy = dimer.get_potential_energy()
    for other in (copy.deepcopy(argon), pickle.loads(pickle.dumps(argon))):
        twin = Atoms("Ar2", [[0, 0, 0], [4.2, 0, 0]], calculator=other)
        assert twin.get_potential_energy() != energy
        other.close()
    dimer.rattle(1e-3)
    assert dimer.get_potential_energy() == pytest.approx(energy, abs=1e-3)
    argon.close()
    dimer.rattle(1e-3)
    assert dimer.get_potential_energy() == pytest.approx(energy, abs=1e-3), "it opens anew"


def test_atoms_far_away_come_back_and_may_change_in_number(argon: ll.Calculator) -> None:
    """A dimer flies off, out of any box that LAMMPS made for it, in steps small and large."""
    dimer = Atoms("Ar2", [[0, 0, 0], [3.9, 0, 0]], calculator=argon)
    energy = dimer.get_potential_energy()
    for step in [[0.9, 0, 0]] * 25 + [[1e3, -1e3, 0]]:
        dimer.positions += step
        assert dimer.get_potential_energy() == pytest.approx(energy, rel=1e-9)
    trimer = dimer + Atoms("Ar", [[0, 0, 0]])
    trimer.calc = argon
    assert trimer.get_potential_energy() == pytest.approx(energy, rel=1e-9)


def test_atoms_that_are_cells_away_are_their_images_also_after_steps(argon: ll.Calculator) -> None:
    """As in a trajectory that is not wrapped."""
    crystal = ase.build.bulk("Ar", a=5.3, cubic=True) * (3, 2, 2)
    crystal.rattle(0.1, seed=1)
    away = crystal.copy()
    away.positions += np.random.default_rng(2).integers(-3, 4, (len(away), 3)) @ away.cell.array
    answers = []
    for atoms in (crystal, away):
        atoms.calc = argon
        for seed in range(3):
            answers.append(atoms.get_forces())
            atoms.rattle(0.02, seed=seed)
    np.testing.assert_allclose(answers[3:], answers[:3], rtol=0, atol=1e-10)


def test_what_cannot_be_evaluated_is_said_and_the_next_frame_is(argon: ll.Calculator, committee: Path) -> None:
    with pytest.raises(ll.StructureError, match="no atoms"):
        argon.get_potential_energy(Atoms())
    with pytest.raises(ll.StructureError, match="not finite"):
        argon.get_potential_energy(Atoms("Ar", [[np.nan, 0, 0]]))
    with pytest.raises(ll.StructureError, match="periodic along a but have no such cell vector"):
        argon.get_potential_energy(Atoms("Ar", pbc=True))
    assert argon.get_potential_energy(Atoms("Ar")) == 0.0
    with ll.Calculator(committee) as model:
        with pytest.raises(ll.LamplighterError, match="Si"):
            model.get_potential_energy(Atoms("Si2", [[0, 0, 0], [2.3, 0, 0]]))
        with pytest.raises(ll.LamplighterError, match="overlap"):
            model.get_potential_energy(Atoms("H2", [[0, 0, 0], [0.01, 0, 0]]))
        assert np.isfinite(model.get_potential_energy(Atoms("H2", [[0, 0, 0], [0.8, 0, 0]])))


@pytest.mark.parametrize(
    ("potential", "options", "words"),
    [
        ("nowhere.model", {}, "model file nowhere.model does not exist"),
        ([], {}, "got an empty list"),
        (3, {}, r"got 3 \(int\)"),
        ({"models": []}, {}, "needs one of `models`"),
        ({"model": "x"}, {}, "did you mean 'models'"),
        (ARGON, {"drive": "mean"}, "there is one model"),
        (MODELS, {"drive": 3}, "from 1 to 2"),
        (MODELS[0], {"dtype": "float16"}, "dtype: must be 'auto', 'float64' or 'float32', got 'float16'"),
        (
            {"lammps": ["pair_style lj/cut 8", "pair_coeff 1 1 0.01 3.4", "pair_coeff 1 2 0.01 3.4"]},
            {},
            "elements=\\[",
        ),
    ],
)  # fmt: skip
def test_a_wrong_potential_is_refused_at_once(potential: object, options: dict[str, object], words: str) -> None:
    with pytest.raises(ll.LamplighterError, match=words):
        ll.Calculator(potential, **options)  # type: ignore[arg-type]


PROGRAM = """
import sys
import numpy as np
from ase.io import read
from ase.optimize import BFGS
from mpi4py import MPI
import lamplighter as ll

atoms = read(sys.argv[2])
atoms.calc = ll.Calculator(sys.argv[1])
atoms.rattle(0.02, seed=3)
BFGS(atoms, logfile=None).run(steps=3)
everywhere = MPI.COMM_WORLD.allgather((atoms.get_potential_energy(), atoms.positions.tobytes()))
assert len(set(everywhere)) == 1, "ranks differ"
print(f"rank {MPI.COMM_WORLD.rank} of {len(everywhere)}: {everywhere[0][0]:.9f}")
"""


@pytest.mark.mpi
def test_the_same_script_runs_on_two_ranks_with_the_numbers_of_one(mpirun: Run, python: Path, committee: Path) -> None:
    said = []
    for ranks in (1, 2):
        structure = EXAMPLE / "structures" / "ec_emc_160.xyz"
        done = mpirun(ranks, [python, "-c", PROGRAM, committee, structure])
        assert done.returncode == 0, done.stderr[-2000:]
        said += map(float, re.findall(r": (-?\d+\.\d{9})", done.stdout))  # lines of two ranks may run together
    assert len(said) == 3
    np.testing.assert_allclose(said, said[0], rtol=0, atol=1e-6)
