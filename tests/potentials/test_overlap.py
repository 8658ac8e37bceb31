"""The distance at which atoms overlap is stated in C++ and in Python."""

from __future__ import annotations

import re
from pathlib import Path

from lamplighter.potentials.bridge.overlap import OVERLAP

PAIR_STYLES = Path(__file__).parents[2] / "pair_styles"


def test_atoms_overlap_at_the_same_distance_in_both_languages() -> None:
    found = re.search(r"SHORTEST_DISTANCE = ([\d.]+);", (PAIR_STYLES / "native" / "radial_table.h").read_text())
    assert found is not None
    assert float(found[1]) == OVERLAP
    assert "OVERLAP = lamplighter::SHORTEST_DISTANCE;" in (PAIR_STYLES / "broken_structure.h").read_text()
