"""What E(V) of a rigid scan says: the plateau at zero density, the well, the repulsive wall.

Niblett, Kourtis, Magdău, Grey, Csányi, Transferability of datasets between machine-learning interaction potentials; I.
Magdău, Machine Learning Interatomic Potentials, CAMMLS Spring School 2025.
Written out in `docs/how_to/equation_of_state.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from scipy.interpolate import CubicSpline, PchipInterpolator

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.isolated_molecules import BONDED
from lamplighter.analysis.molecules import Molecules, molecules
from lamplighter.analysis.series import Estimate
from lamplighter.analysis.whole_molecules import whole_molecules
from lamplighter.arrays import Floats
from lamplighter.errors import StructureError

METHOD_WELL = "cubic spline through the five points around the lowest; error: its difference from the parabola"
METHOD_WALL = "monotone cubic where E = 0 beyond the well; error: its difference from the straight line"

POINTS_OF_WELL = 5
"""Densities through which the spline goes."""

_FINE = 2001  # points on which a spline is searched
_ROUNDING = 1e-9  # eV


@dataclass(frozen=True)
class EnergyCurve:
    """E(ρ) of one model or method along a scan.

    Attributes:
        name: Of the model.
        total: eV, shape (n,).
        plateau: E of the whole system at zero density, eV.
        interaction: (E − plateau) per molecule, eV, shape (n,).
        well_density, well_energy: Of the lowest interaction energy, g/cm³ and eV/molecule; nan with a note where it
            lies at an end of the scan.
        wall: Density beyond the well at which the interaction energy is zero again, g/cm³; nan with a note likewise.
        turns_down: Density beyond the well from which on the energy falls although the liquid is compressed, g/cm³;
            None: nowhere.
    """

    name: str
    total: Floats
    plateau: float
    interaction: Floats
    well_density: Estimate
    well_energy: Estimate
    wall: Estimate
    turns_down: float | None


@dataclass(frozen=True)
class CurveErrors:
    """How far a model's curve is from the reference's.

    Attributes:
        plateau: Difference of the plateaus per molecule, eV: intramolecular and atomic energies.
        rms_attractive: Root mean square difference of the interaction energies at densities at which the reference's is
            not positive, eV/molecule; nan where there are none.
        largest_attractive: The largest such difference, with its sign, eV/molecule.
        n_attractive: How many densities these are.
    """

    plateau: float
    rms_attractive: float
    largest_attractive: float
    n_attractive: int


def molecules_for_scan(atoms: Atoms, bonds: BondRule = BONDED, atomic: bool = False) -> tuple[Atoms, Molecules]:
    """A frame with its molecules made whole, and what they are.

    Args:
        atoms: Positions finite.
        bonds: Which atoms are bonded.
        atomic: Every atom is a molecule of its own.

    Raises:
        StructureError: there are no bonds (and not `atomic`), or a molecule has no end.
    """
    periodic = np.asarray(atoms.pbc)
    pairs = np.empty((0, 2), dtype=np.int64)
    if not atomic:
        pairs, _ = bonds.find(atoms.positions, atoms.numbers, atoms.cell.array, periodic)
        if len(pairs) == 0:
            raise StructureError(
                "no bonds were found, so every atom would be a molecule of its own: raise the tolerance, or say atomic "
                "(--tolerance, --atomic; of a run file workflow.volume_scan.tolerance, .atomic) if that is meant"
            )
    whole = atoms.copy()
    whole.positions = whole_molecules(atoms.positions, pairs, atoms.cell.array, periodic)
    return whole, molecules(pairs, atoms.numbers, atoms.get_masses())


def energy_curve(name: str, densities: Floats, total: Floats, plateau: float, n_molecules: int) -> EnergyCurve:
    """Well, wall and unphysical descents of E(ρ).

    Args:
        name: Of the model.
        densities: g/cm³, shape (n,), ascending.
        total: eV, shape (n,).
        plateau: eV of the whole system at zero density.
        n_molecules: Number of molecules.

    Raises:
        ValueError: densities do not ascend, or an energy is not finite.
    """
    if not (np.diff(densities) > 0.0).all():
        raise ValueError("densities must ascend")
    bad = np.flatnonzero(~np.isfinite(total))
    if len(bad) or not math.isfinite(plateau):
        where = f"at {densities[bad[0]]:.4g} g/cm³" if len(bad) else "of the isolated molecules"
        raise ValueError(f"the energy of {name} {where} is not finite")
    interaction = (total - plateau) / n_molecules
    well_density, well_energy, place = _well(densities, interaction)
    turns_down = None
    for k in range(place, len(densities) - 1):
        if interaction[k + 1] < interaction[k] - _ROUNDING and not well_density.note:
            turns_down = float(densities[k])
            break
    return EnergyCurve(
        name=name,
        total=total,
        plateau=plateau,
        interaction=interaction,
        well_density=well_density,
        well_energy=well_energy,
        wall=_wall(densities, interaction, place),
        turns_down=turns_down,
    )


def curve_errors(curve: EnergyCurve, reference: EnergyCurve, n_molecules: int) -> CurveErrors:
    """A model against the reference, both at the same frames."""
    attractive = reference.interaction <= 0.0
    difference = (curve.interaction - reference.interaction)[attractive]
    plateau = (curve.plateau - reference.plateau) / n_molecules
    if len(difference) == 0:
        return CurveErrors(plateau, math.nan, math.nan, 0)
    largest = float(difference[np.argmax(np.abs(difference))])
    return CurveErrors(plateau, float(np.sqrt(np.mean(difference**2))), largest, len(difference))


def spread(estimates: list[Estimate]) -> Estimate | None:
    """Mean of several models with their standard deviation (not the error of the mean); None: fewer than two."""
    values = np.array([each.value for each in estimates if math.isfinite(each.value)])
    if len(values) < 2:
        return None
    n = len(values)
    method = "mean of models; ± their standard deviation"
    return Estimate(float(values.mean()), float(values.std(ddof=1)), estimates[0].unit, method, n, 1.0, float(n))


def _well(x: Floats, y: Floats) -> tuple[Estimate, Estimate, int]:
    """Density and energy of the first well from the dilute side on that is the deepest, and its place.

    A model that collapses at high density may lie lowest at the end of the scan: the well is the lowest point before
    the energy first climbs above the plateau.
    """
    above = np.flatnonzero((y > 0.0) & (np.arange(len(y)) > int(np.argmax(y < 0.0))))
    end = int(above[0]) + 1 if len(above) and (y < 0.0).any() else len(y)
    place = int(np.argmin(y[:end]))

    def estimate(value: float, error: float, unit: str, note: str = "") -> Estimate:
        return Estimate(value, error, unit, METHOD_WELL, len(x), 1.0, float(len(x)), note)

    if y[place] >= 0.0:
        note = "the energy is nowhere below the plateau: there is no well"
    elif place in (0, len(x) - 1):
        note = f"the lowest energy is at the end of the scan, {x[place]:.4g} g/cm³"
    else:
        first = max(0, min(place - 2, len(x) - POINTS_OF_WELL))
        near = slice(first, first + POINTS_OF_WELL)
        fine = np.linspace(x[place - 1], x[place + 1], _FINE)
        smooth: Any = CubicSpline(x[near], y[near])
        bent = np.polyval(np.polyfit(x[place - 1 : place + 2], y[place - 1 : place + 2], 2), fine)
        values = smooth(fine)
        at, other = int(np.argmin(values)), int(np.argmin(bent))
        # with fewer points the spline is the parabola and says nothing about the error
        known = 1.0 if len(x) >= POINTS_OF_WELL else math.nan
        density = estimate(float(fine[at]), known * abs(float(fine[at] - fine[other])), "g/cm³")
        energy = estimate(float(values[at]), known * abs(float(values[at] - bent[other])), "eV/molecule")
        return density, energy, place
    nothing = math.nan
    return estimate(nothing, nothing, "g/cm³", note), estimate(nothing, nothing, "eV/molecule", note), place


def _wall(x: Floats, y: Floats, place: int) -> Estimate:
    def estimate(value: float, error: float, note: str = "") -> Estimate:
        return Estimate(value, error, "g/cm³", METHOD_WALL, len(x), 1.0, float(len(x)), note)

    above = np.flatnonzero(y[place:] > 0.0)
    if y[place] >= 0.0:
        return estimate(math.nan, math.nan, "there is no well")
    if len(above) == 0:
        return estimate(math.nan, math.nan, f"the energy stays below the plateau up to {x[-1]:.4g} g/cm³")
    k = place + int(above[0])
    straight = float(x[k - 1] - y[k - 1] * (x[k] - x[k - 1]) / (y[k] - y[k - 1]))
    monotone: Any = PchipInterpolator(x, y)
    roots = [float(root) for root in monotone.roots(extrapolate=False) if x[k - 1] <= root <= x[k]]
    smooth = roots[0] if roots else straight
    return estimate(smooth, abs(smooth - straight))
