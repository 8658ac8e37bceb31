"""The comparison with ASE gives a complete table, agrees in forces, and leaves nothing running."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "throughput.py"
FLOAT64_DEEPMD = Path(__file__).parents[2] / "examples" / "ec_emc" / "deepmd" / "models" / "ec_emc_dp_0.pb"
QUICK = ("--sizes", "160", "--steps", "2", "--repeats", "1", "--warmup", "1", "--timeout", "200")


def result_of_another(program: str, seconds: float) -> dict[str, object]:
    """One side of another backend, as an earlier run left it."""
    turn = {"steps": 10, "evaluations": 10, "wall_s": 10 * seconds, "model_s": None, "peak_MiB": 100.0}
    return {
        "atoms": 160,
        "program": program,
        "ranks": 1,
        "threads": 1,
        "first_frame_max_force_difference_eV_A": 0.0,
        "first_frame_energy_difference_eV": 0.0,
        "turns": [turn],
    }


RESULTS_OF_ANOTHER = [
    result_of_another("Lamplighter", 0.02),
    result_of_another("ASE", 0.06),
    result_of_another("lmp", 0.022),
]
CONDITIONS = {
    "date": "2026-11-20",
    "machine": {"cpu": "one", "logical_cores": 1},
    "versions": {"deepmd-kit": "3.2.0"},
    "model": {"file": "a.pb"},
    "dtype": "float64",
    "device": "cpu",
    "repeats": 1,
}


def processes_that_mention(text: str) -> list[int]:
    """Processes with a word in their command line, by /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [process for process in found if process != os.getpid()]


def test_what_runs_on_one_rank_is_measured_on_one_rank(run: Run, python: Path, tmp_path: Path) -> None:
    words = [python, SCRIPT, "--backends", "ase", *QUICK, "--layouts", "1x1", "2x1", "--out", tmp_path]
    done = run(words, timeout=250)
    assert done.returncode == 0, done.stderr[-3000:]
    (content,) = json.loads((tmp_path / "throughput.json").read_text(encoding="utf-8"))["measurements"]
    results = {(r["program"], r["ranks"], r["threads"]): r for r in content["results"]}
    assert set(results) == {("Lamplighter", 1, 1), ("ASE", 1, 1)}
    assert all(result["first_frame_max_force_difference_eV_A"] < 1e-8 for result in results.values())


def test_every_kind_of_potential_is_among_the_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    from lamplighter.potentials import registry

    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    backends = importlib.import_module("backends").BACKENDS
    assert set(backends) >= {*registry.installed(), "allegro", "deepmd"}


@pytest.mark.mpi
def test_both_sides_are_measured_and_agree(run: Run, python: Path, tmp_path: Path) -> None:
    # threads that wait must leave the cores to the tests that run beside this one
    before = {"backend": "DeePMD", "results": RESULTS_OF_ANOTHER, **CONDITIONS}
    (tmp_path / "throughput.json").write_text(json.dumps({"measurements": [before]}))
    words = [python, SCRIPT, "--backends", "mace", *QUICK, "--layouts", "1x1", "2x1", "--out", tmp_path]
    done = run(words, env={"OMP_WAIT_POLICY": "passive"}, timeout=250)
    assert done.returncode == 0, done.stderr[-3000:]

    content, other = json.loads((tmp_path / "throughput.json").read_text(encoding="utf-8"))["measurements"]
    assert (content["backend"], other) == ("MACE", before)
    assert content["machine"]["logical_cores"] >= 1
    assert len(content["model"]["sha256"]) == 64
    assert "/" not in content["model"]["file"]
    results = {(r["program"], r["ranks"], r["threads"]): r for r in content["results"]}
    assert set(results) == {("Lamplighter", 1, 1), ("ASE", 1, 1), ("Lamplighter", 2, 1), ("ASE", 1, 2)}
    for result in results.values():
        assert result["first_frame_max_force_difference_eV_A"] < 1e-7
        assert result["ms_per_step"]["median"] > 0
        assert result["us_per_atom_step"]["median"] == pytest.approx(1e3 * result["ms_per_step"]["median"] / 160)
        assert 0 < result["outside_model_share"]["median"] < 1
        assert result["peak_MiB"] > 100
        assert result["turns"][0]["evaluations"] == 2
    ours, ase = results["Lamplighter", 1, 1], results["ASE", 1, 1]
    ratio = ase["ms_per_step"]["median"] / ours["ms_per_step"]["median"]
    assert ours["ase_over_this"]["median"] == pytest.approx(ratio)
    scaling = ours["ms_per_step"]["median"] / results["Lamplighter", 2, 1]["ms_per_step"]["median"]
    assert results["Lamplighter", 2, 1]["one_core_over_this"]["median"] == pytest.approx(scaling)

    assert ours["lmp_over_this"] is None
    table = (tmp_path / "throughput.md").read_text(encoding="utf-8")
    sections = table.split("## ")
    assert [section.splitlines()[0] for section in sections[1:]] == ["MACE", "DeePMD"]
    assert [len([line for line in section.splitlines() if line.startswith("| 160")]) for section in sections[1:]] == [
        4,
        3,
    ]
    first, second, third = [
        line.split("|")[1:] for line in sections[0].splitlines() if line.startswith(("| MACE", "| D"))
    ]
    assert [float(cell.split()[0]) for cell in (first[5], second[5])] == [
        pytest.approx(results[key]["ase_over_this"]["median"], abs=0.006)
        for key in (("Lamplighter", 1, 1), ("Lamplighter", 2, 1))
    ]
    assert [cell.strip() for cell in third[:4]] == ["DeePMD", "160", "1 × 1", "20.00"]
    assert [cell.split()[0] for cell in third[5:7]] == ["3.00", "1.10"]
    assert third[7].strip() == ""  # that run did not note processor times
    assert float(first[7].split()[0]) > 1
    assert table in done.stdout
    assert (tmp_path / "throughput.png").stat().st_size > 10_000


