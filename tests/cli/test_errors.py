"""`lamplighter errors`, `decompose`, `transfer` and `extrapolation`: real frames, real potentials, what is refused."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones
from ase.io import read, write

from .conftest import Lamplighter

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MODELS = EXAMPLE / "models"
SIGMA, EPSILON = 3.4, 0.0104


@pytest.fixture
def argon(tmp_path: Path) -> Path:
    """Eight boxes of argon in two sizes, labelled by ASE's Lennard-Jones calculator."""
    frames = []
    for seed in range(8):
        atoms = bulk("Ar", "fcc", a=5.2 + 0.1 * (seed % 2), cubic=True).repeat(2)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=6.0)
        atoms.info |= {
            "energy_lj": atoms.get_potential_energy(),
            "stress_lj": atoms.get_stress(voigt=False),
            "box": "even" if seed % 2 == 0 else "odd",
            "time_ps": 0.5 * seed,
        }
        atoms.arrays["forces_lj"] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    write(tmp_path / "argon.xyz", frames)
    return tmp_path / "argon.xyz"


def run_file(path: Path, epsilon: float) -> Path:
    """A run file whose potential is Lennard-Jones as ASE has it: cut and shifted at 6 Å."""
    lines = ["pair_style lj/cut 6.0", f"pair_coeff * * {epsilon} {SIGMA}", "pair_modify shift yes"]
    content = {"structure": "argon.xyz", "potential": {"lammps": lines}, "stages": [{"type": "minimise"}]}
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_same_potential_has_no_errors_and_a_scaled_one_known_errors(
    lamplighter: Lamplighter, argon: Path, tmp_path: Path
) -> None:
    code, out, err = lamplighter("errors", argon, "--run-file", run_file(tmp_path / "same.yaml", EPSILON), "--json")
    assert (code, err) == (0, "")
    same = json.loads(out)["models"][0]
    assert same["energy"]["rmse"]["value"] < 1e-6  # positions in the file have 8 decimals
    assert same["forces"]["rmse"]["value"] < 1e-7
    assert same["stress"]["rmse"]["value"] < 1e-6

    words = ["--by", "box", "--csv", "t.csv", "--frame-errors", "f.csv", "--figure", "p.png", "--along", "a.pdf"]
    code, out, _ = lamplighter("errors", argon, "--run-file", run_file(tmp_path / "x.yaml", 1.1 * EPSILON), *words)
    assert code == 0
    frames = read(argon, ":")
    forces = np.concatenate([atoms.arrays["forces_lj"] for atoms in frames])
    energies = np.array([atoms.info["energy_lj"] / len(atoms) for atoms in frames])
    stress = np.array([atoms.info["stress_lj"].reshape(3, 3)[np.triu_indices(3)] for atoms in frames])
    rows = {(row["part"], row["quantity"]): row for row in csv.DictReader((tmp_path / "t.csv").open())}
    # all errors are 10 % of the reference
    assert float(rows["all", "forces"]["rmse"]) == pytest.approx(0.1 * np.sqrt(np.mean(forces**2)), rel=1e-6)
    assert float(rows["all", "Fy"]["mae"]) == pytest.approx(0.1 * np.abs(forces[:, 1]).mean(), rel=1e-6)
    assert float(rows["all", "energy"]["rmse"]) == pytest.approx(100 * np.sqrt(np.mean(energies**2)), rel=1e-6)
    assert float(rows["all", "energy"]["mean_error"]) == pytest.approx(100 * energies.mean(), rel=1e-6)
    assert float(rows["all", "stress"]["rmse"]) == pytest.approx(100 * np.sqrt(np.mean(stress**2)), rel=1e-6)
    pressure = -1e6 * np.array([atoms.info["stress_lj"].reshape(3, 3).trace() / 3 for atoms in frames]) / 6.241509e-1
    assert float(rows["all", "pressure"]["mean_error"]) == pytest.approx(0.1 * pressure.mean(), rel=1e-6)
    assert float(rows["all", "pressure"]["rmse"]) == pytest.approx(0.1 * np.sqrt(np.mean(pressure**2)), rel=1e-6)
    assert "pressure −tr σ/3, bar" in out
    head, row = out.split("energy, meV/atom  mean error")[1].splitlines()[:2]
    assert "standard deviation about it" in head
    *_, mean, _, _, deviation = row.split()
    assert float(mean) == pytest.approx(100 * energies.mean(), rel=0.05)  # as many digits as its error has
    assert float(deviation) == pytest.approx(100 * energies.std(), rel=5e-3)
    assert float(rows["odd", "energy"]["mae"]) == pytest.approx(-100 * energies[1::2].mean(), rel=1e-6)
    table = list(csv.DictReader((tmp_path / "f.csv").open()))
    assert [float(row["time_ps"]) for row in table] == [0.5 * k for k in range(8)]
    largest = 0.1 * np.linalg.norm(frames[3].arrays["forces_lj"], axis=1).max()
    assert float(table[3]["largest_force_error_eV_per_A"]) == pytest.approx(largest, rel=1e-6)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert "8 frames, 256 atoms; labels energy_lj, forces_lj, stress_lj" in out
    assert "error bars: bootstrap over 8 frames" in out


