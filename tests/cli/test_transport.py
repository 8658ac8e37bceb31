"""`lamplighter viscosity` and `conductivity`: what they say of a run, what feeds what, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from scipy.signal import lfilter

from lamplighter.analysis.molecules import molecules
from lamplighter.errors import LamplighterError
from lamplighter.observables.conductivity import has_ions
from lamplighter.observables.ion_charges import _charges_of_molecules
from lamplighter.run_folder.names import PRESSURE
from lamplighter.run_folder.run import Run
from lamplighter.run_folder.thermo_table import PRESSURE_COLUMNS
from lamplighter.structures.molecule_list import Component, MoleculeList, read_molecule_list

from .conftest import Lamplighter
from .runs import guard, stage, thermo_rows, write_run, write_trajectory
from .test_diffusivity import BLOCKS, write_dump
from .test_diffusivity import liquid as walkers

OPTIONS = ["--block", "2 ps", "--block-spacing", "0.5 ps", "--ballistic", "0.2 ps"]
ION_EDGE = 30.0


def pressure_tensor(folder: Path, every: int = 5, relaxation: float = 20.0, offset: float = 0.0) -> None:
    """What a run of 13 ps writes: 2601 lines 5 fs apart, 1000 bar strong, that relax in so many of them."""
    n = 13_000 // every + 1
    decay = np.exp(-1.0 / relaxation)
    noise = np.random.default_rng(1).standard_normal((n, 6)) * np.sqrt(1.0 - decay**2) * 1000.0
    tensor = lfilter([1.0], [1.0, -decay], noise, axis=0) * np.sqrt([2, 2, 2, 1, 1, 1]) + offset
    lines = [PRESSURE_COLUMNS]
    for k, row in enumerate(tensor):
        step = k * every
        lines.append(f"0,{step},{step / 1000:g},500,1728," + ",".join(f"{value:.8g}" for value in row))
    (folder / PRESSURE).write_text("\n".join(lines) + "\n")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Four water and two methane molecules, 13 ps in nvt at 500 K, with a pressure tensor."""
    frames = walkers()
    rows = thermo_rows(np.full(131, 0.5), float(frames[0].get_masses().sum()), every=100)
    folder = write_run(tmp_path / "run", [stage(0, "nvt", 13000)], frames[0], thermo=rows, guard=guard(13.0))
    write_trajectory(folder, frames, 100)
    pressure_tensor(folder)
    return folder


def electrolyte(n_frames: int = 131, seed: int = 0) -> list[Atoms]:
    """Six Li, six Cl and eight Ar that walk alone; 0.1 ps a frame."""
    rng = np.random.default_rng(seed)
    symbols = "Li6Cl6Ar8"
    corners = np.array([[i, j, k] for i in range(3) for j in range(3) for k in range(3)])[:20] * ION_EDGE / 3
    walks = 0.2 * rng.standard_normal((n_frames, 20, 3)).cumsum(axis=0)
    return [Atoms(symbols, corners + walk, cell=[ION_EDGE] * 3, pbc=True) for walk in walks]


