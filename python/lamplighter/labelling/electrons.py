"""Total charge and spin of a frame, for methods that have electrons: what the frame states, and never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from lamplighter.errors import StructureError

CHARGE_KEYS = ("charge", "total_charge")
MULTIPLICITY_KEYS = ("multiplicity", "spin_multiplicity")

_ROUNDED = 0.01
"""How far (e) charges or moments of atoms may add up beside a whole number."""


@dataclass(frozen=True)
class Electrons:
    """What a frame is computed with.

    Attributes:
        charge: Of the whole frame, in elementary charges.
        multiplicity: 2 S + 1: one more than the number of unpaired electrons.
    """

    charge: int
    multiplicity: int


@dataclass(frozen=True)
class OfSilentFrames:
    """What holds for frames that state nothing; None: charge 0, and multiplicity 1."""

    charge: int | None = None
    multiplicity: int | None = None


def electrons_of(atoms: Atoms, otherwise: OfSilentFrames | None = None) -> Electrons:
    """Charge and multiplicity of a frame.

    They are read from `charge` or `total_charge`, and `multiplicity` or `spin_multiplicity`, of `atoms.info`; then from
    the sums of ASE's initial charges and magnetic moments.

    Args:
        atoms: The frame.
        otherwise: What holds where it states nothing.

    Raises:
        StructureError: the frame states no whole number, states a `spin` that could mean two things, or the number of
            its electrons does not go with its multiplicity.
    """
    otherwise = otherwise or OfSilentFrames()
    charge = _stated(atoms.info, CHARGE_KEYS)
    if charge is None:
        charge = _sum(atoms, "initial_charges")
    if charge is None:
        charge = otherwise.charge or 0
    multiplicity = _stated(atoms.info, MULTIPLICITY_KEYS)
    if multiplicity is None and (unpaired := _sum(atoms, "initial_magmoms")) is not None:
        multiplicity = abs(unpaired) + 1
    if multiplicity is None and otherwise.multiplicity is None and "spin" in atoms.info:
        raise StructureError(
            f"states spin={atoms.info['spin']}, which is the multiplicity to some programs and the number of unpaired "
            "electrons to others: write multiplicity=2S+1 in its place, or give --multiplicity"
        )
    if multiplicity is None:
        multiplicity = otherwise.multiplicity or 1
    number = int(np.sum(atoms.numbers)) - charge
    if multiplicity < 1 or multiplicity - 1 > number:
        raise StructureError(f"has multiplicity {multiplicity} and {number} electrons: it must be 1 at least, and 1 "
                             "more than the number of unpaired electrons")  # fmt: skip
    if (number - (multiplicity - 1)) % 2:
        raise StructureError(
            f"has {number} electrons at charge {charge}, which cannot be of multiplicity {multiplicity}: state "
            "charge=Q or multiplicity=M in its comment line, or give --charge or --multiplicity for all that state none"
        )
    return Electrons(charge, multiplicity)


def is_charged_or_open(atoms: Atoms) -> bool:
    """Whether a frame states a charge other than 0, or a multiplicity other than 1."""
    stated = [(atoms.info.get(key, 0), 0) for key in CHARGE_KEYS]
    stated += [(atoms.info.get(key, 1), 1) for key in MULTIPLICITY_KEYS]
    return any(str(value) not in (str(usual), f"{usual}.0") for value, usual in stated)


def _stated(info: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        if key in info:
            try:
                value = float(info[key])
            except (TypeError, ValueError):
                value = float("nan")
            if not value.is_integer():
                raise StructureError(f"states {key}={info[key]!r}, which is no whole number")
            return int(value)
    return None


def _sum(atoms: Atoms, array: str) -> int | None:
    if not atoms.has(array):
        return None
    total = float(np.sum(atoms.arrays[array]))
    if abs(total - round(total)) > _ROUNDED:
        raise StructureError(
            f"has {array} that add up to {total:.4g}, which is no whole number: state charge=Q or multiplicity=M in "
            "its comment line"
        )
    return round(total)
