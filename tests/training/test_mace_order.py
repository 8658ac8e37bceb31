"""MACE's sums in another order are MACE's sums: energies, forces, and their gradients by the weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lamplighter.training

SCRIPT = """
import copy, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])  # as the program has it, whose own folder stands first
import mace_train
import numpy as np, torch
from ase.build import molecule
from e3nn import o3
from mace import data, modules
from mace.tools import AtomicNumberTable, torch_geometric

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
frames = [molecule("CH3CH2OH"), molecule("CH4"), molecule("H2O")]
frames[1].set_cell([4.0, 4.2, 4.4]); frames[1].pbc = True
frames[2].positions[2] += 30.0  # an atom without neighbours
table = AtomicNumberTable([1, 6, 8])
keys = data.KeySpecification()
made = [data.AtomicData.from_config(data.config_from_atoms(each, keys), table, cutoff=3.5) for each in frames]
batch = next(iter(torch_geometric.dataloader.DataLoader(made, batch_size=3, shuffle=False)))

ARCHITECTURES = [
    ("RealAgnosticResidualInteractionBlock", "RealAgnosticResidualInteractionBlock", "4x0e", 3, 3),
    ("RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock", "4x0e+4x1o", 2, 2),
    ("RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock", "4x0e+4x1o+4x2e", 2, 3),
    ("RealAgnosticResidualNonLinearInteractionBlock",) * 2 + ("4x0e+4x1o", 2, 2),
]


def gradients(model):
    model.zero_grad()
    out = model(batch.to_dict(), training=True, compute_stress=True)
    loss = out["energy"].square().sum() + out["forces"].square().sum() + out["stress"].square().sum()
    loss.backward()
    of_weights = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return out["energy"].detach(), out["forces"].detach(), out["stress"].detach(), torch.cat(of_weights)


reordered = mace_train.reorder()
for first, other, irreps, l_max, correlation in ARCHITECTURES:
    torch.manual_seed(1)
    more = {"apply_cutoff": False} if "NonLinear" in first else {}
    model = modules.ScaleShiftMACE(
        r_max=3.5, num_bessel=4, num_polynomial_cutoff=5, max_ell=l_max, num_interactions=2, num_elements=3,
        interaction_cls_first=modules.interaction_classes[first], interaction_cls=modules.interaction_classes[other],
        hidden_irreps=o3.Irreps(irreps), MLP_irreps=o3.Irreps("4x0e"), gate=torch.nn.functional.silu,
        atomic_energies=np.zeros((1, 3)), avg_num_neighbors=4.0, atomic_numbers=[1, 6, 8], correlation=correlation,
        radial_MLP=[8], atomic_inter_scale=[1.0], atomic_inter_shift=[0.0], **more,
    )
    reordered.active = False
    expected = gradients(model)
    reordered.active = True
    for step in range(2):  # the first compares each module
        for a, b in zip(expected, gradients(model), strict=True):
            assert float((a - b).abs().max()) <= 1e-11 * float(a.abs().max()), (first, step)
print(reordered)
print("saved:", "conv_fusion" in vars(model.interactions[0]) or "forward" in vars(model.interactions[0]))
"""
INSIDE = Path(lamplighter.training.__file__).parent / "inside"


@pytest.fixture(scope="module")
def said() -> list[str]:
    pytest.importorskip("mace")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, INSIDE], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_energies_forces_stresses_and_gradients_by_the_weights_are_maces_own(said: list[str]) -> None:
    assert "agree with MACE's own" in said[-2]
    assert "left to MACE" not in said[-2], "all of these architectures are known"


def test_saved_modules_know_nothing_of_it(said: list[str]) -> None:
    assert said[-1] == "saved: False"
