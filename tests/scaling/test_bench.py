"""`lamplighter bench` on a Lennard-Jones crystal: measured, gone on with, shown, and refused."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase.build import bulk
from ase.io import write

from lamplighter import cli
from lamplighter.config.loading import load_run_file
from lamplighter.errors import LamplighterError
from lamplighter.scaling import budget
from lamplighter.scaling.bench import Wishes, _Course, _too_thin, _variants, network_of
from lamplighter.scaling.bench import bench as measure
from lamplighter.scaling.cases import Case, Variant

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
PROGRAM = Path(sys.executable).parent / "lamplighter"
RUN: dict[str, Any] = {
    "structure": "argon.xyz",
    "potential": {
        "members": [
            ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"],
            ["pair_style lj/cut 7.0", "pair_coeff * * 0.0110 3.40"],
        ]
    },
    "committee": 10,
    "velocities": "80 K",
    "domains": {"processors": "* * 1"},
    "guard": {"temperature": "2000 K", "variance": 10},
    "stages": [{"type": "nve", "length": "1 ps", "timestep": "2 fs"}],
}
WORDS = ["run.yaml", "--skin", "1", "--committee", "5", "--sizes", "256,512", "--each", "1s"]


def bench(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "bench", *words]
    env = {**os.environ, **settings}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False, env=env)


def system(folder: Path) -> None:
    write(folder / "argon.xyz", bulk("Ar", "fcc", a=5.26, cubic=True) * (4, 4, 4))
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    system(folder)
    done = bench(folder, *WORDS, "--ranks", "1", "--budget", "4min", "--json")
    assert done.returncode == 0, done.stderr
    (folder / "said.json").write_text(done.stdout)
    return folder


def test_all_is_measured_and_left_in_the_folder(measured: Path) -> None:
    found = json.loads((measured / "said.json").read_text())
    assert [(each["atoms"], each["ranks"]) for each in found["measurements"]] == [(256, 1), (512, 1)]
    first = found["measurements"][0]
    assert {"guard", "committee 5", "skin 1", "thermo", "trajectory", "restart"} == set(first["added"])
    assert found["measurements"][1]["added"] == {}
    assert first["cutoff_A"] == 9.0
    assert first["density"] == pytest.approx(4 / 5.26**3)
    # all atoms are in the cell, their images within 9 Å around it
    assert first["ghosts"] == pytest.approx(4 / 5.26**3 * ((21.04 + 18.0) ** 3 - 21.04**3), rel=0.15)
    assert sum(first["parts"].values()) == pytest.approx(first["step"]["seconds"], rel=0.5)
    assert found["fits"][0]["terms"]["messages"]["value"] is None
    assert {"ranks", "skin", "committee interval"} == {each["what"] for each in found["advice"]}
    left = measured / "bench"
    for name in ("bench.html", "bench.txt", "result.json", "bench_measurements.csv", "strong.png", "breakdown.png"):
        assert (left / name).stat().st_size > 200, name
    page = (left / "bench.html").read_text()
    assert "What to choose" in page
    assert "<script" not in page
    assert len((left / "measurements.jsonl").read_text().splitlines()) == 2
    assert len([*(left / "forces").iterdir()]) == 2


@pytest.mark.mpi
def test_the_same_command_goes_on_and_what_changed_is_named(measured: Path) -> None:
    lines = measured / "bench" / "measurements.jsonl"
    before = lines.read_text()
    lines.write_text(before + '{"key": "torn')
    done = bench(measured, *WORDS, "--ranks", "1,2", "--budget", "4min", "--sizes", "256", LAMPLIGHTER_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 measurements are there already" in done.stderr
    assert "ranks was [1] and is [1, 2]; what was measured before is kept" in done.stderr
    assert lines.read_text().startswith(before)
    made = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(each["atoms"], each["ranks"]) for each in made] == [(256, 1), (512, 1), (256, 2)]
    assert sorted(made[2]["grid"][:2]) == [1, 2]  # as the run file says
    apart = made[2]["blocks"]["synchronised"]
    assert all(each["parts"]["Comm"] > 0.0 and each["parts"]["Sync"] > 0.0 for each in apart)
    assert "exchange alone" in done.stdout

    edited = {**RUN, "stages": [{"type": "nve", "length": "1 ps", "timestep": "1 fs"}]}
    (measured / "other.yaml").write_text(yaml.safe_dump(edited))
    other = bench(measured, "other.yaml", *WORDS[1:], "--ranks", "1", "--budget", "30s")
    assert other.returncode == 1
    assert "other settings: timestep was 2 fs and is 1 fs" in other.stderr
    settings = measured / "bench" / "bench.json"
    text = settings.read_text()
    content = json.loads(text)
    content["machine"]["cpu"] = "Another CPU"
    settings.write_text(json.dumps(content))
    foreign = bench(measured, *WORDS, "--ranks", "1", "--budget", "30s")
    settings.write_text(text)
    assert foreign.returncode == 1
    assert "measurements of another machine (cpu: Another CPU" in foreign.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ranks", "100000"], "ranks that share a core measure the scheduler"),
        (["--sizes", "100"], "--sizes 100 is no multiple of the 256 atoms"),
        (["--budget", "3s"], "--budget 3 s is too short for a single measurement"),
        (["--budget", "10"], "--budget: 10 could be seconds, minutes or hours"),
        (["--engine", "warp"], "--engine 'warp': it must be one of native, torch-fast, symmetrix, bridge, auto"),
        (["--engine", "native"], "--engine is of models that Lamplighter evaluates"),
        (["--dtype", "float16"], "--dtype 'float16': it must be one of"),
        (["--model", "missing.model"], "missing.model does not exist"),
        (["--committee", "0"], "numbers must be positive"),
        (["--launcher", "srun -n 4"], "must hold {ranks}"),
        (["--latency", "-2"], "latency s of the network must be positive"),
        (["-o", "."], "no folder of a benchmark"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["bench", "run.yaml", *words]
    monkeypatch.setattr(sys, "argv", ["lamplighter", *words])
    with contextlib.suppress(SystemExit):
        cli._status(words)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "bench").exists()


def test_models_of_several_frameworks_stand_beside_each_other(tmp_path: Path) -> None:
    system(tmp_path)
    models = [EXAMPLE / "frameworks/models/deepmd/deepmd_0.pb", EXAMPLE / "models/ec_emc_0.model"]
    network = network_of(2e-6, 12.5e9, 2, None, None)
    made = _variants(load_run_file(tmp_path / "run.yaml"), Wishes(tmp_path / "run.yaml", 1.0, network, models=models))
    assert [(each.name, each.run.potential.evaluated_by) for each in made] == [
        ("deepmd_0", "deepmd"),
        ("ec_emc_0", "lamplighter"),
    ]


def test_a_budget_that_is_too_short_says_so_and_domains_may_be_too_thin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system(tmp_path)
    slow = {**RUN, "structure": {"file": "argon.xyz", "replicate": [8, 8, 8]}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(slow))
    monkeypatch.setattr(budget, "SHORTEST_S", 1.0)
    network = network_of(2e-6, 12.5e9, 2, None, None)
    wishes = Wishes(tmp_path / "run.yaml", 1.5, network, ranks=[1], sizes=[2097152])
    with pytest.raises(LamplighterError, match=r"not a single measurement was made in 1\.5 s"):
        measure(wishes, tmp_path / "bench", lambda line: None)
    assert not (tmp_path / "bench" / "measurements.jsonl").exists()

    run = load_run_file(tmp_path / "run.yaml")
    variant = Variant("lj", run, "lj", "auto", "auto")
    course = _Course(0.0, cutoffs={"lj": 9.0})
    thin = Case(variant, (1, 1, 1), 256, 4, None, ())
    assert _too_thin(thin, course, [21.0, 21.0, 10.0]) == ""
    assert "5.0 Å thin, less than the cutoff of 7.0 Å" in _too_thin(thin, course, [10.0, 10.0, 10.0])


def test_a_potential_that_was_not_measured_is_not_held_to_what_faster_ones_take(tmp_path: Path) -> None:
    system(tmp_path)
    run = load_run_file(tmp_path / "run.yaml")
    fast, slow = (Case(Variant(name, run, name, "auto", "auto"), (1, 1, 1), 160, 1, None, ()) for name in "ab")
    known = [budget.Cost(startup_s=3.0, step_s=0.002, atoms=160, ranks=1, variant="a")]
    limits = [budget.limit(case, known, budget.share(case, known, 600.0, 30), 600.0) for case in (fast, slow)]
    assert limits == [120.0, 300.0]
    assert budget.limit(slow, [], budget.share(slow, [], 600.0, 30), 600.0) == 600.0
