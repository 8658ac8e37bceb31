"""What is special about GAPs: descriptors on several ranks, files that belong together, and what is refused.

That LAMMPS finds what quippy's own calculator does, on 1, 2 and 4 ranks, is among the checks of tests/backends.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from gap_models import ANGLES, ENVIRONMENTS, FAST_ENVIRONMENTS, PAIRS, PAIRS_BY_NUMBER, fit
from tests.conftest import PROGRAMS, Run

import structures
from lamplighter.errors import ModelError
from lamplighter.model_files import gap_file, recognition
from lamplighter.potentials import registry
from lamplighter.potentials.interface import Cluster, ClusterPotential, LoadOptions

pytestmark = pytest.mark.skipif(importlib.util.find_spec("quippy") is None, reason="quippy is not installed")

OPTIONS = LoadOptions(elements=structures.ELEMENTS, dtype="float64")


@pytest.fixture(scope="session")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs and SOAP."""
    return fit(tmp_path_factory.mktemp("gap"), PAIRS, ENVIRONMENTS)


@pytest.mark.parametrize(
    "descriptor", [PAIRS, PAIRS_BY_NUMBER, ENVIRONMENTS, ANGLES, FAST_ENVIRONMENTS], ids=lambda text: text.split()[0]
)
def test_parts_of_a_box_sum_to_the_whole(tmp_path: Path, descriptor: str) -> None:
    """Two halves of the atoms with their ghosts, as two ranks have them: energy, forces and virial are those of all."""
    from quippy.potential import Potential

    path = fit(tmp_path, descriptor)
    potential = registry.recognise(path).load(path, OPTIONS)
    assert isinstance(potential, ClusterPotential)
    atoms = structures.liquid()
    atoms.calc = Potential(param_filename=str(path))
    forces, energies, virial = np.zeros((len(atoms), 3)), np.zeros(len(atoms)), np.zeros((2, 3, 3))
    for half in (np.arange(70), np.arange(70, len(atoms))):
        owners, positions = with_ghosts(atoms, half, potential.cutoff)
        result = potential.compute(Cluster(len(half), atoms.numbers[owners], positions, virials_wanted=True))
        np.add.at(forces, owners, result.forces)
        np.add.at(energies, owners, result.energies)
        assert result.virials is not None
        virial += [positions.T @ result.forces, result.virials.sum(axis=0)]
    assert np.abs(forces).max() > 0.01
    np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-8)
    np.testing.assert_allclose(energies, atoms.get_potential_energies(), rtol=0, atol=1e-8)
    for tensor in virial:
        np.testing.assert_allclose(-tensor / atoms.get_volume(), atoms.get_stress(voigt=False), rtol=0, atol=1e-8)


