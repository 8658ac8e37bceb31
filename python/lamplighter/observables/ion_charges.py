"""The charge numbers of molecular species: as given, as listed, from charges of atoms, or those of well-known ions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from ase.data import chemical_symbols

from lamplighter.analysis.molecules import Molecules, hill_formula
from lamplighter.arrays import Floats, Integers
from lamplighter.errors import LamplighterError
from lamplighter.structures.molecule_list import MoleculeList

KNOWN_IONS: Mapping[str, int] = {
    **dict.fromkeys(("Li", "Na", "K", "Rb", "Cs", "H3O", "H4N"), 1),
    **dict.fromkeys(("Mg", "Ca", "Sr", "Ba", "Zn"), 2),
    "Al": 3,
    **dict.fromkeys(("F", "Cl", "Br", "I", "HO", "NO3", "ClO4", "BF4", "F6P", "AsF6"), -1),
    **dict.fromkeys(("C2F6NO4S2", "F2NO4S2", "CF3O3S", "C4BO8", "C2BF2O4"), -1),  # TFSI, FSI, triflate, BOB, DFOB
    **dict.fromkeys(("C6H11N2", "C7H13N2", "C8H15N2", "C8H18N", "C9H20N"), 1),  # EMIM, PMIM, BMIM, Pyr13, Pyr14
}
"""By formula in Hill's order."""

_CHARGED = 0.05  # e; below it, sums of rounded partial charges
_WHOLE = 0.03
_LEAST_SCALE = 0.5


@dataclass(frozen=True)
class SpeciesCharges:
    """Charge numbers of species.

    Attributes:
        charges: In units of e, in the order of `Molecules.names`, shape (S,).
        source: Where they are from, for a reader.
    """

    charges: Floats
    source: str


def charges_of_words(words: str | Mapping[str, float]) -> dict[str, float]:
    """`Li=1,PF6=-1` by formulas in Hill's order; the order in which elements are written does not matter.

    Raises:
        LamplighterError: it is not that.
    """
    if isinstance(words, str):
        pairs = [word.partition("=")[::2] for word in words.replace(",", " ").split()]
    else:
        pairs = [(name, str(value)) for name, value in words.items()]
    found: dict[str, float] = {}
    for name, value in pairs:
        parts = re.findall(r"([A-Z][a-z]?)(\d*)", name)
        if not parts or "".join(symbol + number for symbol, number in parts) != name:
            raise LamplighterError(f"--charges: {name!r} is no formula; write e.g. --charges Li=1,PF6=-1")
        elements: Counter[str] = Counter()
        for symbol, number in parts:
            if symbol not in chemical_symbols[1:]:
                raise LamplighterError(f"--charges: {symbol!r} in {name!r} is not a chemical element")
            elements[symbol] += int(number or 1)
        try:
            charge = float(value)
        except ValueError:
            charge = np.nan
        if not np.isfinite(charge):
            raise LamplighterError(
                f"--charges: the charge of {name} must be a number, got {value!r}; write e.g. --charges Li=1,PF6=-1"
            )
        found[hill_formula(elements)] = charge
    if not found:
        raise LamplighterError("--charges is empty; write e.g. --charges Li=1,PF6=-1")
    return found


def charges_of_species(
    molecules: Molecules,
    given: Mapping[str, float] | None = None,
    of_atoms: Floats | None = None,
    listed: MoleculeList | None = None,
) -> SpeciesCharges:
    """Charge numbers of all species: those given, else of the list of molecules, else whole ones from the charges of
    atoms, else of `KNOWN_IONS`.

    Args:
        molecules: What moves.
        given: By formula; species that are not named are neutral.
        of_atoms: Charges of atoms in a force field, shape (n_atoms,). They may be scaled: the whole numbers that are
            proportional to them are taken.
        listed: The molecules of the structure with their formal charges; those that were found have been through
            `told_apart`.

    Raises:
        LamplighterError: no species is charged, the charges do not add up to zero, one is given for a species that is
            not there, ions of the list are no molecules, or charges of the atoms are in no proportion of whole numbers.
    """
    if given is not None:
        unknown = [name for name in given if name not in molecules.names]
        if unknown:
            raise LamplighterError(
                f"--charges: there is no species {', '.join(unknown)}; there are {', '.join(molecules.names)}"
            )
        made = SpeciesCharges(np.array([given.get(name, 0.0) for name in molecules.names]), "charges as given")
    elif listed is not None:
        made = _from_list(molecules, listed, of_atoms)
    elif of_atoms is not None and np.abs(of_atoms).max(initial=0.0) > _CHARGED:
        made = _from_atoms(molecules, of_atoms)
    else:
        charges = np.array([float(KNOWN_IONS.get(name, 0)) for name in molecules.names])
        made = SpeciesCharges(charges, "formal charges of the ions with these formulas, as atoms have no charges")
    _require_neutral(molecules, made.charges)
    return made


def told_apart(molecules: Molecules, listed: MoleculeList) -> Molecules:
    """Species of one formula, but of several charges by the list, become species of their own: `NO3(−1)`.

    Raises:
        LamplighterError: ions of the list are no molecules.
    """
    charges = _charges_of_molecules(molecules, listed)
    names = np.array(molecules.names)[molecules.species]
    several = {name for name in molecules.names if len(np.unique(charges[names == name])) > 1}
    if not several:
        return molecules
    signed = [f"{name}({charge:+d})".replace("-", "−") for name, charge in zip(names, charges, strict=True)]
    apart = [told if name in several else str(name) for name, told in zip(names, signed, strict=True)]
    known = list(dict.fromkeys(apart))
    return replace(molecules, names=known, species=np.array([known.index(name) for name in apart], dtype=np.int64))


