"""The volume scan of a run file, carried out after its stages: E(V) of each member of the potential, and a reference.

Frames, energies and results are those of `lamplighter scan` (`docs/how_to/equation_of_state.md`). What is
evaluated is kept at once in a file of the run folder, so that an interrupted scan goes on where it was.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from lamplighter.analysis.bonding import BondRule
from lamplighter.analysis.volume_scan import molecules_for_scan
from lamplighter.config.run_file import RunFile
from lamplighter.config.volume_scan import VolumeScanSection
from lamplighter.driver import classical
from lamplighter.driver.environment import Environment
from lamplighter.driver.evaluation import OpenEvaluator
from lamplighter.driver.failure import agree
from lamplighter.driver.interruption import Stop, StopRequests
from lamplighter.driver.member_evaluator import evaluator_of
from lamplighter.driver.members import Member, members_alone
from lamplighter.errors import ConfigError, ModelError, StructureError
from lamplighter.observables.scan_frames import ScanFrames, frame_of_data, made_from
from lamplighter.observables.volume_scan import Energies, VolumeScanOfModels, volume_scan
from lamplighter.run_folder.bonds import bonds_of_run, rule_of_settings
from lamplighter.run_folder.names import BONDS, FINAL, RUN_FILE, SCAN_EVALUATED, SCAN_FRAMES, STRUCTURE
from lamplighter.run_folder.run_file import read_run_file
from lamplighter.run_folder.writing import unwritable
from lamplighter.structures.labels import Labels, unknown_stress
from lamplighter.structures.rigid_scan import require_densities

Kept = dict[str, dict[int, Labels]]
"""What is known by method, then by place in `ScanFrames.everything`."""

OpenReference = Callable[[str, Mapping[str, Any], str, Sequence[str]], OpenEvaluator]
"""Opens a reference method of its name, options, who asks, and the elements; the first rank calls it."""

REFERENCE = "reference"


def described(run: RunFile) -> str:
    """What a run does after its stages, as comments of a LAMMPS script; empty: nothing.

    Raises:
        ModelError: a compiled model cannot be read.
    """
    scan = run.volume_scan
    if scan is None:
        return ""
    values = scan.values
    start = "the last configuration" if run.stages else str(run.structure.file)
    return (
        f"\n# volume scan (no part of the script): {start} at {len(values)} densities, {values[0]:g} to "
        f"{values[-1]:g} g/cm³, molecules rigid\n# evaluated by {', '.join(members_alone(run, ()))}"
        + (f"; reference {scan.reference}" if scan.reference else "")
        + "\n"
    )


class VolumeScanOfRun:
    """The volume scan of a run. Collective: every rank makes it, before the stages, and calls it alike.

    What can be known to be missing is said when it is made, as stages may take days.

    Args:
        run: A resolved run file with a volume scan.
        env: From `environment.prepare`.
        progress: Show the progress (rank 0).
        open_reference: Reference methods are handed in: the driver knows none.

    Raises:
        ConfigError: the structure is not periodic, or a density is impossible.
        ModelError: a model file is missing, or cannot be read.
        LamplighterError, EnvironmentProblem: the reference cannot be opened.
    """

    def __init__(self, run: RunFile, env: Environment, progress: bool, open_reference: OpenReference) -> None:
        assert run.volume_scan is not None, "the run file has a volume scan"
        self._wanted: VolumeScanSection = run.volume_scan
        self._run = run
        self._env = env
        self._progress = progress and env.is_first
        # of the first rank
        self._elements: Sequence[str] = ()
        self._frames: ScanFrames | None = None
        self._open_reference = open_reference
        self._reference: OpenEvaluator | None = None
        self._members: dict[str, Member] = agree(env.comm, self._prepare)

    def carry_out(self, leave: Callable[[VolumeScanOfModels, Path], None], stops: StopRequests) -> int:
        """Evaluate everything in the run folder, which is the current one.

        Args:
            leave: Writes the result into a folder; the first rank calls it.
            stops: What may end it.

        Returns:
            The number of atoms.

        Raises:
            StructureError: the configuration cannot be scanned.
            LamplighterError: a model or the reference refuses a frame, or the folder cannot be written.
            Interrupted: a signal came, or the wall time was up.
        """
        comm = self._env.comm
        frames: ScanFrames = agree(comm, self._made)
        kept: Kept = agree(comm, lambda: _read_kept(Path(SCAN_EVALUATED)))
        told = agree(comm, lambda: self._by_reference(frames, kept, stops))
        models = {}
        for name, member in self._members.items():
            known = _Known(f"model {name}", kept, stops, stops.agreed, self._env.is_first, self._progress)
            models[name] = self._energies(frames, name, member, known)

        def write() -> None:
            made = volume_scan(frames.source, frames.frames, frames.molecules, models, told, frames.notes)
            leave(made, Path())

        agree(comm, write)
        return len(frames.frames[0])

    def _prepare(self) -> dict[str, Member]:
        wanted, run = self._wanted, self._run
        structure = classical.start_structure(run)
        if not structure.periodic:
            raise ConfigError(
                f"workflow.volume_scan needs a structure that is periodic in all three directions, and "
                f"{structure.source} is not: give its cell, or structure.periodic: [true, true, true]"
            )
        try:
            require_densities(wanted.values)
        except StructureError as problem:
            raise ConfigError(f"workflow.volume_scan.densities: {problem}") from None
        self._elements = structure.elements
        with tempfile.TemporaryDirectory() as folder, _named():
            structure.write(Path(folder) / STRUCTURE)
            atoms = frame_of_data(Path(folder) / STRUCTURE, structure.elements)
            if run.stages:
                molecules_for_scan(atoms, self._rule(), wanted.atomic)
            else:
                self._frames = self._made_from(atoms.repeat(run.structure.replicate), structure.source.name)
        if wanted.reference is not None:
            asked = "workflow.volume_scan.reference"
            self._reference = self._open_reference(wanted.reference, wanted.options, asked, sorted(set(self._elements)))
        return members_alone(run, structure.elements)

    def _made(self) -> ScanFrames:
        if self._frames is not None:
            return self._frames
        with _named():
            return self._made_from(frame_of_data(Path(FINAL), self._elements), "the last configuration")

    def _made_from(self, atoms: Atoms, name: str) -> ScanFrames:
        return made_from(atoms, name, self._wanted.values, self._rule(), self._wanted.atomic)

    def _rule(self) -> BondRule:
        """As the run decided once it has begun, unless the scan has a tolerance of its own."""
        wanted = self._wanted.tolerance
        if wanted is not None:
            return rule_of_settings(self._run.bonds.model_copy(update={"tolerance": wanted}))
        if self._frames is None and Path(BONDS).exists():
            return bonds_of_run(Path(), read_run_file(Path()))
        return rule_of_settings(self._run.bonds)

    def _by_reference(self, frames: ScanFrames, kept: Kept, stops: StopRequests) -> tuple[str, Energies] | None:
        """On the first rank; the frames are written with what it says of them."""
        told = None
        if self._reference is not None:
            known = _Known(REFERENCE, kept, stops, lambda: stops.first, True, self._progress)
            name = Path(str(self._wanted.reference)).name
            name += " (reference)" if name in self._members else ""
            with self._reference as reference:
                told = frames.evaluated(reference.evaluate, name, known)
        frames.write(Path(SCAN_FRAMES), told is not None)
        return told

    def _energies(self, frames: ScanFrames, name: str, member: Member, known: _Known) -> Energies:
        if known.number == len(frames.everything):
            return frames.energies_by(_never, name, known)
        try:
            with evaluator_of(self._env, member, frames.elements) as evaluator:
                return frames.energies_by(evaluator.evaluate, name, known)
        except ModelError as problem:
            raise ModelError(f"{name}: {problem}") from problem


@contextlib.contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except StructureError as problem:
        raise StructureError(f"workflow.volume_scan: {problem}") from problem


def _never(atoms: Atoms) -> Labels:
    raise AssertionError("all of it is known")


class _Known:
    """What is known of one method; see `scan_frames.Known`. `asked`: what ends the scan, if anything does."""

    def __init__(
        self,
        key: str,
        kept: Kept,
        stops: StopRequests,
        asked: Callable[[], Stop | None],
        writes: bool,
        shows_progress: bool,
    ) -> None:
        self.shows_progress = shows_progress
        self._labels = kept.get(key, {})
        self.number = len(self._labels)
        self._key, self._stops, self._asked, self._writes = key, stops, asked, writes

    def get(self, place: int) -> Labels | None:
        stop = self._asked()
        if stop is not None:
            run_file = shlex.quote(str(Path.cwd() / RUN_FILE))
            advice = f"go on with it: lamplighter run {run_file} --resume"
            raise self._stops.ending(stop, f"the volume scan; {advice}")
        return self._labels.get(place)

    def keep(self, place: int, labels: Labels) -> None:
        self._stops.came_further = True
        if not self._writes:
            return
        content = {"of": self._key, "place": place, "energy": labels.energy}
        if self._key == REFERENCE:
            content["forces"] = labels.forces.tolist()
        try:
            with Path(SCAN_EVALUATED).open("a", encoding="utf-8") as file:
                file.write(json.dumps(content) + "\n")
        except OSError as problem:
            raise unwritable(Path.cwd(), problem) from problem


def _read_kept(path: Path) -> Kept:
    """What was evaluated already; a line that was broken off is left out."""
    found: Kept = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            given = json.loads(line)
            forces = np.array(given.get("forces", []), dtype=np.float64).reshape(-1, 3)
            labels = Labels(float(given["energy"]), forces, unknown_stress())
            found.setdefault(given["of"], {})[int(given["place"])] = labels
    return found
