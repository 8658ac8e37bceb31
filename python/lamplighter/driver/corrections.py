"""What a run file adds to a potential: DFT-D3 dispersion, and the repulsion of Ziegler, Biersack and Littmark."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ase.data import atomic_numbers

from lamplighter.config.corrections import LAST_ELEMENT_OF_D3, DispersionSection, ZblSection
from lamplighter.driver.pair_style import PairStyle
from lamplighter.errors import ConfigError

NEIGHBOUR_SKIN_A = 2.0
"""LAMMPS' default of `units metal`."""

DENSEST_PER_A3 = 0.25
"""Atoms: diamond has 0.18 in 1 Å³."""


def dispersion(given: DispersionSection, elements: Sequence[str]) -> PairStyle:
    for element in elements:
        if atomic_numbers[element] > LAST_ELEMENT_OF_D3:
            raise ConfigError(
                f"potential.dispersion: D3 has no coefficients of {element}: they end at plutonium (94); leave it out"
            )
    damping = "original" if given.damping == "zero" else given.damping
    words = f"{damping} {given.functional} {given.cutoff.metal:.12g} {given.coordination_cutoff.metal:.12g}"
    return PairStyle("dispersion/d3", words, (("* *", " ".join(elements)),))


def room_for_neighbours(given: DispersionSection) -> str:
    """LAMMPS' lists have room for 2000 neighbours of an atom, which a liquid has within 17 Å."""
    reach = max(given.cutoff.metal, given.coordination_cutoff.metal) + NEIGHBOUR_SKIN_A
    most = max(2000, math.ceil(4.0 / 3.0 * math.pi * reach**3 * DENSEST_PER_A3))
    return f"neigh_modify one {most} page {10 * most}"


def zbl(given: ZblSection, elements: Sequence[str]) -> PairStyle:
    charges = [atomic_numbers[element] for element in elements]
    pairs = [(i, j) for i in range(len(charges)) for j in range(i, len(charges))]
    return PairStyle(
        "zbl",
        f"{given.inner.metal:.12g} {given.outer.metal:.12g}",
        tuple((f"{i + 1} {j + 1}", f"{charges[i]} {charges[j]}") for i, j in pairs),
    )
