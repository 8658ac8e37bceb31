"""How often a measure of uncertainty gives an alarm in a liquid that its models know, where no bond breaks.

Runs of 160 atoms of the example's liquid with the example's models at constant volume and temperature (NVT, so that no
density drifts), at 350 and 500 K, with the settings of lead_times.py: the first model moves the atoms, and every 20 fs
there are its own uncertainty γ and the largest force variance of the committee of five. SOAP is left out,
which has to describe every frame.

An alarm is a value beyond a limit where the one before was not. Limits are those of lead_times.json: those that one
would set without having seen a run, and the largest values of the two calm runs of 10 ps there, which are other runs.
The rate's bound is Poisson's of 95 % confidence for so many alarms in so long a time. With the folder of the runs of
lead_times.py there are also the lead times in those that fail, for the largest values of these longer calm runs.

Run folders are kept: the same command goes on where it was ended. Results are false_alarms.json and a table.

Example:  python false_alarms.py --runs ../../../runs/false_alarms --length "100 ps"    # 10 minutes a run
          python false_alarms.py --runs ../../../runs/false_alarms --count            # what there is so far
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from lead_times import HERE, Case, alarms, carried_out, compiled_committee
from scipy.stats import chi2

from lamplighter.run_folder.run import Run

CASES = (Case("trained", 350, False, 1), Case("trained", 500, False, 1))
CONFIDENCE = 0.95
MEASURES = {"own": ("extrapolation", "extrapolation_max"), "committee": ("committee", "variance_max_eV2_A2")}
"""Table of a run, and its column."""


def rate_bound(alarms_seen: int, length_ps: float) -> float:
    """Largest rate, 1/ns, of which so few alarms, or fewer, are seen with a probability of 5 % or more."""
    return float(chi2.ppf(CONFIDENCE, 2 * (alarms_seen + 1)) / 2.0 / (1e-3 * length_ps))


def judged(values: list[np.ndarray], limit: float, length_ps: float) -> dict[str, Any]:
    """Alarms of one measure in runs of `length_ps` altogether."""
    seen = sum(len(alarms(of_run, limit)) for of_run in values)
    return {
        "limit": limit,
        "alarms": seen,
        "per_ns": 1e3 * seen / length_ps,
        "per_ns_at_most": rate_bound(seen, length_ps),
        "frames_beyond": float(np.mean(np.concatenate(values) > limit)),
    }


def lead_times_of(folder: Path, measure: str, limit: float) -> list[float | None]:
    """From the first alarm of each failing run of lead_times.py to its end, ps; None: there was none."""
    leads: list[float | None] = []
    ends = json.loads((HERE / "lead_times.json").read_text())["trained"]["failed_at_ps"]
    for seed, end in enumerate(ends, 1):
        kept = json.loads((folder / f"trained_2000K_{seed}" / "measures.json").read_text())
        places = alarms(np.array(kept[measure]), limit)
        leads.append(round(end - kept["time"][places[0]], 4) if len(places) else None)
    return leads


def counted(runs: list[Run]) -> dict[str, Any]:
    """What the runs show, as far as they went."""
    limits = json.loads((HERE / "lead_times.json").read_text())["trained"]
    times = [np.array(run.extrapolation["time_ps"]) for run in runs]
    length = float(sum(of_run[-1] for of_run in times))
    found: dict[str, Any] = {
        "lengths_ps": [float(of_run[-1]) for of_run in times],
        "bonds_broken": sum(any(True for _ in run.events) for run in runs),
    }
    for name, (table, column) in MEASURES.items():
        values = [np.array(getattr(run, table)[column], dtype=float) for run in runs]
        found[name] = {
            "largest": max(float(of_run.max()) for of_run in values),
            **{
                kind: judged(values, limits[kind][name]["limit"], length)
                for kind in ("given", "largest of the calm runs")
            },
        }
    return found


def table(results: dict[str, Any]) -> str:
    """What false_alarms.json holds, as lines of Markdown."""
    lines = [
        "| runs | measure | largest | limit | alarms | per ns, at most (95 %) | frames beyond |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        for measure in MEASURES:
            for kind in ("given", "largest of the calm runs"):
                each = found[measure][kind]
                lines.append(
                    f"| {name}, {' + '.join(f'{length:.1f}' for length in found['lengths_ps'])} ps | {measure} | "
                    f"{found[measure]['largest']:.3g} | {each['limit']:.3g} ({kind}) | {each['alarms']} | "
                    f"{each['per_ns']:.3g}, {each['per_ns_at_most']:.3g} | {100.0 * each['frames_beyond']:.2f} % |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--length", default="100 ps", help="of a run")
    parser.add_argument("--seeds", type=int, default=1, help="runs at each temperature")
    parser.add_argument("--count", action="store_true", help="count what the runs hold so far; carry out none")
    parser.add_argument("--failing", type=Path, help="folder of the runs of lead_times.py")
    parser.add_argument("--output", type=Path, default=HERE / "false_alarms.json")
    arguments = parser.parse_args()
    compiled = None if arguments.count else compiled_committee("trained", arguments.runs)[0]
    done: dict[str, list[Run]] = {}
    for seed in range(1, arguments.seeds + 1):
        for case in CASES:
            folder = arguments.runs / f"calm_{case.temperature}K_{seed}"
            if compiled is not None:
                carried_out(case, compiled, seed + 10, arguments.length, folder)  # other seeds than those of lead_times
            if (folder / "extrapolation.csv").exists():
                done.setdefault(f"{case.temperature} K", []).append(Run(folder))
    results = {name: counted(runs) for name, runs in sorted(done.items())}
    if len(done) > 1:
        results["both"] = counted([run for runs in done.values() for run in runs])
    for found in results.values() if arguments.failing else ():
        for measure in MEASURES:
            largest = found[measure]["largest"]
            found[measure]["leads_ps_beyond_the_largest"] = lead_times_of(arguments.failing, measure, largest)
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
