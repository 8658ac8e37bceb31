"""MACE's sums in another order are MACE's sums: energies, forces, and their gradients by the weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lamplighter.training

MODELS = """
import copy, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import mace_train
import numpy as np, torch
from ase import Atoms
from ase.build import molecule
from e3nn import o3
from e3nn.util import jit
from mace import data, modules
from mace.tools import AtomicNumberTable, torch_geometric

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def batch_of(*frames):
    keys, table = data.KeySpecification(), AtomicNumberTable([1, 6, 8])
    made = [data.AtomicData.from_config(data.config_from_atoms(each, keys), table, cutoff=3.5) for each in frames]
    return next(iter(torch_geometric.dataloader.DataLoader(made, batch_size=len(frames), shuffle=False)))


frames = [molecule("CH3CH2OH"), molecule("CH4"), molecule("H2O")]
frames[1].set_cell([4.0, 4.2, 4.4]); frames[1].pbc = True
frames[2].positions[2] += 30.0  # an atom without neighbours
batch, alone = batch_of(*frames), batch_of(Atoms("H"), Atoms("O"))

ARCHITECTURES = [
    ("RealAgnosticResidualInteractionBlock", "RealAgnosticResidualInteractionBlock", "4x0e", 3, 3),
    ("RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock", "4x0e+4x1o", 2, 2),
    ("RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock", "4x0e+4x1o+4x2e", 2, 3),
    ("RealAgnosticResidualNonLinearInteractionBlock",) * 2 + ("4x0e+4x1o", 2, 2),
    ("RealAgnosticInteractionBlock", "RealAgnosticAttResidualInteractionBlock", "4x0e", 2, 2),
]


def model_of(first, other, irreps, l_max, correlation):
    torch.manual_seed(1)
    model = modules.ScaleShiftMACE(
        r_max=3.5, num_bessel=4, num_polynomial_cutoff=5, max_ell=l_max, num_interactions=2, num_elements=3,
        interaction_cls_first=modules.interaction_classes[first], interaction_cls=modules.interaction_classes[other],
        hidden_irreps=o3.Irreps(irreps), MLP_irreps=o3.Irreps("4x0e"), gate=torch.nn.functional.silu,
        atomic_energies=np.zeros((1, 3)), avg_num_neighbors=4.0, atomic_numbers=[1, 6, 8], correlation=correlation,
        radial_MLP=[8], atomic_inter_scale=[1.0], atomic_inter_shift=[0.0],
    )
    for name, each in model.named_parameters():
        if name.endswith(("alpha", "beta")):  # of a density, which begin where it does not count
            each.data += 3.0
    return model


def gradients(model, batch):
    model.zero_grad()
    out = model(batch.to_dict(), training=True, compute_stress=True)
    loss = out["energy"].square().sum() + out["forces"].square().sum() + out["stress"].square().sum()
    loss.backward()
    of_weights = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return out["energy"].detach(), out["forces"].detach(), out["stress"].detach(), torch.cat(of_weights)


def require_equal(expected, found, what):
    for a, b in zip(expected, found, strict=True):
        assert float((a - b).abs().max()) <= 1e-11 * float(a.abs().max()) + 1e-14, what
"""
ORDER = """
reordered = mace_train.reorder()
for architecture in ARCHITECTURES:
    model = model_of(*architecture)
    for of in (alone, batch):
        reordered.active = False
        expected = gradients(model, of)
        reordered.active = True
        for step in range(2):  # the first compares each module
            require_equal(expected, gradients(model, of), (architecture, step))
assert len(reordered.lines) > 20 and all("agrees with" in each for each in reordered.lines), reordered.lines

small = model_of(*ARCHITECTURES[0]).to(torch.float32)
torch.set_default_dtype(torch.float32)
gradients(small, batch_of(*frames))
torch.set_default_dtype(torch.float64)
assert "agrees" in reordered.lines[-1]

