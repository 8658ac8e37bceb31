"""The side of `pair_style lamplighter` that evaluates models: it answers the C calls of `pair_styles/bridge.h`.

`attach(lmp)` registers three functions (open, compute, close) with the plugin. LAMMPS calls them from inside
its own commands; no exception passes through C++: it is kept, LAMMPS gets a failure, and the caller fetches
it with `pending_error()`. Where there are several ranks, a failure inside a step ends all of them at once
(the others may be waiting in an exchange), with the traceback on stderr.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import time
import traceback
from collections.abc import Callable
from ctypes import c_double, c_int32, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers

from lamplighter import plugin
from lamplighter.errors import ModelError, PluginError
from lamplighter.potentials import c_interface, registry
from lamplighter.potentials import device as devices
from lamplighter.potentials.c_interface import ArrayView, Model, Request, Step
from lamplighter.potentials.exchange import ExchangeCall, OneRank, Recording, ThroughPairStyle
from lamplighter.potentials.interface import Exchange, LoadOptions, PairData, Potential
from lamplighter.potentials.loading import require_model_file

_OVERLAP = 0.1  # Å, as in pair_lamplighter.cpp


@dataclass
class Timing:
    """Seconds of this process inside model calls (exchanges included), and how many there were."""

    seconds: float = 0.0
    calls: int = 0


@dataclass
class _OpenModel:
    potential: Potential
    pair: int
    nranks: int
    rank: int
    element_of_type: torch.Tensor
    schedule: list[ExchangeCall]
    host_pairs: bool
    topology: int = 0
    elems: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    types: ArrayView = field(default_factory=lambda: ArrayView(np.int32))
    pair_i: ArrayView = field(default_factory=lambda: ArrayView(np.int64))
    pair_j: ArrayView = field(default_factory=lambda: ArrayView(np.int64))
    rij: ArrayView = field(default_factory=lambda: ArrayView(np.float64, 3))
    fij: ArrayView = field(default_factory=lambda: ArrayView(np.float64, 3))
    eatoms: ArrayView = field(default_factory=lambda: ArrayView(np.float64))
    list_on_device: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None


_library: ctypes.CDLL | None = None
_local_rank = 0
_models: dict[int, _OpenModel] = {}
_handles = itertools.count(1)
_error: BaseException | None = None
_message = ctypes.create_string_buffer(b"")
timing = Timing()


def attach(lmp: Any, comm: Any = None) -> None:
    """Connect `pair_style lamplighter` of a LAMMPS instance to this process.

    Call it once after creating the instance; it holds for all instances of the process.

    Args:
        lmp: A `lammps.lammps` object.
        comm: Its mpi4py communicator; None: MPI.COMM_WORLD. Ranks of one node share its GPUs.

    Raises:
        PluginError: the plugin is not loaded and cannot be.
    """
    global _library, _local_rank
    path = plugin.load_plugin(lmp)
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
    for name in ("lamplighter_forward_exchange", "lamplighter_reverse_exchange"):
        getattr(library, name).argtypes = [c_void_p, c_void_p, c_void_p, c_int32, c_int32]
    if library.lamplighter_set_bridge(ctypes.byref(_BRIDGE)):
        raise PluginError(
            f"the plugin {path} and this package speak different versions of their interface: reinstall lamplighter"
        )
    _library = library
    from mpi4py import MPI

    _local_rank = (comm or MPI.COMM_WORLD).Split_type(MPI.COMM_TYPE_SHARED).Get_rank()


def total_timing() -> Timing:
    """Seconds of this process in models so far, through the bridge and in the native engine, and evaluations."""
    seconds, calls = c_double(), c_int64()
    if _library is not None:
        _library.lamplighter_native_timing(ctypes.byref(seconds), ctypes.byref(calls))
    return Timing(timing.seconds + seconds.value, timing.calls + calls.value)


def pending_error() -> BaseException | None:
    """The exception behind the last failed LAMMPS command, if it came from a model; forgotten once fetched."""
    global _error
    error, _error = _error, None
    return error


def _guarded(action: Callable[[], None], *, ends_all_ranks: bool) -> int:
    """Run a callback; keep what it raises. Returns 0, or 1 if it raised."""
    global _error, _message
    try:
        action()
    except BaseException as error:
        _error = error
        _message = ctypes.create_string_buffer(f"{type(error).__name__}: {error}".encode())
        if ends_all_ranks:
            traceback.print_exception(error)
            sys.stdout.flush()
            sys.stderr.flush()
        return 1
    return 0


@c_interface.OPEN
def _open(request: Any, model: Any) -> int:
    return _guarded(lambda: _open_model(request.contents, model.contents), ends_all_ranks=False)


@c_interface.COMPUTE
def _compute(handle: int, step: Any) -> int:
    opened = _models[handle]

    def action() -> None:
        began = time.perf_counter()
        _evaluate(opened, step.contents)
        timing.seconds += time.perf_counter() - began
        timing.calls += 1

    return _guarded(action, ends_all_ranks=opened.nranks > 1)


@c_interface.CLOSE
def _close(handle: int) -> None:
    _models.pop(handle, None)


@c_interface.MESSAGE
def _last_message() -> int:
    return ctypes.addressof(_message)


@c_interface.COMPILE
def _compile(request: Any, path: int, size: int) -> int:
    """Answers 0 and a file for the native engine, USE_BRIDGE, or 1 with a message."""
    global _message
    use_bridge = ""

    def action() -> None:
        nonlocal use_bridge
        asked = request.contents
        use_bridge = _reason_for_bridge(asked)
        if use_bridge:
            return
        from lamplighter.potentials.native import DifferentArchitectures, NotCovered, compiled_in_cache

        try:
            files = _files(asked) if asked.committee else _files(asked)[:1]
            compiled = compiled_in_cache(files, _elements(asked))
        except NotCovered as problem:
            use_bridge = f"{_files(asked)[0]} has no native form: the native engine lacks {problem}"
            return
        except DifferentArchitectures as problem:
            use_bridge = f"the committee has no native form: {problem}"
            return
        name = os.fsencode(compiled) + b"\0"
        if len(name) > size:
            raise ModelError(f"the path {compiled} is too long")
        ctypes.memmove(path, name, len(name))

    failed = _guarded(action, ends_all_ranks=False)
    if use_bridge:
        _message = ctypes.create_string_buffer(use_bridge.encode())
        return c_interface.USE_BRIDGE
    return failed


# kept for the life of the process: C++ holds pointers to these functions
_BRIDGE = c_interface.Bridge(c_interface.VERSION, _open, _compute, _close, _last_message, _compile)


def _reason_for_bridge(request: Request) -> str:
    """Why the native engine is not for this request; empty if it may be."""
    kind = request.kind.decode()
    for path in _files(request):
        require_model_file(path)
    _require_elements(_elements(request))
    if kind not in ("auto", "mace"):
        return f"the native engine evaluates MACE models, not kind {kind}"
    device = devices.resolve(request.device.decode(), _local_rank)
    if device.type != "cpu":
        return f"the native engine runs on CPUs, and the model's device is {device}"
    for variable, value in (("LAMPLIGHTER_PAIRS", "model"), ("LAMPLIGHTER_MACE", "plain")):
        if os.environ.get(variable) == value:
            return f"{variable}={value} asks for the bridge"
    potential_class = registry.recognise(_files(request)[0]) if kind == "auto" else registry.load_kind(kind)
    if potential_class.kind != "mace":
        return f"the native engine evaluates MACE models, not {potential_class.kind}"
    return ""


def _files(request: Request) -> list[Path]:
    return [Path(os.fsdecode(request.models[k])) for k in range(request.nmodels)]


def _elements(request: Request) -> tuple[str, ...]:
    return tuple(request.elements[k].decode() for k in range(request.ntypes))


def _require_elements(elements: tuple[str, ...]) -> None:
    for itype, symbol in enumerate(elements, start=1):
        if symbol not in atomic_numbers or symbol == "X":
            raise ModelError(
                f"pair_coeff: {symbol!r} (atom type {itype}) is not a chemical element; after the model file(s) "
                f"it needs {len(elements)} element symbols, one for each atom type"
            )


def _open_model(request: Request, model: Model) -> None:
    files, elements = _files(request), _elements(request)
    _require_elements(elements)
    for path in files:
        require_model_file(path)

    kind = request.kind.decode()
    potential_class = registry.recognise(files[0]) if kind == "auto" else registry.load_kind(kind)
    options = LoadOptions(
        elements=elements,
        dtype=request.dtype.decode(),
        device=devices.resolve(request.device.decode(), _local_rank),
    )
    potential = potential_class.load(files[0], options)
    opened = _OpenModel(
        potential=potential,
        pair=request.pair,
        nranks=request.nranks,
        rank=request.rank,
        element_of_type=torch.tensor([potential.element_index(symbol) for symbol in elements]),
        schedule=_exchange_schedule(potential, elements[0]),
        host_pairs=potential.device.type == "cpu" and os.environ.get("LAMPLIGHTER_PAIRS") != "model",
    )
    handle = next(_handles)
    _models[handle] = opened
    model.handle = handle
    model.cutoff = potential.cutoff
    model.host_pairs = int(opened.host_pairs)


def _exchange_schedule(potential: Potential, symbol: str) -> list[ExchangeCall]:
    """The exchanges of one evaluation, read off a dimer; ranks without atoms replay them."""
    device = potential.device
    recording = Recording()
    rij = torch.zeros(2, 3, dtype=torch.float64, device=device)
    rij[0, 0], rij[1, 0] = 0.5 * potential.cutoff, -0.5 * potential.cutoff
    pair_i = torch.tensor([0, 1], device=device)
    dimer = PairData(
        nlocal=2,
        ntotal=2,
        elems=torch.full((2,), potential.element_index(symbol), device=device),
        pair_i=pair_i,
        pair_j=1 - pair_i,
        rij=rij,
        eatoms=torch.zeros(2, dtype=torch.float64, device=device),
        pair_forces=torch.zeros(2, 3, dtype=torch.float64, device=device),
        exchange=recording,
    )
    potential.compute(dimer)
    return recording.calls


def _evaluate(opened: _OpenModel, step: Step) -> None:
    potential = opened.potential
    exchange: Exchange = OneRank()
    if opened.nranks > 1:
        assert _library is not None
        through = ThroughPairStyle(_library, opened.pair, step.nlocal, step.ntotal)
        if step.nlocal == 0:
            through.replay(opened.schedule)
            step.energy = 0.0
            return
        exchange = through
    elif step.nlocal == 0:
        return

    if step.rebuilt:
        types = opened.types(step.type, step.ntotal, step.ntotal)
        opened.elems = opened.element_of_type[types.to(torch.int64) - 1].to(potential.device)
        opened.topology += 1

    if opened.host_pairs:
        data = PairData(
            nlocal=step.nlocal,
            ntotal=step.ntotal,
            elems=opened.elems,
            pair_i=opened.pair_i(step.pair_i, step.npairs, step.pair_capacity),
            pair_j=opened.pair_j(step.pair_j, step.npairs, step.pair_capacity),
            rij=opened.rij(step.rij, step.npairs, step.pair_capacity),
            eatoms=opened.eatoms(step.eatoms, step.nlocal, step.atom_capacity),
            pair_forces=opened.fij(step.fij, step.npairs, step.pair_capacity),
            exchange=exchange,
            topology=opened.topology,
        )
        potential.compute(data)
        step.energy = data.energy
    else:
        _evaluate_on_device(opened, step, exchange)


def _evaluate_on_device(opened: _OpenModel, step: Step, exchange: Exchange) -> None:
    """Pairs are kept where the model runs: per step only positions go down, forces and virial come up."""
    potential, device = opened.potential, opened.potential.device
    if step.rebuilt or opened.list_on_device is None:
        opened.list_on_device = tuple(
            ArrayView(np.int64)(address, step.nlist, step.nlist).to(device, copy=True)
            for address in (step.list_i, step.list_j, step.list_j_x)
        )
    assert opened.list_on_device is not None
    list_i, list_j, list_j_x = opened.list_on_device
    x_host = ArrayView(np.float64, 3)(step.x, step.nx, step.nx)
    x = x_host.to(device)
    rij = x[list_j_x] - x[list_i]
    distance = torch.linalg.vector_norm(rij, dim=1)
    near = torch.nonzero(distance < potential.cutoff).squeeze(1)
    i, j, j_x, rij = list_i[near], list_j[near], list_j_x[near], rij[near]
    if len(near) and float(distance[near].min()) < _OVERLAP:
        raise ModelError(
            f"two atoms are {float(distance[near].min()):.4g} Å apart, less than {_OVERLAP} Å: check the "
            "structure, or minimise it with a repulsive pair style first"
        )
    data = PairData(
        nlocal=step.nlocal,
        ntotal=step.ntotal,
        elems=opened.elems,
        pair_i=i,
        pair_j=j,
        rij=rij,
        eatoms=torch.zeros(step.nlocal, dtype=torch.float64, device=device),
        pair_forces=torch.zeros(len(near), 3, dtype=torch.float64, device=device),
        exchange=exchange,
        topology=opened.topology,
    )
    potential.compute(data)

    # a folded ghost's force is its atom's; on several ranks LAMMPS sends it home (newton on)
    receiver = j if opened.nranks == 1 else j_x
    rij = rij.detach()
    forces = torch.zeros_like(x)
    forces.index_add_(0, i, data.pair_forces)
    forces.index_add_(0, receiver, -data.pair_forces)
    ArrayView(np.float64, 3)(step.f, step.nx, step.nx).add_(forces.to("cpu"))
    opened.eatoms(step.eatoms, step.nlocal, step.atom_capacity).copy_(data.eatoms)
    step.energy = data.energy
    if step.virial_wanted:
        outer = -rij[:, :, None] * data.pair_forces[:, None, :]
        outer = 0.5 * (outer + outer.transpose(1, 2))
        rows, columns = (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)
        pair_virial = outer[:, rows, columns]
        ArrayView(np.float64)(step.virial, 6, 6).add_(pair_virial.sum(dim=0).to("cpu"))
        if step.peratom:
            vatom = torch.zeros(step.nx, 6, dtype=torch.float64, device=device)
            vatom.index_add_(0, i, 0.5 * pair_virial)
            vatom.index_add_(0, receiver, 0.5 * pair_virial)
            ArrayView(np.float64, 6)(step.vatom, step.nx, step.nx).add_(vatom.to("cpu"))
