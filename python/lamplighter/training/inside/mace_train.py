"""`mace_run_train` on a CPU, with its costly sums in another order: `mace_train.py WORDS OF mace_run_train`.

MACE makes, of each pair of atoms, all products of features, radial functions and harmonics, and adds them up
afterwards; its contractions multiply dense tensors that are mostly zero. Here pairs of a receiver stand together, so
that its sum is one product of matrices, and of the contractions' monomials only those that have a coefficient are made.
The modules, their weights and the files that MACE writes stay its own. What a module gives, and its gradients by inputs
and weights, are compared with its own way before it works in the other; one that differs goes on in MACE's way. The
output has a line for each comparison.
"""

import contextlib
import functools
import inspect
import sys
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

_HERE = str(Path(__file__).resolve().parent)
sys.path[:] = [each for each in sys.path if each != _HERE]  # its mace.py is not the package
import mace  # noqa: E402, F401  (before e3nn, which it patches)

sys.path.append(_HERE)
import torch  # noqa: E402
from e3nn import o3  # noqa: E402
from e3nn.util import jit  # noqa: E402
from mace.modules import blocks, symmetric_contraction  # noqa: E402
from mace.tools.scatter import scatter_sum  # noqa: E402
from mace_contraction import Contraction  # type: ignore[import-not-found]  # noqa: E402
from mace_convolution import Convolution  # type: ignore[import-not-found]  # noqa: E402
from mace_pairs import PairsOfInteractions  # type: ignore[import-not-found]  # noqa: E402
from mace_step import CompiledSteps  # type: ignore[import-not-found]  # noqa: E402

TRAIN: Any = sys.modules["mace.tools.train"]
"""MACE's module, which mace.tools hides behind its function of this name."""

_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}
"""Of the largest difference, over the largest number."""


class Reordered:
    """Which modules work in another order; they know nothing of it themselves, so that none of it is saved.

    Attributes:
        active: Whether they do; otherwise all is done in MACE's way, for comparisons.
        lines: What became of each comparison.
    """

    def __init__(self):
        self.active = True
        self.lines = []
        self._works: Any = WeakKeyDictionary()

    def __call__(self, module, inputs, own, other):
        """What a module gives, by `other` where that was found to be `own`."""
        if not self.active or any(each.numel() == 0 for each in inputs):  # of nothing no comparison tells
            return own()
        weights = [each for each in module.parameters() if each.requires_grad]
        known = self._works.setdefault(module, {})
        case = (bool(weights), inputs[0].dtype)  # weights are frozen while MACE validates
        if case not in known:
            variables = [*(each for each in inputs if each.requires_grad), *weights]
            known[case] = self._agrees(module, "weights free" if weights else "weights frozen", variables, own, other)
        return other() if known[case] else own()

    def _agrees(self, module, what, variables, own, other):
        try:
            differences = _differences(own(), other(), variables)
            tolerance = _TOLERANCE[differences.dtype]
            agrees = bool((differences <= tolerance).all())
            said = f"agrees with MACE's own to {float(differences.max()):.0e}"
        except (ArithmeticError, LookupError, AttributeError, RuntimeError, TypeError, ValueError) as problem:
            agrees, said = False, f"failed: {problem}".splitlines()[0]
        end = "" if agrees else "; left to MACE"
        self.lines.append(f"{type(module).__name__} in another order {said} ({what}){end}")
        print(f"Lamplighter: {self.lines[-1]}", flush=True)
        return agrees


def _differences(own, other, variables):
    """Of what two ways gave, and of the gradients of an uneven sum: largest difference over the largest number."""
    numbers = []
    for found in (own, other):
        found = found[0] if isinstance(found, tuple) else found  # of an interaction the message
        uneven = torch.linspace(0.5, 1.5, found.numel(), dtype=found.dtype).view(found.shape)
        gradients: Any = ()
        if variables:
            gradients = torch.autograd.grad(found, variables, uneven, retain_graph=True, allow_unused=True)
        numbers.append([found, *(torch.zeros(1, dtype=found.dtype) if each is None else each for each in gradients)])
    largest = torch.stack([each.abs().max() for each in numbers[0]]).detach()
    if variables:  # one that is zero but for rounding is held against the others
        largest[1:] = largest[1:].clamp(min=0.01 * float(largest[1:].max()))
    differences = torch.stack([(b - a).abs().max() for a, b in zip(*numbers, strict=True)]).detach()
    return differences / largest.clamp(min=1e-30)


def _leaves_the_sum(kind: Any) -> bool:
    """Whether it is a class of interactions that can leave the sum over neighbours to its tensor product."""
    forward: Any = getattr(kind, "forward", None)
    is_interaction = inspect.isclass(kind) and issubclass(kind, blocks.InteractionBlock)
    return is_interaction and "conv_fusion" in forward.__code__.co_consts


def reorder(**compiling):
    """Put the other order in the place of MACE's, in this process.

    Args:
        compiling: Of `CompiledSteps`.

    Returns:
        What becomes of it; None: this version of MACE has no place for it.
    """
    interactions: list[Any] = [each for each in vars(blocks).values() if _leaves_the_sum(each)]
    if not interactions:
        return None
    reordered, pairs = Reordered(), PairsOfInteractions()
    product, contraction = o3.TensorProduct.forward, symmetric_contraction.Contraction.forward
    made: Any = WeakKeyDictionary()

    def of(module, kind, dtype):
        known = made.setdefault(module, {})
        if dtype not in known:
            with torch.no_grad():
                known[dtype] = kind(module)
        return known[dtype]

    def convolved(self, x, y, weight=None, edge_index=None):
        if edge_index is None:
            return product(self, x, y, weight)
        of_step = pairs.of(edge_index)
        if of_step is None:
            of_pairs = product(self, x.index_select(0, edge_index[0]), y, weight)
            return scatter_sum(src=of_pairs, index=edge_index[1], dim=0, dim_size=x.shape[0])
        if edge_index is not of_step.index:
            y, weight = of_step.spread(y), of_step.spread(weight)
        return of(self, Convolution, x.dtype)(x, y, weight, of_step)

    def contracted(self, x, y):
        return reordered(self, [x], lambda: contraction(self, x, y), lambda: of(self, Contraction, x.dtype)(self, x, y))

    # with `conv_fusion` MACE leaves the sum over neighbours to its tensor product; what a class has is not saved
    places = [(each, "forward", each.forward, pairs.wrapped(each.forward, reordered)) for each in interactions]
    places += [
        (o3.TensorProduct, "forward", product, convolved),
        (symmetric_contraction.Contraction, "forward", contraction, contracted),
        (blocks.InteractionBlock, "conv_fusion", None, True),
    ]

    def put(ours):
        for kind, name, own, other in places:
            if ours or own is not None:
                setattr(kind, name, other if ours else own)
            else:
                delattr(kind, name)

    compiled = jit.compile

    @contextlib.contextmanager
    def in_maces_order():
        put(ours=False)
        try:
            yield
        finally:
            put(ours=True)

    @functools.wraps(compiled)
    def of_maces_own(*words, **named):
        with in_maces_order():
            jit.compile = compiled  # which calls itself
            try:
                return compiled(*words, **named)
            finally:
                jit.compile = of_maces_own

    jit.compile = of_maces_own
    put(ours=True)
    TRAIN.take_step = CompiledSteps(TRAIN.take_step, in_maces_order, **compiling)
    return reordered


if __name__ == "__main__":
    from mace.cli.run_train import main

    if reorder() is None:
        print("Lamplighter: this version of MACE leaves no place for another order", flush=True)
    main()
