"""`committee:` in the run file: the table in the run folder, what the summary says, and which files are refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import PROGRAMS, Run

from lamplighter import script_of
from lamplighter.config.loading import parse_run_file
from lamplighter.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MODELS = [str(EXAMPLE / "models" / f"ec_emc_{k}.model") for k in range(3)]
STAGES = [
    {"type": "minimise", "max_steps": 2},
    {"type": "nvt", "temperature": "500 K", "length": "3 fs"},
    {"type": "nve", "length": "4 fs"},
]


def run_file(**changes: Any) -> dict[str, Any]:
    return {
        "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
        "potential": {"models": MODELS, "dtype": "float32"},
        "committee": {"every": 4},
        "velocities": "500 K",
        "stages": STAGES,
        **changes,
    }


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.quick("a committee on two ranks"))])
def test_the_table_has_a_row_for_each_evaluation(mpirun: Run, tmp_path: Path, ranks: int) -> None:
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run_file(guard="active-learning")))
    words = [PROGRAMS / "lamplighter", "run", tmp_path / "run.yaml", "-o", tmp_path / "run", "--trust"]
    done = mpirun(ranks, words, timeout=300)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run" / "committee.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "4", "8", "12"]
    assert [row["evaluated_step"] for row in rows] == ["0", "4", "8", "12"]
    assert [row["stage"] for row in rows] == ["1", "1", "2", "2"]
    assert [float(row["time_ps"]) for row in rows] == pytest.approx([0.0, 0.002, 0.004, 0.006])
    for row in rows:
        variance = float(row["variance_max_eV2_A2"])
        of_elements = [float(row[f"variance_max_{element}_eV2_A2"]) for element in "HCO"]
        assert variance == pytest.approx(max(of_elements))
        assert 0 < float(row["variance_min_eV2_A2"]) < float(row["variance_mean_eV2_A2"]) < variance < 0.5
        assert float(row["deviation_max_eV_A"]) == pytest.approx(variance**0.5)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    worst = max(rows, key=lambda row: float(row["variance_max_eV2_A2"]))
    assert summary["committee"]["models"] == 3
    assert summary["committee"]["evaluations"] == 4
    assert summary["committee"]["variance_max_eV2_A2"] == pytest.approx(float(worst["variance_max_eV2_A2"]))
    assert summary["committee"]["variance_max_at_step"] == int(worst["step"])
    assert "variance 0.5" in summary["stability"]["criteria"]
    assert "Committee of 3: largest force variance" in done.stdout


@pytest.mark.mpi
def test_the_guard_ends_a_run_on_the_variance(mpirun: Run, tmp_path: Path) -> None:
    """A limit below what the models differ by anywhere: the first evaluation ends the run."""
    content = run_file(guard={"variance": 1e-4, "frames_before": 0}, stages=STAGES[1:])
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    words = [PROGRAMS / "lamplighter", "run", tmp_path / "run.yaml", "-o", tmp_path / "run", "--trust"]
    done = mpirun(2, words, timeout=300)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "stopped"
    assert summary["stability"]["cause"] == "variance"
    (event,) = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert event["value"] == pytest.approx(summary["committee"]["variance_max_eV2_A2"])


def test_keywords_of_the_pair_style() -> None:
    def style(committee: Any, **changes: Any) -> str:
        script = script_of(run_file(committee=committee, **changes))
        return next(line for line in script.splitlines() if line.startswith("pair_style")).split("engine auto ")[1]

    assert style(5) == "committee every 5 drive first divisor K"
    assert style({"drive": "mean", "divisor": "K-1"}) == "committee every 20 drive mean divisor K-1"
    assert style({"drive": 2}) == "committee every 20 drive 2 divisor K"
    hal = {"drive": "hal", "tau": 0.3, "warmup": "0.1 ps", "cap": 2.5}
    assert style(hal) == "committee every 20 drive hal 0.3 warmup 200 from 0 cap 2.5 divisor K"
    assert style(hal, timestep="1 fs") == "committee every 20 drive hal 0.3 warmup 100 from 0 cap 2.5 divisor K"


def test_active_learning_asks_for_a_variance_only_of_a_committee() -> None:
    assert "variance 0.5" in script_of(run_file(guard="active-learning"))
    assert "deviation 0.9" in script_of(run_file(guard={"preset": "active-learning", "deviation": 0.9}))
    alone = run_file(guard="active-learning", potential={"models": MODELS[:1]})
    del alone["committee"]
    assert "variance" not in script_of(alone)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"committee": {"every": 0}}, r"committee\.every"),
        ({"committee": {"drive": "hal"}}, r"committee\.tau.*needed with drive: hal"),
        ({"committee": {"tau": 0.5}}, r"committee\.tau.*is of `drive: hal`"),
        ({"committee": {"drive": "hal", "tau": -1.0}}, r"committee\.tau"),
        ({"committee": {"drive": 7}}, r"committee\.drive.*asks for model 7 of 3"),
        ({"committee": {"divisor": "N"}}, r"committee\.divisor"),
        ({"committee": {"members": 3}}, r"committee\.members.*unknown key"),
        ({"potential": {"models": MODELS[:1]}}, r"committee.*several files"),
        ({"potential": {"lammps": "pair_style zero 5.0\npair_coeff * *"}}, r"committee.*potential\.models"),
        ({"committee": None, "guard": {"variance": 0.5}}, r"guard\.variance.*needs a committee"),
        ({"guard": {"variance": 0.0}}, r"guard\.variance"),
        ({"guard": {"deviation": "much"}}, r"guard\.deviation"),
    ],
)
def test_wrong_committees_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_run_file(run_file(**changes))