def with_ghosts(atoms: Atoms, local: np.ndarray, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of a part of a box and all images within the cutoff of them: indices of owners, and positions."""
    shifts = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).T.reshape(-1, 3) @ atoms.cell.array
    owners = np.tile(np.arange(len(atoms)), len(shifts))
    images = (atoms.positions[None] + shifts[:, None]).reshape(-1, 3)
    distance = np.linalg.norm(images[:, None] - atoms.positions[local], axis=2).min(axis=1)
    own = np.isin(owners, local) & (np.repeat(np.abs(shifts).sum(axis=1), len(atoms)) == 0)
    ghosts = (distance < cutoff) & ~own
    return np.concatenate((local, owners[ghosts])), np.concatenate((atoms.positions[local], images[ghosts]))


def test_a_run_records_all_files_of_the_model(run: Run, gap: Path, tmp_path: Path) -> None:
    """And asks for no trust: the files hold numbers only."""
    content = {
        "structure": str(structures.EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": {"kind": "gap", "models": [str(gap)], "strict": True},
        "velocities": "300 K",
        "stages": [{"type": "npt", "length": "4 steps", "temperature": "300 K", "pressure": "1 bar"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = run([PROGRAMS / "mpirun", "-n", "2", PROGRAMS / "lamplighter", "run", "run.yaml"])
    assert done.returncode == 0, done.stderr[-3000:]
    recorded = json.loads((tmp_path / "run" / "provenance.json").read_text())
    files = {Path(model["path"]): model["sha256"] for model in recorded["models"]}
    sparse = sorted(gap.parent.glob("tiny.xml.sparseX.*"))
    assert len(sparse) == 9
    assert set(files) == {gap, *sparse}
    assert files[sparse[0]] == hashlib.sha256(sparse[0].read_bytes()).hexdigest()
    assert "quippy-ase" in recorded["versions"]


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_energy_is_conserved(mpirun: Run, gap: Path, tmp_path: Path, ranks: int) -> None:
    content = {
        "structure": str(structures.EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": str(gap),
        "velocities": "300 K",
        "stages": [{"type": "minimise", "max_steps": 5}, {"type": "nve", "length": "30 steps", "timestep": "0.2 fs"}],
        "output": {"thermo": "1 steps"},
    }
    content["potential"] = {"models": [str(gap)]}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = mpirun(ranks, [PROGRAMS / "lamplighter", "run", "run.yaml"], timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    table = np.genfromtxt(tmp_path / "run" / "thermo.csv", delimiter=",", names=True)
    table = table[table["stage"] == 1]
    assert np.ptp(table["potential_energy_eV"]) > 0.05
    assert np.ptp(table["total_energy_eV"]) < 0.02 * np.ptp(table["potential_energy_eV"])


# what is refused


def message_of(path: Path, options: LoadOptions = OPTIONS) -> str:
    with pytest.raises(ModelError) as refused:
        registry.recognise(path).load(path, options)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.fixture
def copy(gap: Path, tmp_path: Path) -> Path:
    """A copy of the XML file with its files."""
    for file in gap.parent.glob("tiny.xml*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / gap.name


def test_missing_sparse_points_are_named(copy: Path) -> None:
    lost = sorted(copy.parent.glob("*.sparseX.*"))[::4]
    for file in lost:
        file.unlink()
    message = message_of(copy)
    assert all(file.name in message for file in lost)
    assert "copy them along" in message


def test_sparse_points_of_another_fit_are_refused(copy: Path) -> None:
    file = max(copy.parent.glob("*.sparseX.*"))
    file.write_text(file.read_text().replace("1", "2", 1))
    assert f"{file.name} is damaged or belongs to another fit" in message_of(copy)


def test_a_truncated_file_is_refused(copy: Path) -> None:
    """QUIP would end the process, with exit status 0."""
    copy.write_text(copy.read_text()[:4000])
    assert "damaged or incomplete" in message_of(copy)


@pytest.mark.parametrize(
    ("init_args", "what"),
    [("FilePot command=/bin/true GAP", "FilePot"), ("Sum init_args_pot1={IP GAP} init_args_pot2={IP Glue}", "IP Glue")],
)
def test_potentials_that_are_more_than_a_gap_are_refused(copy: Path, init_args: str, what: str) -> None:
    """QUIP's FilePot runs a shell command."""
    text = copy.read_text()
    begin = text.index('init_args="') + len('init_args="')
    copy.write_text(text[:begin] + init_args + text[text.index('"', begin) :])
    message = message_of(copy)
    assert what in message
    assert "kind ase" in message


def test_a_core_potential_is_refused(copy: Path) -> None:
    copy.write_text(copy.read_text().replace('do_core="F"', 'do_core="T"'))
    assert "do_core" in message_of(copy)


def test_descriptors_without_a_mask_are_refused(copy: Path) -> None:
    text = copy.read_text()
    copy.write_text(text.replace("<descriptor> soap ", "<descriptor> soap average=T "))
    assert "soap with average" in message_of(copy)
    copy.write_text(text.replace("<descriptor> soap ", "<descriptor> general_dimer "))
    assert "general_dimer" in message_of(copy)
    assert "kind ase" in message_of(copy)


def test_other_elements_are_refused(gap: Path) -> None:
    message = message_of(gap, LoadOptions(elements=("H", "Li", "O")))
    assert "does not know Li" in message
    assert "H, C, O" in message


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("dtype float32", "float64"),
        ("device cuda", "run on CPUs"),
        ("head pbe", "no heads"),
        ("kind mace", "not a torch file"),
    ],
)
def test_words_that_do_not_fit_are_refused(lammps_instance, gap: Path, words: str, told: str) -> None:
    from lammps_evaluation import load

    with pytest.raises(Exception, match=told):
        load(lammps_instance, structures.lone_atom(), f"lamplighter {words}", f"{gap} {' '.join(structures.ELEMENTS)}")


def test_what_the_file_says(gap: Path) -> None:
    found = gap_file.read(gap)
    framework = recognition.framework_of(gap)
    assert framework is not None
    assert framework.kind == "gap"
    assert found.elements == ["H", "C", "O"]
    assert [each.kind for each in found.descriptors] == ["distance_2b"] * 6 + ["soap"] * 3
    assert [each.sparse_points for each in found.descriptors] == [8] * 6 + [10] * 3
    assert {each.cutoff for each in found.descriptors} == {3.5, 4.0}
    assert found.atomic_energies[8] == pytest.approx(-102.571, abs=1e-3)
    assert "atoms_filename=" in found.command_line
