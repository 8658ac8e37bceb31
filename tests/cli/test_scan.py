"""`lamplighter scan`: energies equal those of the model's own calculator, and what cannot be scanned is refused."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from tests.conftest import PROGRAMS, Run

from .conftest import Lamplighter

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MODEL = EXAMPLE / "models" / "ec_emc_0.model"

LENNARD_JONES = """
structure: liquid.xyz
potential: {lammps: ["pair_style lj/cut 6.0", "pair_coeff * * 0.0104 3.40", "pair_modify shift yes"]}
stages: [{type: minimise}]
"""


@pytest.fixture
def argon(tmp_path: Path) -> Atoms:
    """27 argon atoms, 1.4 g/cm³; `lj.yaml` has their potential, equal to ASE's LennardJones with rc 6."""
    edge = 12.0
    grid = np.stack(np.meshgrid(*[np.arange(3) * edge / 3] * 3), axis=-1).reshape(-1, 3)
    atoms = Atoms("Ar27", grid, cell=[edge] * 3, pbc=True)
    atoms.rattle(0.1, seed=2)
    write(tmp_path / "argon.xyz", atoms)
    (tmp_path / "lj.yaml").write_text(LENNARD_JONES)
    return atoms


@pytest.fixture
def water(tmp_path: Path) -> Atoms:
    """Eight water molecules, 0.9 g/cm³, wrapped."""
    atoms = molecule("H2O", cell=[3.2] * 3, pbc=True)
    atoms.positions += 3.0
    atoms = atoms.repeat(2)
    atoms.wrap()
    write(tmp_path / "water.xyz", atoms)
    return atoms


@pytest.mark.mpi
def test_energies_are_those_of_maces_own_calculator(mpirun: Run, tmp_path: Path) -> None:
    """On two ranks; the plateau is that of the molecules in vacuum."""
    structure = EXAMPLE / "structures" / "ec_emc_160.xyz"
    words = ["--density", "0.3,0.92,1.6", "--model", MODEL, "--trust", "--write", "scan.xyz", "--json"]
    done = mpirun(2, [PROGRAMS / "lamplighter", "scan", structure, *words])
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout[done.stdout.index("{") :])
    frames = read(tmp_path / "scan.xyz", ":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        calculator = MACECalculator(model_paths=str(MODEL), device="cpu", default_dtype="float64")
        energies = [calculator.get_potential_energy(frame) for frame in frames]
    (curve,) = result["curves"]
    # the file has eight decimals
    assert curve["total"] == pytest.approx(energies[:3], abs=2e-5)
    assert curve["plateau"] == pytest.approx(sum(energies[3:]), abs=2e-5)
    assert result["plateau"] == "isolated molecules"
    assert result["species"] == {"C3H4O3": 4, "C4H8O3": 8}
    assert curve["interaction"][1] == pytest.approx((energies[1] - sum(energies[3:])) / 12, abs=1e-5)
    assert [frame.info["density"] for frame in frames[:3]] == pytest.approx([0.3, 0.92, 1.6], rel=1e-6)


def test_any_pair_style_against_any_calculator(lamplighter: Lamplighter, argon: Atoms, tmp_path: Path) -> None:
    words = ["--reference", "ase.calculators.lj:LennardJones"]
    words += [word for each in ("sigma=3.4", "epsilon=0.0104", "rc=6.0") for word in ("--option", each)]
    arguments = ["argon.xyz", "--atomic", "--density", "0.1:2.5:13", "--model", "lj.yaml", *words]
    code, out, err = lamplighter("scan", *arguments, "--csv", "s.csv", "--figure", "s.png", "--write", "labelled.xyz")
    assert code == 0, err
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert "27 Ar, molecules rigid" in out
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    for row in rows:
        atoms = argon.copy()
        atoms.set_cell(12.0 * np.eye(3) * (1.0 / float(row["density_g_cm3"])) ** (1 / 3) * density_factor(argon))
        atoms.positions *= atoms.cell[0, 0] / 12.0
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0)
        assert float(row["lj_total_eV"]) == pytest.approx(atoms.get_potential_energy(), rel=1e-5)
        assert float(row["lj_per_molecule_eV"]) == pytest.approx(float(row["lj_total_eV"]) / 27, rel=1e-8)
    result = json.loads(lamplighter("scan", *arguments, "--json")[1])
    (errors,) = result["errors"]
    assert errors["rms_attractive"] < 1e-9
    assert abs(errors["plateau"]) < 1e-12
    curve = result["curves"][0]
    assert 1.2 < curve["well_density"]["value"] < 2.0
    assert curve["well_density"]["value"] < curve["wall"]["value"]
    # labels written by one scan are the reference of another
    again = json.loads(
        lamplighter("scan", "--reference", "labelled.xyz", "--model", "lj.yaml", "--atomic", "--json")[1]
    )
    assert again["plateau"] == "isolated molecules"
    assert again["reference"]["interaction"] == pytest.approx(curve["interaction"], abs=1e-9)
    assert again["densities"] == pytest.approx(result["densities"], rel=1e-6)


