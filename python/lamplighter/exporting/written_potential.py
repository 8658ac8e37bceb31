"""The potential of an export: lines of its pair style, its model files, and what LAMMPS must have for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lamplighter.config.committee import CommitteeSection
from lamplighter.config.potential import EvaluatedBy
from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, deepmd, own_lammps, preflight
from lamplighter.driver.pair_setup import PairSetup, lines_with_corrections, pair_setup
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.driver.script import pair_setup_of
from lamplighter.errors import ConfigError, ModelError
from lamplighter.exporting.model_forms import FOLDER, MadeModel, copied, form_for, make
from lamplighter.exporting.source import Source
from lamplighter.exporting.targets import LAMPLIGHTER, PLAIN, Target
from lamplighter.plain_names import file_word
from lamplighter.run_folder.names import CALCULATOR
from lamplighter.structures.start import StartStructure


@dataclass(frozen=True)
class WrittenPotential:
    """The potential of an export.

    Attributes:
        setup: Its lines.
        style: Name of the pair style.
        models: Its files.
        build: What LAMMPS must have.
        left_out, differs: For the note.
    """

    setup: PairSetup
    style: str
    models: Sequence[MadeModel] = ()
    build: Sequence[str] = ()
    left_out: Sequence[str] = ()
    differs: Sequence[str] = ()


def of_models(
    source: Source, target: Target, made: Path, member: int | None, ranks: int, *, convert: bool, trust: bool
) -> WrittenPotential:
    """Models by a pair style of their framework."""
    run, structure = source.run, source.structure
    index, said = _index(run, member)
    potential, elements = run.potential, structure.elements
    wanted = form_for(potential.models[index], potential, target, ranks)
    corrected = potential.dispersion is not None or potential.zbl is not None
    newton: Literal["on", "off"] = "on"
    build = []
    if wanted.style == deepmd.KIND:
        deepmd.require_elements(wanted.model, elements, f"potential.models[{index}]")
        build.append("DeePMD-kit: its plugin for LAMMPS, or LAMMPS built with it.")
    else:
        style = own_lammps.STYLES[wanted.style]
        newton = own_lammps.newton_of([style], corrected)
        build.append(f"`pair_style {style.name}`: build LAMMPS with {style.build}.")
    model = make(wanted, potential, elements, made / FOLDER, convert=convert, trust=trust)
    word = f"{FOLDER}/{model.path.name}"
    if wanted.style == deepmd.KIND:
        pair = deepmd.lines_of(word, elements)
    else:
        pair = own_lammps.lines_of(own_lammps.STYLES[wanted.style], model.path, word, elements, ranks)
    lines = tuple(lines_with_corrections(pair, potential, elements))
    setup = _plain_setup(elements, lines, newton, "own lammps")
    differs = list(target.notes)
    if wanted.form is None and potential.dtype != "auto":
        differs.append(f"potential.dtype {potential.dtype}: the file has the precision that it was made in.")
    elif wanted.form is not None and wanted.form.takes_dtype:
        precision = "float32" if potential.dtype == "float32" else "float64"
        differs.append(
            f"The model is converted in {precision}; energies of float32 are good to about 1e-6 of their size."
        )
    elif potential.dtype != "auto":
        differs.append(f"potential.dtype {potential.dtype} cannot be told to the conversion; the model's own counts.")
    if corrected and target.kokkos:
        differs.append("`dispersion/d3` has no KOKKOS form: with it, forces go between GPU and CPU at every step.")
    if potential.evaluated_by == "lamplighter":
        differs.append(
            "Lamplighter evaluated the run; the framework's own code rounds differently, in the last digits."
        )
    return WrittenPotential(setup, wanted.style, [model], build, said, differs)


def of_given_lines(run: RunFile, structure: StartStructure, made: Path, member: int | None) -> WrittenPotential:
    """Lines of LAMMPS in the words of the run file, with the files that they name beside them."""
    index, said = _index(run, member) if run.potential.members else (0, [])
    potential = run.potential
    if potential.members:
        potential = potential.model_copy(update={"members": [potential.members[index]]})
    setup = pair_setup(CheckedPotential(potential, 1), structure.elements, periodic=structure.periodic)
    if setup.bridge:
        raise ModelError(
            f"--for {PLAIN}: the lines of the run file name pair_style lamplighter, which plain LAMMPS has not: give "
            f"the models as `potential.models`, or export --for {LAMPLIGHTER}"
        )
    # which variant of a style is taken is the choice of whoever starts plain LAMMPS, by `-sf`
    given = classical.without_variants(setup.lines) if potential.classical else setup.lines
    lines, models = _with_copies(given, made)
    styles = [line.split()[1] for line in lines if line.split()[:1] == ["pair_style"]]
    style = styles[-1] if styles else "none"
    build = [f"`pair_style {style}`."]
    if deepmd.KIND in setup.plugins:
        build.append("DeePMD-kit: its plugin for LAMMPS, or LAMMPS built with it.")
    return WrittenPotential(_plain_setup(structure.elements, lines, setup.newton, "lammps"), style, models, build, said)


def as_in_the_run(run: RunFile, structure: StartStructure, made: Path, ranks: int) -> WrittenPotential:
    """As the run has it, with its models beside it."""
    checked = preflight.checked(run.potential, ranks, evaluates=False)
    setup = pair_setup_of(run, checked, structure)
    beside = [] if run.potential.training_set is None else [run.potential.training_set]
    lines, models = _with_copies(setup.lines, made, [*run.potential.models, *beside])
    if setup.calculator is not None:
        (made / CALCULATOR).write_text(setup.calculator, encoding="utf-8")
    return WrittenPotential(
        replace(setup, lines=lines), setup.style or PLAIN, models, ["Lamplighter, in the environment of the run."]
    )


def _with_copies(
    lines: Sequence[str], made: Path, models: Sequence[Path] = ()
) -> tuple[tuple[str, ...], list[MadeModel]]:
    """Lines that name copies of their files in the export, by relative paths."""
    names: dict[str, str] = {}
    found: list[MadeModel] = []
    for model in models:
        copy = copied(model, made / FOLDER)
        names[file_word(model)] = f"{FOLDER}/{copy.name}"
        found.append(MadeModel(copy, True))
    for word in (word for line in lines for word in line.split()):
        if word not in names and Path(word).is_absolute() and Path(word).is_file():
            copy = copied(Path(word), made / FOLDER)
            names[word] = f"{FOLDER}/{copy.name}"
            found.append(MadeModel(copy, True))
    changed = [re.sub(r"\S+", lambda match: names.get(match.group(), match.group()), line) for line in lines]
    return tuple(changed), found


def _plain_setup(
    elements: tuple[str, ...], lines: tuple[str, ...], newton: Literal["on", "off"], evaluated_by: EvaluatedBy
) -> PairSetup:
    return PairSetup(evaluated_by, elements, lines, "", newton, False, False, frozenset(), None, None, None)


def _index(run: RunFile, member: int | None) -> tuple[int, list[str]]:
    """Which model of several, from 0, and what is to be said of it.

    Raises:
        ConfigError: there are fewer.
    """
    number = len(run.potential.models) or len(run.potential.members)
    committee = run.committee or CommitteeSection()
    drive = committee.drive if isinstance(committee.drive, int) else 1
    if member is not None and not 1 <= member <= number:
        raise ConfigError(f"--member {member}: the run has {number}")
    index = (member or drive) - 1
    if number == 1:
        return index, []
    said = [
        f"The committee: model {index + 1} of {number} moves the atoms, and nobody says how far the others disagree."
    ]
    if committee.drive in ("mean", "hal"):
        said.append(f"committee.drive {committee.drive}: the atoms of the run were moved by all models, not by one.")
    return index, said
