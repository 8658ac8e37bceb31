"""Going on with an interrupted run: from its beginning, from which restart file, or not at all."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lamplighter.config.loading import load_run_file
from lamplighter.config.run_file import RunFile
from lamplighter.config.stages import Minimise
from lamplighter.driver import gaps, provenance
from lamplighter.driver.restart_checksum import is_as_written
from lamplighter.driver.restart_file import RestartFile, lammps_reads, read_head
from lamplighter.driver.stage_steps import Restart, interval_in_steps, steps_of_stages
from lamplighter.errors import LamplighterError, RunFolderError
from lamplighter.run_folder.folder import run_file_text
from lamplighter.run_folder.names import CENTRES, EVENTS, PROVENANCE, RESTART_FILES, RUN_FILE, TRAJECTORY
from lamplighter.run_folder.status import RunStatus


@dataclass(frozen=True)
class Resumption:
    """How the run in a folder goes on.

    Attributes:
        begun: Whether there is anything of the run yet; without, it starts like any other.
        completed: There is nothing left to do.
        scan_alone: The stages are done, the volume scan goes on.
        restart: Where it goes on; None: from its beginning.
        keep: What it has written goes further than one restart file should lie behind: to be kept before it is cut.
        notes: What the user is told.
    """

    begun: bool = True
    completed: bool = False
    scan_alone: bool = False
    restart: Restart | None = None
    keep: bool = False
    notes: list[str] = field(default_factory=list)


def how_to_go_on(folder: Path, run: RunFile) -> Resumption:
    """What `--resume` does with a folder.

    Raises:
        RunFolderError: the folder holds the run of another run file, or one that its guard has ended.
    """
    if not (folder / RUN_FILE).is_file():
        return Resumption(begun=False)
    _refuse_other_run_file(folder, run)
    status = _status(folder)
    if status.status == "completed":
        return Resumption(completed=True)
    if status.status == "stopped":
        raise RunFolderError(f"--resume: the run in {folder} was ended by its guard ({folder / EVENTS} says why)")
    scan = status.volume_scan
    if scan is not None and (scan.status != "waiting" or not run.stages):
        return Resumption(scan_alone=True)
    if not run.stages:
        return Resumption()
    restart, notes = find_restart(folder, run, status.natoms or 0)
    reached = gaps.step_reached(folder, run)
    if restart is None:
        keep = reached > _restart_interval(run, 0)
        if keep:
            notes.append(f"no restart file can be used, so the run begins anew; it had come to step {reached}")
        return Resumption(keep=keep, notes=notes)
    keep = reached > restart.step + _restart_interval(run, restart.step)
    return Resumption(restart=restart, keep=keep, notes=notes)


def require_same_models(folder: Path, run: RunFile) -> None:
    """Refuse to go on with other content in the model files than `provenance.json` says; nothing where it is missing.

    Raises:
        RunFolderError: a model file has changed since the run was begun.
        ModelError: a file that belongs to a model is missing.
    """
    changed = _changed_model(_hashes(folder), run)
    if changed:
        raise RunFolderError(
            f"--resume: {changed} has changed since the run in {folder} was begun ({PROVENANCE} "
            "has its SHA-256): put the old file back, or start a new run in another folder"
        )


def changed_file(folder: Path, run: RunFile) -> str:
    """Which model or structure file has other content than when a run was begun, in words; empty: none.

    Files that are missing now have not changed; whoever starts the run again says so.
    """
    before = _hashes(folder)
    structure = run.structure.file
    with contextlib.suppress(LamplighterError, OSError):
        if before and (changed := _changed_model(before, run)):
            return f"{Path(changed).name} has other content (SHA-256) than when the run was begun"
    if str(structure) in before and _content(str(structure)) not in ("", before[str(structure)]):
        return f"{structure.name} has other content (SHA-256) than when the run was begun"
    return ""


def _changed_model(before: dict[str, str], run: RunFile) -> str:
    """The path of the first model file with another hash than before; empty: none. Raises as `provenance.models`."""
    for model in provenance.models(run) if before else []:
        if model["sha256"] != before.get(model["path"], model["sha256"]):
            return str(model["path"])
    return ""


def find_restart(folder: Path, run: RunFile, atoms: int = 0) -> tuple[Restart | None, list[str]]:
    """The restart file with the largest step that can be gone on from, and what is to be said of others.

    It is whole, belongs to this run (number of atoms, place of its step among the stages), and what the run has written
    up to its step has no gap; if there are gaps before every restart file, the largest step counts. Times of files do
    not count: they change when files are copied.

    Args:
        folder: The run folder.
        run: Its resolved run file.
        atoms: Number of atoms of the run; 0: not known.
    """
    notes: list[str] = []
    placed: list[tuple[Restart, Path]] = []
    for path in sorted(folder.glob(RESTART_FILES)):
        found = read_head(path)
        if found is None:
            notes.append(f"{path.name} is not whole and is passed over")
        elif atoms and found.atoms not in (None, atoms):
            of_another = f"{path.name} holds {found.atoms} atoms, and this run has {atoms}"
            notes.append(f"{of_another}: it is of another run, and passed over")
        elif (restart := _placed(found, run)) is None:
            notes.append(f"{path.name} is of step {found.step}, which is not in its stage: it is passed over")
        else:
            placed.append((restart, path))
    placed.sort(key=lambda each: (each[0].step, each[0].stage, each[0].stage_is_over), reverse=True)
    missing = gaps.first_gaps(folder, run) if placed else {}
    without_gap = [each for each in placed if not _gaps_before(each[0], missing)]
    for restart, path in without_gap + [each for each in placed if each not in without_gap]:
        as_written = is_as_written(path)
        if as_written is False:
            notes.append(f"{path.name} (step {restart.step}) is not what its checksum says: damaged, and passed over")
            continue
        if as_written is None and not lammps_reads(path):
            notes.append(f"LAMMPS cannot read {path.name} (step {restart.step}): it is damaged, and passed over")
            continue
        for name, step in _gaps_before(restart, missing).items():
            notes.append(f"{name} has a gap: it lacks step {step}, which lies before every restart file")
        for other, _ in placed:
            if other.step > restart.step and (before := _gaps_before(other, missing)):
                lacks = ", ".join(f"{name} lacks step {step}" for name, step in before.items())
                notes.append(f"{other.file} (step {other.step}) is passed over, because {lacks}")
        return restart, notes
    return None, notes


def _gaps_before(restart: Restart, missing: dict[str, int]) -> dict[str, int]:
    """Outputs that lack a step which is not written again from this restart file on."""

    def lacks(name: str, step: int) -> bool:
        of_dump = name in (TRAJECTORY, CENTRES)
        return step < restart.step or (step == restart.step and (of_dump or restart.stage_is_over))

    return {name: step for name, step in missing.items() if lacks(name, step)}


def _placed(found: RestartFile, run: RunFile) -> Restart | None:
    """Where in the run a restart file lies; None: nowhere."""
    placed, name, step = steps_of_stages(run.stages), found.path.name, found.step
    if name.startswith("restart.stage"):
        number = name.removeprefix("restart.stage").removesuffix(".bin")
        if not number.isdigit() or int(number) >= len(placed) or placed[int(number)].end != step:
            return None
        return Restart(name, int(number), step, True, found.grid)
    for index, (stage, steps) in enumerate(zip(run.stages, placed, strict=True)):
        if not isinstance(stage, Minimise) and steps.begin < step <= steps.end:
            return Restart(name, index, step, False, found.grid)
    return None


def _restart_interval(run: RunFile, step: int) -> int:
    """Steps from there to the next restart file; where there are none within stages, to the end of the stage."""
    for stage, steps in zip(run.stages, steps_of_stages(run.stages), strict=True):
        if not isinstance(stage, Minimise) and step < steps.end:
            return interval_in_steps(run.output.restart, steps.timestep_ps) or steps.end - step
    return 0


def _status(folder: Path) -> RunStatus:
    """A run that was killed before its first `status.json`, or whose last one was lost, has come nowhere."""
    try:
        return RunStatus.read(folder)
    except RunFolderError:
        return RunStatus()


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that the run was begun with, by path; empty where the run ended before they were written."""
    try:
        held = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        return {each["path"]: each["sha256"] for each in (*held["models"], held["structure"])}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _refuse_other_run_file(folder: Path, run: RunFile) -> None:
    difference = difference_from(folder, run)
    if difference:
        raise RunFolderError(
            f"--resume: the run in {folder} was started from another run file: {difference}; resume it with its own "
            f"({folder / RUN_FILE}), or start a new run in another folder"
        )


