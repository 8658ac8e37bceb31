"""What a potential must offer, and what it is given at each step.

`PairData` is the object that LAMMPS' own ML-IAP "unified" models expect (attributes `nlocal`, `ntotal`,
`npairs`, `elems`, `pair_i`, `pair_j`, `rij`, `eatoms`, `energy`, methods `update_pair_forces[_gpu]`,
`forward_exchange`, `reverse_exchange`), so the ML-IAP objects of MACE, NequIP, Allegro and SevenNet run
on it unmodified. Interface: LAMMPS documentation, `pair_style mliap unified`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch

Self = TypeVar("Self", bound="AnyPotential")


@dataclass(frozen=True)
class LoadOptions:
    """How `pair_style` and `pair_coeff` want a model to be loaded.

    Attributes:
        elements: Chemical symbol of each LAMMPS type, type 1 first.
        dtype: `float32`, `float64`, or `auto` for the one that the file was saved in.
        device: Where the model runs, already resolved (`cpu`, `cuda:0`, …).
        head: Name of the head of a multi-head model; None: the model's last.
    """

    elements: tuple[str, ...]
    dtype: str = "auto"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    head: str | None = None


class Exchange(Protocol):
    """Message passing between ranks. Both calls are collective over all ranks.

    `source` and `target` are contiguous, (ntotal, width), float32 or float64. Forward: ghost rows become
    copies of their owner's row. Reverse, the adjoint: local rows become sums over the atom and all its
    ghosts; ghost rows become zero.
    """

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> None: ...

    def reverse(self, source: torch.Tensor, target: torch.Tensor) -> None: ...


class PairData:
    """Atoms and pairs of one rank at one step, as ML-IAP "unified" models read them.

    Attributes:
        nlocal: Atoms that this rank owns.
        ntotal: nlocal + ghosts that the model sees (0 ghosts on one rank: images are folded).
        npairs: Pairs closer than the cutoff.
        elems: (ntotal,) int64, the model's own index of each atom's element.
        pair_i: (npairs,) int64, receiving atom, < nlocal, ascending.
        pair_j: (npairs,) int64, sending atom, < ntotal.
        rij: (npairs, 3) float64 Å, x_j − x_i.
        eatoms: (nlocal,) float64 eV, written by the model.
        energy: eV, written by the model: the sum of `eatoms`.
        pair_forces: (npairs, 3) float64 eV/Å, force on i from the pair; the opposite acts on j.
        topology: Counts neighbour-list rebuilds: elements and ghosts are unchanged while it is.
    """

    def __init__(
        self,
        *,
        nlocal: int,
        ntotal: int,
        elems: torch.Tensor,
        pair_i: torch.Tensor,
        pair_j: torch.Tensor,
        rij: torch.Tensor,
        eatoms: torch.Tensor,
        pair_forces: torch.Tensor,
        exchange: Exchange,
        topology: int = 0,
    ) -> None:
        self.nlocal = nlocal
        self.ntotal = ntotal
        self.nlistatoms = nlocal
        self.npairs = int(pair_i.shape[0])
        self.elems = elems
        self.pair_i = pair_i
        self.pair_j = pair_j
        self.rij = rij
        self.eatoms = eatoms
        self.energy = 0.0
        self.pair_forces = pair_forces
        self.exchange = exchange
        self.topology = topology

    def update_pair_forces(self, forces: Any) -> None:
        """Take the force on i of every pair, (npairs, 3) eV/Å, array or tensor."""
        self.pair_forces.copy_(torch.as_tensor(forces))

    update_pair_forces_gpu = update_pair_forces

    def forward_exchange(self, source: torch.Tensor, target: torch.Tensor, width: int) -> None:
        """Fill the ghost rows of `target` (ntotal, width) from the owners' rows of `source`."""
        self.exchange.forward(source.reshape(-1, width), target.reshape(-1, width))

    def reverse_exchange(self, source: torch.Tensor, target: torch.Tensor, width: int) -> None:
        """Add the ghost rows of `source` (ntotal, width) to their owners' rows in `target`."""
        self.exchange.reverse(source.reshape(-1, width), target.reshape(-1, width))


class AnyPotential(ABC):
    """What models of all sorts have in common: how a file becomes one.

    A new framework is one module with one subclass of `Potential`, `positions.ClusterPotential` or
    `positions.SystemPotential`, named by an entry point of the group `lamplighter.potentials`.
    """

    #: Name for `kind` in `pair_style lamplighter` and the run file.
    kind: ClassVar[str]
    #: Whether `device` may be a GPU; where not, `device auto` is the CPU.
    runs_on_gpu: ClassVar[bool] = True
    #: Why a model runs on one rank only, with the remedy; empty where it runs on any number.
    one_rank_because: str = ""

    #: Cutoff radius, Å.
    cutoff: float
    #: Symbols of the elements that the model knows.
    elements: Sequence[str]
    #: Where it runs.
    device: torch.device
    #: What it computes in.
    dtype: torch.dtype

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether `path` looks like a model of this framework, told without running anything in it."""

    @classmethod
    @abstractmethod
    def load(cls: type[Self], path: Path, options: LoadOptions) -> Self:
        """Load a model.

        Raises:
            ModelError: the file is corrupt, of another framework, or lacks an element or a head that is asked for.
        """


class Potential(AnyPotential):
    """A model that turns `PairData` into energies and pair forces. `tests/backends` checks any of them."""

    @abstractmethod
    def element_index(self, symbol: str) -> int:
        """The model's own index (`PairData.elems`) of an element."""

    @abstractmethod
    def compute(self, data: PairData) -> None:
        """Write `data.eatoms`, `data.energy` and the pair forces.

        Must not return early on few atoms or pairs: other ranks wait in its exchanges. It is never called
        with `nlocal == 0`: the bridge replays the exchanges for such a rank.
        """