def test_a_viscosity_has_its_error_and_feeds_the_diffusivity(lamplighter: Lamplighter, run: Path) -> None:
    code, out, err = lamplighter("viscosity", "run", "--discard", "1 ps")
    assert (code, err) == (0, "")
    assert out.startswith("run, stage nvt: 12 ps, first 1 ps of 13 ps discarded, as asked\n  shear viscosity  ")
    made = json.loads(lamplighter("viscosity", "run", "--discard", "1 ps", "--json")[1])
    viscosity = made["mean"]
    # V/(k_B T) v τ
    expected = 1728e-30 / (1.380649e-23 * 500.0) * (1e8) ** 2 * 0.1e-12 * 1e3
    assert viscosity["value"] == pytest.approx(expected, abs=3.0 * viscosity["standard_error"])
    assert made["runs"][0]["converged"]
    out = lamplighter("diffusivity", "run", *BLOCKS)[1]
    assert "Note: corrected for the finite cell with the viscosity of this run, " in out
    found = json.loads(lamplighter("diffusivity", "run", *BLOCKS, "--json")[1])["trajectories"][0]
    assert found["viscosity_mPa_s"] == pytest.approx(viscosity["value"])
    water = found["species"][0]
    added = water["D_infinite_1e-6_cm2_s"] - water["D_1e-6_cm2_s"]
    relative = viscosity["standard_error"] / viscosity["value"]
    assert water["D_infinite_error_1e-6_cm2_s"] == pytest.approx(np.hypot(water["standard_error"], added * relative))
    assert "D∞" not in lamplighter("diffusivity", "run", *BLOCKS, "--viscosity", "none")[1]
    code, _, err = lamplighter("diffusivity", "run", *BLOCKS, "--viscosity", "thick")
    assert (code, err.strip()) == (
        1,
        "Error: --viscosity must be a number of mPa s (with its standard error: 1.2+-0.1), auto or none, got 'thick'",
    )
    assert "mean of 2 runs" in lamplighter("viscosity", "run", "run", "--discard", "1 ps")[1]


def test_independent_ions_of_an_infinite_cell_follow_from_the_viscosity(
    lamplighter: Lamplighter, tmp_path: Path
) -> None:
    folder = ionic_run(tmp_path / "ions", 1.0)
    words = ["conductivity", "ions", "--discard", "1 ps", *OPTIONS]
    assert "Note: conductivity without correlations is that of this finite cell, in which" in lamplighter(*words)[1]
    pressure_tensor(folder)
    made = json.loads(lamplighter(*words, "--json")[1])
    assert "without them, in an infinite cell  " in (out := lamplighter(*words)[1])
    assert "Note: corrected for the finite cell with the viscosity of this run, " in out
    eta = made["trajectories"][0]["viscosity_mPa_s"]
    temperature = made["trajectories"][0]["temperature_K"]
    added = 2.837297 * 1.380649e-23 * temperature / (6.0 * np.pi * eta * 1e-3 * ION_EDGE * 1e-10)  # m²/s
    si = 1.602176634e-19**2 * 12 * added / (ION_EDGE**3 * 1e-30 * 1.380649e-23 * temperature)
    infinite = made["nernst_einstein_infinite"]
    assert infinite["value"] - made["nernst_einstein"]["value"] == pytest.approx(10.0 * si, rel=1e-5)
    assert infinite["standard_error"] > made["nernst_einstein"]["standard_error"]
    assert made["ionicity_infinite"]["value"] == pytest.approx(made["einstein"]["value"] / infinite["value"])
    given = json.loads(lamplighter(*words, "--viscosity", f"{2.0 * eta:.12g}", "--json")[1])["nernst_einstein_infinite"]
    assert given["value"] - made["nernst_einstein"]["value"] == pytest.approx(5.0 * si, rel=1e-5)
    assert "in an infinite cell" not in lamplighter(*words, "--viscosity", "none")[1]
    assert "in an infinite cell" in lamplighter(*words, "ions")[1]
    # an error of 10 % that two runs share is as large as that of one, and in no spread
    given = json.loads(lamplighter(*words, "ions", "--viscosity", f"{eta:.12g}+-{0.1 * eta:.12g}", "--json")[1])
    assert given["nernst_einstein"]["standard_error"] == 0.0, "the runs are the same"
    assert given["nernst_einstein_infinite"]["standard_error"] == pytest.approx(1.0 * si, rel=0.02)
    assert given["ionicity_infinite"]["standard_error"] == pytest.approx(
        given["ionicity_infinite"]["value"] * si / infinite["value"], rel=0.02
    )
    both = json.loads(lamplighter(*words, "ions", "--json")[1])  # of each run its own
    assert both["nernst_einstein_infinite"]["standard_error"] == 0.0
    for wrong in ("1+-thick", "1+--0.1"):
        assert "Error: --viscosity" in lamplighter(*words, "--viscosity", wrong)[2]