def test_a_run_file_says_the_same(lamplighter: Lamplighter, argon: Atoms, tmp_path: Path) -> None:
    """`workflow: volume_scan` gives the command's numbers, and the command shows them again."""
    options = {"sigma": 3.4, "epsilon": 0.0104, "rc": 6.0}
    words = [word for key, value in options.items() for word in ("--option", f"{key}={value}")]
    reference = ["--reference", "ase.calculators.lj:LennardJones", *words]
    arguments = ["argon.xyz", "--atomic", "--density", "0.1:2.5:13", "--model", "lj.yaml", *reference]
    wanted = {"densities": "0.1:2.5:13", "atomic": True, "reference": reference[1], "options": options}
    content = {**yaml.safe_load(LENNARD_JONES), "structure": "argon.xyz", "workflow": {"volume_scan": wanted}}
    (tmp_path / "scan.yaml").write_text(yaml.safe_dump({**content, "stages": []}))
    code, out, err = lamplighter("run", "scan.yaml")
    assert code == 0, err
    assert out.startswith("Run completed, 27 atoms")
    table = out[out.index("argon.xyz at ") : out.index("\n\nRun folder: ")]
    code, shown, _ = lamplighter("scan", "scan", "--csv", "again.csv")
    assert (code, shown) == (0, f"{table}\n")
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "scan" / "volume_scan.csv").read_text()
    command = json.loads(lamplighter("scan", *arguments, "--json")[1])
    workflow = json.loads(lamplighter("scan", "scan", "--json")[1])
    assert workflow == json.loads((tmp_path / "scan" / "volume_scan.json").read_text())
    command["curves"][0]["name"] = "lj/cut"
    assert_alike(workflow, command)
    assert "leave out --model" in lamplighter("scan", "scan", "--model", "lj.yaml")[2]
    (tmp_path / "scan" / "volume_scan.json").write_text("{}")
    assert "is no result of a volume scan (KeyError: 'well_density')" in lamplighter("scan", "scan")[2]
    for words, message in [
        (["density", "scan"], "scan is a volume scan without any stages, so it has no dynamics"),
        (["diffusivity", "scan"], "`lamplighter scan scan` shows it"),
        (["stability", "scan"], "has no dynamics"),
        (["structure", "scan"], "has no dynamics"),
        (["compression", "scan"], "has no dynamics"),
        (["check", "scan"], "has no dynamics"),
    ]:
        code, _, err = lamplighter(*words)
        assert code != 0
        assert message in err
    assert lamplighter("events", "scan")[1] == (
        "No events: the run is a volume scan, without any stages.\nThe run was completed. Volume scan: completed.\n"
    )


