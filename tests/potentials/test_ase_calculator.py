"""ASE calculators in LAMMPS, xTB by tblite and others, against themselves in ASE; and what is refused."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule
from ase.units import bar
from lammps_evaluation import evaluate, load, open_lammps
from tests.conftest import PROGRAMS, Run

import structures
from lamplighter.config.loading import parse_run_file
from lamplighter.errors import ConfigError, ModelError, UntrustedModelError
from lamplighter.model_files import calculator_file
from lamplighter.potentials import registry
from lamplighter.potentials.bridge import callbacks as bridge
from lamplighter.potentials.interface import LoadOptions

ELEMENTS = " ".join(structures.ELEMENTS)
OPTIONS = LoadOptions(elements=structures.ELEMENTS)
#: SCF converged so far that it does not matter what it began with.
XTB = {"method": "GFN1-xTB", "verbosity": 0, "accuracy": 1e-4}

needs_tblite = pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="tblite is not installed")


def named(folder: Path, calculator: str, name: str = "model.calculator.yaml", **options: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump({"calculator": calculator, "options": options}))
    return path


def ethanol() -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    atoms.center(vacuum=2.0)
    return atoms


def periodic() -> Atoms:
    """In a triclinic cell, near enough to its images to feel them."""
    atoms = ethanol()
    atoms.set_cell([[6.5, 0, 0], [1.5, 6.0, 0], [-1.0, 0.8, 6.2]])
    atoms.pbc = True
    return atoms


@needs_tblite
@pytest.mark.parametrize("build", [ethanol, periodic])
def test_xtb_is_that_of_ase_along_a_trajectory(lammps_instance, tmp_path: Path, build) -> None:  # type: ignore[no-untyped-def]
    from tblite.ase import TBLite

    lmp = lammps_instance
    prism = load(lmp, build(), "lamplighter", f"{named(tmp_path, 'tblite.ase:TBLite', **XTB)} {ELEMENTS}")
    lmp.commands_string(
        "compute e all pe/atom\ncompute sum all reduce sum c_e\nvelocity all create 500 1\nfix m all nve\n"
        "timestep 0.0005\nthermo 1\nthermo_style custom step pe pxx pyy pzz pxy pxz pyz vol c_sum\nrun 5 post no"
    )
    n = len(build())
    atoms = build()
    back = prism.rot_mat
    atoms.positions = np.array(lmp.gather_atoms("x", 1, 3)).reshape(n, 3) @ back.T
    assert np.abs(atoms.positions - build().positions).max() > 0.005
    atoms.calc = TBLite(**XTB)
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3) @ back.T
    assert lmp.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
    np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-8)
    energies = np.array(lmp.gather("c_e", 1, 1))
    np.testing.assert_allclose(energies, atoms.get_potential_energies(), rtol=0, atol=1e-7)
    if atoms.pbc.all():
        pressure = np.zeros((3, 3))
        for a, b in itertools.combinations_with_replacement(range(3), 2):
            pressure[a, b] = pressure[b, a] = lmp.get_thermo(f"p{'xyz'[a]}{'xyz'[b]}")
        velocities = np.array(lmp.gather_atoms("v", 1, 3)).reshape(n, 3)
        kinetic = kinetic_pressure(lmp, velocities)
        found = back @ (pressure - kinetic) @ back.T
        np.testing.assert_allclose(found, -atoms.get_stress(voigt=False) / bar, rtol=1e-6, atol=1e-2)


def kinetic_pressure(lmp: Any, velocities: np.ndarray) -> np.ndarray:
    """Σ m v ⊗ v / V in bar, with LAMMPS' own constants."""
    types = np.array(lmp.gather_atoms("type", 0, 1))
    masses = np.array([lmp.extract_atom("mass")[t] for t in types])
    mvv2e, nktv2p = 1.0364269e-4, 1.6021765e6
    tensor: np.ndarray = np.einsum("i,ia,ib->ab", masses, velocities, velocities)
    return tensor * mvv2e * nktv2p / lmp.get_thermo("vol")


