"""Which stage of a run an observable is taken from."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.errors import RunFolderError
from lamplighter.run_folder.record import RunRecord, StageRecord


def chosen_stage(run: RunRecord, wanted: str | None, types: Sequence[str], observable: str) -> StageRecord:
    """The stage with the name or number that was asked for, else the last one of the right type.

    Args:
        run: The run.
        wanted: Name, or index from 0; None: by type.
        types: Of stages that serve the observable, such as ("npt",).
        observable: In words, for the message.

    Raises:
        RunFolderError: there is no such stage, or none of that type.
    """
    run.require_dynamics()
    named = ", ".join(f"{stage.index} {stage.name} ({stage.type or 'unknown'})" for stage in run.stages) or "none"
    if wanted is not None:
        found = [stage for stage in run.stages if wanted in (stage.name, str(stage.index))]
        if not found:
            raise RunFolderError(f"{run.folder} has no stage {wanted!r}; it has {named}")
        if found[-1].type and found[-1].type not in types:
            raise RunFolderError(
                f"stage {wanted!r} of {run.folder} is {found[-1].type}: {observable} needs one of {', '.join(types)}"
            )
        return found[-1]
    found = [stage for stage in run.stages if stage.type in types]
    if not found:
        found = [stage for stage in run.stages if stage.type == ""]  # status.json is missing
    if not found:
        raise RunFolderError(
            f"{run.folder} has no stage that serves: {observable} needs one of {', '.join(types)}; it has {named}"
        )
    return found[-1]


def stage_interval_ps(run: RunRecord, stage: StageRecord) -> tuple[float, float]:
    """When a stage begins and ends, ps since the start of the dynamics.

    Raises:
        RunFolderError: steps or timesteps are not recorded.
    """
    begin = 0.0
    for each in run.stages:
        if each.is_minimisation:
            continue
        if each.steps is None or each.timestep_fs is None:
            raise RunFolderError(f"{run.folder}: status.json does not say how long stage {each.index} is")
        end = begin + each.steps * each.timestep_fs * 1e-3
        if each.index == stage.index:
            return begin, end
        begin = end
    raise RunFolderError(f"stage {stage.index} of {run.folder} has no dynamics")
