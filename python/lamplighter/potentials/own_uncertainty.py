"""How uncertain a model that runs in this process is of atoms, by what is stored of its training set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from lamplighter.errors import ModelError
from lamplighter.model_files import training_section


class OwnUncertainty:
    """γ = √(U / U_max), U = ‖A f‖², U_max the largest of the element in the training set: as the native engine has it.

    Args:
        statistics: The file that holds A and U_max.
        model: The model file.
        n_inputs: Numbers in f that the model gives; 0: it has none.
        kind: The model's framework, for messages.
        elements: Symbol of each LAMMPS type, type 1 first.
        head: Head that is evaluated; None: the model's own choice.

    Raises:
        ModelError: the model has no such inputs, or the statistics are damaged, of another model or head, or lack an
            element.
    """

    def __init__(
        self, statistics: Path, model: Path, n_inputs: int, kind: str, elements: Sequence[str], head: str | None
    ) -> None:
        if not n_inputs:
            raise without_inputs(model, kind)
        training_section.require_of_model(statistics, model, head)
        found = training_section.read_section(statistics)
        if found is None:
            raise training_section.no_statistics(statistics)
        _, arrays, known = found
        if unknown := sorted(set(elements) - set(known)):
            raise ModelError(
                f"the training statistics of {statistics} hold {' '.join(known)}, and the run has "
                f"{' '.join(unknown)}: make them again with a training set that holds all of them"
            )
        if arrays["matrix"].shape[1] != n_inputs:
            raise ModelError(
                f"the training statistics of {statistics} are of {arrays['matrix'].shape[1]} numbers of the last "
                f"layers, and {model} has {n_inputs}: {training_section.REMEDY}"
            )
        self._matrix = torch.from_numpy(arrays["matrix"].T.copy())
        largest = arrays["thresholds"][:, 4]
        self._largest_of_type = torch.tensor([float(largest[known.index(symbol)]) for symbol in elements]).double()

    def of(self, inputs: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """γ of atoms, (n,) float64.

        Args:
            inputs: f, (n, d), of any precision, wherever the model runs.
            types: LAMMPS types, (n,), from 1.
        """
        along = inputs.to("cpu", torch.float64) @ self._matrix
        return (along.square().sum(dim=1) / self._largest_of_type[types.to(torch.int64) - 1]).sqrt()


def without_inputs(model: Path, kind: str) -> ModelError:
    """The error of a model whose own uncertainty cannot be had."""
    return ModelError(
        f"model file {model} of kind {kind} does not give what its last layers see of each atom, which `extrapolation` "
        "is made of: MACE, NequIP, Allegro and SevenNet do (Allegro and NequIP before they are compiled to "
        ".nequip.pt2). Leave out `extrapolation` and `guard.extrapolation`, and hold the run against the training set "
        "afterwards: `lamplighter extrapolation fit TRAIN.xyz -o FIT.npz` and `lamplighter extrapolation check FIT.npz "
        "RUN`"
    )
