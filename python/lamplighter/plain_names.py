"""Names of files in LAMMPS' input, which takes not every character.

LAMMPS drops bytes of UTF-8, expands `$`, ends a line at `#` and a word at spaces and quotes. Our own pair style takes
any name in percent-encoding (`pair_styles/file_name.h`); other styles get a link with a plain name, in the cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from lamplighter.cache import cache_folders
from lamplighter.errors import ConfigError

_LONGEST = 500
_NOT_PLAIN = re.compile(r"[^!%()*+,\-./0-9:;<=>?@A-Z\[\]^_a-z{|}~]")


def file_word(path: Path) -> str:
    """A word for the input of `pair_style lamplighter` that names a file, whatever characters its name has."""
    text = str(path)
    if text.startswith("file:") or _NOT_PLAIN.search(text):
        return "file:" + quote(os.fsencode(path), safe="/!()*+,-.:;=@[]_~")
    return text


def is_plain(path: Path) -> bool:
    """Whether LAMMPS' input, and Fortran, can hold a name as it is."""
    return _NOT_PLAIN.search(str(path)) is None and len(str(path)) <= _LONGEST


def plain_path(path: Path, beside: Sequence[Path] = ()) -> Path:
    """The same file by a name of plain characters, and not long: for the input of any style, and for Fortran.

    Args:
        path: Of a file or a folder.
        beside: Files that are looked for in the same folder, under their own names.

    Raises:
        ConfigError: no folder for links has a plain name itself and can be written, or a name of `beside` is not plain.
    """
    if is_plain(path):
        return path
    found = _NOT_PLAIN.search(str(path))
    path = path.absolute()
    fault = f"has {found.group()!r} in its name" if found else f"has a name of {len(str(path))} characters"
    for other in beside:
        if unfit := _NOT_PLAIN.search(other.name):
            raise ConfigError(f"{other} has {unfit.group()!r} in its name, which LAMMPS cannot read: rename the file")
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    name = _NOT_PLAIN.sub("_", path.name)
    for folder in _folders():
        try:
            (folder / digest).mkdir(parents=True, exist_ok=True)
            for link, target in [(name, path), *((other.name, other.absolute()) for other in beside)]:
                _link(folder / digest / link, target)
        except OSError:
            continue
        return folder / digest / name
    raise ConfigError(
        f"{path} {fault}, which LAMMPS cannot read, and no folder for a link can be written: set XDG_CACHE_HOME to a "
        "folder whose name has letters, digits and . _ - / alone"
    )


def _folders() -> list[Path]:
    temporary = Path("/tmp") / f"lamplighter-{os.getuid()}" / "lamplighter" / "links"
    return [each for each in [*cache_folders("links"), temporary] if not _NOT_PLAIN.search(str(each))]


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    # several ranks or runs may make it at once
    with tempfile.TemporaryDirectory(dir=link.parent) as own:
        (Path(own) / link.name).symlink_to(target)
        (Path(own) / link.name).replace(link)
