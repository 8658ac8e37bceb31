"""Whether a run begins within the limits of its own guard: refused before anything runs where it does not.

What a model says of the start (forces, committee) is not known here; `fix guard` sees it at the first step.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from lamplighter.analysis.reference_bonds import bonds_of
from lamplighter.analysis.stability_check import Limits, StabilityCheck, lacking
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, Npt, Nvt
from lamplighter.driver.start_of_run import StartOfRun
from lamplighter.errors import ConfigError, CriterionError, RunFolderError
from lamplighter.guard_criteria import CRITERIA, MEANT_FOR, PRESETS, UNITS, format_limit
from lamplighter.run_folder.events import read_events
from lamplighter.run_folder.guard_limits import limits_in
from lamplighter.run_folder.names import FAILURE


def require_within_limits(run: RunFile, start: StartOfRun) -> None:
    """Refuse a start that the guard would end at its first step.

    A minimisation changes bonds, so that bonds before one are not judged; it does not change the density.

    Raises:
        ConfigError: value, limit and key are named.
    """
    if not run.guard.criteria or run.guard.action != "stop" or not run.stages:
        return
    _require_temperatures(run)
    limits = Limits(**limits_in(run.guard.criteria)[0])
    missing = lacking(start.frame, limits)
    limits = replace(limits, **{name.replace(" ", "_"): None for name in (*missing, "force", "energy")})
    if not run.velocities.from_structure:
        limits = replace(limits, temperature=None)
    if isinstance(run.stages[0], Minimise):
        limits = replace(limits, **{each.key: None for each in CRITERIA if each.of_bonds})
    bonds = None
    if limits.watch_bonds:
        bonds = bonds_of(start.frame, run.guard.reference, start.rule)
    try:
        found = StabilityCheck(start.frame, limits, bonds).violations(start.frame)
    except CriterionError as problem:
        raise ConfigError(f"guard: {problem}") from None
    for violation in found:
        if violation.criterion not in limits.criteria:
            continue
        unit, limit = UNITS[violation.criterion], violation.limit
        key = violation.criterion.replace(" ", "_")
        atoms = ", ".join(f"{e} {a}" for e, a in zip(violation.elements[:2], violation.atoms[:2], strict=True))
        raise ConfigError(
            f"guard.{key}: the start structure {start.source} is beyond the limit already: "
            f"{_value(violation.value)} {unit}".rstrip()
            + (f" (atoms {atoms})" if atoms else "")
            + f", limit {format_limit(limit, unit)}{_of_preset(run, key)}; {_remedy(key)}"
        )


def _value(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"


def _of_preset(run: RunFile, key: str) -> str:
    preset = run.guard.preset
    if preset is None or key not in MEANT_FOR[preset] or run.guard.limit(key) != PRESETS[preset][key]:
        return ""
    return f" of the preset {preset}, which is for {MEANT_FOR[preset][key]}"


def _remedy(key: str) -> str:
    if key == "density":
        return "write bounds that fit (density: [LO, HI] in g/cm³), or bounds around the start's (density: 20 %)"
    if key.startswith("bond"):
        return "mend the structure, minimise first, or say which atoms are bonded (section bonds)"
    return "raise the limit"


def _require_temperatures(run: RunFile) -> None:
    limit = run.guard.temperature
    if limit is None:
        return
    wanted = [("velocities.temperature", run.velocities.temperature)] if run.velocities.temperature else []
    for index, stage in enumerate(run.stages):
        if isinstance(stage, Nvt | Npt):
            wanted += [
                (f"stages[{index}].temperature", each) for each in (stage.temperature.start, stage.temperature.stop)
            ]
    for key, temperature in wanted:
        if temperature is not None and temperature.metal > limit.metal:
            raise ConfigError(
                f"guard.temperature: {key} is {temperature}, above the limit of {limit}; raise the limit well above "
                "all temperatures (of few atoms they fluctuate widely)"
            )


def refused_at_the_first_step(criterion: str, folder: Path) -> ConfigError:
    """Of a run whose guard found the start beyond a limit before a step was made."""
    with contextlib.suppress(RunFolderError):
        if causes := [event.cause for event in read_events(folder) if event.cause]:
            return ConfigError(f"guard: {causes[-1]} (the atoms: {folder / FAILURE})")
    return ConfigError(
        f"guard: the start is beyond the limit of '{criterion}' before a step was made (value, limit and atoms: "
        f"`lamplighter events {folder}`); minimise first, or give a limit that fits"
    )
