"""A run as an input of LAMMPS in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lamplighter.analysis.stability import density
from lamplighter.config.domains import given_domains
from lamplighter.config.run_file import RunFile
from lamplighter.driver import preflight
from lamplighter.driver.domains import Domains, domains_of
from lamplighter.driver.start_limits import require_within_limits
from lamplighter.driver.start_of_run import StartOfRun, start_of_run
from lamplighter.errors import LamplighterError, ModelError, RunFolderError
from lamplighter.exporting import read_me
from lamplighter.exporting.later_state import LaterState, last_state, write_as_data
from lamplighter.exporting.model_forms import form_for, kind_of
from lamplighter.exporting.plain_guard import PlainGuard, plain_guard
from lamplighter.exporting.read_me import Note
from lamplighter.exporting.source import Source, source_of
from lamplighter.exporting.stand_alone import packages_of, scripts_of, without_guard_and_committee
from lamplighter.exporting.targets import LAMPLIGHTER, PLAIN, TARGETS, Target, that_take
from lamplighter.exporting.written_potential import WrittenPotential, as_in_the_run, of_given_lines, of_models
from lamplighter.run_folder.names import BONDS, INPUTS, MOLECULES, STRUCTURE

README = "README.md"


@dataclass(frozen=True)
class Export:
    """An input of LAMMPS that was written.

    Attributes:
        folder: Where it is.
        target: What it is for, as in `targets.TARGETS`.
        pair_style: Name of the style.
        start: Command lines that start it, in the folder.
        state: What it begins with, in words.
        make_models: Command lines that must be carried out first, in the folder `models`.
        left_out: A sentence for everything of the run that is not in it.
    """

    folder: Path
    target: str
    pair_style: str
    start: tuple[str, ...]
    state: str
    make_models: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]


def export(
    path: Path,
    target: str | None = None,
    output: Path | None = None,
    *,
    begin: Literal["start", "last"] = "start",
    member: int | None = None,
    ranks: int | None = None,
    convert: bool = True,
    trust: bool = False,
) -> Export:
    """Write a run as an input of LAMMPS.

    Args:
        path: A run folder, or a run file that has not run.
        target: One of `targets.TARGETS`; None: the one that fits the models.
        output: A folder that is not there yet, or empty; None: `NAME_for_TARGET` in the current folder.
        begin: `start`, or `last`: with the newest restart file that is whole, else the last frame of the trajectory.
        member: Which model of several, from 1; None: the one that drives the run, or the first.
        ranks: MPI ranks that it is written for: styles of message passing differ on one and on several, and domains are
            those of so many; None: those of the grid that the run file gives, else one.
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
    ranks = _ranks(source.run) if ranks is None else ranks
    later = last_state(source) if begin == "last" else None
    start = start_of_run(source.structure, source.run.structure.replicate, source.run.bonds)
    if later is None:
        require_within_limits(source.run, start)
    # nothing half-made is left behind
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".export_"))
    try:
        if chosen.name == LAMPLIGHTER:
            written = as_in_the_run(source.run, source.structure, made, ranks)
        elif chosen.name == PLAIN:
            written = of_given_lines(source.run, source.structure, made, member)
        else:
            written = of_models(source, chosen, made, member, ranks, convert=convert, trust=trust)
        run, guard = source.run, PlainGuard()
        if chosen.name != LAMPLIGHTER:
            run = without_guard_and_committee(run)
            guard = plain_guard(source.run.guard, _density(start))
        domains = _domains(run, ranks, start, written, later)
        comment = f"{source.name}, for LAMMPS with pair_style {written.style}: {README} says how to start it"
        scripts = scripts_of(run, source.structure, written.setup, later, domains, guard.lines, comment)
        (made / INPUTS).mkdir()
        for name, text in scripts.items():
            (made / name).write_text(text, encoding="utf-8")
        if later is not None:
            write_as_data(source, later, made / STRUCTURE)
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
            differs=[*written.differs, *_differs(chosen, domains, later)],
            state="It begins as the run did." if later is None else " ".join([later.in_words, *later.notes]),
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
        note.state,
        tuple(each.command for each in note.to_make),
        tuple(note.left_out),
    )


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
        given = " and ".join(potential.given) or "nothing"
        if name == PLAIN and potential.models:
            raise ModelError(
                f"--for {PLAIN} takes `potential.lammps`, `classical` or `members`, and the run has `models`: leave "
                "--for out, and the target that fits them is taken"
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


def _ranks(run: RunFile) -> int:
    """Those that the grid of the run file is for: without, one."""
    return given_domains(run.domains.processors)


def _domains(
    run: RunFile, ranks: int, start: StartOfRun, written: WrittenPotential, later: LaterState | None
) -> Domains:
    """As the run would have them on so many ranks; those that it had, where it goes on with them."""
    found = domains_of(run, ranks, lambda: (start.frame, start.corner), written.setup.evaluated_by)
    return found if later is None else found.going_on(ranks, later.place.grid)


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


def _differs(target: Target, domains: Domains, later: LaterState | None) -> list[str]:
    said = ["The trajectory is not compressed, so that LAMMPS needs no package for it."]
    if later is not None:
        said.append("Thermostat and barostat begin anew: a data file does not hold their state.")
    if domains.in_words:
        said.append(f"{domains.in_words}. It holds on {domains.ranks} ranks; on others, LAMMPS divides the box itself.")
    if target.kokkos:
        said.append("Thermostats without a KOKKOS form run on the CPU, and take their random numbers in another order.")
    return said
