"""The folder of a run before it holds one: whether it may be used, and what is put into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import yaml

from lamplighter.config.run_file import RunFile
from lamplighter.errors import RunFolderError
from lamplighter.run_folder.names import INPUTS, MARKS, RUN_FILE, SCAN_EVALUATED, SCRIPT, STATUS, STRUCTURE, THERMO
from lamplighter.run_folder.status import RunStatus
from lamplighter.run_folder.writing import unwritable
from lamplighter.whole_file import write_whole


def own_folder(run_file: Path, folder: Path) -> Path:
    """The run folder that a run file means: the one that it lies in if it is that one's `run.yaml`, else `folder`.

    Run folders of earlier versions have an absolute `output.folder`, which names the original also in a copy.
    """
    beside = run_file.resolve().parent
    if run_file.name == RUN_FILE and (beside / STATUS).exists() and (beside / STRUCTURE).exists():
        return beside
    return folder


def require_unused(folder: Path) -> None:
    """Refuse a folder that holds a run; one that failed before its first step may be written over.

    Raises:
        RunFolderError: it does, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"output.folder: {folder} is a file; name another folder")
    held = [mark for mark in MARKS if (folder / mark).exists()]
    if held and not _ended_before_its_first_step(folder):
        raise RunFolderError(
            f"output.folder: {folder} already holds a run ({', '.join(held)}); name another folder (output.folder, or "
            "--output), or go on with that run (--resume)"
        )


def _ended_before_its_first_step(folder: Path) -> bool:
    if not (folder / STATUS).exists() or RunStatus.read(folder).status != "failed":
        return False
    if (folder / SCAN_EVALUATED).exists():
        return False
    table = folder / THERMO
    return not table.exists() or len(table.read_text(encoding="utf-8").splitlines()) < 2


def create(folder: Path, run: RunFile, script: str | None, inputs: Iterable[Path]) -> None:
    """Make the folder with its run file, script (None: there are no stages) and the scripts that it includes.

    Raises:
        RunFolderError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / RUN_FILE, run_file_text(run))
        if script is None:
            return
        (folder / INPUTS).mkdir(exist_ok=True)
        (folder / SCRIPT).write_text(script, encoding="utf-8")
        for path in inputs:
            shutil.copyfile(path, folder / INPUTS / path.name)
    except OSError as problem:
        raise unwritable(folder, problem) from problem


def run_file_text(run: RunFile) -> str:
    """A run file as YAML, with every default. The run folder is where it lies: it may be moved and copied."""
    content = run.model_dump(mode="json")
    content["output"]["folder"] = "."
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
