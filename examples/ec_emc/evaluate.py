"""Errors of the committee against GFN2-xTB labels that no member saw in training.

Test sets and definitions of the errors are those of `accuracy.py`. The committee mean is the mean of the members'
energies, forces and stresses. Writes `results.json` and `results.md`; `--learning-curve FOLDER` (a member's working
folder `member_K` of train.py, trained with save_all_checkpoints) also draws `learning_curve.png`: test error against
CPU time.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import mace  # noqa: F401  (before e3nn, which its import patches)
import numpy as np
import torch
from accuracy import TEST_SETS, Prediction, errors, mean_prediction
from ase import Atoms
from ase.io import read
from mace.data import AtomicData, config_from_atoms
from mace.tools import AtomicNumberTable
from mace.tools.torch_geometric.dataloader import DataLoader

HERE = Path(__file__).parent


def predict(model: torch.nn.Module, frames: list[Atoms], batch: int = 16) -> Prediction:
    """Energies (eV), forces (eV/Å, (N, 3)) and stresses (eV/Å³, (3, 3)), one entry a frame."""
    torch.set_default_dtype(torch.float64)
    table = AtomicNumberTable([int(z) for z in model.atomic_numbers])
    graphs = [AtomicData.from_config(config_from_atoms(a), z_table=table, cutoff=float(model.r_max)) for a in frames]
    result: Prediction = {"energy": [], "forces": [], "stress": []}
    for graph in DataLoader(graphs, batch_size=batch, shuffle=False):
        output = model(graph.to_dict(), compute_stress=True)
        result["energy"] += output["energy"].detach().tolist()
        result["stress"] += list(output["stress"].detach().numpy())
        result["forces"] += np.split(output["forces"].detach().numpy(), graph.ptr[1:-1].numpy())
    return result


def groups(name: str, frames: list[Atoms]) -> dict[str, list[int]]:
    """Frame indices by part of a test set: clusters with or without VC; frames by how they were made."""
    parts: dict[str, list[int]] = {}
    for n, frame in enumerate(frames):
        if name == "clusters":
            part = "with VC" if "VC" in frame.info["Comp"] else "without VC"
        else:
            part = frame.info["config_type"]
        parts.setdefault(part, []).append(n)
    return parts


def markdown(results: dict) -> str:
    """The results as markdown tables."""
    lines = []
    for name, entry in results.items():
        stress = name == "liquid"
        reference = entry["committee mean"]["force_reference_rms_eV_per_A"]
        frames = entry["committee mean"]["frames"]
        lines += [
            f"### {name}: {frames} frames, reference forces {reference:.2f} eV/Å rms",
            "",
            "| model | energy, meV/atom | forces, eV/Å |" + (" stress, meV/Å³ |" if stress else ""),
            "|---|---|---|" + ("---|" if stress else ""),
        ]
        for row, value in entry.items():
            if row == "parts":
                continue
            lines.append(
                f"| {row} | {value['energy_rmse_meV_per_atom']:.2f} | {value['force_rmse_eV_per_A']:.3f} |"
                + (f" {value['stress_rmse_meV_per_A3']:.2f} |" if stress else "")
            )
        for part, value in entry["parts"].items():
            lines.append(
                f"| mean: {part} ({value['frames']}) | {value['energy_rmse_meV_per_atom']:.2f} "
                f"| {value['force_rmse_eV_per_A']:.3f} |"
                + (f" {value['stress_rmse_meV_per_A3']:.2f} |" if stress else "")
            )
        lines.append("")
    return "\n".join(lines)


def learning_curve(folder: Path, model_file: Path, cpu_seconds: float, epochs: int) -> list[dict]:
    """Test errors of every kept checkpoint; CPU time is shared evenly over the epochs."""
    model = torch.load(model_file, map_location="cpu", weights_only=False)
    sets = {name: read(path, ":") for name, path in TEST_SETS.items()}
    curve = []
    for path in sorted(folder.glob("checkpoints/*.pt"), key=lambda p: int(re.search(r"epoch-(\d+)", p.name)[1])):
        epoch = int(re.search(r"epoch-(\d+)", path.name)[1]) + 1
        state = torch.load(path, map_location="cpu", weights_only=False)["model"]
        for name, parameter in model.named_parameters():
            parameter.data.copy_(state[name])
        point = {"epoch": epoch, "cpu_seconds": round(cpu_seconds * epoch / epochs)}
        for name, frames in sets.items():
            point[name] = errors(predict(model, frames), frames)
        curve.append(point)
    return curve


def draw(curve: list[dict], output: Path) -> None:
    """Energy and force test errors against CPU time; the dashed lines are the goals for clusters."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    minutes = [point["cpu_seconds"] / 60 for point in curve]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    panels = (
        ("energy_rmse_meV_per_atom", "energy RMSE, meV/atom", 5.0),
        ("force_rmse_eV_per_A", "force RMSE, eV/Å", 0.10),
    )
    for axis, (key, title, goal) in zip(axes, panels, strict=True):
        for name in TEST_SETS:
            axis.plot(minutes, [point[name][key] for point in curve], "o-", ms=3, label=name)
        axis.axhline(goal, color="0.5", ls="--", lw=1, label="goal (clusters)")
        axis.set(xlabel="training, CPU minutes", ylabel=title, yscale="log")
    axes[0].legend(frameon=False)
    figure.savefig(output, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=Path, default=HERE / "models")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for results.*")
    parser.add_argument("--learning-curve", type=Path, metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    files = sorted(arguments.models.glob("*.model"))
    models = {f.stem: torch.load(f, map_location="cpu", weights_only=False) for f in files}
    results: dict = {}
    for name, path in TEST_SETS.items():
        frames = read(path, ":")
        members = {label: predict(model, frames) for label, model in models.items()}
        mean = mean_prediction(list(members.values()))
        results[name] = {label: errors(p, frames) for label, p in members.items()}
        results[name]["committee mean"] = errors(mean, frames)
        results[name]["parts"] = {
            part: errors({k: [v[n] for n in index] for k, v in mean.items()}, [frames[n] for n in index])
            for part, index in sorted(groups(name, frames).items())
        }
    table = markdown(results)
    print(table)
    if arguments.learning_curve:
        # weights of a checkpoint go with the scale and the normalisation of its own member
        number = arguments.learning_curve.resolve().name.removeprefix("member_")
        member = next(file for file in files if file.stem.endswith(f"_{number}"))
        record = json.loads(member.with_suffix(".json").read_text())
        curve = learning_curve(arguments.learning_curve, member, record["cpu_seconds"], record["epochs"])
        results["learning curve"] = curve
        draw(curve, arguments.output / "learning_curve.png")
    (arguments.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.output / "results.md").write_text(table)


if __name__ == "__main__":
    main()
