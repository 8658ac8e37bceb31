"""The pages of the repository as tests see them: blocks of code, words in code, headings and links."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[2]

_NEEDS = re.compile(r"<!-- needs: (.*?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """A block of code of a page: its language (`""` for none), its lines, and what the mark above it says it needs."""

    page: str
    line: int
    language: str
    text: str
    needs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """All pages that belong to the repository, as paths from its top: those that git knows or would take up."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(page for page in listed if (TOP / page).exists())


def text_of(page: str) -> str:
    return (TOP / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """Fenced blocks, and blocks that four spaces indent in place of a fence."""
    found = []
    lines = text_of(page).splitlines()
    begin: int | None = None
    for number, line in enumerate(lines, start=1):
        if not line.lstrip().startswith("```"):
            continue
        if begin is None:
            begin = number
            continue
        opening = lines[begin - 1]
        indent = len(opening) - len(opening.lstrip())
        above = next((each for each in reversed(lines[: begin - 1]) if each.strip()), "")
        mark = _NEEDS.search(above)
        needs = tuple(word.strip() for word in mark[1].split(",")) if mark else ()
        text = "\n".join(each[indent:] for each in lines[begin : number - 1]) + "\n"
        found.append(Block(page, begin, opening.strip().removeprefix("```"), text, needs))
        begin = None
    assert begin is None, f"{page}:{begin}: this block has no end"
    return found


def prose(page: str) -> str:
    """The page without its fenced blocks, and without comments."""
    kept, inside = [], False
    for line in text_of(page).splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            kept.append(line)
    return re.sub(r"<!--.*?-->", "", "\n".join(kept), flags=re.S)


def spans(page: str) -> list[str]:
    """What stands between single backticks."""
    return [span.replace("\\|", "|") for span in re.findall(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)", prose(page))]


def anchors(page: str) -> set[str]:
    """The anchors of the headings, as GitHub and the site make them."""
    made: set[str] = set()
    for heading in re.findall(r"^#+ +(.*?) *$", prose(page), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (unique := f"{anchor}-{number}" if number else anchor) in made:
            number += 1
        made.add(unique)
    return made


def links(page: str) -> list[str]:
    """Targets of links and images, without those that lead elsewhere (https, mailto)."""
    targets = re.findall(r"\]\(\s*([^)\s]+)(?:\s+\"[^\"]*\")?\s*\)", re.sub(r"`[^`\n]*`", "", prose(page)))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]
