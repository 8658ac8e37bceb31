"""NequIP and Allegro: packages (`.nequip.zip`), checkpoints (`.ckpt`), ML-IAP objects (`.nequip.lmp.pt`), and what
`lamplighter compile` makes of them (`.nequip.pt2`; `nequip_compile`).

Both are models of the NequIP framework. The network is its own, as it would give it to its ML-IAP object, called with
pair vectors. In place of that object: nothing returns early (upstream skips ranks with no atom or with one pair or
none), energies are summed over local atoms only, and pairs beyond the cutoff of their two elements are left out before
the network, with zero force. NequIP exchanges node features once a layer after the first; Allegro is strictly local and
exchanges nothing. NequIP is imported when a model is loaded, not before.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch

from lamplighter.errors import ModelError
from lamplighter.model_files import recognition
from lamplighter.model_files.examination import CHECKPOINT, PACKAGE
from lamplighter.model_files.loading import load_torch, read_program
from lamplighter.potentials.edges import edges_within, require_elements, require_head, write_result
from lamplighter.potentials.interface import LoadOptions, PairData, Potential

DTYPES = {"float32": torch.float32, "float64": torch.float64}
EXCHANGE = "enable_LAMMPSMLIAPGhostExchange"
_ENERGY_ONLY = "disable_ForceStressOutput"
_SOLE = "sole_model"
_PACKAGES = {"allegro": "nequip-allegro"}


class NequIP(Potential):
    """A NequIP or Allegro model.

    Source: Batzner et al., Nat. Commun. 2022, 13, 2453; Musaelian et al., Nat. Commun. 2023, 14, 579; the calling
    convention is that of nequip 0.19.
    """

    kind: ClassVar[str] = "nequip"

    def __init__(self, network: Any, device: torch.device) -> None:
        metadata = network.metadata
        self.device = device
        self.dtype = DTYPES[metadata["model_dtype"]]
        self.elements = list(network.type_names)
        self.cutoff = float(metadata["r_max"])
        self._cutoffs = cutoffs_of(metadata, len(self.elements), device)
        self._network = _energy_network(network).to(device)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return recognition.is_nequip(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> NequIP:
        if recognition.is_nequip_compiled(path):
            return _compiled(path, options)
        recognition.require_framework("nequip", path)
        network = read_network(path, options.head)
        require_elements(path, list(network.type_names), options.elements)
        _require_precision(path, network.metadata["model_dtype"], options.dtype)
        with precision():
            return cls(network, options.device)

    def element_index(self, symbol: str) -> int:
        return self.elements.index(symbol)

    def compute(self, data: PairData) -> None:
        edges = edges_within(data, self._cutoffs, torch.float64)
        given = {
            "edge_vectors": edges.vectors,
            "edge_index": torch.stack((edges.receivers, edges.senders)),
            "atom_types": data.elems,
            "lmp_mliap_data": data,
            "num_local_ghost_atoms": torch.tensor([data.nlocal, data.ntotal - data.nlocal], device=self.device),
        }
        with precision():
            energies = self._network(given)["atomic_energy"].view(-1)[: data.nlocal]
            write_result(data, edges, energies)


def _compiled(path: Path, options: LoadOptions) -> NequIP:
    from lamplighter.potentials.nequip_compile import open_compiled

    if options.device.type != "cpu":
        raise ModelError(f"model file {path} is compiled for CPUs: leave out device {options.device}")
    if options.head is not None:
        raise ModelError(
            f"model file {path} is compiled, of one network: leave out head {options.head}, and choose it when the "
            "model is compiled (lamplighter compile PACKAGE --head NAME)"
        )
    potential = open_compiled(path)
    require_elements(path, list(potential.elements), options.elements)
    _require_precision(path, str(potential.dtype).removeprefix("torch."), options.dtype)
    return potential


def _require_precision(path: Path, stored: str, asked: str) -> None:
    if asked not in ("auto", stored):
        raise ModelError(
            f"model file {path} was made for {stored}, and models of NequIP and Allegro run in the precision that "
            f"they were made for: leave out `dtype {asked}`, or train with model_dtype: {asked}"
        )


def read_network(path: Path, name: str | None = None) -> Any:
    """The network of a package, a checkpoint or an ML-IAP object, as NequIP loads it (a `GraphModel`).

    Args:
        path: The file. Code that is in it is run.
        name: Which network of a file that holds several; None: the only one, or the last.

    Raises:
        UntrustedModelError: the file is not on the list of trusted files.
        ModelError: NequIP cannot load it.
    """
    if recognition.is_nequip_package(path):
        return _from_bytes(path, read_program(path, PACKAGE), ".nequip.zip", name)
    if recognition.is_nequip_checkpoint(path):
        return _from_bytes(path, read_program(path, CHECKPOINT), ".ckpt", name)
    wrapper: Any = load_torch(path).object
    if not hasattr(wrapper, "model_bytes") or not hasattr(wrapper, "model_filename"):
        raise ModelError(
            f"model file {path} holds a {type(wrapper).__module__}.{type(wrapper).__name__}, not a NequIP or Allegro "
            "model: give a package (.nequip.zip), a checkpoint (.ckpt) or an ML-IAP file (.nequip.lmp.pt)"
        )
    ending = ".nequip.zip" if wrapper.model_filename.endswith(".nequip.zip") else ".ckpt"
    return _from_bytes(path, wrapper.model_bytes, ending, name or wrapper.model_key)


def _from_bytes(path: Path, content: bytes, ending: str, name: str | None) -> Any:
    """NequIP tells files by their names, and so gets the content under a name of its liking."""
    try:
        with tempfile.TemporaryDirectory() as folder, precision(), quiet():
            copy = Path(folder) / f"model{ending}"
            copy.write_bytes(content)
            from nequip.model.saved_models.load_utils import load_saved_model
            from nequip.utils.global_state import set_global_state

            set_global_state()
            networks = load_saved_model(str(copy), model_key=None)
    except Exception as problem:
        newer = _newer_packages(path)
        raise ModelError(
            f"model file {path} cannot be loaded by the installed NequIP: "
            f"{newer or 'it is damaged or of another version'} ({type(problem).__name__}: {problem})"
        ) from problem
    known = list(networks.keys())
    require_head(path, name, known, "model")
    return networks[name or (_SOLE if _SOLE in known else known[-1])].eval()


def _newer_packages(path: Path) -> str:
    """What to say of a file that newer versions of its packages wrote than the installed ones."""
    from lamplighter.model_files.description import describe

    written = re.findall(r"([\w-]+) ([\w.+]+)", describe(path).version or "")
    told = [recognition.newer_than_installed(_PACKAGES.get(name, name), version) for name, version in written]
    return "; ".join(each for each in told if each)


def _energy_network(network: Any) -> Any:
    """Without derivatives of its own, and with exchanges where it passes messages."""
    from nequip.model.modify_utils import get_all_modifiers, modify

    known = get_all_modifiers(network)
    wanted = [{"modifier": each} for each in (EXCHANGE, _ENERGY_ONLY) if each in known]
    network = modify(network, wanted)
    if _ENERGY_ONLY not in known:
        network.model = network.model.func
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()


def cutoffs_of(metadata: dict[str, str], nelements: int, device: torch.device) -> float | torch.Tensor:
    """One cutoff for all pairs (Å), or a table by the elements of receiver and sender."""
    table = metadata.get("per_edge_type_cutoff")
    if table is None:
        return float(metadata["r_max"])
    values = [float(word) for word in table.split()]
    return torch.tensor(values, dtype=torch.float64, device=device).reshape(nelements, nelements)


@contextlib.contextmanager
def precision() -> Iterator[None]:
    """NequIP works with float64 as torch's default, which other frameworks in the process may not expect."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No advice on compilation and versions from each rank."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