@needs_tblite
def test_energy_is_conserved_and_npt_runs(run: Run, tmp_path: Path) -> None:
    periodic().write(tmp_path / "start.xyz")
    content = {
        "structure": "start.xyz",
        "potential": {"kind": "ase", "calculator": "tblite.ase:TBLite", "options": XTB},
        "velocities": "300 K",
        "stages": [
            {"type": "minimise", "max_steps": 5},
            {"type": "nve", "length": "20 steps", "timestep": "0.2 fs"},
            {"type": "npt", "length": "5 steps", "temperature": "300 K", "pressure": "1 bar"},
        ],
        "output": {"thermo": "1 steps"},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = run([PROGRAMS / "lamplighter", "run", "run.yaml"], timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    table = np.genfromtxt(tmp_path / "run" / "thermo.csv", delimiter=",", names=True)
    nve, npt = table[table["stage"] == 1], table[table["stage"] == 2]
    assert np.ptp(nve["potential_energy_eV"]) > 0.05
    assert np.ptp(nve["total_energy_eV"]) < 0.02 * np.ptp(nve["potential_energy_eV"])
    assert np.ptp(npt["volume_A3"]) > 0.0
    repeated = calculator_file.read(tmp_path / "run" / "calculator.yaml")
    assert repeated.name == "tblite.ase:TBLite"
    assert repeated.options == XTB
    recorded = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert "tblite" in recorded["versions"]


@needs_tblite
def test_a_failing_calculator_ends_the_run_with_its_words(run: Run, tmp_path: Path) -> None:
    periodic().write(tmp_path / "start.xyz")
    content = {
        "structure": "start.xyz",
        "potential": {"calculator": "tblite.ase:TBLite", "options": {**XTB, "max_iterations": 2}},
        "stages": [{"type": "nvt", "length": "2 steps", "temperature": "300 K"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = run([PROGRAMS / "lamplighter", "run", "run.yaml"], timeout=200)
    assert done.returncode == 1
    assert "calculator tblite.ase:TBLite: CalculationFailed" in done.stderr
    assert "Traceback" not in done.stderr


# water by ASE's TIP3P: no stress, no energies of atoms, and atoms must come as O H H


def water() -> Atoms:
    one = molecule("H2O")[[0, 1, 2]]
    atoms = Atoms(cell=[9.0] * 3, pbc=True)
    for k, place in enumerate(np.array(np.meshgrid([1.5, 6.0], [1.5, 6.0], [2.0, 6.5])).T.reshape(-1, 3)):
        each = one.copy()
        each.rotate(40 * k, "x")
        each.positions += place - each.positions[0]
        atoms += each
    return atoms


@pytest.fixture
def tip3p(tmp_path: Path) -> Path:
    return named(tmp_path, "ase.calculators.tip3p:TIP3P", rc=4.0)


def test_atoms_keep_the_order_of_their_numbers(tip3p: Path) -> None:
    """LAMMPS sorts atoms by place; TIP3P takes every third one for an oxygen."""
    from ase.calculators.tip3p import TIP3P

    lmp = open_lammps()
    load(lmp, water(), "lamplighter", f"{tip3p} {ELEMENTS}")
    lmp.commands_string(
        "atom_modify sort 1 2.0\nneighbor 0.1 bin\nfix m all nve\nvelocity all create 300 3\nrun 10 post no"
    )
    n = len(water())
    assert list(lmp.numpy.extract_atom("id")[:n]) != list(range(1, n + 1))
    atoms = water()
    atoms.positions = np.array(lmp.gather_atoms("x", 1, 3)).reshape(n, 3)
    atoms.calc = TIP3P(rc=4.0)
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3)
    assert lmp.get_thermo("pe") == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-8)
    lmp.close()


def test_without_stress_the_pressure_is_not_a_number_and_a_barostat_is_refused(lammps_instance, tip3p: Path) -> None:
    lmp = lammps_instance
    load(lmp, water(), "lamplighter", f"{tip3p} {ELEMENTS}")
    lmp.commands_string(
        "compute e all pe/atom\ncompute sum all reduce sum c_e\nthermo_style custom step pe press c_sum"
    )
    lmp.command("run 0 post no")
    assert np.isnan(lmp.get_thermo("press"))
    assert np.isfinite(lmp.get_thermo("pe"))
    energies = np.array(lmp.gather("c_e", 1, 1))
    np.testing.assert_allclose(energies, lmp.get_thermo("pe") / len(water()), rtol=1e-12)  # equal parts
    lmp.command("fix n all npt temp 300 300 0.1 iso 1 1 1")
    with pytest.raises(Exception, match=r"fix n \(npt\) changes the box by the pressure, and .* gives no stress"):
        lmp.command("run 0 post no")
    lmp.command("unfix n")


def test_virials_of_atoms_are_refused(lammps_instance, tip3p: Path) -> None:
    with pytest.raises(Exception, match="no virial of single atoms"):
        evaluate(lammps_instance, water(), "lamplighter", f"{tip3p} {ELEMENTS}")
    bridge.pending_error()


# several ranks


@pytest.mark.mpi
def test_several_ranks_are_refused_before_anything_runs(mpirun: Run, tip3p: Path, tmp_path: Path) -> None:
    water().write(tmp_path / "start.xyz")
    stages = [{"type": "nvt", "length": "2 steps", "temperature": "300 K"}]
    inline = {"calculator": "ase.calculators.tip3p:TIP3P", "options": {"rc": 4.0}}
    for potential in (inline, {"models": [str(tip3p)]}):
        content = {"structure": "start.xyz", "potential": potential, "stages": stages}
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
        done = mpirun(2, [PROGRAMS / "lamplighter", "run", "run.yaml"])
        assert done.returncode != 0
        assert "on one rank, and there are 2" in done.stderr
        assert not (tmp_path / "run").exists()


@pytest.mark.mpi
def test_the_pair_style_refuses_several_ranks(mpirun: Run, tip3p: Path, tmp_path: Path) -> None:
    (tmp_path / "in.two").write_text(
        "units metal\nregion b block 0 9 0 9 0 9\ncreate_box 2 b\nmass * 1\n"
        f"pair_style lamplighter\npair_coeff * * {tip3p} H O\nprint 'got here'\n"
    )
    done = mpirun(2, [PROGRAMS / "lamplighter", "lmp", "-in", "in.two", "-log", "none"])
    assert done.returncode != 0
    assert "on one rank, and there are 2" in done.stderr + done.stdout
    assert "got here" not in done.stdout


# trust, and files that do not say what they should


def test_a_module_of_ones_own_is_trusted_by_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of an installed package needs no trust: the user has installed it."""
    from lamplighter.model_files import trust

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "own_calculator.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('imported').touch()\n"
        "from ase.calculators.tip3p import TIP3P\nclass Own(TIP3P): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = named(tmp_path, "own_calculator:Own", rc=4.0)
    with pytest.raises(UntrustedModelError, match=r"no module of an installed package[^$]*lamplighter trust .*model\."):
        registry.recognise(own).load(own, OPTIONS)
    assert not (tmp_path / "imported").exists()
    trust.add([own])
    assert registry.recognise(own).load(own, OPTIONS).kind == "ase"
    own.write_text(own.read_text().replace("4.0", "4.1"))
    with pytest.raises(UntrustedModelError):
        registry.recognise(own).load(own, OPTIONS)


@pytest.mark.parametrize(
    ("calculator", "options", "asks"),
    [
        ("ase.calculators.emt:EMT", {}, ""),
        ("tblite.ase:TBLite", {"method": "GFN1-xTB"}, ""),
        ("os:system", {"command": "true"}, "os is no module of an installed package"),
        ("builtins:exec", {"source": "1"}, "builtins is no module of an installed package"),
        ("numpy:load", {"file": "x", "allow_pickle": True}, "a function"),
        ("ase.calculators.vasp:Vasp", {"command": "rm -rf x"}, "its option command may name a program"),
        ("ase.calculators.vasp:Vasp", {"profile": {"binary": "x"}}, "its option binary may name a program"),
        ("ase.calculators.emt:EMT", {"models": ["a", "here/*.model"]}, "models names a file, here/*.model"),
    ],
)
def test_what_the_name_and_options_of_a_calculator_ask_for(calculator: str, options: dict, asks: str) -> None:
    from lamplighter.model_files.calculator_trust import asks_for
    from lamplighter.named_calculator import NamedCalculator

    told = asks_for(NamedCalculator(calculator, options))
    assert asks in told
    assert bool(asks) == bool(told)


def test_a_run_file_that_names_a_function_is_refused_before_it_is_called(run: Run, tmp_path: Path) -> None:
    water().write(tmp_path / "start.xyz")
    content = {
        "structure": "start.xyz",
        "potential": {"calculator": "os:system", "options": {"command": "touch ran"}},
        "stages": [{"type": "minimise"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = run([PROGRAMS / "lamplighter", "run", "run.yaml"])
    assert done.returncode == 1
    assert "potential.calculator: os:system" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "run").exists()


def test_a_json_file_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "emt.json"
    path.write_text(json.dumps({"calculator": "ase.calculators.emt:EMT"}))
    assert registry.recognise(path).load(path, OPTIONS).kind == "ase"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("calculator: emt", "must be module:class"),
        ("calculator: ase.calculators.emt:EMT\nmethod: x", "unknown key method"),
        ("calculator: ase.calculators.emt:EMT\noptions: [1]", "must be a mapping"),
        ("calculator: no_such_package.ase:Thing", r"cannot be imported .*no_such_package.*install the package"),
        ("calculator: ase.calculators.emt:Thing", "the module ase.calculators.emt has no Thing"),
        ("calculator: ase.calculators.emt:EMT\noptions: {no_such: 1, fake: 2}\n", None),
        ("calculator: ase.calculators.tip3p:TIP3P\noptions: {radius: 1}", "does not take these options"),
        ("calculator: numpy:ndarray", "makes a ndarray, which is not an ASE calculator"),
    ],
)
def test_files_that_name_no_calculator_are_refused(tmp_path: Path, content: str, told: str | None) -> None:
    path = tmp_path / "my.calculator.yaml"
    path.write_text(content)
    potential_class = registry.recognise(path)
    if told is None:  # EMT keeps options that it does not know
        assert potential_class.load(path, OPTIONS).kind == "ase"
        return
    with pytest.raises(ModelError, match=told):
        potential_class.load(path, OPTIONS)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (LoadOptions(elements=("H",), dtype="float32"), "dtype float32"),
        (LoadOptions(elements=("H",), head="pbe"), "head"),
    ],
)
def test_words_of_models_are_refused(tip3p: Path, options: LoadOptions, told: str) -> None:
    with pytest.raises(ModelError, match=f"among its own options: leave out {told}"):
        registry.recognise(tip3p).load(tip3p, options)


@pytest.mark.parametrize(
    ("potential", "told"),
    [
        ({"calculator": "emt"}, "potential.calculator: must be module:class"),
        ({"calculator": "a:B", "options": {"1x": 2}}, "potential.options: must be a mapping from names"),
        ({"calculator": "a:B", "models": ["x.model"]}, "models and calculator are given"),
        ({"models": ["x.model"], "options": {"a": 1}}, "potential.options: is of `potential.calculator`"),
        ({"calculator": "a:B", "kind": "mace"}, "potential.kind: must be ase"),
        ({"calculator": "a:B", "strict": True}, "potential.strict: .*lamplighter trust"),
    ],
)
def test_run_files_that_do_not_make_sense(potential: dict[str, Any], told: str) -> None:
    content = {"structure": "a.xyz", "potential": potential, "stages": [{"type": "minimise"}]}
    with pytest.raises(ConfigError, match=told):
        parse_run_file(content)


def test_a_committee_needs_files() -> None:
    content = {
        "structure": "a.xyz",
        "potential": {"calculator": "a:B"},
        "committee": 5,
        "stages": [{"type": "minimise"}],
    }
    with pytest.raises(ConfigError, match="put each into a file of its own"):
        parse_run_file(content)


def test_one_committee_one_framework(lammps_instance, small_model: Path, tip3p: Path) -> None:
    with pytest.raises(Exception, match=r"of one framework: .*small.model is of kind mace, and .* is of kind ase"):
        load(lammps_instance, water(), "lamplighter committee every 1", f"{small_model} {tip3p} {ELEMENTS}")
    bridge.pending_error()


def test_a_committee_of_calculators(lammps_instance, tmp_path: Path) -> None:
    from ase.calculators.lj import LennardJones

    settings = [{"sigma": 2.0, "epsilon": eps, "rc": 5.0, "smooth": True} for eps in (0.010, 0.013)]
    files = [
        named(tmp_path, "ase.calculators.lj:LennardJones", f"{k}.calculator.yaml", **each)
        for k, each in enumerate(settings)
    ]
    lmp = lammps_instance
    load(lmp, water(), "lamplighter committee every 1", f"{files[0]} {files[1]} {ELEMENTS}")
    lmp.commands_string("compute c all pair lamplighter\nthermo_style custom step pe c_c[1]\nrun 0 post no")
    forces = []
    for each in settings:
        atoms = water()
        atoms.calc = LennardJones(**each)
        forces.append(atoms.get_forces())
    variance = np.square(forces - np.mean(forces, axis=0)).sum(axis=(0, 2)) / 2
    assert lmp.extract_compute("c", 0, 1)[0] == pytest.approx(variance.max(), rel=1e-9)
    found = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    np.testing.assert_allclose(found, forces[0], rtol=0, atol=1e-9)
