"""The folder of a benchmark: what was asked, on which machine, and a line for each measurement.

```
BENCH/
  bench.json            settings and machine
  measurements.jsonl    one line each; the file is whole at any moment
  forces/KEY.npy        forces of the start, which tell what a precision costs in accuracy
  bench.html, *.csv, *.png, bench.txt, result.json   what `lamplighter bench` says, once it is done
```
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter.arrays import Floats
from lamplighter.errors import RunFolderError
from lamplighter.run_folder.names import LOCK
from lamplighter.run_folder.writing import unwritable, write_json
from lamplighter.whole_file import write_whole

SETTINGS = "bench.json"
MEASUREMENTS = "measurements.jsonl"
FORCES = "forces"
_OF_MACHINE = ("cpu", "logical_cores", "system")


class Store:
    """A folder of measurements.

    Args:
        folder: It is made, if it is not there.

    Raises:
        RunFolderError: it cannot be written, or holds something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            others = sorted(each.name for each in folder.iterdir() if each.name not in (FORCES, LOCK))
            if others and not (folder / SETTINGS).exists():
                raise RunFolderError(
                    f"{folder} holds {others[0]} and no {SETTINGS}, so it is no folder of a benchmark: choose another "
                    "with --output"
                )
            (folder / FORCES).mkdir(exist_ok=True)
        except OSError as problem:
            raise unwritable(folder, problem) from problem

    def agree(self, settings: dict[str, Any], machine: dict[str, Any], wishes: dict[str, Any]) -> list[str]:
        """Hold what is asked now against what was asked before, and keep it.

        Args:
            settings: What measurements depend on: a change makes those before another thing.
            machine: That measures.
            wishes: Which measurements are wanted: they may change, and those before stay.

        Returns:
            What changed in the wishes, in words.

        Raises:
            RunFolderError: measurements of another machine, or of other settings, are there; the message names them.
        """
        path = self.folder / SETTINGS
        said = []
        if path.exists():
            try:
                before = json.loads(path.read_text(encoding="utf-8"))
                old_machine, old_settings, old_wishes = before["machine"], before["settings"], before["wishes"]
            except (OSError, ValueError, KeyError, TypeError) as problem:
                raise RunFolderError(f"{path} cannot be read: {problem}") from problem
            for key in _OF_MACHINE:
                if old_machine.get(key) != machine.get(key):
                    raise RunFolderError(
                        f"{self.folder} holds measurements of another machine ({key}: {old_machine.get(key)}; here: "
                        f"{machine.get(key)}), and times of two machines are not put together: choose another folder "
                        "with --output"
                    )
            both = {key: value for key, value in old_settings.items() if key in settings}
            if changed := _changes(both, {key: settings[key] for key in both}):
                raise RunFolderError(
                    f"{self.folder} holds measurements of other settings: {'; '.join(changed)}. Choose another folder "
                    "with --output, or set them back"
                )
            said = [f"{each}; what was measured before is kept" for each in _changes(old_wishes, wishes)]
            settings = old_settings | settings
        write_json(path, {"machine": machine, "settings": settings, "wishes": wishes})
        return said

    def lines(self) -> list[dict[str, Any]]:
        """All measurements; a line that cannot be read is passed over."""
        path = self.folder / MEASUREMENTS
        if not path.exists():
            return []
        found = []
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and "key" in line:
                found.append(line)
        return found

    def add(self, line: dict[str, Any], forces: Path) -> None:
        """Keep a measurement, and the forces that it left, if it did.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        try:
            if forces.exists():
                line["forces"] = f"{line['key']}.npy"
                (self.folder / FORCES / line["forces"]).write_bytes(forces.read_bytes())
            kept = [each for each in self.lines() if each["key"] != line["key"]]
            text = "".join(json.dumps(each) + "\n" for each in [*kept, line])
            write_whole(self.folder / MEASUREMENTS, text)
        except OSError as problem:
            raise unwritable(self.folder, problem) from problem

    def forces(self) -> dict[str, Floats]:
        """The forces that are kept, by the names of their files, eV/Å."""
        return {path.name: np.load(path) for path in sorted((self.folder / FORCES).glob("*.npy"))}


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{key} was {before.get(key)} and is {now.get(key)}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
