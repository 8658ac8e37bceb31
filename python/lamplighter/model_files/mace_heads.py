"""Which head of a MACE model is its own, where nobody names one."""

from __future__ import annotations

from collections.abc import Sequence


def own_head(heads: Sequence[str]) -> str | None:
    """The only one, or the one called Default; None: a run has to name one.

    MACE's ASE calculator takes the same. Fine-tuning with replay writes the heads pt_head (of the pretraining data)
    and Default. Heads are methods with atomic energies of their own, so that none is taken because of its place.
    """
    named = [head for head in heads if head.lower() == "default"] if len(heads) > 1 else list(heads)
    return named[0] if named else None
