"""The lines of LAMMPS that evaluate a classical force field, in `units metal`."""

from __future__ import annotations

from lamplighter.potentials.classical.force_fields import JOULE_IN_CALORIE, ForceField
from lamplighter.potentials.classical.moltemplate_file import Kind
from lamplighter.potentials.classical.system import KINDS, System

# Exact values of the SI of 2019: e in C, and Avogadro's constant; the calorie is the thermochemical one.
_ELEMENTARY_CHARGE, _AVOGADRO = 1.602176634e-19, 6.02214076e23

KCAL_MOL_IN_EV = 1e3 * JOULE_IN_CALORIE / (_AVOGADRO * _ELEMENTARY_CHARGE)
"""1 kcal/mol in eV: 0.0433641."""

OPEN_CUTOFF_A = 1000.0
"""Cutoff where nothing is periodic: all pairs count."""

# Which coefficients of each style are energies; the others are lengths, angles and whole numbers.
_ENERGIES = {"bond": (0,), "angle": (0,), "dihedral": (0, 1, 2, 3), "improper": (0,)}
_WHOLE = {"improper": (1, 2)}

SHAKE_TOLERANCE, SHAKE_ITERATIONS = 1e-6, 100


ACCELERATED = ("suffix opt", "suffix off")
"""Before and after `pair_style`: the variant of package OPT, which gives the same numbers in less time, where LAMMPS
was built with it; other builds take the plain style without a word."""


def lines(
    force_field: ForceField, system: System, cutoff: float, accuracy: float, periodic: bool, tail: bool = True
) -> list[str]:
    """Styles and coefficients, for a box of atom style full that has its atoms.

    Args:
        force_field: The force field.
        system: The molecules, whose numbers of types are meant.
        cutoff: Of Lennard-Jones interactions, and of the part of Coulomb ones in real space, Å.
        accuracy: Relative error of the forces of PPPM, as LAMMPS estimates it.
        periodic: In all directions; else in none, and there is no cutoff.
        tail: Whether energy and pressure have corrections for Lennard-Jones interactions beyond the cutoff.
    """
    scale = f"{force_field.scale_14:g}"
    if periodic:
        before, after = ACCELERATED
        found = [
            before,
            f"pair_style lj/cut/coul/long {cutoff:.10g}",
            after,
            f"pair_modify mix {force_field.mixing} tail {'yes' if tail else 'no'}",
            f"kspace_style pppm {accuracy:g}",
        ]
    else:
        found = [f"pair_style lj/cut/coul/cut {OPEN_CUTOFF_A:g}", f"pair_modify mix {force_field.mixing} tail no"]
    found.append(f"special_bonds lj/coul 0.0 0.0 {scale}")
    for number, row in enumerate(system.types, start=1):
        found.append(f"pair_coeff {number} {number} {row.epsilon * KCAL_MOL_IN_EV:.12g} {row.sigma:.12g}")
    for kind in KINDS:
        if system.coefficients[kind]:
            found.append(f"{kind}_style {force_field.bonded_styles[kind]}")
            found += [
                f"{kind}_coeff {number} {_in_metal(kind, values)}"
                for number, values in enumerate(system.coefficients[kind], start=1)
            ]
    return found


def rigid_line(system: System) -> str:
    """The fix that holds rigid molecules, by the numbers of their bonds and angles; empty: there are none."""
    waters = [each for each in system.molecules if each.water is not None]
    if not waters:
        return ""
    words = []
    for letter, kind in (("b", "bond"), ("a", "angle")):
        values = dict.fromkeys(values for each in waters for _, values in each.terms[kind])  # type: ignore[index]
        numbers = [str(system.coefficients[kind].index(each) + 1) for each in values]  # type: ignore[index]
        words += [letter, *numbers]
    return f"all shake {SHAKE_TOLERANCE:g} {SHAKE_ITERATIONS} 0 {' '.join(words)}"


def _in_metal(kind: Kind, values: tuple[float, ...]) -> str:
    energies, whole = _ENERGIES[kind], _WHOLE.get(kind, ())
    return " ".join(
        f"{value * KCAL_MOL_IN_EV:.12g}" if place in energies else f"{value:.0f}" if place in whole else f"{value:.12g}"
        for place, value in enumerate(values)
    )
