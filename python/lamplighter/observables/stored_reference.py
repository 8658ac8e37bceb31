"""A reference in a file: what `lamplighter density --json` and `lamplighter diffusivity --json` say of its runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError
from lamplighter.observables.diffusivity import TO_1E6_CM2_S

SUFFIX = ".json"
"""How the name of such a file ends; a run folder's does not."""

_NO_COUNTS = "its runs have no counts (they were not written by earlier versions): ask for the density again"


@dataclass(frozen=True)
class StoredDistribution:
    """P(ρ) of reference runs.

    Attributes:
        path: The file.
        system: As `Run.system`.
        temperature: Mean over the runs, K.
        edges: g/cm³, shape (K + 1,).
        counts: Samples in each bin, for each run, shape (K,).
    """

    path: Path
    system: str
    temperature: float
    edges: Floats
    counts: tuple[Floats, ...]

    @property
    def width(self) -> float:
        """Of a bin, g/cm³."""
        return float(self.edges[1] - self.edges[0])

    @property
    def means(self) -> list[float]:
        """Of each run, from its bins, g/cm³."""
        middles = 0.5 * (self.edges[1:] + self.edges[:-1])
        return [float(np.average(middles, weights=each)) for each in self.counts]


@dataclass(frozen=True)
class StoredDiffusivity:
    """D of reference runs.

    Attributes:
        path: The file.
        molecules: As `TrajectoryDiffusivity.system`.
        values: Of all molecules, for each run, Å²/ps.
        temperature: Mean over the runs that say theirs, K; None: none does.
    """

    path: Path
    molecules: str
    values: list[float]
    temperature: float | None

    @property
    def value(self) -> float:
        """Mean over the runs, Å²/ps."""
        return float(np.mean(self.values))


def read_stored_reference(path: Path) -> tuple[StoredDistribution | None, StoredDiffusivity | None]:
    """What a file holds: one of the two answers, or both as `density` and `diffusivity`.

    The answer of a campaign with a single point is that point's.

    Raises:
        LamplighterError: it cannot be read, holds neither, or is the answer of several points of a campaign.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise LamplighterError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    except ValueError as problem:
        raise LamplighterError(f"{path} is no JSON: {problem}") from problem
    density, diffusivity = _answers(content, path)
    try:
        return (
            None if density is None else _distribution(density, path),
            None if diffusivity is None else _diffusivity(diffusivity, path),
        )
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        raise LamplighterError(
            f"{path} cannot be understood ({type(problem).__name__}: {problem}): write it by "
            "`lamplighter density … --json` or `lamplighter diffusivity … --json`"
        ) from problem


def _answers(content: Any, path: Path) -> tuple[Any, Any]:
    if isinstance(content, dict):
        if isinstance(groups := content.get("groups"), dict):
            if len(groups) != 1:
                raise LamplighterError(
                    f"{path} is the answer about a campaign, with a reference for each of its points "
                    f"({', '.join(groups) or 'none'}): name the run folders of one point in place of the campaign, and "
                    "write their answer"
                )
            return _answers(next(iter(groups.values())), path)
        if "edges_g_cm3" in content:
            return content, None
        if "trajectories" in content:
            return None, content
        if content.get("density") is not None or content.get("diffusivity") is not None:
            return content.get("density"), content.get("diffusivity")
    raise LamplighterError(
        f"{path} holds neither a density nor a diffusivity: write one by `lamplighter density … --json` or "
        "`lamplighter diffusivity … --json`, or both into one file as `density` and `diffusivity`"
    )


def _distribution(answer: dict[str, Any], path: Path) -> StoredDistribution:
    runs = answer["runs"]
    if any("counts" not in run for run in runs):
        raise LamplighterError(f"{path}: {_NO_COUNTS}")
    edges = np.array(answer["edges_g_cm3"], dtype=np.float64)
    counts = tuple(np.array(run["counts"], dtype=np.float64) for run in runs)
    if len(edges) < 2 or not np.allclose(np.diff(edges), edges[1] - edges[0]) or not edges[1] > edges[0]:
        raise ValueError("edges_g_cm3 are no bins of one width")
    if not counts or any(len(each) != len(edges) - 1 or not each.sum() > 0.0 or each.min() < 0.0 for each in counts):
        raise ValueError("counts are no numbers of samples in each bin")
    temperature = float(np.mean([run["temperature"]["value"] for run in runs]))
    return StoredDistribution(path, str(runs[0]["system"]), temperature, edges, counts)


def _diffusivity(answer: dict[str, Any], path: Path) -> StoredDiffusivity:
    trajectories = answer["trajectories"]
    mixtures = [trajectory["species"][-1] for trajectory in trajectories]
    values = [float(each["D_1e-6_cm2_s"]) / TO_1E6_CM2_S for each in mixtures]
    if not np.mean(values) > 0.0:
        raise ValueError(f"D is {np.mean(values) * TO_1E6_CM2_S:g}")
    species = ", ".join(f"{each['n_molecules']} {each['name']}" for each in trajectories[0]["species"])
    said = [each["temperature_K"] for each in trajectories if each.get("temperature_K") is not None]
    return StoredDiffusivity(path, species, values, float(np.mean(said)) if said else None)
