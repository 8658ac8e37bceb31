"""A step of training MACE on a CPU: as `lamplighter train` does it against MACE's own, in turns.

A step is `take_step` of mace/tools/train.py with loss, gradients and an optimizer that moves nothing. Three ways have
the same modules, weights and batches in one process: MACE's own, with sums in another order, and compiled. Processor
time, which another program on the machine changes less than the clock; ratios are of neighbouring turns.

Example:  python benchmarks/training_order.py --turns 5
"""

from __future__ import annotations

import argparse
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
from results import Spread  # noqa: E402

DATA = ROOT / "examples" / "ec_emc" / "data"
CUTOFF_A = 5.0
BATCHES = sys.modules["mace_step"].FIRST_BATCHES  # of mace_train: after them a step is compiled
ARCHITECTURES = {  # channels, degree of the harmonics, correlation
    "32x0e, l 2, ν 3 (the example's)": ("32x0e", 2, 3),
    "64x0e, l 3, ν 3": ("64x0e", 3, 3),
    "32x0e+32x1o, l 2, ν 2": ("32x0e+32x1o", 2, 2),
    "128x0e+128x1o, l 3, ν 3": ("128x0e+128x1o", 3, 3),
}
RESIDUAL = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]


def batches_of(file: str, frames: int) -> list[Any]:
    """The largest frames of a file of the example in batches of different sizes, as MACE's loader gives them."""
    keys = data.KeySpecification(info_keys={"energy": "energy_xtb"}, arrays_keys={"forces": "forces_xtb"})
    table = AtomicNumberTable([1, 6, 8])
    made = [
        data.AtomicData.from_config(data.config_from_atoms(each, keys), table, cutoff=CUTOFF_A)
        for each in sorted(read(DATA / file, ":"), key=len)[-frames * BATCHES :]
    ]
    return list(torch_geometric.dataloader.DataLoader(made, batch_size=frames, shuffle=False))


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


def epoch(step: Any, model: Any, loss: Any, batches: list[Any]) -> tuple[torch.Tensor, float]:
    """Sum of the gradients by all weights, and the processor time, s."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    outputs = {"forces": True, "virials": False, "stress": False}
    gradients, taken = torch.zeros(sum(each.numel() for each in model.parameters())), 0.0
    for batch in batches:
        begun = time.process_time()
        step(
            model=model, loss_fn=loss, batch=batch, optimizer=optimizer, ema=None, output_args=outputs,
            max_grad_norm=None, device="cpu",
        )  # fmt: skip
        taken += time.process_time() - begun
        grads = [torch.zeros_like(each) if each.grad is None else each.grad for each in model.parameters()]
        gradients += torch.cat([each.flatten() for each in grads])
    return gradients, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--frames", type=int, nargs=2, default=(2, 4), help="of the liquid and of clusters in a batch")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument(
        "--architectures", type=int, nargs="+", default=range(len(ARCHITECTURES)), help="by their number"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(getattr(torch, given.dtype))
    reordered = mace_train.reorder(eager_seconds=0.0)
    compiled = mace_train.TRAIN.take_step
    ways = {"MACE's": compiled.own, "another order": compiled.own, "compiled": compiled}
    print("| architecture | atoms in a batch | MACE's, s | another order, s | compiled, s | MACE's over another order "
          "| MACE's over compiled | gradients differ by |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    loss = modules.WeightedEnergyForcesLoss()
    for file, frames, what in (
        ("liquid_train.xyz", given.frames[0], "liquid"),
        ("xtb_train.xyz", given.frames[1], "clusters"),
    ):
        batches = batches_of(file, frames)
        for name, shape in [list(ARCHITECTURES.items())[each] for each in given.architectures]:
            model = model_of(*shape)
            turns: dict[str, list[tuple[torch.Tensor, float]]] = {way: [] for way in ways}
            for _ in range(given.turns + 1):  # the first of each makes what the others have
                for way, step in ways.items():
                    reordered.active = way != "MACE's"
                    turns[way].append(epoch(step, model, loss, batches))
            own = turns["MACE's"][-1][0]
            apart = max(float((done[-1][0] - own).norm() / own.norm()) for done in turns.values())
            times = {way: [each[1] / len(batches) for each in done[1:]] for way, done in turns.items()}
            ratios = [
                Spread.of([a / b for a, b in zip(times["MACE's"], times[way], strict=True)]) for way in list(ways)[1:]
            ]
            print(
                f"| {name} | {frames} × {what}, {sum(len(each.positions) for each in batches) / len(batches):.0f} | "
                + " | ".join(f"{Spread.of(each).median:.3f}" for each in times.values())
                + " | "
                + " | ".join(each.text("{:.2f}".format) for each in ratios)
                + f" | {apart:.0e} |",
                flush=True,
            )
    print(f"\n{reordered}")


if __name__ == "__main__":
    main()
