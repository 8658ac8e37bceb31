"""What one model's own features say of its force errors, beside the committee of five and SOAP Q-residuals.

The true error of an atom is |F − F_xtb| of the first model, which would move the atoms, against GFN2-xTB labels. Each
measure gives a number for each atom, and is asked for the worst tenth of the atoms (area under the ROC curve) and for
their order (Spearman). Which layers, how many components and which ridge is chosen on every second test frame; the
table is of the others, and of molecules of which no model saw any. Error bars: bootstrap over frames.

Measures of the features x of an atom of element e (scalars that the readouts see, after layer 1, layer 2, or both):

    Q-residual   Q = ‖(1 − P Pᵀ)(x − μ)‖², μ and P of the training set's atoms of e
    Mahalanobis  (x − μ)ᵀ (Σ + λ tr(Σ)/d 1)⁻¹ (x − μ)
    rigidity     fᵀ (C + λ tr(C)/d 1)⁻¹ f, f what the last linear layers see, C = ⟨f fᵀ⟩ over the training set: over its
                 frames, whose f is the sum of those of their atoms (Bigi, Chong, Ceriotti, Grasselli, Mach. Learn.:
                 Sci. Technol. 5, 045018, 2024), or over its atoms, as `lamplighter compile --training` does
    neighbours   distance to the fifth nearest of 1500 training atoms of e, features divided by their deviations
    soap         Q-residual of SOAP with five components, over its threshold (`lamplighter extrapolation fit`)
    committee    σ² of the forces of the five models

Mahalanobis distances of an element are divided by their 99 % quantile over its atoms in the training set.

Example:  python own_uncertainty.py                     # own_uncertainty.md, a few minutes on one core
          python own_uncertainty.py --run ../../runs/bond_1000K --calm ../../runs/trained_500K   # runs of failures/
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from ase import Atoms
from ase.io import read, write
from generate_clusters import label_cluster
from molecules import find_molecules
from ranking import WORST, area, spearman, with_error
from rdkit import Chem
from rdkit.Chem import AllChem
from scipy.spatial import cKDTree
from train import split, training_frames

from lamplighter.analysis.prediction_rigidity import Moments
from lamplighter.analysis.soap import Soap
from lamplighter.config.potential import PotentialSection
from lamplighter.driver.evaluation import evaluate_frames, open_evaluator
from lamplighter.observables.extrapolation import Extrapolation, fit_training_set
from lamplighter.potentials.native import NativeMace, compile_files
from lamplighter.potentials.readout_inputs import ReadoutInputs
from lamplighter.run_folder.run import Run

HERE = Path(__file__).resolve().parent
SEED = 1
OTHERS = {
    "acetone": "CC(C)=O",
    "methyl acetate": "CC(=O)OC",
    "dimethoxyethane": "COCCOC",
    "dioxolane": "C1COCO1",
    "butyrolactone": "O=C1CCCO1",
    "ethanol": "CCO",
    "acetic acid": "CC(=O)O",
    "acetic anhydride": "CC(=O)OC(C)=O",
    "dimethyl oxalate": "COC(=O)C(=O)OC",
    "benzene": "c1ccccc1",
    "propene": "CC=C",
    "dimethyl peroxide": "COOC",
}
"""Of H, C and O, and in no training set."""


@dataclass
class Scored:
    """Frames with what is known of their atoms: features, true errors, deviations of the committee."""

    frames: list[Atoms]
    features: np.ndarray  # (atoms, layers × channels)
    error: np.ndarray  # (atoms,), eV/Å
    variance: np.ndarray  # (atoms,), eV²/Å²

    @property
    def numbers(self) -> np.ndarray:
        return np.concatenate([a.numbers for a in self.frames])


def other_molecules(copies: int = 5) -> list[Atoms]:
    """Each of `OTHERS` by ETKDG and MMFF, atoms displaced by 0.02-0.08 Å, labelled by GFN2-xTB."""
    rng = np.random.default_rng(SEED)
    found = []
    for name, smiles in OTHERS.items():
        molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
        AllChem.EmbedMolecule(molecule, randomSeed=SEED)
        AllChem.MMFFOptimizeMolecule(molecule)
        atoms = Atoms(
            [a.GetSymbol() for a in molecule.GetAtoms()], molecule.GetConformer().GetPositions(), info={"name": name}
        )
        for copy in range(copies):
            moved = atoms.copy()
            moved.positions += rng.normal(0.0, 0.02 + 0.06 * copy / (copies - 1), moved.positions.shape)
            labelled = label_cluster(moved, 60.0, name=name)
            if labelled is not None:
                found.append(labelled)
    return found


def molecules_of_run(folder: Path, every: int = 5, others: int = 3) -> list[Atoms]:
    """Of every so manieth frame of a run that the guard ended, molecules cut out and labelled alone: that whose bond
    broke, and some others at random."""
    rng = np.random.default_rng(SEED)
    event = json.loads((folder / "events.jsonl").read_text().splitlines()[0])
    frames = [*read(folder / "trajectory.lammpstrj.gz", ":"), read(folder / "failure.xyz", -1)]
    molecules = find_molecules(frames[0])
    broken = next(k for k, m in enumerate(molecules) if event["atoms"][0] - 1 in m)
    found = []
    for frame in frames[::-every][::-1]:
        for place in {broken, *rng.choice(len(molecules), others, replace=False).tolist()}:
            part = frame[molecules[place]]
            vectors = part.get_distances(0, np.arange(len(part)), mic=True, vector=True)
            labelled = label_cluster(Atoms(part.numbers, vectors), 60.0)
            if labelled is not None:
                found.append(labelled)
    return found


def alarms(label: str, how: Callable[[Scored], np.ndarray], known: Scored, run: Scored, times: np.ndarray) -> str:
    """When an atom of a run first has more than every atom of its element in the training set, and how often."""
    limits = np.zeros(119)
    np.maximum.at(limits, known.numbers, how(known))
    beyond = how(run) / limits[run.numbers]
    starts = np.concatenate([[0], np.cumsum([len(a) for a in run.frames])])[:-1]
    largest = np.maximum.reduceat(beyond, starts)
    passed = largest > 1.0
    times_passed = int(passed[0]) + int((passed[1:] & ~passed[:-1]).sum())
    first = f"{times[passed][0]:.3f} ps" if passed.any() else "never"
    share = f"{100.0 * passed.mean():.0f} %"
    return f"| {label} | {first} | {times_passed} | {share} | {np.median(largest):.2f} | {largest.max():.2f} |"


def unlabelled(native: NativeMace, folder: Path) -> tuple[Scored, np.ndarray]:
    """Frames of a run with their features, and times, ps."""
    trajectory = list(Run(folder).trajectory)
    frames = [Atoms(f.numbers, f.positions, cell=f.cell, pbc=f.periodic) for f in trajectory]
    nothing = np.zeros(sum(map(len, frames)))
    features = np.concatenate([native.describe(a) for a in frames])
    return Scored(frames, features, nothing, nothing), np.array([f.time_ps for f in trajectory])


def score(native: NativeMace, models: list[Path], frames: list[Atoms]) -> Scored:
    """Features of the first model, its force errors, and the committee's variances."""
    features = np.concatenate([native.describe(a) for a in frames])
    elements = sorted({symbol for a in frames for symbol in a.symbols})
    forces = []
    for model in models:
        with open_evaluator(PotentialSection(models=[model.resolve()]), elements, threads=1) as evaluator:
            forces.append(np.concatenate([labels.forces for labels in evaluate_frames(evaluator, frames)]))
    members = np.array(forces)
    reference = np.concatenate([a.arrays["forces_xtb"] for a in frames])
    spread = np.square(members - members.mean(axis=0)).sum(axis=-1).mean(axis=0)
    return Scored(frames, features, np.linalg.norm(members[0] - reference, axis=1), spread)


Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Features (n, d) and atomic numbers (n,) to a number for each atom (n,)."""


def of_elements(
    features: np.ndarray, numbers: np.ndarray, fit: Callable[[np.ndarray], Callable], even: bool
) -> Measure:
    """`fit` for the atoms of each element; `even`: divided by the 99 % quantile over them."""
    fitted = {z: fit(features[numbers == z]) for z in np.unique(numbers)}
    units = {z: np.quantile(one(features[numbers == z]), 0.99) if even else 1.0 for z, one in fitted.items()}

    def measure(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        out = np.empty(len(x))
        for number, one in fitted.items():
            out[z == number] = one(x[z == number]) / units[number]
        return out

    return measure


def q_residual(k: int) -> Callable[[np.ndarray], Callable]:
    def fit(x: np.ndarray) -> Callable:
        mean = x.mean(axis=0)
        rest = np.linalg.eigh(np.cov(x.T))[1][:, : x.shape[1] - k]
        return lambda y: np.square((y - mean) @ rest).sum(axis=1)

    return fit


def mahalanobis(ridge: float) -> Callable[[np.ndarray], Callable]:
    def fit(x: np.ndarray) -> Callable:
        mean, covariance = x.mean(axis=0), np.cov(x.T)
        covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        lower = np.linalg.cholesky(covariance)
        return lambda y: np.square(np.linalg.solve(lower, (y - mean).T)).sum(axis=0)

    return fit


def neighbours(x: np.ndarray) -> Callable:
    width = x.std(axis=0) + 1e-12
    chosen = np.random.default_rng(SEED).permutation(len(x))[:1500]
    tree = cKDTree(x[chosen] / width)
    return lambda y: tree.query(y / width, 6)[0][:, 5]


def rigidity(rows: np.ndarray, inputs: ReadoutInputs) -> Callable[[Scored], np.ndarray]:
    """U of `lamplighter.analysis.prediction_rigidity`, of a training set whose rows are of atoms or of frames."""
    moments = Moments(rows.shape[1])
    moments.add(rows)
    fitted = moments.rigidity()
    return lambda scored: fitted.residuals(np.concatenate([inputs.describe(a) for a in scored.frames]))[0]


def family(
    name: str,
    models: list[Path],
    training: list[Atoms],
    tests: dict[str, list[Atoms]],
    foreign: dict[str, list[Atoms]],
    run: Path | None,
    folder: Path,
) -> list[str]:
    """The table of one committee, of which the first model is asked."""
    compiled = folder / f"{name}.lamp"
    compile_files(models, compiled)
    native = NativeMace(compiled)
    frames = [a for a in training if len(a) > 1]
    x = np.concatenate([native.describe(a) for a in frames])
    numbers = np.concatenate([a.numbers for a in frames])
    channels = x.shape[1] // 2
    choice = {key: score(native, models, f[0::2]) for key, f in tests.items()}
    final = {key: score(native, models, f[1::2]) for key, f in tests.items()}
    final |= {key: score(native, models, f) for key, f in foreign.items()}

    layers = {"1": slice(0, channels), "2": slice(channels, None), "1+2": slice(None)}
    kinds: dict[str, dict[str, Callable[[Scored], np.ndarray]]] = {}

    def offer(kind: str, how: str, columns: slice, measure: Measure) -> None:
        kinds.setdefault(kind, {})[how] = lambda scored: measure(scored.features[:, columns], scored.numbers)

    for layer, columns in layers.items():
        own = x[:, columns]
        for k in (k for k in (2, 5, 10, 20, 30) if k < own.shape[1]):
            offer("Q-residual", f"layer {layer}, k {k}", columns, of_elements(own, numbers, q_residual(k), False))
        for ridge in (1e-8, 1e-4, 1e-2, 1e-1):
            offer(
                "Mahalanobis",
                f"layer {layer}, λ {ridge:g}",
                columns,
                of_elements(own, numbers, mahalanobis(ridge), True),
            )
        offer("neighbours", f"layer {layer}", columns, of_elements(own, numbers, neighbours, False))
    inputs = ReadoutInputs(compiled)
    f = [inputs.describe(a) for a in frames]
    if len(f) >= 2 * inputs.n_features:  # 18 clusters do not determine it
        kinds["rigidity, rows of frames"] = {"λ 1e-06": rigidity(np.array([one.sum(axis=0) for one in f]), inputs)}
    kinds["rigidity, rows of atoms (`compile --training`)"] = {"λ 1e-06": rigidity(np.concatenate(f), inputs)}

    def quality(how: Callable[[Scored], np.ndarray]) -> float:
        return float(
            np.mean(
                [
                    spearman(how(s), s.error) + 2.0 * area(how(s), s.error, np.quantile(s.error, WORST))
                    for s in choice.values()
                ]
            )
        )

    best = {kind: max(hows, key=lambda how: quality(hows[how])) for kind, hows in kinds.items()}
    asked = {f"{kind}: {how}": kinds[kind][how] for kind, how in best.items()}
    write(folder / f"{name}.xyz", [Atoms(a.numbers, a.positions, cell=a.cell, pbc=a.pbc) for a in frames])
    learnt = fit_training_set(folder / f"{name}.xyz", frames, most=2000)
    asked["SOAP Q-residual"] = lambda scored: soap_residuals(scored, learnt)
    asked["committee of five"] = lambda scored: scored.variance

    lines = [f"## {name}: {len(frames)} training frames, {len(x)} atoms, {x.shape[1]} features", ""]
    for key, scored in final.items():
        limit = np.quantile(scored.error, WORST)
        lines += [
            f"### {key}: {len(scored.frames)} frames, {len(scored.error)} atoms; error of forces: median "
            f"{np.median(scored.error):.3f}, worst tenth beyond {limit:.3f} eV/Å",
            "",
            "| measure | AUROC | Spearman | Spearman of the frames' largest |",
            "|---|---|---|---|",
            *(
                f"| {label} | {with_error(how(scored), scored.error, [len(a) for a in scored.frames])} |"
                for label, how in asked.items()
            ),
            "",
        ]
        print("\n".join(lines[-len(asked) - 5 :]), flush=True)
    if run is not None:
        seen, times = unlabelled(native, run)
        nothing = np.zeros(len(x))
        known = Scored(frames, x, nothing, nothing)
        lines += [
            f"### {run.name}: {len(seen.frames)} frames in {times[-1]:.3g} ps, of {len(seen.frames[0])} atoms",
            "",
            "Beyond the largest value of the element in the training set:",
            "",
            "| measure | first | times | of the frames | largest of a frame, median | largest of all |",
            "|---|---|---|---|---|---|",
            *(
                alarms(label, how, known, seen, times)
                for label, how in asked.items()
                if label not in ("SOAP Q-residual", "committee of five")
            ),
            "",
        ]
        print("\n".join(lines[-len(asked) - 5 :]), flush=True)
    return lines


def soap_residuals(scored: Scored, learnt: Extrapolation) -> np.ndarray:
    soap = Soap(learnt.parameters)
    found = []
    for atoms in scored.frames:
        x = soap.describe(atoms)
        q = np.empty(len(atoms))
        for symbol, pca in learnt.elements.items():
            here = atoms.symbols == symbol
            if here.any():
                q[here] = pca.residuals(x[here])[0] / learnt.thresholds[symbol].value
        found.append(q)
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=HERE / "own_uncertainty.md")
    parser.add_argument("--run", type=Path, help="run folder of failures/bond_1000K.yaml")
    parser.add_argument("--calm", type=Path, help="run folder of failures/trained_500K.yaml")
    arguments = parser.parse_args()
    tests = {
        "held-out clusters": read(HERE / "data" / "xtb_test.xyz", ":"),
        "held-out liquid": read(HERE / "data" / "liquid_test.xyz", ":"),
    }
    foreign = {"molecules not trained on": other_molecules()}
    lines = ["# One model's own features as predictors of its force errors", ""]
    for name, plan_file, folder in (
        ("ec_emc", HERE / "committee.yaml", HERE / "models"),
        ("few_clusters", HERE / "failures" / "few_clusters.yaml", HERE / "failures" / "models"),
    ):
        plan = yaml.safe_load(plan_file.read_text())
        first = plan["members"][0]
        training = split(training_frames(plan, plan_file.parent), first["fraction"], first["seed"])[0]
        asked = dict(foreign)
        if arguments.run is not None and name == "few_clusters":
            asked["molecules of the failing run"] = molecules_of_run(arguments.run)
        with tempfile.TemporaryDirectory() as place:
            run = arguments.calm if name == "ec_emc" else arguments.run
            lines += family(name, sorted(folder.glob("*.model")), training, tests, asked, run, Path(place))
    arguments.output.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
