"""A step of MACE's training as one graph, traced through energies, forces and the gradients of the loss, and compiled.

Torch's compiler does not differentiate twice what it has compiled, so that the derivatives are traced with the rest:
the graph takes weights and a batch and gives the loss and its gradients by the weights. What stands between two
products of matrices becomes one loop of C++ in place of a pass over memory for each sum and product.
"""

import contextlib
import fcntl
import functools
import hashlib
import inspect
import time
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from mace.modules import models
from mace_forms import Forms  # type: ignore[import-not-found]
from torch._inductor.runtime.cache_dir_utils import cache_dir
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

_EAGER_SECONDS = 120.0
"""Of steps before one is compiled, which takes about as long: a training that is shorter goes without."""

_KNOWN_SECONDS = 20.0
"""The same of a step that torch's cache has from another training, of another seed say."""

FIRST_BATCHES = 8
"""Batches whose shapes are seen before a step is compiled: what differs among them may differ."""

_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
"""Of the largest difference of gradients, over the largest gradient."""

_OF_DATA = ("atomic_energies_fn.atomic_energies", "scale_shift.scale", "scale_shift.shift")

_COMPILER = functools.partial(torch.compile, dynamic=True, fullgraph=True)

_PROBLEMS = (ArithmeticError, AssertionError, LookupError, AttributeError, RuntimeError, TypeError, ValueError, OSError)


class CompiledSteps:
    """Takes the place of `mace.tools.train.take_step`.

    Args:
        own: MACE's.
        in_maces_order: Context in which modules work in MACE's order.
        eager_seconds: Time spent in MACE's own steps before one is compiled.
        known_seconds: The same where another training has compiled such a step.
        compiler: Of the graph; None: it runs as it was traced.

    Attributes:
        own: MACE's.
    """

    def __init__(
        self,
        own,
        in_maces_order,
        eager_seconds: float = _EAGER_SECONDS,
        known_seconds: float = _KNOWN_SECONDS,
        compiler: Any = _COMPILER,
    ):
        self.own, self._in_maces_order, self._compiler = own, in_maces_order, compiler
        self._eager_seconds, self._known_seconds = eager_seconds, min(known_seconds, eager_seconds)
        self._signature = inspect.signature(own)
        self._seconds = 0.0
        self._shapes: Any = WeakKeyDictionary()  # of a model, by the number of structures
        self._steps: Any = WeakKeyDictionary()
        self._marks: Any = WeakKeyDictionary()

    def __call__(self, *words, **named):
        """As MACE's own."""
        given = self._signature.bind(*words, **named).arguments
        model, batch = given["model"], given["batch"]
        if not isinstance(model, models.MACE) or batch.positions.device.type != "cpu":
            return self.own(**given)
        steps, case = self._steps.setdefault(model, {}), _case(given)
        step = steps.get(case)
        if step is None:
            step = steps[case] = self._made(given, case)
        if step is None:
            begin = time.monotonic()
            answer = self.own(**given)
            self._seconds += time.monotonic() - begin
            return answer
        if not step or not step.fits(batch):
            return self.own(**given)
        return self.own(**{**given, "model": _Asked(step, given), "loss_fn": lambda pred, ref: pred})

    def _seen(self, model, batch) -> list[dict[str, torch.Size]]:
        """Shapes of the first batches of so many structures, this one among them."""
        seen: list[dict[str, torch.Size]] = self._shapes.setdefault(model, {}).setdefault(len(batch.ptr), [])
        if len(seen) < FIRST_BATCHES:
            seen.append({name: each.shape for name, each in _tensors(batch).items()})
        return seen

    def _is_time(self, model, batch, seconds: float) -> bool:
        """Whether to compile, with this batch as the example: its open sizes must look like no other size."""
        if self._seconds < seconds:
            return False
        others = {n for each in model.parameters() for n in each.shape} | {0, 1, 2, 3, 9}
        others |= {len(batch.ptr), len(batch.ptr) - 1, 3 * len(batch.ptr) - 3}
        sizes = {batch.positions.shape[0], batch.edge_index.shape[1]}
        return len(sizes) == 2 and not sizes & others

    def _made(self, given, case):
        """The step, or False where it is left to MACE; None: it is not time yet, or another process compiles it."""
        model, marks = given["model"], self._marks.setdefault(given["model"], {})
        seen = self._seen(model, given["batch"])
        if len(seen) < FIRST_BATCHES:
            return None
        if case not in marks:
            marks[case] = None if self._compiler is None else _mark(model, case, _sizes(seen))
        mark = marks[case]
        known = mark is not None and mark.exists()
        if not self._is_time(model, given["batch"], self._known_seconds if known else self._eager_seconds):
            return None
        with _by_one(mark) as mine:
            step = self._compiled(given) if mine else None
            if step:
                _leave(mark)
        return step

    def _compiled(self, given):
        """The step, or False where it is left to MACE."""
        begin = time.monotonic()
        step: Any = False
        try:
            torch._inductor.config.compile_threads = max(1, torch.get_num_threads())  # the others have work
            step = _Step(
                given, self._shapes[given["model"]][len(given["batch"].ptr)], self._in_maces_order, self._compiler
            )
            difference = step.difference(given)
            agrees = difference <= _TOLERANCE[given["batch"].positions.dtype]
            said = f"agrees with MACE's own to {difference:.0e} (compiled in {time.monotonic() - begin:.0f} s)"
        except _PROBLEMS as problem:
            agrees, said = False, f"failed: {problem}".splitlines()[0]
        print(f"Lamplighter: compiled step {said}{'' if agrees else '; left to MACE'}", flush=True)
        return step if agrees else False


