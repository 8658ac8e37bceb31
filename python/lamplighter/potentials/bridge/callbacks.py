"""The side of `pair_style lamplighter` that evaluates models: it answers the C calls of `pair_styles/bridge.h`.

`attach(lmp)` registers three functions (open, compute, close) with the plugin. LAMMPS calls them from inside
its own commands; no exception passes through C++: it is kept, LAMMPS gets a failure, and the caller fetches
it with `pending_error()`. Where there are several ranks, a failure inside a step ends all of them at once
(the others may be waiting in an exchange), with its message, or the traceback of a fault, on stderr.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from ctypes import c_double, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamplighter import plugin
from lamplighter.errors import LamplighterError, ModelError, PluginError
from lamplighter.frameworks import FRAMEWORKS
from lamplighter.model_files.torch_file import require_model_file
from lamplighter.potentials import compiled_cache, precision, registry
from lamplighter.potentials import device as devices
from lamplighter.potentials.bridge import header as c_interface
from lamplighter.potentials.bridge.header import Request
from lamplighter.potentials.bridge.requests import elements_of, files_of, require_elements, require_one_kind
from lamplighter.silence import last_words

if TYPE_CHECKING:
    from lamplighter.potentials.bridge.opening import OpenModel


@dataclass
class Timing:
    """Seconds of this process inside model calls (exchanges included), and how many there were."""

    seconds: float = 0.0
    calls: int = 0


_library: ctypes.CDLL | None = None
_comm: Any = None
_node: Any = None
_before_torch: Callable[[], None] = lambda: None  # noqa: E731
_models: dict[int, OpenModel] = {}
_handles = itertools.count(1)
_error: BaseException | None = None
_message = ctypes.create_string_buffer(b"")
timing = Timing()


def attach(lmp: Any, comm: Any = None, before_torch: Callable[[], None] | None = None) -> None:
    """Connect `pair_style lamplighter` of a LAMMPS instance to this process.

    Call it once after creating the instance; it holds for all instances of the process.

    Args:
        lmp: A `lammps.lammps` object.
        comm: Its mpi4py communicator; None: MPI.COMM_WORLD. Ranks of one node share its GPUs.
        before_torch: Called before a model is opened or compiled by torch, which may never be: threads, for instance.

    Raises:
        PluginError: the plugin is not loaded and cannot be.
    """
    global _library, _comm, _node, _before_torch
    path = plugin.load_plugin(lmp)
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
    for name in ("lamplighter_forward_exchange", "lamplighter_reverse_exchange"):
        getattr(library, name).argtypes = [c_void_p, c_void_p, c_void_p, c_int32, c_int32]
    if library.lamplighter_set_bridge(ctypes.byref(_BRIDGE)):
        raise PluginError(
            f"the plugin {path} and this package speak different versions of their interface: reinstall lamplighter"
        )
    _library = library
    _before_torch = before_torch or (lambda: None)
    from mpi4py import MPI

    _comm = comm or MPI.COMM_WORLD
    _node = _comm.Split_type(MPI.COMM_TYPE_SHARED)


def _local_rank() -> int:
    """This rank among those of its node."""
    return 0 if _node is None else int(_node.Get_rank())


def total_timing() -> Timing:
    """Seconds of this process in models so far, through the bridge and in the native engine, and evaluations."""
    seconds, calls = c_double(), c_int64()
    if _library is not None:
        _library.lamplighter_native_timing(ctypes.byref(seconds), ctypes.byref(calls))
    return Timing(timing.seconds + seconds.value, timing.calls + calls.value)


@dataclass(frozen=True)
class ExchangeTotals:
    """What rows of numbers took that models and committees of this process have sent between ranks.

    Attributes:
        seconds: In all; with what ranks waited for each other, unless LAMMPS' timer synchronised.
        waiting: For other ranks, s, while LAMMPS' timer synchronised.
        rounds: In each of them, a message travels to each neighbour.
        bytes: Of one row, in all rounds together.
    """

    seconds: float = 0.0
    waiting: float = 0.0
    rounds: int = 0
    bytes: int = 0


def total_exchange() -> ExchangeTotals:
    """What exchanges of this process took so far; nothing, where no model was connected."""
    found = c_interface.ExchangeTotals()
    if _library is not None:
        _library.lamplighter_exchange_timing(ctypes.byref(found))
    between = sys.modules.get("lamplighter.potentials.bridge.device_exchange")
    if between is None:
        return ExchangeTotals(found.seconds, found.waiting, found.rounds, found.bytes)
    own = between.travelled
    return ExchangeTotals(
        found.seconds + own.seconds, found.waiting, found.rounds + own.rounds, found.bytes + own.bytes
    )


def pending_error() -> BaseException | None:
    """The exception behind the last failed LAMMPS command, if it came from a model; forgotten once fetched."""
    global _error
    error, _error = _error, None
    return error


def _guarded(action: Callable[[], None], *, last_words_of: str = "") -> int:
    """Run a callback; keep what it raises. Returns 0, or 1 if it raised.

    Args:
        action: The callback.
        last_words_of: The rank, where all ranks end with what it raises; empty: they do not, and the caller tells it.
    """
    global _error, _message
    try:
        action()
    except BaseException as error:
        _error = error
        _message = ctypes.create_string_buffer(_as_bytes(f"{type(error).__name__}: {error}"))
        if last_words_of:
            if isinstance(error, LamplighterError):
                print(f"[{last_words_of}] Error: {error}", file=last_words())
            else:
                traceback.print_exception(error, file=last_words())
            sys.stdout.flush()
            last_words().flush()
        return 1
    return 0


def _as_bytes(message: str) -> bytes:
    """File names in it are the bytes that they were; nothing in it can hide the error that it tells of."""
    try:
        return message.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:
        return message.encode("utf-8", errors="backslashreplace")


@c_interface.OPEN
def _open(request: Any, model: Any) -> int:
    def action() -> None:
        global _message
        from lamplighter.potentials.bridge.opening import open_model, require_one_layout

        assert _library is not None
        _before_torch()
        device = request.contents.device.decode()
        from lamplighter.potentials.bridge.device_exchange import of_lammps

        # collective, and so before anything that may fail on one rank
        comm = of_lammps(_comm, request.contents.rank, request.contents.nranks)
        gpus = [] if _node is None else _node.allgather(devices.identity(device, _node.Get_rank()))
        handle = next(_handles)
        layout = None
        try:
            opened = open_model(request.contents, model.contents, _library, _local_rank(), comm)
            layout = opened.layout
        finally:  # a rank that fails must not leave the others waiting
            layouts = [layout] if comm is None else comm.allgather(layout)
        require_one_layout(layouts)
        _models[handle] = opened
        model.contents.handle = handle
        shared = devices.sharing(gpus, _local_rank())
        _message = ctypes.create_string_buffer(_as_bytes("; ".join(filter(None, (opened.summary, shared)))))

    return _guarded(action)


@c_interface.COMPUTE
def _compute(handle: int, step: Any) -> int:
    opened = _models[handle]

    def action() -> None:
        began = time.perf_counter()
        opened.evaluate(step.contents)
        timing.seconds += time.perf_counter() - began
        timing.calls += 1

    several = opened.nranks > 1
    return _guarded(action, last_words_of=f"rank {opened.rank} of {opened.nranks}" if several else "")


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
        files = files_of(asked) if asked.committee else files_of(asked)[:1]
        wanted = (files, elements_of(asked), asked.head.decode() or None)
        compiled = compiled_cache.find(*wanted)
        if compiled is None:
            compiled = compile_now(*wanted)
        if compiled is None:
            return
        for file in files:
            precision.note(file, precision.of_compiled(compiled, asked.dtype.decode()) or "")
        name = os.fsencode(compiled) + b"\0"
        if len(name) > size:
            raise ModelError(f"the path {compiled} is too long")
        ctypes.memmove(path, name, len(name))

    def compile_now(files: list[Path], elements: tuple[str, ...], head: str | None) -> Path | None:
        nonlocal use_bridge
        _before_torch()
        registry.load_kind(registry.kind_of(files[0]))
        from lamplighter.potentials.native import DifferentArchitectures, Disagreement, NotCovered, compiled_in_cache

        try:
            return compiled_in_cache(files, elements, head)
        except NotCovered as problem:
            use_bridge = f"{files[0]} has no native form: the native engine lacks {problem}"
        except DifferentArchitectures as problem:
            use_bridge = f"the committee has no native form: {problem}"
        except Disagreement as problem:  # the framework says what the model is, so that nothing wrong is run
            use_bridge = f"WARNING: {problem}"
        return None

    failed = _guarded(action)
    if use_bridge:
        _message = ctypes.create_string_buffer(_as_bytes(use_bridge))
        return c_interface.USE_BRIDGE
    return failed


# kept for the life of the process: C++ holds pointers to these functions
_BRIDGE = c_interface.Bridge(c_interface.VERSION, _open, _compute, _close, _last_message, _compile)


def _and(kinds: Sequence[str]) -> str:
    return " and ".join(FRAMEWORKS[kind].name for kind in kinds)


def _reason_for_bridge(request: Request) -> str:
    """Why the native engine is not for this request; empty if it may be."""
    kind = request.kind.decode()
    for path in files_of(request):
        require_model_file(path, kind)
    require_elements(elements_of(request))
    native = compiled_cache.FRAMEWORKS
    if kind not in ("auto", *native):
        return f"the native engine evaluates {_and(native)} models, not kind {kind}"
    if not devices.is_cpu(request.device.decode(), _local_rank()):
        device = devices.resolve(request.device.decode(), _local_rank())
        return f"the native engine runs on CPUs, and the model's device is {device}"
    for variable, value in (("LAMPLIGHTER_PAIRS", "model"), ("LAMPLIGHTER_MACE", "plain")):
        if os.environ.get(variable) == value:
            return f"{variable}={value} asks for the bridge"
    found = registry.kind_of(files_of(request)[0]) if kind == "auto" else kind
    if found not in native:
        return f"the native engine evaluates {_and(native)} models, not {found}"
    if request.committee:
        require_one_kind(files_of(request))
    return ""