model = model_of(*ARCHITECTURES[1])
jit.compile(copy.deepcopy(model))  # MACE writes such a form beside its models
torch.save(model, "model.pt")
out = model(batch.to_dict(), training=False)
torch.save((batch.to_dict(), out["energy"].detach(), out["forces"].detach()), "expected.pt")

mace_train.Contraction.__call__ = lambda self, contraction, sums, elements: (
    contraction.weights_max.sum() * torch.ones(len(sums), sums.shape[1] * self.components) * torch.nan
)
mace_train.Convolution.__init__ = lambda self, product: (_ for _ in ()).throw(NotImplementedError("of a kind unknown"))
model = model_of(*ARCHITECTURES[1])
reordered.active = False
expected = gradients(model, batch)
reordered.active, begun = True, len(reordered.lines)
require_equal(expected, gradients(model, batch), "what is wrong is left to MACE")
print(*reordered.lines[begun:], sep="\\n")
"""
STEP = """
import contextlib, functools, io, os
from pathlib import Path
import mace_step
from mace.modules import loss

compilers = {
    "captured": {"compiler": functools.partial(torch.compile, dynamic=True, fullgraph=True, backend="eager")},
    "compiled": {},
}
compiling = compilers[sys.argv[2]]
reordered = mace_train.reorder(eager_seconds=0.0, **compiling)
architectures = [ARCHITECTURES[int(each)] for each in sys.argv[3:]]
train = mace_train.TRAIN
names = ["H2O", "CH4", "CH3OH", "C2H6", "CH3CH2OH", "CH3OCH3", "H2CO", "C3H8", "HCOOH", "C6H6", "CO2", "CH3CHO"]
batches = [batch_of(*(molecule(each) for each in names[n:n + 3])) for n in range(10)]
periodic = molecule("CH3CH2OH")
periodic.set_cell([4.0, 4.2, 4.4]); periodic.pbc = True
batches += [batch_of(periodic, molecule("CH4"), molecule("C6H6")), batch_of(*(Atoms("H") for _ in range(3)))]
batches += [batch_of(molecule("C2H6"), periodic)]  # two structures, and no example that looks like it
numbers = np.random.default_rng(1)
for each in batches:
    each.forces[:] = torch.from_numpy(numbers.normal(size=each.forces.shape) * 150.0)  # some beyond the loss's limits
    each.energy[:] = 1.0
    each.weight[:] = each.energy_weight[:] = each.forces_weight[:] = each.stress_weight[:] = 0.7
outputs = {"forces": True, "virials": False, "stress": True}


def taken(step, model, loss_fn, batch):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    words = {"optimizer": optimizer, "ema": None, "output_args": outputs, "max_grad_norm": None, "device": "cpu"}
    found, said = step(model=model, loss_fn=loss_fn, batch=batch, **words)
    assert float(said["loss"]) == float(found)
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in model.parameters()]
    return found.detach(), torch.cat([each.flatten().clone() for each in gradients])


own = train.take_step.own
for architecture in architectures:
    model = model_of(*architecture)
    for loss_fn in (loss.UniversalLoss(2.0, 3.0, 4.0), loss.WeightedEnergyForcesStressLoss(2.0, 3.0, 4.0)):
        for batch in batches:
            found, expected = (taken(each, model, loss_fn, batch) for each in (train.take_step, own))
            for a, b in zip(expected, found, strict=True):
                assert float((a - b).abs().max()) <= 1e-10 * float(a.abs().max()) + 1e-14, (architecture, loss_fn)
    second = loss.UniversalLoss(20.0, 3.0, 4.0)  # of MACE's second stage: the same graph with other weights
    found, expected = (taken(each, model, second, batches[1])[0] for each in (train.take_step, own))
    assert abs(float(found - expected)) <= 1e-10 * float(expected)
    # another training of such a model need not wait so long; one that MACE was left with does
    known = any(train.take_step._steps[model].values())
    later = mace_step.CompiledSteps(own, train.take_step._in_maces_order, 1e9, known_seconds=0.0, **compiling)
    model = model_of(*architecture)
    model.atomic_energies_fn.atomic_energies += 0.3  # its frames are others: these numbers are no constants of the step
    for module in model.modules():
        if hasattr(module, "avg_num_neighbors"):
            module.avg_num_neighbors += 1.5
    with contextlib.redirect_stdout(io.StringIO()) as said:
        for each in 2 * batches[:11]:
            taken(later, model, second, each)
    assert ("compiled step agrees with MACE's own" in said.getvalue()) == known, said.getvalue()
