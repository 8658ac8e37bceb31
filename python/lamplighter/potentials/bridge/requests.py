"""What `pair_style lamplighter` asks for: the files and elements of a request, checked before anything is opened."""

from __future__ import annotations

import os
from pathlib import Path

from ase.data import atomic_numbers

from lamplighter.errors import ModelError
from lamplighter.potentials import registry
from lamplighter.potentials.bridge.header import Request


def files_of(request: Request) -> list[Path]:
    """Its model files."""
    return [Path(os.fsdecode(request.models[k])) for k in range(request.nmodels)]


def elements_of(request: Request) -> tuple[str, ...]:
    """The symbol of each atom type."""
    return tuple(request.elements[k].decode() for k in range(request.ntypes))


def require_elements(elements: tuple[str, ...]) -> None:
    """Refuse what is no chemical element.

    Raises:
        ModelError: naming the atom type.
    """
    for itype, symbol in enumerate(elements, start=1):
        if symbol not in atomic_numbers or symbol == "X":
            raise ModelError(
                f"pair_coeff: {symbol!r} (atom type {itype}) is not a chemical element; after the model file(s) "
                f"it needs {len(elements)} element symbols, one for each atom type"
            )


def require_one_kind(files: list[Path]) -> None:
    """Refuse a committee of several frameworks: their energies have different zeros, and their errors other causes."""
    kinds = {path: registry.kind_of(path) for path in files}
    first = files[0]
    for path, kind in kinds.items():
        if kind != kinds[first]:
            raise ModelError(
                f"the models of a committee are of one framework: {first} is of kind {kinds[first]}, and {path} is of "
                f"kind {kind}. To compare frameworks, run each by itself, or name both as ASE calculators (kind ase)"
            )
