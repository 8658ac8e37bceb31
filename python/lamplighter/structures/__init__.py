"""Files of atoms: structures to start from, trajectories of any kind, frames with reference labels."""

from lamplighter.structures.start import StartStructure, read_start_structure

__all__ = ["StartStructure", "read_start_structure"]