def test_a_terminal_counts_the_frames(argon: Path, tmp_path: Path) -> None:
    """And the result stays alone on standard output."""
    path = run_file(tmp_path / "run.yaml", EPSILON)
    controller, terminal = os.openpty()
    command = [Path(sys.prefix) / "bin" / "lamplighter", "errors", argon, "--run-file", path, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    out, _ = process.communicate(timeout=200)
    shown = b""
    with contextlib.suppress(OSError):  # Linux: the other end is closed
        while chunk := os.read(controller, 65536):
            shown += chunk
    os.close(controller)
    assert process.returncode == 0
    assert json.loads(out)
    assert [b"run: %d of 8" % k in shown for k in range(10)] == [False, *[True] * 8, False]
    assert shown.endswith(b"\r\x1b[K")


def test_predictions_are_kept_for_other_environments(lamplighter: Lamplighter, argon: Path, tmp_path: Path) -> None:
    run_file(tmp_path / "x.yaml", 1.1 * EPSILON)
    first = json.loads(lamplighter("errors", argon, "--run-file", "x.yaml", "--save", "kept.npz", "--json")[1])
    again = json.loads(lamplighter("errors", argon, "--model", "kept.npz", "--json")[1])
    assert again["models"][0]["forces"] == first["models"][0]["forces"]
    write(tmp_path / "fewer.xyz", read(argon, ":3"))
    code, _, err = lamplighter("errors", "fewer.xyz", "--model", "kept.npz")
    assert code == 1
    assert "are of other frames: 8 frames of 256 atoms in all, here 3 of 96" in err
    code, _, err = lamplighter("decompose", argon, "--model", "kept.npz")
    assert "predictions of stored frames say nothing of others" in err


def test_errors_of_a_committee_are_those_of_maces_own_calculator(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = read(EXAMPLE / "data" / "liquid_test.xyz", "::12") + read(EXAMPLE / "data" / "xtb_test.xyz", "::100")
    write(tmp_path / "frames.xyz", frames)
    code, out, _ = lamplighter("errors", "frames.xyz", "--model", f"m={MODELS}/ec_emc_[01].model", "--trust", "--json")
    assert code == 0
    found = {each["name"]: each for each in json.loads(out)["models"]}
    assert list(found) == ["ec_emc_0", "ec_emc_1", "m: mean"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        calculators = [
            MACECalculator(model_paths=str(MODELS / f"ec_emc_{k}.model"), device="cpu", default_dtype="float64")
            for k in (0, 1)
        ]
    reference = np.concatenate([atoms.arrays["forces_xtb"] for atoms in frames])
    forces = []
    for k, calculator in enumerate(calculators):
        away, made = [], []
        for atoms in frames:
            copy = atoms.copy()
            copy.calc = calculator
            away.append((copy.get_potential_energy() - atoms.info["energy_xtb"]) / len(atoms))
            made.append(copy.get_forces())
        forces.append(np.concatenate(made))
        table = found[f"ec_emc_{k}"]
        assert table["energy"]["rmse"]["value"] == pytest.approx(1e3 * np.sqrt(np.mean(np.square(away))), rel=1e-6)
        assert table["forces"]["rmse"]["value"] == pytest.approx(
            np.sqrt(np.mean((forces[k] - reference) ** 2)), rel=1e-6
        )
    mean = np.sqrt(np.mean((np.mean(forces, axis=0) - reference) ** 2))
    assert found["m: mean"]["forces"]["rmse"]["value"] == pytest.approx(mean, rel=1e-6)
    spread = json.loads(out)["seed_sensitivity_of_rmse"]["m"]["forces"]["value"]
    two = [found[f"ec_emc_{k}"]["forces"]["rmse"]["value"] for k in (0, 1)]
    assert spread == pytest.approx(np.std(two, ddof=1), rel=1e-9)
    assert found["m: mean"]["stress"]["n"] == 6 * 3


def test_bad_input_of_errors(lamplighter: Lamplighter, argon: Path, tmp_path: Path) -> None:
    def refused(*words: object) -> str:
        code, _, err = lamplighter("errors", *words)
        assert code == 1
        return err

    assert "name at least one with --model" in refused(argon)
    assert "--model none.model: there is no such file" in refused(argon, "--model", "none.model")
    assert "no frame of" in refused(argon, "--run-file", run_file(tmp_path / "x.yaml", 1), "--by", "nothing")
    assert "does not exist" in refused("none.xyz", "--run-file", "x.yaml")
    # a model that lacks an element
    model = MODELS / "ec_emc_0.model"
    assert "Ar" in refused(argon, "--model", model, "--trust")
    overlapping = read(argon, 0)
    overlapping.positions[1] = overlapping.positions[0] + 0.01
    write(tmp_path / "bare.xyz", Atoms("Ar"))
    assert "has no energy" in refused("bare.xyz", "--run-file", "x.yaml")


def test_a_missing_stress_is_said_and_the_rest_is_told(lamplighter: Lamplighter, argon: Path, tmp_path: Path) -> None:
    frames = read(argon, ":")
    for atoms in frames[:3]:
        del atoms.info["stress_lj"]
    write(tmp_path / "some.xyz", frames)
    out = lamplighter("errors", "some.xyz", "--run-file", run_file(tmp_path / "x.yaml", EPSILON))[1]
    assert "Note: 3 of 8 periodic frames have no reference stress" in out
    for atoms in frames[3:]:
        del atoms.info["stress_lj"]
    write(tmp_path / "none.xyz", frames)
    out = lamplighter("errors", "none.xyz", "--run-file", "x.yaml")[1]
    assert "stress, meV" not in out
    assert "8 of 8 periodic frames have no reference stress" in out


@pytest.fixture
def waters(tmp_path: Path) -> Path:
    """Six pairs of water molecules and two of one water and one methanol, labelled by GFN2-xTB."""
    from tblite.ase import TBLite

    frames = []
    for seed in range(8):
        first, second = molecule("H2O"), molecule("H2O" if seed < 6 else "CH3OH")
        second.rotate(30 * seed, [1, 2, 3])
        second.translate([0.0, 0.0, 3.4 + 0.1 * seed])
        atoms = first + second
        atoms.rattle(0.02, seed=seed)
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        atoms.info["energy_xtb"] = atoms.get_potential_energy()
        atoms.arrays["forces_xtb"] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    write(tmp_path / "waters.xyz", frames)
    return tmp_path / "waters.xyz"


def test_the_reference_and_a_model_are_split_alike(lamplighter: Lamplighter, waters: Path, tmp_path: Path) -> None:
    model = MODELS / "ec_emc_0.model"
    words = ["decompose", waters, "--model", model, "--trust", "--write-molecules", "alone.xyz", "--json"]
    code, out, err = lamplighter(*words, "--reference", "gfn2", "--figure", "d.png", "--csv", "d.csv")
    assert code == 0, err
    found = json.loads(out)
    assert (found["n_molecules"], found["species"]) == (16, ["H2O", "CH4O"])
    energies = {part: np.array(values) for part, values in found["reference_energies_eV"].items()}
    np.testing.assert_allclose(energies["intra"] + energies["inter"], energies["total"], rtol=0, atol=1e-9)
    assert (np.abs(energies["inter"]) < 0.5).all()
    assert (np.abs(energies["inter"]) > 1e-4).all()
    parts = found["models"][0]["forces"]
    assert list(parts) == ["total", "intra", "inter", "translational", "rotational", "vibrational"]
    assert (tmp_path / "d.png").exists()
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 10

    # the same with labels that were made elsewhere, from the file that was written
    from tblite.ase import TBLite

    alone = read(tmp_path / "alone.xyz", ":")
    for atoms in alone:
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
        atoms.info["energy_xtb"] = atoms.get_potential_energy()
        atoms.arrays["forces_xtb"] = atoms.get_forces()
        atoms.calc = None
    write(tmp_path / "labelled.xyz", alone)
    again = json.loads(lamplighter(*words, "--molecule-labels", "labelled.xyz")[1])
    for part, made in again["models"][0]["energies"].items():
        assert made["rmse"]["value"] == pytest.approx(found["models"][0]["energies"][part]["rmse"]["value"], rel=1e-4)

    write(tmp_path / "short.xyz", alone[:-1])
    assert "labels of 15 molecules that are not those of" in lamplighter(*words, "--molecule-labels", "short.xyz")[2]


def test_bad_input_of_decompose(lamplighter: Lamplighter, waters: Path, argon: Path, tmp_path: Path) -> None:
    run_file(tmp_path / "x.yaml", EPSILON)
    assert "no two atoms of" in lamplighter("decompose", argon, "--run-file", "x.yaml")[2]
    shifted = read(waters, ":")
    for atoms in shifted:
        atoms.info["energy_xtb"] += 1.0
    write(tmp_path / "shifted.xyz", shifted)
    model = MODELS / "ec_emc_0.model"
    err = lamplighter("decompose", "shifted.xyz", "--model", model, "--reference", "gfn2")[2]
    assert "the labels energy_xtb are not of gfn2" in err
    assert (
        "--reference must be gfn1, gfn2, opls-aa, module:Class, or the path of a run file, model file or command file; "
        "got 'dft'" in lamplighter("decompose", waters, "--model", model, "--reference", "dft")[2]
    )


def test_transfer_by_composition(lamplighter: Lamplighter, waters: Path, tmp_path: Path) -> None:
    model = MODELS / "ec_emc_0.model"
    write(tmp_path / "trained.xyz", read(waters, ":2"))
    names = ["--name", "water=H2O", "--name", "methanol=CH4O"]
    words = ["transfer", waters, "--model", model, "--trust", "--trained", "trained.xyz", *names]
    code, out, err = lamplighter(*words, "--figure", "t.png", "--csv", "t.csv", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["compositions"] == ["water", "methanol:water 1:1"]
    assert found["n_frames"] == [6, 2]
    assert found["trained"] == [[True, False]]
    rule = found["n_minus_m"]
    assert (rule["needed"], rule["unique_compositions"], rule["rank"], rule["deficiency"]) == (2, 2, 2, 0)
    one = json.loads(lamplighter("errors", waters, "--model", model, "--json")[1])["models"][0]
    of_frames = np.abs(one["energy_error_of_frames_meV_per_atom"])
    assert found["energy_mae"][0][0]["value"] == pytest.approx(of_frames[:6].mean(), rel=1e-9)
    assert found["energy_mae"][0][1]["value"] == pytest.approx(of_frames[6:].mean(), rel=1e-9)
    text = lamplighter("transfer", waters, "--model", model, "--species", "elements")[1]
    assert "species: 3, so at least 3 compositions of different proportions are needed; 2 are there" in text
    assert "rank deficiency 1" in text
    assert "not determined" in text
    code, _, err = lamplighter(*words, "--constraint", "water=1")
    assert "--constraint: the composition" in err
    assert "there is no such row" in lamplighter(*words[:5], "--trained", "nobody=trained.xyz", *names)[2]
    assert "no frame holds named molecules alone" in lamplighter(*words[:5], "--name", "x=XYZ")[2]


@pytest.mark.thorough
def test_extrapolation_of_a_file(lamplighter: Lamplighter, tmp_path: Path) -> None:
    frames = read(EXAMPLE / "data" / "xtb_test.xyz", "::50")
    write(tmp_path / "training.xyz", frames)
    squeezed = frames[0].copy()
    squeezed.positions *= 0.8
    write(tmp_path / "others.xyz", [frames[0], squeezed, frames[1]])
    code, out, err = lamplighter("extrapolation", "fit", "training.xyz", "-o", "fit.npz", "--figure", "m.png")
    assert code == 0, err
    assert "SOAP: r_cut 5 Å, n_max 8, l_max 6, σ 0.375 Å, elements H C O: 2100 numbers an atom" in out
    words = ["extrapolation", "check", "fit.npz", "others.xyz", "--dt", "1 ps"]
    files = ["--figure", "q.png", "--map", "m2.png", "--csv", "q.csv", "--atoms", "q.xyz"]
    code, out, err = lamplighter(*words, *files, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["times_ps"] == [0.0, 1.0, 2.0]
    assert found["flagged_of_frames"][1] > 0.9 > 0.3 > found["flagged_of_frames"][0]
    rows = list(csv.DictReader((tmp_path / "q.csv").open()))
    assert len(rows) == 9
    atoms = read(tmp_path / "q.xyz", 1)
    assert atoms.arrays["flagged"].mean() == pytest.approx(found["flagged_of_frames"][1])
    assert ((atoms.arrays["q_relative"] > 1) == atoms.arrays["flagged"].astype(bool)).all()
    assert "frame 1 (1 ps)" in lamplighter(*words)[1]
    assert lamplighter("extrapolation", "check", "none.npz", "others.xyz")[0] == 1
    write(tmp_path / "argon.xyz", Atoms("Ar2", [[0, 0, 0], [3, 0, 0]]))
    assert "holds Ar, and the training set H C O" in lamplighter("extrapolation", "check", "fit.npz", "argon.xyz")[2]
