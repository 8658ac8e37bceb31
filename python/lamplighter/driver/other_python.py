"""The Python of another environment, `potential.python` of the run file: going on there, or evaluating frames there.

The process is replaced before MPI, torch or LAMMPS are loaded, with the same arguments. It keeps its process id and
its open files, so that a rank that mpirun started is the same rank afterwards: MPICH's launcher is found by the
variables `PMI_*`, one of which is the number of an open file. Which environment mpirun is from does not matter, as long
as it is MPICH's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import lamplighter
from lamplighter.driver.interruption import signals_held
from lamplighter.errors import EnvironmentProblem

ORIGIN = "LAMPLIGHTER_STARTED_BY"
"""Names the Python that was replaced, for the one that replaces it, which then goes on by itself."""

_started_by: str | None = None

VERSION = "LAMPLIGHTER_WANTED_VERSION"

# What the other Python does first. `end` says what is wrong there.
_LAMPLIGHTER_IS_THERE = """
wanted = os.environ.pop("LAMPLIGHTER_WANTED_VERSION")
try:
    import lamplighter
except ImportError as missing:
    end(f"lamplighter cannot be imported by {sys.executable} ({missing}): install this version there, {wanted}, "
        f"with {sys.executable} -m pip install (docs/how_to/environments.md)")
if lamplighter.__version__ != wanted:
    end(f"{sys.executable} has lamplighter {lamplighter.__version__}, and this one is {wanted}: install the same")
"""

# Everything that can be wrong there is told by rank 0 in words of its own.
_COMMAND = f"""
import os, sys

def end(problem):
    if os.environ.get("PMI_RANK", "0") == "0":
        print("Error: potential.python: " + problem, file=sys.stderr)
    sys.exit(1)
{_LAMPLIGHTER_IS_THERE}
from lamplighter.cli import main
sys.argv[0] = "lamplighter"
main()
"""

_EVALUATION = f"""
import json, os, sys

def end(problem):
    with os.fdopen(int(sys.argv[2]), "w", encoding="utf-8") as told:
        told.write(json.dumps({{"error": ["EnvironmentProblem", "potential.python: " + problem]}}) + "\\n")
    sys.exit(1)
{_LAMPLIGHTER_IS_THERE}
from lamplighter.driver.elsewhere import answer
answer(int(sys.argv[1]), int(sys.argv[2]))
"""


_MODULE = f"""
import importlib.util, os, runpy, sys

def end(problem):
    if os.environ.get("PMI_RANK", "0") == "0":
        print("Error: potential.python: " + problem, file=sys.stderr)
    sys.exit(1)
{_LAMPLIGHTER_IS_THERE}
del sys.argv[0]
if importlib.util.find_spec(sys.argv[0].rpartition(".")[0]) is None:
    end(f"lamplighter {{wanted}} of {{sys.executable}} is an older one of the same number, without {{sys.argv[0]}}: "
        "install this one there (docs/how_to/environments.md)")
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def started_by() -> str | None:
    """The Python that this process was replaced from; None if it was not."""
    return _started_by


def continue_in_python_of(run_file: Path, arguments: Sequence[str]) -> None:
    """Replace this process by the Python that the run file names, unless it is this one. Call it before MPI starts.

    Args:
        run_file: Read for `potential.python` alone; where it cannot be read, whoever reads it properly says why.
        arguments: Of the command line, without the program.

    Raises:
        EnvironmentProblem: what it names is no Python that can be started.
    """
    global _started_by
    _started_by = os.environ.pop(ORIGIN, None)
    python = _named_in(run_file)
    if python is None or _started_by is not None or is_this(python):
        return
    require_program(python)
    os.environ[ORIGIN] = sys.executable
    os.environ[VERSION] = lamplighter.__version__
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        with signals_held():
            os.execv(python, [str(python), "-c", _COMMAND, *arguments])
    except OSError as problem:
        raise EnvironmentProblem(f"potential.python: {python} cannot be started: {problem.strerror}") from problem


def require_this(python: Path | None) -> None:
    """Refuse to carry out a run that another Python is meant for, in a process that cannot be replaced any more.

    Raises:
        EnvironmentProblem: `python` is another environment's.
    """
    if python is None or goes_on_here(python):
        return
    require_program(python)
    raise EnvironmentProblem(
        f"potential.python: the run is meant for {python}, and this is {sys.executable}: start it with `lamplighter "
        "run`, which goes on in that Python, or start this program with it"
    )


def goes_on_here(python: Path) -> bool:
    """Whether what is meant for a Python is carried out by this process: it is that one, or was started by another."""
    return _started_by is not None or is_this(python)


def evaluation_in(python: Path, asked: int, told: int) -> list[str]:
    """The command that answers for frames in another Python (`elsewhere`).

    Args:
        python: The Python.
        asked, told: Open files of this process that it inherits: where it reads questions, and where it answers.

    Raises:
        EnvironmentProblem: it is no Python that can be started.
    """
    require_program(python)
    return [str(python), "-c", _EVALUATION, str(asked), str(told)]


def module_in(python: Path, module: str) -> list[str]:
    """The command that runs a module of this package in another Python; its arguments follow.

    Raises:
        EnvironmentProblem: it is no Python that can be started.
    """
    require_program(python)
    wanted = f"import os\nos.environ[{VERSION!r}] = {lamplighter.__version__!r}\n"
    return [str(python), "-c", wanted + _MODULE, module]


def is_this(python: Path) -> bool:
    """Whether a path is this process's Python. Links are not followed: they lead out of environments."""
    names = {Path(sys.prefix) / "bin" / "python", Path(sys.executable)}
    if python.absolute() in names:
        return True
    return python.parent == Path(sys.prefix) / "bin" and python.resolve() == Path(sys.executable).resolve()


def _named_in(run_file: Path) -> Path | None:
    try:
        content: Any = yaml.safe_load(run_file.read_text(encoding="utf-8"))
        named = content["potential"]["python"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None
    if not isinstance(named, str):
        return None
    from lamplighter.config.potential import interpreter

    return interpreter(Path(named), run_file.resolve().parent)


def require_program(python: Path) -> None:
    """Refuse what cannot be a Python.

    Raises:
        EnvironmentProblem: it does not exist, is a folder, or cannot be started.
    """
    if python.is_dir():
        raise EnvironmentProblem(
            f"potential.python: {python} is a folder; name its Python, e.g. {python / 'bin/python'}"
        )
    if not python.exists():
        raise EnvironmentProblem(
            f"potential.python: {python} does not exist; python -m venv makes an environment "
            "(docs/how_to/environments.md)"
        )
    if not os.access(python, os.X_OK):
        raise EnvironmentProblem(f"potential.python: {python} is no program that can be started")
