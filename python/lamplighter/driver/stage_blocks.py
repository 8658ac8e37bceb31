"""The lines of a stage: where it lies, its velocities, its ensemble, and the plain script that carries it out."""

from __future__ import annotations

from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise, Npt, Nve, Nvt
from lamplighter.driver.mean_volume import mean_volume_lines
from lamplighter.driver.script_block import Block, equal, string
from lamplighter.driver.stage_steps import Restart, interval_in_steps
from lamplighter.run_folder.stages import StageSteps
from lamplighter.structures.start import StartStructure

BAROSTATS = {"isotropic": "iso", "anisotropic": "aniso", "triclinic": "tri"}

RUN_DYNAMICS = "include inputs/run_dynamics.lmp"
"""Carries out a stage whose ensemble is defined: its beginning, and `RUN_TO_RESTART` until its end."""

BEGIN_TABLE = (
    "run 0 post no",
    "include inputs/thermo_table.lmp",
    'if "${pressure_every} > 0" then "include inputs/pressure_table.lmp"',
)
RUN_TO_RESTART = "include inputs/run_to_restart.lmp"
RIGID = "rigid"
"""The fix that holds molecules rigid."""

RESTART_STEP = "restart_step"
"""The variable of LAMMPS that holds the step where `RUN_TO_RESTART` ends by itself."""


def stage_block(
    run: RunFile,
    structure: StartStructure,
    index: int,
    placed: list[StageSteps],
    restart: Restart | None,
    redraw: bool,
    before_run: Block | None = None,
) -> Block:
    """The lines of a stage.

    Args:
        run: A resolved run file.
        structure: The start structure.
        index: Of the stage.
        placed: Where each stage lies in the run.
        restart: Where a resumed run goes on; within this stage, or before it.
        redraw: Draw velocities first.
        before_run: What comes between the definition of the ensemble and its first run.
    """
    stage, steps = run.stages[index], placed[index]
    lines = place_lines(run, index, steps)
    if isinstance(stage, Minimise):
        lines += [
            equal("force_tolerance", stage.force_tolerance.metal),
            equal("max_steps", stage.max_steps),
            "include inputs/minimise.lmp",
            "include inputs/end_stage.lmp",
        ]
        title = f"stage {index}: {stage.name}, until no force component exceeds {stage.force_tolerance}"
        return Block(title, tuple(lines), index)

    resumed_at = restart.step if restart is not None and restart.stage == index else None
    inside = resumed_at is not None and restart is not None and not restart.stage_is_over
    if not inside:  # else the cell of the restart file is the one that was made
        lines += mean_volume_lines(run, index)
    if redraw:
        lines += _velocities(run, index, stage, structure.held is not None)
    earlier = any(not isinstance(s, Minimise) for s in run.stages[:index])
    first_frame = steps.begin + 1 if earlier else 0
    if resumed_at is not None and inside:
        first_frame = resumed_at + 1
    lines += [
        equal("step_end", steps.end),
        equal("trajectory_every", interval_in_steps(run.output.trajectory, steps.timestep_ps)),
        equal("centres_every", interval_in_steps(run.output.centres_of_mass, steps.timestep_ps)),
        equal("pressure_every", interval_in_steps(run.output.pressure_tensor, steps.timestep_ps)),
        equal("restart_every", interval_in_steps(run.output.restart, steps.timestep_ps)),
        equal("first_frame", first_frame),
        string("elements", " ".join(structure.elements)),
        *_ensemble(stage, _seed(run.seed, index, (resumed_at or 0) if _keeps_its_noise(stage) else 0)),
        "include inputs/begin_dynamics.lmp",
        *_holding_rigid(structure, stage),
        f"include inputs/{_stage_script(stage, structure.held is not None)}",
        *(() if before_run is None else (f"# {before_run.title}", *before_run.lines)),
        RUN_DYNAMICS,
        *([f"unfix {RIGID}"] if structure.rigid else []),
        "include inputs/end_dynamics.lmp",
        "include inputs/end_stage.lmp",
    ]
    return Block(f"stage {index}: {stage.name}, {stage.type}, {stage.length}", tuple(lines), index)


