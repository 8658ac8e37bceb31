"""Frames in one LAMMPS, one after the other: the same as each in a calculator that nobody here wrote."""

from __future__ import annotations

import warnings
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.io import read
from tests.conftest import Run

from lamplighter.config.potential import PotentialSection
from lamplighter.driver.environment import prepare
from lamplighter.driver.evaluation import evaluate_frames, open_evaluator
from lamplighter.driver.frame_evaluator import SILENT, FrameEvaluator
from lamplighter.driver.members import Member
from lamplighter.driver.session import Session
from lamplighter.errors import ConfigError, LamplighterError, StructureError

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MODEL = EXAMPLE / "models" / "ec_emc_1.model"

PROGRAM = """
import sys
import numpy as np
from pathlib import Path
from ase.io import read
from lamplighter.config.potential import PotentialSection
from lamplighter.driver.evaluation import evaluate_frames, open_evaluator

frames, model, engine, out = sys.argv[1:]
potential = PotentialSection(models=[Path(model)], engine=engine)
with open_evaluator(potential, ["H", "C", "O"], threads=1, trust=True) as evaluator:
    found = list(evaluate_frames(evaluator, read(frames, ":")))
    if evaluator._session.environment.is_first:
        np.savez(out, energies=[each.energy for each in found], stresses=[each.stress for each in found],
                 **{f"forces{k}": each.forces for k, each in enumerate(found)})
"""


def frames() -> list[Atoms]:
    """A liquid, a cluster, a liquid of another cell, one atom, a tilted and rotated cell, a slab, a cluster again."""
    liquid, clusters = (read(EXAMPLE / "data" / name, ":4") for name in ("liquid_test.xyz", "xtb_test.xyz"))
    tilted = liquid[0].copy()
    tilted.set_cell([[9.77, 0, 0], [3.0, 9.1, 0], [-2.0, 1.5, 9.5]], scale_atoms=True)
    tilted.rotate(37, [1, 2, 3], rotate_cell=True)
    slab = liquid[1].copy()
    slab.pbc = [True, True, False]
    slab.center(vacuum=5.0, axis=2)
    return [liquid[0], clusters[0], liquid[3], Atoms("O"), tilted, slab, clusters[1]]


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("ranks", "engine"),
    [
        pytest.param(2, "native", marks=pytest.mark.quick("a model on two ranks is MACE's own calculator")),
        (1, "bridge"),
    ],
)
def test_mixed_frames_are_those_of_maces_own_calculator(
    mpirun: Run, python: Path, tmp_path: Path, ranks: int, engine: str
) -> None:
    from ase.io import write

    write(tmp_path / "frames.xyz", frames())
    done = mpirun(ranks, [python, "-c", PROGRAM, tmp_path / "frames.xyz", MODEL, engine, tmp_path / "found.npz"])
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        calculator = MACECalculator(model_paths=str(MODEL), device="cpu", default_dtype="float64")
    for k, atoms in enumerate(read(tmp_path / "frames.xyz", ":")):
        atoms.calc = calculator
        assert found["energies"][k] == pytest.approx(atoms.get_potential_energy(), abs=1e-8), k
        # atoms that are bonded on both sides of a boundary tell a wrong order of atoms or axes at once
        np.testing.assert_allclose(found[f"forces{k}"], atoms.get_forces(), atol=2e-8)
        if atoms.pbc.all():
            np.testing.assert_allclose(found["stresses"][k], atoms.get_stress(voigt=False), atol=1e-10)
        else:
            assert np.isnan(found["stresses"][k]).all()


LENNARD_JONES = ["pair_style lj/cut 6.0", "pair_coeff * * 0.0104 3.4", "pair_modify shift yes"]


def plain_lammps() -> Session:
    return Session(prepare(threads=1), SILENT, with_models=False)


