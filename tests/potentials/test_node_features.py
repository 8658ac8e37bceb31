"""The features that the native engine hands out are those of mace-torch, in clusters and in cells that repeat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from lamplighter.errors import ModelError
from lamplighter.model_files import mace_package
from lamplighter.potentials.native import NativeMace, compile_files
from lamplighter.potentials.periodic_images import with_images

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
MODELS = [EXAMPLE / "models" / f"ec_emc_{k}.model" for k in (0, 3)]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> NativeMace:
    compiled = tmp_path_factory.mktemp("features") / "two.lamp"
    compile_files(MODELS, compiled)
    return NativeMace(compiled)


def test_features_are_those_of_mace_torch(native: NativeMace) -> None:
    with mace_package.quiet():
        from mace.calculators import MACECalculator

    liquid = read(EXAMPLE / "data" / "liquid_train.xyz", 3)
    film = liquid.copy()
    film.pbc = (True, True, False)
    tilted = liquid.copy()
    tilted.set_cell(liquid.cell.array + np.array([[0, 0, 0], [2, 0, 0], [-1, 3, 0]]))
    cluster = read(EXAMPLE / "data" / "xtb_train.xyz", 20)
    for member, model in enumerate(MODELS):
        with mace_package.quiet():
            theirs = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
        for atoms in (liquid, film, tilted, cluster) if member == 0 else (cluster,):
            expected = theirs.get_descriptors(atoms, invariants_only=True)
            np.testing.assert_allclose(native.describe(atoms, member), expected, atol=1e-9)


def test_features_do_not_know_where_the_cell_begins_or_how_often_it_is_repeated(native: NativeMace) -> None:
    liquid = read(EXAMPLE / "data" / "liquid_train.xyz", 3)
    found = native.describe(liquid)
    assert found.shape == (len(liquid), native.n_features) == (80, 64)
    moved = liquid.copy()
    moved.positions += [3.0, -40.0, 100.0]
    np.testing.assert_allclose(native.describe(moved), found, atol=1e-9)
    np.testing.assert_allclose(native.describe(liquid.repeat((1, 1, 2)))[80:], found, atol=1e-9)


def test_what_cannot_be_described_is_refused(native: NativeMace) -> None:
    with pytest.raises(ModelError, match="not for Ar"):
        native.describe(Atoms("Ar"))
    with pytest.raises(ModelError, match="There are 2 models, and the one asked for is number 3"):
        native.describe(Atoms("H"), 2)
    with pytest.raises(ModelError, match="overlap"):
        native.describe(Atoms("H2", positions=np.zeros((2, 3))))
    with pytest.raises(ModelError, match="the cell vectors that repeat"):
        native.describe(Atoms("H", pbc=True))
    with pytest.raises(ModelError, match="too flat"):
        with_images(np.zeros((1, 3)), np.diag([1e-3, 1e-3, 1e-3]), np.ones(3, dtype=bool), 5.0)
    assert native.describe(Atoms()).shape == (0, 64)
