"""MACE: `.model` files and ML-IAP `*-mliap_lammps.pt` files, evaluated in the driving process.

The model itself is mace-torch's, unmodified, called the way its own ML-IAP object calls it
(mace.calculators.lammps_mliap_mace): pair vectors in, energy per atom and dE/d(pair vector) out. What is
done here in its stead: nothing returns early (upstream skips ranks with no atom or with one pair or none, so that
other ranks wait for ever and lone atoms lose their energy), and what stays the same while the
neighbour list does is made once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import torch
from ase.data import atomic_numbers, chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files import mace_package, recognition
from lamplighter.model_files.loading import load_torch
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.mace_acceleration import accelerated, set_layout
from lamplighter.potentials.mace_conditions import has_conditions, put_inside
from lamplighter.potentials.mace_kernels import SWITCH, by_kernels, wanted
from lamplighter.potentials.mace_readouts import last_layers
from lamplighter.potentials.requirements import chosen_head, require_elements
from lamplighter.potentials.slots import MOST_IN_SLOTS
from lamplighter.potentials.watched_inputs import WatchedInputs

mace_package.load()
with mace_package.quiet():
    from mace.calculators.lammps_mliap_mace import LAMMPS_MLIAP_MACE, MACEEdgeForcesWrapper

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Mace(PairPotential):
    """A MACE or ScaleShiftMACE model.

    Source: Batatia et al., MACE, NeurIPS 2022 (arXiv:2206.07697); ML-IAP calling convention: mace-torch 0.3.
    """

    kind: ClassVar[str] = "mace"
    most_in_slots: ClassVar[int] = MOST_IN_SLOTS

    def __init__(self, network: MACEEdgeForcesWrapper, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        if has_conditions(network.model):
            put_inside(network.model)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        network = network.to(device="cpu", dtype=torch.float64).eval()
        kernels = by_kernels(network, device, dtype) if wanted(device) else None
        self.summary = f"mace-torch by {kernels[1]}, whose forces are the same" if kernels else ""
        self.layout = kernels[1] if kernels else "mace-torch"  # whose order features have
        self._network = kernels[0] if kernels else _reordered(network).to(device=device, dtype=dtype)
        self._inputs = WatchedInputs(last_layers(self._network.model, int(self._network.head), like=network.model))
        self.n_inputs = self._inputs.width
        self.cutoff = float(network.r_max)
        self.elements = [chemical_symbols[int(z)] for z in network.atomic_numbers]
        # MACE's vectors go from the sender to the receiver, its ML-IAP object's the other way round: its harmonics do
        # not tell unless they are those of a mirror image, which features without parity see.
        self._sign = -1.0 if getattr(network.model, "use_so3", False) else 1.0
        self._topology = -1
        self._atoms = torch.empty(0), torch.empty(0)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return recognition.is_mace(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> Mace:
        loaded: Any = load_torch(path, map_location="cpu").object
        if isinstance(loaded, LAMMPS_MLIAP_MACE):
            network = loaded.model
            require_energies_alone(path, network.model)
            if options.head is not None:
                network = _with_head(path, network.model, options.head)
        elif isinstance(loaded, torch.nn.Module) and hasattr(loaded, "interactions"):
            require_energies_alone(path, loaded)
            loaded.lammps_mliap = True
            network = _with_head(path, loaded, options.head)
        else:
            raise ModelError(
                f"model file {path} holds a {type(loaded).__module__}.{type(loaded).__name__}, not a MACE model: "
                "give a .model file written by mace_run_train, or a *-mliap_lammps.pt file"
            )
        known = [chemical_symbols[int(z)] for z in network.atomic_numbers]
        require_elements(path, known, options.elements)
        stored = network.r_max.dtype
        return cls(network, options.device, _DTYPES.get(options.dtype, stored))

    def element_index(self, symbol: str) -> int:
        numbers = [int(z) for z in self._network.atomic_numbers]
        return numbers.index(atomic_numbers[symbol])

    def compute(self, data: PairData) -> None:
        node_attrs, batch_of_atoms = self._atoms_of(data)
        set_layout(self._network, data.pair_i, data.nlocal, data.slots.longest if data.slots else 0)
        batch = {
            "vectors": self._sign * data.rij.to(self.dtype),
            "node_attrs": node_attrs,
            "edge_index": torch.stack((data.pair_j, data.pair_i)),
            "batch": batch_of_atoms,
            "lammps_class": data,
            "natoms": (data.nlocal, data.ntotal - data.nlocal),
        }
        # exchanges inside the backward pass call MPI: keep it in this thread on GPUs too
        with torch.autograd.set_multithreading_enabled(False), self._inputs.watched(data):
            _, node_energy, pair_forces = self._network(batch)
        data.take_energies(node_energy[: data.nlocal].detach())
        data.update_pair_forces(self._sign * pair_forces)

    def _atoms_of(self, data: PairData) -> tuple[torch.Tensor, torch.Tensor]:
        """What elements they are, (ntotal, elements), and the structure that local ones belong to; kept with a list."""
        if data.slots is None and data.topology == self._topology:
            return self._atoms
        # torch's one_hot looks at the numbers, for which the host would have to wait
        known = torch.arange(len(self.elements), device=self.device)
        node_attrs = (data.elems.unsqueeze(1) == known).to(self.dtype)
        atoms = node_attrs, torch.zeros(data.nlocal, dtype=torch.int64, device=self.device)
        if data.slots is None:
            self._atoms, self._topology = atoms, data.topology
        return atoms


def require_energies_alone(path: Path, model: torch.nn.Module) -> None:
    """Refuse models whose energy is not the sum over atoms of what their neighbours give, or that have none.

    Raises:
        ModelError: naming the class and what remains.
    """
    name = type(model).__name__
    if name not in ("MACE", "ScaleShiftMACE"):
        raise ModelError(
            f"model file {path} holds a {name}, where MACE and ScaleShiftMACE are known: long-range charges, fields, "
            "dipoles and magnetic moments are not among what LAMMPS hands over; use MACE's own calculator "
            "(`potential: {calculator: …}`)"
        )


def _with_head(path: Path, model: torch.nn.Module, head: str | None) -> MACEEdgeForcesWrapper:
    """The model with one of its heads; None: its only one, or the one called Default."""
    if getattr(model, "heads", None) is None:
        model.heads = ["Default"]
    return MACEEdgeForcesWrapper(model, head=chosen_head(path, head, model.heads))


def _reordered(network: MACEEdgeForcesWrapper) -> MACEEdgeForcesWrapper:
    if os.environ.get(SWITCH) == "plain":
        return network
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return accelerated(network)
    finally:
        torch.set_default_dtype(default)
