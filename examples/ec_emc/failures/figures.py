"""Draw what the runs of this folder did, from their run folders; print the numbers that the README quotes.

    bond.png         against time: the committee's largest force variance, that of the two atoms whose bond broke, the
                     bond, and the force on one of them in its molecule alone: true error and deviation
    evaporation.png  density against time: models of 20 clusters at 500 K, the example's models at 500 K and 1000 K
    variance.png     force variance of every atom in 20 ps of the example's committee, by element

The force variance of atom i is σ²_i = (1/K) Σ_k |F_i^k − F̄_i|², eV²/Å², as in `committee.csv`. That file has the
largest only; those of single atoms are taken from the frames of the trajectory, with mace-torch in float64.

Example:  python figures.py                      # all three
          python figures.py bond --runs elsewhere
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.io import read
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent
sys.path.insert(0, str(EXAMPLE))
from evaluate import predict  # noqa: E402  (scripts of the folder above)
from generate_clusters import label_cluster  # noqa: E402
from molecules import bond_graph, find_molecules  # noqa: E402

# Okabe & Ito's palette, told apart by colour-blind readers
COLOURS = {"H": "#999999", "C": "#000000", "O": "#E69F00"}
BLUE, GREEN, VERMILION = "#0072B2", "#009E73", "#D55E00"
SELECTED_ABOVE = 0.5  # eV²/Å²; active learning takes configurations beyond it
FEW_CLUSTERS = sorted(HERE.glob("models/few_clusters_*.model"))
TRAINED = sorted(EXAMPLE.glob("models/ec_emc_*.model"))


def table(file: Path) -> np.ndarray:
    """A CSV file with a header, as a structured array."""
    return np.genfromtxt(file, delimiter=",", names=True, encoding="utf-8")


def event(folder: Path) -> dict | None:
    """The first event of a run, or None."""
    file = folder / "events.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return json.loads(lines[0]) if lines else None


def forces_of(files: list[Path], frames: list[Atoms]) -> np.ndarray:
    """Forces of all models on all frames, eV/Å, shape (models, frames, atoms, 3)."""
    models = [torch.load(file, map_location="cpu", weights_only=False) for file in files]
    return np.array([predict(model, frames, batch=4)["forces"] for model in models])


def variance(forces: np.ndarray) -> np.ndarray:
    """Force variance of each atom over the models (first axis), divisor K, eV²/Å², shape (frames, atoms)."""
    return np.square(forces - forces.mean(axis=0)).sum(axis=-1).mean(axis=0)


def alone(frame: Atoms, molecule: np.ndarray) -> Atoms:
    """One molecule of a periodic frame in vacuum, whole."""
    part = frame[molecule]
    return Atoms(part.numbers, part.get_distances(0, np.arange(len(part)), mic=True, vector=True))


def tidy(axis: Axes, **labels: str) -> None:
    axis.set(**labels)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="0.92", linewidth=0.6)
    axis.set_axisbelow(True)


def frames_to_failure(folder: Path) -> tuple[np.ndarray, list[Atoms]]:
    """Steps and frames of a trajectory, and the failing frame behind them."""
    frames = read(folder / "trajectory.lammpstrj.gz", ":")
    last = read(folder / "failure.xyz", -1)
    steps = [f.info["timestep"] for f in frames]
    if steps[-1] == last.info["step"]:
        return np.array(steps), frames
    return np.array([*steps, last.info["step"]]), [*frames, last]


def draw_bond(runs: Path) -> Figure:
    folder = runs / "bond_1000K"
    failure = event(folder)
    assert failure is not None, f"{folder}: no event"
    committee = table(folder / "committee.csv")
    steps, frames = frames_to_failure(folder)
    time = steps * failure["time"] / failure["step"]
    pair = np.array(failure["atoms"][:2]) - 1
    names = [f"{element}{number}" for element, number in zip(failure["elements"], failure["atoms"], strict=True)][:2]
    of_atoms = variance(forces_of(FEW_CLUSTERS, frames))

    figure = Figure(figsize=(7, 8.6), layout="constrained")
    largest, bonded, length, error = axes = figure.subplots(4, 1, sharex=True)
    for element, colour in COLOURS.items():
        values = committee[f"variance_max_{element}_eV2_A2"]
        largest.plot(committee["time_ps"], values, color=colour, lw=1, label=element)
    tidy(largest, yscale="log", ylabel="largest σ² / (eV²/Å²)")
    largest.set_title("Five models of 20 clusters: 640 atoms, 1000 K, 1 atm", fontsize="medium")

    for atom, name, colour in zip(pair, names, (VERMILION, BLUE), strict=True):
        bonded.plot(time, of_atoms[:, atom], color=colour, lw=1.2, label=name)
    bonded.plot(time, np.median(of_atoms, axis=1), color="0.6", lw=1, label="median of all atoms")
    tidy(bonded, yscale="log", ylabel="σ² / (eV²/Å²)")

    lengths = np.array([frame.get_distance(*pair, mic=True) for frame in frames])
    length.plot(time, lengths - failure["reference_length"], color=BLUE, lw=1.2, label=f"bond {'–'.join(names)}")
    length.axhline(failure["limit"], color="0.5", lw=1, ls="--", label="limit")
    tidy(length, ylabel="beyond its mean / Å")

    molecule = next(m for m in find_molecules(frames[0]) if pair[0] in m)
    draw_error(error, time, [alone(frame, molecule) for frame in frames], list(molecule).index(pair[1]), names[1])
    tidy(error, xlabel="time / ps", ylabel="force / (eV/Å)")
    for axis in axes:
        axis.axvline(failure["time"], color="0.3", lw=0.8, ls=":")
        axis.legend(frameon=False, ncols=3, fontsize="small", loc="upper left")
        axis.set_ylim(None, axis.get_ylim()[1] * (4 if axis.get_yscale() == "log" else 1.25))
    print_rise(committee, failure)
    print_bond(time, of_atoms, pair, frames)
    return figure


def draw_error(axis: Axes, time: np.ndarray, molecules: list[Atoms], atom: int, name: str) -> None:
    """Force on an atom of a molecule in vacuum: the error of the model that drives, and the committee's deviation."""
    labelled = [label_cluster(molecule, np.inf) for molecule in molecules]
    reference = np.array([m.arrays["forces_xtb"] for m in labelled])
    energy = np.array([m.info["energy_xtb"] for m in labelled])
    forces = forces_of(FEW_CLUSTERS, molecules)
    error = np.linalg.norm(forces[0] - reference, axis=-1)[:, atom]
    deviation = np.sqrt(variance(forces))[:, atom]
    axis.plot(time, error, color="k", lw=1.2, label=f"{name}: error against GFN2-xTB")
    axis.plot(time, deviation, color=BLUE, lw=1.2, label="deviation of the committee, σ")
    early = time < 0.8 * time[-1]
    print(
        f"bond: {name} in vacuum: error {np.median(error[early]):.2f} eV/Å (median of the first 80 %), "
        f"{error[-1]:.2f} at the failure; deviation {np.median(deviation[early]):.2f} and {deviation[-1]:.2f}; "
        f"correlation {np.corrcoef(error, deviation)[0, 1]:.2f}; "
        f"GFN2-xTB energy {energy[-1] - energy[early].mean():.2f} eV above its mean"
    )


