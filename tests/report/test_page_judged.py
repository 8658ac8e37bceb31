"""Sections of the report that hold models against labelled frames, and trajectories against a training set."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

from lamplighter.observables.extrapolation import check_frames, evenly_spaced, load_extrapolation
from lamplighter.report.page.assemble import assemble
from lamplighter.report.page.html import page
from lamplighter.report.page.section import ReportedRun, Wishes
from lamplighter.report.page.sections import SECTIONS
from lamplighter.report.page.sections import extrapolation as extrapolation_section
from lamplighter.run_folder.run import Run
from lamplighter.structures.frame import Frame

from .conftest import EXAMPLE, Judged, RunMaker, stage, thermo_lines

# models evaluate hundreds of frames first
pytestmark = pytest.mark.thorough

SECTION_KEYS = ("model_errors", "decomposition", "transfer", "extrapolation")


def numbers(judged: Judged, place: int) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in judged.content["runs"][place]["numbers"]}


def data(judged: Judged, section: str, place: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = judged.content["runs"][place]["sections"][section]
    return found


@pytest.fixture(scope="module")
def by_ase(judged: Judged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors of MACE's ASE calculator: energies per atom (meV), force components (eV/Å), α ≤ β stresses (meV/Å³)."""
    from mace.calculators import MACECalculator

    model = str(EXAMPLE / "models" / "ec_emc_0.model")
    calculator = MACECalculator(model_paths=model, device="cpu", default_dtype="float32")
    energy, forces, stress = [], [], []
    for atoms in ase.io.iread(judged.frames):
        atoms.calc = calculator
        energy.append(1e3 * (atoms.get_potential_energy() - atoms.info["energy_xtb"]) / len(atoms))
        forces.append(atoms.get_forces() - atoms.arrays["forces_xtb"])
        away = atoms.get_stress(voigt=False) - np.reshape(atoms.info["stress_xtb"], (3, 3))
        stress.append(1e3 * away[np.triu_indices(3)])
    return np.array(energy), np.concatenate(forces), np.concatenate(stress)


def test_key_numbers_are_errors_as_ase_has_them(judged: Judged, by_ase: tuple[np.ndarray, ...]) -> None:
    found = numbers(judged, 0)
    units = {"energy": "meV/atom", "force": "eV/Å", "stress": "meV/Å³"}
    for (name, unit), away in zip(units.items(), by_ase, strict=True):
        each = found[f"{name} RMSE"]
        assert each["value"] == pytest.approx(math.sqrt(np.mean(away**2)), rel=2e-3)  # float32
        assert 0.0 < each["error"] < each["value"]
        assert (each["unit"], each["definition"]) == (unit, "model_errors")
        assert "bootstrap over groups of frames" in each["method"]
        over = "; its 6 components α ≤ β, each counting once" if name == "stress" else ""
        assert each["detail"] == "ec_emc_0 against eight.xyz, 8 frames in 7 groups" + over
    diagonal = by_ase[2].reshape(-1, 6)[:, [0, 3, 5]]  # xx, yy, zz of xx, xy, xz, yy, yz, zz; meV/Å³
    pressure = found["pressure, mean error"]
    assert pressure["value"] == pytest.approx(-diagonal.mean() * 1602.176634, rel=5e-3)
    assert pressure["unit"] == "bar"
    elements = np.concatenate([atoms.numbers for atoms in ase.io.iread(judged.frames)])
    oxygen = data(judged, "model_errors")["models"][0]["force_elements"]["O"]
    assert oxygen["mae"]["value"] == pytest.approx(np.abs(by_ase[1][elements == 8]).mean(), rel=2e-3)


def test_a_committee_has_its_mean_and_the_numbers_are_of_the_model_that_drove(judged: Judged) -> None:
    alone, committee = (data(judged, "model_errors", place)["models"] for place in (0, 1))
    assert [each["name"] for each in alone] == ["ec_emc_0"]
    assert [each["name"] for each in committee] == ["ec_emc_0", "ec_emc_1", "committee: mean"]
    assert committee[0]["forces"] == alone[0]["forces"]
    assert numbers(judged, 1)["force RMSE"]["value"] == committee[0]["forces"]["rmse"]["value"]


@pytest.mark.parametrize(
    ("asked", "n_models", "place"),
    [({}, 1, 0), ({"drive": "first"}, 3, 0), ({"drive": 2}, 3, 1), ({"drive": "mean"}, 3, 3), ({"drive": "hal"}, 2, 2)],
)
def test_what_drives_a_run(make_run: RunMaker, asked: dict[str, Any], n_models: int, place: int) -> None:
    run = ReportedRun(make_run(thermo_lines(0, 0, 5, 1, 0.5), [stage(0, "npt", 5)]), "run", Wishes())
    run.__dict__["run_file"] = {"committee": asked} if asked else {}
    assert run.driving(n_models) == place


