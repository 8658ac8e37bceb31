"""What a run will do: worked out by the first rank before anything is written, and the same on all ranks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.arrays import Floats
from lamplighter.config.loading import load_run_file, parse_run_file
from lamplighter.config.run_file import RunFile
from lamplighter.driver import classical, preflight, script
from lamplighter.driver.domains import Domains, domains_of
from lamplighter.driver.pair_setup import PairSetup
from lamplighter.driver.resume import Resumption, how_to_go_on, require_same_models
from lamplighter.driver.script_block import Block
from lamplighter.driver.stage_steps import Restart
from lamplighter.driver.start_limits import require_within_limits
from lamplighter.driver.start_of_run import StartOfRun, frame_of_start, start_of_run
from lamplighter.run_folder import folder as run_folder
from lamplighter.run_folder.names import BONDS, PROVENANCE, RESUMED_PROVENANCE, RESUMED_SCRIPT, SCRIPT
from lamplighter.structures.frame import Frame
from lamplighter.structures.start import StartStructure

RunSource = str | os.PathLike[str] | RunFile | Mapping[str, Any]


def resolved(source: RunSource, output: str | os.PathLike[str] | None) -> RunFile:
    """A run file with absolute paths, every default, and its run folder.

    Raises:
        ConfigError: it is not valid.
    """
    if isinstance(source, RunFile):
        run_file = source.resolved(Path.cwd(), default_output="run")
    elif isinstance(source, Mapping):
        run_file = parse_run_file(source).resolved(Path.cwd(), default_output="run")
    else:
        run_file = load_run_file(Path(source))
        if output is None:
            assert run_file.output.folder is not None, "the run file is resolved"
            output = run_folder.own_folder(Path(source), run_file.output.folder)
    if output is None:
        return run_file
    folder = Path(output).expanduser().resolve()
    return run_file.model_copy(update={"output": run_file.output.model_copy(update={"folder": folder})})


@dataclass(frozen=True)
class Plan:
    """What rank 0 works out and all ranks carry out.

    Attributes:
        run: The resolved run file.
        folder: The run folder.
        setup: How the potential is evaluated.
        blocks: Of the script; none where the run is a volume scan alone.
        script_name: Of the script's file in the run folder.
        resumption: Of the run that is there already, if one goes on.
        notes: What is said of the run file and the structure at the start.
        domains: What was decided on the domains of ranks, in words; empty: they are LAMMPS' own.
    """

    run: RunFile
    folder: Path
    setup: PairSetup
    blocks: list[Block]
    script_name: str
    resumption: Resumption | None = None
    notes: tuple[str, ...] = ()
    domains: str = ""

    @property
    def restart(self) -> Restart | None:
        """Where the run goes on, within its stages."""
        return None if self.resumption is None else self.resumption.restart

    @property
    def resumed_scan(self) -> bool:
        """Whether of an interrupted run the scan alone is left."""
        return self.resumption is not None and self.resumption.scan_alone

    @property
    def provenance_file(self) -> Path:
        """Where it is written what the run, or its resumption, is made with; in the run folder."""
        if self.resumed_scan:
            return Path(RESUMED_PROVENANCE.format("volume_scan"))
        if self.restart is not None:
            return Path(RESUMED_PROVENANCE.format(self.restart.step))
        return Path(PROVENANCE)


def plan_of(run_file: RunFile, resume: bool, ranks: int, start: list[StartOfRun]) -> Plan | None:
    """Work out a run; None: it is completed already, and nothing is left to do.

    Nothing is written.

    Args:
        run_file: Resolved.
        resume: Go on with what is in the run folder.
        ranks: Of the run.
        start: Gets the system that the run begins with, where bonds are looked for.

    Raises:
        ConfigError, StructureError, ModelError, EnvironmentProblem, RunFolderError: the run cannot be carried out.
    """
    folder = run_file.output.folder
    assert folder is not None, "the run file is resolved"
    resumption = how_to_go_on(folder, run_file) if resume else None
    if resumption is None or not resumption.begun:
        run_folder.require_unused(folder)
        resumption = None
    elif resumption.completed:
        return None
    checked = preflight.checked(run_file.potential, ranks)
    if resumption is not None:
        require_same_models(folder, run_file)
    structure, blocks, name = classical.start_structure(run_file), [], SCRIPT
    setup = script.pair_setup_of(run_file, checked, structure)
    restart = None if resumption is None else resumption.restart
    domains = Domains()
    if run_file.stages and not (resumption and resumption.scan_alone):
        if restart is None or not (folder / BONDS).exists():
            start.append(start_of_run(structure, run_file.structure.replicate, run_file.bonds))
        domains = domains_of(run_file, ranks, lambda: _frame_of(start, structure, run_file), setup.evaluated_by)
        if restart is not None:
            domains = domains.going_on(ranks, restart.grid)
        blocks = script.compose(run_file, structure, setup, restart, domains)
        if restart is None:
            require_within_limits(run_file, start[0])
    if restart is not None:
        name = RESUMED_SCRIPT.format(restart.step)
    notes = () if restart is not None or (resumption and resumption.scan_alone) else (*run_file.notes, *structure.notes)
    return Plan(run_file, folder, setup, blocks, name, resumption, notes, domains.in_words)


def _frame_of(start: list[StartOfRun], structure: StartStructure, run_file: RunFile) -> tuple[Frame, Floats]:
    if start:
        return start[0].frame, start[0].corner
    return frame_of_start(structure, run_file.structure.replicate)
