"""Tables and figures of the committees of all frameworks: `results.md`, `errors.png`, `t_stab.png`.

Errors come from `errors.json` (`evaluate_committees.py`) and, for MACE, `../results.json`; t_stab and what the
committees said during the runs from `t_stab.json`. With `--runs FOLDER` the latter is made anew from the run folders
of `stability_runs.py`, whose names are the committee and the number of the member; committees without runs there stay.

Example:  python summary.py                                  # from the JSON files
          python summary.py --runs ../../../runs/frameworks  # read the runs again
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.observables.lifetime import lifetime_of_run
from lamplighter.observables.stability import stability_of_lifetimes
from lamplighter.report.drawing import PALETTE, new_figure, save
from lamplighter.report.stability_text import format_stability
from lamplighter.run_folder.run import Run

HERE = Path(__file__).resolve().parent
#: Title of each committee, and where the records of its training are.
COMMITTEES = {
    "mace": ("MACE", "../models"),
    "nequip": ("NequIP", "models/nequip"),
    "allegro": ("Allegro", "models/allegro"),
    "deepmd": ("DeePMD", "models/deepmd"),
    "deepmd_short": ("DeePMD, short", "../deepmd/models"),
    "gap": ("GAP", "models/gap"),
}
SELECTED_ABOVE = 0.5  # eV²/Å², force variance; active learning takes configurations beyond it (protocols of source A)


def collect(runs: Path) -> dict[str, Any]:
    """t_stab of every run below `runs` that has ended, and the largest force variances of its committee."""
    found: dict[str, Any] = {}
    for committee in COMMITTEES:
        folders = sorted(path for path in runs.glob(f"{committee}_[0-9]*") if (path / "summary.json").exists())
        if not folders:
            continue
        lives = [lifetime_of_run(Run(folder)) for folder in folders]
        horizon = min((life.time_ps for life in lives if not life.failed), default=1.0)
        found[committee] = {"runs": [], "text": format_stability(stability_of_lifetimes(lives, horizon))}
        for folder, life in zip(folders, lives, strict=True):
            summary = json.loads((folder / "summary.json").read_text())
            table = np.genfromtxt(folder / "committee.csv", delimiter=",", names=True, encoding="utf-8")
            variance = np.atleast_1d(table["variance_max_eV2_A2"])
            thermo = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True, encoding="utf-8")
            found[committee]["runs"].append(
                {
                    "member": int(folder.name.rpartition("_")[2]),
                    "t_stab_ps": life.time_ps,
                    "censored": not life.failed,
                    "cause": life.cause,
                    "atoms": summary["natoms"],
                    "variance_max_start_eV2_A2": round(float(variance[0]), 4),
                    "variance_max_median_eV2_A2": round(float(np.median(variance)), 4),
                    "variance_max_eV2_A2": round(float(variance.max()), 4),
                    "density_last_g_cm3": round(float(np.atleast_1d(thermo["density_g_cm3"])[-1]), 4),
                    "wall_s": round(float(summary["wall_s"])),
                }
            )
    return found


def rows_of_mace() -> dict[str, Any]:
    """MACE's part of the errors, in the form of `errors.json`."""
    results = json.loads((HERE.parent / "results.json").read_text())
    return {
        name: {
            "members": [row for label, row in results[name].items() if label.startswith("ec_emc_")],
            "mean": results[name]["committee mean"],
        }
        for name in ("clusters", "liquid")
    }


def minutes(folder: Path) -> str:
    """CPU time of training a member, minutes, from the records in `folder`: the range; of whole trainings only."""
    records = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    spent = [record["cpu_seconds"] / 60 for record in records if "cpu_seconds_of" not in record]
    low, high = f"{min(spent):.1f}", f"{max(spent):.1f}"
    return low if low == high else f"{low}-{high}"


def size(folder: Path, suffixes: tuple[str, ...]) -> float:
    """Room that a member takes, MB: all its files but the record, the mean over members."""
    files = [file for file in folder.iterdir() if any(suffix in file.name for suffix in suffixes)]
    members = {file.name.partition(".")[0] for file in files}
    return sum(file.stat().st_size for file in files) / len(members) / 1e6


def value(row: dict[str, float], key: str, form: str) -> str:
    return format(row[key], form) if key in row else "–"


