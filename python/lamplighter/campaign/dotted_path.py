"""A key of a run file by its dotted path, such as `stages.*.temperature`, and setting it."""

from __future__ import annotations

import re
from typing import Any

from lamplighter.errors import ConfigError


def set_key(content: dict[str, Any], path: str, value: Any) -> None:
    """Set a key of a run file's content in place.

    Args:
        content: What the run file holds.
        path: Names joined by dots. Of a list: an index (`stages.0` or `stages[0]`), the name or type of a stage, or
            `*` for each entry that has the key already.
        value: What it becomes.

    Raises:
        ConfigError: the path leads nowhere. Whether the last key is one that a run file has, is for the run file's own
            check to say.
    """
    words = re.sub(r"\[([^\]]*)\]", r".\1", path).split(".")
    if not path or not all(words):
        raise ConfigError(f"{path!r} is no dotted path of a run file; write one such as stages[0].temperature")
    _set(content, words, value, path, [])


def _set(inside: Any, words: list[str], value: Any, path: str, passed: list[str]) -> None:
    word, rest = words[0], words[1:]
    where = ".".join(passed) or "the run file"
    if isinstance(inside, list):
        for place in _places(inside, word, rest, path, where):
            if rest:
                _set(inside[place], rest, value, path, [*passed, str(place)])
            else:
                inside[place] = value
        return
    if not isinstance(inside, dict):
        raise ConfigError(
            f"{path}: {where} is {inside!r} in the base run, which has no keys; write it there as a mapping first"
        )
    if not rest:
        inside[word] = value
        return
    if inside.get(word) is None:
        inside[word] = {}
    _set(inside[word], rest, value, path, [*passed, word])


def _places(inside: list[Any], word: str, rest: list[str], path: str, where: str) -> list[int]:
    if word == "*":
        found = [
            place for place, entry in enumerate(inside) if not rest or (isinstance(entry, dict) and rest[0] in entry)
        ]
        if not found:
            raise ConfigError(f"{path}: no entry of {where} has the key {rest[0] if rest else '*'}")
        return found
    if word.isdigit():
        if int(word) < len(inside):
            return [int(word)]
        raise ConfigError(f"{path}: {where} has {len(inside)} entries, numbered from 0")
    for kind in ("name", "type"):
        found = [place for place, entry in enumerate(inside) if isinstance(entry, dict) and entry.get(kind) == word]
        if len(found) == 1:
            return found
        if found:
            raise ConfigError(f"{path}: {len(found)} entries of {where} have the {kind} {word!r}; write an index or *")
    raise ConfigError(f"{path}: no entry of {where} has the name or type {word!r}")
