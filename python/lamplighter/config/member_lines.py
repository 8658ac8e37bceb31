"""Members of a committee that are pair styles of LAMMPS: the lines of each, checked and taken apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter.plain_names import plain_path

_NO_MEMBERS = ("hybrid", "lamplighter/committee")


@dataclass(frozen=True)
class MemberLines:
    """What the lines of a member say.

    Attributes:
        style: Name of the pair style.
        words: What follows the name.
        coefficients: Of each `pair_coeff`: the two atom types, and what follows them.
    """

    style: str
    words: str
    coefficients: tuple[tuple[str, str], ...]


def lines_of(given: str | Sequence[str]) -> list[str]:
    """Lines without comments and empty ones."""
    lines = given.splitlines() if isinstance(given, str) else given
    bare = [" ".join(str(line).partition("#")[0].split()) for line in lines]
    return [line for line in bare if line]


def parse_member(lines: Sequence[str]) -> MemberLines:
    """Take a member's lines apart.

    Raises:
        ValueError: they are not one `pair_style` and its `pair_coeff`s, or the style cannot be a member.
    """
    commands = [line.split() for line in lines]
    styles = [words for words in commands if words[0] == "pair_style"]
    others = [" ".join(words) for words in commands if words[0] not in ("pair_style", "pair_coeff")]
    if others:
        raise ValueError(f"has a line that is neither pair_style nor pair_coeff: {others[0]!r}")
    if len(styles) != 1 or len(styles[0]) < 2:
        raise ValueError(f"needs one line `pair_style STYLE …`, and has {len(styles)}")
    style = styles[0][1]
    if style.startswith(_NO_MEMBERS):
        raise ValueError(f"pair_style {style} cannot be a member of a committee")
    coefficients = [words[1:] for words in commands if words[0] == "pair_coeff"]
    if not coefficients or any(len(words) < 2 for words in coefficients):
        raise ValueError("needs lines `pair_coeff I J …`")
    return MemberLines(
        style,
        " ".join(styles[0][2:]),
        tuple((" ".join(words[:2]), " ".join(words[2:])) for words in coefficients),
    )


def with_absolute_files(lines: Sequence[str], base: Path) -> list[str]:
    """The lines with the words that name a file in `base` as absolute paths, of characters that LAMMPS' input can hold.

    Such a word has a dot or a slash, so that an element's symbol is not taken for a file.
    """

    def absolute(match: re.Match[str]) -> str:
        word = match.group()
        bare = word[1:-1] if word[0] in "\"'" else word
        path = base / Path(bare).expanduser()
        return str(plain_path(path.resolve())) if ("." in bare or "/" in bare) and path.is_file() else word

    return [re.sub(r""""[^"]+"|'[^']+'|\S+""", absolute, line) for line in lines]