def test_forces_are_split_inside_molecules_and_between_them(judged: Judged, by_ase: tuple[np.ndarray, ...]) -> None:
    found = data(judged, "decomposition")
    assert found["species"] == ["C3H4O3", "C4H8O3"]
    assert found["reference_of_molecules"] == "gfn2"
    parts = found["models"][0]["forces"]
    assert list(parts) == ["total", "intra", "inter", "translational", "rotational", "vibrational"]
    size = {name: each["rmse"]["value"] for name, each in parts.items()}
    assert size["total"] == pytest.approx(math.sqrt(np.mean(by_ase[1] ** 2)), rel=2e-3)
    # a molecule alone has neither net force nor torque: these parts are all between molecules, and smaller than both
    assert max(size["translational"], size["rotational"]) < size["inter"]
    assert numbers(judged, 0)["force RMSE between molecules"]["value"] == size["inter"]
    energies = found["models"][0]["energies"]
    assert energies["total"]["rmse"]["value"] == pytest.approx(math.sqrt(np.mean(by_ase[0] ** 2)), rel=2e-3)
    assert set(energies) == {"total", "intra", "inter"}


def test_errors_by_composition_of_a_committee_and_of_runs(judged: Judged, by_ase: tuple[np.ndarray, ...]) -> None:
    found = data(judged, "transfer")
    assert found["compositions"] == ["EC:EMC 1:1", "EC:EMC 1:2"]
    assert found["n_frames"] == [2, 6]
    expected = [np.abs(by_ase[0][:2]).mean(), np.abs(by_ase[0][2:]).mean()]
    assert [each["value"] for each in found["energy_mae"][0]] == pytest.approx(expected, rel=5e-3)
    assert found["trained"] == [[False, True]]
    assert data(judged, "transfer", 1)["models"] == ["ec_emc_0", "ec_emc_1", "committee (mean of 2)"]
    together = judged.content["together"]["sections"]["transfer"]
    assert together["models"] == ["held", "failed"]
    assert together["energy_mae"][0] == together["energy_mae"][1] == found["energy_mae"][0]  # one model drove both


def test_residuals_are_those_of_the_trajectory(judged: Judged, real_runs: dict[str, Path]) -> None:
    trajectory = Run(real_runs["held"]).trajectory
    whole = check_frames(real_runs["held"], trajectory, load_extrapolation(judged.training))
    found = numbers(judged, 0)
    assert found["flagged environments"]["value"] == pytest.approx(100.0 * np.concatenate(whole.flagged).mean())
    limits = {symbol: each.value for symbol, each in whole.training.thresholds.items()}
    relative = np.array(
        [
            q / np.array([limits[symbol] for symbol in symbols])
            for q, symbols in zip(whole.q, whole.symbols, strict=True)
        ]
    )
    frame, atom = np.unravel_index(relative.argmax(), relative.shape)
    largest = found["largest Q / threshold"]
    assert largest["value"] == pytest.approx(relative.max())
    assert f"{whole.symbols[frame][atom]} {whole.ids[frame][atom]} at {whole.times[frame]:.6g} ps" == largest["detail"]
    assert data(judged, "extrapolation")["n_environments"] == 160 * len(whole.frames)


def frames_of(n_atoms: int, n_frames: int) -> Iterator[Frame]:
    for index in range(n_frames):
        yield Frame(index, None, None, np.arange(n_atoms), np.ones(n_atoms, dtype=int), np.zeros((n_atoms, 3)),
                    np.zeros((3, 3)), np.zeros(3, dtype=bool))  # fmt: skip


@pytest.mark.parametrize(
    ("n_atoms", "n_frames", "most", "every"),
    [(10, 100, 1000, 1), (10, 101, 1000, 2), (10, 1000, 30, 512), (500, 7, 100, 8), (10, 0, 100, 1)],
)
def test_of_a_long_trajectory_evenly_spaced_frames_are_taken(
    n_atoms: int, n_frames: int, most: int, every: int
) -> None:
    kept, taken = evenly_spaced(frames_of(n_atoms, n_frames), most)
    assert taken == every
    assert [each.index for each in kept] == list(range(0, n_frames, every))


def test_a_long_trajectory_is_thinned_and_that_is_said(
    judged: Judged, real_runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extrapolation_section, "MOST_ENVIRONMENTS", 160 * 13)
    wishes = Wishes(training=load_extrapolation(judged.training))
    report = assemble([real_runs["held"]], [extrapolation_section.SECTION], wishes)
    text = page(report, "x")
    assert "13 frames, one in 8 (`lamplighter extrapolation check` takes all), 2080 environments" in text


