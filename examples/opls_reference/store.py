"""Store what the two campaigns say of each temperature: 300K.json and 500K.json, which `lamplighter quality` reads.

python store.py            from the runs as they are now; unfinished ones count as far as they have come

The campaigns need not have run on one machine: each writes its own part of the files.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

import lamplighter as ll
from lamplighter.errors import LamplighterError

HERE = Path()
BIN_G_CM3 = 0.005
CURVES = ("msd_lags_ps", "msd_A2", "green_kubo")  # what is left out: it is long, and the runs have it


def groups(ask: Any, campaign: Path, **options: Any) -> dict[str, Any]:
    """The answers of a campaign by temperature; none where there are no runs yet."""
    try:
        answer = ask(campaign, **options)
    except LamplighterError as problem:
        print(f"{campaign}: {problem}")
        return {}
    for note in answer.result.notes:
        print(f"Note: {note}")
    return {name.removeprefix("temperature="): each for name, each in answer.result.groups.items()}


def spread(values: list[float]) -> dict[str, Any]:
    """Mean of runs, and its standard error from their spread."""
    n = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else None
    return {"value": float(np.mean(values)), "standard_error": error, "n_runs": n}


def diffusivity(answer: Any) -> dict[str, Any]:
    content: dict[str, Any] = answer.to_dict()
    for trajectory in content["trajectories"]:
        trajectory["species"] = [
            {key: value for key, value in species.items() if key not in CURVES} for species in trajectory["species"]
        ]
    return content


def radial_distributions(answer: Any) -> dict[str, Any]:
    """g(r) between molecules, mean over runs; to the smallest half cell that all runs have."""
    runs = [trajectory.distributions["inter"] for trajectory in answer.result.trajectories]
    found: dict[str, Any] = {}
    for pair in zip(*runs, strict=True):
        n = min(len(each.g) for each in pair)
        g = np.array([each.g[:n] for each in pair])
        error = g.std(axis=0, ddof=1) / math.sqrt(len(g)) if len(g) > 1 else np.full(n, math.nan)
        found["–".join(pair[0].pair)] = {
            "g": [round(float(each), 4) for each in g.mean(axis=0)],
            "standard_error": [None if math.isnan(each) else round(float(each), 4) for each in error],
        }
    edges = runs[0][0].edges
    return {"bin_A": float(edges[1] - edges[0]), "first_edge_A": float(edges[0]), "n_runs": len(runs), "pairs": found}


def of_density(density: Any, structure: Any | None) -> dict[str, Any]:
    """What the runs at constant pressure say; distributions are asked for by themselves, and may be missing yet."""
    runs = density.result.runs
    return {
        "production_ps": [float(run.time_ps[-1] - run.time_ps[run.start]) for run in runs],
        "compressibility_1_Pa": spread([run.compressibility.value for run in runs]),
        "density": without_places(density.to_dict(), "runs", "folder"),
        **({} if structure is None else {"radial_distributions": radial_distributions(structure)}),
    }


def of_motion(moving: Any, viscosity: Any | None) -> dict[str, Any]:
    """What the runs at constant volume say; the viscosity may be missing yet."""
    return {
        "diffusivity": without_places(diffusivity(moving), "trajectories", "path"),
        **({} if viscosity is None else {"viscosity_mPa_s": [run.viscosity.value for run in viscosity.result.runs]}),
    }


def without_places(content: dict[str, Any], runs: str, key: str) -> dict[str, Any]:
    """Where the runs lay here is nobody else's matter: their names stay."""
    for run in content[runs]:
        run[key] = Path(run[key]).name
    return content


def main() -> None:
    """Write a file for each temperature; what a campaign that has no runs here has left in it before, stays."""
    density = groups(ll.density, HERE / "density.yaml", bin_width=BIN_G_CM3)
    structure = groups(ll.structure, HERE / "density.yaml") if density else {}
    moving = groups(ll.diffusivity, HERE / "diffusivity.yaml")
    viscosity = groups(ll.viscosity, HERE / "diffusivity.yaml") if moving else {}
    for name in sorted({*density, *moving}):
        target = HERE / f"{name}.json"
        stored = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
        content = {
            "method": "OPLS-AA of oplsaa2024.lt; cutoff 9 Å with tail corrections, PPPM 1e-5; steps of 1 fs",
            "system": "16 EC, 32 EMC",
            **{key: value for key, value in stored.items() if key not in ("method", "system")},
            **(of_density(density[name], structure.get(name)) if name in density else {}),
            **(of_motion(moving[name], viscosity.get(name)) if name in moving else {}),
        }
        target.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        print(f"{target}: {', '.join(key for key in content if content[key] is not None)}")


if __name__ == "__main__":
    main()
