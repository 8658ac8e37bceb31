"""Put model files on your list of trusted files, which may be opened.

Loading a model file can run code that is in it: trust only files from people whose code you would run. Files are told
by their content.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lamplighter.model_files import trust as trusted
from lamplighter.model_files.describe import is_of_known_kind


def trust(
    files: Annotated[list[Path] | None, typer.Argument(help="Model files that are put on the list.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show the list of trusted files.")] = False,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="Take a file, or a hash (8 or more digits), off the list.")
    ] = None,
) -> None:
    if not files and not remove and not show_list:
        raise typer.BadParameter("give model files, --list or --remove")
    for entry in trusted.remove(remove or []):
        print(f"no longer trusted: {entry.name}  sha256 {entry.sha256}")
    if files:
        for path, entry in zip(files, trusted.add(files), strict=True):
            print(f"trusted: {path}  sha256 {entry.sha256}")
            if not is_of_known_kind(path):
                print(
                    f"Note: {path} looks like no model of a framework that is known here; if it is none, take it off "
                    f"again: lamplighter trust --remove {entry.sha256[:8]}",
                    file=sys.stderr,
                )
    if show_list:
        entries = trusted.trusted_files().values()
        for entry in sorted(entries, key=lambda one: one.added):
            print(f"{entry.sha256}  {entry.added}  {entry.name}")
        if not entries:
            print(f"no file is trusted yet ({trusted.list_path()})")
