"""The files of the repository, as git knows them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """All files that git follows or would follow, relative to the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"these sources are not in a git repository: {listed.stderr.strip()}")
    return [Path(name) for name in listed.stdout.split("\0") if name and (TOP / name).is_file()]
