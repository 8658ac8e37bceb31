"""How a run ends: by its guard, by a failure, without its output; and how it goes on."""

from __future__ import annotations

import contextlib
import os
import shlex

from lamplighter.driver import gaps
from lamplighter.driver.output_watch import free_reserve
from lamplighter.driver.run_plan import Plan
from lamplighter.errors import OutputLost
from lamplighter.run_folder.names import (
    COMMITTEE,
    EXTRAPOLATION,
    RUN_FILE,
)
from lamplighter.run_folder.status import RunStatus


def ended_by_guard(status: RunStatus) -> bool:
    """Whether the guard has ended the stages."""
    return status.guard is not None and status.guard.criterion is not None


def how_to_resume(plan: Plan) -> str:
    """What the user is told to do to go on with the run."""
    return f"go on with it: lamplighter run {shlex.quote(str(plan.folder / RUN_FILE))} --resume"


def record_failure(plan: Plan, status: RunStatus, problem: BaseException, stage: int | None) -> None:
    """Put the failure into status.json; never hides the failure itself."""
    status.status = "failed"
    # without the folder's own place: it may be moved and copied
    status.error = str(problem).replace(f"{plan.folder}{os.sep}", "") or type(problem).__name__
    status.failed_stage = stage
    if isinstance(problem, OutputLost):
        free_reserve(plan.folder)
    with contextlib.suppress(Exception):
        status.write(plan.folder)


def output_lost(plan: Plan, problem: OSError) -> OutputLost:
    """Of a run folder that takes no output any more."""
    return OutputLost(
        f"the run folder {plan.folder} takes no output any more ({problem.strerror or problem}), so the run was ended: "
        f"make room, or bring it back, and {how_to_resume(plan)}"
    )


def require_whole(plan: Plan) -> None:
    """Refuse to call a run completed of whose output something never reached the disk."""
    began = 0 if plan.restart is None else plan.restart.step
    for name, step in gaps.first_gaps(plan.folder, plan.run).items():
        if name not in (COMMITTEE, EXTRAPOLATION) and step > began:
            raise OutputLost(
                f"{name} lacks step {step}: the run folder {plan.folder} took no output for a while (a full disk, a "
                f"quota); see that there is room, and {how_to_resume(plan)}"
            )
