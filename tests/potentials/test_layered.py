"""Networks of convolutions and gates in the native engine, made of e3nn's modules, against torch."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from e3nn import nn, o3
from layered_reference import LayeredReference

from lamplighter.errors import ModelError
from lamplighter.potentials.layered_compile import (
    FORMAT,
    Arrays,
    Interaction,
    integers,
    interaction_arrays,
    perceptron_of,
    together,
)
from lamplighter.potentials.mace_compile import to_bytes
from lamplighter.potentials.native import DifferentArchitectures, NativeMace, random_cluster
from lamplighter.potentials.readout_inputs import ReadoutInputs

ELEMENTS = ["H", "C", "O"]
CUTOFF = 4.0

#: Features between layers, degree of the harmonics, kind of linear layers, cutoff function, solid harmonics, cutoffs.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "scalars": {"features": ["8x0e", "8x0e"], "l_max": 1},
    "without parity": {"features": ["8x0e", "8x0e+6x1e+3x2e", "8x0e"], "l_max": 2, "parity": 1},
    "with parity": {"features": ["6x0e", "5x0e+4x0o+3x1o+2x1e+2x2e", "6x0e+2x1o", "7x0e"], "l_max": 2},
    "degree 3": {"features": ["4x0e", "4x0e+3x1o+2x2e+2x3o", "4x0e"], "l_max": 3, "solid": True},
    "more than one group of channels": {"features": ["33x0e", "33x0e+17x1o", "33x0e"], "l_max": 1},
    "XPLOR and element-wise": {"features": ["8x0e", "8x0e+4x1o", "8x0e"], "l_max": 1, "xplor": True, "species": True},
    "cutoffs of pairs": {"features": ["6x0e", "5x0e+3x1o", "6x0e"], "l_max": 1, "cutoffs": True},
}


@pytest.fixture(scope="module", autouse=True)
def _float64() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def network(
    features: list[str],
    l_max: int,
    *,
    parity: int = -1,
    solid: bool = False,
    xplor: bool = False,
    species: bool = False,
    cutoffs: bool = False,
    seed: int = 1,
) -> Arrays:
    """The arrays of a network with random weights."""
    torch.manual_seed(seed)
    harmonics = o3.Irreps.spherical_harmonics(l_max, parity)
    hidden = [o3.Irreps(each) for each in features]
    arrays: Arrays = {
        "members": integers(1),
        "atomic_numbers": integers(1, 6, 8),
        "l_max": integers(l_max),
        "layers": integers(len(hidden) - 1),
        "r_max": np.array([CUTOFF]),
        "basis.prefactor": np.array([2.0 / CUTOFF]),
        "basis.cutoff": integers(int(xplor)),
        "basis.cutoff_parameter": np.array([3.3 if xplor else 6.0]),
        "readout_activation": integers(1),
        "basis.activation": integers(1),
    }
    if cutoffs:  # of the receiver's element, and the sender's
        arrays["basis.cutoffs"] = np.array([[2.5, 3.0, 2.7], [3.1, CUTOFF, 3.6], [2.9, 3.4, 3.3]])
    own: Arrays = {
        "basis.solid": integers(int(solid)),
        "basis.frequencies": np.pi / CUTOFF * np.arange(1, 7),
        "embedding": np.random.default_rng(seed).normal(size=(3, hidden[0].dim)),
        "scale": np.array([0.7, 0.8, 0.9]),
        "shift": np.array([-1.0, -5.0, -9.0]),
        "readout.0": np.random.default_rng(seed).normal(size=(hidden[-1].dim, 5)) / hidden[-1].dim ** 0.5,
        "readout.1": np.random.default_rng(seed + 1).normal(size=(5, 1)),
    }
    for t, (before, after) in enumerate(itertools.pairwise(hidden)):
        own |= {f"layer.{t}.{name}": value for name, value in _layer(before, after, harmonics, species).items()}
    return arrays | {f"member.0.{name}": value for name, value in own.items()}


def _layer(before: o3.Irreps, after: o3.Irreps, harmonics: o3.Irreps, species: bool) -> Arrays:
    scalars = o3.Irreps([(mul, ir) for mul, ir in after if ir.l == 0])
    gated = o3.Irreps([(mul, ir) for mul, ir in after if ir.l > 0])
    gates = o3.Irreps([(mul, "0e") for mul, _ in gated])
    acts = [torch.nn.functional.silu if ir.p == 1 else torch.tanh for _, ir in scalars]
    gate = nn.Gate(scalars, acts, gates, [torch.nn.functional.silu] * len(gates), gated)
    middle, instructions = [], []
    for i, (mul, ir1) in enumerate(before):
        for j, (_, ir2) in enumerate(harmonics):
            for ir3 in ir1 * ir2:
                if ir3 in gate.irreps_in:
                    instructions.append((i, j, len(middle), "uvu", True))
                    middle.append((mul, ir3))
    ordered, places, _ = o3.Irreps(middle).sort()
    paths = [(i, j, places[k], mode, train) for i, j, k, mode, train in instructions]
    product = o3.TensorProduct(before, harmonics, ordered, paths, internal_weights=False, shared_weights=False)
    radial = nn.FullyConnectedNet([6, 8, product.weight_numel], torch.nn.functional.silu)
    matrices, _ = perceptron_of(radial)
    own = [o3.Linear(before, gate.irreps_in) for _ in range(3 if species else 1)]
    return interaction_arrays(
        Interaction(
            send=[o3.Linear(before, before, biases=not species) for _ in own],
            convolution=product,
            perceptron=matrices,
            mix=o3.Linear(ordered, gate.irreps_in),
            divide=3.0,
            own=own,
            gate=gate,
            irreps_in=before,
        )
    )


def written(path: Path, arrays: Arrays) -> Path:
    labels = {"format": FORMAT, "family": "e3nn", "dtype": "float64", "elements": " ".join(ELEMENTS)}
    path.write_bytes(to_bytes(arrays, labels))
    return path


@pytest.mark.parametrize("activation", range(7))
def test_energies_are_linear_in_what_the_last_layer_sees(tmp_path: Path, activation: int) -> None:
    arrays = network(["6x0e", "5x0e+3x1o", "6x0e"], 1) | {"readout_activation": integers(activation)}
    path = written(tmp_path / "network.lamp", arrays)
    inputs, cluster = ReadoutInputs(path), random_cluster(ELEMENTS, CUTOFF, 20, np.random.default_rng(3))
    first, last = arrays["member.0.readout.0"], arrays["member.0.readout.1"]
    species = [ELEMENTS.index(symbol) for symbol in cluster.symbols]
    readout = inputs.describe(cluster) @ (last if activation else first @ last)[:, 0]
    expected = arrays["member.0.scale"][species] * readout + arrays["member.0.shift"][species]
    np.testing.assert_allclose(NativeMace(path).evaluate(cluster).energies, expected, atol=1e-9)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_energies_forces_and_virials_are_those_of_torch(name: str, tmp_path: Path) -> None:
    arrays = network(**ARCHITECTURES[name])
    path = written(tmp_path / "network.lamp", arrays)
    double, single = NativeMace(path), NativeMace(path, dtype="float32")
    rng = np.random.default_rng(3)
    for size in (1, 2, 5, 20):
        cluster = random_cluster(ELEMENTS, CUTOFF, size, rng)
        energies, forces = LayeredReference(arrays).energy_and_forces(cluster.numbers, cluster.positions)
        found, rough = double.evaluate(cluster), single.evaluate(cluster)
        scale = max(1.0, np.abs(forces).max())
        np.testing.assert_allclose(found.energies, energies, rtol=0, atol=1e-7 * scale)
        np.testing.assert_allclose(found.forces, forces, rtol=0, atol=1e-7 * scale)
        np.testing.assert_allclose(rough.forces, forces, rtol=0, atol=1e-4 * scale)
        expected = cluster.positions.T @ forces
        np.testing.assert_allclose(found.virial, (expected + expected.T) / 2, rtol=0, atol=1e-6 * scale)


def test_members_of_one_architecture_are_evaluated_together(tmp_path: Path) -> None:
    options = ARCHITECTURES["with parity"]
    single = [network(**options, seed=seed) for seed in (1, 2, 3)]
    both = NativeMace(written(tmp_path / "committee.lamp", together(single)))
    assert both.members == 3
    cluster = random_cluster(ELEMENTS, CUTOFF, 12, np.random.default_rng(4))
    for k, evaluation in enumerate(both.evaluate_members(cluster)):
        alone = NativeMace(written(tmp_path / f"{k}.lamp", single[k]))
        np.testing.assert_allclose(evaluation.forces, alone.evaluate(cluster).forces, rtol=0, atol=1e-7)
    with pytest.raises(DifferentArchitectures, match=r"model 2"):
        together([single[0], network(**ARCHITECTURES["without parity"])])
    # what only one of them has, in either order
    repelled = single[1] | {"repulsion": np.array([14.4, 6.0])}
    for pair in ([repelled, single[0]], [single[0], repelled]):
        with pytest.raises(DifferentArchitectures, match=r"model 2 of 2 differs from the first in 'repulsion'"):
            together(pair)


def test_nuclei_repel_each_other_by_the_formula_of_zbl(tmp_path: Path) -> None:
    """In every member, also at distances that no chemistry has, and with cutoffs of pairs."""

    def energy(r: float, zi: int, zj: int, cutoff: float) -> float:
        x, scaled = r / cutoff, r * (zi**0.23 + zj**0.23) / 0.46850
        weights, exponents = (0.02817, 0.28022, 0.50986, 0.18175), (0.20162, 0.40290, 0.94229, 3.19980)
        screening = sum(a * np.exp(-b * scaled) for a, b in zip(weights, exponents, strict=True))
        return 7.2 * zi * zj / r * screening * (1.0 - 28.0 * x**6 + 48.0 * x**7 - 21.0 * x**8)

    single = [network(**ARCHITECTURES["cutoffs of pairs"], seed=seed) for seed in (1, 2)]
    repelled = [each | {"repulsion": np.array([7.2, 6.0])} for each in single]
    bare = NativeMace(written(tmp_path / "bare.lamp", together(single)))
    whole = NativeMace(written(tmp_path / "whole.lamp", together(repelled)))
    cutoffs = single[0]["basis.cutoffs"].reshape(3, 3)
    order = {1: 0, 6: 1, 8: 2}
    for r in (0.13, 0.35, 0.9, 1.5, 2.7):
        pair = Atoms("HO", [[0.0, 0.0, 0.0], [0.0, 0.0, r]])
        expected = [0.0, 0.0, 0.0]  # at r - h, r, r + h
        h = 1e-4 * r
        for zi, zj in ((1, 8), (8, 1)):
            cutoff = cutoffs[order[zi], order[zj]]
            for k in range(3):
                expected[k] += energy(r + (k - 1) * h, zi, zj, cutoff) if r + h < cutoff else 0.0
        for without, with_it in zip(bare.evaluate_members(pair), whole.evaluate_members(pair), strict=True):
            scale = max(1.0, expected[1])
            assert with_it.energy - without.energy == pytest.approx(expected[1], abs=1e-8 * scale)
            force = (with_it.forces - without.forces)[1, 2]
            assert force == pytest.approx((expected[0] - expected[2]) / (2.0 * h), abs=1e-6 * scale / r)


def test_all_instruction_sets_agree(tmp_path: Path) -> None:
    path = written(tmp_path / "network.lamp", network(**ARCHITECTURES["with parity"]))
    program = (
        "import sys, numpy as np\n"
        "from lamplighter.potentials.native import NativeMace, random_cluster\n"
        f"cluster = random_cluster({ELEMENTS}, {CUTOFF}, 15, np.random.default_rng(5))\n"
        "model = NativeMace(sys.argv[1])\n"
        "print(model.summary.split(', ')[2], *map(repr, model.evaluate(cluster).forces.ravel().tolist()))\n"
    )
    found = {}
    for simd in ("baseline", "avx2", "avx512"):
        run = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env=os.environ | {"LAMPLIGHTER_SIMD": simd},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode and "cannot run here" in run.stderr:
            continue
        assert run.returncode == 0, run.stderr
        used, *forces = run.stdout.split()
        assert used == simd
        found[simd] = np.array(forces, dtype=float)
    assert "baseline" in found
    for forces in found.values():
        np.testing.assert_allclose(forces, found["baseline"], rtol=0, atol=1e-9 * max(1.0, np.abs(forces).max()))


def test_files_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    arrays = network(**ARCHITECTURES["without parity"])
    wrong: dict[str, tuple[str, np.ndarray]] = {
        "a path": ("member.0.layer.1.paths", arrays["member.0.layer.1.paths"] + 9),
        "a coupling": ("member.0.layer.1.coupling_places", arrays["member.0.layer.1.coupling_places"] + 8),
        "a gate": ("member.0.layer.0.gate", arrays["member.0.layer.0.gate"] + 7),
        "expected": ("member.0.layer.0.mix.0", arrays["member.0.layer.0.mix.0"][:, :-1]),
        "an input|an output": ("member.0.layer.1.send.pairs", arrays["member.0.layer.1.send.pairs"] - 1),
        "outputs for": ("member.0.layer.1.perceptron.1", arrays["member.0.layer.1.perceptron.1"][:, :-1]),
        "outside of": ("basis.cutoff", integers(2)),
        "cutoff function": ("basis.cutoff_parameter", np.array([900.0])),
        "no length up to r_max": ("basis.cutoffs", np.full((3, 3), CUTOFF + 0.1)),
        "no energy": ("member.0.readout.1", np.ones((5, 2))),
        "finite": ("member.0.scale", np.array([1.0, np.nan, 1.0])),
    }
    for message, (name, value) in wrong.items():
        path = written(tmp_path / "wrong.lamp", arrays | {name: value})
        with pytest.raises(ModelError, match=message):
            NativeMace(path)
    whole = written(tmp_path / "whole.lamp", arrays).read_bytes()
    rng = np.random.default_rng(6)
    for place in rng.integers(8, len(whole), 20):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "flipped.lamp").write_bytes(flipped)
        with pytest.raises(ModelError):
            NativeMace(tmp_path / "flipped.lamp", ELEMENTS)
    (tmp_path / "cut.lamp").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError):
        NativeMace(tmp_path / "cut.lamp", ELEMENTS)


def test_tables_that_cannot_be_fine_enough_are_warned_of(tmp_path: Path) -> None:
    arrays = network(**ARCHITECTURES["scalars"])
    assert "WARNING" not in NativeMace(written(tmp_path / "smooth.lamp", arrays)).summary
    steep = arrays | {"member.0.basis.frequencies": arrays["member.0.basis.frequencies"] * 200.0}
    assert "2048 intervals" in (summary := NativeMace(written(tmp_path / "steep.lamp", steep)).summary)
    assert summary.endswith("WARNING: above the tolerance)")


def test_widths_that_no_perceptron_has_are_refused(tmp_path: Path) -> None:
    arrays = network(**ARCHITECTURES["without parity"])
    one_frequency = {"member.0.basis.frequencies": np.array([1.0])}
    for change in (
        {"member.0.readout.0": np.ones((8, 0)), "member.0.readout.1": np.ones((0, 1))},
        {"member.0.basis.frequencies": np.array([])},
        {"member.0.layer.0.perceptron.0": np.ones((6, 0)), "member.0.layer.0.perceptron.1": np.ones((0, 8))},
        one_frequency | {"member.0.layer.0.perceptron.0": np.ones((1, (1 << 20) + 1))},
    ):
        path = written(tmp_path / "width.lamp", arrays | change)
        with pytest.raises(ModelError, match="width of a perceptron"):
            NativeMace(path)


def test_gates_that_use_features_twice_are_refused(tmp_path: Path) -> None:
    """What was activated is replaced by its slope, which a second row would take for the scalar itself."""
    arrays = network(**ARCHITECTURES["without parity"])
    (scalar, *_), (vector, gate, act), *_ = arrays["member.0.layer.0.gate"].tolist()
    for message, rows in {
        "two rows of a source": [[scalar, -1, act], [scalar, -1, act]],
        "a source that is its own gate": [[scalar, scalar, act]],
        "two rows of a gate": [[vector, gate, act], [gate, gate, act]],
        "a gate that was activated": [[gate, -1, act], [vector, gate, act]],
        "a gate that is activated later": [[vector, gate, act], [gate, -1, act]],
        "as many as nobody needs": [[scalar, -1, act]] * 65,
    }.items():
        change = {"gate": np.array(rows, dtype=np.int64), "gate_factors": np.ones(len(rows))}
        path = written(tmp_path / "gate.lamp", arrays | {f"member.0.layer.0.{k}": v for k, v in change.items()})
        with pytest.raises(ModelError, match="too many rows" if len(rows) > 64 else "features twice"):
            pytest.fail(f"{message}: {NativeMace(path).summary}")


def test_members_that_differ_in_more_than_their_numbers_are_refused(tmp_path: Path) -> None:
    """What all members share is sized and laid out for the first."""
    features = ["6x0e", "5x0e+4x0o+3x1o+2x1e", "7x0e+3x0o"]
    arrays = network(features, l_max=2)
    own = {name.removeprefix("member.0."): value for name, value in arrays.items() if name.startswith("member.0.")}
    paths, places = own["layer.1.paths"], own["layer.1.coupling_places"].copy()
    places[:, 0] = len(paths) - 1 - places[:, 0]
    sources = {
        f"layer.0.{part}.{k}": own[f"layer.0.{part}.{k}"][:, :4]
        for part in ("send", "own")
        for k in range(len(own[f"layer.0.{part}.pairs"]))
    }
    different: dict[str, Arrays] = {
        "paths": {"layer.1.paths": paths[::-1].copy(), "layer.1.coupling_places": places},
        "what the first layer takes": {"layer.0.in": np.array([[0, 4], [0, 2]]), **sources},
        "what the last layer gives": {
            "layer.1.gate": own["layer.1.gate"][:1],
            "layer.1.gate_factors": own["layer.1.gate_factors"][:1],
            "readout.0": own["readout.0"][:7],
        },
    }
    for what, change in different.items():
        other = {f"member.{k}.{name}": value for k in (0, 1) for name, value in (own | change).items()}
        assert NativeMace(written(tmp_path / "alike.lamp", arrays | other | {"members": integers(2)})).members == 2
        for k in (0, 1):  # whichever of the two is the larger one
            changed = {f"member.{j}.{name}": value for j in (0, 1) for name, value in own.items()}
            changed |= {f"member.{k}.{name}": value for name, value in change.items()}
            path = written(tmp_path / "different.lamp", arrays | changed | {"members": integers(2)})
            with pytest.raises(ModelError, match="differ in architecture"):
                pytest.fail(f"{what}: {NativeMace(path).summary}")


def test_what_is_no_compiled_model_is_told_of_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "any.lamp"
    path.write_bytes(b"no model of any kind")
    with pytest.raises(ModelError, match=r"MACE, NequIP or SevenNet model with 'lamplighter compile'"):
        NativeMace(path, ELEMENTS)
