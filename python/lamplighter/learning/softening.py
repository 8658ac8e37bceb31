"""Whether the models of a generation are too soft: the scale of their forces, and the bonds along their runs.

Sources: B. Deng et al., npj Comput. Mater. 2025, doi:10.1038/s41524-024-01500-6 (the slope of predicted against
labelled forces); Wong, Yang, arXiv:2603.10159 (bonds that are too long along runs of a start model).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from lamplighter.analysis.model_errors import force_scale, label_arrays
from lamplighter.errors import TrajectoryError
from lamplighter.learning.generation import Generation, kept_record
from lamplighter.learning.judgement import Predict, over_models
from lamplighter.learning.labels import PREFIX
from lamplighter.learning.learning import BondLength, GenerationResult, OverModels, bond_of_record
from lamplighter.learning.learning import over_models_of_record as over
from lamplighter.learning.selection import ADD, ALONG
from lamplighter.learning.study import Study
from lamplighter.model_files.trust import sha256
from lamplighter.observables.bond_lengths import KindOfBond, bonds_along_runs, bonds_of_frames
from lamplighter.run_folder.names import STATUS, TRAJECTORY
from lamplighter.run_folder.run import Run
from lamplighter.structures.labelled_frames import read_frames, read_labelled
from lamplighter.structures.labels import Labels
from lamplighter.training.training_data import read_training_data

REFERENCE = "reference_bonds.json"
"""Bond lengths of the reference, in the folder of a study."""


def force_scales(
    study: Study, generation: Generation, models: Sequence[Path], predict: Predict
) -> dict[str, OverModels]:
    """The slope of predicted against labelled forces, by set: test sets, `selected` and `along`.

    Raises:
        LamplighterError: a model cannot be evaluated, or a set cannot be read.
    """
    tests = study.train_file.data.test
    own = [generation.labelled] if generation.labelled.is_file() else []
    rests_on = {
        "models": [sha256(each) for each in models],
        "sets": {str(study.portable(str(e))): sha256(e) for e in [*tests.values(), *own]},
    }

    def made() -> dict[str, OverModels]:
        return {
            name: over_models([
                force_scale(label_arrays(predict(model, frames)), label_arrays(labels)) for model in models
            ])
            for name, (frames, labels) in _sets(study, generation).items()
        }  # fmt: skip

    return {name: over(each) for name, each in kept_record(generation.force_scales, rests_on, made).items()}


def bonds_of_generation(
    study: Study, generation: Generation, result: GenerationResult
) -> tuple[list[BondLength], list[str]]:
    """Each kind of bond along the last stage of its runs beside the reference, and what is to be known.

    Raises:
        LamplighterError: the reference cannot be read.
    """
    if not result.runs:
        return [], []
    reference = _reference(study)
    runs = [generation.folder / "exploration" / each.name for each in result.runs]
    rests_on = {"reference": reference, "runs": {each.name: sha256(each / STATUS) for each in runs}}

    def made() -> dict[str, Any]:
        known = {each["name"]: KindOfBond(**each) for each in reference}
        found, notes = bonds_along_runs([Run(each) for each in runs])
        return {"bonds": [_beside(each, known.get(each.name)) for each in found], "notes": notes}

    kept = kept_record(generation.bonds, rests_on, made)
    return [bond_of_record(each) for each in kept["bonds"]], list(kept["notes"])


def what_bonds_are_held_against(study: Study) -> str:
    """In words."""
    given = study.given.evaluation.bonds
    return "the labelled frames of the train file" if given is None else str(given)


def _beside(found: KindOfBond, known: KindOfBond | None) -> BondLength:
    nan = float("nan")
    other = (nan, nan, nan) if known is None else (known.mean, known.error, known.spread)
    return BondLength(found.name, found.lengths, found.mean, found.error, found.spread, *other)


def _reference(study: Study) -> list[dict[str, Any]]:
    """Of `evaluation.bonds`, or of the labelled frames of the train file; kept as JSON has it."""
    given = study.given.evaluation.bonds
    data = study.train_file.data
    if given is None:
        files = [file for kind in data.train.values() for file in kind.files]
        rests_on = [sha256(file) for file in files]

        def made() -> list[KindOfBond]:
            kinds = read_training_data(data).kinds.values()
            return bonds_of_frames(each.atoms for frames in kinds for each in frames if not each.is_lone_atom)

    else:
        path = study.beside(given)
        frames = path / TRAJECTORY if path.is_dir() else path
        rests_on = [str(study.portable(str(path))), *([sha256(frames)] if frames.is_file() else [])]

        def made() -> list[KindOfBond]:
            if not path.is_dir():
                return bonds_of_frames(read_frames(path)[0])
            found, notes = bonds_along_runs([Run(path)])
            if not found:
                raise TrajectoryError(f"evaluation.bonds: {notes[0]}")
            return found

    kept: list[dict[str, Any]] = kept_record(study.folder / REFERENCE, rests_on, made)
    nan = float("nan")
    return [{name: nan if value is None else value for name, value in each.items()} for each in kept]


def _sets(study: Study, generation: Generation) -> dict[str, tuple[list[Atoms], list[Labels]]]:
    names = study.train_file.data.labels
    found = {}
    for name, file in study.train_file.data.test.items():
        given = read_labelled(file, names.energy, names.forces, names.stress)
        found[name] = (given.frames, given.labels)
    if not generation.labelled.is_file():
        return found
    given = read_labelled(generation.labelled, f"{PREFIX}energy")
    for use, name in ((ADD, "selected"), (ALONG, ALONG)):
        pairs = [pair for pair in zip(given.frames, given.labels, strict=True) if pair[0].info.get("use") == use]
        if pairs:
            found[name] = ([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return found
