"""Models that `pair_style lamplighter` evaluates: by the native engine, or by a Python process through the bridge."""

from __future__ import annotations

from pathlib import Path

from lamplighter.config.potential import PotentialSection
from lamplighter.driver.pair_evaluation import Evaluation, Request
from lamplighter.driver.pair_style import PairStyle
from lamplighter.driver.torch_need import needs_torch
from lamplighter.driver.training_statistics import require_usable
from lamplighter.errors import ConfigError
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.named_calculator import NamedCalculator
from lamplighter.plain_names import file_word
from lamplighter.run_folder.names import CALCULATOR as CALCULATOR

STYLE = "lamplighter"


def require_possible(potential: PotentialSection, ranks: int) -> None:
    """Refuse what runs on one rank only.

    Raises:
        ConfigError: the potential is an ASE calculator, and there are several ranks.
    """
    if ranks == 1:
        return
    named = [str(model) for model in potential.models if is_calculator_file(model)]
    if potential.calculator is not None:
        named = [potential.calculator]
    if named:
        raise ConfigError(
            f"potential: {named[0]} is an ASE calculator, which gets all atoms at once, on one rank, and there are "
            f"{ranks}: start without mpirun, or with mpirun -n 1; threads are those of the calculator itself"
        )


def evaluation(request: Request) -> Evaluation:
    """How the models, or the calculator, of a run file are evaluated.

    Raises:
        ModelError: statistics of a training set that are damaged.
        LamplighterError: the model's own uncertainty is wanted, and there are none, or those of another model.
    """
    potential, elements = request.potential, request.elements
    files = " ".join(file_word(Path(model)) for model in potential.models or [request.calculator])
    words = f"dtype {potential.dtype} device {potential.device} kind {potential.kind} engine {potential.engine}"
    if potential.tf32:
        words += " tf32 yes"
    if potential.head is not None:
        words += f" head {potential.head}"
    if request.extrapolation:
        require_usable(Path(potential.models[0]), potential.training_set, potential.head)
        words += f" extrapolation every {request.extrapolation}"
        if potential.training_set is not None:
            words += f" from {file_word(potential.training_set)}"
    style = PairStyle(STYLE, f"{words} {request.committee}".rstrip(), (("* *", f"{files} {' '.join(elements)}"),))
    return Evaluation(
        style, bridge=True, torch_first=needs_torch(potential, elements, committee=bool(request.committee))
    )


def calculator_file(potential: PotentialSection) -> str | None:
    """The content of the file in the run folder that names the calculator of a run file; None if it names none."""
    if potential.calculator is None:
        return None
    return NamedCalculator(potential.calculator, potential.options).text()
