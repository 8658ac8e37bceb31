"""A volume scan: E(V) of models and a reference over the same frames, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from lamplighter.analysis.molecules import Molecules
from lamplighter.analysis.series import Estimate
from lamplighter.analysis.volume_scan import CurveErrors, EnergyCurve, curve_errors, energy_curve, spread
from lamplighter.arrays import Floats
from lamplighter.errors import LamplighterError
from lamplighter.structures.rigid_scan import closest_contact, density_of

FUSED = 1.15
"""Atoms of different molecules closer than this times the sum of their covalent radii would count as bonded."""


@dataclass(frozen=True)
class Energies:
    """What one model or method says of a scan.

    Attributes:
        total: Of each frame, eV, shape (n,).
        isolated: Sum over the molecules in vacuum, eV; None: not known.
    """

    total: Floats
    isolated: float | None = None


@dataclass(frozen=True)
class VolumeScanOfModels:
    """E(V) of models, and of a reference, per density.

    Attributes:
        source: Where the frames are from, in words.
        species: Number of molecules of each formula.
        n_molecules: Their sum.
        densities: g/cm³, shape (n,), ascending.
        volumes: Å³ per molecule, shape (n,).
        contacts: The closest atoms of different molecules, Å, shape (n,); infinite beyond 4 Å.
        fused: Where such atoms are so close that they would count as bonded, shape (n,).
        plateau: How the limit of density zero was obtained.
        curves: Of the models.
        reference: None: there is none.
        errors: Of each model against the reference; empty without one.
        well_density, well_energy, wall: Mean and spread over the models; None with fewer than two.
        notes: What limits the numbers.
    """

    source: str
    species: dict[str, int]
    n_molecules: int
    densities: Floats
    volumes: Floats
    contacts: Floats
    fused: NDArray[np.bool_]
    plateau: str
    curves: list[EnergyCurve]
    reference: EnergyCurve | None
    errors: list[CurveErrors]
    well_density: Estimate | None
    well_energy: Estimate | None
    wall: Estimate | None
    notes: list[str]


def volume_scan(
    source: str,
    frames: Sequence[Atoms],
    molecules: Molecules,
    models: Mapping[str, Energies],
    reference: tuple[str, Energies] | None = None,
    notes: Sequence[str] = (),
) -> VolumeScanOfModels:
    """Put energies together.

    The plateau is the sum over isolated molecules where all know it, else each curve's own energy at the lowest
    density.

    Args:
        source: Where the frames are from, in words.
        frames: Molecules whole, densities ascending.
        molecules: What is in them.
        models: Energies by name.
        reference: Name and energies.
        notes: What is known already to limit the numbers.

    Raises:
        LamplighterError: an energy is not finite.
    """
    densities = np.array([density_of(frame) for frame in frames])
    contacts = [closest_contact(frame, molecules.of_atom) for frame in frames]
    fused = np.array([each.ratio < FUSED for each in contacts])
    n = len(molecules)
    given = [*models.items(), *([reference] if reference else [])]
    isolated = all(each.isolated is not None for _, each in given)
    plateau = "isolated molecules" if isolated else f"the frame of lowest density, {densities[0]:.4g} g/cm³"

    def curve(name: str, energies: Energies) -> EnergyCurve:
        zero = energies.isolated if isolated and energies.isolated is not None else float(energies.total[0])
        return energy_curve(name, densities, energies.total, zero, n)

    try:
        curves = [curve(name, energies) for name, energies in models.items()]
        of_reference = curve(*reference) if reference else None
    except ValueError as problem:
        raise LamplighterError(f"volume scan: {problem}") from None
    found = list(notes)
    if fused.any():
        found.append(
            f"from {densities[fused][0]:.4g} g/cm³ on atoms of different molecules are so close that they would count "
            "as bonded: what follows is a wall, no liquid"
        )
    for each in [*curves, *([of_reference] if of_reference else [])]:
        if each.turns_down is not None:
            found.append(
                f"{each.name}: the energy falls again beyond {each.turns_down:.4g} g/cm³: at high pressure this model "
                "collapses"
            )
    return VolumeScanOfModels(
        source=source,
        species=dict(zip(molecules.names, molecules.counts(), strict=True)),
        n_molecules=n,
        densities=densities,
        volumes=np.array([frame.get_volume() / n for frame in frames]),
        contacts=np.array([each.distance for each in contacts]),
        fused=fused,
        plateau=plateau,
        curves=curves,
        reference=of_reference,
        errors=[curve_errors(each, of_reference, n) for each in curves] if of_reference else [],
        well_density=spread([each.well_density for each in curves]),
        well_energy=spread([each.well_energy for each in curves]),
        wall=spread([each.wall for each in curves]),
        notes=found,
    )