print("graphs:", torch._dynamo.utils.counters["stats"]["unique_graphs"])
mark = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]) / "steps_of_mace" / "a_step"
with mace_step._by_one(mark) as one, mace_step._by_one(mark) as other:
    assert (one, other) == (True, False), "one process compiles, and another waits for it"
mace_step._leave(mark)
with mace_step._by_one(mark) as one, mace_step._by_one(mark) as other:
    assert one and other, "what is known is read by all"
"""
PLAIN = """
import torch, mace
batch, energy, forces = torch.load("expected.pt", weights_only=False)
out = torch.load("model.pt", weights_only=False)(batch, training=False)
print(float((out["energy"] - energy).abs().max()), float((out["forces"] - forces).abs().max()))
"""
INSIDE = Path(lamplighter.training.__file__).parent / "inside"


def run(script: str, folder: Path, *words: object, timeout: float = 300) -> str:
    command = [sys.executable, "-c", script, *map(str, words)]
    cache = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, cwd=folder, env=cache)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_numbers_are_maces_own_and_what_differs_is_left_to_it(tmp_path: Path) -> None:
    """All architectures, atoms without neighbours and without pairs, saved and TorchScript models, spoilt modules."""
    pytest.importorskip("mace")
    said = run(MODELS + ORDER, tmp_path, INSIDE).splitlines()
    assert any(
        each.endswith("Contraction in another order agrees with MACE's own to nan (weights free); left to MACE")
        for each in said
    )
    assert any(
        "InteractionBlock in another order failed: of a kind unknown (weights free); left to MACE" in each
        for each in said
    )
    energy, forces = map(float, run(PLAIN, tmp_path).split()[-2:])
    assert max(energy, forces) < 1e-12


def compiled_steps(folder: Path, *words: object) -> list[str]:
    """What became of steps that were compiled."""
    said = run(MODELS + STEP, folder, INSIDE, *words, timeout=800).splitlines()
    return [each for each in said if "compiled step" in each or each.startswith("graphs:")]


@pytest.mark.parametrize(
    "architectures",
    [pytest.param([1], marks=pytest.mark.thorough), pytest.param([0, 2, 3, 4], marks=pytest.mark.slow)],
)
@pytest.mark.timeout(900)
def test_a_traced_step_has_maces_own_gradients(tmp_path: Path, architectures: list[int]) -> None:
    """Batches of all sizes, lone atoms, other numbers of structures, two losses; what cannot be traced is MACE's.

    A training has one graph of a step, and one that begins later has one more: another costs minutes of compiling.
    """
    pytest.importorskip("mace")
    *said, graphs = compiled_steps(tmp_path, "captured", *architectures)
    assert len(said) == 2 * len(architectures)
    agree = sum("agrees with MACE's own" in each and "left to MACE" not in each for each in said)
    assert agree >= min(2 * len(architectures), 4), said
    assert all("agrees with MACE's own" in each or each.endswith("; left to MACE") for each in said)
    assert 0 < int(graphs.split()[-1]) <= agree + len(architectures), (graphs, said)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_step_has_maces_own_gradients(tmp_path: Path) -> None:
    pytest.importorskip("mace")
    *said, _ = compiled_steps(tmp_path, "compiled", 0)
    assert len(said) == 2
    assert all("agrees with MACE's own" in each and "left to MACE" not in each for each in said), said