def assert_alike(first: Any, second: Any) -> None:
    """Equal but for rounding: masses of the LAMMPS data file, which the workflow reads, have nine digits."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert_alike(value, second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for each, other in zip(first, second, strict=True):
            assert_alike(each, other)
    else:
        assert first == (pytest.approx(second, rel=1e-6, abs=1e-9) if isinstance(second, float) else second)


def density_factor(atoms: Atoms) -> float:
    """Cube root of the density in g/cm³."""
    return float((atoms.get_masses().sum() / atoms.get_volume() * 1.66053907) ** (1 / 3))


def test_labelled_frames_of_one_system_are_chosen(lamplighter: Lamplighter, tmp_path: Path) -> None:
    """The GFN2-xTB labels of the example: two of several frames are no scan, all five are."""
    file = EXAMPLE / "data" / "liquid_test.xyz"
    arguments = ["scan", "--reference", file, "--select", "config_type=liquid_scan"]
    code, out, err = lamplighter(*arguments)
    assert code == 0, err
    assert "liquid_test.xyz, 5 labelled frames: 4 C3H4O3 + 8 C4H8O3" in out
    assert "zero: the frame of lowest density, 0.15 g/cm³" in out
    result = json.loads(lamplighter(*arguments, "--json")[1])
    frames = [each for each in read(file, ":") if each.info["config_type"] == "liquid_scan"]
    energies = sorted((each.info["density"], each.info["energy_xtb"]) for each in frames)
    assert result["reference"]["total"] == pytest.approx([energy for _, energy in energies])
    assert "in another order or number" in lamplighter("scan", "--reference", file)[2]
    assert "0 periodic frames to scan" in lamplighter(*arguments[:-1], "config_type=none")[2]


def test_frames_that_are_not_rigid_are_noticed(lamplighter: Lamplighter, water: Atoms, tmp_path: Path) -> None:
    frames = []
    for factor in (1.5, 1.3, 1.1):
        atoms = water.copy()
        atoms.set_cell(water.cell * factor, scale_atoms=True)  # bonds grow, too
        atoms.calc = SinglePointCalculator(atoms, energy=-factor, forces=np.zeros((24, 3)))
        frames.append(atoms)
    write(tmp_path / "scaled.xyz", frames)
    out = lamplighter("scan", "--reference", "scaled.xyz", "--tolerance", "1.8")[1]
    assert "of the first: this is no rigid scan" in out


def test_fused_molecules_are_marked(lamplighter: Lamplighter, water: Atoms) -> None:
    words = ["--density", "0.5,0.9,2.0,4.0", "--reference", "ase.calculators.lj:LennardJones", "--option", "rc=5.0"]
    code, out, err = lamplighter("scan", "water.xyz", *words)
    assert code == 0, err
    assert "8 H2O, molecules rigid" in out
    assert "* closer than bonded atoms" in out
    assert "on atoms of different molecules are so close that they would count as bonded" in out
    marked = [line.split()[2].endswith("*") for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert marked[:2] == [False, False]
    assert marked[-1]


def test_what_cannot_be_scanned_is_refused(
    lamplighter: Lamplighter, argon: Atoms, water: Atoms, tmp_path: Path
) -> None:
    slab = water.copy()
    slab.pbc = [True, True, False]
    write(tmp_path / "slab.xyz", slab)
    (tmp_path / "nothing.model").write_bytes(b"")
    lj = ["--model", "lj.yaml"]
    for words, message in [
        (["water.xyz"], "nothing is to be done: give --model FILE, --reference METHOD or --write FILE"),
        (lj, "FRAME is needed: the liquid that is expanded and compressed"),
        (["nowhere.xyz", *lj], "nowhere.xyz does not exist"),
        (["argon.xyz", *lj], "argon.xyz: no bonds were found"),
        (["slab.xyz", *lj], "slab.xyz: a volume scan needs a frame that is periodic in all three directions"),
        (["water.xyz", *lj, "--index", "4"], "--index 4: water.xyz has 1 frames"),
        (["water.xyz", *lj, "--density", "1:2"], "--density '1:2' cannot be understood: write LOW:HIGH:NUMBER"),
        (["water.xyz", *lj, "--density", "1:2:2"], "is 2 densities, fewer than 3"),
        (["water.xyz", *lj, "--density", "0:2:5"], "--density '0:2:5' must be > 0 g/cm³ and ascend"),
        (["water.xyz", *lj, "--density", "1,3,2"], "must be > 0 g/cm³ and ascend"),
        (["water.xyz", *lj, "--density", "1,3,200"], "densities must lie between 0 and 25 g/cm³, got 200"),
        (["water.xyz", *lj, "--energy", "E"], "--select and --energy are for --reference FILE"),
        (["water.xyz", "--reference", "water.xyz"], "leave out FRAME and"),
        (
            ["water.xyz", "--reference", "gfn7"],
            "--reference must be gfn1, gfn2, opls-aa, module:Class, or the path of a run file, ",
        ),
        (["water.xyz", "--reference", "no_such_module:Thing"], "no_such_module cannot be imported"),
        (["water.xyz", "--reference", "ase.calculators.lj:Thing"], "ase.calculators.lj has no Thing"),
        (["argon.xyz", "--atomic", "--reference", "ase.calculators.emt:EMT"], "emt:EMT, at 0.1 g/cm³: "),
        (["water.xyz", "--reference", "ase.calculators.emt:EMT", "--option", "a"], "--option 'a' must be key=value"),
        (["water.xyz", "--model", "gone.model"], "gone.model does not exist"),
        (
            ["water.xyz", "--model", MODEL, "--dtype", "int"],
            "--dtype: must be 'auto', 'float64' or 'float32', got",
        ),
    ]:
        code, _, err = lamplighter("scan", *words)
        assert code == 1, words
        assert message in err, err


def test_a_model_that_lacks_an_element_says_so(lamplighter: Lamplighter, tmp_path: Path) -> None:
    atoms = molecule("NH3", cell=[6.0] * 3, pbc=True)
    write(tmp_path / "ammonia.xyz", atoms)
    code, _, err = lamplighter("scan", "ammonia.xyz", "--density", "0.1,0.2,0.3", "--model", MODEL, "--trust")
    assert code == 1
    assert "Error: --model ec_emc_0: the model was trained for H, C, O and does not know N" in err
