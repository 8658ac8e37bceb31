"""`extrapolation:` and `guard.extrapolation` in the run file: the table, the run that ends, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.io import read, write
from tests.conftest import PROGRAMS, Run

import lamplighter
from lamplighter import script_of
from lamplighter.config.loading import parse_run_file
from lamplighter.driver.training_statistics import learn_training_set, require_training_set
from lamplighter.errors import ConfigError, LamplighterError
from lamplighter.potentials.native import compile_files
from lamplighter.report.page.section import ReportedRun, Wishes
from lamplighter.report.page.sections import own_uncertainty

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
NVT = {"type": "nvt", "temperature": "500 K", "length": "10 fs"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "plain.lamp"
    compile_files([EXAMPLE / "models" / "ec_emc_0.model"], path)
    return path


@pytest.fixture(scope="module")
def learnt(plain: Path) -> Path:
    """Of 40 clusters."""
    path = plain.with_name("learnt.lamp")
    shutil.copy(plain, path)
    clusters = read(EXAMPLE / "data" / "xtb_train.xyz", ":40")
    write(path.with_name("train.xyz"), clusters)
    learn_training_set(path, path.with_name("train.xyz"), clusters)
    return path


def run_file(model: Path, **changes: Any) -> dict[str, Any]:
    return {
        "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": {"models": str(model), "dtype": "float32"},
        "velocities": "500 K",
        "stages": [NVT],
        **changes,
    }


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "extrapolation.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.mpi
def test_the_guard_ends_a_run_that_leaves_the_training_set_on_any_ranks(
    mpirun: Run, tmp_path: Path, learnt: Path
) -> None:
    """A limit between the first values of the liquid, of which 40 clusters know little, ends the run at one step."""
    free = lamplighter.run(run_file(learnt, extrapolation=1), progress=False, output=tmp_path / "free").folder
    values = np.array([float(row["extrapolation_max"]) for row in rows_of(free)])
    first = next(k for k in range(1, len(values)) if values[k] > values[:k].max())
    limit = float((values[:first].max() + values[first]) / 2.0)
    guard = {"extrapolation": limit, "frames_before": 2, "frames_every": 1}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run_file(learnt, guard=guard, extrapolation=1)))
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        done = mpirun(ranks, [PROGRAMS / "lamplighter", "run", tmp_path / "run.yaml", "-o", folder], timeout=200)
        assert done.returncode == 0, done.stderr
        assert json.loads((folder / "summary.json").read_text())["stability"]["cause"] == "extrapolation"
        (event,) = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        assert (event["step"], event["limit"]) == (first, pytest.approx(limit, rel=1e-9))
        assert event["value"] == pytest.approx(values[first], rel=1e-3)
        *before, failing = read(folder / "failure.xyz", ":")
        worst = int(np.argmax(failing.arrays["extrapolation"]))
        assert failing.arrays["extrapolation"][worst] == pytest.approx(event["value"])
        assert (failing.arrays["id"][worst], failing.symbols[worst]) == (event["atoms"][0], event["elements"][0])
        assert failing.info["extrapolation_step"] == first
        assert all(frame.arrays["extrapolation"].max() <= limit for frame in before)
        found = [float(row["extrapolation_max"]) for row in rows_of(folder)]
        np.testing.assert_allclose(found, values[: len(found)], rtol=1e-3)  # float32
        row = rows_of(folder)[0]
        of_elements = [float(row[f"extrapolation_max_{element}"]) for element in "HCO"]
        assert float(row["extrapolation_max"]) == pytest.approx(max(of_elements))
        assert 0.0 < float(row["extrapolation_mean"]) < min(of_elements)


def test_a_committee_on_the_bridge_has_table_and_guard(learnt: Path, tmp_path: Path) -> None:
    """By what a compiled model says of the training set of the first."""
    models = [str(EXAMPLE / "models" / f"ec_emc_{k}.model") for k in range(2)]
    potential = {"models": models, "engine": "bridge", "dtype": "float64", "training_set": str(learnt)}
    content = run_file(learnt, potential=potential, committee=1, guard={"extrapolation": 1e-3})
    folder = lamplighter.run(content, progress=False, output=tmp_path / "run").folder
    known, start = require_training_set(learnt), read(content["structure"])
    inputs = next(known.descriptor().chunks(start))[1]
    values = np.empty(len(start))
    for symbol, measure in known.elements.items():
        here = np.array(start.symbols) == symbol
        values[here] = np.sqrt(measure.residuals(inputs[here])[0] / known.largest[symbol])
    row = rows_of(folder)[0]
    found = [float(row["extrapolation_max"]), float(row["extrapolation_mean"]), float(row["extrapolation_max_H"])]
    of_hydrogen = values[np.array(start.symbols) == "H"].max()
    np.testing.assert_allclose(found, [values.max(), values.mean(), of_hydrogen], rtol=1e-6)
    (event,) = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert event["value"] == pytest.approx(values.max(), rel=1e-6)
    provenance = json.loads((folder / "provenance.json").read_text())["models"]
    assert [Path(each["path"]).name for each in provenance] == ["ec_emc_0.model", "ec_emc_1.model", "learnt.lamp"]


@pytest.fixture(scope="module")
def whole(learnt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that its guard lets go on to the end."""
    changes: dict[str, Any] = {
        "extrapolation": 4,
        "guard": {"extrapolation": 1000.0, "every": 2},
        "output": {"restart": "10 steps", "thermo": "1 steps", "trajectory": "never"},
    }
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return lamplighter.run(run_file(learnt, **changes), progress=False, output=folder).folder


