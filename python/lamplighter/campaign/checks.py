"""What would end each run before its first step is found before any of them starts, and told with the run's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamplighter.campaign.campaign_file import Campaign, CampaignRun
from lamplighter.driver import model_trust, other_python, preflight
from lamplighter.driver.run import script_of
from lamplighter.errors import LamplighterError, RunFolderError


def require_possible(campaign: Campaign) -> None:
    """Refuse a campaign of which a run cannot start here. Of runs that differ in their seed alone, one is looked at.

    Raises:
        RunFolderError, StructureError, ModelError, ConfigError, EnvironmentProblem: as `lamplighter run --dry-run`;
            the message names the run.
    """
    _once(campaign, lambda run: (run.run_file.structure.file,), _require_structure)
    _once(campaign, lambda run: (run.run_file.potential,), lambda run: _require_potential(run, campaign.ranks))
    _once(campaign, _what_decides, lambda run: script_of(run.run_file, ranks=campaign.ranks))


def require_trusted(campaign: Campaign, trust: bool) -> None:
    """Ask once for all runs whether their models may be opened: their own programs have nobody to ask.

    Args:
        campaign: The campaign.
        trust: Put the model files on the user's list of trusted files.

    Raises:
        UntrustedModelError: something is not trusted, and nobody said yes.
    """
    by_words = {str(run.run_file.potential): run.run_file.potential for run in campaign.runs}
    model_trust.asked_about(list(by_words.values()), trust)


def _what_decides(run: CampaignRun) -> tuple[object, ...]:
    """Guard, stages, committee and domains may refuse a structure as well as the potential may."""
    run_file = run.run_file
    return (run_file.model_copy(update={"seed": 0, "output": run_file.output.model_copy(update={"folder": None})}),)


def _once(
    campaign: Campaign, what: Callable[[CampaignRun], tuple[object, ...]], check: Callable[[CampaignRun], object]
) -> None:
    seen: set[str] = set()
    for run in campaign.runs:
        key = str(what(run))
        if key not in seen:
            seen.add(key)
            with _of_run(run):
                check(run)


@contextmanager
def _of_run(run: CampaignRun) -> Iterator[None]:
    try:
        yield
    except LamplighterError as problem:
        if problem.args and isinstance(problem.args[0], str):
            problem.args = (f"run {run.name}: {problem.args[0]}", *problem.args[1:])
        raise


def _require_structure(run: CampaignRun) -> None:
    structure = run.run_file.structure.file
    if not structure.exists():
        raise RunFolderError(f"structure {structure} does not exist")


def _require_potential(run: CampaignRun, ranks: int) -> None:
    potential = run.run_file.potential
    here = potential.python is None or other_python.goes_on_here(potential.python)
    preflight.checked(potential, ranks, evaluates=here)
