"""The backends under test, once per session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from subjects import SLOW, SUBJECTS

from lamplighter.conformance import Subject
from lamplighter.conformance.fixtures import evaluations, left_out  # noqa: F401

MINUTES = (pytest.mark.slow, pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(
    scope="session", params=[pytest.param(name, marks=MINUTES if name in SLOW else ()) for name in SUBJECTS]
)
def subject(request: pytest.FixtureRequest, models: Path) -> Subject:
    """A potential under test, or a skip where its framework is not installed."""
    return SUBJECTS[request.param](models)