def test_without_what_they_need_the_sections_say_how_to_have_them_in_one_line(make_run: RunMaker) -> None:
    run = make_run(thermo_lines(0, 0, 50, 10, 0.5), [stage(0, "npt", 500)])
    sections = {section.key: content for section, content in assemble([run], SECTIONS, Wishes()).runs[0].sections}
    assert [len(sections[key].blocks) for key in SECTION_KEYS] == [0, 0, 0, 0]
    notes = [(each.name, each.value, each.note) for key in SECTION_KEYS for each in sections[key].numbers]
    assert notes == [
        ("force RMSE", None, "no frames with reference labels were given (--labelled FRAMES)"),
        (
            "flagged environments",
            None,
            "no training set was given (--extrapolation FILE.npz of `lamplighter extrapolation fit`)",
        ),
    ]


def test_the_page_has_the_sections(judged: Judged) -> None:
    text = judged.page.read_text(encoding="utf-8")
    for run in ("held", "failed"):
        assert all(f'id="{run}-{key}"' in text for key in SECTION_KEYS)
    for key in ("model_errors", "molecular_forces", "transfer", "q_residual", "soap_map"):
        assert f'id="def-{key}"' in text
    found = data(judged, "model_errors")["models"][0]["forces"]["rmse"]
    assert f"{found['value']:.3f} ± {found['standard_error']:.3f}" in text


def test_stored_predictions_stand_in_for_models_that_are_not_here(
    lamplighter: Callable[..., Any], judged: Judged, real_runs: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "elsewhere"
    shutil.copytree(real_runs["held"], run)
    text = (run / "run.yaml").read_text(encoding="utf-8")
    model = EXAMPLE / "models" / "ec_emc_0.model"
    assert str(model) in text
    (run / "run.yaml").write_text(text.replace(str(model), "/not/here/ec_emc_0.model"), encoding="utf-8")
    words = ["--labelled", judged.frames, "-o", tmp_path / "x.html", "--json"]
    code, out, err = lamplighter("report", run, *words)
    assert code == 0
    found = {each["name"]: each for each in json.loads(out)["runs"][0]["numbers"]}
    assert found["force RMSE"]["value"] is None
    assert "/not/here/ec_emc_0.model" in found["force RMSE"]["note"]
    assert found["density"]["value"] is not None  # what there is, is there

    stored = tmp_path / "mace.npz"
    options = ["--model", model, "--dtype", "float32", "--save", stored]
    assert lamplighter("errors", judged.frames, *options)[0] == 0
    code, out, err = lamplighter("report", run, *words, "--group", "trajectory", "--predictions", stored)
    assert (code, err) == (0, "")
    found = {each["name"]: each for each in json.loads(out)["runs"][0]["numbers"]}
    expected = numbers(judged, 0)
    for name in ("energy RMSE", "force RMSE", "stress RMSE", "translational force RMSE"):
        assert found[name]["value"] == pytest.approx(expected[name]["value"], rel=1e-5)
    assert "force RMSE between molecules" not in found  # predictions say nothing of lone molecules


def test_what_cannot_be_used_is_refused(
    lamplighter: Callable[..., Any], judged: Judged, real_runs: dict[str, Path], tmp_path: Path
) -> None:
    frames = ["--labelled", judged.frames]
    for words, message in [
        (["--labelled", tmp_path / "none.xyz"], "none.xyz does not exist"),
        (["--group", "trajectory"], "--group is of labelled frames: give them, too (--labelled FRAMES)"),
        ([*frames, "--group", "colour"], "no frame of"),
        ([*frames, "--energy", "energy_dft"], "has no label 'energy_dft'"),
        ([*frames, "--name", "EC"], "--name EC: expected NAME=VALUE"),
        ([*frames, "--trained", tmp_path / "none.xyz"], "none.xyz does not exist"),
        ([*frames, "--predictions", judged.training], "holds no predictions"),
        ([*frames, "--predictions", "p.npz", "--lone-molecules", "gfn2"], "give one of both"),
        (["--extrapolation", tmp_path / "none.npz"], "none.npz does not exist: make it with"),
        (["--extrapolation", judged.frames], "is no file of `lamplighter extrapolation fit`"),
    ]:
        code, out, err = lamplighter("report", real_runs["held"], *words, "-o", tmp_path / "r.html")
        assert (code, out) == (1, ""), words
        assert message in err
        assert "Traceback" not in err
    assert not (tmp_path / "r.html").exists()
