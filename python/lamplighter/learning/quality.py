"""Q of a generation: each of its models carries out the same runs, and they are held against a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lamplighter.learning.exploration import ended_runs, written_campaign
from lamplighter.learning.generation import Generation
from lamplighter.learning.learn_file import QualitySection
from lamplighter.learning.learning import GenerationQuality
from lamplighter.learning.study import Study
from lamplighter.observables.quality import QualityOfRuns

Ask = Callable[[Sequence[Path], Sequence[Path], QualitySection], QualityOfRuns]
"""Q of run folders against references, with the options of a study file."""


def quality_of(
    study: Study, generation: Generation, models: Sequence[Path], ask: Ask, say: Callable[[str], None]
) -> tuple[GenerationQuality | None, list[str]]:
    """Carry out the runs of `evaluation.quality` that are not done, and ask for Q.

    Args:
        study: The study.
        generation: Whose models they are.
        models: Each by itself.
        ask: What knows Q.
        say: Told what is started and done.

    Returns:
        Q, and a line for each run that did not come to its end; None: it is not asked for.

    Raises:
        Interrupted: a signal came; the same call goes on.
        LamplighterError: the runs cannot start, or Q cannot be had of them.
    """
    section = study.given.evaluation.quality
    if section is None:
        return None, []
    say(f"{generation.name}: runs for Q")
    folders: list[Path] = []
    notes: list[str] = []
    for number, path in enumerate(study.quality_runs):
        content = {
            "base": study.quality_run(number, models[0]),
            "axes": {"member": {"key": "potential.models", "values": {each.stem: [str(each)] for each in models}}},
            "ranks": section.ranks,
        }
        campaign = written_campaign(generation.folder / f"quality_{path.stem}.yaml", content)
        ended, left_out = ended_runs(campaign, study.given.exploration.at_once, say)
        folders += [each.run.folder for each in ended]
        notes += left_out
    found = ask(folders, study.quality_references, section)
    stable = [each for each in found.members if each.stable]
    made = GenerationQuality(
        found.quality.value,
        found.quality.standard_error,
        found.quality.stability.value,
        found.quality.density.value,
        found.quality.diffusivity.value,
        found.quality.lower_bound,
        [each.density for each in stable if each.density is not None],
        [each.diffusivity for each in stable if each.diffusivity is not None],
        found.reference_densities,
        found.reference_diffusivities,
        [each.density_error for each in stable if each.density_error is not None],
        [each.diffusivity_error for each in stable if each.diffusivity_error is not None],
    )
    return made, [*notes, *found.notes]
