"""NequIP and Allegro: packages (`.nequip.zip`), checkpoints (`.ckpt`), ML-IAP objects (`.nequip.lmp.pt`), and what
`lamplighter compile` makes of them (`.nequip.pt2`; `nequip_compiled`).

Both are models of the NequIP framework. The network is its own, as it would give it to its ML-IAP object, called with
pair vectors. In place of that object: nothing returns early (upstream skips ranks with no atom or with one pair or
none), energies are summed over local atoms only, and pairs beyond the cutoff of their two elements are left out before
the network, with zero force. NequIP exchanges node features once a layer after the first; Allegro is strictly local and
exchanges nothing. NequIP is imported when a model is loaded, not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch

from lamplighter.model_files import recognition
from lamplighter.potentials.double_precision import double_precision
from lamplighter.potentials.edges import edges_within, write_result
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.nequip_compiled import CompiledNequIP
from lamplighter.potentials.nequip_network import (
    DTYPES,
    cutoffs_of,
    energies_only,
    read_network,
    require_precision,
)
from lamplighter.potentials.requirements import require_elements
from lamplighter.potentials.slots import MOST_IN_SLOTS
from lamplighter.potentials.watched_inputs import LastLayer, WatchedInputs


class NequIP(PairPotential):
    """A NequIP or Allegro model.

    Source: Batzner et al., Nat. Commun. 2022, 13, 2453; Musaelian et al., Nat. Commun. 2023, 14, 579; the calling
    convention is that of nequip 0.19.
    """

    kind: ClassVar[str] = "nequip"
    fixed_precision: ClassVar[bool] = True
    most_in_slots: ClassVar[int] = MOST_IN_SLOTS

    def __init__(self, network: Any, device: torch.device) -> None:
        metadata = network.metadata
        self.device = device
        self.dtype = DTYPES[metadata["model_dtype"]]
        self.elements = list(network.type_names)
        self.cutoff = float(metadata["r_max"])
        self._cutoffs = cutoffs_of(metadata, len(self.elements), device)
        self._network = energies_only(network, exchange=True).to(device)
        self._inputs = WatchedInputs(_last_layers(self._network))
        self.n_inputs = self._inputs.width
        self._counts = torch.zeros(2, dtype=torch.int64, device=device)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return recognition.is_nequip(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> NequIP | CompiledNequIP:
        if recognition.is_nequip_compiled(path):
            return CompiledNequIP.load(path, options)
        recognition.require_framework("nequip", path)
        network = read_network(path, options.head)
        require_elements(path, list(network.type_names), options.elements)
        require_precision(path, network.metadata["model_dtype"], options.dtype)
        with double_precision():
            return cls(network, options.device)

    def element_index(self, symbol: str) -> int:
        return self.elements.index(symbol)

    def compute(self, data: PairData) -> None:
        edges = edges_within(data, self._cutoffs, torch.float64)
        self._counts[:1].fill_(data.nlocal)
        self._counts[1:].fill_(data.ntotal - data.nlocal)
        given = {
            "edge_vectors": edges.vectors,
            "edge_index": torch.stack((edges.receivers, edges.senders)),
            "atom_types": data.elems,
            "lmp_mliap_data": data,
            "num_local_ghost_atoms": self._counts,
        }
        with double_precision(), self._inputs.watched(data, edges.receivers):
            energies = self._network(given)["atomic_energy"].view(-1)[: data.nlocal]
            write_result(data, edges, energies)


def _last_layers(network: Any) -> list[LastLayer]:
    """That of NequIP sees atoms; that of Allegro pairs, whose energies are added up and scaled.

    Before a readout without activations the energy is linear in what it is given, however many matrices follow.
    """
    named = {name.rpartition(".")[2]: module for name, module in network.named_modules()}
    readout = named.get("per_atom_energy_readout", named.get("edge_readout"))
    mlp = getattr(readout, "mlp_module", None)
    if mlp is None or not hasattr(mlp, "is_nonlinear"):
        return []
    first = mlp if not mlp.is_nonlinear else list(mlp.mlp)[-1]
    width = int(mlp.dims[-2 if mlp.is_nonlinear else 0])
    if "per_atom_energy_readout" in named:
        return [LastLayer(first, width, _itself)]
    norm = getattr(named.get("edge_eng_sum"), "norm_module", None)
    if norm is None:
        return []
    return [LastLayer(first, width, _itself, lambda sums, types: _divided(norm, sums, types))]


def _itself(given: torch.Tensor) -> torch.Tensor:
    return given


def _divided(norm: Any, sums: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
    """Sums over pairs as Allegro weighs them, where the number of neighbours is each type's own."""
    factors = norm.norm_const.to(sums)
    return sums * (factors if len(factors) == 1 else factors[types])
