"""A Slurm of one node, started once for all tests of this room that ask for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .one_node_slurm import OneNodeSlurm, lacks


@pytest.fixture(scope="session")
def slurm() -> Iterator[OneNodeSlurm]:
    """A running Slurm; skipped, with the reason, where none can be started."""
    if reason := lacks():
        pytest.skip(f"Slurm: {reason}")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, OneNodeSlurm(Path(folder)) as started:
        yield started
