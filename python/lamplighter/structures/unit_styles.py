"""LAMMPS' unit styles, and what their numbers are in metal units (Å, ps, eV, g/mol)."""

from __future__ import annotations

from ase.calculators.lammps import convert

from lamplighter.errors import TrajectoryError

UNIT_STYLES = ("metal", "real", "electron", "si", "cgs", "micro", "nano")
"""Those with sizes: all but lj (https://docs.lammps.org/units.html)."""


def factor(quantity: str, units: str) -> float:
    """What a quantity of a LAMMPS unit system is multiplied by to be in metal units (Å, ps, eV, g/mol).

    Raises:
        TrajectoryError: the unit system is not known, or has no sizes (lj).
    """
    if units == "metal":
        return 1.0
    if units not in UNIT_STYLES:
        raise TrajectoryError(f"units {units!r} cannot be converted; known are {', '.join(UNIT_STYLES)}")
    if (quantity, units) == ("velocity", "electron"):
        # LAMMPS moves atoms by velocity times timestep, in Bohr and fs, and its kinetic energy (mvv2e in update.cpp) is
        # that of Bohr/fs; its documentation names the atomic unit of time, 3 % longer than 1 fs, and so does ASE.
        return factor("distance", units) / factor("time", units)
    return float(convert(1.0, quantity, units, "metal"))
