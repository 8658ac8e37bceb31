"""`python -m lamplighter.conformance`: the checks on a potential of another package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import Run

from lamplighter.conformance import Subject
from lamplighter.errors import LamplighterError

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "reference" / "potentials.md"


def documented_example() -> str:
    """The module that docs/reference/potentials.md gives as an example."""
    (code,) = re.findall(r"```python\n(# lj_conformance\.py\n.*?)```", DOCUMENTATION.read_text("utf-8"), re.DOTALL)
    return code


@pytest.mark.mpi
@pytest.mark.timeout(900)
def test_the_documented_example_runs_and_a_step_at_the_cutoff_is_found(run: Run, python: Path, tmp_path: Path) -> None:
    example = documented_example()
    (tmp_path / "lj_conformance.py").write_text(example)
    without_excuse = re.sub(r"fails=\{.*?\},", "", example, flags=re.DOTALL).replace('"lj/cut",', '"unexcused",')
    assert without_excuse != example
    (tmp_path / "unexcused.py").write_text(without_excuse)
    (tmp_path / "both.py").write_text(
        "import lj_conformance, unexcused\n\n"
        "def subjects():\n    return lj_conformance.subjects() + unexcused.subjects()\n"
    )
    words = ["-v", "-k", "lj/cut or (unexcused and cutoff)"]
    (tmp_path / "temporary").mkdir()
    temporary = {"TMPDIR": str(tmp_path / "temporary")}
    done = run([python, "-m", "lamplighter.conformance", "both:subjects", *words], env=temporary, timeout=800)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("FAILED")] == [
        line for line in lines if "continuous_at_the_cutoff[unexcused]" in line and line.startswith("FAILED")
    ]
    assert "a step of 0.00" in done.stdout
    assert not list((tmp_path / "temporary").glob("tmp*"))  # LAMMPS has read some dozens of structures
    assert re.search(r"1 failed, \d+ passed, \d+ skipped, \d+ deselected, 1 xfailed", lines[-1])
    assert "test_energy_forces_and_stress_are_those_of_the_reference[lj/cut-2-slab] PASSED" in done.stdout


def test_an_excuse_from_a_check_that_does_not_exist_is_an_error(run: Run, python: Path, tmp_path: Path) -> None:
    wrong = documented_example().replace("an_element_that_it_does_not_know_is_refused", "elements")
    (tmp_path / "mine.py").write_text(wrong)
    done = run([python, "-m", "lamplighter.conformance", "mine:subjects", "-k", "recognised"])
    assert done.returncode == 1
    assert "the subject lj/cut excuses itself from 'elements', and there is no such check" in done.stdout


def test_without_a_function_it_says_how_it_is_called(run: Run, python: Path) -> None:
    done = run([python, "-m", "lamplighter.conformance"])
    assert done.returncode == 2
    assert "MODULE:FUNCTION" in done.stderr


def test_a_subject_of_one_element_is_refused_as_atom_types_could_not_be_told_apart() -> None:
    with pytest.raises(LamplighterError, match="has the elements Ar: name two or more"):
        Subject("toy", Path("a"), Path("b"), ("Ar",), reference=lambda _: None)
