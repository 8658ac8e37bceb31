"""The potential of a run file in LAMMPS' words: `pair_style` and `pair_coeff`, with what is added to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ase.data import atomic_numbers

from lamplighter.config.corrections import LAST_ELEMENT_OF_D3, DispersionSection, ZblSection
from lamplighter.config.members import parse_member
from lamplighter.config.run_file import PotentialSection
from lamplighter.driver import deepmd, own_lammps
from lamplighter.driver.pair_style import PairStyle
from lamplighter.errors import ConfigError
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.named_calculator import NamedCalculator
from lamplighter.plain_names import file_word, plain_path

MODELS = "lamplighter"
COMMITTEE = "lamplighter/committee"

NEIGHBOUR_SKIN_A = 2.0
"""LAMMPS' default of `units metal`."""

DENSEST_PER_A3 = 0.25
"""Atoms: diamond has 0.18 in 1 Å³."""

#: In the run folder: the calculator that the run file names.
CALCULATOR = "calculator.yaml"


def lines(
    potential: PotentialSection,
    committee: str,
    elements: Sequence[str],
    ranks: int = 1,
    calculator: Path = Path(CALCULATOR),
) -> list[str]:
    """The lines of the potential.

    Args:
        potential: A resolved section of the run file.
        committee: Keywords of a committee, or nothing: then the first model or member alone.
        elements: Of each atom type.
        ranks: Of the run.
        calculator: The file that names the calculator of the run file, if it names one.

    Raises:
        ConfigError: an element that a correction does not know.
        ModelError: a DeePMD model that does not fit the elements, or a model that no pair style of LAMMPS reads (on
            that many ranks) where `via: own` asks for one.
    """
    if potential.lammps:
        return list(potential.lammps)
    corrected = potential.dispersion is not None or potential.zbl is not None
    parts = [_main(potential, committee, elements, ranks, calculator, "=" if corrected else "")]
    if potential.dispersion is not None:
        parts.append(_dispersion(potential.dispersion, elements))
    if potential.zbl is not None:
        parts.append(_zbl(potential.zbl, elements))
    found = _alone(parts[0]) if len(parts) == 1 else _overlay(parts)
    return found if potential.dispersion is None else [*found, _room_for_neighbours(potential.dispersion)]


def committee_style(potential: PotentialSection) -> str:
    """The pair style that has the numbers of the committee, for `compute pair`."""
    return MODELS if evaluates_models(potential) else COMMITTEE


def needs_models(potential: PotentialSection) -> bool:
    """Whether a Python process evaluates, or compiles, models: whether torch is wanted."""
    if potential.models or potential.calculator:
        return evaluates_models(potential)
    every_line = [*potential.lammps, *(line for member in potential.members for line in member)]
    return any({MODELS, f"={MODELS}"} & set(line.split()) for line in every_line)


def evaluates_models(potential: PotentialSection) -> bool:
    """Whether `pair_style lamplighter` evaluates the models, not DeePMD-kit's pair style or another of LAMMPS."""
    return (
        bool(potential.models or potential.calculator) and potential.kind != deepmd.KIND and not potential.by_own_lammps
    )


def calculator_file(potential: PotentialSection) -> str | None:
    """The content of the file in the run folder that names the calculator of a run file; None if it names none."""
    if potential.calculator is None:
        return None
    return NamedCalculator(potential.calculator, potential.options).text()


def require_ranks(potential: PotentialSection, ranks: int) -> None:
    """Refuse what runs on one rank only.

    Raises:
        ConfigError: the potential is an ASE calculator, and there are several ranks.
    """
    if ranks == 1:
        return
    named = [str(model) for model in potential.models if is_calculator_file(model)]
    if potential.calculator is not None:
        named = [potential.calculator]
    if named:
        raise ConfigError(
            f"potential: {named[0]} is an ASE calculator, which gets all atoms at once, on one rank, and there are "
            f"{ranks}: start without mpirun, or with mpirun -n 1; threads are those of the calculator itself"
        )


def needs_deepmd(potential: PotentialSection) -> bool:
    """Whether `pair_style deepmd` is among what the run file asks for."""
    if potential.kind == deepmd.KIND or any(parse_member(m).style == deepmd.KIND for m in potential.members):
        return True
    return any(
        deepmd.KIND in words[1:]  # also within a hybrid
        for words in (line.split() for line in potential.lammps)
        if words[:1] == ["pair_style"]
    )


