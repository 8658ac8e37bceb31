"""The plugin compiled for the installed LAMMPS on first use, and kept for later runs.

One folder a build in the user's cache: `plugins/KEY/`, where KEY names the LAMMPS, the sources and the compiler.
Of several processes (ranks) that need the same build one compiles, the others wait; a build appears in one step.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lamplighter.cache import cache_folders, writable_cache_folder

from .compiler import CompilationFailed, Compiler, compile_plugin, find_compiler
from .fingerprint import DESCRIPTION, PLUGIN, Fingerprint
from .installed_lammps import InstalledLammps
from .problem import PluginProblem

_KIND = "plugins"
_WAIT_LIMIT_S = 600.0
_REPEAT_FAILURE_AFTER_S = 600.0


def find_rebuilt(fingerprint: Fingerprint) -> Path | None:
    """A plugin that was rebuilt before and fits, else None. Any compiler will do where there is none now."""
    folders = [folder for folder in cache_folders(_KIND) if folder.is_dir()]
    if not folders:
        return None
    try:
        pattern = _key(fingerprint, find_compiler())
    except PluginProblem:
        pattern = f"{fingerprint.key}-*"
    for folder in folders:
        for build in folder.glob(pattern):
            if (build / PLUGIN).is_file() and (build / DESCRIPTION).is_file():
                return build / PLUGIN
    return None


def rebuild(lammps: InstalledLammps, fingerprint: Fingerprint, sources: Path) -> Path:
    """Compiles the plugin for `lammps`, or waits for the process that does so already.

    Raises:
        PluginProblem: no compiler, no folder to write to, sources that do not compile, or a wait that is too long.
    """
    compiler = find_compiler()
    folder = _writable_folder()
    key = _key(fingerprint, compiler)
    build = folder / key
    failure = folder / f"{key}.failed"
    with _only_one_process(folder / f"{key}.lock") as alone:
        if (build / PLUGIN).is_file():
            return build / PLUGIN
        _raise_recent(failure)
        if alone:  # what processes that were killed left behind
            for leftover in folder.glob(f"{key}.*.tmp"):
                shutil.rmtree(leftover, ignore_errors=True)
        print(
            f"lamplighter: compiling its plugin for LAMMPS {lammps.version}, once; kept in {build}",
            file=sys.stderr,
            flush=True,
        )
        try:
            _compile_into(build, compiler, lammps, fingerprint, sources)
        except CompilationFailed as problem:
            failure.write_text(f"{problem.reason}\n{problem.remedy}\n", encoding="utf-8")
            raise
        failure.unlink(missing_ok=True)
    return build / PLUGIN


def _key(fingerprint: Fingerprint, compiler: Compiler) -> str:
    return f"{fingerprint.key}-{compiler.key}"


def _compile_into(
    build: Path, compiler: Compiler, lammps: InstalledLammps, fingerprint: Fingerprint, sources: Path
) -> None:
    import tempfile

    unfinished = Path(tempfile.mkdtemp(prefix=f"{build.name}.", suffix=".tmp", dir=build.parent))
    try:
        compile_plugin(compiler, lammps, fingerprint, sources, unfinished / PLUGIN)
        (unfinished / DESCRIPTION).write_text(fingerprint.to_json() + "\n", encoding="utf-8")
        try:
            unfinished.rename(build)
        except OSError:  # where files cannot be locked, another process may have been first
            if not (build / PLUGIN).is_file():
                raise
    except OSError as problem:
        raise PluginProblem(
            f"the rebuilt plugin could not be written to {build} ({problem.strerror})",
            "make room there, or set XDG_CACHE_HOME to a folder that can be written",
        ) from problem
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextlib.contextmanager
def _only_one_process(lock: Path) -> Iterator[bool]:
    """Holds the lock on the file; yields False where the file system has no locks.

    The kernel drops the lock of a process that ends, however it ends: a lock file that is left over locks nothing.
    """
    with lock.open("w") as file:
        deadline = time.monotonic() + _WAIT_LIMIT_S
        alone = True
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PluginProblem(
                        f"another process has been compiling the plugin for {_WAIT_LIMIT_S:.0f} s (lock {lock})",
                        "end that process, or start again",
                    ) from None
                time.sleep(0.05)
            except OSError:
                alone = False
                break
        yield alone


def _raise_recent(failure: Path) -> None:
    """The ranks that waited for a build that failed must not try it again one by one."""
    try:
        age = time.time() - failure.stat().st_mtime
        reason, remedy = failure.read_text(encoding="utf-8").splitlines()[:2]
    except (OSError, ValueError):
        return
    if abs(age) < _REPEAT_FAILURE_AFTER_S:  # of the future: the clock was set back since
        raise CompilationFailed(reason, remedy)


def _writable_folder() -> Path:
    try:
        return writable_cache_folder(_KIND)
    except OSError as problem:
        raise PluginProblem(
            f"the rebuilt plugin cannot be kept: {problem}", "set XDG_CACHE_HOME to a folder that can be written"
        ) from problem
