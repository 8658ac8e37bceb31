"""What is measured beside the plain step, in turns with it: guard, committee, output, skins, waiting."""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.config.run_file import RunFile
from lamplighter.driver.pair_setup import pair_setup
from lamplighter.driver.preflight import CheckedPotential
from lamplighter.driver.script import compose
from lamplighter.driver.script_block import equal, string
from lamplighter.driver.stage_steps import first_timestep
from lamplighter.errors import LamplighterError
from lamplighter.observables.scaling import OUTPUT_EVERY
from lamplighter.structures.start import StartStructure

PLAIN = "plain"
SYNCHRONISED = "synchronised"
GUARD = "guard"

_GUARD_TITLE = "what ends the run"


@dataclass(frozen=True)
class Side:
    """A way to make steps.

    Attributes:
        name: `plain`, `guard`, `committee 20`, `skin 1.5`, …
        before, after: LAMMPS commands about a block of it.
        multiple: The steps of a block are a multiple of it.
        ends_and_begins: A block is made as a run makes its steps from restart file to restart file.
    """

    name: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    multiple: int = 1
    ends_and_begins: bool = False

    def steps(self, wished: int) -> int:
        """The steps of a block: so many, or the next multiple."""
        return -(-wished // self.multiple) * self.multiple


def sides_of(run: RunFile, intervals: list[int], skins: list[float]) -> list[str]:
    """The sides that a run file has, and those asked for; that of waiting is one of several ranks."""
    wanted = []
    if alone(run).guard.criteria:
        wanted.append(GUARD)
    if run.committee is not None:
        wanted += [f"committee {every}" for every in intervals]
    own = run.neighbour.skin.metal
    wanted += [f"skin {skin:g}" for skin in skins if abs(skin - own) > 1e-9]
    wanted.append("thermo")
    wanted += [name for name in ("trajectory", "restart") if getattr(run.output, name) is not None]
    return wanted


def alone(run: RunFile) -> RunFile:
    """The run file with one model, whose guard asks for nothing that models say of themselves."""
    guard = run.guard.model_copy(update=dict.fromkeys([*run.guard.of_committee, *run.guard.of_training_set]))
    return run.model_copy(update={"guard": guard, "committee": None, "extrapolation": None})


def side(name: str, run: RunFile, structure: StartStructure, checked: CheckedPotential, lines: tuple[str, ...]) -> Side:
    """The commands of a side.

    Args:
        name: As `sides_of` has it.
        run: The resolved run file, with its committee.
        structure: The start structure.
        checked: The potential.
        lines: Of the plain potential, that come back after a committee.

    Raises:
        LamplighterError: there is no such side.
    """
    word, _, value = name.partition(" ")
    if name == PLAIN:
        return Side(name)
    if name == SYNCHRONISED:
        return Side(name, ("timer normal sync",), ("timer normal nosync",))
    if name == GUARD:
        setup = pair_setup(checked, structure.elements)
        block = next(each for each in compose(alone(run), structure, setup) if each.title == _GUARD_TITLE)
        return Side(name, block.lines, ("unfix guard",))
    if word == "committee" and run.committee is not None:
        every = int(value)
        section = run.committee.model_copy(update={"every": every})
        setup = pair_setup(checked, structure.elements, section.words(first_timestep(run)))
        return Side(name, setup.lines, lines, every)
    if word == "skin":
        return Side(name, (f"neighbor {value} bin",), (f"neighbor {run.neighbour.skin.metal:g} bin",))
    if name == "thermo":
        begin: tuple[str, ...] = (
            f"variable thermo_every equal {OUTPUT_EVERY}",
            "run 0 post no",
            "include inputs/thermo_table.lmp",
        )
        return Side(name, begin, ("unfix thermo_table",), OUTPUT_EVERY)
    if name == "trajectory":
        begin = (
            f"dump trajectory all custom/gz {OUTPUT_EVERY} trajectory.lammpstrj.gz id type element xu yu zu",
            "dump_modify trajectory append yes sort id flush yes format float %.5f element "
            + " ".join(structure.elements),
        )
        return Side(name, begin, ("undump trajectory",), OUTPUT_EVERY)
    if name == "restart":
        begin = (
            "variable step_begin equal $(step)",
            "variable step_end equal $(step+1000000)",
            equal("restart_every", OUTPUT_EVERY),
            string("noise", "none"),
        )
        return Side(name, begin, ends_and_begins=True)
    raise LamplighterError(f"{name!r} is nothing to measure for this run file")
