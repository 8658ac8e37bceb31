"""A compiled model learns its training set, keeps what it learnt in its file, and holds frames against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors
from ase import Atoms
from ase.io import write

from lamplighter.analysis.prediction_rigidity import Moments
from lamplighter.api.extrapolation import extrapolation
from lamplighter.driver.training_statistics import learn_training_set, require_training_set, stored_training_set
from lamplighter.errors import LamplighterError, ModelError, TrajectoryError
from lamplighter.model_files.describe import describe
from lamplighter.potentials.mace_compile import to_bytes
from lamplighter.potentials.native import NativeMace
from lamplighter.potentials.readout_inputs import ReadoutInputs

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
Arrays = dict[str, np.ndarray]


def test_the_measure_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    f, others = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(5, 6))
    moments = Moments(6)
    for some in np.split(f, [7, 80]):
        moments.add(some)
    c = f.T @ f / 200
    inverse = np.linalg.inv(c + 1e-3 * np.trace(c) / 6 * np.eye(6))
    u, along = moments.rigidity(1e-3).residuals(others)
    np.testing.assert_allclose(u, np.einsum("ni,ij,nj->n", others, inverse, others), rtol=1e-9)
    assert along.shape == (5, 2)
    assert moments.rigidity(0.0).residuals(f)[0].mean() == pytest.approx(6.0)
    few = Moments(6)
    few.add(f[:11])
    with pytest.raises(
        ValueError, match="11 atoms are too few for the 6 inputs of the model's last layers: 12 at least"
    ):
        few.rigidity()


def test_energies_are_linear_in_the_inputs_of_the_last_layers(plain: Path, clusters: list[Atoms]) -> None:
    inputs, native = ReadoutInputs(plain), NativeMace(plain)
    with safetensors.safe_open(str(plain), "np") as file:
        weights = np.concatenate(
            [file.get_tensor("member.0.layer.0.readout"), file.get_tensor("member.0.layer.1.readout_out")]
        )
        scale, own = file.get_tensor("member.0.scale"), file.get_tensor("member.0.energies")
    for atoms in clusters[5:8]:
        zero = own[[inputs.elements.index(symbol) for symbol in atoms.symbols]]
        with safetensors.safe_open(str(plain), "np") as file:
            zero = zero + float(file.get_tensor("member.0.shift")[0])
        mine = zero + scale * (inputs.describe(atoms) @ weights)
        np.testing.assert_allclose(mine, native.evaluate(atoms).energies, atol=1e-8)


def test_a_model_that_learnt_is_the_same_model(plain: Path, learnt: Path, clusters: list[Atoms]) -> None:
    """Readers of the model pass over the section: the energies are equal to the last bit, and `info` has the same."""
    one, two = (NativeMace(path).evaluate(clusters[10]) for path in (plain, learnt))
    assert one.energy == two.energy
    np.testing.assert_array_equal(one.forces, two.forces)
    assert describe(plain).elements == describe(learnt).elements
    assert stored_training_set(plain) is None
    with pytest.raises(LamplighterError, match=r"plain\.lamp knows nothing of its training set: .*--training"):
        require_training_set(plain)


def test_a_stretched_bond_stands_out_and_frames_of_the_training_set_do_not(
    learnt: Path, clusters: list[Atoms], tmp_path: Path
) -> None:
    known = require_training_set(learnt)
    assert known.source["frames"] == sum(len(a) > 1 for a in clusters)
    inside = [a for a in clusters if len(a) > 1]
    broken = inside[0].copy()
    hydrogen = int(np.flatnonzero(broken.symbols == "H")[0])
    partner = int(np.argsort(broken.get_distances(hydrogen, range(len(broken))))[1])
    broken.set_distance(partner, hydrogen, 1.8, fix=0)
    write(tmp_path / "seen.xyz", inside)
    write(tmp_path / "broken.xyz", [inside[0], broken])
    seen = extrapolation(tmp_path / "seen.xyz", learnt, dt="1 ps").result
    assert np.concatenate(seen.flagged).mean() == pytest.approx(seen.share_expected)
    largest = {s: max(q[k == s].max() for q, k in zip(seen.q, seen.symbols, strict=True)) for s in "HCO"}
    assert {s: pytest.approx(u, rel=1e-9) for s, u in known.largest.items()} == largest
    answer = extrapolation(tmp_path / "broken.xyz", learnt, dt="1 ps")
    calm, stretched = answer.result.q
    assert stretched[hydrogen] > 30.0 * calm[hydrogen]
    assert stretched[hydrogen] > known.largest["H"]
    assert "beyond the largest of their element in the training set" in str(answer)
    assert "largest U / threshold" in str(answer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frames: [a for a in frames if len(a) == 1], "holds no frame of two atoms or more"),
        (lambda frames: [Atoms("C2", [[0, 0, 0], [0, 0, 1.3]])] * 9, 'holds no H O in frames .*--elements "C"'),
        (lambda frames: [Atoms("ArH", [[0, 0, 0], [0, 0, 3]])], "holds Ar, and the model knows H C O"),
        (lambda frames: [a for a in frames if len(a) > 1][:1], "atoms of .* and at least 10 are needed"),
        (lambda frames: [a for a in frames if len(a) > 20][:2], "atoms are too few for the 48 inputs"),
        (lambda frames: [*frames, Atoms("CO", np.zeros((2, 3)))], "frame 40 of bad.xyz: .* overlap"),
    ],
)
def test_training_sets_that_say_too_little_are_refused(
    plain: Path, clusters: list[Atoms], tmp_path: Path, change: Callable[[list[Atoms]], list[Atoms]], message: str
) -> None:
    copy = tmp_path / "copy.lamp"
    copy.write_bytes(plain.read_bytes())
    with pytest.raises(TrajectoryError, match=message):
        learn_training_set(copy, Path("bad.xyz"), change(clusters))
    assert copy.read_bytes() == plain.read_bytes()


def _without(name: str) -> Callable[[Arrays, dict[str, str]], object]:
    return lambda arrays, labels: arrays.pop(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, _: a.update({"extrapolation.version": np.array([2])}), r"of version \[2\], .* reads \[1\]"),
        (_without("extrapolation.version"), r"of version \[\]"),
        (_without("extrapolation.points.O"), "lack points.O"),
        (lambda a, labels: labels.pop("extrapolation"), "lack their label"),
        (lambda a, labels: labels.update(extrapolation="{}"), "their label is damaged"),
        (lambda a, labels: labels.update(extrapolation="no JSON"), "their label is damaged"),
        (lambda a, _: a.update({"extrapolation.thresholds": np.ones((2, 5))}), "'thresholds' has the shape"),
        (lambda a, _: a.update({"extrapolation.matrix": np.ones(3)}), "'matrix' has the shape"),
        (lambda a, _: a["extrapolation.matrix"].fill(np.nan), "no finite number"),
        (lambda a, _: a.update({"extrapolation.explained": np.ones(3)}), "has the shape"),
    ],
)
def test_damaged_statistics_are_named(
    learnt: Path, tmp_path: Path, change: Callable[[Arrays, dict[str, str]], object], message: str
) -> None:
    with safetensors.safe_open(str(learnt), "np") as file:
        labels = {key: value for key, value in (file.metadata() or {}).items() if key != "crc32"}
        arrays = {name: file.get_tensor(name).copy() for name in file.keys()}  # noqa: SIM118
    change(arrays, labels)
    bad = tmp_path / "bad.lamp"
    bad.write_bytes(to_bytes(arrays, labels))
    NativeMace(bad)  # the model itself can still be used
    with pytest.raises(ModelError, match=message):
        stored_training_set(bad)
