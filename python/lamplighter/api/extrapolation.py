"""How far environments are from a training set: what `lamplighter extrapolation fit` and `check` print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lamplighter.api.answer import Answer, in_words_of_python
from lamplighter.api.files import StrPath, file_of
from lamplighter.api.ranks import on_first_rank
from lamplighter.api.runs import One, named
from lamplighter.api.trajectory_source import Time, open_source
from lamplighter.errors import LamplighterError
from lamplighter.file_suffixes import COMPILED, TRAINING_SET
from lamplighter.run_folder.run import Run

if TYPE_CHECKING:
    from lamplighter.observables.extrapolation import CheckedTrajectory, Extrapolation


@in_words_of_python
def extrapolation_fit(
    training: StrPath,
    *,
    output: StrPath | None = None,
    components: int = 5,
    most: int = 5000,
    seed: int = 1,
) -> Answer[Extrapolation]:
    """Learn a training set: a PCA of the SOAP descriptors of each element, and the threshold of its residuals.

    Args:
        training: File of the structures that models were trained on.
        output: What was learnt is written into this file, `.npz`.
        components: So many are kept of each element's PCA.
        most: The PCA of an element is made from so many of its environments at most; of more, a sample is taken.
        seed: Of that sample.

    Returns:
        What `extrapolation` takes.

    Raises:
        LamplighterError: the file cannot be read or written, or an argument is out of range.

    Source: docs/how_to/extrapolation.md.
    """
    from lamplighter.observables.extrapolation import fit_training_set, save_extrapolation
    from lamplighter.report.extrapolation_text import SHOWN_FIT
    from lamplighter.structures.labelled_frames import read_frames

    for option, value, least in (("--components", components, 1), ("--most", most, 10)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise LamplighterError(f"{option} must be a whole number of {least} at least, got {value!r}")
    path = file_of(training, "training")
    frames, dropped = read_frames(path)
    fitted = fit_training_set(path, frames, components, most, seed)
    if dropped:
        fitted.notes.append(f"{path.name}: {dropped}")
    if output is not None:
        written = file_of(output, "--output")
        on_first_rank(lambda: save_extrapolation(written, fitted))
    return Answer(fitted, SHOWN_FIT)


@in_words_of_python
def extrapolation(
    trajectory: One,
    fitted: StrPath | Answer[Extrapolation] | Extrapolation,
    *,
    every: int = 1,
    elements: str | None = None,
    topology: StrPath | None = None,
    units: str | None = None,
    timestep: Time | None = None,
    dt: Time | None = None,
    atoms: StrPath | None = None,
) -> Answer[CheckedTrajectory]:
    """Hold a trajectory against a training set: Q of each atom, and what is beyond the threshold.

    Args:
        trajectory: Run folder, open run, LAMMPS dump, or a trajectory that ASE reads.
        fitted: What `extrapolation_fit` learnt, its file, or a `.lamp` file that knows its training set (`lamplighter
            compile --training`): then U of the model's own features takes the place of Q of SOAP.
        every: Look only at each such frame.
        elements, topology, units, timestep, dt: What a trajectory file does not say (`lamplighter extrapolation check
            --help`).
        atoms: The frames are written into this file, as extended XYZ, with Q of each atom.

    Returns:
        Q along the trajectory, the share of flagged environments, `notes`; figures of Q and of the map.

    Raises:
        LamplighterError: the trajectory or the fit cannot be used, or an argument is out of range.

    Source: docs/how_to/extrapolation.md.
    """
    from lamplighter.observables.extrapolation import check_frames
    from lamplighter.report.extrapolation_text import SHOWN, write_atoms

    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise LamplighterError(f"--every must be a whole number of 1 at least, got {every!r}")
    chosen = named(trajectory, "trajectory")
    if len(chosen) > 1:
        raise LamplighterError(f"trajectory: one is checked at a time, and there are {len(chosen)}")
    known = _fit(fitted)
    source = open_source(chosen[0], topology, elements, units, timestep, dt)
    path = chosen[0].folder if isinstance(chosen[0], Run) else chosen[0]
    result = check_frames(path, source, known, every)
    if source.frames.dropped:
        result.notes.append(f"{path.name}: {source.frames.dropped}")
    if atoms is not None:
        written = file_of(atoms, "--atoms")
        on_first_rank(lambda: write_atoms(result, iter(source), written))
    return Answer(result, SHOWN)


def stored_fit(path: Path) -> Extrapolation:
    """What `extrapolation_fit` wrote.

    Raises:
        LamplighterError: it does not exist, or is no such file.
    """
    from lamplighter.observables.extrapolation import load_extrapolation

    if not path.is_file():
        raise LamplighterError(f"{path} does not exist: make it with `lamplighter extrapolation fit TRAINING -o FILE`")
    return load_extrapolation(path)


def _fit(given: StrPath | Answer[Extrapolation] | Extrapolation) -> Extrapolation:
    from lamplighter.observables.extrapolation import Extrapolation

    found = given.result if isinstance(given, Answer) else given
    if isinstance(found, Extrapolation):
        return found
    path = file_of(found, "fitted")
    if path.suffix in (COMPILED, TRAINING_SET) and path.is_file():
        from lamplighter.driver.training_statistics import require_training_set

        return require_training_set(path)
    return stored_fit(path)
