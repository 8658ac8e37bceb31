"""The committee of `pair_style lamplighter` against its members' own ASE calculators."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase.io.lammpsdata import write_lammps_data
from tests.conftest import PROGRAMS, Run

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

        atoms = structures.ALL["slab"]()
        forces, energies = [], []
        for model in members:
            atoms.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
            forces.append(atoms.get_forces())
            energies.append(atoms.get_potential_energy())
    return {"forces": np.array(forces), "energies": np.array(energies), "numbers": atoms.numbers}


def variance(forces: np.ndarray, divisor: int) -> np.ndarray:
    return ((forces - forces.mean(axis=0)) ** 2).sum(axis=(0, 2)) / divisor


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize(
    ("words", "divisor", "driver"),
    [("committee every 100", MEMBERS, 0), ("committee every 100 drive 2 divisor K-1", MEMBERS - 1, 1)],
)
def test_variances_are_those_of_the_members(
    mpirun: Run, python: Path, tmp_path: Path, members: list[Path], expected: dict[str, np.ndarray], ranks: int,
    words: str, divisor: int, driver: int,
) -> None:  # fmt: skip
    done = mpirun(ranks, [python, PROGRAM, tmp_path / "out.npz", words, *members], timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.load(tmp_path / "out.npz")
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
    for k, z in enumerate((1, 6, 8)):
        assert numbers[8 + k] == pytest.approx(sigma[expected["numbers"] == z].max(), rel=1e-7)
    np.testing.assert_allclose(found["forces"], expected["forces"][driver], rtol=0, atol=1e-8)
    assert found["energy"] == pytest.approx(expected["energies"][driver], abs=1e-6)
    assert found["step"] == 0
    np.testing.assert_allclose(found["later"], found["variance"], rtol=1e-12)  # evaluated anew when a run starts


@pytest.mark.mpi
def test_the_mean_of_the_members_drives(
    mpirun: Run, python: Path, tmp_path: Path, members: list[Path], expected: dict[str, np.ndarray]
) -> None:
    done = mpirun(2, [python, PROGRAM, tmp_path / "out.npz", "committee every 100 drive mean", *members], timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found["forces"], expected["forces"].mean(axis=0), rtol=0, atol=1e-8)
    assert found["energy"] == pytest.approx(expected["energies"].mean(), abs=1e-6)
    assert found["step"] == 30  # all members are evaluated at every step


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_guard_stops_where_the_committee_disagrees(
    run: Run, tmp_path: Path, members: list[Path], expected: dict[str, np.ndarray], ranks: int
) -> None:
    """In plain `lmp`: the first evaluation beyond the limit ends the run, and names the atom."""
    compile_files(members, tmp_path / "committee.lamp")
    write_lammps_data(tmp_path / "slab.data", structures.ALL["slab"](), specorder=structures.ELEMENTS, masses=True)
    sigma = variance(expected["forces"], MEMBERS)
    (tmp_path / "in.lmp").write_text(
        "units metal\natom_modify map yes\nboundary p p p\nread_data slab.data\n"
        f"pair_style lamplighter committee every 5\npair_coeff * * committee.lamp {' '.join(structures.ELEMENTS)}\n"
        "fix move all nve\n"
        f"fix g all guard 1 variance {sigma.max() * 0.99:.10g} event events.jsonl\nrun 50\nprint 'ended at $(step)'\n"
    )
    words: list[str | Path] = [PROGRAMS / "mpirun", "-n", str(ranks), PROGRAMS / "lmp", "-in", "in.lmp", "-log", "none"]
    done = run(words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (event,) = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert event["criterion"] == "variance"
    assert event["step"] == 0
    assert event["value"] == pytest.approx(sigma.max(), rel=1e-7)
    assert event["atoms"][0] == int(np.argmax(sigma)) + 1


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
        ("committee every 5 engine bridge", 2, "committees run in the native engine only, so far"),
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
