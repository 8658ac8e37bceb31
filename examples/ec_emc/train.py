"""Train the committee of MACE models described in `committee.yaml` with mace's own trainer.

Every member has its own seed and its own random subset of the training frames; the frames that it
does not see are its validation set. All members share architecture, loss and schedule. Training
runs in float32, the saved model is float64. Written for member k, in `models` beside the YAML file:

    ec_emc_<k>.model   torch pickle of the MACE module, float64, on the CPU, no gradients kept
    ec_emc_<k>.json    seed, frames seen, epochs, CPU time, versions

The YAML file may give another name than `ec_emc`, and may ask for a few frames of the files only, as
`failures/few_clusters.yaml` does: `keep: {frames: 20, seed: 1}`.

Example:  python train.py                  # all members, one after the other
          python train.py --members 0 1    # some of them; run several at once on several cores
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import mace  # noqa: F401  (before e3nn, which its import patches)
import numpy as np
import torch
import yaml
from ase import Atoms
from ase.io import read, write
from mace.cli.run_train import run
from mace.tools import build_default_arg_parser
from mace.tools.scripts_utils import extract_config_mace_model

HERE = Path(__file__).parent


def training_frames(plan: dict, folder: Path) -> list[Atoms]:
    """The frames of the plan's files (relative to `folder`); of those with several atoms, what `keep` leaves."""
    frames = [a for name in plan["train_files"] for a in read(folder / name, ":")]
    if "keep" not in plan:
        return frames
    clusters = sum(a.info.get("config_type") != "IsolatedAtom" for a in frames)
    return split(frames, plan["keep"]["frames"] / clusters, plan["keep"]["seed"])[0]


def split(frames: list[Atoms], fraction: float, seed: int) -> tuple[list[Atoms], list[Atoms]]:
    """(seen, unseen): all isolated atoms and a random `fraction` of the other frames; the rest."""
    isolated = [a for a in frames if a.info.get("config_type") == "IsolatedAtom"]
    others = [a for a in frames if a.info.get("config_type") != "IsolatedAtom"]
    order = np.random.default_rng(seed).permutation(len(others))
    cut = round(fraction * len(others))
    return isolated + [others[i] for i in order[:cut]], [others[i] for i in order[cut:]]


def freeze_in_double(trained: torch.nn.Module, frames: list[Atoms]) -> torch.nn.Module:
    """The trained model rebuilt in float64 without gradients.

    Only the weights are rounded to float32; coupling coefficients and atomic energies (eV, from the
    isolated atoms among `frames`) are exact, so that rotational invariance holds to float64.
    """
    torch.set_default_dtype(torch.float64)
    settings = extract_config_mace_model(trained)
    atomic = {a.numbers[0]: a.info["energy_xtb"] for a in frames if len(a) == 1}
    settings["atomic_energies"] = np.array([atomic[int(z)] for z in trained.atomic_numbers])
    model = type(trained)(**settings).eval()
    weights = dict(trained.named_parameters())
    for name, parameter in model.named_parameters():
        parameter.data.copy_(weights[name].data)
        parameter.requires_grad_(False)
    return model


def train_member(number: int, plan: dict, frames: list[Atoms], folder: Path, models: Path) -> None:
    """Train member `number` of `plan` (the parsed YAML) on `frames` in `folder`; write its model and record."""
    member = plan["members"][number]
    seen, unseen = split(frames, member["fraction"], member["seed"])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "train.xyz", seen, format="extxyz")
    write(folder / "valid.xyz", unseen, format="extxyz")
    name = f"{plan.get('name', 'ec_emc')}_{number}"
    options = plan["mace"] | {
        "name": name,
        "seed": member["seed"],
        "work_dir": str(folder),
        "train_file": str(folder / "train.xyz"),
        "valid_file": str(folder / "valid.xyz"),
    }
    (folder / "mace.yaml").write_text(yaml.safe_dump(options))
    started = time.process_time()
    run(build_default_arg_parser().parse_args(["--config", str(folder / "mace.yaml")]))
    seconds = time.process_time() - started

    model = torch.load(folder / f"{name}_stagetwo.model", map_location="cpu", weights_only=False)
    models.mkdir(parents=True, exist_ok=True)
    torch.save(freeze_in_double(model, frames), models / f"{name}.model")
    record = {
        "member": number,
        "seed": member["seed"],
        "fraction": member["fraction"],
        "frames": len(seen),
        "atoms": sum(len(a) for a in seen),
        "parameters": sum(p.numel() for p in model.parameters()),
        "epochs": plan["mace"]["max_num_epochs"],
        "cpu_seconds": round(seconds),
        "torch_threads": torch.get_num_threads(),
        "versions": {p: version(p) for p in ("mace-torch", "torch", "e3nn", "tblite")},
    }
    (models / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--committee", type=Path, default=HERE / "committee.yaml")
    parser.add_argument("--members", type=int, nargs="+", help="default: all")
    parser.add_argument("--models", type=Path, help="where models go (default: models beside the YAML file)")
    parser.add_argument("--work", type=Path, help="checkpoints and logs (default: a temporary folder)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    plan = yaml.safe_load(arguments.committee.read_text())
    frames = training_frames(plan, arguments.committee.parent)
    models = arguments.models or arguments.committee.parent / "models"
    with tempfile.TemporaryDirectory() as scratch:
        work = (arguments.work or Path(scratch)).resolve()
        for number in arguments.members or range(len(plan["members"])):
            train_member(number, plan, frames, work / f"member_{number}", models)


if __name__ == "__main__":
    main()
