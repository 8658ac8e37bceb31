"""The profile of a step names the parts of LAMMPS' breakdown and the model's operators."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "profile_step.py"


def test_both_tables_are_printed(run: Run, python: Path, tmp_path: Path) -> None:
    done = run([python, SCRIPT, "--size", "160", "--steps", "1", "--warmup", "1", "--top", "5"], timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("model call", "pair filter, force scatter", "step", "aten::", "others"):
        assert f"| {name}" in done.stdout, name
    shares = [line.split("|")[3] for line in done.stdout.splitlines() if line.startswith("| model call")]
    assert 50 < float(shares[0].strip(" %")) <= 100
