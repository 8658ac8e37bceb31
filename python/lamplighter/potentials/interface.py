"""What a potential must offer, and what it is given at each step.

There are three kinds of potentials. A `PairPotential` takes the pairs of a rank and gives the force of each pair. A
`ClusterPotential` takes the positions of a rank's atoms and ghosts, and gives the energies of its atoms and their exact
derivative. Both run on any number of ranks. A `SystemPotential` takes all atoms and the cell, and runs on one rank.

`PairData` is the object that LAMMPS' own ML-IAP "unified" models expect (attributes `nlocal`, `ntotal`,
`npairs`, `elems`, `pair_i`, `pair_j`, `rij`, `eatoms`, `energy`, methods `update_pair_forces[_gpu]`,
`forward_exchange`, `reverse_exchange`), so the ML-IAP objects of MACE, NequIP, Allegro and SevenNet run
on it unmodified. Interface: LAMMPS documentation, `pair_style mliap unified`.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from lamplighter.potentials.slots import Slots


@dataclass(frozen=True)
class LoadOptions:
    """How `pair_style` and `pair_coeff` want a model to be loaded.

    Attributes:
        elements: Chemical symbol of each LAMMPS type, type 1 first.
        dtype: `float32`, `float64`, or `auto` for the one that the file was saved in.
        device: Where the model runs, already resolved (`cpu`, `cuda:0`, …).
        head: Name of the head of a multi-head model; None: the model's last.
        nranks: On how many ranks it is evaluated.
    """

    elements: tuple[str, ...]
    dtype: str = "auto"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    head: str | None = None
    nranks: int = 1


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
        slots: Where there are as many places for pairs of each atom, of which some are empty, these places, and
            `pair_i`, `pair_j` and `rij` are of all of them; None: all are pairs.
        inputs_wanted: Whether `readout_inputs` are.
        readout_inputs: (nlocal, `PairPotential.n_inputs`), written by the model where they are wanted.
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
        slots: Slots | None = None,
        inputs_wanted: bool = False,
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
        self.slots = slots
        self.inputs_wanted = inputs_wanted
        self.readout_inputs: torch.Tensor | None = None

    def take_energies(self, energies: torch.Tensor) -> None:
        """Take the energies of the local atoms, (nlocal,) eV; their sum is not made where all shapes stay."""
        energies = energies.to(self.eatoms.dtype)
        self.eatoms.copy_(energies)
        if self.slots is None:
            self.energy = energies.sum().item()

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


class Potential(ABC):
    """What models of all sorts have in common: how a file becomes one.

    A new framework is one module with one subclass of `PairPotential`, `ClusterPotential` or `SystemPotential`, named
    by an entry point of the group `lamplighter.potentials`.
    """

    #: Name for `kind` in `pair_style lamplighter` and the run file.
    kind: ClassVar[str]
    #: Whether `device` may be a GPU; where not, `device auto` is the CPU.
    runs_on_gpu: ClassVar[bool] = True
    #: Why a model runs on one rank only, with the remedy; empty where it runs on any number.
    one_rank_because: str = ""
    #: How many inputs the last linear layers have of an atom (docs/theory/own_uncertainty.md), which `compute` of a
    #: `PairPotential` writes where they are wanted; 0: they cannot be had.
    n_inputs: int = 0
    #: Whether it runs in the precision that it was made in, and in no other.
    fixed_precision: ClassVar[bool] = False

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
    def load(cls, path: Path, options: LoadOptions) -> Potential:
        """Load a model.

        Returns:
            An instance of this class, or of another that takes the same and runs files of this kind in its own way.

        Raises:
            ModelError: the file is corrupt, of another framework, or lacks an element or a head that is asked for.
        """


class PairPotential(Potential):
    """A model that turns `PairData` into energies and pair forces. `tests/backends` checks any of them."""

    #: Up to how many atoms of a rank it takes places for pairs (`PairData.slots`); 0: it does not. Empty ones, which
    #: are as long as the cutoff, must contribute nothing, and no operation may depend on a number that is on the
    #: device, nor bring one from the host: the step is recorded and carried out again.
    most_in_slots: ClassVar[int] = 0

    @abstractmethod
    def element_index(self, symbol: str) -> int:
        """The model's own index (`PairData.elems`) of an element."""

    @abstractmethod
    def compute(self, data: PairData) -> None:
        """Write `data.eatoms`, `data.energy` and the pair forces.

        Must not return early on few atoms or pairs: other ranks wait in its exchanges. It is never called
        with `nlocal == 0`: the bridge replays the exchanges for such a rank.
        """


@dataclass(frozen=True)
class Cluster:
    """A rank's atoms and the ghosts within the cutoff of them, as atoms in vacuum; images are ghosts like any other.

    Attributes:
        nlocal: How many atoms are the rank's own; they come first. At least 1.
        numbers: (n,) atomic numbers.
        positions: (n, 3) Å.
        virials_wanted: Whether virials of atoms are asked for.
    """

    nlocal: int
    numbers: np.ndarray
    positions: np.ndarray
    virials_wanted: bool


@dataclass(frozen=True)
class ClusterResult:
    """The energies of a rank's own atoms, E = Σ energies, and its derivatives.

    Attributes:
        energies: (n,) eV; a part on a ghost is sent to the atom that it is an image of.
        forces: (n, 3) eV/Å, −dE/dx on atoms and ghosts.
        virials: (n, 3, 3) eV, whose sum is Σ x ⊗ F; None where they cannot be had.
    """

    energies: np.ndarray
    forces: np.ndarray
    virials: np.ndarray | None = None


class ClusterPotential(Potential):
    """A model whose energies of atoms depend on what is within its cutoff, evaluated from positions."""

    @abstractmethod
    def compute(self, cluster: Cluster) -> ClusterResult:
        """Evaluate one configuration. It makes no exchange, and is not called where a rank has no atoms."""


@dataclass(frozen=True)
class System:
    """All atoms, in the order of their LAMMPS ids, and the cell, in LAMMPS' frame of reference.

    Attributes:
        numbers: (n,) atomic numbers.
        positions: (n, 3) Å.
        cell: (3, 3) Å, rows are the cell vectors; of no meaning along those that are not periodic.
        periodic: (3,) bool.
        virial_wanted: Whether the virial is asked for.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    periodic: np.ndarray
    virial_wanted: bool


@dataclass(frozen=True)
class SystemResult:
    """What the atoms have.

    Attributes:
        energies: (n,) eV, whose sum is the energy.
        forces: (n, 3) eV/Å.
        virial: (3, 3) eV, −V σ; None where the model has none.
    """

    energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray | None = None


class SystemPotential(Potential):
    """A model of all atoms at once. Its `cutoff` is nominal: LAMMPS wants one for its neighbour list."""

    #: Whether it has a virial for any cell and periodicity.
    has_virial: bool

    @abstractmethod
    def compute(self, system: System) -> SystemResult:
        """Evaluate one configuration."""


def __getattr__(name: str) -> Any:
    """The former name of `Potential`, for packages of others."""
    if name != "AnyPotential":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("lamplighter.potentials.interface.AnyPotential is now called Potential", FutureWarning, stacklevel=2)
    return Potential
