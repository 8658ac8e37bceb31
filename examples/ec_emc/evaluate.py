"""Errors of the committee against GFN2-xTB labels that no member saw in training.

Test sets: `data/xtb_test.xyz` (clusters) and `data/liquid_test.xyz` (periodic frames, from
trajectories that gave no training frame). Predictions and errors are those of `lamplighter errors`
(docs/how_to/model_errors.md), in float64. Writes `results.json` and `results.md`; `--learning-curve FOLDER`
(a member's working folder `member_K` of train.py, trained with save_all_checkpoints) also draws
`learning_curve.png`: test error against CPU time.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path

import mace  # noqa: F401  (before e3nn, which its import patches)
import numpy as np
import torch

from lamplighter.analysis import model_errors
from lamplighter.analysis.bootstrap import resampling
from lamplighter.analysis.model_errors import LabelArrays, committee_mean, label_arrays
from lamplighter.config.potential import PotentialSection
from lamplighter.driver.evaluation import evaluate_frames, open_evaluator
from lamplighter.structures.labelled_frames import LabelledFrames, read_labelled

HERE = Path(__file__).parent
TEST_SETS = {
    "clusters": HERE / "data" / "xtb_test.xyz",
    "liquid": HERE / "data" / "liquid_test.xyz",
}


def predict(model: Path, given: LabelledFrames, threads: int) -> LabelArrays:
    """What a model says of frames, evaluated in LAMMPS."""
    potential = PotentialSection(models=[model.resolve()])
    with open_evaluator(potential, given.elements, threads=threads) as evaluator:
        return label_arrays(list(evaluate_frames(evaluator, given.frames)))


def errors(predicted: LabelArrays, reference: LabelArrays) -> dict[str, float]:
    """RMSE of energy (meV/atom), forces (eV/Å) and, for periodic frames, stress (meV/Å³)."""
    drawn = resampling(len(reference))
    energy = model_errors.energy_errors(predicted, reference, drawn)
    forces = model_errors.force_errors(predicted, reference, drawn)
    stress = model_errors.stress_errors(predicted, reference, drawn)
    table = {
        "frames": len(reference),
        "energy_rmse_meV_per_atom": energy.rmse.value,
        "energy_mean_error_meV_per_atom": energy.mean_error.value,
        "force_rmse_eV_per_A": forces.rmse.value,
        "force_reference_rms_eV_per_A": float(np.sqrt(np.mean(reference.forces**2))),
    }
    if stress is not None:
        table["stress_rmse_meV_per_A3"] = stress.rmse.value
    return {key: round(value, 4) for key, value in table.items()}


def groups(name: str, given: LabelledFrames) -> dict[str, list[int]]:
    """Frame indices by part of a test set: clusters with or without VC; frames by how they were made."""
    parts: dict[str, list[int]] = {}
    for n, frame in enumerate(given.frames):
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


def learning_curve(folder: Path, model_file: Path, cpu_seconds: float, epochs: int, threads: int) -> list[dict]:
    """Test errors of every kept checkpoint; CPU time is shared evenly over the epochs."""
    model = torch.load(model_file, map_location="cpu", weights_only=False)
    sets = {name: read_labelled(path) for name, path in TEST_SETS.items()}
    curve = []
    for path in sorted(folder.glob("checkpoints/*.pt"), key=lambda p: int(re.search(r"epoch-(\d+)", p.name)[1])):
        epoch = int(re.search(r"epoch-(\d+)", path.name)[1]) + 1
        state = torch.load(path, map_location="cpu", weights_only=False)["model"]
        for name, parameter in model.named_parameters():
            parameter.data.copy_(state[name])
        point = {"epoch": epoch, "cpu_seconds": round(cpu_seconds * epoch / epochs)}
        with tempfile.TemporaryDirectory() as place:
            torch.save(model, Path(place) / "checkpoint.model")
            for name, given in sets.items():
                predicted = predict(Path(place) / "checkpoint.model", given, threads)
                point[name] = errors(predicted, label_arrays(given.labels))
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
    files = sorted(arguments.models.glob("*.model"))
    results: dict = {}
    for name, path in TEST_SETS.items():
        given = read_labelled(path)
        reference = label_arrays(given.labels)
        members = {file.stem: predict(file, given, arguments.threads) for file in files}
        mean = committee_mean(list(members.values()))
        results[name] = {label: errors(predicted, reference) for label, predicted in members.items()}
        results[name]["committee mean"] = errors(mean, reference)
        results[name]["parts"] = {
            part: errors(mean.of_frames(np.array(chosen)), reference.of_frames(np.array(chosen)))
            for part, chosen in sorted(groups(name, given).items())
        }
    table = markdown(results)
    print(table)
    if arguments.learning_curve:
        # weights of a checkpoint go with the scale and the normalisation of its own member
        number = arguments.learning_curve.resolve().name.removeprefix("member_")
        member = next(file for file in files if file.stem.endswith(f"_{number}"))
        record = json.loads(member.with_suffix(".json").read_text())
        curve = learning_curve(
            arguments.learning_curve, member, record["cpu_seconds"], record["epochs"], arguments.threads
        )
        results["learning curve"] = curve
        draw(curve, arguments.output / "learning_curve.png")
    (arguments.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.output / "results.md").write_text(table)


if __name__ == "__main__":
    main()
