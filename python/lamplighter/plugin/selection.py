"""Which plugin fits the installed LAMMPS: the shipped one, one rebuilt before, or one rebuilt now."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .fingerprint import DESCRIPTION, PLUGIN, Fingerprint, fingerprint_for
from .installed_lammps import find_installed_lammps
from .problem import PluginProblem


@dataclass(frozen=True)
class PluginStatus:
    """What is known about the plugin, for `lamplighter doctor`.

    Attributes:
        path: the plugin that LAMMPS gets; None if none fits.
        built_for: the LAMMPS that `path`, or else the shipped plugin, was compiled for; empty if there is neither.
        installed: the LAMMPS that is installed; empty if none was found.
        fits: True if `path` was compiled for the installed LAMMPS, from these sources.
        rebuilt: True if `path` was compiled on this machine after installation.
        reason: why the shipped plugin is not used, or why there is none; empty if it is used.
        remedy: what to do; empty if nothing has to be done.
    """

    path: Path | None = None
    built_for: str = ""
    installed: str = ""
    fits: bool = False
    rebuilt: bool = False
    reason: str = ""
    remedy: str = ""


def select(build: bool) -> PluginStatus:
    """Finds the plugin for the installed LAMMPS; compiles it if it is missing and `build` is true."""
    shipped, shipped_for = _shipped_plugin()
    built_for = shipped_for.lammps if shipped_for else ""
    installed = reason = ""
    try:
        lammps = find_installed_lammps()
        installed = lammps.version
        wanted = fingerprint_for(lammps, _sources_folder())
        if wanted == shipped_for:
            return PluginStatus(shipped, built_for, installed, fits=True)
        from .rebuild import find_rebuilt, rebuild  # costs time that the usual case must not pay

        difference = wanted.difference(shipped_for) if shipped_for else "no shipped plugin"
        reason = f"the shipped plugin does not fit what is installed: {difference}"
        path = find_rebuilt(wanted)
        if path is None and not build:
            remedy = "none is needed: the plugin is compiled for it on first use, in seconds"
            return PluginStatus(None, built_for, installed, reason=reason, remedy=remedy)
        path = path or rebuild(lammps, wanted, _sources_folder())
        return PluginStatus(path, installed, installed, fits=True, rebuilt=True, reason=reason)
    except PluginProblem as problem:
        reason = f"{reason}, and {problem.reason}" if reason else problem.reason
        remedy = problem.remedy
        if installed and built_for and installed != built_for:
            remedy += f", or install the LAMMPS that the shipped plugin is for ({built_for})"
        return PluginStatus(None, built_for, installed, reason=reason, remedy=remedy)


def status() -> PluginStatus:
    """What is known about the plugin; compiles nothing and raises nothing that a user can cause."""
    return select(build=False)


def require() -> Path:
    """The plugin that fits the installed LAMMPS, compiled now if need be.

    Raises:
        lamplighter.errors.PluginError: there is none; the message holds the reason and the remedy.
    """
    found = select(build=True)
    if found.path is None:
        from lamplighter.errors import PluginError

        raise PluginError(f"Lamplighter's LAMMPS plugin cannot be used: {found.reason}. To mend it, {found.remedy}.")
    return found.path


def load_plugin(lammps: Any) -> Path:
    """Load the plugin into an open LAMMPS that has not done so itself; its path.

    Raises:
        lamplighter.errors.PluginError: as `require`; or LAMMPS does not take it.
    """
    path = require()
    if not lammps.has_style("pair", "lamplighter"):
        before = Path.cwd()
        os.chdir(path.parent)  # there it has a name that LAMMPS' input can hold, wherever the installation is
        try:
            lammps.command(f"plugin load ./{path.name}")
        finally:
            os.chdir(before)
    if not lammps.has_style("pair", "lamplighter"):
        from lamplighter.errors import PluginError

        raise PluginError(f"LAMMPS did not take the plugin {path}; see the lines that it printed above")
    return path


def _shipped_plugin() -> tuple[Path | None, Fingerprint | None]:
    # In an editable installation the compiled files lie elsewhere than this file: the package has both folders.
    for folder in sys.modules[__package__].__path__:
        compiled = Path(folder) / "compiled"
        try:
            fingerprint = Fingerprint.from_json((compiled / DESCRIPTION).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if (compiled / PLUGIN).is_file():
            return compiled / PLUGIN, fingerprint
    return None, None


def _sources_folder() -> Path:
    """The C++ sources: in the package when installed, beside `python/` in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "pair_styles", package.parents[1] / "pair_styles"):
        if (folder / "plugin.cpp").is_file():
            return folder
    raise PluginProblem(
        f"the plugin's C++ sources are missing from {package}",
        "reinstall with `pip install --force-reinstall lamplighter`",
    )
