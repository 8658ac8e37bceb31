"""A frame from the atoms of ASE."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units

from lamplighter.errors import TrajectoryError
from lamplighter.structures.frame import Frame, standard_masses

_PS = 1e3 * units.fs  # in ASE's unit of time


def frame_of_atoms(atoms: Atoms, index: int) -> Frame:
    """A frame from ASE's atoms; ids from the array `id`, the step from `info["step"]`, the time from `info["time_ps"]`.

    Raises:
        TrajectoryError: two atoms have the same id.
    """
    ids = np.asarray(atoms.arrays.get("id", np.arange(1, len(atoms) + 1)), dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    if len(np.unique(ids)) != len(ids):
        raise TrajectoryError(f"frame {index} has two atoms of the same id")
    numbers = np.asarray(atoms.numbers, dtype=np.int64)[order]
    results = getattr(atoms.calc, "results", {})
    forces, energy = results.get("forces"), results.get("energy", results.get("free_energy"))
    step = atoms.info.get("step", atoms.info.get("timestep"))
    time = atoms.info.get("time_ps")
    masses = (
        np.asarray(atoms.get_masses(), dtype=np.float64)[order] if atoms.has("masses") else standard_masses(numbers)
    )
    return Frame(
        index=index,
        step=None if step is None else int(step),
        time_ps=None if time is None else float(time),
        ids=ids[order],
        numbers=numbers,
        positions=atoms.positions[order],
        cell=np.asarray(atoms.cell.array),
        periodic=np.asarray(atoms.pbc),
        masses=masses,
        velocities=atoms.get_velocities()[order] * _PS if atoms.has("momenta") else None,
        forces=None if forces is None else np.asarray(forces, dtype=np.float64)[order],
        potential_energy=None if energy is None else float(energy),
    )
