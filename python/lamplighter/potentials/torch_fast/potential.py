"""`engine torch-fast`: a MACE model through the bridge, evaluated from its compiled form by torch."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from ase import Atoms as Cluster
from ase.data import chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.file_suffixes import COMPILED
from lamplighter.model_files import recognition
from lamplighter.potentials import native
from lamplighter.potentials.edges import edges_within, fetch_ghosts, write_result
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.mace_compile import FORMAT
from lamplighter.potentials.mace_linear_maps import NotCovered
from lamplighter.potentials.requirements import require_elements
from lamplighter.potentials.torch_fast.network import Atoms, Edges, MaceNetwork

NAME = "torch-fast"

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class TorchFast(PairPotential):
    """A MACE model by its compiled form.

    Args:
        network: In float64 on the CPU.
        symbols: Elements, in the order of the network's species.
        device: Where it runs.
        dtype: What it computes in.
        summary: One line that says what was loaded.
    """

    kind: ClassVar[str] = "mace"
    most_in_slots: ClassVar[int] = 20_000

    def __init__(
        self, network: MaceNetwork, symbols: list[str], device: torch.device, dtype: torch.dtype, summary: str
    ) -> None:
        self.cutoff = network.cutoff
        self.elements = symbols
        self.device = device
        self.dtype = dtype
        self.summary = summary
        energies = network.energies
        self._network = network.to(device=device, dtype=dtype)
        self._network.energies = energies.to(device)  # thousands of eV, which float32 would round
        self._topology = -1
        self._atoms: Atoms | None = None

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return recognition.is_mace(path) or path.suffix == COMPILED

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> TorchFast:
        file = _compiled(path, options)
        labels = native.read_metadata(file)
        if labels["format"] != FORMAT:
            raise ModelError(
                f"engine {NAME} evaluates MACE models, and {path} is one of {labels.get('family', 'another family')}: "
                "leave out `engine`, or name the model that it was compiled from with `engine bridge`"
            )
        # the engine in C++ checks the whole file when it opens it: checksum, shapes, indices
        reference = native.NativeMace(file)
        if reference.members > 1:
            raise ModelError(
                f"{path} holds {reference.members} models, and engine {NAME} takes one from a file: name the models "
                "that it was compiled from, or leave out `engine`"
            )
        require_elements(path, reference.elements, options.elements)
        network = _network(file, path)
        agreement = _agreement(network, reference)
        if not agreement.is_good:
            raise ModelError(
                f"engine {NAME} does not agree with the native engine on {path}: {agreement}. Please report this; "
                "its framework evaluates it with `engine bridge`"
            )
        stored = _DTYPES.get(options.dtype, _DTYPES[labels["dtype"]])
        precision = str(stored).removeprefix("torch.")
        layers = network.layers
        summary = (
            f"{path} by engine {NAME}, {precision} on {options.device}: MACE, {len(layers)} "
            f"interaction{'' if len(layers) == 1 else 's'}, radial tables of "
            f"{max(layer.tables.intervals for layer in layers)} intervals (error "
            f"{max(layer.tables.error for layer in layers):.0e}); against the native engine, {agreement}"
        )
        return cls(network, reference.elements, options.device, stored, summary)

    def element_index(self, symbol: str) -> int:
        return self.elements.index(symbol)

    def compute(self, data: PairData) -> None:
        edges = edges_within(data, self.cutoff, self.dtype)
        slots = data.slots
        energies = self._network(
            self._atoms_of(data),
            Edges(edges.receivers, edges.senders, edges.vectors, edges.within, slots.longest if slots else 0),
            lambda rows: fetch_ghosts(rows, data),
        )
        write_result(data, edges, energies)

    def _atoms_of(self, data: PairData) -> Atoms:
        if data.slots is not None:  # recorded with what follows, and so made of what lies in the same place
            return self._network.atoms(data.elems, data.nlocal)
        if data.topology != self._topology or self._atoms is None:
            self._atoms = self._network.atoms(data.elems, data.nlocal)
            self._topology = data.topology
        return self._atoms


def _compiled(path: Path, options: LoadOptions) -> Path:
    """The compiled form of a model; it is the file itself, or in the cache.

    Raises:
        ModelError: it has none, and what evaluates the model then.
    """
    if path.suffix == COMPILED:
        if options.head is not None:
            raise ModelError(
                f"{path} is a compiled model, which has one head: leave out 'head {options.head}', and name the head "
                f"where it is made: lamplighter compile MODEL --head {options.head}"
            )
        return path
    if not recognition.is_mace(path):
        raise ModelError(f"engine {NAME} evaluates MACE models, and {path} is none: use engine auto, native or bridge")
    try:
        return native.compiled_in_cache([path], options.elements, options.head)
    except NotCovered as problem:
        raise _not_covered(path, problem) from problem


def _not_covered(path: Path, problem: NotCovered) -> ModelError:
    return ModelError(
        f"{path} cannot be evaluated by engine {NAME}, which lacks {problem}: use engine bridge (mace-torch itself), "
        "or engine auto (the native engine on CPUs where it covers the model, mace-torch elsewhere)"
    )


def _network(file: Path, path: Path) -> MaceNetwork:
    import safetensors.numpy

    try:
        with torch.no_grad():
            return MaceNetwork(safetensors.numpy.load_file(file))
    except NotCovered as problem:
        raise _not_covered(path, problem) from problem


def _agreement(network: MaceNetwork, reference: native.NativeMace) -> native.Agreement:
    """How far the network, in float64 on the CPU, is from the native engine on random clusters."""
    rng = np.random.default_rng(1)
    force = energy = largest = 0.0
    sizes = (1, 2, 8, 24)
    for size in sizes:
        cluster = native.random_cluster(reference.elements, reference.cutoff, size, rng)
        expected = reference.evaluate(cluster)
        energies, forces = evaluate_cluster(network, cluster, reference.elements)
        force = max(force, float(np.abs(forces - expected.forces).max()))
        energy = max(energy, float(np.abs(energies - expected.energies).max()))
        largest = max(largest, float(np.abs(expected.forces).max()))
    if not np.isfinite(force + energy):
        force = energy = float("inf")
    return native.Agreement(len(sizes), sum(sizes), force, energy, largest)


def evaluate_cluster(network: MaceNetwork, cluster: Cluster, symbols: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Energies of atoms in vacuum, (n,) eV, and forces (n, 3) eV/Å, by a network in float64 on the CPU."""
    x = torch.from_numpy(np.array(cluster.positions))
    vectors = x[None, :] - x[:, None]
    distances = torch.linalg.vector_norm(vectors, dim=2)
    receivers, senders = torch.nonzero((distances < network.cutoff) & (distances > 0.0), as_tuple=True)
    species = torch.tensor([symbols.index(chemical_symbols[z]) for z in cluster.numbers])
    given = vectors[receivers, senders].requires_grad_(True)
    energies = network(network.atoms(species, len(x)), Edges(receivers, senders, given), lambda rows: rows)
    (gradient,) = torch.autograd.grad(energies.sum(), given)
    forces = torch.zeros_like(x).index_add_(0, receivers, gradient).index_add_(0, senders, -gradient)
    return energies.detach().numpy(), forces.numpy()