def in_words(names: list[str], charges: Floats) -> str:
    """The ions and their charges: `Li +1, F6P −1`."""
    return ", ".join(
        f"{name} {charge:+g}".replace("-", "−") for name, charge in zip(names, charges, strict=True) if charge
    )


def _charges_of_molecules(molecules: Molecules, listed: MoleculeList) -> Integers:
    """Formal charge of each molecule that was found, shape (n,)."""
    of_list = listed.molecule_of_atom()
    if len(of_list) != len(molecules.of_atom):
        raise LamplighterError(
            f"there are {len(molecules.of_atom)} atoms, and the list of molecules has {len(of_list)}: give the charges "
            "with --charges"
        )
    components = listed.component_of_molecule()
    charges = np.array([each.charge for each in listed.components])[components]
    within = molecules.of_atom[np.unique(of_list, return_index=True)[1]]
    broken = (molecules.of_atom != within[of_list]) & (charges[of_list] != 0)
    if broken.any():
        name = listed.components[components[of_list[int(broken.argmax())]]].name
        raise LamplighterError(
            f"atoms of {name} of the list of molecules are in several molecules, as bonds were found here: take the "
            "bonds of the run, or give the charges with --charges"
        )
    ions = np.bincount(within, weights=charges != 0, minlength=len(molecules))
    if (ions > 1).any():
        together = components[within == int((ions > 1).argmax())]
        names = " and ".join(sorted({listed.components[each].name for each in together}))
        raise LamplighterError(
            f"{names} of the list of molecules are one molecule, as bonds were found here, and would not conduct as "
            "ions: take the bonds of the run, or give the charges with --charges"
        )
    return np.bincount(within, weights=charges, minlength=len(molecules)).astype(np.int64)


def _from_list(molecules: Molecules, listed: MoleculeList, of_atoms: Floats | None) -> SpeciesCharges:
    of_molecules = _charges_of_molecules(molecules, listed)
    charges = np.array([float(of_molecules[molecules.species == k][0]) for k in range(len(molecules.names))])
    source = "formal charges, from the list of molecules"
    charged = np.flatnonzero(charges)
    if of_atoms is None or not of_atoms.any() or not len(charged):
        return SpeciesCharges(charges, source)
    scales = _means_of_species(molecules, of_atoms)[1][charged] / charges[charged]
    if np.ptp(scales) > _WHOLE:
        sums = ", ".join(f"{molecules.names[k]} {s * charges[k]:+.3g}" for k, s in zip(charged, scales, strict=True))
        source += f"; those of the atoms add up to {sums}".replace("-", "−")
    elif abs(scales.mean() - 1.0) > _WHOLE:
        source += f"; those of the atoms are scaled by {scales.mean():.3g}"
    return SpeciesCharges(charges, source)


def _means_of_species(molecules: Molecules, of_atoms: Floats) -> tuple[Floats, Floats]:
    """What charges of atoms add up to: in each molecule, shape (n,), and on average in each species, shape (S,)."""
    sums = np.bincount(molecules.of_atom, weights=of_atoms, minlength=len(molecules)).astype(np.float64)
    return sums, np.array([sums[molecules.species == place].mean() for place in range(len(molecules.names))])


def _from_atoms(molecules: Molecules, of_atoms: Floats) -> SpeciesCharges:
    sums, means = _means_of_species(molecules, of_atoms)
    apart = np.abs(sums - means[molecules.species])
    if apart.max() > _CHARGED:
        name = molecules.names[molecules.species[int(apart.argmax())]]
        raise LamplighterError(
            f"the charges of atoms make molecules {name} of different charge: give one with --charges {name}=…"
        )
    charged = np.abs(means) > _CHARGED
    if not charged.any():
        return SpeciesCharges(np.zeros_like(means), "charges of atoms")
    least = float(np.abs(means[charged]).min())
    for multiple in (1, 2, 3):
        scale = least / multiple
        whole = np.round(means / scale)
        if _LEAST_SCALE <= scale <= 1.0 + _WHOLE and np.abs(means / scale - whole)[charged].max() < _WHOLE * multiple:
            source = "formal charges, from those of the atoms"
            if abs(scale - 1.0) > _WHOLE:
                source += f", which are scaled by {scale:.3g}"
            return SpeciesCharges(np.where(charged, whole, 0.0), source)
    listed = ", ".join(f"{name} {mean:.3g}" for name, mean in zip(molecules.names, means, strict=True))
    raise LamplighterError(
        f"the charges of atoms add up to {listed}, in which no whole charges can be seen: give them with --charges"
    )


def _require_neutral(molecules: Molecules, charges: Floats) -> None:
    numbers = np.array(molecules.counts())
    there = ", ".join(f"{number} {name}" for number, name in zip(numbers, molecules.names, strict=True))
    if not charges.any():
        raise LamplighterError(
            f"no species has a charge ({there}): say which are ions, for example --charges Li=1,PF6=-1"
        )
    total = float(numbers @ charges)
    if abs(total) > 1e-6 * float(numbers @ np.abs(charges)):
        raise LamplighterError(
            f"the charges of {there} ({in_words(molecules.names, charges)}) add up to {total:+g}, not to zero: give "
            "the charge of each ion with --charges"
        )
