"""How long before a bond breaks each measure of uncertainty gives an alarm, and how often it does where none breaks.

Runs of 160 atoms at constant volume, with `guard: {bond_stretch: 0.5 A}`, of two committees of five:

    few     the models of 20 clusters: at 1000 K, where bonds break, and at 300 K
    trained the example's models: at 2000 K, where bonds break, and at 500 K

The first model moves the atoms. Every 20 fs, from one and the same configuration:

    own        the first model's own uncertainty γ, the largest of all atoms (`extrapolation.csv`)
    committee  the largest force variance of the five, eV²/Å² (`committee.csv`)
    soap       the SOAP Q-residual, the largest of all atoms, over the largest of its element in the training set

An alarm is a value beyond a limit where the one before was not. Limits are, first, those that one would set without
having seen a run (γ of 1, σ² of 0.5 eV²/Å², SOAP of 1), second, for each committee and measure, the largest value of
its calm runs: none of their frames is beyond it. A lead time is that from the first alarm to the end of the run.

Run folders are kept, so that the same command goes on where it was ended; results are lead_times.json and a table.

Example:  python lead_times.py --runs ../../../runs/lead_times          # a quarter of an hour on a busy machine
          python lead_times.py --runs ../../../runs/lead_times --calm "2 ps"
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms
from ase.io import read, write

import lamplighter
from lamplighter.analysis.soap import Soap
from lamplighter.driver.training_statistics import learn_training_set
from lamplighter.observables.extrapolation import Extrapolation, fit_training_set
from lamplighter.potentials.native import compile_files
from lamplighter.run_folder.run import Run

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent
sys.path.insert(0, str(EXAMPLE))
from train import split, training_frames  # noqa: E402  (a script of the folder above)

EVERY = 40  # steps of 0.5 fs
MOST_SOAP_FRAMES = 300  # of a training set: SOAP takes more time than all runs together
MEASURES = {"own": 1.0, "committee": 0.5, "soap": 1.0}
"""With the limits that one would set without having seen a run."""


@dataclass(frozen=True)
class Case:
    """Runs of one committee at one temperature."""

    committee: str
    temperature: int  # K
    breaks: bool  # whether bonds are expected to break
    runs: int


CASES = (
    Case("few", 1000, True, 8),
    Case("few", 300, False, 2),
    Case("trained", 2000, True, 5),
    Case("trained", 500, False, 2),
)


def compiled_committee(committee: str, folder: Path) -> tuple[Path, Path, list[Atoms]]:
    """The committee, which knows the training set of its first model; this set's file, and its frames."""
    plan_file, models = {
        "few": (HERE / "few_clusters.yaml", HERE / "models"),
        "trained": (EXAMPLE / "committee.yaml", EXAMPLE / "models"),
    }[committee]
    plan = yaml.safe_load(plan_file.read_text())
    first = plan["members"][0]
    frames = split(training_frames(plan, plan_file.parent), first["fraction"], first["seed"])[0]
    frames = [Atoms(a.numbers, a.positions, cell=a.cell, pbc=a.pbc) for a in frames if len(a) > 1]
    folder.mkdir(parents=True, exist_ok=True)
    training, compiled = folder / f"{committee}.xyz", folder / f"{committee}.lamp"
    if not compiled.exists():
        write(training, frames)
        unfinished = folder / f"{committee}.unfinished.lamp"
        compile_files(sorted(models.glob("*.model")), unfinished)
        learn_training_set(unfinished, training, frames)
        unfinished.replace(compiled)
    return compiled, training, frames


