"""The Python side of pair_styles/bridge.h: what `pair_style lamplighter` calls in this process."""

from lamplighter.potentials.bridge.callbacks import attach

__all__ = ["attach"]
