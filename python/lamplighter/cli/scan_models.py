"""The models of `lamplighter scan`: which potentials they are, and their energies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from lamplighter.config.loading import describe, load_run_file
from lamplighter.config.run_file import Potential
from lamplighter.engine import model_trust
from lamplighter.engine.evaluation import open_evaluator
from lamplighter.errors import ConfigError, ModelError
from lamplighter.report.scan_frames import ScanFrames
from lamplighter.report.volume_scan import Energies


def potentials(files: Sequence[Path], kind: str, dtype: str, engine: str) -> dict[str, Potential]:
    """The potential of each file, by a name of its own: model files, or run files for their potentials.

    Raises:
        ConfigError: an option or a run file is not valid. ModelError: a model file does not exist.
    """
    found: dict[str, Potential] = {}
    for path in files:
        if path.suffix in (".yaml", ".yml"):
            potential = load_run_file(path).potential
        else:
            words = {"models": [path.resolve()], "kind": kind, "dtype": dtype, "engine": engine}
            try:
                potential = Potential.model_validate(words)
            except ValidationError as problem:
                raise ConfigError(describe(problem, f"--model {path}")) from None
        model_trust.require_files(potential)
        found[path.stem if path.stem not in found else str(path)] = potential
    return found


def energies_of(frames: ScanFrames, potential: Potential, name: str, threads: int | None, trust: bool) -> Energies:
    """Energies of all frames by one potential, in LAMMPS. Collective.

    Raises:
        LamplighterError: the model cannot be used, lacks an element, or refuses a frame.
    """
    try:
        with open_evaluator(potential, frames.elements, threads=threads, trust=trust) as evaluator:
            return frames.energies_by(evaluator.evaluate, name)
    except ModelError as problem:
        raise ModelError(f"--model {name}: {problem}") from problem