def print_rise(committee: np.ndarray, failure: dict) -> None:
    """When the largest variance passed levels, against the time of the failure."""
    time, largest = committee["time_ps"], committee["variance_max_eV2_A2"]
    print(f"bond: broke at {failure['time']:.4f} ps; largest variance at the start {largest[0]:.2f} eV²/Å²")
    print(f"bond: median of the largest {np.median(largest):.2f}, largest of the run {largest.max():.2f} eV²/Å²")
    for level in (SELECTED_ABOVE, 1.0, 2.0, 4.0):
        above = time[largest > level]
        if len(above):
            print(f"bond: {level} eV²/Å² first at {above[0]:.4f} ps, {failure['time'] - above[0]:.4f} ps before")


def print_bond(time: np.ndarray, of_atoms: np.ndarray, pair: np.ndarray, frames: list[Atoms]) -> None:
    """The variance of the bond's atoms before and at the failure, and which atoms have the largest of all."""
    early = time < 0.8 * time[-1]
    for atom in pair:
        values = of_atoms[:, atom]
        print(
            f"bond: atom {atom + 1}: median of the first 80 % {np.median(values[early]):.2f}, largest there "
            f"{values[early].max():.2f}, last frames {np.round(values[-12:], 2).tolist()} eV²/Å²"
        )
    oxygens = (bond_graph(frames[0])[:, frames[0].numbers == 8]).sum(axis=1)
    carbonyl = (frames[0].numbers == 6) & (np.asarray(oxygens).ravel() == 3)
    share = carbonyl[of_atoms.argmax(axis=1)].mean()
    print(f"bond: the largest variance is that of a carbonyl carbon in {100 * share:.0f} % of the frames")