def difference_from(folder: Path, run: RunFile) -> str:
    """The first key in which a run file differs from that of the run in a folder, with both values; empty: none.

    Raises:
        RunFolderError: the folder's run file cannot be read.
    """
    path = folder / RUN_FILE
    try:
        held = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as problem:
        raise RunFolderError(f"--resume: {path} cannot be read: {problem}") from problem
    with contextlib.suppress(LamplighterError):  # a folder of an earlier version lacks keys that have defaults now
        held = yaml.safe_load(run_file_text(load_run_file(path)))
    given = yaml.safe_load(run_file_text(run))
    if isinstance(held, dict) and isinstance(held.get("output"), dict):
        held["output"]["folder"] = given["output"]["folder"]  # where the folder lies now is no part of the run
    return _first_difference(held, given, _hashes(folder))


def _first_difference(held: Any, given: Any, hashes: dict[str, str], path: str = "") -> str:
    """The first key with another value. Files that have moved are the same where their content is."""
    if isinstance(held, dict) and isinstance(given, dict):
        for key in {**held, **given}:
            inner = f"{path}.{key}" if path else str(key)
            if found := _first_difference(held.get(key), given.get(key), hashes, inner):
                return found
        return ""
    if isinstance(held, list) and isinstance(given, list) and len(held) == len(given):
        pairs = enumerate(zip(held, given, strict=True))
        differences = (_first_difference(a, b, hashes, f"{path}[{index}]") for index, (a, b) in pairs)
        return next((each for each in differences if each), "")
    if held == given or _name_the_same(held, given, hashes):
        return ""
    return f"{path} was {held!r} and is now {given!r}"


def _name_the_same(held: Any, given: Any, hashes: dict[str, str]) -> bool:
    """Whether two values differ in the places of files alone: paths, or lines of LAMMPS that name files."""
    if not (isinstance(held, str) and isinstance(given, str)):
        return False
    if held in hashes:
        return _content(given) == hashes[held]
    words, others = held.split(), given.split()
    if len(words) != len(others) or len(words) == 1:
        return False
    return all(a == b or (a in hashes and _content(b) == hashes[a]) for a, b in zip(words, others, strict=True))


def _content(path: str) -> str:
    try:
        return str(provenance.hashed(Path(path))["sha256"])
    except OSError:
        return ""
