"""`python -m lamplighter.conformance`: the checks on a potential of another package."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_models import SUBJECTS
from tests.conftest import Run

MODULE = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import small_models

def subjects():
    return [small_models.SUBJECTS[{name!r}](Path({out!r}))]
"""


@pytest.fixture
def name(subject_named) -> str:  # type: ignore[no-untyped-def]
    """A framework that is installed."""
    for each in SUBJECTS:
        try:
            subject_named(each)
        except pytest.skip.Exception:
            continue
        return each
    pytest.skip("no framework is installed in this environment")


def test_the_checks_run_on_a_function_of_another_module(run: Run, python: Path, tmp_path: Path, name: str) -> None:
    folder = str(Path(__file__).parent)
    (tmp_path / "mine.py").write_text(MODULE.format(folder=folder, name=name, out=str(tmp_path)))
    words = ["-v", "-k", "recognised or does_not_know"]
    done = run([python, "-m", "lamplighter.conformance", "mine:subjects", *words], timeout=250)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"test_the_file_is_recognised[{name}] PASSED" in done.stdout
    assert "2 passed" in done.stdout


def test_without_a_function_it_says_how_it_is_called(run: Run, python: Path) -> None:
    done = run([python, "-m", "lamplighter.conformance"])
    assert done.returncode == 2
    assert "MODULE:FUNCTION" in done.stderr
