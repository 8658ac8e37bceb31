"""From a run file to the LAMMPS script that carries it out.

The script sets variables and includes the plain scripts of `lammps_inputs/`; nothing of it needs Python, so that
`lamplighter lmp -in in.lammps` repeats a run. Steps of dynamics are counted through all stages; a minimisation
returns the step counter to where it began.
"""

from __future__ import annotations

from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, Npt
from lamplighter.driver import held_atoms
from lamplighter.driver.domains import Domains
from lamplighter.driver.pair_setup import PairSetup, pair_setup
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.driver.script_block import Block, equal, string
from lamplighter.driver.stage_blocks import stage_block
from lamplighter.driver.stage_steps import Restart, first_timestep, interval_in_steps, steps_of_stages
from lamplighter.driver.tables_of_pair import extrapolation_every, tables_of_pair
from lamplighter.errors import ConfigError
from lamplighter.run_folder.names import (
    BONDS,
    CENTRES,
    EVENTS,
    FAILURE,
    MOLECULES,
    PRESSURE,
    STRUCTURE,
    THERMO,
    TRAJECTORY,
)
from lamplighter.run_folder.thermo_table import PRESSURE_COLUMNS, THERMO_COLUMNS
from lamplighter.structures.start import BOND_STYLES, StartStructure

STOP_VARIABLE = "stop_requested"
GUARD = "guard"  # ID of the fix
POTENTIAL_TITLE = "the potential"
STOP_TITLE = "`lamplighter run` sets this variable to end the run in good order (signals, wall time)"


def pair_setup_of(run: RunFile, checked: CheckedPotential, structure: StartStructure) -> PairSetup:
    """How the potential of a resolved run file is evaluated. Raises as `pair_setup`."""
    committee = "" if run.committee is None else run.committee.words(first_timestep(run))
    return pair_setup(
        checked, structure.elements, committee, periodic=structure.periodic, extrapolation=extrapolation_every(run)
    )


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
                if run.committee is not None or run.extrapolation is not None:
                    table = tables_of_pair(run, structure, setup, restart, index, placed[index])
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
