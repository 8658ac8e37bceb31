"""`lamplighter lmp`: a drop-in for LAMMPS' own `lmp`, with Lamplighter's styles and models.

Switches are those of `lmp`; all but `-in` go to LAMMPS as they are. Exit status: 0, 1 after an error, or that of the
script's `quit`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lamplighter.errors import LamplighterError

_PARTITIONS = {"-partition", "-p", "-plog", "-pl", "-pscreen", "-ps", "-reorder", "-r", "-ro"}
_INPUT = {"-in", "-i"}
_HELP = {"-help", "-h"}
_STDIN = "/dev/stdin"


class LmpUsageError(LamplighterError):
    """A switch of `lamplighter lmp` is wrong or not supported."""


def lmp(arguments: list[str]) -> int:
    """Run LAMMPS as `lmp` would with these arguments; returns the exit status."""
    from lamplighter.engine import environment
    from lamplighter.engine.failure import end_together

    environment.limit_openmp()
    try:
        comm = environment.import_mpi().COMM_WORLD
    except LamplighterError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        return 1
    return end_together(comm, lambda: _run(arguments))


def split_arguments(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The input script (None: standard input, "none": none) and the switches that LAMMPS gets.

    Raises:
        LmpUsageError: partitions are asked for, or `-in` has no file.
    """
    script: str | None = None
    switches: list[str] = []
    rest = list(arguments)
    while rest:
        switch = rest.pop(0)
        name = switch.replace("--", "-", 1) if switch.startswith("--") else switch
        if name in _PARTITIONS:
            raise LmpUsageError(
                f"{switch}: several partitions (replicas) are not supported, because each Python process drives one "
                "LAMMPS on all ranks; start one `lamplighter lmp` for each replica"
            )
        if name in _INPUT:
            if not rest:
                raise LmpUsageError(f"{switch} needs a file")
            script = rest.pop(0)
        else:
            switches.append(switch)
    return script, switches


def _run(arguments: list[str]) -> int:
    from lamplighter import trust
    from lamplighter.engine import other_plugins
    from lamplighter.engine.environment import prepare
    from lamplighter.engine.session import LammpsError, Session
    from lamplighter.engine.torch_need import script_needs_torch

    script, switches = split_arguments(arguments)
    env = prepare()
    if script not in (None, "none") and not Path(str(script)).is_file():
        raise LmpUsageError(f"-in: the input script {script} does not exist")
    trust.ask_at_terminal(env.ranks == 1)
    wants_help = any(each in _HELP for each in switches)
    known = None if script in (None, "none") else Path(str(script))
    plugins = other_plugins.wanted_by(known, switches)
    needs_torch = known is None or script_needs_torch(known)
    session = Session(env, switches, with_models=not wants_help, torch_first=needs_torch, plugins=plugins)
    if script != "none":
        try:
            session.file(script or _STDIN)
        except LammpsError as problem:
            if env.ranks == 1 or problem.on_all_ranks:
                session.close()
            raise
    session.close()
    return 0
