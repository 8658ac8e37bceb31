"""The runs of a generation are a campaign: a run from each start, with the models of the generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lamplighter import exit_status
from lamplighter.campaign.campaign_file import Campaign, load_campaign
from lamplighter.campaign.checks import require_possible
from lamplighter.campaign.local import carry_out, plan_of
from lamplighter.campaign.state import COMPLETED, FAILED, STALE, STOPPED, RunState, states_of
from lamplighter.errors import Interrupted, LamplighterError
from lamplighter.learning.generation import Generation, unwritable
from lamplighter.learning.starts import LARGEST_SEED, starts_of
from lamplighter.learning.study import Study
from lamplighter.observables.lifetime import broke_in_lammps
from lamplighter.run_folder.names import STATUS
from lamplighter.run_folder.run import Run
from lamplighter.whole_file import write_whole


def explored(
    study: Study,
    generation: Generation,
    before: Generation | None,
    models: Sequence[Path],
    above: float | None,
    say: Callable[[str], None],
) -> tuple[list[RunState], list[str]]:
    """Carry out the runs that are not done.

    Args:
        study: The study.
        generation: That explores.
        before: The one before; None: there is none.
        models: Of it; the first drives.
        above: Threshold of the uncertainty of an atom at which a run ends; None: none ends by it.
        say: Told what is started and done.

    Returns:
        The runs that came to an end, also one at which LAMMPS could not go on; and a line for
        each of the others.

    Raises:
        Interrupted: a signal came, or the time of the job is up; the same call goes on.
        LamplighterError: a run cannot start, or none came to its end.
    """
    campaign = campaign_of(study, generation, before, models, above, say)
    return ended_runs(campaign, study.given.exploration.at_once, say)


def ended_runs(campaign: Campaign, at_once: int | None, say: Callable[[str], None]) -> tuple[list[RunState], list[str]]:
    """Carry out the runs of a campaign that are not done.

    Args:
        campaign: The campaign.
        at_once: Runs at once; None: as many as fit.
        say: Told what is started and done.

    Returns:
        As `explored`.

    Raises:
        Interrupted: a signal came, or the time of the job is up; the same call goes on.
        LamplighterError: a run cannot start, or none came to its end.
    """
    plan = plan_of(campaign, at_once, None)
    states = states_of(campaign)
    if any(each.state not in (COMPLETED, STOPPED) for each in states):
        require_possible(campaign)
        if carry_out(campaign, plan, say) == exit_status.LATER:
            raise Interrupted(f"the runs in {campaign.folder} were ended: the same command goes on", exit_status.LATER)
        states = states_of(campaign)
    if stale := [f"{each.run.name} ({each.words})" for each in states if each.state == STALE]:
        raise LamplighterError(
            f"runs in {campaign.folder} were begun with something else: {'; '.join(stale)}: put it back, or remove "
            "their folders, and they are done anew"
        )
    ended = [each for each in states if _is_of_use(each)]
    if not ended:
        causes = "\n".join(f"  {each.run.name}: {each.state} {each.words}".rstrip() for each in states)
        raise LamplighterError(f"no run in {campaign.folder} came to its end:\n{causes}")
    left_out = [f"{each.run.name}: {each.state}, left out: {each.words}" for each in states if each not in ended]
    return ended, left_out


def _is_of_use(state: RunState) -> bool:
    """A run that came to its end, or of which the system broke so badly that LAMMPS ended it."""
    if state.state in (COMPLETED, STOPPED):
        return True
    return (
        state.state == FAILED and (state.run.folder / STATUS).is_file() and bool(broke_in_lammps(Run(state.run.folder)))
    )


def campaign_of(
    study: Study,
    generation: Generation,
    before: Generation | None,
    models: Sequence[Path],
    above: float | None,
    say: Callable[[str], None] = lambda text: None,
) -> Campaign:
    """The runs of a generation; starts that are not packed yet are packed. Arguments and errors as `explored`."""
    starts = starts_of(study, generation, before, say)
    seeds = [_seed_of_run(generation.number, k, len(starts)) for k in range(len(starts))]
    content: dict[str, Any] = {
        "base": {"structure": next(iter(starts.values())), **study.run_with(models, above)},
        "axes": {
            "start": {"key": "structure", "values": starts},
            "seed": {"key": "seed", "values": {f"seed{each}": each for each in seeds}},
        },
        "zip": [["start", "seed"]],
        "ranks": study.given.exploration.ranks,
    }
    return written_campaign(generation.campaign, content)


def written_campaign(path: Path, content: Mapping[str, Any]) -> Campaign:
    """Write a campaign file, unless it is there, and read it.

    Raises:
        LamplighterError: it cannot be written, or is not valid.
    """
    text = "# Written by `lamplighter learn`.\n" + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        try:
            write_whole(path, text)
        except OSError as problem:
            raise unwritable(path, problem) from problem
    return load_campaign(path)


def _seed_of_run(number: int, k: int, n: int) -> int:
    """Of its velocities: another in each run of each generation."""
    return (number * n + k) % LARGEST_SEED + 1
