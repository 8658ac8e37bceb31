"""What came of a study: an answer, which commands and Python show, and each generation's own record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lamplighter.json_text import plain


@dataclass(frozen=True)
class OverModels:
    """A number of each model of a generation.

    Attributes:
        mean: Over the models.
        spread: Their standard deviation (divisor: models − 1); nan: there is one.
    """

    mean: float
    spread: float


@dataclass(frozen=True)
class MeanErrors:
    """Errors of the models of a generation over one set of frames.

    Attributes:
        frames: How many.
        energy: RMSE, meV/atom.
        forces: RMSE of all components, eV/Å.
        components: RMSE of F_x, F_y and F_z, eV/Å.
        stress: RMSE over the six components, meV/Å³; None: no frame has one.
        energy_shift: Mean error of the energy, meV/atom: predicted less labelled; None: of an earlier version.
    """

    frames: int
    energy: OverModels
    forces: OverModels
    components: list[OverModels]
    stress: OverModels | None
    energy_shift: OverModels | None = None


@dataclass(frozen=True)
class RunOutcome:
    """A run of a generation.

    Attributes:
        name: Of it.
        time_ps: Until it failed, or as long as it was watched.
        failed: Whether a bond broke, the density left its bounds, or the like.
        ended_by: The criterion of the guard that ended it; empty: it came to its end.
        largest_uncertainty: Of its frames that could be selected; nan: not known.
        density: Mean over the second half of its last stage, g/cm³; nan: that was not npt.
    """

    name: str
    time_ps: float
    failed: bool
    ended_by: str
    largest_uncertainty: float
    density: float = float("nan")


@dataclass(frozen=True)
class GenerationQuality:
    """Q of the models of a generation (`docs/theory/quality.md`).

    Attributes:
        value: Between 0 and 3.
        standard_error: Over the models; nan: there is one.
        stability, density, diffusivity: Its terms.
        lower_bound: With longer runs Q may be larger.
        densities: Mean of each model whose run reached the horizon, g/cm³.
        diffusivities: Of all molecules, likewise, Å²/ps.
        reference_densities, reference_diffusivities: Of each run of the reference; a single one where it was given so.
        density_errors, diffusivity_errors: Standard error of each model's, from the fluctuations within its run; empty:
            of an earlier version.
    """

    value: float
    standard_error: float
    stability: float
    density: float
    diffusivity: float
    lower_bound: bool
    densities: list[float]
    diffusivities: list[float]
    reference_densities: list[float] = field(default_factory=list)
    reference_diffusivities: list[float] = field(default_factory=list)
    density_errors: list[float] = field(default_factory=list)
    diffusivity_errors: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class ElementEnvironments:
    """Environments of the atoms of one element in a set of frames, held against the first training set.

    Attributes:
        set: `first training set` (that itself), the name of a test set, `selected` or `along`.
        element: Symbol.
        atoms: How many.
        mean, largest: Of the Q-residual of `analysis.extrapolation`.
        threshold: Beyond which an environment is flagged.
        flagged: Share of the atoms, between 0 and 1.
        flagged_training: Of the atoms of the first training set.
    """

    set: str
    element: str
    atoms: int
    mean: float
    largest: float
    threshold: float
    flagged: float
    flagged_training: float


@dataclass(frozen=True)
class BondLength:
    """One kind of bond along the runs of a generation, and in the reference.

    Attributes:
        name: As `analysis.bond_statistics` has it: C4–H1.
        lengths: How many.
        mean, error: Å, with its standard error.
        spread: Standard deviation over bonds and frames, Å.
        reference_mean, reference_error, reference_spread: The same of the reference; nan: it has no such bond.
    """

    name: str
    lengths: int
    mean: float
    error: float
    spread: float
    reference_mean: float
    reference_error: float
    reference_spread: float

    @property
    def shift(self) -> float:
        """Mean minus that of the reference, Å: positive where bonds are too long."""
        return self.mean - self.reference_mean

    @property
    def shift_error(self) -> float:
        """Its standard error, Å; both errors are taken to be independent."""
        return math.hypot(self.error, self.reference_error)

    @property
    def spread_ratio(self) -> float:
        """Spread over that of the reference: above 1 where bonds are too soft, or hotter."""
        return self.spread / self.reference_spread if self.reference_spread > 0.0 else math.nan


@dataclass(frozen=True)
class GenerationResult:
    """What was measured of a generation.

    Attributes:
        number: From 0.
        folder: Of it.
        models: Files; the first drives.
        frames: Of several atoms, by kind, that its models were trained on and validated with.
        errors: By set, over validation and test frames (`validation`, names of test sets), and over frames of its own
            runs: `selected` and `along`.
        explored: Whether it explored; False: it was trained on what the last one found, and that is all.
        measure: What frames were selected by: `variance` (eV²/Å²) or `extrapolation` (γ); empty: neither.
        above: Its threshold; None: there is none.
        runs: Its runs that came to an end.
        planned: How many runs there should be.
        added: Frames that were labelled for training.
        calibration: Squared errors of forces over variances, of frames along the runs; nan: not known.
        correlation: Spearman's, of the same atoms.
        quality: Q; None: not asked for.
        wall_s: Of its trainings, summed over its models.
        notes: What is to be known.
        force_scales: By set: slope of predicted against labelled forces through the origin; below 1: too soft.
        environments: Of its frames, by set and element, against the first training set.
        bonds: Along the last stage of its runs, of which the first model drove each.
    """

    number: int
    folder: Path
    models: list[Path]
    frames: dict[str, int]
    errors: dict[str, MeanErrors]
    explored: bool
    measure: str = ""
    above: float | None = None
    runs: list[RunOutcome] = field(default_factory=list)
    planned: int = 0
    added: int = 0
    calibration: float = float("nan")
    correlation: float = float("nan")
    quality: GenerationQuality | None = None
    wall_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    force_scales: dict[str, OverModels] = field(default_factory=dict)
    environments: list[ElementEnvironments] = field(default_factory=list)
    bonds: list[BondLength] = field(default_factory=list)

    @property
    def failed_runs(self) -> int:
        """Runs in which something broke."""
        return sum(each.failed for each in self.runs)

    @property
    def uncertain(self) -> int:
        """Runs with a frame above the threshold."""
        return 0 if self.above is None else sum(each.largest_uncertainty > self.above for each in self.runs)

    @property
    def certain(self) -> int:
        """Runs in which nothing broke, and all frames are known to be at or below the threshold."""
        return (
            0
            if self.above is None
            else sum(not each.failed and each.largest_uncertainty <= self.above for each in self.runs)
        )


@dataclass(frozen=True)
class Learning:
    """What came of a study, so far.

    Attributes:
        folder: Of it.
        generations: In order.
        ended: Why it is enough; empty: it goes on.
        under_way: How far the generation is that is not done; empty: none has begun.
        environments: Of the first training set itself and of the test sets, against the first training set.
        notes: What is to be known of all generations; each has notes of its own.
    """

    folder: Path
    generations: list[GenerationResult]
    ended: str = ""
    under_way: str = ""
    environments: list[ElementEnvironments] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def models(self) -> list[Path]:
        """Those of the last generation; none where there is none yet."""
        return self.generations[-1].models if self.generations else []


_IN_OTHER_FILES = ("folder", "force_scales", "environments", "bonds")
"""What the record of a generation leaves out: `examined` keeps it beside that record."""


def record_of(result: GenerationResult) -> dict[str, Any]:
    """What is kept of a generation: its folder may be moved with all that is in it."""
    models = [each.relative_to(result.folder) if each.is_relative_to(result.folder) else each for each in result.models]
    record: dict[str, Any] = plain(replace(result, models=models))
    return {name: value for name, value in record.items() if name not in _IN_OTHER_FILES}


def result_of_record(record: Mapping[str, Any], folder: Path) -> GenerationResult:
    """A generation from its record, and the folder that it lies in; what is null there is nan."""
    values = dict(record)
    values["folder"] = folder
    values["models"] = [folder / each for each in values["models"]]
    values["errors"] = {name: _errors_of_record(each) for name, each in values["errors"].items()}
    values["runs"] = [outcome_of_record(each) for each in values["runs"]]
    if values.get("quality") is not None:
        values["quality"] = GenerationQuality(**_numbers(values["quality"]))
    for name in ("calibration", "correlation"):
        values[name] = _number(values[name])
    return GenerationResult(**values)


def _errors_of_record(record: Mapping[str, Any]) -> MeanErrors:
    over = over_models_of_record
    stress, shift = (None if each is None else over(each) for each in (record["stress"], record.get("energy_shift")))
    components = [over(each) for each in record["components"]]
    return MeanErrors(record["frames"], over(record["energy"]), over(record["forces"]), components, stress, shift)


def over_models_of_record(record: Mapping[str, Any]) -> OverModels:
    """A number of each model, from its record."""
    return OverModels(**_numbers(record))


def environments_of_record(record: Mapping[str, Any]) -> ElementEnvironments:
    """Environments of an element, from their record."""
    return ElementEnvironments(**_numbers(record))


def bond_of_record(record: Mapping[str, Any]) -> BondLength:
    """A kind of bond, from its record."""
    return BondLength(**_numbers(record))


def outcome_of_record(record: Mapping[str, Any]) -> RunOutcome:
    """A run from its record."""
    return RunOutcome(**_numbers(record))


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> Any:
    return float("nan") if value is None else value
