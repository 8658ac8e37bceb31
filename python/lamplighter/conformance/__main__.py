"""`python -m lamplighter.conformance MODULE:FUNCTION [words for pytest]`: the checks on potentials of any package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from lamplighter.conformance.subject import Subject


class _Subjects:
    """Gives each test the potentials, one after the other."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._subjects = subjects

    def pytest_generate_tests(self, metafunc) -> None:
        if "subject" in metafunc.fixturenames:
            metafunc.parametrize("subject", self._subjects, ids=[each.name for each in self._subjects], scope="session")


def main(arguments: Sequence[str]) -> int:
    """Run the checks; returns pytest's exit status."""
    if not arguments or ":" not in arguments[0]:
        print(__doc__, file=sys.stderr)
        return 2
    import pytest

    sys.path.insert(0, str(Path.cwd()))
    module, _, function = arguments[0].partition(":")
    subjects = getattr(importlib.import_module(module), function)()
    checks = Path(__file__).with_name("checks.py")
    options = ["-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null", "--rootdir", str(checks.parent)]
    options += ["-p", "lamplighter.conformance.fixtures"]
    return int(pytest.main([*options, str(checks), *arguments[1:]], plugins=[_Subjects(subjects)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
