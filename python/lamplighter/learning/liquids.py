"""The liquids of an ablation's models beside those of the reference: what errors over frames do not say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamplighter.learning.learning import GenerationQuality, Learning, MeanErrors
from lamplighter.learning.significance import LEVEL, holm, spread, welch

QUANTITIES = ("density", "diffusivity")


@dataclass(frozen=True)
class Liquid:
    """What the liquid of a point's models is like: of a study the last generation of which that was asked.

    Attributes:
        point: Name of it.
        quality: Q, and a density and a diffusivity of each model that reached the horizon.
        models: How many there are.
        along: Errors of these very models along the runs that they explored with; None: they explored nothing, or this
            was not asked for.
    """

    point: str
    quality: GenerationQuality
    models: int
    along: MeanErrors | None


@dataclass(frozen=True)
class FromReference:
    """A quantity of a point's models beside that of the reference.

    Attributes:
        point: Name of it.
        quantity: Of `QUANTITIES`: g/cm³, or Å²/ps.
        values: Of each model that reached the horizon.
        reference: Of each run of the reference.
        noise: Standard error of each of `values`, from the fluctuations within its run: two runs may agree by chance
            better than either is known. Root mean square; 0: not known.
        p: Of Welch's t-test between both, after Holm's correction for all points; nan: one of both is a single number.
    """

    point: str
    quantity: str
    values: list[float]
    reference: list[float]
    noise: float
    p: float

    @property
    def difference(self) -> float:
        """Of the means."""
        return float(np.mean(self.values) - np.mean(self.reference))

    @property
    def standard_error(self) -> float:
        """Of the difference, from the spread over models and over runs of the reference; nan: one of both has none.

        That over models is no smaller than the noise within their runs.
        """
        return math.hypot(_standard_error(self.values, self.noise), _standard_error(self.reference))

    @property
    def is_seen(self) -> bool:
        """Whether the difference is beyond both spreads."""
        return self.p < LEVEL


def liquids_of(studies: Mapping[str, Learning]) -> list[Liquid]:
    """Of each study that was asked for Q, by the names of their points."""
    found = []
    for name, study in studies.items():
        asked = [each for each in study.generations if each.quality is not None]
        if asked and asked[-1].quality is not None:
            last = asked[-1]
            found.append(Liquid(name, asked[-1].quality, len(last.models), last.errors.get("along")))
    return found


def from_reference(liquids: Sequence[Liquid], quantity: str) -> list[FromReference]:
    """Each point whose models have the quantity, beside the reference."""
    of_models = {"density": "densities", "diffusivity": "diffusivities"}[quantity]
    asked = [(each.point, each.quality) for each in liquids]
    known = [
        (point, values, reference, _root_mean_square(getattr(one, f"{quantity}_errors")))
        for point, one in asked
        if (values := getattr(one, of_models)) and (reference := getattr(one, f"reference_{of_models}"))
    ]
    corrected = holm([welch(values, reference, noise) for _, values, reference, noise in known])
    return [
        FromReference(point, quantity, values, reference, noise, p)
        for (point, values, reference, noise), p in zip(known, corrected, strict=True)
    ]


def _root_mean_square(errors: Sequence[float]) -> float:
    """Of the finite ones; 0: there is none."""
    finite = [each for each in errors if math.isfinite(each)]
    return math.sqrt(sum(each**2 for each in finite) / len(finite)) if finite else 0.0


def _standard_error(values: Sequence[float], noise: float = 0.0) -> float:
    return max(spread(values), noise) / math.sqrt(len(values)) if len(values) > 1 else math.nan
