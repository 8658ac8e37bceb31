"""Models against data in Python: `model_errors`, `transfer`, `decompose`, `volume_scan` and `extrapolation`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones
from ase.io import write
from tests.cli.test_endings import argon
from tests.cli.test_errors import EPSILON, run_file

import lamplighter as ll
from lamplighter.cli import main


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["lamplighter", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    return out


def waters() -> list[Atoms]:
    """Two boxes of two molecules, labelled by a potential that makes no sense of them."""
    frames = []
    for shift in (3.0, 3.3):
        one, two = molecule("H2O"), molecule("H2O")
        two.translate((shift, 0, 0))
        box = one + two
        box.set_cell([12.0] * 3)
        box.pbc = True
        box.calc = LennardJones(sigma=1.0, epsilon=EPSILON, rc=6.0)
        box.info["energy_lj"] = box.get_potential_energy()
        box.arrays["forces_lj"] = box.get_forces()
        box.calc = None
        frames.append(box)
    return frames


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    frames = argon()
    write("argon.xyz", frames)
    write("liquid.xyz", frames[0])
    write("water.xyz", waters())
    run_file(tmp_path / "lj.yaml", 1.1 * EPSILON)
    return tmp_path


def test_functions_say_what_the_commands_of_their_kind_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, tuple[Callable[[], Any], list[str]]] = {
        "errors": (lambda: ll.model_errors("argon.xyz", run_file="lj.yaml"), ["argon.xyz", "--run-file", "lj.yaml"]),
        "transfer": (
            lambda: ll.transfer(["argon.xyz"], run_file=Path("lj.yaml"), species="elements"),
            ["argon.xyz", "--run-file", "lj.yaml", "--species", "elements"],
        ),
        "decompose": (
            lambda: ll.decompose("water.xyz", run_file="lj.yaml", write_molecules="molecules.xyz"),
            ["water.xyz", "--run-file", "lj.yaml"],
        ),
        "scan": (
            lambda: ll.volume_scan("liquid.xyz", "lj.yaml", density=[1.0, 1.2, 1.4, 1.6], atomic=True),
            ["liquid.xyz", "--model", "lj.yaml", "--density", "1.0,1.2,1.4,1.6", "--atomic"],
        ),
    }
    for name, (ask, words) in answers.items():
        answer = ask()
        assert answer.to_dict() == json.loads(command(monkeypatch, capsys, name, *words, "--json")), name
        assert f"{answer}\n" == command(monkeypatch, capsys, name, *words), name
        assert answer.to_csv(folder / f"{name}.csv"), name
        assert answer._repr_png_().startswith(b"\x89PNG"), name
    assert (folder / "molecules.xyz").stat().st_size > 0

    errors = ll.model_errors("argon.xyz", run_file="lj.yaml", save="kept.npz", frame_errors="frames.csv")
    assert len((folder / "frames.csv").read_text().splitlines()) == 4
    again = ll.model_errors("argon.xyz", {"mine": ["kept.npz"]})
    assert again.to_dict()["models"][0]["forces"] == errors.to_dict()["models"][0]["forces"]


def test_an_answer_draws_into_axes_of_ones_own(folder: Path) -> None:
    from matplotlib.figure import Figure

    errors = ll.model_errors("argon.xyz", run_file="lj.yaml")
    mine, other = Figure().subplots(1, 2)
    (drawn,) = errors.plot("along", ax=mine)
    assert drawn is mine
    assert "energy" in mine.get_ylabel()
    assert mine.lines
    assert mine.get_legend() is not None
    (drawn,) = errors.plot("along", ax=other, panel=1)
    assert "force RMSE" in other.get_ylabel()
    assert len(mine.figure.axes) == 2  # nothing else was put into the figure
    assert errors.plot("along", ax=Figure().subplots(2, 1))[1].lines
    heat = ll.transfer("argon.xyz", run_file="lj.yaml", species="elements").plot(ax=Figure().subplots())
    assert heat[0].get_title(loc="left").startswith("energy MAE")
    for ax, words in ((Figure().subplots(1, 3), "3 axes are given, and this figure has 2"), ("here", "expected axes")):
        with pytest.raises(ll.LamplighterError, match=words):
            errors.plot("along", ax=ax)
    assert errors.plot("along")[0] is not mine


def test_nonsense_is_refused_with_its_value_and_all_models_at_once(folder: Path) -> None:
    for name in ("one.model", "two.model"):
        (folder / name).write_bytes(b"")
    (folder / "lacks.yaml").write_text(
        "structure: liquid.xyz\npotential: {models: [nowhere.model, nor_this.model]}\nstages: [{type: minimise}]\n"
    )
    cases: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: ll.model_errors(3, run_file="lj.yaml"), r"frames: expected the path of a file; got 3 \(int\)"),
        (lambda: ll.model_errors("argon.xyz"), "no model is given"),
        (lambda: ll.model_errors("argon.xyz", []), "no model is given"),
        (lambda: ll.model_errors("argon.xyz", 5), r"models: expected a model file.*got 5 \(int\)"),
        (lambda: ll.model_errors("argon.xyz", ["a.model", "b.model"]), "a.model, b.model: there are no such files"),
        (lambda: ll.model_errors("argon.xyz", run_file="lj.yaml", resamples=3), "^resamples must be .* got 3"),
        (lambda: ll.model_errors("nowhere.xyz", run_file="lj.yaml"), "nowhere.xyz does not exist"),
        (
            lambda: ll.model_errors("nowhere.xyz", run_file="lacks.yaml"),
            r"2 of 2 models cannot be used:\n  nowhere: .*nowhere.model does not exist\n  nor_this: ",
        ),
        (lambda: ll.transfer([], run_file="lj.yaml"), "frames: none is given"),
        (lambda: ll.transfer("argon.xyz", run_file="lj.yaml", names="EC"), "^names EC: expected NAME=VALUE"),
        (lambda: ll.transfer("argon.xyz", run_file="lj.yaml", most=0), "^most must be"),
        (lambda: ll.decompose(None, run_file="lj.yaml"), r"got None \(NoneType\)"),
        (lambda: ll.volume_scan("liquid.xyz"), "nothing is to be done: give models FILE"),
        (lambda: ll.volume_scan("liquid.xyz", "lj.yaml", density=5, atomic=True), "density: expected .* got 5"),
        (lambda: ll.volume_scan(folder), "holds no volume scan"),
        (lambda: ll.extrapolation("argon.xyz", "fit.npz"), "fit.npz does not exist"),
        (lambda: ll.extrapolation(["argon.xyz", "liquid.xyz"], "fit.npz"), "one is checked at a time"),
        (lambda: ll.extrapolation("argon.xyz", 3), r"fitted: expected the path of a file; got 3"),
        (lambda: ll.extrapolation_fit("nowhere.xyz"), "nowhere.xyz does not exist"),
        (lambda: ll.extrapolation_fit("argon.xyz", components=0), "^components must be"),
    )
    for call, words in cases:
        with pytest.raises(ll.LamplighterError, match=words):
            call()


def test_a_trajectory_is_held_against_what_was_learnt(folder: Path) -> None:
    pytest.importorskip("dscribe")
    fitted = ll.extrapolation_fit("argon.xyz", output="fit.npz", components=2, most=200)
    found, again = (ll.extrapolation("liquid.xyz", each) for each in (fitted, "fit.npz"))
    assert [line for line in str(found).splitlines() if "atoms/s" not in line] == [
        line for line in str(again).splitlines() if "atoms/s" not in line
    ]
    assert found.figure("map").axes