def test_what_is_no_viscosity_says_so(lamplighter: Lamplighter, run: Path, tmp_path: Path) -> None:
    pressure_tensor(run, relaxation=2000.0)
    assert "not converged" in lamplighter("viscosity", "run", "--discard", "0")[1]
    assert (
        "Note: no finite-size correction with the viscosity of this run"
        in lamplighter("diffusivity", "run", *BLOCKS)[1]
    )
    pressure_tensor(run, relaxation=0.1)
    assert "write it more often (output.pressure_tensor)" in lamplighter("viscosity", "run")[1]
    pressure_tensor(run, offset=5000.0)
    assert "no viscosity of a liquid" in lamplighter("viscosity", "run")[1]
    stages = [{"type": "nvt", "thermostat": {"type": "langevin"}}]
    (run / "run.yaml").write_text(yaml.safe_dump({"stages": stages}))
    pressure_tensor(run)
    assert "the Langevin thermostat acts on each atom, so that momentum" in lamplighter("viscosity", "run")[1]
    for command, folder in (("diffusivity", run), ("conductivity", ionic_run(tmp_path / "ions", 1.0))):
        (folder / "run.yaml").write_text(yaml.safe_dump({"stages": stages}))
        out = lamplighter(command, folder, *BLOCKS)[1]
        assert "Note: the Langevin thermostat acts on each atom, so that motion is slower than in the liquid" in out
    pressure_tensor(tmp_path / "ions")  # its viscosity would correct what it has no part in
    out = lamplighter("conductivity", "ions", *BLOCKS)[1]
    assert "no finite-size correction with the viscosity of this run: the Langevin thermostat takes the momentum" in out
    assert "in an infinite cell" not in out
    given = lamplighter("conductivity", "ions", *BLOCKS, "--viscosity", "1")[1]
    assert "no momentum flows through the images of the cell, and the correction is too large" in given
    lines = (run / PRESSURE).read_text().splitlines()
    refused = {
        "\n".join([*lines[:1800], *lines[1900:]]): "there is a gap",
        "\n".join(lines[:300]): "299 samples of the pressure tensor are too few",
        lines[0]: "holds 0 lines of stage nvt: too few",
        "nonsense": "has no header with the columns stage and step",
    }
    for text, words in refused.items():
        (run / PRESSURE).write_text(text + "\n")
        code, _, err = lamplighter("viscosity", "run", "--discard", "0")
        assert code == 1
        assert words in err
    (run / PRESSURE).unlink()
    code, _, err = lamplighter("viscosity", "run")
    assert code == 1
    assert "the run wrote no pressure tensor. Run it with output.pressure_tensor, for example" in err
    write_run(tmp_path / "npt", [stage(0, "npt", 13000)], thermo=thermo_rows(np.full(131, 0.5), 100.0, every=100))
    code, _, err = lamplighter("viscosity", "npt")
    assert code == 1
    assert "the fluctuation of the pressure at fixed volume needs one of nvt, nve; it has 0 npt (npt)" in err
    assert "--pieces must be at least 2, got 1" in lamplighter("viscosity", "run", "--pieces", "1")[2]


