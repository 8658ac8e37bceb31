"""Whether the model files of a potential may be opened, asked before LAMMPS starts."""

from __future__ import annotations

import sys

from lamplighter.config.run_file import Potential
from lamplighter.engine.environment import Environment
from lamplighter.engine.failure import agree
from lamplighter.errors import ModelError
from lamplighter.potentials.gap_file import is_gap


def require_files(potential: Potential) -> None:
    """Refuse a potential whose model files are not there.

    Raises:
        ModelError: one of them does not exist.
    """
    for index, model in enumerate(potential.models):
        if not (model.is_file() or (model.is_dir() and potential.by_own_lammps)):
            raise ModelError(f"potential.models[{index}]: {model} does not exist")


def require_trusted(env: Environment, potential: Potential, trust: bool) -> None:
    """Refuse model files that could run code and are not on the user's list. Collective.

    Args:
        trust: Put them on that list.

    Raises:
        UntrustedModelError: one is not trusted, and nobody can be asked.
    """
    # compiled models and GAPs hold numbers only
    models = [model for model in potential.model_files if model.suffix != ".lamp" and not is_gap(model)]
    if not models:
        return
    from lamplighter import trust as trusted

    interactive = env.ranks == 1 and sys.stdin is not None and sys.stdin.isatty()
    strict = potential.strict
    agree(env.comm, lambda: trusted.check(models, strict=strict, trust=trust, interactive=interactive))
    if not env.is_first:
        trusted.check(models, strict=strict, trust=False, interactive=interactive, warn=lambda message: None)
