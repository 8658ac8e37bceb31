"""CONTRIBUTING.md names files and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
TEXT = (TOP / "CONTRIBUTING.md").read_text("utf-8")

#: In a path, it stands for a name of the reader's own.
PLACEHOLDER = "NAME"


def named_paths() -> list[str]:
    """What the page has in backticks or links and looks like a path of the repository or of the package."""
    found = re.findall(r"`([\w.\-/]+(?:/|\.(?:py|cpp|h|md|lmp|toml|yaml|cff)))`", TEXT)
    found += re.findall(r"\]\(([^)#:]+)\)", TEXT)
    return sorted({each for each in found if PLACEHOLDER not in each})


@pytest.mark.parametrize("name", named_paths())
def test_a_named_file_exists(name: str) -> None:
    assert (TOP / name).exists() or (TOP / "python" / "lamplighter" / name).exists(), name


def test_named_targets_of_make_exist() -> None:
    targets = set(re.findall(r"`make ([\w-]+)", TEXT))
    assert len(targets) > 3
    makefile = (TOP / "Makefile").read_text("utf-8")
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
