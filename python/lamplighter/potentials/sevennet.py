"""SevenNet: checkpoints (`.pth`), evaluated in the driving process.

The network is SevenNet's own, built from the checkpoint by its own code. Around it, in place of its ML-IAP object: the
network sees local atoms, and each convolution first fetches the features of ghosts; nothing returns early; pairs beyond
the cutoff, for which SevenNet's cutoff function is not zero, are left out; and the checkpoint is read with the
narrowest loader that works. SevenNet is imported when a model is loaded, not before.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any, ClassVar

import torch
from ase.data import atomic_numbers, chemical_symbols

from lamplighter.errors import ModelError
from lamplighter.model_files import recognition
from lamplighter.model_files.loading import load_torch
from lamplighter.potentials.edges import edges_within, fetch_ghosts, write_result
from lamplighter.potentials.interface import LoadOptions, PairData, PairPotential
from lamplighter.potentials.requirements import chosen_of_several, require_elements, require_head
from lamplighter.potentials.slots import MOST_IN_SLOTS
from lamplighter.potentials.watched_inputs import LastLayer, WatchedInputs

_DTYPES = {"auto": torch.float32, "float32": torch.float32, "float64": torch.float64}
_PAIRS = "_lamplighter_pairs"


class SevenNet(PairPotential):
    """A SevenNet model.

    Source: Park et al., J. Chem. Theory Comput. 2024, 20, 4857; the calling convention is that of sevenn 0.12 and 0.13.
    """

    kind: ClassVar[str] = "sevennet"
    most_in_slots: ClassVar[int] = MOST_IN_SLOTS

    def __init__(self, network: Any, cutoff: float, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self.cutoff = cutoff
        self.elements = [chemical_symbols[z] for z in sorted(network.type_map)]
        self._network = _for_several_ranks(network, dtype).to(device=device, dtype=dtype).eval()
        # no buffer of SevenNet's, which would copy it to the device at each call
        self._network.z_to_onehot_tensor = self._network.z_to_onehot_tensor.to(device)
        self._inputs = WatchedInputs(_last_layers(self._network))
        self.n_inputs = self._inputs.width
        self._count = torch.zeros((), dtype=torch.int64, device=device)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return recognition.is_sevennet(path)

    @classmethod
    def load(cls, path: Path, options: LoadOptions) -> SevenNet:
        recognition.require_framework("sevennet", path)
        config, network = read_checkpoint(path)
        require_elements(path, [chemical_symbols[z] for z in sorted(network.type_map)], options.elements)
        choose_modality(path, network, options.head, deploy=True)
        return cls(network, float(config["cutoff"]), options.device, _DTYPES[options.dtype])

    def element_index(self, symbol: str) -> int:
        return atomic_numbers[symbol]

    def compute(self, data: PairData) -> None:
        edges = edges_within(data, self.cutoff, self.dtype)
        given = {
            "edge_index": torch.stack((edges.receivers, edges.senders)),
            "edge_vec": edges.vectors,
            "atomic_numbers": data.elems[: data.nlocal],
            "num_atoms": self._count.fill_(data.nlocal),
            _PAIRS: data,
        }
        with self._inputs.watched(data):
            energies = self._network(given)["atomic_energy"].view(-1)
        write_result(data, edges, energies)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], Any]:
    """Configuration and network of a checkpoint.

    Raises:
        ModelError: the file is not a checkpoint of SevenNet, or its network cannot be built.
    """
    content = load_torch(path, map_location="cpu").object
    if not isinstance(content, dict) or "config" not in content or "model_state_dict" not in content:
        raise ModelError(
            f"model file {path} holds a {type(content).__module__}.{type(content).__name__}, not a checkpoint of "
            "SevenNet: give the checkpoint (.pth) that it was made from"
        )
    from sevenn.checkpoint import SevenNetCheckpoint

    checkpoint = SevenNetCheckpoint(str(path))
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            _fill(checkpoint, content)
            network = checkpoint.build_model(enable_cueq=False, enable_flash=False, enable_oeq=False)
    except Exception as problem:
        newer = recognition.newer_than_installed("sevenn", content["config"].get("version"))
        raise ModelError(
            f"model file {path}: the installed SevenNet cannot build its network{': ' if newer else ''}{newer} "
            f"({type(problem).__name__}: {problem})"
        ) from problem
    return checkpoint.config, network


def _fill(checkpoint: Any, content: dict[str, Any]) -> None:
    """What `SevenNetCheckpoint` would read by itself, with the full unpickler; here it is loaded already."""
    from sevenn import checkpoint as source

    own_loader = source.torch_load
    source.torch_load = lambda *_, **__: content
    try:
        checkpoint._load()
    finally:
        source.torch_load = own_loader


def choose_modality(path: Path, network: Any, asked: str | None, *, deploy: bool = False) -> str | None:
    """Of a model trained on several kinds of data: the one that is asked for, or the only one; None: it knows none.

    With `deploy`, the network evaluates it from now on.

    Raises:
        ModelError: the model lacks the one that is asked for, or knows several and none is asked for.
    """
    known = list(network.modal_map or ())
    if not known:
        require_head(path, asked, known, "modality")
        return None
    chosen = chosen_of_several(path, asked, known, "modality")
    if deploy:
        network.prepare_modal_deploy(chosen)
    return chosen


def _for_several_ranks(network: Any, dtype: torch.dtype) -> Any:
    """Convolutions that fetch ghosts, and no derivatives of its own: they are taken outside."""
    network = alone(network, dtype)
    for name, module in list(network.named_children()):
        if name.endswith("_convolution"):
            network.replace_module(name, _WithGhosts(module))
    return network


def alone(network: Any, dtype: torch.dtype) -> Any:
    """The network for one structure whose atoms are all here, in a precision, without derivatives of its own."""
    network.set_is_batch_data(False)
    network.key_grad = None
    network.delete_module_by_key("force_output")
    for name, module in list(network.named_children()):
        if type(module).__name__ == "OnehotEmbedding":
            network.replace_module(name, _Marks(module, dtype))
        elif type(module).__name__ == "_ModalInputPrepare":
            network.replace_module(name, _Modality(module.modal_idx))
            _of_one_modality(network, module.modal_idx)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.to(dtype=dtype).eval()


def _of_one_modality(network: Any, number: int) -> None:
    """Energies of elements by themselves are those of one modality, which the host would have to know at each call."""
    for module in network.children():
        if type(module).__name__ == "ModalWiseRescale":
            for kind in ("shift", "scale"):
                if getattr(module, f"use_modal_wise_{kind}"):
                    setattr(module, kind, torch.nn.Parameter(getattr(module, kind)[number].detach().clone()))
                    setattr(module, f"use_modal_wise_{kind}", False)


def _last_layers(network: Any) -> list[LastLayer]:
    """Two linear maps, which are one of the node features; or the last of a perceptron."""
    parts = dict(network.named_children())
    if "readout_FCN" in parts:
        *_, last = parts["readout_FCN"].fcn.children()
        return [LastLayer(last, int(last.h_in), lambda given: given)]
    if "reduce_input_to_hidden" not in parts:
        return []
    first = parts["reduce_input_to_hidden"]
    width = int(first._irreps_in_wo_modal.dim)
    return [LastLayer(first, width, lambda data: data["x"][:, :width])]


class _WithGhosts(torch.nn.Module):
    """A convolution from local atoms and ghosts to local atoms."""

    def __init__(self, convolution: torch.nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        pairs = data[_PAIRS]
        data["x"] = fetch_ghosts(data["x"], pairs)
        data = self.convolution(data)
        data["x"] = data["x"][: pairs.nlocal]
        return data


class _Marks(torch.nn.Module):
    """In place of SevenNet's marks of elements or modalities, which are float32: in the network's own precision.

    SevenNet's look at the numbers that they mark, for which the host has to wait where these are on the CPU.
    """

    rows: torch.Tensor

    def __init__(self, embedding: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("rows", torch.eye(embedding.num_classes, dtype=dtype))
        self._source, self._saved = embedding.key_x, embedding.key_save
        self._targets = [key for key in (embedding.key_output, embedding.key_additional_output) if key is not None]

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        numbers = data[self._source]
        marks = torch.nn.functional.embedding(numbers, self.rows)
        for key in self._targets:
            data[key] = marks
        if self._saved is not None:
            data[self._saved] = numbers
        return data


class _Modality(torch.nn.Module):
    """The number of the modality, which SevenNet would copy to the device at each call."""

    number: torch.Tensor

    def __init__(self, number: int) -> None:
        super().__init__()
        self.register_buffer("number", torch.tensor(number, dtype=torch.int64))

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        from sevenn import _keys

        data[_keys.MODAL_TYPE] = self.number
        return data
