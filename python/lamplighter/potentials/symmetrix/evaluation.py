"""Evaluations by Symmetrix-XL: of a whole graph at once, or in stages between which features go from rank to rank.

Its evaluator keeps what it made in itself, and shows it as flat lists: H1, what atoms send in the second interaction,
(atoms, components, channels); its adjoint; energies of nodes; and for each edge the part of the force on its sender,
(edges, 3) eV/Å. Receivers come in ascending order, and an edge's vector goes from its receiver to its sender.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lamplighter.potentials.torch_fast.repulsion import ScreenedRepulsion

Exchange = Callable[[np.ndarray], np.ndarray]
"""From rows of all atoms, (ntotal, width), to the same."""


@dataclass(frozen=True)
class Graph:
    """Atoms and edges of a rank.

    Attributes:
        types: (ntotal,) int32, places in the evaluator's list of elements; local atoms come first.
        nlocal: How many those are.
        receivers, senders: (nedges,) int32.
        vectors: (nedges, 3) float64 Å.
    """

    types: np.ndarray
    nlocal: int
    receivers: np.ndarray
    senders: np.ndarray
    vectors: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """How many edges each local atom receives, (nlocal,) int32."""
        return np.bincount(self.receivers, minlength=self.nlocal).astype(np.int32)

    @property
    def distances(self) -> np.ndarray:
        """(nedges,) Å"""
        return np.asarray(np.linalg.norm(self.vectors, axis=1))


@dataclass(frozen=True)
class Evaluated:
    """Energies of the local atoms, (nlocal,) eV, and dE/dvector of every edge, (nedges, 3) eV/Å."""

    energies: np.ndarray
    gradient: np.ndarray


def evaluate(evaluator: Any, graph: Graph) -> Evaluated:
    """A graph without ghosts, in one call."""
    types = graph.types
    evaluator.compute_node_energies_forces(
        graph.nlocal,
        types,
        graph.counts,
        graph.senders,
        types[graph.senders],
        graph.vectors.reshape(-1),
        graph.distances,
    )
    return Evaluated(np.array(evaluator.node_energies), _gradient(evaluator, len(graph.senders)))


class Stages:
    """The stages of one evaluator, which holds every edge's radial functions in memory (`materialized`).

    Two parts of an evaluation have no stage: what an atom's own element adds to H1, which is H1 of a lone atom, and
    the ZBL repulsion, which is made here.

    Args:
        evaluator: Set to `materialized`.
        nelements: How many elements it knows.
        repulsion: None: the model has none.
    """

    def __init__(self, evaluator: Any, nelements: int, repulsion: ScreenedRepulsion | None) -> None:
        self._evaluator = evaluator
        self._repulsion = repulsion
        self._dtype = np.dtype(np.float64 if evaluator.scalar_size_bytes == 8 else np.float32)
        elements = np.arange(nelements, dtype=np.int32)
        nobody = np.zeros(0, dtype=np.int32)
        evaluate(evaluator, Graph(elements, nelements, nobody, nobody, np.zeros((0, 3))))
        self._alone = np.array(evaluator.H1, dtype=self._dtype).reshape(nelements, -1)

    def evaluate(self, graph: Graph, forward: Exchange, reverse: Exchange) -> Evaluated:
        """One evaluation. Collective: it makes one exchange of each kind, whatever there is on this rank.

        Args:
            graph: Atoms and ghosts.
            forward: Gives ghosts their owners' rows.
            reverse: Adds ghosts' rows to their owners'.
        """
        made, n, types = self._evaluator, graph.nlocal, graph.types[: graph.nlocal]
        counts, distances, vectors = graph.counts, graph.distances, graph.vectors.reshape(-1)
        # what the stages of edges and nodes take
        edges = (n, types, counts, graph.types[graph.senders])
        made.node_energies, made.node_forces = np.zeros(n), np.zeros(len(vectors))
        made.compute_Y(vectors)
        made.compute_R0(*edges, distances)
        made.compute_R1(*edges, distances)
        made.compute_A0(*edges)
        made.compute_A0_scaled(*edges, distances)
        made.compute_M0(n, types)
        made.compute_H1(n)
        made.H1 = forward(self._complete(np.array(made.H1, dtype=self._dtype), graph)).reshape(-1)
        made.compute_Phi1(n, counts, graph.senders)
        made.compute_A1(n)
        made.compute_A1_scaled(*edges, distances)
        made.compute_M1(n, types)
        made.compute_H2(n, types)
        made.compute_readouts(n, types)
        made.reverse_H2(n, types, False)
        made.reverse_M1(n, types)
        made.reverse_A1_scaled(*edges, vectors, distances)
        made.reverse_A1(n)
        made.reverse_Phi1(n, counts, graph.senders, vectors, distances, False, False)
        # with rows of ghosts, which belong to their owners
        adjoint = np.array(made.H1_adj, dtype=self._dtype).reshape(len(graph.types), -1)
        made.H1_adj = reverse(adjoint).reshape(-1)
        made.reverse_H1(n)
        made.reverse_M0(n, types)
        made.reverse_A0_scaled(*edges, vectors, distances)
        made.reverse_A0(*edges, vectors, distances)
        energies, gradient = np.array(made.node_energies), _gradient(made, len(graph.senders))
        if self._repulsion is not None:
            self._repel(graph, energies, gradient)
        return Evaluated(energies, gradient)

    def _complete(self, made: np.ndarray, graph: Graph) -> np.ndarray:
        """H1 of local atoms with what their elements add, and empty rows of ghosts, (ntotal, width)."""
        n, width = graph.nlocal, self._alone.shape[1]
        rows = np.zeros((len(graph.types), width), dtype=self._dtype)
        rows[:n] = made.reshape(-1, width)[:n] + self._alone[graph.types[:n]]
        return rows

    def _repel(self, graph: Graph, energies: np.ndarray, gradient: np.ndarray) -> None:
        """Add the repulsion to both."""
        assert self._repulsion is not None
        vectors = torch.from_numpy(graph.vectors).requires_grad_(True)
        types, receivers, senders = (
            torch.from_numpy(each.astype(np.int64)) for each in (graph.types, graph.receivers, graph.senders)
        )
        r = torch.linalg.vector_norm(vectors, dim=1)
        repulsion = self._repulsion(types, receivers, senders, r)
        energies += np.bincount(graph.receivers, repulsion.detach().numpy(), minlength=graph.nlocal)
        (slope,) = torch.autograd.grad(repulsion.sum(), vectors)
        gradient += slope.numpy()


def repulsion_of(content: dict[str, Any]) -> ScreenedRepulsion | None:
    """The ZBL repulsion of a converted model; None: it has none."""
    if not content["has_zbl"]:
        return None
    numbers = np.array(content["atomic_numbers"])
    constants = [*content["zbl_c"], content["zbl_a_exp"], content["zbl_a_prefactor"], content["zbl_p"]]
    radii = np.array(content["zbl_covalent_radii"])[numbers]
    return ScreenedRepulsion(
        {"repulsion": np.array(constants, dtype=np.float64), "covalent_radii": radii, "atomic_numbers": numbers}
    )


def _gradient(evaluator: Any, nedges: int) -> np.ndarray:
    return -np.array(evaluator.node_forces, dtype=np.float64)[: 3 * nedges].reshape(nedges, 3)
