"""What words of `fix guard` say, as limits that a trajectory can be held against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamplighter.analysis.stability_check import Limits


def limits_in(words: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Fields of `Limits`, and those of the words (`variance 0.5`) that no trajectory shows.

    Args:
        words: Criteria such as `density 0.2 2`, each as `fix guard` reads it.
    """
    given: dict[str, Any] = {}
    unseen = []
    for word in words:
        parts = word.split(" every ")[0].split()
        names = [part for part in parts if part[0].isalpha()]
        name, values = "_".join(names), tuple(float(part) for part in parts[len(names) :])
        if name in Limits.__dataclass_fields__:
            given[name] = values if len(values) > 1 else values[0]
        else:
            unseen.append(word)
    return given, unseen
