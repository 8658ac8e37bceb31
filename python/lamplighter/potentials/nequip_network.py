"""Networks of the NequIP framework as NequIP itself loads them, from packages, checkpoints and ML-IAP objects.

NequIP is imported when a network is read, not before.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lamplighter.errors import ModelError
from lamplighter.model_files import recognition
from lamplighter.model_files.examination import CHECKPOINT, PACKAGE
from lamplighter.model_files.loading import load_torch, read_program
from lamplighter.potentials.double_precision import double_precision
from lamplighter.potentials.requirements import chosen_of_several

DTYPES = {"float32": torch.float32, "float64": torch.float64}
EXCHANGE = "enable_LAMMPSMLIAPGhostExchange"
_ENERGY_ONLY = "disable_ForceStressOutput"
_SOLE = "sole_model"
_PACKAGES = {"allegro": "nequip-allegro"}


def read_network(path: Path, name: str | None = None) -> Any:
    """The network of a package, a checkpoint or an ML-IAP object, as NequIP loads it (a `GraphModel`).

    See `read_named_network`.
    """
    return read_named_network(path, name)[1]


def read_named_network(path: Path, name: str | None = None) -> tuple[str | None, Any]:
    """The same, behind the name that the network has among several in its file; None: it is the only one.

    Args:
        path: The file. Code that is in it is run.
        name: Which network of a file that holds several; None: the only one, or that of the ML-IAP object.

    Raises:
        UntrustedModelError: the file is not on the list of trusted files.
        ModelError: NequIP cannot load it, it lacks the network, or holds several and none is named.
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


def _from_bytes(path: Path, content: bytes, ending: str, name: str | None) -> tuple[str | None, Any]:
    """NequIP tells files by their names, and so gets the content under a name of its liking."""
    try:
        with tempfile.TemporaryDirectory() as folder, double_precision(), quiet():
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
    chosen = chosen_of_several(path, name, known, "model", _SOLE)
    return chosen if len(known) > 1 else None, networks[chosen].eval()


def energies_only(network: Any, *, exchange: bool = False) -> Any:
    """The network without derivatives of its own, and with exchanges between ranks where it passes messages."""
    from nequip.model.modify_utils import get_all_modifiers, modify

    known = get_all_modifiers(network)
    wanted = [EXCHANGE, _ENERGY_ONLY] if exchange else [_ENERGY_ONLY]
    network = modify(network, [{"modifier": each} for each in wanted if each in known])
    if _ENERGY_ONLY not in known:
        network.model = network.model.func
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval()


def _newer_packages(path: Path) -> str:
    """What to say of a file that newer versions of its packages wrote than the installed ones."""
    from lamplighter.model_files.describe import describe

    written = re.findall(r"([\w-]+) ([\w.+]+)", describe(path).version or "")
    told = [recognition.newer_than_installed(_PACKAGES.get(name, name), version) for name, version in written]
    return "; ".join(each for each in told if each)


def require_precision(path: Path, stored: str, asked: str) -> None:
    """Refuse another precision than the one that a network was made for.

    Raises:
        ModelError: naming both.
    """
    if asked not in ("auto", stored):
        raise ModelError(
            f"model file {path} was made for {stored}, and models of NequIP and Allegro run in the precision that "
            f"they were made for: leave out `dtype {asked}`, or train with model_dtype: {asked}"
        )


def cutoffs_of(metadata: dict[str, str], nelements: int, device: torch.device) -> float | torch.Tensor:
    """One cutoff for all pairs (Å), or a table by the elements of receiver and sender."""
    table = metadata.get("per_edge_type_cutoff")
    if table is None:
        return float(metadata["r_max"])
    values = [float(word) for word in table.split()]
    return torch.tensor(values, dtype=torch.float64, device=device).reshape(nelements, nelements)


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