def test_conductivities_of_ions_that_walk_alone(lamplighter: Lamplighter, tmp_path: Path) -> None:
    write_dump(tmp_path / "a.dump", electrolyte())
    words = ["conductivity", "a.dump", "--timestep", "1 fs", "--temperature", "500", "--discard", "1 ps", *OPTIONS]
    code, out, err = lamplighter(*words)
    assert (code, err) == (0, "")
    assert "  Li +1, Cl −1: formal charges of the ions with these formulas, as atoms have no charges" in out
    assert "transference against the solvent" in out
    made = json.loads(lamplighter(*words, "--json")[1])
    diffusivity = 0.2**2 / 2 / 0.1 * 1e-8  # of walkers, m²/s
    si = 1.602176634e-19**2 * 12 * diffusivity / (ION_EDGE**3 * 1e-30 * 1.380649e-23 * 500.0)
    for name in ("einstein", "nernst_einstein"):
        assert made[name]["value"] == pytest.approx(10.0 * si, abs=4.0 * made[name]["standard_error"])
    assert made["nernst_einstein"]["standard_error"] < 0.2 * 10.0 * si
    ions = made["trajectories"][0]["ions"]
    assert sum(ion["share_of_nernst_einstein"]["value"] for ion in ions) == pytest.approx(1.0)
    assert sum(ion["transference_in_solvent"]["value"] for ion in ions) == pytest.approx(1.0)
    assert "mean of 2 trajectories" in lamplighter(*words, "a.dump")[1]
    given = json.loads(lamplighter(*words, "--charges", "Li=2 Cl=-2", "--json")[1])
    assert given["einstein"]["value"] == pytest.approx(4.0 * made["einstein"]["value"])


def test_what_is_no_electrolyte_says_so(lamplighter: Lamplighter, run: Path, tmp_path: Path) -> None:
    frames = electrolyte(131)
    write_dump(tmp_path / "a.dump", frames)
    walking = ["conductivity", "a.dump", "--timestep", "1 fs", "--discard", "1 ps", *OPTIONS]
    hot = [*walking, "--temperature", "500"]
    for words, said in (
        (["conductivity", "run", *BLOCKS], "no species has a charge (4 H2O, 2 CH4): say which are ions"),
        (walking, "a conductivity needs --temperature (only a run folder knows its own)"),
        ([*walking, "--temperature", "-3"], "--temperature must be > 0, got -3"),
        ([*hot, "--charges", "Li=1"], "add up to +6, not to zero: give the charge of each ion"),
        ([*hot, "--charges", "Na=1,Cl=-1"], "there is no species Na; there are Li, Cl, Ar"),
        ([*hot, "--charges", "Li=one"], "the charge of Li must be a number, got 'one'"),
        ([*hot, "--charges", "lithium=1"], "'lithium' is no formula; write e.g. --charges Li=1,PF6=-1"),
        ([*hot, "--charges", "Xx=1"], "'Xx' in 'Xx' is not a chemical element"),
        ([*hot, "--charges", " "], "--charges is empty"),
        ([*hot, "--block", "20 ps"], "are too short for blocks of 20 ps"),
        ([*hot, "--source", "nowhere"], "--source must be auto, centres or trajectory"),
    ):
        code, _, err = lamplighter(*words)
        assert code == 1, words
        assert said in err, words
    wrapped = [frame.copy() for frame in frames]
    for frame in wrapped:
        frame.wrap()
    write_dump(tmp_path / "wrapped.dump", wrapped, "x y z")
    code, _, err = lamplighter(*hot[:1], "wrapped.dump", *hot[2:])
    assert code == 1
    assert "the positions are wrapped" in err


def ionic_run(folder: Path, scale: float, cation: float = 1.0) -> Path:
    """Six Li, six Cl and eight Ar for 13 ps in nvt; its last configuration has charges, which may be scaled."""
    frames = electrolyte()
    rows = thermo_rows(np.full(131, 0.5), float(frames[0].get_masses().sum()), every=100)
    write_run(folder, [stage(0, "nvt", 13000)], frames[0], thermo=rows, guard=guard(13.0))
    write_trajectory(folder, frames, 100)
    charges = [cation * scale] * 6 + [-scale] * 6 + [0.0] * 8
    lines = ["LAMMPS data file", "", "20 atoms", "3 atom types", "", "Atoms # charge", ""]
    lines += [f"{k} 1 {charges[k - 1]:g} 0 0 0 0 0 0" for k in range(20, 0, -1)]  # LAMMPS writes them in any order
    (folder / "final.data").write_text("\n".join([*lines, "", "Velocities", "", "1 0 0 0"]) + "\n")
    return folder