def draw_evaporation(runs: Path) -> Figure:
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axis = figure.subplots()
    for name, label, colour in (
        ("evaporation_500K", "model of 20 clusters, 500 K", BLUE),
        ("trained_500K", "the example's model, 500 K", GREEN),
        ("trained_1000K", "the example's model, 1000 K", VERMILION),
    ):
        rows, failure = table(runs / name / "thermo.csv"), event(runs / name)
        axis.plot(rows["time_ps"], rows["density_g_cm3"], color=colour, lw=1.2, label=label)
        if failure:
            axis.plot(failure["time"], failure["value"], "x", color=colour, ms=8)
        half = rows["density_g_cm3"][rows["time_ps"] > 0.5 * rows["time_ps"][-1]]
        print(
            f"evaporation: {name} ends at {rows['time_ps'][-1]} ps; mean density of its second half {half.mean():.3f}"
        )
    axis.axhline(0.2, color="0.5", lw=1, ls="--")
    axis.set_ylim(0, None)
    axis.legend(frameon=False, fontsize="small", loc="center right")
    tidy(axis, xlabel="time / ps", ylabel="density / (g/cm³)", title="160 atoms, 1 atm; ×: the guard ends the run")
    return figure


def draw_variance(runs: Path) -> Figure:
    committee = table(runs / "trained_500K" / "committee.csv")
    frames = read(runs / "trained_500K" / "trajectory.lammpstrj.gz", "::4")
    symbols = np.array(frames[0].get_chemical_symbols())
    of_atoms = variance(forces_of(TRAINED, frames))
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    edges = np.logspace(-5, 0.5, 56)
    for element, colour in COLOURS.items():
        values = of_atoms[:, symbols == element].ravel()
        left.hist(
            values,
            edges,
            density=False,
            weights=np.full(len(values), 1 / len(values)),
            histtype="step",
            color=colour,
            lw=1.3,
            label=element,
        )
        print(
            f"variance: {element}: median {np.median(values):.4f}, 99 % {np.quantile(values, 0.99):.4f}, "
            f"largest {values.max():.4f} eV²/Å² of {len(values)} values"
        )
    left.set_xscale("log")
    left.legend(frameon=False)
    tidy(left, xlabel="σ² of an atom / (eV²/Å²)", ylabel="share of the atoms")
    right.plot(committee["time_ps"], committee["variance_max_eV2_A2"], color=BLUE, lw=0.7)
    right.set_ylim(0, None)
    tidy(right, xlabel="time / ps", ylabel="largest σ² / (eV²/Å²)")
    for axis, line in ((left, "axvline"), (right, "axhline")):
        getattr(axis, line)(SELECTED_ABOVE, color="0.5", lw=1, ls="--")
    figure.suptitle("The example's five models: 160 atoms, 500 K, 1 atm, 20 ps", fontsize="medium")
    print(
        f"variance: largest in {len(committee)} evaluations of committee.csv: "
        f"{committee['variance_max_eV2_A2'].max():.3f} eV²/Å², median {np.median(committee['variance_max_eV2_A2']):.4f}"
    )
    return figure


def main() -> None:
    drawings = {"bond": draw_bond, "evaporation": draw_evaporation, "variance": draw_variance}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("figures", nargs="*", choices=[*drawings, []], help="default: all")
    parser.add_argument("--runs", type=Path, default=HERE.parents[2] / "runs", help="folder of the run folders")
    parser.add_argument("--output", type=Path, default=HERE)
    arguments = parser.parse_args()
    for name in arguments.figures or drawings:
        drawings[name](arguments.runs).savefig(arguments.output / f"{name}.png", dpi=90)


if __name__ == "__main__":
    main()
