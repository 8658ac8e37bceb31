"""`engine symmetrix`: a MACE model through the bridge, evaluated by Symmetrix-XL's kernels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files import recognition
from lamplighter.potentials import native
from lamplighter.potentials.edges import edges_within, hand_over
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.symmetrix import package
from lamplighter.potentials.symmetrix.conversion import OURS, clusters_of, converted
from lamplighter.potentials.symmetrix.evaluation import Evaluated, Graph, Stages, evaluate, repulsion_of

TOLERANCES = {torch.float64: (1e-5, 1e-6), torch.float32: (1e-3, 1e-4)}
"""Differences from mace-torch that a model may have when it is opened: of forces, eV/Å and relative to those beyond
10 eV/Å, and of energies, eV per atom. Its splines and the rounding of energies leave less; a fault leaves more."""

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Symmetrix(PairPotential):
    """A MACE model in the form of Symmetrix-XL.

    On one rank a graph is evaluated in one call, by code that Symmetrix-XL generates for the model, where it can be
    compiled. On several, an evaluation is made of stages, between which H1 and its adjoint go from rank to rank.

    Args:
        file: The converted form.
        device: Where the kernels run; what goes in and out lies on the host.
        dtype: What they compute in: `float32`, `float64` or `auto`, which is that of the model.
        nranks: On how many ranks.
    """

    kind: ClassVar[str] = "mace"

    def __init__(self, file: Path, device: torch.device, dtype: str, nranks: int) -> None:
        module = package.kernels(device)
        content = json.loads(file.read_text(encoding="utf-8"))
        self.device = torch.device("cpu")  # the evaluator takes host arrays, and carries them to its device itself
        self.dtype = _DTYPES[content[OURS]["dtype"] if dtype == "auto" else dtype]
        self._content = content
        self._calculator: Any = None
        self._stages: Stages | None = None
        self.how = "in stages"
        if nranks == 1:
            self._evaluator, self.how = self._whole(module, file)
        else:
            self._evaluator = self._materialized(module, file)
            self._into_stages()
        self.cutoff = float(self._evaluator.r_cut)
        self._numbers = [int(z) for z in self._evaluator.atomic_numbers]
        self.elements = [chemical_symbols[z] for z in self._numbers]
        self.summary = ""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return recognition.is_mace(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> Symmetrix:
        package.kernels(options.device)  # whether they are here is told before a model is converted for them
        file = converted(path, options.elements, options.head)
        potential = cls(file, options.device, options.dtype, options.nranks)
        agreement = potential.agreement()
        forces, energies = TOLERANCES[potential.dtype]
        if not (agreement.force <= forces * max(1.0, agreement.largest_force / 10.0) and agreement.energy <= energies):
            raise ModelError(
                f"engine symmetrix does not agree with mace-torch on {path}: {agreement}. Please report this; its "
                "framework evaluates it with `engine bridge`"
            )
        potential.summary = (
            f"{path} by engine symmetrix, {_name(potential.dtype)} on {options.device}: Symmetrix-XL "
            f"{package.version()}, {potential.how}; against mace-torch, {agreement}"
        )
        return potential

    def element_index(self, symbol: str) -> int:
        return list(self.elements).index(symbol)

    def compute(self, data: PairData) -> None:
        edges = edges_within(data, self.cutoff, torch.float64)
        graph = Graph(
            types=data.elems.numpy().astype(np.int32),
            nlocal=data.nlocal,
            receivers=edges.receivers.numpy().astype(np.int32),
            senders=edges.senders.numpy().astype(np.int32),
            vectors=edges.vectors.detach().numpy(),
        )
        if self._stages is None and data.ntotal > data.nlocal:
            self._into_stages()
        found = self._evaluated(graph, data)
        hand_over(data, edges, torch.from_numpy(found.energies), torch.from_numpy(found.gradient))

    def agreement(self) -> native.Agreement:
        """How far the kernels, in their precision, are from mace-torch in float64 on the clusters of the file."""
        force = energy = largest = 0.0
        clusters = clusters_of(self._content)
        for cluster, expected, forces in clusters:
            graph = _graph_of(cluster, self.cutoff, self._numbers)
            found = self._evaluated(graph, None)
            mine = np.zeros_like(forces)
            np.add.at(mine, graph.receivers, found.gradient)
            np.add.at(mine, graph.senders, -found.gradient)
            force = max(force, float(np.abs(mine - forces).max()))
            energy = max(energy, abs(float(found.energies.sum()) - expected) / len(cluster))
            largest = max(largest, float(np.abs(forces).max()))
        if not np.isfinite(force + energy):
            force = energy = float("inf")
        return native.Agreement(len(clusters), sum(len(each[0]) for each in clusters), force, energy, largest)

    def _evaluated(self, graph: Graph, data: PairData | None) -> Evaluated:
        """Of a graph; without data it has no ghosts, and nothing is exchanged."""
        if self._stages is None:
            return evaluate(self._evaluator, graph)
        if data is None:
            return self._stages.evaluate(graph, lambda rows: rows, lambda rows: rows)
        return self._stages.evaluate(
            graph,
            lambda rows: _exchanged(rows, data.forward_exchange),
            lambda rows: _exchanged(rows, data.reverse_exchange),
        )

    def _whole(self, module: Any, file: Path) -> tuple[Any, str]:
        """An evaluator of whole graphs, with code generated for the model if it can be compiled; which it is."""
        from symmetrix import Symmetrix as Calculator

        try:
            # an ASE calculator, of which nothing is used but that it generates, compiles and caches the code
            self._calculator = Calculator(
                str(file), dtype=_name(self.dtype), streamed_edges="direct", execution_profile="speed"
            )
        except Exception as problem:  # it has no errors of its own; what else is wrong, the other evaluator says
            reason = str(problem).strip().partition("\n")[0]
            return self._materialized(module, file), f"without code generated for the model ({reason})"
        return self._calculator.evaluator, "with code generated for the model"

    def _materialized(self, module: Any, file: Path) -> Any:
        made = (module.MACEKokkos if self.dtype == torch.float64 else module.MACEKokkosFloat)(str(file), "")
        made.set_streamed_edges("materialized")
        return made

    def _into_stages(self) -> None:
        """From here on, evaluations are made of stages."""
        self._evaluator.set_streamed_edges("materialized")
        self._stages = Stages(self._evaluator, len(self._evaluator.atomic_numbers), repulsion_of(self._content))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _exchanged(rows: np.ndarray, exchange: Any) -> np.ndarray:
    """Rows after an exchange between ranks."""
    source = torch.from_numpy(rows)
    target = torch.empty_like(source)
    exchange(source, target, rows.shape[1])
    return np.asarray(target.numpy())


def _graph_of(cluster: Atoms, cutoff: float, numbers: list[int]) -> Graph:
    """A cluster in vacuum."""
    x = cluster.positions
    vectors = x[None, :] - x[:, None]
    distances = np.linalg.norm(vectors, axis=2)
    receivers, senders = np.nonzero((distances < cutoff) & (distances > 0.0))
    return Graph(
        types=np.array([numbers.index(z) for z in cluster.numbers], dtype=np.int32),
        nlocal=len(cluster),
        receivers=receivers.astype(np.int32),
        senders=senders.astype(np.int32),
        vectors=vectors[receivers, senders],
    )