def prepared(committee: str, folder: Path) -> tuple[Path, Extrapolation, dict[str, float]]:
    """The compiled committee, which knows the training set of its first model; SOAP's fit, and its largest values."""
    compiled, training, frames = compiled_committee(committee, folder)
    some = frames[:: -(-len(frames) // MOST_SOAP_FRAMES)]
    learnt = fit_training_set(training, some, most=2000)
    known = folder / f"{committee}.soap.json"
    if not known.exists():
        known.write_text(json.dumps(largest_of_elements(learnt, some)))
    return compiled, learnt, json.loads(known.read_text())


def residuals(learnt: Extrapolation, soap: Soap, atoms: Atoms) -> np.ndarray:
    """Q of each atom."""
    x, q = soap.describe(atoms), np.empty(len(atoms))
    for symbol, pca in learnt.elements.items():
        here = np.array(atoms.get_chemical_symbols()) == symbol
        if here.any():
            q[here] = pca.residuals(x[here])[0]
    return q


def largest_of_elements(learnt: Extrapolation, frames: list[Atoms]) -> dict[str, float]:
    """Q of the worst atom of each element."""
    soap, found = Soap(learnt.parameters), dict.fromkeys(learnt.elements, 0.0)
    for atoms in frames:
        for symbol, q in zip(atoms.symbols, residuals(learnt, soap, atoms), strict=True):
            found[symbol] = max(found[symbol], float(q))
    return found


def carried_out(case: Case, compiled: Path, seed: int, length: str, folder: Path) -> Run:
    """The run, which goes on where it was interrupted."""
    if not (folder / "summary.json").exists():
        content: dict[str, Any] = {
            "structure": str(EXAMPLE / "structures" / "ec_emc_160.xyz"),
            "potential": {"models": [str(compiled)], "dtype": "float32"},
            "committee": {"every": EVERY, "drive": "first"},
            "extrapolation": EVERY,
            "timestep": "0.5 fs",
            "seed": seed,
            "velocities": f"{case.temperature} K",
            "guard": {"bond_stretch": "0.5 A"},
            "stages": [{"type": "nvt", "length": length, "temperature": f"{case.temperature} K"}],
            "output": {"thermo": f"{EVERY} steps", "trajectory": f"{EVERY} steps", "restart": "1 ps"},
        }
        lamplighter.run(content, output=folder, resume=True, threads=1, progress=False)
    return Run(folder)


def measured(run: Run, learnt: Extrapolation, largest: dict[str, float], every: int) -> dict[str, list[float]]:
    """Times, ps, and the measures at them, of every so manieth frame of the run, without the failing one."""
    kept = run.folder / "measures.json"
    if not kept.exists():
        soap, times, q = Soap(learnt.parameters), [], []
        for k, frame in enumerate(run.trajectory):
            if k % every or frame.step % EVERY:
                continue
            atoms = frame.to_ase()
            limits = np.array([largest[symbol] for symbol in atoms.symbols])
            times.append(float(frame.time_ps))
            q.append(float((residuals(learnt, soap, atoms) / limits).max()))
        found = {"time": times, "soap": q}
        for name, table, column in (
            ("committee", run.committee, "variance_max_eV2_A2"),
            ("own", run.extrapolation, "extrapolation_max"),
        ):
            at = {round(time, 6): float(value) for time, value in zip(table["time_ps"], table[column], strict=True)}
            found[name] = [at[round(time, 6)] for time in times]
        kept.write_text(json.dumps(found))
    return json.loads(kept.read_text())


def alarms(values: np.ndarray, limit: float) -> np.ndarray:
    """Places of values beyond a limit where the one before was not."""
    beyond = values > limit
    return np.flatnonzero(beyond & ~np.concatenate([[False], beyond[:-1]]))


def ranks(folder: Path, atoms: list[int]) -> dict[str, int]:
    """The better place of the bond's two atoms among all of the failing frame, by each measure; 1: the largest."""
    frame = read(folder / "failure.xyz", -1)
    bond = np.isin(frame.arrays["id"], atoms)
    columns = {"own": "extrapolation", "committee": "committee_variance"}
    return {
        name: 1 + int((frame.arrays[column] > frame.arrays[column][bond].max()).sum())
        for name, column in columns.items()
    }


def judged(failing: list[dict], calm: list[dict], measure: str, limit: float) -> dict[str, Any]:
    """Lead times in the failing runs, ps, and false alarms in the calm ones."""
    leads = []
    for run in failing:
        places = alarms(np.array(run[measure]), limit)
        leads.append(round(run["failed"] - run["time"][places[0]], 4) if len(places) else None)
    given = [lead for lead in leads if lead is not None]
    false = sum(len(alarms(np.array(run[measure]), limit)) for run in calm)
    length = sum(run["time"][-1] for run in calm)
    beyond = np.mean(np.concatenate([np.array(run[measure]) > limit for run in calm]))
    return {
        "limit": limit,
        "leads_ps": leads,
        "alarmed": len(given),
        "median_lead_ps": float(np.median(given)) if given else None,
        "shortest_lead_ps": min(given, default=None),
        "at_the_first_frame": sum(run[measure][0] > limit for run in failing),
        "false_alarms": false,
        "calm_ps": length,
        "false_alarms_per_ns": 1000.0 * false / length,
        "calm_frames_beyond": float(beyond),
    }


def table(results: dict[str, Any]) -> str:
    """What lead_times.json holds, as lines of Markdown."""
    lines = [
        "| models | measure | limit | alarm in, of it at once | lead: median, shortest (ps) | false alarms | frames |",
        "|---|---|---|---|---|---|---|",
    ]
    for committee, result in results.items():
        for kind in ("given", "largest of the calm runs"):
            for measure in MEASURES:
                each = result[kind][measure]
                lead = (
                    "–"
                    if each["median_lead_ps"] is None
                    else f"{each['median_lead_ps']:.2f}, {each['shortest_lead_ps']:.2f}"
                )
                lines.append(
                    f"| {committee} | {measure} | {each['limit']:.3g} ({kind}) | {each['alarmed']} of "
                    f"{len(each['leads_ps'])}, {each['at_the_first_frame']} | {lead} | {each['false_alarms']} in "
                    f"{each['calm_ps']:.3g} ps | {100.0 * each['calm_frames_beyond']:.1f} % |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--failing", default="5 ps", help="how long a run that is to fail may take")
    parser.add_argument("--calm", default="10 ps", help="length of a calm run")
    parser.add_argument("--output", type=Path, default=HERE / "lead_times.json")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    for committee in ("few", "trained"):
        compiled, learnt, largest = prepared(committee, arguments.runs)
        runs: dict[bool, list[dict]] = {True: [], False: []}
        held = 0
        for case in (each for each in CASES if each.committee == committee):
            for seed in range(1, case.runs + 1):
                folder = arguments.runs / f"{committee}_{case.temperature}K_{seed}"
                length = arguments.failing if case.breaks else arguments.calm
                run = carried_out(case, compiled, seed, length, folder)
                found: dict[str, Any] = measured(run, learnt, largest, 1 if case.breaks else 5)
                event = next(iter(run.events), None)
                found["failed"] = None if event is None else round(event.step * 5e-4, 4)
                found["ranks"] = None if event is None else ranks(folder, event.atoms)
                print(folder.name, "held" if event is None else f"broke a bond after {found['failed']} ps", flush=True)
                if case.breaks and event is None:
                    held += 1
                else:
                    runs[event is not None].append(found)
        results[committee] = {
            "failing": len(runs[True]),
            "held_at_the_failing_temperature": held,
            "failed_at_ps": [run["failed"] for run in runs[True]],
            "rank_of_the_bond": {name: [run["ranks"][name] for run in runs[True]] for name in ("own", "committee")},
            "given": {name: judged(runs[True], runs[False], name, limit) for name, limit in MEASURES.items()},
            "largest of the calm runs": {
                name: judged(runs[True], runs[False], name, max(max(run[name]) for run in runs[False]))
                for name in MEASURES
            },
        }
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
