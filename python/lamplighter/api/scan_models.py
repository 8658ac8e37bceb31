"""The models of a volume scan: which potentials they are, and their energies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lamplighter.api.chosen_models import Chosen, potential_of_file, require_usable, settings_of_files
from lamplighter.driver.evaluation import open_evaluator
from lamplighter.driver.members import Member, members_of_run_file
from lamplighter.errors import ModelError
from lamplighter.model_files.calculator_file import is_calculator_file
from lamplighter.observables.scan_frames import ScanFrames
from lamplighter.observables.volume_scan import Energies


def members_of(files: Sequence[Path], trust: bool = False, **options: str | None) -> dict[str, Member]:
    """Each potential by a name of its own: of model files, and all members of run files.

    Args:
        files: Model files and run files.
        trust: Put the model files on the user's list of trusted files.
        options: Of the model files.

    Raises:
        LamplighterError: an option or a run file is not valid, or as `require_usable`.
    """
    run_files = [path for path in files if path.suffix in (".yaml", ".yml") and not is_calculator_file(path)]
    settings: dict[str, Any] = settings_of_files(len(run_files) < len(files), next(iter(run_files), None), **options)
    found: dict[str, Member] = {}
    for path in files:
        given = members_of_run_file(path) if path in run_files else {path.stem: potential_of_file(path, settings)}
        for name, member in given.items():
            called = path.stem if len(given) == 1 else f"{path.stem}: {name}"
            found[called if called not in found else f"{path}: {name}"] = member
    require_usable([Chosen(name, member=member) for name, member in found.items()], trust)
    return found


def energies_of(frames: ScanFrames, member: Member, name: str, threads: int | None, trust: bool) -> Energies:
    """Energies of all frames by one potential, in LAMMPS. Collective.

    Raises:
        LamplighterError: the model cannot be used, lacks an element, or refuses a frame.
    """
    try:
        with open_evaluator(member, frames.elements, threads=threads, trust=trust) as evaluator:
            return frames.energies_by(evaluator.evaluate, name)
    except ModelError as problem:
        raise ModelError(f"--model {name}: {problem}") from problem