def test_a_pair_style_of_lammps_is_evaluated_without_models() -> None:
    rng = np.random.default_rng(3)
    boxes = [Atoms("Ar4", rng.random((4, 3)) * 3 + np.eye(4, 3) * 4, cell=[a, 11, 12], pbc=True) for a in (10.0, 13.0)]
    with FrameEvaluator(plain_lammps(), LENNARD_JONES, ["Ar"]) as evaluator:
        for atoms, labels in zip(boxes, evaluate_frames(evaluator, boxes), strict=True):
            atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0)
            assert labels.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
            np.testing.assert_allclose(labels.forces, atoms.get_forces(), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(labels.stress, atoms.get_stress(voigt=False), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms(), "frame 1: the frame holds no atoms"),
        (Atoms("ArXe", [[0, 0, 0], [4, 0, 0]]), "holds Xe, and the potential was opened for Ar"),
        (Atoms("Ar2", [[0, 0, 0], [np.nan, 0, 0]]), "not finite"),
        (Atoms("Ar", pbc=True), "periodic along a but has no such cell vector"),
    ],
)
def test_a_frame_that_makes_no_sense_is_named(atoms: Atoms, words: str) -> None:
    with (
        FrameEvaluator(plain_lammps(), LENNARD_JONES, ["Ar"]) as evaluator,
        pytest.raises(StructureError, match=words),
    ):
        list(evaluate_frames(evaluator, [Atoms("Ar"), atoms]))


def test_lines_that_lammps_refuses_are_quoted() -> None:
    with pytest.raises(LamplighterError, match="pair_style nonsense"):
        FrameEvaluator(plain_lammps(), ["pair_style nonsense"], ["Ar"])


def test_lines_that_name_elements_serve_isotopes_and_no_other_order() -> None:
    """Types ¹²C, ¹³C and O: frames do not say which carbon is which, and it does not matter."""
    lines = ["pair_style lamplighter", f"pair_coeff * * {MODEL} C C O"]
    atoms = ase.build.molecule("CO")
    with open_evaluator(
        Member(PotentialSection(lammps=lines), types=("C", "C", "O")), ["C", "O"], trust=True
    ) as evaluator:
        energy = evaluator.evaluate(atoms).energy
    with open_evaluator(PotentialSection(models=[MODEL]), ["C", "O"], trust=True) as evaluator:
        assert energy == pytest.approx(evaluator.evaluate(atoms).energy, abs=1e-8)
    with pytest.raises(ConfigError, match="gives atom type 1 the element C, and in the structure it is O"):
        open_evaluator(Member(PotentialSection(lammps=lines), types=("O", "C", "C")), ["C", "O"], trust=True)
    numbered = ["pair_style lj/cut 6.0", "pair_coeff 1 1 0.1 3.0", "pair_coeff 2*3 2*3 0.2 3.0"]
    with pytest.raises(ConfigError, match="which tell atoms of C apart"):
        open_evaluator(Member(PotentialSection(lammps=numbered), types=("C", "C", "O")), ["C", "O"])


def chiral_frames() -> list[Atoms]:
    """One system with right-handed, left-handed, tilted and rotated cells, and as a slab."""
    rng = np.random.default_rng(4)
    atoms = Atoms("HHeLiBeBCN", pbc=True, cell=[[8, 0, 0], [1, 9, 0], [-1, 2, 10]])
    atoms.positions = rng.uniform(0.0, 8.0, (7, 3))
    found = [atoms]
    for change in ([1, 0, 2], [0, 2, 1]):
        swapped = atoms.copy()
        swapped.cell = atoms.cell.array[change]
        found.append(swapped)
    turned = found[1].copy()
    turned.rotate(53, [1, 2, 3], rotate_cell=True)
    slab = atoms.copy()
    slab.cell, slab.pbc = [[8, 0, 0], [1, -9, 0], [0, 0, 20]], [True, True, False]
    return [*found, turned, slab]


def test_left_handed_and_rotated_cells_are_not_mirrored_and_answer_in_their_own_axes() -> None:
    from .chiral import Chiral

    potential = PotentialSection(calculator="tests.driver.chiral:Chiral")
    frames = chiral_frames()
    with open_evaluator(potential, ["H", "He", "Li", "Be", "B", "C", "N"], threads=1, trust=True) as evaluator:
        found = list(evaluate_frames(evaluator, frames))
    for labels, atoms in zip(found, frames, strict=True):
        atoms.calc = Chiral()
        assert labels.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(labels.forces, atoms.get_forces(), atol=1e-10)
        if atoms.pbc.all():
            np.testing.assert_allclose(labels.stress, atoms.get_stress(voigt=False), atol=1e-12)
    assert abs(found[0].energy) > 0.1
    assert found[1].energy == pytest.approx(found[0].energy)
