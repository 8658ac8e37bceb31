"""Start structures: reading them, checking them, and writing them as LAMMPS data."""

from lamplighter.structures.start import StartStructure, read_start_structure

__all__ = ["StartStructure", "read_start_structure"]
