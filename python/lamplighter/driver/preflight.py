"""What is asked of a potential before anything is opened: the same in every command that takes a run file."""

from __future__ import annotations

from lamplighter.config.run_file import PotentialSection
from lamplighter.driver import deepmd, model_trust, potential
from lamplighter.driver.environment import Environment
from lamplighter.driver.failure import agree


def require_usable(env: Environment, wanted: PotentialSection, trust: bool) -> None:
    """Refuse what cannot work, or may not be opened. Collective.

    Args:
        env: From `environment.prepare`.
        wanted: A resolved section of the run file.
        trust: Put its model files on the user's list of trusted files.

    Raises:
        As `require_possible`; UntrustedModelError: a model file is not trusted, and nobody can be asked.
    """
    agree(env.comm, lambda: require_possible(wanted, env.ranks))
    model_trust.require_trusted(env, wanted, trust)


def require_possible(wanted: PotentialSection, ranks: int) -> None:
    """The part that asks nobody.

    Raises:
        ConfigError: an ASE calculator on several ranks.
        EnvironmentProblem: DeePMD-kit is needed, and not installed.
        ModelError: a model file does not exist.
    """
    potential.require_ranks(wanted, ranks)
    if potential.needs_deepmd(wanted):
        deepmd.require_installed()
    model_trust.require_files(wanted)