def _mark(model, case, sizes) -> Path:
    """A file beside torch's cache that is there once such a step was compiled, with the same constants in it.

    Args:
        model, case: Whose step it is.
        sizes: Those that batches have in common, and which ones are open.
    """
    weights = [(name, tuple(each.shape), str(each.dtype)) for name, each in model.named_parameters()]
    kinds = [(name, type(each)) for name, each in model.named_modules()]  # of others, e3nn numbers what it makes
    modules = [(name, kind.__qualname__) for name, kind in kinds if kind.__module__.startswith("mace.")]
    of_data = _numbers_of_data(model)
    numbers = [each.detach().cpu().numpy().tobytes() for name, each in model.named_buffers() if name not in of_data]
    known = hashlib.sha256(repr((torch.__version__, weights, modules, numbers, case, sizes)).encode()).hexdigest()
    return Path(cache_dir()) / "steps_of_mace" / known[:32]


@contextlib.contextmanager
def _by_one(mark):
    """Whether this process may compile: one does, and others of the same step go on in MACE's way until it has."""
    with contextlib.ExitStack() as until_it_has:
        mine = True
        if mark is not None and not mark.exists():
            try:
                mark.parent.mkdir(parents=True, exist_ok=True)
                lock = until_it_has.enter_context(mark.with_suffix(".lock").open("a"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                mine = False
            except OSError:  # of a cache that cannot be written, or a file system without locks
                pass
        yield mine


def _leave(mark):
    if mark is not None:
        with contextlib.suppress(OSError):
            mark.touch()


class _Step:
    """Loss and gradients of a model by its weights, compiled for batches of one number of structures."""

    def __init__(self, given, seen, in_maces_order, compiler):
        self._model, loss_fn, batch = given["model"], given["loss_fn"], given["batch"]
        if next(loss_fn.parameters(), None) is not None:
            raise NotImplementedError("a loss with weights that are learnt")
        names = [name for name, each in self._model.named_parameters() if each.requires_grad]
        of_data = _numbers_of_data(self._model)
        self._numbers, self._neighbours = list(of_data.values()), _numbers_of_neighbours(self._model)
        self.weights = [each for each in self._model.parameters() if each.requires_grad]
        factors = dict(loss_fn.named_buffers())
        tensors = _tensors(batch)
        self._names = list(tensors)
        self._shapes = {name: each.shape for name, each in tensors.items()}
        seen = [self._shapes, *seen]
        self._varies = {name: [n is None for n in each] for name, each in _sizes(seen).items()}
        asked = _asked(given["output_args"])
        forms = Forms(self._model)

        def loss_and_gradients(weights, numbers, neighbours, of_loss, tensors):
            weights = [each.detach().requires_grad_(True) for each in weights]
            batch = _Batch(zip(self._names, tensors, strict=True))
            batch["positions"] = batch["positions"].detach().requires_grad_(True)
            named = dict(zip([*names, *of_data], [*weights, *numbers], strict=True))
            with _neighbours(self._model, neighbours):
                found = functional_call(self._model, named, (dict(batch),), asked)
            in_loss = dict(zip(factors, of_loss, strict=True))
            lost = functional_call(loss_fn, in_loss, (), {"pred": found, "ref": batch})
            gradients = torch.autograd.grad(lost, weights, allow_unused=True)
            pairs = zip(gradients, weights, strict=True)
            return [lost.detach(), *(torch.zeros_like(w) if g is None else g.detach() for g, w in pairs)]

        mode = FakeTensorMode(shape_env=ShapeEnv(duck_shape=True), allow_non_fake_inputs=True)
        fake_weights = [mode.from_tensor(each.detach(), static_shapes=True) for each in self.weights]
        fake_numbers = [mode.from_tensor(each, static_shapes=True) for each in self._numbers]
        fake_neighbours = [mode.from_tensor(each, static_shapes=True) for each in self._neighbours]
        fake_factors = [mode.from_tensor(each, static_shapes=True) for each in factors.values()]
        fake_tensors = [mode.from_tensor(tensors[name], symbolic_context=self._symbols(name)) for name in self._names]
        with in_maces_order(), forms.in_place():
            graph = make_fx(loss_and_gradients, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
                fake_weights, fake_numbers, fake_neighbours, fake_factors, fake_tensors
            )
        sizes = [n for each in fake_tensors for n in each.shape if isinstance(n, torch.SymInt)]
        if any(n.node.expr.is_number for n in sizes):
            raise RuntimeError("sizes became numbers while the step was traced")
        self._graph = graph if compiler is None else compiler(graph)

    def _symbols(self, name):
        sizes = [DimDynamic.DUCK if varies else DimDynamic.STATIC for varies in self._varies[name]]
        return StatelessSymbolicContext(dynamic_sizes=sizes, constraint_sizes=[None] * len(sizes))

    def fits(self, batch) -> bool:
        """Whether it was compiled for batches such as this."""
        tensors = _tensors(batch)
        if list(tensors) != self._names:
            return False
        sizes = [
            (varies, known, n)
            for name, each in tensors.items()
            for varies, known, n in zip(self._varies[name], self._shapes[name], each.shape, strict=True)
        ]
        open_sizes = {(known, n) for varies, known, n in sizes if varies}
        alike = len(open_sizes) == len({known for known, _ in open_sizes}) == len({n for _, n in open_sizes})
        return alike and all(n > 1 if varies else n == known for varies, known, n in sizes)

    def __call__(self, loss_fn, tensors):
        """Loss and gradients; always without torch's own, as the compiler makes another graph where these differ."""
        weights, factors = [each.detach() for each in self.weights], list(loss_fn.buffers())
        batch = [tensors[name].detach() for name in self._names]
        with torch.no_grad():
            return self._graph(weights, self._numbers, self._neighbours, factors, batch)

    def difference(self, given):
        """Between the gradients of MACE's own step and these."""
        batch = given["batch"]
        loss, *found = self(given["loss_fn"], _tensors(batch))
        pred = self._model(batch.to_dict(), **_asked(given["output_args"]))
        own_loss = given["loss_fn"](pred=pred, ref=batch)
        own = torch.autograd.grad(own_loss, self.weights, allow_unused=True)
        own_loss = own_loss.detach()
        pairs = [(torch.zeros_like(b) if a is None else a, b) for a, b in zip(own, found, strict=True)]
        largest = max(float(a.abs().max()) for a, _ in pairs)
        of_gradients = max(float((a - b).abs().max()) for a, b in pairs) / max(largest, 1e-30)
        of_loss = abs(float(loss - own_loss)) / max(abs(float(own_loss)), 1e-30)
        return max(of_gradients, of_loss)


class _Asked:
    """Stands for a model and its loss in MACE's step: called, it gives the loss, whose gradients are known."""

    def __init__(self, step, given):
        self._step, self._model, self._loss_fn = step, given["model"], given["loss_fn"]

    def __call__(self, tensors, **_):
        return _KnownGradients.apply(lambda: self._step(self._loss_fn, tensors), *self._step.weights)

    def __getattr__(self, name):
        return getattr(self._model, name)


class _KnownGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, step, *weights):
        loss, *ctx.gradients = step()
        return loss

    @staticmethod
    def backward(ctx: Any, *grads):
        return (None, *(grads[0] * each for each in ctx.gradients))


class _Batch(dict):
    """A batch as losses see it: by item and by attribute."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _tensors(batch):
    return {name: each for name, each in batch.to_dict().items() if torch.is_tensor(each)}


def _numbers_of_data(model):
    """Buffers that are taken from the training frames, by name: no constants, as each training has its own."""
    return {name: each for name, each in model.named_buffers() if name in _OF_DATA}


def _numbers_of_neighbours(model):
    """The mean number of neighbours that each interaction divides by, as tensors."""
    return [torch.tensor(each.avg_num_neighbors, dtype=torch.float64) for each in _dividing(model)]


@contextlib.contextmanager
def _neighbours(model, tensors):
    """Within it, interactions divide by these."""
    modules = _dividing(model)
    own = [each.avg_num_neighbors for each in modules]
    try:
        for each, tensor in zip(modules, tensors, strict=True):
            each.avg_num_neighbors = tensor
        yield
    finally:
        for each, number in zip(modules, own, strict=True):
            each.avg_num_neighbors = number


def _dividing(model):
    return [each for each in model.modules() if isinstance(getattr(each, "avg_num_neighbors", None), float)]


def _sizes(seen):
    """Of each tensor that all these batches have; None: one that varies."""
    return {
        name: [n[0] if len(set(n)) == 1 else None for n in zip(*(shapes[name] for shapes in seen), strict=True)]
        for name, first in seen[0].items()
        if all(len(shapes.get(name, ())) == len(first) for shapes in seen)
    }


def _asked(outputs):
    """What MACE's step asks its model for."""
    return {
        "training": True,
        "compute_force": outputs["forces"],
        "compute_virials": outputs["virials"],
        "compute_stress": outputs["stress"],
    }


def _case(given):
    outputs = tuple(sorted(given["output_args"].items()))
    free = tuple(each.requires_grad for each in given["model"].parameters())
    loss_fn = given["loss_fn"]  # MACE's second stage has another of the same kind
    settings = sorted((name, repr(each)) for name, each in vars(loss_fn).items() if not name.startswith("_"))
    return type(loss_fn), tuple(settings), given["batch"].ptr.shape[0], outputs, free