def test_charges_of_a_force_field_count_as_formal_ones_also_where_they_are_scaled(
    lamplighter: Lamplighter, tmp_path: Path
) -> None:
    ionic_run(tmp_path / "whole", 1.0)
    ionic_run(tmp_path / "scaled", 0.8)
    words = ["--discard", "1 ps", *OPTIONS]
    made = {name: json.loads(lamplighter("conductivity", name, *words, "--json")[1]) for name in ("whole", "scaled")}
    assert made["whole"]["einstein"] == made["scaled"]["einstein"]
    said = {name: each["trajectories"][0]["charges"] for name, each in made.items()}
    assert said["whole"] == "Li +1, Cl −1: formal charges, from those of the atoms"
    assert said["scaled"] == "Li +1, Cl −1: formal charges, from those of the atoms, which are scaled by 0.8"
    given = json.loads(lamplighter("conductivity", "scaled", *words, "--charges", "Cl=-0.8,Li=0.8", "--json")[1])
    assert given["einstein"]["value"] == pytest.approx(0.64 * made["whole"]["einstein"]["value"])
    ionic_run(tmp_path / "odd", 0.8, cation=0.7)
    code, _, err = lamplighter("conductivity", "odd", *words)
    assert code == 1
    assert "in which no whole charges can be seen: give them with --charges" in err


def listed(folder: Path, parts: list[tuple[str, int, int]]) -> None:
    """The list of molecules of a run: names of elements, numbers and charges."""
    components = [
        Component(name=name, molecules=n, smiles=name, mapped_smiles=f"[{name}:1]", charge=charge, elements=[name])
        for name, n, charge in parts
    ]
    MoleculeList(components=components).write(folder / "molecules.yaml")


def test_formal_charges_of_the_list_of_molecules_come_first(lamplighter: Lamplighter, tmp_path: Path) -> None:
    words = ["--discard", "1 ps", *OPTIONS, "--json"]
    folder = ionic_run(tmp_path / "run", 0.8)
    plain = json.loads(lamplighter("conductivity", "run", *words)[1])
    listed(folder, [("Li", 6, 2), ("Cl", 6, -2), ("Ar", 8, 0)])
    made = json.loads(lamplighter("conductivity", "run", *words)[1])
    assert made["einstein"]["value"] == pytest.approx(4.0 * plain["einstein"]["value"])
    assert made["trajectories"][0]["charges"] == (
        "Li +2, Cl −2: formal charges, from the list of molecules; those of the atoms are scaled by 0.4"
    )
    (folder / "run.yaml").write_text(yaml.safe_dump({"structure": {"molecules": str(tmp_path / "elsewhere.yaml")}}))
    (folder / "molecules.yaml").rename(tmp_path / "elsewhere.yaml")  # of runs that kept no copy
    assert json.loads(lamplighter("conductivity", "run", *words)[1])["einstein"] == made["einstein"]
    # isomers of several charges are species of their own, and a known formula alone makes no ion
    listed(folder, [("Li", 6, 1), ("Cl", 3, 0), ("Cl", 3, -2), ("Ar", 8, 0)])
    made = json.loads(lamplighter("conductivity", "run", *words)[1])["trajectories"][0]
    assert made["charges"] == (
        "Li +1, Cl(−2) −2: formal charges, from the list of molecules; those of the atoms add up to Li +0.8, "
        "Cl(−2) −0.8"
    )
    assert [(ion["name"], ion["n_molecules"]) for ion in made["ions"]] == [("Li", 6), ("Cl(−2)", 3)]
    assert made["system"] == "6 Li, 3 Cl(+0), 3 Cl(−2), 8 Ar"
    listed(folder, [("Li", 6, 0), ("Cl", 6, 0), ("Ar", 8, 0)])
    assert "no species has a charge" in lamplighter("conductivity", "run", *words)[2]
    assert has_ions(Run(ionic_run(tmp_path / "other", 0.8)))
    assert not has_ions(Run(folder))
    listed(folder, [("Li", 6, 1), ("Cl", 6, -1)])
    assert "there are 20 atoms, and the list of molecules has 12" in lamplighter("conductivity", "run", *words)[2]


