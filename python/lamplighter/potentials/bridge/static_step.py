"""A step on one rank in arrays whose shapes stay, so that it can be recorded once and replayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lamplighter.arrays import TENSOR_COLUMNS, TENSOR_ROWS
from lamplighter.potentials.bridge.array_view import ArrayView
from lamplighter.potentials.bridge.header import Step
from lamplighter.potentials.bridge.overlap import OVERLAP, overlap
from lamplighter.potentials.bridge.replay import Record, Replayed
from lamplighter.potentials.bridge.staging import Download, Upload
from lamplighter.potentials.buckets import Bucket
from lamplighter.potentials.interface import SlotPotential
from lamplighter.potentials.slots import ListedPairs, Slots, slots_within

_SAME = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How far results may differ when a step is replayed: sums on a GPU are taken in any order."""


@dataclass(frozen=True)
class _Sizes:
    """Of all arrays; another size makes another recording.

    Attributes:
        atoms, rows, pairs: Of the rank, of positions, of the list, each with what is behind them.
        longest: Places for the pairs of an atom.
    """

    atoms: int
    rows: int
    pairs: int
    longest: int


class StaticSteps:
    """Steps of a model that takes slots, where all ghosts are images of this rank's own atoms.

    At a new neighbour list the list goes to the device; at each step positions go there, and forces, energies, the
    virial and two numbers come back in one copy. By these it is seen whether atoms overlap, and whether an atom has
    more neighbours than there are places: then there will be more of these, and the step is taken again.

    Args:
        potential: The model.
        record: What records its steps; None: nothing.
    """

    def __init__(self, potential: SlotPotential, record: Record | None) -> None:
        self._potential = potential
        self._record = record
        device = potential.device
        self._positions = Upload(device, torch.float64, columns=3)
        self._species = Upload(device, torch.int64)
        self._list = [Upload(device, torch.int64) for _ in range(3)]
        self._listed = Upload(device, torch.bool)
        self._first = Upload(device, torch.int64)
        self._download = Download(device)
        self._buckets = {name: Bucket() for name in ("atoms", "rows", "pairs", "longest")}
        self._most = 0
        self._sizes: _Sizes | None = None
        self._replayed: Replayed | None = None
        self._x = self._elems = torch.empty(0)
        self._pairs: ListedPairs | None = None
        self._slots: Slots | None = None
        self._pair_forces = torch.empty(0)

    def evaluate(self, step: Step, elems: torch.Tensor) -> None:
        """Evaluate a step; `elems` (nlocal,) are the model's own indices of the atoms' elements, on the host."""
        nlocal, nx = int(step.nlocal), int(step.nx)
        x = ArrayView(np.float64, 3)(step.x, nx, nx)
        if step.rebuilt or self._pairs is None:
            self._take_list(step, elems)
            if self._most:
                self._buckets["longest"].fit(self._most)  # of the steps since the list before
            self._most = 0
        assert self._pairs is not None
        self._x = self._positions(x, self._buckets["rows"].size)
        longest = self._buckets["longest"]
        if not longest.size:
            longest.fit(int(slots_within(self._x, self._pairs, self._potential.cutoff, 1).wanted))
        while True:
            # virials of atoms are made of what this step leaves, which a replayed one does not
            packed = self._calculate() if step.peratom else self._replay()
            (found,) = self._download([packed])
            forces, energies, virial, wanted, shortest = self._parts(found)
            if len(x) and float(shortest) < OVERLAP:
                raise overlap(float(shortest))
            self._most = max(self._most, int(wanted))
            if int(wanted) <= longest.size:
                break
            longest.fit(int(wanted))
        ArrayView(np.float64, 3)(step.f, nx, nx)[:nlocal] += forces[:nlocal]
        ArrayView(np.float64)(step.eatoms, nlocal, nlocal).copy_(energies[:nlocal])
        step.energy = float(energies[:nlocal].sum())
        if step.virial_wanted:
            ArrayView(np.float64)(step.virial, 6, 6).add_(virial)
            if step.peratom:
                (of_atoms,) = self._download([self._virials_of_atoms()])
                ArrayView(np.float64, 6)(step.vatom, nx, nx)[:nlocal] += of_atoms[:nlocal]

    def _take_list(self, step: Step, elems: torch.Tensor) -> None:
        n = int(step.nlist)
        i, j, j_x = (ArrayView(np.int64)(address, n, n) for address in (step.list_i, step.list_j, step.list_j_x))
        atoms = self._buckets["atoms"].fit(int(step.nlocal))
        self._buckets["rows"].fit(max(int(step.nx), atoms))
        pairs = self._buckets["pairs"].fit(n)
        begins = torch.ones(n, dtype=torch.bool)
        begins[1:] = i[1:] != i[:-1]
        first = torch.zeros(atoms, dtype=torch.int64)
        begins = torch.nonzero(begins).squeeze(1)
        first[i[begins]] = begins
        to_i, to_j, to_j_x = self._list
        listed = self._listed(torch.ones(n, dtype=torch.bool), pairs)
        self._pairs = ListedPairs(to_i(i, pairs), to_j(j, pairs), to_j_x(j_x, pairs), listed, self._first(first))
        self._elems = self._species(elems, atoms)
        if self._replayed is not None:
            self._replayed.list_is_new()

    def _replay(self) -> torch.Tensor:
        sizes = _Sizes(*(self._buckets[name].size for name in ("atoms", "rows", "pairs", "longest")))
        if sizes != self._sizes or self._replayed is None:
            self._replayed = None  # with the memory of what was recorded
            self._replayed = Replayed(self._calculate, self._record, self._difference)
            self._sizes = sizes
        return self._replayed()

    def _calculate(self) -> torch.Tensor:
        """Forces (atoms, 3), energies (atoms,), virial (6,), places wanted and the shortest distance, in one row."""
        assert self._pairs is not None
        longest = self._buckets["longest"].size
        slots = slots_within(self._x, self._pairs, self._potential.cutoff, longest)
        energies, pair_forces = self._potential.compute_slots(self._elems, slots)
        pair_forces = pair_forces.to(torch.float64)
        self._slots, self._pair_forces = slots, pair_forces
        forces = pair_forces.view(-1, longest, 3).sum(dim=1)
        forces = forces.index_add(0, slots.senders, -pair_forces)
        tensor = -(slots.vectors.T @ pair_forces)
        # by slices: a list of indices would have to go to the device, which no recording can hold
        virial = torch.stack(
            [0.5 * (tensor[a, b] + tensor[b, a]) for a, b in zip(TENSOR_ROWS, TENSOR_COLUMNS, strict=True)]
        )
        numbers = torch.stack((slots.wanted.to(torch.float64), slots.shortest))
        return torch.cat((forces.flatten(), energies.to(torch.float64), virial, numbers))

    def _parts(self, packed: torch.Tensor) -> tuple[torch.Tensor, ...]:
        atoms = self._buckets["atoms"].size
        forces, energies, virial, wanted, shortest = packed.split([3 * atoms, atoms, 6, 1, 1])
        return forces.view(-1, 3), energies, virial, wanted, shortest

    def _difference(self, one: torch.Tensor, other: torch.Tensor) -> str:
        """What differs between two results; empty: nothing but rounding."""
        limit = _SAME[self._potential.dtype]
        names = "forces", "energies", "virial", "neighbours", "distances"
        for name, a, b in zip(names, self._parts(one), self._parts(other), strict=True):
            difference, scale = (
                float((a - b).abs().max()),
                1.0 if name == "energies" else max(1.0, float(b.abs().max())),
            )
            if not difference <= limit * scale:
                return f"{name} by {difference:.1e}"
        return ""

    def _virials_of_atoms(self) -> torch.Tensor:
        """(atoms, 6) eV; half of each pair's belongs to either atom."""
        slots = self._slots
        assert slots is not None
        outer = -slots.vectors[:, :, None] * self._pair_forces[:, None, :]
        outer = 0.5 * (outer + outer.transpose(1, 2))
        halves = 0.5 * outer[:, TENSOR_ROWS, TENSOR_COLUMNS]
        return halves.view(-1, slots.longest, 6).sum(dim=1).index_add(0, slots.senders, halves)
