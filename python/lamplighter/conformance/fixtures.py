"""Fixtures of the checks: the evaluations of a subject, and which checks it leaves out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamplighter.conformance.evaluations import Evaluations
from lamplighter.conformance.subject import Subject

pytest.register_assert_rewrite("lamplighter.conformance.checks")

from lamplighter.conformance import checks  # noqa: E402 (its assertions show their values only if it is imported now)


@pytest.fixture(scope="session")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluations]:
    opened = Evaluations(tmp_path_factory.mktemp("conformance"))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def left_out(request: pytest.FixtureRequest) -> None:
    """Skip the checks that a subject says do not apply; those that it is known to fail must fail."""
    if "subject" not in request.fixturenames:
        return
    subject: Subject = request.getfixturevalue("subject")
    for name in (*subject.without, *subject.fails):
        if not hasattr(checks, f"test_{name}"):
            pytest.fail(f"the subject {subject.name} excuses itself from {name!r}, and there is no such check")
    check = request.function.__name__.removeprefix("test_")
    if check in subject.without:
        pytest.skip(subject.without[check])
    if check in subject.fails:
        request.node.add_marker(pytest.mark.xfail(reason=subject.fails[check], strict=True))