def test_listed_ions_that_bonds_join_are_no_neutral_molecule(tmp_path: Path) -> None:
    listed(tmp_path, [("Li", 2, 1), ("Cl", 2, -1)])
    ions = read_molecule_list(tmp_path / "molecules.yaml")
    numbers, masses = np.array([3, 3, 17, 17]), np.ones(4)
    apart = molecules(np.empty((0, 2), dtype=np.int64), numbers, masses)
    assert list(_charges_of_molecules(apart, ions)) == [1, 1, -1, -1]
    with pytest.raises(LamplighterError, match="Cl and Li of the list of molecules are one molecule"):
        _charges_of_molecules(molecules(np.array([[1, 2]]), numbers, masses), ions)


def test_a_report_has_what_the_run_allows(lamplighter: Lamplighter, run: Path, tmp_path: Path) -> None:
    pressure_tensor(ionic_run(tmp_path / "ions", 0.8))
    numbers = {}
    for name in ("run", "ions"):
        code, out, _ = lamplighter("report", name, "--discard", "1 ps", *OPTIONS, "--json")
        assert code == 0
        numbers[name] = {number["name"] for number in json.loads(out)["runs"][0]["numbers"]}
    assert {"viscosity", "diffusivity of H2O, infinite box"} <= numbers["run"]
    assert not any("conductivity" in name for name in numbers["run"])
    assert {"conductivity", "conductivity without correlations", "transference of Li"} <= numbers["ions"]


def test_a_campaign_is_asked_group_by_group(lamplighter: Lamplighter, run: Path, tmp_path: Path) -> None:
    """Two seeds of an electrolyte, and one of a liquid without ions, of which there is no conductivity."""
    base = {
        "structure": "start.xyz",
        "potential": {"lammps": ["pair_style zero 5", "pair_coeff * *"]},
        "stages": [{"type": "nvt", "temperature": "500 K", "length": "13 ps", "timestep": "1 fs"}],
    }
    liquid = {"key": "structure", "values": {"ions": "ions.xyz", "water": "water.xyz"}}
    content = {"base": base, "axes": {"liquid": liquid, "seed": [1, 2]}, "exclude": [{"liquid": "water", "seed": 2}]}
    (tmp_path / "liquids.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (tmp_path / "liquids").mkdir()
    folders = [f"liquids/ions_seed{seed}" for seed in (1, 2)]
    for folder in folders:
        pressure_tensor(ionic_run(tmp_path / folder, 1.0))
    run.rename(tmp_path / "liquids" / "water_seed1")
    words = {
        "viscosity": ["--discard", "1 ps"],
        "conductivity": ["--discard", "1 ps", *OPTIONS],
        "diffusivity": BLOCKS,
        "structure": ["--discard", "1 ps"],
    }
    for command, options in words.items():
        code, out, err = lamplighter(command, "liquids", *options, "--csv", f"{command}.csv")
        assert (code, err) == (0, ""), command
        assert "== liquid=ions\n" in out
        assert "== liquid=water\n" in out
        asked = json.loads(lamplighter(command, "liquids.yaml", *options, "--json")[1])
        own = json.loads(lamplighter(command, *folders, *options, "--json")[1])
        made = asked["groups"]["liquid=ions"]
        assert json.dumps(made).replace(str(tmp_path) + "/", "") == json.dumps(own).replace(str(tmp_path) + "/", "")
        assert list(asked["missing"]) == (["liquid=water"] if command == "conductivity" else [])
        lines = [line for table in tmp_path.glob(f"{command}*.csv") for line in table.read_text().splitlines()]
        assert {line.split(",")[0] for line in lines} == {"group", *asked["groups"]}
    assert "no species has a charge" in lamplighter("conductivity", "liquids", *words["conductivity"])[1]
    code, _, err = lamplighter("density", "liquids")
    assert (code, err.count("has no stage that serves: a density that fluctuates needs one of npt")) == (1, 2)
