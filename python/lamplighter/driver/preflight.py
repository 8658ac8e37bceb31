"""What is asked of a potential before anything is opened: the same, in the same order, of every command.

The order is: the environment (its Python, ranks, DeePMD-kit), whether the model files are there and are for running,
whether they fit the elements (`pair_setup`), whether they are trusted (`model_trust`, which may ask a person, and so
comes last).
"""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.config.potential import PotentialSection
from lamplighter.driver import classical, deepmd, lammps_lines, models, other_python
from lamplighter.errors import ModelError
from lamplighter.model_files import training_files


@dataclass(frozen=True)
class CheckedPotential:
    """A potential that nothing speaks against, as far as that is known without the elements; made by `checked`.

    Attributes:
        potential: A section of the run file with absolute paths.
        ranks: That it is to be evaluated on.
    """

    potential: PotentialSection
    ranks: int


def checked(potential: PotentialSection, ranks: int, *, evaluates: bool = True) -> CheckedPotential:
    """Refuse what cannot work. Nobody is asked, and no model is opened.

    Args:
        potential: A section of the run file with absolute paths.
        ranks: That it is to be evaluated on.
        evaluates: Whether it is to be evaluated here. False: a script is wanted, which may run elsewhere, so that
            nothing is asked of the environment.

    Raises:
        EnvironmentProblem: it is meant for another Python, or DeePMD-kit is needed, and not installed.
        ConfigError: an ASE calculator on several ranks.
        ModelError: a model file does not exist, or was left by training.
    """
    if evaluates:
        other_python.require_this(potential.python)
    if potential.evaluated_by == "lamplighter":
        models.require_possible(potential, ranks)
    if evaluates:
        if potential.evaluated_by == "deepmd":
            deepmd.require_installed()
        elif potential.evaluated_by == "lammps":
            lammps_lines.require_installed(potential)
    if potential.classical is not None:
        classical.require_possible(potential)
    require_files(potential)
    return CheckedPotential(potential, ranks)


def require_files(potential: PotentialSection) -> None:
    """Refuse a potential whose model files are not there, or are none to run.

    Raises:
        ModelError: one of them does not exist, or was left by training; the message names the file to use.
    """
    for_own_lammps = potential.evaluated_by == "own lammps"
    if potential.training_set is not None and not potential.training_set.is_file():
        raise ModelError(
            f"potential.training_set: {potential.training_set} does not exist: `lamplighter compile MODEL --training "
            "TRAIN.xyz -o FILE.training` makes it"
        )
    for index, model in enumerate(potential.models):
        if not (model.is_file() or (model.is_dir() and for_own_lammps)):
            training_files.refuse(model)  # a folder that something can be made of
            raise ModelError(f"potential.models[{index}]: {model} does not exist")
        training_files.refuse(model, for_own_lammps=for_own_lammps)
