"""A script of LAMMPS as blocks of lines that belong together, and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import lamplighter


@dataclass(frozen=True)
class Block:
    """Lines of the script that belong together; `stage` is the index of the stage they carry out, if any."""

    title: str
    lines: tuple[str, ...]
    stage: int | None = None


def text_of(blocks: Sequence[Block], comment: str = "") -> str:
    """The script as a file: what `in.lammps` holds."""
    head = [f"# Written by Lamplighter {lamplighter.__version__}.{' ' + comment if comment else ''}"]
    return "\n".join(head + [line for block in blocks for line in ("", f"# {block.title}", *block.lines)]) + "\n"


def equal(name: str, value: float) -> str:
    """A numeric variable of LAMMPS."""
    return f"variable {name} equal {value:.12g}"


def string(name: str, value: str) -> str:
    """A variable of LAMMPS that is a text."""
    return f'variable {name} string "{value}"'
