"""All checks of `lamplighter.conformance` on all backends that are installed."""

from __future__ import annotations

import pytest

from lamplighter.conformance.checks import *  # noqa: F403

# the first check waits for all that is measured in one start of LAMMPS
pytestmark = [pytest.mark.mpi, pytest.mark.timeout(900)]
