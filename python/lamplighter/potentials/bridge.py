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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from ase.data import atomic_numbers

from lamplighter import plugin
from lamplighter.errors import ModelError, PluginError
from lamplighter.potentials import c_interface, registry
from lamplighter.potentials import device as devices
from lamplighter.potentials.c_interface import Model, Request, Step
from lamplighter.potentials.interface import AnyPotential, LoadOptions, Potential
from lamplighter.potentials.loading import require_model_file
from lamplighter.potentials.pair_step import PairSteps
from lamplighter.potentials.positions import ClusterPotential, SystemPotential
from lamplighter.potentials.positions_step import ClusterSteps, SystemSteps
from lamplighter.silence import last_words


@dataclass
class Timing:
    """Seconds of this process inside model calls (exchanges included), and how many there were."""

    seconds: float = 0.0
    calls: int = 0


class _Steps(Protocol):
    def evaluate(self, step: Step) -> None: ...


@dataclass(frozen=True)
class _OpenModel:
    steps: _Steps
    nranks: int


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
            traceback.print_exception(error, file=last_words())
            sys.stdout.flush()
            last_words().flush()
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
        opened.steps.evaluate(step.contents)
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
            compiled = compiled_in_cache(files, _elements(asked), asked.head.decode() or None)
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
    if request.committee:
        _require_one_kind(_files(request))
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


def _require_one_kind(files: list[Path]) -> None:
    """Refuse a committee of several frameworks: their energies have different zeros, and their errors other causes."""
    kinds = {path: registry.recognise(path).kind for path in files}
    first = files[0]
    for path, kind in kinds.items():
        if kind != kinds[first]:
            raise ModelError(
                f"the models of a committee are of one framework: {first} is of kind {kinds[first]}, and {path} is of "
                f"kind {kind}. To compare frameworks, run each by itself, or name both as ASE calculators (kind ase)"
            )


def _open_model(request: Request, model: Model) -> None:
    files, elements = _files(request), _elements(request)
    _require_elements(elements)
    for path in files:
        require_model_file(path)

    if request.committee and request.wanted == 0:
        _require_one_kind(files)
    path, kind = files[request.wanted], request.kind.decode()
    potential_class = registry.recognise(path) if kind == "auto" else registry.load_kind(kind)
    if issubclass(potential_class, SystemPotential) and request.nranks > 1:
        raise ModelError(
            f"model file {path}: models of kind {potential_class.kind} are evaluated for all atoms at once, on one "
            f"rank, and there are {request.nranks}: start without mpirun, or with mpirun -n 1"
        )
    options = LoadOptions(
        elements=elements,
        dtype=request.dtype.decode(),
        device=_device(potential_class, request.device.decode()),
        head=request.head.decode() or None,
    )
    potential = potential_class.load(path, options)
    if potential.one_rank_because and request.nranks > 1:
        raise ModelError(
            f"model file {path} runs on one rank, and there are {request.nranks}: {potential.one_rank_because}, or "
            "start without mpirun, or with mpirun -n 1"
        )
    handle = next(_handles)
    _models[handle] = _OpenModel(_steps_of(potential, request, elements, model), request.nranks)
    model.handle = handle
    model.cutoff = potential.cutoff


def _device(potential_class: type[AnyPotential], requested: str) -> torch.device:
    if potential_class.runs_on_gpu:
        return devices.resolve(requested, _local_rank)
    if requested not in ("auto", "cpu"):
        raise ModelError(f"models of kind {potential_class.kind} run on CPUs: leave out device {requested}")
    return torch.device("cpu")


def _steps_of(potential: AnyPotential, request: Request, elements: tuple[str, ...], model: Model) -> _Steps:
    """What carries out the steps of a model; and what LAMMPS is to hand over."""
    assert _library is not None
    numbers = np.array([atomic_numbers[symbol] for symbol in elements])
    if isinstance(potential, ClusterPotential):
        model.takes = c_interface.LIST
        return ClusterSteps(potential, numbers, _library, request.pair)
    if isinstance(potential, SystemPotential):
        model.takes = c_interface.SYSTEM
        model.lacks_virial = int(not potential.has_virial)
        return SystemSteps(potential, numbers)
    assert isinstance(potential, Potential)
    host_pairs = potential.device.type == "cpu" and os.environ.get("LAMPLIGHTER_PAIRS") != "model"
    model.takes = c_interface.PAIRS if host_pairs else c_interface.LIST
    return PairSteps(potential, elements, _library, request.pair, request.nranks, host_pairs)
