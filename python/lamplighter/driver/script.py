"""From a run file to the LAMMPS script that carries it out.

The script sets variables and includes the plain scripts of `lammps_inputs/`; nothing of it needs Python, so that
`lamplighter lmp -in in.lammps` repeats a run. Steps of dynamics are counted through all stages; a minimisation
returns the step counter to where it began.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lamplighter
from lamplighter.config.quantity import Quantity
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, Npt, Nve, Nvt, Stage, steps_of
from lamplighter.driver import held_atoms
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.errors import ConfigError
from lamplighter.run_folder.names import (
    BONDS,
    CENTRES,
    COMMITTEE,
    EVENTS,
    FAILURE,
    MOLECULES,
    STRUCTURE,
    THERMO,
    TRAJECTORY,
)
from lamplighter.run_folder.stages import StageSteps, in_sequence
from lamplighter.run_folder.thermo_table import COMMITTEE_COLUMNS, THERMO_COLUMNS
from lamplighter.structures.start import BOND_STYLES, StartStructure

COMMITTEE_COMPUTE = "committee"
BAROSTATS = {"isotropic": "iso", "anisotropic": "aniso", "triclinic": "tri"}
STOP_VARIABLE = "stop_requested"
GUARD = "guard"  # ID of the fix
POTENTIAL_TITLE = "the potential"
_INCLUDE = re.compile(r"^include[ \t]+(inputs/\S+)[ \t]*$", re.M)


@dataclass(frozen=True)
class Restart:
    """Where a resumed run goes on.

    Attributes:
        file: LAMMPS restart file, relative to the run folder.
        stage: Index of the stage it lies in.
        step: Step it was written at.
        stage_is_over: Whether that stage has ended there.
    """

    file: str
    stage: int
    step: int
    stage_is_over: bool


@dataclass(frozen=True)
class Block:
    """Lines of the script that belong together; `stage` is the index of the stage they carry out, if any."""

    title: str
    lines: tuple[str, ...]
    stage: int | None = None


def steps_of_stages(stages: Sequence[Stage]) -> list[StageSteps]:
    """First and last steps and times of all stages of a resolved run file."""
    lengths: list[tuple[int, float]] = []
    for stage in stages:
        if isinstance(stage, Minimise):
            lengths.append((0, 0.0))
            continue
        assert stage.timestep is not None, "the run file is not resolved"
        lengths.append((steps_of(stage.length, stage.timestep), stage.timestep.metal))
    return in_sequence(lengths)


def pair_setup_of(run: RunFile, checked: CheckedPotential, structure: StartStructure) -> PairSetup:
    """How the potential of a resolved run file is evaluated. Raises as `pair_setup`."""
    committee = "" if run.committee is None else run.committee.words(_first_timestep(run))
    return pair_setup(checked, structure.elements, committee)


def compose(run: RunFile, structure: StartStructure, setup: PairSetup, restart: Restart | None = None) -> list[Block]:
    """The blocks of the script for a resolved run file; with `restart`, from there on.

    Raises:
        ConfigError: an NPT stage on a structure that is not periodic in all directions or holds atoms fixed, or
            velocities wanted from a structure that has none.
    """
    if run.velocities.from_structure and not structure.has_velocities:
        raise ConfigError(
            f"velocities.from_structure: {structure.source} holds no velocities; give velocities.temperature instead"
        )
    _refuse_npt_without_cell(run, structure)
    held_atoms.require_possible(run, structure)
    blocks = [_setup(run, structure, setup, restart), _potential(run, structure, setup), _output(run)]
    placed = steps_of_stages(run.stages)
    draw = not run.velocities.from_structure
    redraw = draw
    watched = False
    for index, stage in enumerate(run.stages):
        if isinstance(stage, Minimise):
            redraw = draw
        done = restart is not None and (index < restart.stage or (index == restart.stage and restart.stage_is_over))
        inside = restart is not None and index == restart.stage and not restart.stage_is_over
        if not done:
            if not watched and not isinstance(stage, Minimise):
                if run.output.centres_of_mass is not None:
                    blocks.append(_centres())
                if run.committee is not None:
                    blocks.append(_committee_table(run, structure, setup, restart, index, placed[index]))
                if run.guard.criteria:
                    blocks.append(_guard(run, structure))
                watched = True
            blocks.append(_stage(run, structure, index, placed, restart, redraw and not inside))
        if not isinstance(stage, Minimise):
            redraw = False
    blocks.append(Block("the end", ("include inputs/finish.lmp",)))
    return blocks


def text_of(blocks: Sequence[Block], comment: str = "") -> str:
    """The script as a file: what `in.lammps` holds."""
    head = [f"# Written by Lamplighter {lamplighter.__version__}.{' ' + comment if comment else ''}"]
    return "\n".join(head + [line for block in blocks for line in ("", f"# {block.title}", *block.lines)]) + "\n"


def included_files(blocks: Sequence[Block], scripts: Path) -> list[str]:
    """Names of all files of `scripts` that the script includes, also through others."""
    found: list[str] = []
    waiting = _INCLUDE.findall("\n".join(line for block in blocks for line in block.lines))
    while waiting:
        name = waiting.pop(0).removeprefix("inputs/")
        if name not in found:
            found.append(name)
            waiting += _INCLUDE.findall((scripts / name).read_text(encoding="utf-8"))
    return found


def expanded(script: str, scripts: Path) -> str:
    """A script with the text of the files that it includes, between marks that name them."""

    def insert(match: re.Match[str]) -> str:
        name = match.group(1)
        text = (scripts / name.removeprefix("inputs/")).read_text(encoding="utf-8")
        return f"# >>> {name}\n{expanded(text, scripts).rstrip()}\n# <<< {name}"

    return _INCLUDE.sub(insert, script)


def _refuse_npt_without_cell(run: RunFile, structure: StartStructure) -> None:
    index = next((i for i, stage in enumerate(run.stages) if isinstance(stage, Npt)), None)
    if index is None or structure.periodic:
        return
    if not structure.has_cell:
        lack = "has no periodic cell"
        remedy = 'give the cell in the file (extended XYZ: Lattice="…" and pbc="T T T")'
    else:
        open_axes = ", ".join(axis for axis, sign in zip("xyz", structure.boundary, strict=True) if sign != "p")
        lack = f"is not periodic along {open_axes}"
        remedy = "set structure.periodic: [true, true, true] if it is meant to be"
    raise ConfigError(
        f"stages[{index}] is npt, but the structure {structure.source} {lack}, so there is no volume for the barostat "
        f"to change: {remedy}, or use nvt"
    )


def _setup(run: RunFile, structure: StartStructure, setup: PairSetup, restart: Restart | None) -> Block:
    skin = _equal("skin", run.neighbour.skin.metal)
    # the included script's own value is `on`
    newton = (_string("newton", "off"),) if setup.newton == "off" else ()
    holding: list[str] = []
    if structure.held is not None:
        newton = (*newton, *held_atoms.variables())
        holding = held_atoms.lines(structure, run.structure.replicate)
    if restart is not None:
        again = (_string("restart", restart.file), skin, "include inputs/resume.lmp")
        return Block("the system", (*newton, *again, *holding))
    tilted = any(isinstance(stage, Npt) and stage.barostat.type == "triclinic" for stage in run.stages)
    lines = (
        *newton,
        f"shell rm -f {TRAJECTORY} {CENTRES}",
        f'print "{THERMO_COLUMNS}" file {THERMO} screen no',
        _string("data", STRUCTURE),
        _string("atom_style", structure.atom_style),
        _string("boundary", " ".join(structure.boundary)),
        _string("replicate", " ".join(str(n) for n in run.structure.replicate)),
        skin,
        _equal("tilted", int(tilted)),
        "include inputs/setup.lmp",
        *(f"mass {number} {mass:.10g}" for number, mass in enumerate(structure.masses, start=1)),
        *holding,
    )
    return Block("the system", lines)


def _potential(run: RunFile, structure: StartStructure, setup: PairSetup) -> Block:
    lines = list(setup.lines)
    if structure.atom_style in BOND_STYLES and not run.potential.lammps:
        # The model sees every neighbour, bonded or not.
        lines.insert(0, "special_bonds lj/coul 1.0 1.0 1.0")
    return Block(POTENTIAL_TITLE, tuple(lines))


def _guard(run: RunFile, structure: StartStructure) -> Block:
    """From the first dynamics on; bonds are those of the start structure, their lengths those at the first step."""
    guard = run.guard
    words = [
        f"fix {GUARD} all guard {guard.every}",
        *guard.criteria,
        f"reference {guard.reference}",
        *([f"bonds {BONDS}"] if guard.watches_bonds else []),
        f"elements {' '.join(structure.elements)}",
        f"action {guard.action} event {EVENTS} snapshot {FAILURE}",
        f"before {guard.frames_before} every {guard.frames_every}",
    ]
    return Block("what ends the run", (" ".join(words),))


def _centres() -> Block:
    lines = (_string("molecules", MOLECULES), "include inputs/centres_of_mass.lmp")
    return Block("the centres of mass of molecules", lines)


def committee_columns(elements: Sequence[str]) -> str:
    """Header of the committee's table; an element of several atom types is followed by the type's number."""
    names = [
        element if list(elements).count(element) == 1 else f"{element}{number}"
        for number, element in enumerate(elements, start=1)
    ]
    return ",".join([COMMITTEE_COLUMNS, *(f"variance_max_{name}_eV2_A2" for name in names)])


def _committee_table(
    run: RunFile,
    structure: StartStructure,
    setup: PairSetup,
    restart: Restart | None,
    index: int,
    steps: StageSteps,
) -> Block:
    """From the first dynamics on, like the guard."""
    assert run.committee is not None
    every = run.committee.every
    numbers = ",".join(f"$(c_{COMMITTEE_COMPUTE}[{k}]:%.10g)" for k in range(1, 10 + len(structure.elements)))
    row = f"$(v_stage),$(step),$(v_time_ps:%.10g),{numbers}"
    lines = [
        *_place(run, index, steps),
        f"compute {COMMITTEE_COMPUTE} all pair {setup.style}",
        f'variable committee_next equal "floor(step/{every} + 1)*{every}"',
        "# The first row is the title: the compute must have been asked for its numbers in a run before.",
        f'fix ask all print 1 "$(c_{COMMITTEE_COMPUTE}[1])" screen no',
        "run 0 post no",
        f'fix committee_table all print v_committee_next "{row}" append {COMMITTEE} screen no title {row}',
        "unfix ask",
    ]
    if restart is None:
        lines.insert(0, f'print "{committee_columns(structure.elements)}" file {COMMITTEE} screen no')
    return Block("how far the models disagree", tuple(lines))


def _first_timestep(run: RunFile) -> float:
    """That of the first dynamics, ps."""
    first = next((s for s in run.stages if not isinstance(s, Minimise)), None)
    return first.timestep.metal if first is not None and first.timestep is not None else run.timestep.metal


def _output(run: RunFile) -> Block:
    timestep = _first_timestep(run)
    lines = (
        _equal("stage", 0),
        _equal("step_begin", 0),
        _equal("time_begin", 0),
        _equal("timestep", timestep),
        _equal("thermo_every", interval_in_steps(run.output.thermo, timestep)),
        "include inputs/output.lmp",
        "# `lamplighter run` sets this variable to end the run in good order (Ctrl-C, SIGTERM).",
        f"variable {STOP_VARIABLE} internal 0",
        f"fix {STOP_VARIABLE} all halt 1 v_{STOP_VARIABLE} > 0.5 error soft message no",
    )
    return Block("the thermo table", lines)


def _stage(
    run: RunFile,
    structure: StartStructure,
    index: int,
    placed: list[StageSteps],
    restart: Restart | None,
    redraw: bool,
) -> Block:
    stage, steps = run.stages[index], placed[index]
    lines = _place(run, index, steps)
    if isinstance(stage, Minimise):
        lines += [
            _equal("force_tolerance", stage.force_tolerance.metal),
            _equal("max_steps", stage.max_steps),
            "include inputs/minimise.lmp",
            "include inputs/end_stage.lmp",
        ]
        title = f"stage {index}: {stage.name}, until no force component exceeds {stage.force_tolerance}"
        return Block(title, tuple(lines), index)

    if redraw:
        lines += _velocities(run, index, stage, structure.held is not None)
    resumed_at = restart.step if restart is not None and restart.stage == index else None
    earlier = any(not isinstance(s, Minimise) for s in run.stages[:index])
    first_frame = steps.begin + 1 if earlier else 0
    if resumed_at is not None and not (restart and restart.stage_is_over):
        first_frame = resumed_at + 1
    lines += [
        _equal("step_end", steps.end),
        _equal("trajectory_every", interval_in_steps(run.output.trajectory, steps.timestep_ps)),
        _equal("centres_every", interval_in_steps(run.output.centres_of_mass, steps.timestep_ps)),
        _equal("restart_every", interval_in_steps(run.output.restart, steps.timestep_ps)),
        _equal("first_frame", first_frame),
        _string("elements", " ".join(structure.elements)),
        *_ensemble(stage, _seed(run.seed, index, resumed_at or 0)),
        "include inputs/begin_dynamics.lmp",
        f"include inputs/{_stage_script(stage, structure.held is not None)}",
        "include inputs/end_dynamics.lmp",
        "include inputs/end_stage.lmp",
    ]
    return Block(f"stage {index}: {stage.name}, {stage.type}, {stage.length}", tuple(lines), index)


def _place(run: RunFile, index: int, steps: StageSteps) -> list[str]:
    """Where the stage lies in the run."""
    return [
        _equal("stage", index),
        _equal("step_begin", steps.begin),
        _equal("time_begin", steps.begin_ps),
        _equal("timestep", steps.timestep_ps),
        _equal("thermo_every", interval_in_steps(run.output.thermo, steps.timestep_ps or run.timestep.metal)),
    ]


def _velocities(run: RunFile, index: int, stage: Nve | Nvt | Npt, held: bool) -> list[str]:
    """New velocities: at the run file's temperature for the first dynamics, at the stage's own after a minimisation."""
    first = all(isinstance(earlier, Minimise) for earlier in run.stages[:index])
    own = stage.temperature.start if isinstance(stage, Nvt | Npt) else None
    temperature = run.velocities.temperature if first or own is None else own
    if temperature is None:
        temperature = own
    assert temperature is not None, "the run file was checked"
    return [
        _equal("velocity_temperature", temperature.metal),
        _equal("velocity_seed", _seed(run.seed, index, 0)),
        f"include inputs/{'held_velocities' if held else 'velocities'}.lmp",
    ]


def _ensemble(stage: Nve | Nvt | Npt, seed: int) -> list[str]:
    lines: list[str] = []
    if isinstance(stage, Nvt | Npt):
        assert stage.thermostat.damping is not None, "the run file is not resolved"
        lines += [
            _equal("temperature_start", stage.temperature.start.metal),
            _equal("temperature_stop", stage.temperature.stop.metal),
            _equal("temperature_damping", stage.thermostat.damping.metal),
        ]
        if stage.thermostat.type != "nose-hoover":
            lines.append(_equal("seed", seed))
    if isinstance(stage, Npt):
        assert stage.barostat.damping is not None, "the run file is not resolved"
        lines += [
            _equal("pressure_start", stage.pressure.start.metal),
            _equal("pressure_stop", stage.pressure.stop.metal),
            _equal("pressure_damping", stage.barostat.damping.metal),
            _string("barostat", BAROSTATS[stage.barostat.type]),
        ]
    return lines


def _stage_script(stage: Nve | Nvt | Npt, held: bool) -> str:
    if isinstance(stage, Nve):
        return "nve.lmp"
    if held and stage.thermostat.type == "langevin":
        return "held_nvt_langevin.lmp"
    return f"{stage.type}_{stage.thermostat.type.replace('-', '_')}.lmp"


def interval_in_steps(interval: Quantity | None, timestep_ps: float) -> int:
    """Steps between two outputs: at least 1, or 0 for never."""
    if interval is None:
        return 0
    steps = interval.value if interval.kind == "steps" else interval.metal / timestep_ps
    return max(1, round(steps))


def _seed(seed: int, stage: int, resumed_at: int) -> int:
    """A seed for each stage, and another where a run is resumed, so that no noise is used twice."""
    return 1 + (seed + 7919 * stage + 104_729 * resumed_at) % 899_999_999


def _equal(name: str, value: float) -> str:
    return f"variable {name} equal {value:.12g}"


def _string(name: str, value: str) -> str:
    return f'variable {name} string "{value}"'
