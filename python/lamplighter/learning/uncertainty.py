"""What a frame is uncertain by: the threshold of a generation, and models that know their training set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from lamplighter.errors import LamplighterError
from lamplighter.labelling.output import replace_frames
from lamplighter.learning.generation import Generation, read_record, write_record
from lamplighter.learning.generations import train_files_of
from lamplighter.learning.judgement import judged
from lamplighter.learning.learn_file import MEASURES, CalibratedSection
from lamplighter.learning.study import Study
from lamplighter.learning.tools import Tools
from lamplighter.structures.labelled_frames import read_labelled
from lamplighter.training.training_data import read_training_data


def threshold_of(study: Study, generation: Generation, models: Sequence[Path], tools: Tools) -> float | None:
    """Above which a frame is uncertain; None: frames are selected by something else."""
    measure = study.given.selection.measure
    if not measure:
        return None
    above = study.given.selection.above or MEASURES[measure]
    if not isinstance(above, CalibratedSection):
        return above
    if generation.threshold.is_file():
        return float(read_record(generation.threshold)["above_eV2_A2"])
    tools.say(f"{generation.name}: calibration")
    names = study.train_file.data.labels
    frames: list[Atoms] = []
    labels = []
    for file in study.train_file.data.test.values():
        given = read_labelled(file, names.energy, names.forces, names.stress)
        frames += given.frames
        labels += given.labels
    found = judged(models, frames, labels, tools.predict)
    quotient = found.calibration
    if not (math.isfinite(quotient) and quotient > 0.0):
        raise LamplighterError(
            f"selection.above.error: the models of {generation.name} agree on all test frames, so that no variance "
            "stands for an error: give a threshold (selection.above: 0.5)"
        )
    made = above.error.metal**2 / quotient
    write_record(
        generation.threshold,
        {
            "above_eV2_A2": made,
            "error_eV_A": above.error.metal,
            "squared_error_over_variance": quotient,
            "rank_correlation": found.correlation,
            "frames": len(frames),
            "atoms": len(found.squared),
        },
    )
    return made


def compiled_with_training_set(study: Study, generation: Generation, models: Sequence[Path], tools: Tools) -> Path:
    """One file of all models, which knows the frames that the first was trained on."""
    if not generation.compiled.is_file():
        tools.say(f"{generation.name}: compiles")
        given = train_files_of(study, generation)[0]
        seen = read_training_data(given.data).of_member(study.seeds[0], given.subset).train
        replace_frames(generation.training_set, [each.atoms for each in seen])
        tools.compiled(models, generation.training_set, generation.compiled)
    return generation.compiled