def test_a_run_that_goes_on_has_the_table_of_one_without_a_break(tmp_path: Path, whole: Path) -> None:
    assert "extrapolation every 2" in (whole / "in.lammps").read_text()
    assert [row["step"] for row in rows_of(whole)] == ["0", "4", "8", "12", "16", "20"]
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps({**status, "status": "running"}))
    for file in copy.glob("restart.*.bin*"):
        if not file.name.startswith("restart.a.bin"):
            file.unlink()
    lamplighter.run(copy / "run.yaml", resume=True, progress=False)
    assert list(copy.glob("in.resumed_at_*.lammps"))
    assert (copy / "extrapolation.csv").read_text() == (whole / "extrapolation.csv").read_text()


def test_the_report_shows_how_uncertain_the_model_was(whole: Path) -> None:
    made = own_uncertainty.make(ReportedRun(whole, "whole", Wishes()))
    values = [float(row["extrapolation_max"]) for row in rows_of(whole)]
    largest, beyond = made.numbers
    assert largest.value == max(values)
    assert beyond.value == pytest.approx(100.0 * np.mean(np.array(values) > 1.0))
    (picture,) = made.blocks
    lines = {line.get_label(): line.get_ydata() for line in picture.figure.axes[0].lines}
    np.testing.assert_allclose(lines["largest"], values)
    assert {"H", "C", "O", "mean"} <= set(lines)


def test_the_guard_alone_asks_for_values_at_its_checks(learnt: Path) -> None:
    script = script_of(run_file(learnt, guard={"extrapolation": 1.5, "every": 5}))
    assert "extrapolation every 5" in script
    assert "fix extrapolation_table" in script
    assert "extrapolation" not in script_of(run_file(learnt))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"guard": {"extrapolation": 0.0}}, r"guard\.extrapolation"),
        ({"extrapolation": {"every": 0}}, r"extrapolation\.every"),
        ({"extrapolation": {"steps": 5}}, r"extrapolation\.steps.*unknown key"),
        ({"potential": {"models": "m.model"}, "extrapolation": 5}, r"extrapolation.*lamplighter compile .*--training"),
        ({"potential": {"models": "m.model"}, "guard": {"extrapolation": 2}}, r"guard\.extrapolation.*training_set"),
        (
            {"potential": {"lammps": "pair_style zero 5.0\npair_coeff * *", "training_set": "m.training"}},
            r"potential\.training_set: is of `potential.models`",
        ),
        ({"potential": {"lammps": "pair_style zero 5.0\npair_coeff * *"}, "extrapolation": 5}, "--training"),
        ({"committee": {"drive": 2}, "extrapolation": 5}, r"committee\.drive. names another one"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_run_file(run_file(Path("m.lamp"), **changes))


def test_a_model_that_knows_nothing_of_its_training_set_is_refused_before_the_run(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(LamplighterError, match=r"plain\.lamp knows nothing of its training set: .*--training"):
        lamplighter.run(run_file(plain, guard={"extrapolation": 2.0}), progress=False, output=tmp_path / "run")


def test_statistics_of_another_model_are_refused_before_the_run(learnt: Path, tmp_path: Path) -> None:
    potential = {"models": str(EXAMPLE / "models" / "ec_emc_1.model"), "training_set": str(learnt)}
    with pytest.raises(LamplighterError, match=r"ec_emc_0.model was trained on, whose hash is not that of .*ec_emc_1"):
        lamplighter.run(run_file(learnt, potential=potential, extrapolation=5), progress=False, output=tmp_path / "run")