def _main(
    potential: PotentialSection, committee: str, elements: Sequence[str], ranks: int, calculator: Path, mark: str
) -> PairStyle:
    if potential.members:
        parsed = [parse_member(member) for member in potential.members]
        each = [PairStyle(m.style, m.words, m.coefficients) for m in parsed]
        return _committee(committee, each, mark) if committee else each[0]
    if potential.kind == deepmd.KIND:
        return _deepmd(potential, committee, elements, mark)
    if potential.by_own_lammps:
        return _own(potential, committee, elements, ranks, mark)
    models = " ".join(file_word(Path(model)) for model in potential.models or [calculator])
    words = f"dtype {potential.dtype} device {potential.device} kind {potential.kind} engine {potential.engine}"
    if potential.head is not None:
        words += f" head {potential.head}"
    return PairStyle(MODELS, f"{words} {committee}".rstrip(), (("* *", f"{models} {' '.join(elements)}"),))


def _deepmd(potential: PotentialSection, committee: str, elements: Sequence[str], mark: str) -> PairStyle:
    for index, model in enumerate(potential.models):
        deepmd.require_elements(model, elements, f"potential.models[{index}]")
    each = [
        PairStyle(deepmd.KIND, str(plain_path(model)), (("* *", " ".join(elements)),)) for model in potential.models
    ]
    return _committee(committee, each, mark) if committee else each[0]


def _own(potential: PotentialSection, committee: str, elements: Sequence[str], ranks: int, mark: str) -> PairStyle:
    each = [
        own_lammps.pair_style(model, potential.kind, elements, ranks, f"potential.models[{index}]")
        for index, model in enumerate(potential.models)
    ]
    return _committee(committee, each, mark) if committee else each[0]


def _committee(keywords: str, members: Sequence[PairStyle], mark: str) -> PairStyle:
    """`mark` comes before the names of members: `=` in a hybrid, which takes bare names for styles of its own."""
    return PairStyle(
        COMMITTEE,
        " ".join([keywords, *(f"{mark}{member.name} {member.words}".rstrip() for member in members)]),
        tuple(
            (types, f"{number} {rest}".rstrip())
            for number, member in enumerate(members, start=1)
            for types, rest in member.coefficients
        ),
    )


def _dispersion(given: DispersionSection, elements: Sequence[str]) -> PairStyle:
    for element in elements:
        if atomic_numbers[element] > LAST_ELEMENT_OF_D3:
            raise ConfigError(
                f"potential.dispersion: D3 has no coefficients of {element}: they end at plutonium (94); leave it out"
            )
    damping = "original" if given.damping == "zero" else given.damping
    words = f"{damping} {given.functional} {given.cutoff.metal:.12g} {given.coordination_cutoff.metal:.12g}"
    return PairStyle("dispersion/d3", words, (("* *", " ".join(elements)),))


def _room_for_neighbours(given: DispersionSection) -> str:
    """LAMMPS' lists have room for 2000 neighbours of an atom, which a liquid has within 17 Å."""
    reach = max(given.cutoff.metal, given.coordination_cutoff.metal) + NEIGHBOUR_SKIN_A
    most = max(2000, math.ceil(4.0 / 3.0 * math.pi * reach**3 * DENSEST_PER_A3))
    return f"neigh_modify one {most} page {10 * most}"


def _zbl(given: ZblSection, elements: Sequence[str]) -> PairStyle:
    charges = [atomic_numbers[element] for element in elements]
    pairs = [(i, j) for i in range(len(charges)) for j in range(i, len(charges))]
    return PairStyle(
        "zbl",
        f"{given.inner.metal:.12g} {given.outer.metal:.12g}",
        tuple((f"{i + 1} {j + 1}", f"{charges[i]} {charges[j]}") for i, j in pairs),
    )


def _alone(style: PairStyle) -> list[str]:
    return [
        f"pair_style {style.name} {style.words}".rstrip(),
        *(f"pair_coeff {types} {rest}".rstrip() for types, rest in style.coefficients),
    ]


def _overlay(parts: Sequence[PairStyle]) -> list[str]:
    """The sum of several styles."""
    return [
        f"pair_style hybrid/overlay {' '.join(f'{part.name} {part.words}'.rstrip() for part in parts)}",
        *(f"pair_coeff {types} {part.name} {rest}".rstrip() for part in parts for types, rest in part.coefficients),
    ]
