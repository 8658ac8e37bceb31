"""From a run file to the LAMMPS script that carries it out.

The script sets variables and includes the plain scripts of `lammps_inputs/`; nothing of it needs Python, so that
`lamplighter lmp -in in.lammps` repeats a run. Steps of dynamics are counted through all stages; a minimisation
returns the step counter to where it began.
"""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, Npt
from lamplighter.driver import held_atoms
from lamplighter.driver.domains import Domains
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.driver.script_block import Block, equal, string
from lamplighter.driver.stage_blocks import place_lines, stage_block
from lamplighter.driver.stage_steps import Restart, first_timestep, interval_in_steps, steps_of_stages
from lamplighter.errors import ConfigError
from lamplighter.run_folder.names import (
    BONDS,
    CENTRES,
    COMMITTEE,
    EVENTS,
    FAILURE,
    MOLECULES,
    PRESSURE,
    STRUCTURE,
    THERMO,
    TRAJECTORY,
)
from lamplighter.run_folder.stages import StageSteps
from lamplighter.run_folder.thermo_table import COMMITTEE_COLUMNS, PRESSURE_COLUMNS, THERMO_COLUMNS
from lamplighter.structures.start import BOND_STYLES, StartStructure

COMMITTEE_COMPUTE = "committee"
STOP_VARIABLE = "stop_requested"
GUARD = "guard"  # ID of the fix
POTENTIAL_TITLE = "the potential"
STOP_TITLE = "`lamplighter run` sets this variable to end the run in good order (signals, wall time)"


def pair_setup_of(run: RunFile, checked: CheckedPotential, structure: StartStructure) -> PairSetup:
    """How the potential of a resolved run file is evaluated. Raises as `pair_setup`."""
    committee = "" if run.committee is None else run.committee.words(first_timestep(run))
    return pair_setup(checked, structure.elements, committee, periodic=structure.periodic)


def compose(
    run: RunFile,
    structure: StartStructure,
    setup: PairSetup,
    restart: Restart | None = None,
    domains: Domains | None = None,
) -> list[Block]:
    """The blocks of the script for a resolved run file; with `restart`, from there on; `domains`: of its ranks.

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
    domains = domains or Domains()
    blocks = [_setup(run, structure, setup, restart, domains), _potential(run, structure, setup), _output(run)]
    blocks.append(_stop_on_request())
    if domains.block is not None:
        blocks.append(domains.block)
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
            table: Block | None = None
            if not watched and not isinstance(stage, Minimise):
                if run.output.centres_of_mass is not None:
                    blocks.append(_centres())
                if run.committee is not None:
                    table = _committee_table(run, structure, setup, restart, index, placed[index])
                # The table begins with a run of no steps. LAMMPS forgets what a restart file holds of fixes at the
                # first run, so that the guard and the ensemble that go on come before it.
                if table is not None and restart is None:
                    blocks.append(table)
                    table = None
                if run.guard.criteria:
                    blocks.append(_guard(run, structure))
                if table is not None and not inside:
                    blocks.append(table)
                    table = None
                watched = True
            blocks.append(stage_block(run, structure, index, placed, restart, redraw and not inside, table))
        if not isinstance(stage, Minimise):
            redraw = False
    blocks.append(Block("the end", ("include inputs/finish.lmp",)))
    return blocks


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


def _setup(
    run: RunFile, structure: StartStructure, setup: PairSetup, restart: Restart | None, domains: Domains
) -> Block:
    skin = equal("skin", run.neighbour.skin.metal)
    # the included script's own value is `on`
    newton = (string("newton", "off"),) if setup.newton == "off" else ()
    newton = (*newton, *domains.before_the_box)
    holding: list[str] = []
    if structure.held is not None:
        newton = (*newton, *held_atoms.variables())
        holding = held_atoms.lines(structure, run.structure.replicate)
    if restart is not None:
        again = (string("restart", restart.file), skin, "include inputs/resume.lmp")
        return Block("the system", (*newton, *again, *holding))
    tilted = any(isinstance(stage, Npt) and stage.barostat.type == "triclinic" for stage in run.stages)
    lines = (
        *newton,
        f"shell rm -f {TRAJECTORY} {CENTRES}",
        f'print "{THERMO_COLUMNS}" file {THERMO} screen no',
        *(() if run.output.pressure_tensor is None else (f'print "{PRESSURE_COLUMNS}" file {PRESSURE} screen no',)),
        string("data", STRUCTURE),
        string("atom_style", structure.atom_style),
        string("boundary", " ".join(structure.boundary)),
        string("replicate", " ".join(str(n) for n in run.structure.replicate)),
        skin,
        equal("tilted", int(tilted)),
        "include inputs/setup.lmp",
        *(f"mass {number} {mass:.10g}" for number, mass in enumerate(structure.masses, start=1)),
        *holding,
    )
    return Block("the system", lines)


def _potential(run: RunFile, structure: StartStructure, setup: PairSetup) -> Block:
    lines = list(setup.lines)
    if structure.atom_style in BOND_STYLES and not run.potential.lammps and run.potential.classical is None:
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
    lines = (string("molecules", MOLECULES), "include inputs/centres_of_mass.lmp")
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
        *place_lines(run, index, steps),
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


def _output(run: RunFile) -> Block:
    timestep = first_timestep(run)
    lines = (
        equal("stage", 0),
        equal("step_begin", 0),
        equal("time_begin", 0),
        equal("timestep", timestep),
        equal("thermo_every", interval_in_steps(run.output.thermo, timestep)),
        "include inputs/output.lmp",
    )
    return Block("the thermo table", lines)


def _stop_on_request() -> Block:
    lines = (
        f"variable {STOP_VARIABLE} internal 0",
        f"fix {STOP_VARIABLE} all halt 1 v_{STOP_VARIABLE} > 0.5 error soft message no",
    )
    return Block(STOP_TITLE, lines)
