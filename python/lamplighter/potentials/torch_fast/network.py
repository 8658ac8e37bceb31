"""A MACE network made of the arrays of its compiled form; `pair_styles/native/mace_parameters.h` says what they mean.

Features are laid out as (components, atoms, channels), so that a linear layer is one product of matrices, and a
monomial of the contraction multiplies whole rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from lamplighter.potentials.mace_linear_maps import NotCovered
from lamplighter.potentials.torch_fast.contraction import Polynomial
from lamplighter.potentials.torch_fast.convolution import Pairs, Path, convolve
from lamplighter.potentials.torch_fast.harmonics import spherical_harmonics
from lamplighter.potentials.torch_fast.neighbours import Grouped, grouped, in_slots
from lamplighter.potentials.torch_fast.radial import (
    Arrays,
    RadialBasis,
    RadialTables,
    density_of,
    hidden,
    one_function,
    perceptron_of,
)
from lamplighter.potentials.torch_fast.repulsion import ScreenedRepulsion

Exchange = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Atoms:
    """Which atoms there are; the same until the neighbour list is made anew.

    Attributes:
        species: (ntotal,) int64, places in the model's list of elements; local atoms come first.
        nlocal: How many those are.
        one_hot: (nlocal, elements), in the model's precision.
    """

    species: torch.Tensor
    nlocal: int
    one_hot: torch.Tensor


@dataclass(frozen=True)
class Edges:
    """Pairs of a step.

    Attributes:
        receivers, senders: (npairs,) int64; receivers ascend.
        vectors: (npairs, 3) Å.
        there: (npairs,) bool, which of them are pairs, where they are places for pairs; None: all.
        longest: How many places each atom has then.
    """

    receivers: torch.Tensor
    senders: torch.Tensor
    vectors: torch.Tensor
    there: torch.Tensor | None = None
    longest: int = 0

    def grouped(self, nlocal: int, width: int) -> Grouped:
        """By receiver, for `width` numbers of a pair."""
        if self.there is None:
            return grouped(self.receivers, nlocal, width)
        return in_slots(nlocal, self.longest, width, self.receivers.device)

    def with_none(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows of pairs, and where these are not in their places, zero for what is no pair."""
        return rows if self.there is not None else torch.cat((rows, rows.new_zeros(1)))

    def of_pairs(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (npairs, …), zero where there is no pair."""
        if self.there is None:
            return rows
        return rows * self.there.to(rows.dtype).view(-1, *(1,) * (rows.ndim - 1))


class MaceNetwork(torch.nn.Module):
    """Energies of atoms by one model.

    Args:
        arrays: Of a compiled file.
        member: Which of its models.

    Raises:
        NotCovered: naming what this evaluator lacks.
    """

    energies: torch.Tensor
    table_of: torch.Tensor

    def __init__(self, arrays: Arrays, member: int = 0) -> None:
        super().__init__()
        prefix = f"member.{member}."
        shared = {name: value for name, value in arrays.items() if not name.startswith("member.")}
        own = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
        arrays = shared | own
        self.cutoff = float(arrays["r_max"][0])
        self.l_max = int(arrays["l_max"][0])
        self.scale, self.shift = float(arrays["scale"][0]), float(arrays["shift"][0])
        self.register_buffer("energies", torch.from_numpy(arrays["energies"].copy()))
        bases, table_of = _bases(arrays)
        self.register_buffer("table_of", table_of)
        layers = []
        for t in range(int(arrays["layers"][0])):
            name = f"layer.{t}."
            mine = {key.removeprefix(name): value for key, value in arrays.items() if key.startswith(name)}
            layers.append(Layer(mine, bases, self.cutoff, self.l_max, is_first=t == 0))
        self.layers = torch.nn.ModuleList(layers)
        self.repulsion = ScreenedRepulsion(arrays) if "repulsion" in arrays else None

    def atoms(self, species: torch.Tensor, nlocal: int) -> Atoms:
        """What the network knows of atoms; `species` as in `Atoms`."""
        dtype = self.layers[0].tables.outputs.dtype
        # torch's one_hot looks at the numbers, for which the host would have to wait
        each = torch.eye(len(self.energies), dtype=dtype, device=species.device)
        one_hot = each.index_select(0, species[:nlocal])
        return Atoms(species, nlocal, one_hot)

    def forward(self, atoms: Atoms, edges: Edges, exchange: Exchange) -> torch.Tensor:
        """Energies of the local atoms, (nlocal,) eV, float64, differentiable by the vectors.

        Args:
            atoms, edges: What there is.
            exchange: Gives rows of all atoms, (ntotal, width), from those of local ones, (nlocal, width).
        """
        r = torch.linalg.vector_norm(edges.vectors, dim=1)
        harmonics = edges.of_pairs(spherical_harmonics(edges.vectors / r.unsqueeze(1), self.l_max))
        species, nlocal = atoms.species, atoms.nlocal
        table = None
        if len(self.table_of) > 1:
            table = self.table_of[species[edges.receivers], species[edges.senders]]
        widest = max(layer.tables.outputs.shape[1] for layer in self.layers)
        by_receiver = edges.grouped(nlocal, widest)
        senders = edges.with_none(edges.senders)
        energy = r.new_zeros(nlocal)
        if self.repulsion is not None:
            of_pairs = edges.of_pairs(self.repulsion(species, edges.receivers, edges.senders, r))
            energy = energy.index_add(0, edges.receivers, of_pairs)
        features: list[torch.Tensor] = []
        for layer in self.layers:
            row, x, by_r = map(edges.with_none, layer.tables.rows(r.detach(), table))
            pairs = Pairs(senders, row, x, by_r, by_receiver)
            sent = layer.sent_by(features, atoms, exchange)
            density = None
            if layer.densities is not None:
                of_pairs = edges.of_pairs(one_function(r, table, layer.densities))
                density = 1.0 + r.new_zeros(nlocal).index_add(0, edges.receivers, of_pairs)
            sums = convolve(sent, harmonics @ layer.couplings, r, pairs, layer.paths, self.l_max, layer.tables)
            features = layer.update(features, sums, density, atoms)
            read = layer.read(features[0][0])
            if read is not None:
                energy = energy + read
        constant = self.energies.double()[species[:nlocal]] + self.shift
        return constant + self.scale * energy.double()


class Layer(torch.nn.Module):
    """One interaction with the contraction and the readout that follow."""

    couplings: torch.Tensor

    def __init__(self, arrays: Arrays, bases: list[RadialBasis], cutoff: float, l_max: int, *, is_first: bool) -> None:
        super().__init__()
        if "gate.factors" in arrays:
            raise NotCovered("non-linear interactions (RealAgnosticResidualNonLinearInteractionBlock)")
        self.l_sent, self.l_out = int(arrays["l_sent"][0]), int(arrays["l_out"][0])
        self.paths, couplings = _paths(arrays, l_max)
        self.register_buffer("couplings", couplings)
        matrices = perceptron_of(arrays, "perceptron")
        functions = [hidden(matrices, basis) for basis in bases]
        self.tables = RadialTables(functions, matrices[-1].numpy(), cutoff)
        self.densities = None
        if "density" in arrays:
            weights = torch.from_numpy(arrays["density"].copy())
            densities = [density_of(weights, basis) for basis in bases]
            self.densities = RadialTables(densities, np.ones((1, 1)), cutoff)
        kept = {"sent"} if is_first else {f"up.{degree}" for degree in range(self.l_sent + 1)}
        kept |= {f"linear.{degree}" for degree in range(l_max + 1)}
        kept |= {f"product.{degree}" for degree in range(self.l_out + 1)}
        kept |= {name for name in arrays if name.startswith(("residual", "readout"))}
        for name in kept:
            self.register_buffer(_attribute(name), torch.from_numpy(np.ascontiguousarray(arrays[name])))
        self.polynomials = torch.nn.ModuleList()
        for degree in range(self.l_out + 1):
            self.polynomials.extend(_polynomials(arrays, degree))
            weights = [
                arrays[f"contraction.{degree}.order.{order}.weights"]
                for order in range(1, 4)
                if f"contraction.{degree}.order.{order}.weights" in arrays
            ]
            # (weights of all orders, species, channels)
            of_degree = np.concatenate(weights, axis=1).transpose(1, 0, 2)
            self.register_buffer(f"weights_{degree}", torch.from_numpy(np.ascontiguousarray(of_degree)))

    def sent_by(self, features: list[torch.Tensor], atoms: Atoms, exchange: Exchange) -> torch.Tensor:
        """What all atoms send, (ntotal, components, channels)."""
        constant = self._array("sent")
        if constant is not None:
            return constant[atoms.species].unsqueeze(1)
        mixed = [features[degree] @ self._given(f"up.{degree}") for degree in range(self.l_sent + 1)]
        mine = torch.cat(mixed).transpose(0, 1)
        rows = exchange(mine.reshape(atoms.nlocal, -1))
        return rows.view(len(rows), *mine.shape[1:])

    def update(
        self,
        before: list[torch.Tensor],
        sums: tuple[torch.Tensor, ...],
        density: torch.Tensor | None,
        atoms: Atoms,
    ) -> list[torch.Tensor]:
        """Features after the interaction, for each degree (components, nlocal, channels)."""
        mixed = torch.cat(
            [_of_species(each, self._given(f"linear.{degree}"), atoms.one_hot) for degree, each in enumerate(sums)]
        )
        if density is not None:
            mixed = mixed / density[:, None]
        species = atoms.species[: atoms.nlocal]
        features, components = [], iter(self.polynomials)
        for degree in range(self.l_out + 1):
            weights = self._given(f"weights.{degree}").index_select(1, species)
            contracted = torch.stack([next(components)(mixed, weights) for _ in range(2 * degree + 1)])
            after = contracted @ self._given(f"product.{degree}")
            matrices = self._array(f"residual.{degree}")
            if matrices is not None:
                after = after + _of_species(before[degree], matrices, atoms.one_hot)
            constant = self._array("residual_constant")
            if constant is not None and degree == 0:
                after = after + constant[species]
            features.append(after)
        return features

    def read(self, scalars: torch.Tensor) -> torch.Tensor | None:
        """Part of the energy, (nlocal,), of scalars (nlocal, channels); None where there is no readout."""
        linear = self._array("readout")
        if linear is not None:
            return scalars @ linear
        first = self._array("readout_hidden")
        if first is None:
            return None
        x = torch.nn.functional.silu(scalars @ first)
        middle = self._array("readout_mid")
        if middle is not None:
            x = torch.nn.functional.silu(x @ middle + self._given("readout_mid_bias"))
        return x @ self._given("readout_out")

    def _array(self, name: str) -> torch.Tensor | None:
        found: torch.Tensor | None = getattr(self, _attribute(name), None)
        return found

    def _given(self, name: str) -> torch.Tensor:
        found: torch.Tensor = getattr(self, _attribute(name))
        return found


def _attribute(name: str) -> str:
    return name.replace(".", "_")


def _of_species(features: torch.Tensor, matrices: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
    """(components, atoms, in) times the matrix of each atom's element, (elements or 1, in, out)."""
    if len(matrices) == 1:
        return features @ matrices[0]
    # each row stands where its element's matrix meets it, so that shapes do not depend on how many atoms are of which
    spread = features.unsqueeze(2) * one_hot[:, :, None]
    return spread.flatten(2) @ matrices.flatten(0, 1)


def _bases(arrays: Arrays) -> tuple[list[RadialBasis], torch.Tensor]:
    """Radial bases of pairs of elements, one where they are all the same; which of them a pair has, (n, n)."""
    radii = arrays["covalent_radii"]
    if not int(arrays["basis.transform"][0]):
        return [RadialBasis(arrays, 0.0)], torch.zeros(1, 1, dtype=torch.int64)
    table_of = np.zeros((len(radii), len(radii)), dtype=np.int64)
    bases: list[RadialBasis] = []
    for i in range(len(radii)):
        for j in range(i + 1):
            table_of[i, j] = table_of[j, i] = len(bases)
            bases.append(RadialBasis(arrays, float(radii[i] + radii[j])))
    return bases, torch.from_numpy(table_of)


def _paths(arrays: Arrays, l_max: int) -> tuple[tuple[Path, ...], torch.Tensor]:
    """Paths, and the couplings of all of them as one matrix (harmonics, columns)."""
    paths, columns, start, read = [], [], 0, 0
    counts = [0] * (l_max + 1)
    for l1, l2, l3 in arrays["paths"].tolist():
        n1, n2, n3 = 2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1
        coupling = arrays["couplings"][read : read + n1 * n2 * n3].reshape(n1, n2, n3)
        mine = np.zeros(((l_max + 1) ** 2, n1 * n3))
        mine[l2 * l2 : (l2 + 1) ** 2] = coupling.transpose(1, 0, 2).reshape(n2, n1 * n3)
        columns.append(mine)
        paths.append(Path(l1, l3, start, counts[l3]))
        counts[l3] += 1
        start, read = start + n1 * n3, read + n1 * n2 * n3
    return tuple(paths), torch.from_numpy(np.concatenate(columns, axis=1))


def _polynomials(arrays: Arrays, degree: int) -> list[Polynomial]:
    """One for each component of a degree."""
    terms: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in range(2 * degree + 1)]
    numbers = []
    for order in range(1, 4):
        name = f"contraction.{degree}.order.{order}"
        if f"{name}.indices" not in arrays:
            break
        indices, values = arrays[f"{name}.indices"], arrays[f"{name}.values"]
        numbers.append(arrays[f"{name}.weights"].shape[1])
        for m, of_component in enumerate(terms):
            mine = indices[:, 0] == m
            of_component.append((indices[mine, 1 : 1 + order], indices[mine, 1 + order], values[mine]))
    return [Polynomial(of_component, numbers) for of_component in terms]
