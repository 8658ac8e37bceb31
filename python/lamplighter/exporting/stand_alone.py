"""A script of plain LAMMPS with every stage, and what it includes, from the blocks of the script of a run."""

from __future__ import annotations

from collections.abc import Sequence

from lamplighter.config.guard import GuardSection
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise
from lamplighter.driver.domains import Domains
from lamplighter.driver.lammps_scripts import included_files, scripts_folder
from lamplighter.driver.pair_setup import PairSetup
from lamplighter.driver.script import STOP_TITLE, compose
from lamplighter.driver.script_block import Block, string, text_of
from lamplighter.exporting.later_state import LaterState
from lamplighter.run_folder.names import INPUTS, SCRIPT
from lamplighter.structures.start import BOND_STYLES, StartStructure

VELOCITIES_TITLE = "velocities, which the frame that it begins with has not"
GUARD_TITLE = "what ends the run: the limits of its guard that plain LAMMPS can watch"


def scripts_of(
    run: RunFile,
    structure: StartStructure,
    setup: PairSetup,
    later: LaterState | None,
    domains: Domains,
    guard: Sequence[str],
    comment: str,
) -> dict[str, str]:
    """The script, and the files that it includes, by their names in the folder of the export.

    Args:
        run: A resolved run file; its guard and committee are left out, unless `guard` is empty and its own stays.
        structure: The start structure.
        setup: The potential in the words of this LAMMPS.
        later: Where the export begins; the state there is in the data file. None: at the start.
        domains: Of its ranks.
        guard: Lines that end the run, of plain LAMMPS.
        comment: What the first line says.

    Raises:
        ConfigError: as `compose`.
    """
    place = None if later is None else later.place
    composed = compose(run, structure, setup, place, domains)
    blocks = [block for block in composed if block.title != STOP_TITLE]
    if place is not None:
        blocks[0] = _from_data(compose(run, structure, setup, None, domains)[0], place.step)
    velocities = () if later is None else later.velocities
    for title, lines in ((VELOCITIES_TITLE, velocities), (GUARD_TITLE, tuple(guard))):
        if lines:
            first = next((at for at, block in enumerate(blocks) if _is_dynamics(run, block)), len(blocks) - 1)
            blocks.insert(first, Block(title, lines))
    scripts = scripts_folder()
    files = {SCRIPT: text_of(blocks, comment)}
    for name in included_files(blocks, scripts):
        files[f"{INPUTS}/{name}"] = (scripts / name).read_text(encoding="utf-8")
    # the package for compressed files is not in every build
    return {
        name: text.replace("custom/gz", "custom").replace(".lammpstrj.gz", ".lammpstrj").replace(", gzipped", "")
        for name, text in files.items()
    }


def without_guard_and_committee(run: RunFile) -> RunFile:
    """A run file without what needs Lamplighter's plugin."""
    return run.model_copy(update={"guard": GuardSection(), "committee": None, "extrapolation": None})


def _is_dynamics(run: RunFile, block: Block) -> bool:
    return block.stage is not None and not isinstance(run.stages[block.stage], Minimise)


def _from_data(setup: Block, step: int) -> Block:
    """The system of the start, with the atoms of a later step in its data file: copies were made already."""
    lines = [string("replicate", "1 1 1") if line.startswith("variable replicate ") else line for line in setup.lines]
    return Block(setup.title, (*lines, f"reset_timestep {step}"))


PACKAGES = {"temp/csvr": "EXTRA-FIX", "dispersion/d3": "EXTRA-PAIR", "kspace_style": "KSPACE", "all shake": "RIGID"}
"""Packages that LAMMPS must have for words of a script, besides those of its potential."""


def packages_of(text: str, structure: StartStructure) -> list[str]:
    """Packages of LAMMPS that a script needs, besides those of its potential."""
    found = [package for word, package in PACKAGES.items() if word in text]
    return [*found, *(["MOLECULE"] if structure.atom_style in BOND_STYLES else [])]
