"""Train a committee of DeePMD models, by default the one of `committee.yaml`, with `dp train` (TensorFlow, CPU).

Every member has its own seed and its own random subset of the training frames; the frames that it does not see are
its validation set. Written for member k, in `models`:

    ec_emc_dp_<k>.pb     frozen model, for `pair_style deepmd`
    ec_emc_dp_<k>.json   seed, frames seen, steps, time, versions

The YAML file may give another name than `ec_emc_dp`.

Example:  python train.py                  # all members, one after the other
          python train.py --members 0 1    # some of them
          python train.py --committee ../frameworks/deepmd.yaml --models ../frameworks/models/deepmd
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import read
from data import write_systems

HERE = Path(__file__).parent
DP = Path(sys.executable).parent / "dp"


def split(frames: list[Atoms], fraction: float, seed: int) -> tuple[list[Atoms], list[Atoms]]:
    """(seen, unseen): a random `fraction` of the frames, and the rest."""
    order = np.random.default_rng(seed).permutation(len(frames))
    cut = round(fraction * len(frames))
    return [frames[i] for i in order[:cut]], [frames[i] for i in order[cut:]]


def training_input(
    plan: dict[str, Any], seed: int, folder: Path, seen: dict[str, list[Path]], unseen: dict[str, list[Path]]
) -> Any:
    """The input of `dp train` in `folder` for one member: the plan's, with its data and seeds."""
    given = copy.deepcopy(plan["deepmd"])
    given["model"]["descriptor"]["seed"] = seed
    given["model"]["fitting_net"]["seed"] = seed
    training = given["training"]
    training["seed"] = seed
    share, clusters, systems = plan["periodic_share"], len(seen["clusters"]), seen["clusters"] + seen["periodic"]
    # relative: the input becomes part of the model file
    training["training_data"]["systems"] = [str(path.relative_to(folder)) for path in systems]
    # of the first systems, and of those after them
    training["training_data"]["auto_prob"] = (
        f"prob_sys_size; 0:{clusters}:{1 - share}; {clusters}:{len(systems)}:{share}"
    )
    validation = unseen["clusters"] + unseen["periodic"]
    training["validation_data"]["systems"] = [str(path.relative_to(folder)) for path in validation]
    return given


def dp(words: list[str], folder: Path, threads: int) -> None:
    """Run a `dp` command in `folder`; its output goes to `dp.log` there.

    Raises:
        subprocess.CalledProcessError: the command failed; the log says why.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "DP_INTRA_OP_PARALLELISM_THREADS": str(threads),
        "DP_INTER_OP_PARALLELISM_THREADS": "1",
    }
    with (folder / "dp.log").open("a") as log:
        subprocess.run([str(DP), "--tf", *words], cwd=folder, env=environment, stdout=log, stderr=log, check=True)


def train_member(
    number: int, plan: dict[str, Any], frames: list[Atoms], folder: Path, models: Path, threads: int
) -> None:
    """Train member `number` of `plan` on `frames` in `folder`; write its model and record."""
    member = plan["members"][number]
    seen, unseen = split(frames, member["fraction"], member["seed"])
    folder.mkdir(parents=True)
    systems = [write_systems(seen, folder / "seen"), write_systems(unseen, folder / "unseen")]
    content = training_input(plan, member["seed"], folder, *systems)
    (folder / "input.json").write_text(json.dumps(content, indent=1))
    began, cpu = time.perf_counter(), cpu_of_children()
    dp(["train", "input.json"], folder, threads)
    wall, cpu = time.perf_counter() - began, cpu_of_children() - cpu
    models.mkdir(parents=True, exist_ok=True)
    name = f"{plan.get('name', 'ec_emc_dp')}_{number}"
    dp(["freeze", "-o", str((models / f"{name}.pb").resolve())], folder, threads)
    record = {
        "member": number,
        "seed": member["seed"],
        "fraction": member["fraction"],
        "frames": len(seen),
        "steps": content["training"]["numb_steps"],
        "wall_seconds": round(wall),
        "cpu_seconds": round(cpu),
        "threads": threads,
        "versions": {package: version(package) for package in ("deepmd-kit", "tensorflow-cpu")},
    }
    (models / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def cpu_of_children() -> float:
    """CPU time of the programs that have been run, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--committee", type=Path, default=HERE / "committee.yaml")
    parser.add_argument("--members", type=int, nargs="+", help="default: all")
    parser.add_argument("--models", type=Path, default=HERE / "models")
    parser.add_argument("--work", type=Path, help="data, checkpoints and logs (default: a temporary folder)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    plan = yaml.safe_load(arguments.committee.read_text())
    folder = arguments.committee.parent
    frames = [frame for name in plan["train_files"] for frame in read(folder / name, ":") if len(frame) > 1]
    with tempfile.TemporaryDirectory() as scratch:
        work = (arguments.work or Path(scratch)).resolve()
        for number in arguments.members or range(len(plan["members"])):
            train_member(number, plan, frames, work / f"member_{number}", arguments.models, arguments.threads)


if __name__ == "__main__":
    main()
