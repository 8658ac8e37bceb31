"""Each framework's small models, once per session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("lamplighter.conformance.checks")
sys.path.insert(0, str(Path(__file__).parent))

from small_models import SUBJECTS  # noqa: E402

from lamplighter.conformance import Subject  # noqa: E402
from lamplighter.conformance.fixtures import evaluations  # noqa: E402, F401


@pytest.fixture(scope="session")
def subject_named(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """`subject_named("nequip")`: a potential under test, or a skip where its framework is not installed."""
    made: dict[str, Subject] = {}

    def get(name: str) -> Subject:
        if name not in made:
            made[name] = SUBJECTS[name](tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture(scope="session", params=SUBJECTS)
def subject(request: pytest.FixtureRequest, subject_named) -> Subject:  # type: ignore[no-untyped-def]
    return subject_named(request.param)
