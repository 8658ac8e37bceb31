"""Run a LAMMPS script with Lamplighter's styles and models, as `lmp` would.

Switches are those of `lmp`, which `lamplighter lmp -help` lists; all but `-in` go to LAMMPS as they are.

Exit status: 0, 1 after an error, or that of the script's `quit`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter.errors import LamplighterError

if TYPE_CHECKING:
    from lamplighter.driver.environment import Environment

_PARTITIONS = {"-partition", "-p"}
_INPUT = {"-in", "-i"}
_HELP = {"-help", "-h"}
_STDIN = "/dev/stdin"
_STANDARD_INPUT = {"-", _STDIN, "/dev/fd/0", "/proc/self/fd/0"}


class LmpUsageError(LamplighterError):
    """A switch of `lamplighter lmp` is wrong or not supported."""


def lmp(arguments: list[str]) -> int:
    """Run LAMMPS as `lmp` would with these arguments; returns the exit status."""
    from lamplighter.driver import environment
    from lamplighter.driver.failure import end_together

    environment.limit_openmp()
    try:
        comm = environment.import_mpi().COMM_WORLD
    except LamplighterError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        return 1
    return end_together(comm, lambda: _run(arguments))


def split_arguments(arguments: list[str]) -> tuple[str | None, list[str], bool]:
    """The input script (None: standard input, "none": none), the switches that LAMMPS gets, and whether they ask for
    several partitions (replicas).

    Raises:
        LmpUsageError: `-in` has no file, or partitions have no script.
    """
    script: str | None = None
    switches: list[str] = []
    partitioned = False
    rest = list(arguments)
    while rest:
        switch = rest.pop(0)
        name = switch.replace("--", "-", 1) if switch.startswith("--") else switch
        if name in _INPUT:
            if not rest:
                raise LmpUsageError(f"{switch} needs a file")
            script = rest.pop(0)
        else:
            partitioned |= name in _PARTITIONS
            switches.append(switch)
    script = None if script in _STANDARD_INPUT else script
    if partitioned and script in (None, "none"):
        raise LmpUsageError("-partition: several partitions need a script that each can read: give -in FILE")
    return script, switches, partitioned


@contextmanager
def _readable(comm: Any, script: str | None) -> Iterator[Path | None]:
    """The script as a file that can be read more than once; None: there is none, or it is standard input.

    What is no regular file, as a named pipe or `<(…)`, is read on rank 0, once, and every rank gets a copy.

    Raises:
        LmpUsageError: it does not exist, or cannot be read.
    """
    from lamplighter.driver.failure import agree

    if script in (None, "none"):
        yield None
        return
    path = Path(str(script))

    def content() -> bytes | None:
        try:
            if path.is_file():
                return None
            if path.is_dir():
                raise LmpUsageError(f"-in: {script} is a folder, not an input script")
            return path.read_bytes()
        except FileNotFoundError:
            hint = (
                "; mpirun hands no descriptor of the shell on: write the script into a file, or into standard input"
                if str(script).startswith(("/dev/fd/", "/proc/"))
                else ""
            )
            raise LmpUsageError(f"-in: the input script {script} does not exist{hint}") from None
        except OSError as problem:
            raise LmpUsageError(f"-in: {script} cannot be read: {problem.strerror or problem}") from None

    text = agree(comm, content)
    if text is None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "script"
        copy.write_bytes(text)
        yield copy


def _run(arguments: list[str]) -> int:
    from lamplighter.driver.environment import prepare

    script, switches, partitioned = split_arguments(arguments)
    env = prepare()
    with _readable(env.comm, script) as known:
        return _carry_out(env, known, script == "none", switches, partitioned)


def _carry_out(
    env: Environment, known: Path | None, without_script: bool, switches: list[str], partitioned: bool
) -> int:
    from lamplighter.driver import other_plugins, script_models
    from lamplighter.driver.failure import agree
    from lamplighter.driver.session import LammpsError, Session
    from lamplighter.driver.torch_need import script_needs_torch
    from lamplighter.model_files import trust

    if known is not None and not partitioned:
        agree(env.comm, lambda: script_models.require_possible(known, env.ranks))
    trust.ask_at_terminal(env.ranks == 1)
    wants_help = any(each in _HELP for each in switches)
    plugins = other_plugins.wanted_by(known, switches)
    needs_torch = known is None or script_needs_torch(known)
    # a Python process drives one LAMMPS on all ranks, so replicas have none: models are the native engine's alone
    with_models = not wants_help and not partitioned
    if partitioned:
        switches = [*switches, "-in", str(known)]  # LAMMPS asks for it, and reads nothing by itself
    session = Session(env, switches, with_models=with_models, torch_first=needs_torch, plugins=plugins)
    if not without_script:
        try:
            session.file(known or _STDIN)
        except LammpsError as problem:
            if not partitioned and (env.ranks == 1 or problem.on_all_ranks):
                session.close()
            if known is None and "Label wasn't found" in str(problem):
                hint = "\n  LAMMPS cannot jump within standard input: give the script with -in FILE"
                raise LammpsError(f"{problem}{hint}", on_all_ranks=problem.on_all_ranks) from problem
            raise
    session.close()
    return 0
