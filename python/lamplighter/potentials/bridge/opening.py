"""Opening a model for the bridge: from a request of `pair_style lamplighter` to what carries out its steps."""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from ase.data import atomic_numbers

from lamplighter.errors import ModelError
from lamplighter.model_files.torch_file import require_model_file
from lamplighter.potentials import device as devices
from lamplighter.potentials import precision, registry, tf32
from lamplighter.potentials.bridge import header as c_interface
from lamplighter.potentials.bridge.header import Model, Request, Step
from lamplighter.potentials.bridge.pair_step import PairSteps
from lamplighter.potentials.bridge.positions_step import ClusterSteps, SystemSteps
from lamplighter.potentials.bridge.requests import elements_of, files_of, require_elements, require_one_kind
from lamplighter.potentials.interface import ClusterPotential, LoadOptions, PairPotential, Potential, SystemPotential
from lamplighter.potentials.out_of_memory import is_out_of_memory, out_of_memory
from lamplighter.potentials.own_uncertainty import OwnUncertainty

OF_MACE = {
    "torch-fast": ("lamplighter.potentials.torch_fast.potential", "TorchFast"),
    "symmetrix": ("lamplighter.potentials.symmetrix.potential", "Symmetrix"),
}
"""Engines of MACE models, by module and class."""


class Steps(Protocol):
    """Carries out steps of LAMMPS."""

    def evaluate(self, step: Step) -> None: ...


@dataclass(frozen=True)
class OpenModel:
    """A model of a pair style.

    Attributes:
        steps: Carries out its steps.
        device, dtype: Where it runs, and in what.
        rank, nranks: This rank, and how many there are.
        tf32: Whether a GPU may round its products.
        summary: A line about it for LAMMPS' log, or nothing.
        layout: Whose order features have that ranks hand each other; empty: there is one alone.
    """

    steps: Steps
    device: torch.device
    dtype: torch.dtype
    rank: int
    nranks: int
    tf32: bool
    summary: str = ""
    layout: str = ""

    def evaluate(self, step: Step) -> None:
        """Evaluate a step. Collective.

        Raises:
            OutOfMemory: there is not enough of it; what to do.
        """
        tf32.put(self.tf32)
        try:
            self.steps.evaluate(step)
        except Exception as problem:
            if not is_out_of_memory(problem):
                raise
            pairs = max(int(step.npairs), int(step.nlist))
            raise out_of_memory(problem, self.device, self.dtype, int(step.ntotal), pairs) from problem


def open_model(request: Request, model: Model, library: ctypes.CDLL, local_rank: int, comm: Any = None) -> OpenModel:
    """Open what a request asks for, and say in `model` what LAMMPS is to hand over.

    Args:
        request: Of the pair style.
        model: What is said of the model.
        library: The plugin.
        local_rank: Of this rank among those of its node.
        comm: As of `PairSteps`.

    Raises:
        ModelError, EnvironmentProblem: it cannot be opened, or not on so many ranks.
    """
    device = torch.device("cpu")
    try:
        potential_class = _class_of(request)
        device = _device(potential_class, request.device.decode(), local_rank)
        return _open(potential_class, device, request, model, library, comm)
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        raise out_of_memory(problem, device, None) from problem


def _class_of(request: Request) -> type[Potential]:
    require_elements(elements_of(request))
    engine = request.engine.decode()
    return _of_mace(engine, request) if engine in OF_MACE else _by_its_framework(request)


