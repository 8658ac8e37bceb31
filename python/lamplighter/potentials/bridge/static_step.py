"""A step in arrays whose shapes stay, so that it can be recorded once and carried out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from lamplighter.arrays import TENSOR_COLUMNS, TENSOR_ROWS
from lamplighter.potentials.bridge.array_view import ArrayView
from lamplighter.potentials.bridge.device_exchange import BetweenDevices
from lamplighter.potentials.bridge.device_result import DeviceResult
from lamplighter.potentials.bridge.header import Step
from lamplighter.potentials.bridge.overlap import OVERLAP, overlap
from lamplighter.potentials.bridge.staging import Download, Upload
from lamplighter.potentials.buckets import Bucket
from lamplighter.potentials.interface import Exchange, PairData, PairPotential
from lamplighter.potentials.slots import ListedPairs, slots_within

ExchangeKind = TypeVar("ExchangeKind", bound=Exchange)


class TooFewPlacesError(Exception):
    """An atom has more neighbours than there are places for pairs; there will be more."""


@dataclass(frozen=True)
class Sizes:
    """Of all arrays; another size makes another recording.

    Attributes:
        atoms, ghosts: Rows of features, each with what is behind them; no ghosts on one rank, where images are folded.
        rows, pairs: Of positions and of the list.
        longest: Places for the pairs of an atom.
    """

    atoms: int
    ghosts: int
    rows: int
    pairs: int
    longest: int


@dataclass(frozen=True)
class Calculated:
    """What a step gives, on the device.

    Attributes:
        packed: Forces on rows of features, energies of atoms, the virial and `places`, one behind the other, float64.
        places: How many an atom would need at most, and the smallest distance of two atoms, Å.
    """

    packed: torch.Tensor
    places: torch.Tensor


class StaticStep:
    """The arrays of a step: at a new neighbour list the list goes to the device, at each step positions do.

    Rows of features are this rank's atoms, some that are none, ghosts, and again some that are none.

    Args:
        potential: The model.
        nranks: Number of ranks.
    """

    def __init__(self, potential: PairPotential, nranks: int) -> None:
        self._potential = potential
        self._has_ghosts = nranks > 1
        device = potential.device
        self._positions = Upload(device, torch.float64, columns=3)
        self._species = Upload(device, torch.int64)
        self._uploads = [Upload(device, torch.int64) for _ in range(3)]
        self._listed = Upload(device, torch.bool)
        self._first = Upload(device, torch.int64)
        self._download = Download(device)
        self._few = Download(device)
        self._atoms, self._ghosts, self._rows, self._pairs, self._longest = (Bucket() for _ in range(5))
        self._most = 0
        self._nlocal = self._nghosts = 0
        self._x = self._elems = torch.empty(0)
        self._list: ListedPairs | None = None
        self._exchange: BetweenDevices | None = None

    @property
    def sizes(self) -> Sizes:
        buckets = self._atoms, self._ghosts, self._rows, self._pairs, self._longest
        return Sizes(*(each.size for each in buckets))

    def take_list(self, step: Step, elems: torch.Tensor, exchange: Exchange) -> None:
        """Take the neighbour list.

        Args:
            step: Of LAMMPS.
            elems: (ntotal,) the model's own indices of the elements, on the host.
            exchange: Of this list.
        """
        self._nlocal, n = int(step.nlocal), int(step.nlist)
        self._nghosts = int(step.ntotal) - self._nlocal
        i, j, j_x = (ArrayView(np.int64)(address, n, n) for address in (step.list_i, step.list_j, step.list_j_x))
        atoms = self._atoms.fit(self._nlocal)
        ghosts = self._ghosts.fit(self._nghosts) if self._has_ghosts else 0
        self._rows.fit(int(step.nx))
        pairs = self._pairs.fit(n)
        if self._most:
            self._longest.fit(self._most)  # of the steps since the list before
        self._most = 0
        begins = torch.ones(n, dtype=torch.bool)
        begins[1:] = i[1:] != i[:-1]
        begins = torch.nonzero(begins).squeeze(1)
        first = torch.zeros(atoms, dtype=torch.int64)
        first[i[begins]] = begins
        of_rows = torch.full((atoms + ghosts,), int(elems[0]))  # what is no atom is of an element that the model knows
        of_rows[: self._nlocal] = elems[: self._nlocal]
        of_rows[atoms : atoms + self._nghosts] = elems[self._nlocal :]
        self._elems = self._species(of_rows)
        j = torch.where(j < self._nlocal, j, j + (atoms - self._nlocal))
        to_i, to_j, to_j_x = self._uploads
        listed = self._listed(torch.ones(n, dtype=torch.bool), pairs)
        self._list = ListedPairs(to_i(i, pairs), to_j(j, pairs), to_j_x(j_x, pairs), listed, self._first(first))
        self._exchange = exchange.padded(atoms, ghosts) if isinstance(exchange, BetweenDevices) else None

    def take_positions(self, step: Step) -> None:
        """Take the positions of a step."""
        nx = int(step.nx)
        self._x = self._positions(ArrayView(np.float64, 3)(step.x, nx, nx), self._rows.size)

    def make_places(self) -> None:
        """As many places for pairs as these positions need."""
        assert self._list is not None
        wanted = int(slots_within(self._x, self._list, self._potential.cutoff, 1).wanted)
        self._most = max(self._most, wanted)
        if wanted > self._longest.size or not self._longest.size:
            self._longest.fit(wanted)

    def exchange_of(self, exchange: ExchangeKind) -> ExchangeKind | BetweenDevices:
        """That of rows of features, which have room for more; `exchange` where nothing travels between devices."""
        return self._exchange or exchange

    def calculate(self, exchange: Exchange) -> Calculated:
        """Evaluate the model. No operation depends on a number that is on the device."""
        assert self._list is not None
        atoms, ghosts, longest = self._atoms.size, self._ghosts.size, self._longest.size
        slots = slots_within(self._x, self._list, self._potential.cutoff, longest)
        # before the model, in the first piece of a recording: it is looked at before rows travel
        places = torch.stack((slots.wanted.to(torch.float64), slots.shortest))
        data = PairData(
            nlocal=atoms,
            ntotal=atoms + ghosts,
            elems=self._elems,
            pair_i=slots.receivers,
            pair_j=slots.senders,
            rij=slots.vectors,
            eatoms=self._x.new_zeros(atoms),
            pair_forces=torch.zeros_like(slots.vectors),
            exchange=exchange,
            slots=slots,
        )
        self._potential.compute(data)
        pair_forces = data.pair_forces.masked_fill(~slots.there.unsqueeze(1), 0.0)
        on_receivers = pair_forces.view(atoms, longest, 3).sum(dim=1)
        forces = torch.cat((on_receivers, on_receivers.new_zeros(ghosts, 3)))
        forces = forces.index_add(0, slots.senders, -pair_forces)
        tensor = -(slots.vectors.T @ pair_forces)
        # by slices: a list of indices would have to go to the device, which no recording can hold
        virial = torch.stack(
            [0.5 * (tensor[a, b] + tensor[b, a]) for a, b in zip(TENSOR_ROWS, TENSOR_COLUMNS, strict=True)]
        )
        return Calculated(torch.cat((forces.flatten(), data.eatoms, virial, places)), places)

    def look(self, calculated: Calculated) -> None:
        """See whether all pairs have a place.

        Raises:
            TooFewPlacesError: they have not; from now on they will.
            ModelError: atoms overlap.
        """
        (places,) = self._few([calculated.places])
        self._require_places(places)

    def result(self, calculated: Calculated) -> DeviceResult:
        """Bring it to the host.

        Raises:
            TooFewPlacesError, ModelError: as of `look`.
        """
        (packed,) = self._download([calculated.packed])
        atoms, ghosts = self._atoms.size, self._ghosts.size
        forces, energies, virial, places = packed.split([3 * (atoms + ghosts), atoms, 6, 2])
        self._require_places(places)
        forces = forces.view(-1, 3)
        of_rank = forces[: self._nlocal]
        if self._has_ghosts:
            of_rank = torch.cat((of_rank, forces[atoms : atoms + self._nghosts]))
        return DeviceResult(of_rank, energies[: self._nlocal], virial)

    def _require_places(self, places: torch.Tensor) -> None:
        wanted, shortest = int(places[0]), float(places[1])
        if shortest < OVERLAP:
            raise overlap(shortest)
        self._most = max(self._most, wanted)
        if wanted > self._longest.size:
            self._longest.fit(wanted)
            raise TooFewPlacesError
