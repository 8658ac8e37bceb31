"""The benchmark of a production run counts steps a second and says what each part of a step takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "production.py"


@pytest.mark.thorough
def test_hours_and_shares_of_a_guarded_run(run: Run, python: Path) -> None:
    words = ["--sizes", "160", "--steps", "20", "--turns", "1", "--parts", "model", "guard", "--ranks", "1"]
    done = run([python, SCRIPT, *words], timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "| 160 |" in line]
    assert [row[1] for row in rows] == ["model", "guard"]
    for row in rows:
        ms, rate, hours = (float(cell) for cell in row[3:6])
        assert rate == pytest.approx(1000 / ms, rel=0.01)
        assert hours == pytest.approx(2e6 / rate / 3600, rel=0.02)
        shares = [float(cell) for cell in row[8:]]
        assert len(shares) == 6
        assert shares[0] > 50
        assert sum(shares) == pytest.approx(100, abs=1)


def test_turns_of_parts_of_committee_intervals_are_refused(run: Run, python: Path) -> None:
    done = run([python, SCRIPT, "--steps", "30"], timeout=100)
    assert done.returncode == 2
    assert "--steps must be a multiple of 20, got 30" in done.stderr
