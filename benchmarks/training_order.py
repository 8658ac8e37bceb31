"""A step of training MACE on a CPU: sums in the order of `lamplighter train` against MACE's own, in turns.

A step is a forward pass with forces and the gradient of a loss of them by all weights, as `mace_run_train` makes it.
Both sides have the same modules, weights and frames in one process. Processor time, which another program on the
machine changes less than the clock; ratios are of neighbouring turns.

Example:  python benchmarks/training_order.py --turns 5
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
INSIDE = ROOT / "python" / "lamplighter" / "training" / "inside"
sys.path.insert(0, str(INSIDE))  # as the program itself has it, whose own folder stands first
import mace_train  # type: ignore[import-not-found]  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from ase.io import read  # noqa: E402
from e3nn import o3  # noqa: E402
from mace import data, modules  # noqa: E402
from mace.tools import AtomicNumberTable, torch_geometric  # noqa: E402

DATA = ROOT / "examples" / "ec_emc" / "data"
CUTOFF_A = 5.0
ARCHITECTURES = {  # channels, degree of the harmonics, correlation
    "32x0e, l 2, ν 3 (the example's)": ("32x0e", 2, 3),
    "64x0e, l 3, ν 3": ("64x0e", 3, 3),
    "32x0e+32x1o, l 2, ν 2": ("32x0e+32x1o", 2, 2),
    "128x0e+128x1o, l 3, ν 3": ("128x0e+128x1o", 3, 3),
}
RESIDUAL = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]


def batch_of(file: str, frames: int) -> Any:
    """The largest frames of a file of the example, as MACE's loader gives them."""
    keys = data.KeySpecification(info_keys={"energy": "energy_xtb"}, arrays_keys={"forces": "forces_xtb"})
    table = AtomicNumberTable([1, 6, 8])
    made = [
        data.AtomicData.from_config(data.config_from_atoms(each, keys), table, cutoff=CUTOFF_A)
        for each in sorted(read(DATA / file, ":"), key=len)[-frames:]
    ]
    return next(iter(torch_geometric.dataloader.DataLoader(made, batch_size=frames, shuffle=False)))


def model_of(irreps: str, l_max: int, correlation: int) -> Any:
    """A model with random weights."""
    torch.manual_seed(1)
    return modules.ScaleShiftMACE(
        r_max=CUTOFF_A,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=l_max,
        interaction_cls_first=RESIDUAL,
        interaction_cls=RESIDUAL,
        num_interactions=2,
        num_elements=3,
        hidden_irreps=o3.Irreps(irreps),
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros((1, 3)),
        avg_num_neighbors=25.0,
        atomic_numbers=[1, 6, 8],
        correlation=correlation,
        radial_MLP=[64, 64, 64],
        atomic_inter_scale=[1.0],
        atomic_inter_shift=[0.0],
    )


def step(model: Any, batch: Any) -> tuple[float, torch.Tensor, float]:
    """Loss, its gradient by all weights, and the processor time, s."""
    model.zero_grad()
    begun = time.process_time()
    out = model(batch.to_dict(), training=True, compute_force=True)
    loss = (out["energy"] - batch["energy"]).square().mean() + (out["forces"] - batch["forces"]).square().mean()
    loss.backward()
    taken = time.process_time() - begun
    gradient = torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])
    return float(loss.detach()), gradient, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--frames", type=int, nargs=2, default=(2, 4), help="of the liquid and of clusters in a batch")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(getattr(torch, given.dtype))
    reordered = mace_train.reorder()
    print("| architecture | batch | MACE's order, s | in another order, s | ratio | loss, gradient differ by |")
    print("|---|---|---|---|---|---|")
    for file, frames, what in (
        ("liquid_train.xyz", given.frames[0], "liquid"),
        ("xtb_train.xyz", given.frames[1], "clusters"),
    ):
        batch = batch_of(file, frames)
        for name, shape in ARCHITECTURES.items():
            model = model_of(*shape)
            turns: dict[bool, list[tuple[float, torch.Tensor, float]]] = {False: [], True: []}
            for _ in range(given.turns + 1):  # the first of each makes what the others have
                for side, done in turns.items():
                    reordered.active = side
                    done.append(step(model, batch))
            (loss, gradient, _), (other, turned, _) = turns[False][-1], turns[True][-1]
            own, fast = ([each[2] for each in turns[side][1:]] for side in (False, True))
            ratios = sorted(a / b for a, b in zip(own, fast, strict=True))
            print(
                f"| {name} | {frames} × {what}, {len(batch['positions'])} atoms | {statistics.median(own):.3f} "
                f"| {statistics.median(fast):.3f} | {statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f}) "
                f"| {abs(other - loss) / abs(loss):.0e}, {float((turned - gradient).norm() / gradient.norm()):.0e} |",
                flush=True,
            )
    print(f"\n{reordered}")


if __name__ == "__main__":
    main()