def error_table(errors: dict[str, Any]) -> list[str]:
    """Ranges over the members and the committee mean, on both test sets."""
    lines = [
        "| committee | members | CPU min a member | MB a member | clusters: energy, meV/atom | forces, eV/Å "
        "| liquid: energy, meV/atom | forces, eV/Å | stress, meV/Å³ |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for committee, (title, folder) in COMMITTEES.items():
        if committee not in errors:
            continue
        entry = errors[committee]
        cells = [title, str(len(entry["clusters"]["members"])), minutes(HERE / folder)]
        cells.append(f"{size(HERE / folder, ('.model', '.zip', '.pb', '.xml')):.2f}")
        for name, key, form in (
            ("clusters", "energy_rmse_meV_per_atom", ".1f"),
            ("clusters", "force_rmse_eV_per_A", ".3f"),
            ("liquid", "energy_rmse_meV_per_atom", ".1f"),
            ("liquid", "force_rmse_eV_per_A", ".3f"),
            ("liquid", "stress_rmse_meV_per_A3", ".2f"),
        ):
            of_members = [row[key] for row in entry[name]["members"]]
            low, high = (format(edge, form) for edge in (min(of_members), max(of_members)))
            cells.append(f"{low}-{high}; **{value(entry[name]['mean'], key, form)}**")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def disagreement_table(errors: dict[str, Any]) -> list[str]:
    """What the committees say of the test frames, beside how wrong they are."""
    lines = [
        "| committee | clusters: median of max σ², eV²/Å² | rank correlation with the error | liquid: median of max σ² "
        "| rank correlation |",
        "|---|---|---|---|---|",
    ]
    for committee, (title, _) in COMMITTEES.items():
        entry = errors.get(committee, {})
        if "rank" not in entry.get("clusters", {}):
            continue
        cells = [title]
        for name in ("clusters", "liquid"):
            cells += [f"{entry[name]['variance_max_eV2_A2']:.3f}", f"{entry[name]['rank']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def stability_table(runs: dict[str, Any]) -> list[str]:
    """A line for each run."""
    lines = [
        "| driving model | t_stab, ps | ended by | density at the end, g/cm³ | max σ² at the start, eV²/Å² "
        "| median on the way |",
        "|---|---|---|---|---|---|",
    ]
    for committee, (title, _) in COMMITTEES.items():
        for run in runs.get(committee, {}).get("runs", []):
            sign = "≥ " if run["censored"] else ""
            lines.append(
                f"| {title} {run['member']} | {sign}{run['t_stab_ps']:.4g} | {run['cause'] or 'end of the run'} "
                f"| {run['density_last_g_cm3']:.2f} | {run['variance_max_start_eV2_A2']:.3f} "
                f"| {run['variance_max_median_eV2_A2']:.3f} |"
            )
    return lines


def draw_errors(errors: dict[str, Any], output: Path) -> None:
    """Errors of members (open) and committee means (full) on both test sets."""
    figure, axes = new_figure(1, 2)
    shown = [committee for committee in COMMITTEES if committee in errors]
    panels = (("energy_rmse_meV_per_atom", "energy RMSE / (meV/atom)"), ("force_rmse_eV_per_A", "force RMSE / (eV/Å)"))
    for axis, (key, label) in zip(axes, panels, strict=True):
        for shift, name, colour in ((-0.12, "clusters", PALETTE[0]), (0.12, "liquid", PALETTE[1])):
            for place, committee in enumerate(shown):
                entry = errors[committee][name]
                of_members = [row[key] for row in entry["members"]]
                axis.plot([place + shift] * len(of_members), of_members, "o", mfc="none", mec=colour, ms=4)
                axis.plot(place + shift, entry["mean"][key], "D", color=colour, ms=6, label=name if not place else None)
        axis.set_xticks(range(len(shown)), [COMMITTEES[each][0].replace(", ", ",\n") for each in shown], fontsize=8)
        axis.set(ylabel=label, yscale="log")
    axes[0].legend(frameon=False, title="full: committee mean")
    save(figure, output)


def draw_stability(runs: dict[str, Any], output: Path) -> None:
    """t_stab of each run; arrows: it had not failed when it ended. Beside it the committee's variance at the start."""
    figure, axes = new_figure(1, 2)
    shown = [committee for committee in COMMITTEES if committee in runs]
    for place, committee in enumerate(shown):
        entries = runs[committee]["runs"]
        for n, run in enumerate(entries):
            x = place + 0.1 * (n - (len(entries) - 1) / 2)
            colour = PALETTE[0] if run["censored"] else PALETTE[1]
            axes[0].plot(x, run["t_stab_ps"], "^" if run["censored"] else "o", color=colour, ms=6)
            axes[1].plot(x, run["variance_max_median_eV2_A2"], "o", color=PALETTE[0], ms=5)
            axes[1].plot(x, run["variance_max_start_eV2_A2"], "o", mec=PALETTE[0], mfc="none", ms=5)
    axes[0].plot([], [], "^", color=PALETTE[0], label="had not failed at its end (≥)")
    axes[0].plot([], [], "o", color=PALETTE[1], label="failed")
    axes[1].plot([], [], "o", mec=PALETTE[0], mfc="none", label="at the start")
    axes[1].plot([], [], "o", color=PALETTE[0], label="median on the way")
    axes[1].axhline(SELECTED_ABOVE, color="0.5", ls="--", lw=1, label="active learning stops")
    axes[0].set(ylabel="t_stab / ps", yscale="log")
    axes[1].set(ylabel="largest force variance / (eV²/Å²)", yscale="log")
    for axis in axes:
        axis.set_xticks(range(len(shown)), [COMMITTEES[each][0].replace(", ", ",\n") for each in shown], fontsize=8)
        axis.legend(frameon=False, fontsize=8)
    save(figure, output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, help="read the run folders below this one again")
    arguments = parser.parse_args()
    stored = HERE / "t_stab.json"
    runs = json.loads(stored.read_text()) if stored.exists() else {}
    if arguments.runs:
        found = {**runs, **collect(arguments.runs)}
        runs = {committee: found[committee] for committee in COMMITTEES if committee in found}
        stored.write_text(json.dumps(runs, indent=1) + "\n")
    errors = {"mace": rows_of_mace(), **json.loads((HERE / "errors.json").read_text())}
    lines = ["### Test errors", "", "Range over the members; **committee mean**.", "", *error_table(errors), ""]
    lines += ["### Disagreement of the members on the test frames", "", *disagreement_table(errors), ""]
    draw_errors(errors, HERE / "errors.png")
    if runs:
        lines += ["### t_stab", "", *stability_table(runs), ""]
        for committee, (title, _) in COMMITTEES.items():
            if committee in runs:
                lines += [f"{title}:", "", "```", runs[committee]["text"], "```", ""]
        draw_stability(runs, HERE / "t_stab.png")
    (HERE / "results.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
