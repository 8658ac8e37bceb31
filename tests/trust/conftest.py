"""Tiny real models, and a configuration folder that is not the user's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty XDG_CONFIG_HOME, and no memory of what was allowed."""
    from lamplighter.model_files import trust

    folder = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setattr(trust, "_allowed", set())
    return folder


@pytest.fixture(scope="session")
def mace_network() -> Any:
    """A ScaleShiftMACE for H and O with random weights and two layers, float64."""
    warnings.simplefilter("ignore")
    pytest.importorskip("mace")
    import torch
    from e3nn import o3
    from mace import modules

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return modules.ScaleShiftMACE(
            r_max=4.0,
            num_bessel=4,
            num_polynomial_cutoff=5,
            max_ell=1,
            interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=2,
            hidden_irreps=o3.Irreps("4x0e"),
            MLP_irreps=o3.Irreps("4x0e"),
            gate=torch.tanh,
            atomic_energies=np.array([-1.0, -2.0]),
            avg_num_neighbors=8.0,
            atomic_numbers=[1, 8],
            correlation=2,
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
            radial_type="bessel",
        )
    finally:
        torch.set_default_dtype(before)


@pytest.fixture(scope="session")
def model_file(mace_network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as `.model`, the way mace-torch saves it."""
    import torch

    path = tmp_path_factory.mktemp("models") / "water.model"
    torch.save(mace_network, path)
    return path


@pytest.fixture(scope="session")
def mliap_file(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as the ML-IAP object that mace-torch makes for LAMMPS."""
    import torch
    from mace.calculators.lammps_mliap_mace import LAMMPS_MLIAP_MACE

    network = torch.load(model_file, weights_only=False)
    network.lammps_mliap = True
    path = tmp_path_factory.mktemp("models") / "water-mliap_lammps.pt"
    torch.save(LAMMPS_MLIAP_MACE(network), path)
    return path
