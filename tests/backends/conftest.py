"""The backends under test, once per session."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import ase.io
import pytest
import yaml
from tests.conftest import Run

sys.path.insert(0, str(Path(__file__).parent))

from small_models import ELEMENTS
from subjects import SLOW, SUBJECTS

from lamplighter.conformance import Subject, structures
from lamplighter.conformance.fixtures import evaluations, left_out  # noqa: F401

MINUTES = (pytest.mark.slow, pytest.mark.timeout(1800))


WATCH = """
import sys
import lamplighter
lamplighter.run({run!r}, output={output!r}, progress=False, trust=True)
print("imported:", *sorted({{"torch", "nequip", "sevenn", "e3nn"}} & set(sys.modules)))
"""


@pytest.fixture
def start(run: Run, tmp_path: Path) -> Any:
    """Runs a potential for two steps: what was imported, what LAMMPS logged, the record of the models."""
    ase.io.write(tmp_path / "start.extxyz", structures.liquid(ELEMENTS))
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}

    def start(name: str, **content: object) -> tuple[str, str, list[dict[str, str]]]:
        file, folder = tmp_path / f"{name}.yaml", tmp_path / name
        stages = [{"type": "nvt", "temperature": "300 K", "length": "2 steps"}]
        whole = {"structure": "start.extxyz", "velocities": "300 K", "stages": stages, **content}
        file.write_text(yaml.safe_dump(whole))
        done = run([sys.executable, "-c", WATCH.format(run=str(file), output=str(folder))], env=env)
        assert done.returncode == 0, done.stderr
        models = json.loads((folder / "provenance.json").read_text())["models"]
        return done.stdout.splitlines()[-1], (folder / "log.lammps").read_text(), models

    return start


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(
    scope="session", params=[pytest.param(name, marks=MINUTES if name in SLOW else ()) for name in SUBJECTS]
)
def subject(request: pytest.FixtureRequest, models: Path) -> Subject:
    """A potential under test, or a skip where its framework is not installed."""
    return SUBJECTS[request.param](models)