@pytest.fixture
def hears_sigint() -> Iterator[None]:
    """A shell that runs the tests in the background makes them, and so their children, deaf to SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.mpi
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes by /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process(
    python: Path, tmp_path: Path, number: signal.Signals, hears_sigint: None
) -> None:
    # more steps than can be over before the signal
    words = [python, SCRIPT, "--backends", "mace", *QUICK, "--steps", "20000", "--layouts", "2x1"]
    words += ["--out", tmp_path / "out"]
    with subprocess.Popen(
        [str(word) for word in words],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 120
            while len(list(tmp_path.glob("throughput-*/mace/160/side-*/process-*.json"))) < 2:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.05)
            assert len(processes_that_mention(f"{tmp_path}/throughput-")) >= 3
            process.send_signal(number)
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert processes_that_mention(f"{tmp_path}/throughput-") == []
    assert list(tmp_path.glob("throughput-*")) == []


@pytest.mark.mpi
def test_deepmd_is_measured_beside_ase_and_lmp(run: Run, python: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("deepmd") is None:
        pytest.skip("DeePMD-kit is not installed in this environment")
    words = ["--backends", "deepmd", "--model", FLOAT64_DEEPMD, *QUICK, "--layouts", "1x1", "--out", tmp_path]
    done = run([python, SCRIPT, *words], timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    (content,) = json.loads((tmp_path / "throughput.json").read_text(encoding="utf-8"))["measurements"]
    results = {result["program"]: result for result in content["results"]}
    assert set(results) == {"Lamplighter", "ASE", "lmp"}
    assert all(result["first_frame_max_force_difference_eV_A"] < 1e-8 for result in results.values())
    assert 0.2 < results["Lamplighter"]["lmp_over_this"]["median"] < 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backends", "mace", "deepmd", "--model", "a.pb"], "--model is of one backend"),
        (["--backends", "quip"], "invalid choice: 'quip'"),
    ],
)
def test_backends_that_cannot_be_measured_are_refused(run: Run, python: Path, words: list[str], message: str) -> None:
    done = run([python, SCRIPT, *words])
    assert done.returncode == 2
    assert message in done.stderr


def test_sizes_that_are_no_multiple_of_the_frame_are_refused(run: Run, python: Path) -> None:
    done = run([python, SCRIPT, "--sizes", "200"])
    assert done.returncode == 2
    assert "multiples of the 160 atoms of the frame, got 200" in done.stderr


def test_the_frame_is_repeated_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import liquid

    assert liquid.copies(160, 160) == (1, 1, 1)
    assert liquid.copies(640, 160) == (2, 2, 1)
    assert liquid.copies(4320, 160) == (3, 3, 3)
    assert len(liquid.build(640)) == 640
