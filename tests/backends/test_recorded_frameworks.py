"""Steps of networks that their frameworks evaluate can be recorded, on one rank and on two, as for MACE."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_models import build_allegro, build_nequip, build_sevennet, require
from tests.conftest import Run
from tests.potentials.recorded_dynamics import recorded_dynamics

from lamplighter.conformance import structures


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_dynamics_of_frameworks_are_the_same_in_shapes_that_stay(mpirun: Run, tmp_path: Path, ranks: int) -> None:
    """NequIP's has cutoffs that differ with the elements; Allegro exchanges nothing; a SevenNet has two modalities."""
    require("nequip")
    require("sevenn")
    cutoffs = {"H": {"H": 3.0, "C": 3.5, "O": 3.2}, "C": 4.0, "O": 3.8}
    asked = {
        "nequip": build_nequip(tmp_path / "nequip.nequip.zip", per_edge_type_cutoff=cutoffs),
        "allegro": build_allegro(tmp_path / "allegro.nequip.zip"),
        "sevennet": build_sevennet(tmp_path / "sevennet.pth"),
    }
    words = {name: ("engine bridge dtype float64", str(path)) for name, path in asked.items()}
    words["modality"] = (
        "engine bridge dtype float64 head PBE",
        str(build_sevennet(tmp_path / "modalities.pth", modalities=("R2SCAN", "PBE"))),
    )
    recorded_dynamics(mpirun, ranks, structures.liquid(("H", "C", "O")), words, tmp_path)