def _open(
    potential_class: type[Potential],
    device: torch.device,
    request: Request,
    model: Model,
    library: ctypes.CDLL,
    comm: Any,
) -> OpenModel:
    elements, path = elements_of(request), files_of(request)[request.wanted]
    if issubclass(potential_class, SystemPotential) and request.nranks > 1:
        raise ModelError(
            f"model file {path}: models of kind {potential_class.kind} are evaluated for all atoms at once, on one "
            f"rank, and there are {request.nranks}: start without mpirun, or with mpirun -n 1"
        )
    options = LoadOptions(
        elements=elements,
        dtype=request.dtype.decode(),
        device=device,
        head=request.head.decode() or None,
        nranks=request.nranks,
    )
    potential = potential_class.load(path, options)
    if potential.one_rank_because and request.nranks > 1:
        raise ModelError(
            f"model file {path} runs on one rank, and there are {request.nranks}: {potential.one_rank_because}, or "
            "start without mpirun, or with mpirun -n 1"
        )
    rounded = bool(request.tf32)
    tf32.require_possible(rounded, device, potential.dtype)
    tf32.put(rounded)
    if potential.device.type != "cpu" and potential.dtype == torch.float32 and not rounded:
        tf32.require_exact_products(device)
    precision.note(path, str(potential.dtype).removeprefix("torch."))
    model.cutoff = potential.cutoff
    own = None
    if request.training_set:
        statistics = Path(os.fsdecode(request.training_set))
        own = OwnUncertainty(statistics, path, potential.n_inputs, potential.kind, elements, options.head)
    steps = _steps_of(potential, request, elements, model, library, own, comm)
    summary = getattr(potential, "summary", "")
    layout = getattr(potential, "layout", "")
    return OpenModel(steps, device, potential.dtype, request.rank, request.nranks, rounded, summary, layout)


def require_one_layout(layouts: Sequence[str | None]) -> None:
    """Refuse ranks whose features have another order. `layouts` of all ranks; None: that rank has no model to open.

    Raises:
        ModelError: naming what each rank has.
    """
    if len({each for each in layouts if each is not None}) > 1:
        ways = "; ".join(f"rank {rank}: {each}" for rank, each in enumerate(layouts))
        raise ModelError(
            f"a model is not evaluated in the same way on all ranks ({ways}): LAMPLIGHTER_MACE=reordered "
            "leaves kernels of other packages out"
        )


def _by_its_framework(request: Request) -> type[Potential]:
    kind, files = request.kind.decode(), files_of(request)
    path = files[request.wanted]
    for each in files:
        require_model_file(each, kind)
    if request.committee and request.wanted == 0:
        require_one_kind(files)
    return registry.recognise(path) if kind == "auto" else registry.load_kind(kind)


def _of_mace(engine: str, request: Request) -> type[Potential]:
    """The engine of a name, which refuses all but MACE; torch-fast reads compiled models, too."""
    if request.kind.decode() not in ("auto", "mace"):
        raise ModelError(
            f"engine {engine} evaluates MACE models, not kind {request.kind.decode()}: use engine auto, native or "
            "bridge"
        )
    if request.training_set:
        raise ModelError(
            f"engine {engine} does not say how uncertain a model is: leave out `extrapolation`, or use engine native "
            "or bridge"
        )
    if engine == "symmetrix" and request.tf32:
        raise ModelError("engine symmetrix makes its products itself, and rounds none of them to TF32: leave out tf32")
    module, name = OF_MACE[engine]
    found: type[Potential] = getattr(importlib.import_module(module), name)
    return found


def _device(potential_class: type[Potential], requested: str, local_rank: int) -> torch.device:
    if potential_class.runs_on_gpu:
        return devices.taken(requested, local_rank)
    if requested not in ("auto", "cpu"):
        raise ModelError(f"models of kind {potential_class.kind} run on CPUs: leave out device {requested}")
    return torch.device("cpu")


def _steps_of(
    potential: Potential,
    request: Request,
    elements: tuple[str, ...],
    model: Model,
    library: ctypes.CDLL,
    own: OwnUncertainty | None,
    comm: Any,
) -> Steps:
    """What carries out the steps of a model; and what LAMMPS is to hand over."""
    numbers = np.array([atomic_numbers[symbol] for symbol in elements])
    if isinstance(potential, ClusterPotential):
        model.takes = c_interface.LIST
        return ClusterSteps(potential, numbers, library, request.pair)
    if isinstance(potential, SystemPotential):
        model.takes = c_interface.SYSTEM
        model.lacks_virial = int(not potential.has_virial)
        return SystemSteps(potential, numbers)
    assert isinstance(potential, PairPotential)
    host_pairs = potential.device.type == "cpu" and os.environ.get("LAMPLIGHTER_PAIRS") != "model"
    model.takes = c_interface.PAIRS if host_pairs else c_interface.LIST
    return PairSteps(potential, elements, library, request.pair, request.nranks, host_pairs, own, comm)
