"""Whether the last line of a text file, which has no line end, is whole."""

from __future__ import annotations

from collections.abc import Sequence

NOTE = "its last line has no line end and was taken as whole"


def is_whole(last: bytes, others: Sequence[bytes]) -> bool:
    """Whether a last line of columns that has no line end can be taken as whole.

    It has as many words as the others, and its last word, if a number, is one, and not shorter than all others' are.

    Args:
        last: The line.
        others: Other lines of the same columns.
    """
    words = last.split()
    if not words or (others and len(words) != len(others[0].split())):
        return False
    try:
        float(words[-1])
    except ValueError:
        return words[-1].isalpha()
    if words[-1].endswith((b".", b"-", b"+")):
        return False
    decimals = [_decimals(each.split()[-1]) for each in others if each.split()]
    return not decimals or _decimals(words[-1]) >= min(decimals)


def _decimals(word: bytes) -> int:
    return len(word.partition(b".")[2])
