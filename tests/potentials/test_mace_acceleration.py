"""The reordered MACE network gives the forces of mace-torch's own order, and is left out where it does not apply."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lammps_evaluation import evaluate

import structures
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.mace import Mace
from lamplighter.potentials.mace_acceleration import RadialTable, ScalarConvolution, TabulatedWeights

ELEMENTS = " ".join(structures.ELEMENTS)
OPTIONS = LoadOptions(elements=structures.ELEMENTS, dtype="float64")


def replaced(model: Mace) -> tuple[int, int]:
    modules = list(model._network.modules())
    return (
        sum(isinstance(module, ScalarConvolution) for module in modules),
        sum(isinstance(module, TabulatedWeights) for module in modules),
    )


def test_scalar_features_get_both_parts_and_vectors_the_table_alone(trained_model: Path, deep_model: Path) -> None:
    assert replaced(Mace.load(trained_model, OPTIONS)) == (2, 0)
    assert replaced(Mace.load(deep_model, OPTIONS)) == (1, 2)


def test_transforms_that_depend_on_elements_are_left_as_they_are(tmp_path: Path) -> None:
    from conftest import build_mace

    path = build_mace(tmp_path / "agnesi.model", channels=4, hidden_ell=0, interactions=2, distance_transform="Agnesi")
    assert replaced(Mace.load(path, OPTIONS)) == (0, 0)


@pytest.mark.parametrize("model", ["trained_model", "deep_model"])
def test_forces_equal_those_of_the_original_order(
    lammps_instance, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    path = request.getfixturevalue(model)
    style = "lamplighter dtype float64 engine bridge"
    found = evaluate(lammps_instance, structures.liquid(), style, f"{path} {ELEMENTS}")
    monkeypatch.setenv("LAMPLIGHTER_MACE", "plain")
    plain = evaluate(lammps_instance, structures.liquid(), style, f"{path} {ELEMENTS}")
    difference = np.abs(found["forces"] - plain["forces"]).max()
    assert 0.0 < difference < 1e-8  # not zero: otherwise the same code ran twice


def test_a_table_has_the_values_and_slopes_of_its_function() -> None:
    grid = np.linspace(0.05, 4.0, 4000)

    def functions(r: np.ndarray) -> np.ndarray:
        return np.stack([np.exp(-r), np.sin(3 * r), r**2, np.exp(-r) + np.sin(3 * r)], axis=1)

    table = RadialTable(grid, functions(grid))
    assert table.outputs.shape == (3, 4)  # the fourth is a sum of others
    r = np.random.default_rng(0).uniform(0.3, 3.99, 500)
    u, slope = table.basis(torch.from_numpy(r))
    np.testing.assert_allclose((u @ table.outputs).numpy(), functions(r), atol=1e-12)
    exact = np.stack([-np.exp(-r), 3 * np.cos(3 * r), 2 * r], axis=1)
    np.testing.assert_allclose((slope @ table.outputs).numpy()[:, :3], exact, atol=1e-8)
