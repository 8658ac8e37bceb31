"""Models of NequIP and SevenNet that know their training set, in a run: table, guard, and what energies are made of."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import safetensors
import small_models
from small_models import ELEMENTS

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"


def _model(framework: str) -> Path:
    small_models.require({"NequIP": "nequip", "SevenNet": "sevenn"}[framework])
    if framework == "SevenNet":
        return small_models.sevennet_checkpoint("SevenNet_0__11Jul2024")
    from lamplighter.model_files import trust

    package = EXAMPLE / "frameworks" / "models" / "nequip" / "nequip_0.nequip.zip"
    trust.allow([trust.sha256(package)])
    return package


@pytest.mark.parametrize("framework", ["NequIP", "SevenNet"])
def test_a_compiled_model_knows_its_training_set(framework: str, tmp_path: Path) -> None:
    import lamplighter
    from lamplighter.driver.training_statistics import learn_training_set
    from lamplighter.potentials.bridged_inputs import BridgedInputs
    from lamplighter.potentials.native import NativeMace, compile_files
    from lamplighter.potentials.readout_inputs import ReadoutInputs

    clusters = ase.io.read(EXAMPLE / "data" / "xtb_train.xyz", ":40")
    ase.io.write(tmp_path / "train.xyz", clusters)
    compiled = tmp_path / "model.lamp"
    compile_files([_model(framework)], compiled, ELEMENTS)
    known = learn_training_set(compiled, tmp_path / "train.xyz", clusters)

    inputs, cluster = ReadoutInputs(compiled), clusters[20]
    with safetensors.safe_open(str(compiled), "np") as file:
        weights = file.get_tensor("member.0.readout.0")
        scale, shift = (file.get_tensor(f"member.0.{name}") for name in ("scale", "shift"))
        matrix = file.get_tensor("extrapolation.matrix")
    species = [inputs.elements.index(symbol) for symbol in cluster.symbols]
    energies = scale[species] * (inputs.describe(cluster) @ weights[:, 0]) + shift[species]
    np.testing.assert_allclose(energies, NativeMace(compiled).evaluate(cluster).energies, atol=1e-7)

    # the framework's own evaluation; NequIP has the precision of its file, float32
    on_bridge = BridgedInputs(_model(framework), ELEMENTS).describe(cluster)
    np.testing.assert_allclose(on_bridge, inputs.describe(cluster), atol=1e-5 if framework == "NequIP" else 1e-10)

    liquid = EXAMPLE / "structures" / "ec_emc_160.xyz"
    folder = lamplighter.run(
        {
            "structure": str(liquid),
            "potential": {"models": [str(compiled)], "dtype": "float64"},
            "velocities": "500 K",
            "guard": {"extrapolation": 1e-3},
            "stages": [{"type": "nvt", "temperature": "500 K", "length": "2 steps"}],
        },
        progress=False,
        output=tmp_path / "run",
    ).folder
    start = ase.io.read(liquid)
    u = np.square(inputs.describe(start) @ matrix.T).sum(axis=1)
    largest = np.sqrt(u / [known.largest[symbol] for symbol in start.symbols]).max()
    with (folder / "extrapolation.csv").open() as table:
        row = next(csv.DictReader(table))
    assert float(row["extrapolation_max"]) == pytest.approx(largest, rel=1e-5)
    assert json.loads((folder / "summary.json").read_text())["stability"]["cause"] == "extrapolation"


def test_a_model_that_runs_on_the_bridge_alone_knows_its_training_set(tmp_path: Path) -> None:
    """Allegro, whose last layer sees pairs."""
    small_models.require("allegro")
    import lamplighter
    from lamplighter.driver.training_statistics import learn_beside
    from lamplighter.model_files import trust
    from lamplighter.potentials.bridged_inputs import BridgedInputs

    model = EXAMPLE / "frameworks" / "models" / "allegro" / "allegro_0.nequip.zip"
    trust.allow([trust.sha256(model)])
    clusters = ase.io.read(EXAMPLE / "data" / "xtb_train.xyz", "5:15")
    ase.io.write(tmp_path / "train.xyz", clusters)
    known = learn_beside(model, tmp_path / "own.training", tmp_path / "train.xyz", clusters, ELEMENTS)

    # energies of atoms are linear in what the last layer sees, with one matrix, and a scale and a shift of each element
    inputs = BridgedInputs(model, ELEMENTS)
    f = np.vstack([inputs.describe(atoms) for atoms in clusters])
    symbols = np.concatenate([np.array(atoms.symbols) for atoms in clusters])
    energies = np.concatenate([inputs.evaluate(atoms).eatoms.numpy() for atoms in clusters])
    for symbol in ELEMENTS:
        here = symbols == symbol
        design = np.hstack([f[here], np.ones((here.sum(), 1))])
        fitted, *_ = np.linalg.lstsq(design, energies[here], rcond=None)
        assert np.abs(design @ fitted - energies[here]).max() < 1e-4 < energies[here].std()

    structure = EXAMPLE / "structures" / "ec_emc_160.xyz"
    folder = lamplighter.run(
        {
            "structure": str(structure),
            "potential": {"models": [str(model)], "training_set": str(tmp_path / "own.training")},
            "velocities": "500 K",
            "guard": {"extrapolation": 1e-3},
            "stages": [{"type": "nvt", "temperature": "500 K", "length": "2 steps"}],
        },
        progress=False,
        output=tmp_path / "run",
    ).folder
    start = ase.io.read(structure)
    along = inputs.describe(start) @ known.elements["H"].matrix.T
    largest = np.sqrt((along**2).sum(axis=1) / [known.largest[symbol] for symbol in start.symbols]).max()
    with (folder / "extrapolation.csv").open() as table:
        row = next(csv.DictReader(table))
    assert float(row["extrapolation_max"]) == pytest.approx(largest, rel=1e-4)
    assert json.loads((folder / "summary.json").read_text())["stability"]["cause"] == "extrapolation"
