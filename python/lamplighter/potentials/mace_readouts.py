"""The last linear layers of a MACE network, one of each readout."""

from __future__ import annotations

from typing import Any

import torch

from lamplighter.potentials.watched_inputs import LastLayer


def last_layers(model: Any, head: int, like: Any = None) -> list[LastLayer]:
    """Of a readout that is linear its layer sees scalar node features, of others activations.

    The activations are those of the function alone, as the native engine has them: e3nn's factor is taken out, which
    would weigh layers otherwise against each other.

    Args:
        model: The network.
        head: Which of its heads is evaluated; activations of others are masked.
        like: The same network of e3nn's modules, where this one is of others, which say less of themselves.

    Returns:
        One of each readout, in their order; nothing where there is a readout of another kind.
    """
    found = []
    for readout, known in zip(model.readouts, (model if like is None else like).readouts, strict=True):
        if hasattr(known, "linear"):
            irreps = known.linear.irreps_in
            scalars = irreps.count("0e")
            if not scalars or irreps[0].ir != (0, 1) or irreps[0].mul != scalars:
                return []
            found.append(_layer(readout.linear, slice(0, scalars), 1.0))
        elif hasattr(known, "linear_2") and hasattr(known, "non_linearity"):
            heads = getattr(known, "num_heads", 1)
            width = known.hidden_irreps.dim // heads
            mine = slice(head * width, (head + 1) * width) if heads > 1 else slice(0, width)
            act, *others = known.non_linearity.acts
            if others:
                return []
            found.append(_layer(readout.linear_2, mine, float(getattr(act, "cst", 1.0))))
        else:
            return []
    return found


def _layer(module: torch.nn.Module, columns: slice, factor: float) -> LastLayer:
    return LastLayer(module, columns.stop - columns.start, lambda given: given[:, columns] / factor)
