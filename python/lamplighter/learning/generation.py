"""The folder of a generation: its files are the only record, and say what of it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.errors import LamplighterError
from lamplighter.json_text import plain
from lamplighter.whole_file import write_whole


@dataclass(frozen=True)
class Generation:
    """A generation of models, and what came of it.

    Attributes:
        number: From 0.
        folder: Of it.
    """

    number: int
    folder: Path

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def asked(self) -> Path:
        """What it was begun with."""
        return self.folder / "asked.json"

    @property
    def training(self) -> Path:
        """The folder of its training."""
        return self.folder / "training"

    @property
    def starts(self) -> Path:
        """The folder of packings."""
        return self.folder / "starts"

    @property
    def campaign(self) -> Path:
        """The campaign file of its runs, which lie in a folder of the same name."""
        return self.folder / "exploration.yaml"

    @property
    def training_set(self) -> Path:
        """Structures that its models were trained on, where they are to know it."""
        return self.folder / "training_set.xyz"

    @property
    def compiled(self) -> Path:
        """Its models in one file, which knows their training set."""
        return self.folder / f"{self.name}.lamp"

    def last_of(self, run: str) -> Path:
        """The last frame of a run, with which the next generation's may go on."""
        return self.folder / "last_frames" / f"{run}.xyz"

    @property
    def threshold(self) -> Path:
        """Above which frames are uncertain, and what it was found from."""
        return self.folder / "threshold.json"

    @property
    def chosen(self) -> Path:
        """Frames that are to be labelled."""
        return self.folder / "chosen.xyz"

    @property
    def selection(self) -> Path:
        """Why each was chosen, or none was."""
        return self.folder / "selection.json"

    @property
    def labelled(self) -> Path:
        """The same frames, labelled."""
        return self.folder / "labelled.xyz"

    @property
    def added(self) -> Path:
        """Those of them that later generations are trained on, with the names of the training data's labels."""
        return self.folder / "added.xyz"

    @property
    def along(self) -> Path:
        """Those of them that were drawn along the runs."""
        return self.folder / "along.xyz"

    @property
    def judgement(self) -> Path:
        """What was measured of it; it is there when the generation is done."""
        return self.folder / "generation.json"

    @property
    def force_scales(self) -> Path:
        """The scale of the forces of its models over each set."""
        return self.folder / "force_scales.json"

    @property
    def environments(self) -> Path:
        """Environments of its frames against the first training set; `.npz` beside it: samples for maps."""
        return self.folder / "environments.json"

    @property
    def bonds(self) -> Path:
        """Bond lengths along its runs."""
        return self.folder / "bonds.json"

    def begin(self, wanted: Mapping[str, Any], portable: Callable[[Any], Any]) -> None:
        """Note what the generation rests on, or hold it against what is noted.

        Args:
            wanted: That, by the path of each key.
            portable: Makes paths relative to the study, in what an earlier version has noted.

        Raises:
            LamplighterError: it was begun with something else; each thing that differs is named.
        """
        asked = plain(dict(wanted))
        if not self.asked.is_file():
            write_record(self.asked, asked)
            return
        before = {_portable_key(key, portable): portable(each) for key, each in read_record(self.asked).items()}
        differing = [
            f"{key}: was {_short(before.get(key))}, is {_short(asked.get(key))}"
            for key in sorted({*before, *asked})
            if before.get(key) != asked.get(key)
        ]
        if differing:
            raise LamplighterError(
                f"{self.folder} was begun with something else ({'; '.join(differing)}): put it back, or remove this "
                "folder and those of later generations, or give another --output"
            )


def _portable_key(key: str, portable: Callable[[Any], Any]) -> str:
    """`sha256./home/me/study/a.xyz` as `sha256.a.xyz`."""
    keys, found, path = key.partition("./")
    return f"{keys}.{portable('/' + path)}" if found else key


def write_record(path: Path, content: Any) -> None:
    """Write JSON in one piece, and its folder.

    Raises:
        LamplighterError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(plain(content), indent=1) + "\n")
    except OSError as problem:
        raise unwritable(path, problem) from problem


def kept_record(path: Path, rests_on: Any, make: Callable[[], Any]) -> Any:
    """What a file holds, if it still rests on the same; else it is made, and kept.

    Args:
        path: JSON.
        rests_on: All that it would change with.
        make: Makes it.

    Raises:
        LamplighterError: the file cannot be read or written; and what `make` raises.
    """
    wanted = plain(rests_on)
    if path.is_file():
        record = read_record(path)
        if record.get("rests_on") == wanted:
            return record["found"]
    found = plain(make())
    write_record(path, {"rests_on": wanted, "found": found})
    return found


def read_record(path: Path) -> dict[str, Any]:
    """What `write_record` wrote.

    Raises:
        LamplighterError: it cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError) as problem:
        raise LamplighterError(f"{path} cannot be read ({problem}): remove it, and it is made anew") from problem


def unwritable(path: Path, problem: OSError) -> LamplighterError:
    """What is raised where a file of the study cannot be written."""
    return LamplighterError(
        f"{path} cannot be written ({problem.strerror or problem}): make room, and give the same command again, which "
        "goes on"
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
