"""Train the committee of GAP models described in `gap.yaml` with `gap_fit`.

Every member has its own random subset of the training frames, and sparse points of its own. Written for member k, in
`models/gap`:

    gap_<k>.xml             the potential, for QUIP and `potential: {kind: gap}`
    gap_<k>.xml.sparseX.*   its sparse points, one file for each pair of elements and each element
    gap_<k>.json            seed, frames seen, CPU time, versions

Sparse points of SOAP are chosen here (farthest points) and rounded *before* the fit, so that the short numbers in the
files are exactly those that were fitted with: a model of 20 decimals would take four times the room.

Example:  python train_gap.py                  # all members, one after the other
          python train_gap.py --members 0 1    # some of them
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
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
from ase.data import atomic_numbers
from ase.io import write
from quippy.descriptors import Descriptor
from training_frames import cpu_of_children, read_frames, split

HERE = Path(__file__).parent
GAP_FIT = Path(sys.executable).parent / "gap_fit"
ELEMENTS = ("H", "C", "O")
#: Vacuum around a cluster, Å.
VACUUM = 20.0


def prepared(frames: list[Atoms]) -> list[Atoms]:
    """The frames as gap_fit reads them: a cell in all, the virial (eV) in place of the stress, isolated atoms named."""
    result = []
    for frame in frames:
        kept = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        kept.info["energy_xtb"] = frame.info["energy_xtb"]
        kept.arrays["forces_xtb"] = frame.arrays["forces_xtb"]
        if frame.pbc.all():
            kept.info["virial_xtb"] = -frame.info["stress_xtb"] * frame.get_volume()
        else:
            kept.set_cell(np.diag(np.ptp(frame.positions, axis=0) + VACUUM))
        if len(frame) == 1:
            kept.info["config_type"] = "isolated_atom"
        result.append(kept)
    return result


def species(element: str) -> str:
    """The words of a SOAP descriptor that make it one of `element` in a system of `ELEMENTS`."""
    numbers = " ".join(str(atomic_numbers[symbol]) for symbol in ELEMENTS)
    return f"n_species={len(ELEMENTS)} Z={atomic_numbers[element]} species_Z={{{numbers}}}"


def farthest_points(points: np.ndarray, number: int, first: int) -> np.ndarray:
    """`number` rows of `points`, (n, d), each the farthest from those before it; beginning with row `first`."""
    chosen = [first]
    distance = np.linalg.norm(points - points[first], axis=1)
    while len(chosen) < number:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[chosen]


def write_numbers(values: np.ndarray, file: Path) -> None:
    """One number a line, as short as it can be without changing it."""
    file.write_text("".join(f"{value!r}\n" for value in values.ravel().tolist()))


def sparse_points(plan: dict[str, Any], frames: list[Atoms], seed: int, folder: Path) -> list[str]:
    """Choose sparse points of each element among `frames`, write them for gap_fit; returns its descriptor strings.

    A line of the file is a number; a point is its cutoff function (1) and its descriptor.
    """
    choice = plan["sparse"]
    random = np.random.default_rng(seed)
    picked = [frames[i] for i in random.permutation(len(frames))[: choice["frames"]]]
    words = []
    for element in ELEMENTS:
        described = f"{plan['soap']} {species(element)}"
        soap = Descriptor(described)
        found = [soap.calc(frame)["data"] for frame in picked if element in frame.symbols]
        rounded = np.unique(np.concatenate(found).round(choice["decimals"]), axis=0)
        number = min(choice["points"], len(rounded))
        points = farthest_points(rounded, number, int(random.integers(len(rounded))))
        file = folder / f"sparse_{element}.txt"
        write_numbers(np.column_stack([np.ones(number), points]), file)
        given = f"n_sparse={number} sparse_method=file sparse_file={file.name} add_species=F"
        words.append(f"{described} {plan['kernel']} {given}".replace("{", "{{").replace("}", "}}"))
    return words


def shorten(folder: Path, name: str, target: Path) -> None:
    """Copy the fitted potential to `target`: sparse points in short numbers, files named after the model.

    The XML file holds a checksum of each file of sparse points.
    """
    text = (folder / "fitted.xml").read_text()
    for number, original in enumerate(re.findall(r'sparseX_filename="([^"]*)"', text)):
        file = target / f"{name}.xml.sparseX.{number}"
        write_numbers(np.loadtxt(folder / original), file)
        old = hashlib.md5((folder / original).read_bytes()).hexdigest()
        if old not in text:
            raise ValueError(f"the checksum of {original}, {old}, is not in the XML file")
        text = text.replace(f'"{original}"', f'"{file.name}"').replace(old, hashlib.md5(file.read_bytes()).hexdigest())
    label = re.search(r'<GAP_params label="([^"]*)"', text)
    assert label is not None
    text = re.sub(r"(<command_line><!\[CDATA\[).*?(\]\]>)", r"\1 \2", text, flags=re.DOTALL)
    (target / f"{name}.xml").write_text(text.replace(label[1], name.upper()))


def train_member(
    name: str,
    member: dict[str, Any],
    plan: dict[str, Any],
    frames: list[Atoms],
    folder: Path,
    models: Path,
    threads: int,
) -> None:
    """Fit one member to its share of `frames` in `folder`; write its files, `<name>.*`, into `models`."""
    folder.mkdir(parents=True)
    began, cpu = time.perf_counter(), time.process_time() + cpu_of_children()
    seen = prepared(split(frames, member["fraction"], member["seed"])[0])
    isolated = prepared([frame for frame in frames if len(frame) == 1])
    write(folder / "train.xyz", isolated + seen, format="extxyz")
    # pairs last: gap_fit checks files of sparse points before it makes one descriptor of pairs six, and miscounts
    descriptors = " : ".join([*sparse_points(plan, seen, member["seed"], folder), plan["pairs"]])
    words = [
        "at_file=train.xyz",
        f"gap={{{descriptors}}}",
        "energy_parameter_name=energy_xtb",
        "force_parameter_name=forces_xtb",
        "virial_parameter_name=virial_xtb",
        "e0_method=isolated",
        f"default_sigma={plan['default_sigma']}",
        "sparse_jitter=1e-8",
        "do_copy_at_file=F",
        "sparse_separate_file=T",
        "gp_file=fitted.xml",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    with (folder / "gap_fit.log").open("w") as log:
        subprocess.run([str(GAP_FIT), *words], cwd=folder, env=environment, stdout=log, stderr=log, check=True)
    wall, cpu = time.perf_counter() - began, time.process_time() + cpu_of_children() - cpu
    models.mkdir(parents=True, exist_ok=True)
    shorten(folder, name, models)
    record = {
        "seed": member["seed"],
        "fraction": member["fraction"],
        "frames": len(seen),
        "wall_seconds": round(wall),
        "cpu_seconds": round(cpu),
        "threads": threads,
        "versions": {"quippy-ase": version("quippy-ase")},
    }
    (models / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, nargs="+", help="default: all")
    parser.add_argument("--models", type=Path, default=HERE / "models" / "gap")
    parser.add_argument("--work", type=Path, help="data and logs (default: a temporary folder)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    plan = yaml.safe_load((HERE / "gap.yaml").read_text())
    frames = read_frames(plan, HERE)
    with tempfile.TemporaryDirectory() as scratch:
        work = (arguments.work or Path(scratch)).resolve()
        for number in arguments.members or range(len(plan["members"])):
            member, name = plan["members"][number], f"gap_{number}"
            train_member(name, member, plan, frames, work / name, arguments.models, arguments.threads)


if __name__ == "__main__":
    main()
