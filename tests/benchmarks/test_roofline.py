"""The roofline's counts follow from the architecture, and its limits are measured."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def roofline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "native", raising=False)  # the benchmark of that name
    return importlib.import_module("roofline")


def test_an_edge_without_harmonics_costs_what_the_formula_says(roofline: ModuleType) -> None:
    shape = roofline.Shape(channels=16, l_max=0, layers=1, edges=1, atoms=1, monomials=(1, 0, 0))
    forward, backward = 16 * (12 + 1 + 2), 16 * (24 + 2 + 2 + 2)
    assert roofline.edge_operations(shape) == forward + backward + 8 + 12


def test_operations_grow_with_the_members_parts_only(roofline: ModuleType) -> None:
    small = roofline.Shape(channels=16, l_max=2, layers=2, edges=100, atoms=10, monomials=(9, 9, 0))
    wide = replace(small, channels=64)
    assert roofline.shared_operations(small) == roofline.shared_operations(wide)
    assert 4 < roofline.member_operations(wide) / roofline.member_operations(small) < 16
    assert roofline.bytes_read(small, 8) == 2 * roofline.bytes_read(small, 4)
