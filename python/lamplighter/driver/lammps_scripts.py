"""Where the plain LAMMPS scripts are: in the installed package, or at the top of a source tree."""

from __future__ import annotations

from pathlib import Path

import lamplighter
from lamplighter.errors import EnvironmentProblem

_PACKAGE = Path(lamplighter.__file__).resolve().parent


def scripts_folder() -> Path:
    """The folder of `lammps_inputs`.

    Raises:
        EnvironmentProblem: the installation is incomplete.
    """
    for folder in (_PACKAGE / "lammps_inputs", _PACKAGE.parents[1] / "lammps_inputs"):
        if (folder / "setup.lmp").is_file():
            return folder
    raise EnvironmentProblem(f"the LAMMPS scripts of Lamplighter are missing from {_PACKAGE}: reinstall lamplighter")