def _holding_rigid(structure: StartStructure, stage: Nve | Nvt | Npt) -> list[str]:
    """The fix that holds molecules rigid, before those that change the box and after those that change forces.

    LAMMPS puts a fix of the same name and style in the place of the one before, so that the Langevin thermostat which
    the ensemble defines stays before it.
    """
    if not structure.rigid:
        return []
    langevin = isinstance(stage, Nvt | Npt) and stage.thermostat.type == "langevin"
    first = ["variable zero_sum string yes", "include inputs/langevin.lmp"] if langevin else []
    return [*first, f"fix {RIGID} {structure.rigid}"]


def place_lines(run: RunFile, index: int, steps: StageSteps) -> list[str]:
    """Where the stage lies in the run."""
    return [
        equal("stage", index),
        equal("step_begin", steps.begin),
        equal("time_begin", steps.begin_ps),
        equal("timestep", steps.timestep_ps),
        equal("thermo_every", interval_in_steps(run.output.thermo, steps.timestep_ps or run.timestep.metal)),
    ]


def _velocities(run: RunFile, index: int, stage: Nve | Nvt | Npt, held: bool) -> list[str]:
    """New velocities: at the run file's temperature for the first dynamics, at the stage's own after a minimisation."""
    first = all(isinstance(earlier, Minimise) for earlier in run.stages[:index])
    own = stage.temperature.start if isinstance(stage, Nvt | Npt) else None
    temperature = run.velocities.temperature if first or own is None else own
    if temperature is None:
        temperature = own
    assert temperature is not None, "the run file was checked"
    return new_velocities(run.seed, index, temperature.metal, held)


def new_velocities(seed: int, stage: int, temperature: float, held: bool, step: int = 0) -> list[str]:
    """Velocities that are drawn at a temperature (K), for a stage, or from one of its steps on."""
    return [
        equal("velocity_temperature", temperature),
        equal("velocity_seed", _seed(seed, stage, step)),
        f"include inputs/{'held_velocities' if held else 'velocities'}.lmp",
    ]


def _ensemble(stage: Nve | Nvt | Npt, seed: int) -> list[str]:
    lines: list[str] = []
    if isinstance(stage, Nvt | Npt):
        assert stage.thermostat.damping is not None, "the run file is not resolved"
        lines += [
            equal("temperature_start", stage.temperature.start.metal),
            equal("temperature_stop", stage.temperature.stop.metal),
            equal("temperature_damping", stage.thermostat.damping.metal),
        ]
        if stage.thermostat.type != "nose-hoover":
            lines.append(equal("seed", seed))
    if isinstance(stage, Npt):
        assert stage.barostat.damping is not None, "the run file is not resolved"
        lines += [
            equal("pressure_start", stage.pressure.start.metal),
            equal("pressure_stop", stage.pressure.stop.metal),
            equal("pressure_damping", stage.barostat.damping.metal),
            string("barostat", BAROSTATS[stage.barostat.type]),
        ]
    return lines


def _stage_script(stage: Nve | Nvt | Npt, held: bool) -> str:
    if isinstance(stage, Nve):
        return "nve.lmp"
    if held and stage.thermostat.type == "langevin":
        return "held_nvt_langevin.lmp"
    return f"{stage.type}_{stage.thermostat.type.replace('-', '_')}.lmp"


def _keeps_its_noise(stage: Nve | Nvt | Npt) -> bool:
    """Whether restart files hold the state of the thermostat's noise; a seed is for other numbers of ranks then."""
    return isinstance(stage, Nvt | Npt) and stage.thermostat.type == "svr"


def _seed(seed: int, stage: int, resumed_at: int) -> int:
    """A seed for each stage, and another where a run is resumed, so that no noise is used twice."""
    return 1 + (seed + 7919 * stage + 104_729 * resumed_at) % 899_999_999
