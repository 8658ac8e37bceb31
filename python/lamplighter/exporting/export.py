"""A run as an input of LAMMPS in a folder of its own."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lamplighter.analysis.stability import density
from lamplighter.config.committee import CommitteeSection
from lamplighter.config.run_file import RunFile
from lamplighter.driver import deepmd, own_lammps, preflight
from lamplighter.driver.pair_setup import PairSetup, lines_with_corrections, pair_setup
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.driver.script import pair_setup_of
from lamplighter.driver.start_limits import require_within_limits
from lamplighter.driver.start_of_run import StartOfRun, start_of_run
from lamplighter.errors import ConfigError, LamplighterError, ModelError, RunFolderError
from lamplighter.exporting import read_me
from lamplighter.exporting.model_forms import FOLDER, MadeModel, copied, form_for, kind_of, make
from lamplighter.exporting.plain_guard import PlainGuard, plain_guard
from lamplighter.exporting.read_me import Note
from lamplighter.exporting.source import Source, last_restart, source_of, write_restart_as_data
from lamplighter.exporting.stand_alone import packages_of, scripts_of, without_guard_and_committee
from lamplighter.exporting.targets import LAMPLIGHTER, PLAIN, TARGETS, Target, that_take
from lamplighter.plain_names import file_word
from lamplighter.run_folder.names import BONDS, CALCULATOR, INPUTS, MOLECULES, STRUCTURE
from lamplighter.structures.start import StartStructure

README = "README.md"


@dataclass(frozen=True)
class Export:
    """An input of LAMMPS that was written.

    Attributes:
        folder: Where it is.
        target: What it is for, as in `targets.TARGETS`.
        pair_style: Name of the style.
        start: Command lines that start it, in the folder.
        make_models: Command lines that must be carried out first, in the folder `models`.
        left_out: A sentence for everything of the run that is not in it.
    """

    folder: Path
    target: str
    pair_style: str
    start: tuple[str, ...]
    make_models: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]


def export(
    path: Path,
    target: str | None = None,
    output: Path | None = None,
    *,
    begin: Literal["start", "last"] = "start",
    member: int | None = None,
    ranks: int = 1,
    convert: bool = True,
    trust: bool = False,
) -> Export:
    """Write a run as an input of LAMMPS.

    Args:
        path: A run folder, or a run file that has not run.
        target: One of `targets.TARGETS`; None: the one that fits the models.
        output: A folder that is not there yet, or empty; None: `NAME_for_TARGET` in the current folder.
        begin: `start`, or `last`: with the last restart file.
        member: Which model of several, from 1; None: the one that drives the run, or the first.
        ranks: MPI ranks that it is written for; styles of message passing differ on one and on several.
        convert: Convert models by the tools of their frameworks where they are installed.
        trust: Put models that are converted on the user's list of trusted files.

    Raises:
        RunFolderError: there is no run, the output folder exists, or there is no state to begin with.
        ConfigError, StructureError: the run file, or its structure, is wrong, or cannot be exported.
        ModelError: the target does not take the models; the message names those that do.
        UntrustedModelError: a model would have to be opened to be converted, and could run code.
    """
    source = source_of(path)
    potential = source.run.potential
    # files that are made for pair styles are what is wanted, but by Lamplighter itself
    own = {} if target == LAMPLIGHTER else {"via": "own"}
    preflight.require_files(potential.model_copy(update=own))
    chosen = _target(target, source.run)
    folder = _unused(output, source, chosen)
    restart = last_restart(source) if begin == "last" else None
    start = start_of_run(source.structure, source.run.structure.replicate, source.run.bonds)
    if restart is None:
        require_within_limits(source.run, start)
    # nothing half-made is left behind
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".export_"))
    try:
        if chosen.name == LAMPLIGHTER:
            written = _ours(source.run, source.structure, made, ranks)
        elif chosen.name == PLAIN:
            written = _given_lines(source.run, source.structure, made, member)
        else:
            written = _of_models(source, chosen, made, member, ranks, convert=convert, trust=trust)
        run, guard = source.run, PlainGuard()
        if chosen.name != LAMPLIGHTER:
            run = without_guard_and_committee(run)
            guard = plain_guard(source.run.guard, _density(start))
        comment = f"{source.name}, for LAMMPS with pair_style {written.style}: {README} says how to start it"
        scripts = scripts_of(run, source.structure, written.setup, restart, guard.lines, comment)
        (made / INPUTS).mkdir()
        for name, text in scripts.items():
            (made / name).write_text(text, encoding="utf-8")
        if restart is not None:
            assert source.folder is not None, "it has a restart file"
            write_restart_as_data(source.folder / restart.file, made / STRUCTURE)
        else:
            source.structure.write(made / STRUCTURE)
        if run.output.centres_of_mass is not None:
            start.molecule_file().write(made / MOLECULES)
        if run.guard.watches_bonds:  # that of plain LAMMPS does not
            start.write_bonds(made / BONDS)
        note = Note(
            name=source.name,
            target=chosen,
            style=written.style,
            build=[
                *written.build,
                *(f"The package {each}." for each in packages_of("".join(scripts.values()), source.structure)),
            ],
            ranks=ranks,
            models=written.models,
            left_out=[*_left_out(source.run, chosen), *written.left_out, *guard.left_out],
            differs=[*written.differs, *_differs(chosen, restart is not None)],
            state="It begins as the run did."
            if restart is None
            else f"It begins at step {restart.step}, with positions and velocities of {restart.file}.",
        )
        (made / README).write_text(read_me.text(note), encoding="utf-8")
        if note.to_make:
            (made / read_me.COMMANDS).write_text(read_me.commands(note.to_make), encoding="utf-8")
        made.chmod(0o755)
        made.replace(folder)
    except OSError as problem:
        raise RunFolderError(
            f"{folder} cannot be written ({problem.strerror or problem}): name another by -o"
        ) from problem
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Export(
        folder,
        chosen.name,
        written.style,
        tuple(note.starts),
        tuple(each.command for each in note.to_make),
        tuple(note.left_out),
    )


@dataclass(frozen=True)
class _Written:
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


def _target(name: str | None, run: RunFile) -> Target:
    """What it is written for.

    Raises:
        LamplighterError: there is no such target.
        ModelError: the potential cannot be exported for it.
    """
    potential = run.potential
    if name is not None and name not in TARGETS:
        raise LamplighterError(f"--for {name}: there is no such target; known are {', '.join(TARGETS)}")
    if potential.calculator is not None and name != LAMPLIGHTER:
        raise ModelError(
            f"potential.calculator {potential.calculator} is an ASE calculator, which no pair style evaluates: it can "
            f"be exported --for {LAMPLIGHTER} only"
        )
    if name is not None:
        given = "models" if potential.models else "lammps" if potential.lammps else "members"
        if name == PLAIN and potential.models:
            raise ModelError(
                f"--for {PLAIN} takes `potential.lammps` or `potential.members`, and the run has `models`: leave --for "
                "out, and the target that fits them is taken"
            )
        if name not in (PLAIN, LAMPLIGHTER) and not potential.models:
            raise ModelError(
                f"--for {name} takes `potential.models`, and the run has `{given}`, lines of LAMMPS: --for {PLAIN}"
            )
        return TARGETS[name]
    if not potential.models:
        return TARGETS[PLAIN]
    kind, ready = kind_of(potential.models[0], potential)
    found = that_take(kind, ready)
    if not found:
        # the refusal says what it is
        form_for(potential.models[0], potential, TARGETS["mliap"], 1)
    return TARGETS[found[0]]


def _unused(output: Path | None, source: Source, target: Target) -> Path:
    folder = (output or Path(f"{source.name}_for_{target.name}")).expanduser()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise RunFolderError(f"{folder} exists already, and is not written over: name another folder by -o")
    return folder.resolve()


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


def _of_models(
    source: Source, target: Target, made: Path, member: int | None, ranks: int, *, convert: bool, trust: bool
) -> _Written:
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
    setup = _plain_setup(elements, tuple(lines_with_corrections(pair, potential, elements)), newton)
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
    return _Written(setup, wanted.style, [model], build, said, differs)


def _given_lines(run: RunFile, structure: StartStructure, made: Path, member: int | None) -> _Written:
    """Lines of LAMMPS in the words of the run file, with the files that they name beside them."""
    index, said = _index(run, member) if run.potential.members else (0, [])
    potential = run.potential
    if potential.members:
        potential = potential.model_copy(update={"members": [potential.members[index]]})
    setup = pair_setup(CheckedPotential(potential, 1), structure.elements)
    if setup.bridge:
        raise ModelError(
            f"--for {PLAIN}: the lines of the run file name pair_style lamplighter, which plain LAMMPS has not: give "
            f"the models as `potential.models`, or export --for {LAMPLIGHTER}"
        )
    lines, models = _with_copies(setup.lines, made)
    styles = [line.split()[1] for line in lines if line.split()[:1] == ["pair_style"]]
    style = styles[-1] if styles else "none"
    build = [f"`pair_style {style}`."]
    if deepmd.KIND in setup.plugins:
        build.append("DeePMD-kit: its plugin for LAMMPS, or LAMMPS built with it.")
    return _Written(_plain_setup(structure.elements, lines, setup.newton), style, models, build, said)


def _ours(run: RunFile, structure: StartStructure, made: Path, ranks: int) -> _Written:
    """As the run has it, with its models beside it."""
    checked = preflight.checked(run.potential, ranks, evaluates=False)
    setup = pair_setup_of(run, checked, structure)
    lines, models = _with_copies(setup.lines, made, [*run.potential.models])
    if setup.calculator is not None:
        (made / CALCULATOR).write_text(setup.calculator, encoding="utf-8")
    return _Written(
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


def _plain_setup(elements: tuple[str, ...], lines: tuple[str, ...], newton: Literal["on", "off"]) -> PairSetup:
    return PairSetup("lammps", elements, lines, "", newton, False, False, frozenset(), None, None, None)


def _density(start: StartOfRun) -> float:
    """Of the start, g/cm³; 0 without masses."""
    return 0.0 if start.frame.masses is None else float(density(start.frame.masses, start.frame.cell))


def _left_out(run: RunFile, target: Target) -> list[str]:
    said = []
    if run.volume_scan is not None:
        said.append("The volume scan that follows the stages.")
    said.append("The summary, the status and the checks of a run folder; `--resume`: LAMMPS' restart files are there.")
    if target.name != LAMPLIGHTER and run.committee is not None:
        said.append("The committee's table (committee.csv).")
    return said


def _differs(target: Target, later: bool) -> list[str]:
    said = ["The trajectory is not compressed, so that LAMMPS needs no package for it."]
    if later:
        said.append("Thermostat and barostat begin anew: a data file does not hold their state.")
    if target.kokkos:
        said.append("Thermostats without a KOKKOS form run on the CPU, and take their random numbers in another order.")
    return said
