"""`mace_run_train` on a CPU, with its costly sums in another order: `mace_train.py WORDS OF mace_run_train`.

MACE makes, of each pair of atoms, all products of features, radial functions and harmonics, and adds them up
afterwards; its contractions multiply dense tensors that are mostly zero. Here pairs of a receiver stand together, so
that its sum is one product of matrices, and of the contractions' monomials only those that have a coefficient are made.
The modules, their weights and the files that MACE writes stay its own. What a module gives is compared with its own way
when it is called for the first time; one that differs, or that is of an unknown kind, goes on in MACE's way. The last
line of the output says what became of it.
"""

import inspect
import sys
from typing import Any
from weakref import WeakKeyDictionary

_HERE = sys.path.pop(0)  # whose mace.py is not the package
import mace  # noqa: E402, F401  (before e3nn, which it patches)

sys.path.append(_HERE)
import torch  # noqa: E402
from e3nn import o3  # noqa: E402
from mace.modules import blocks, symmetric_contraction  # noqa: E402
from mace.tools.scatter import scatter_sum  # noqa: E402
from mace_contraction import Contraction  # type: ignore[import-not-found]  # noqa: E402
from mace_convolution import Convolution  # type: ignore[import-not-found]  # noqa: E402
from mace_pairs import PairsOfInteractions  # type: ignore[import-not-found]  # noqa: E402

_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}
"""Of the largest difference, over the largest number."""


class Reordered:
    """Which modules work in another order; they know nothing of it themselves, so that none of it is saved.

    Attributes:
        active: Whether they do; otherwise all is done in MACE's way, for comparisons.
    """

    def __init__(self):
        self.active = True
        self._works: Any = WeakKeyDictionary()
        self._agree, self._differ = [], []

    def __call__(self, module, inputs, own, other):
        """What a module gives, by `other` unless that differs from `own`, also in its gradients by the inputs."""
        if module not in self._works:
            variable = [each for each in inputs if each.requires_grad]
            self._works[module] = self._agrees(type(module).__name__, variable, own, other)
        return other() if self.active and self._works[module] else own()

    def _agrees(self, name, inputs, own, other):
        try:
            expected, given = _with_gradients(own(), inputs), _with_gradients(other(), inputs)
        except (ArithmeticError, LookupError, AttributeError, RuntimeError, TypeError, ValueError) as problem:
            self._differ.append(f"{name} ({problem})")
            return False
        difference = max(
            float((b - a).abs().max() / a.abs().max().clamp(min=1e-30)) for a, b in zip(expected, given, strict=True)
        )
        if not difference <= _TOLERANCE[expected[0].dtype]:
            self._differ.append(f"{name} (differs by {difference:.1e})")
            return False
        self._agree.append(difference)
        return True

    def __str__(self):
        agree = f"{len(self._agree)} agree with MACE's own to {max(self._agree, default=0.0):.0e}"
        rest = f", {len(self._differ)} are left to MACE: {'; '.join(self._differ)}" if self._differ else ""
        return f"of the modules in another order {agree}{rest}"


def _with_gradients(found, inputs):
    """What a module gave, and the gradients of a sum of it with uneven weights."""
    found = found[0] if isinstance(found, tuple) else found  # of an interaction the message
    if not (inputs and found.requires_grad):
        return [found]
    weights = torch.linspace(0.5, 1.5, found.numel(), dtype=found.dtype).view(found.shape)
    return [found, *torch.autograd.grad(found, inputs, weights, retain_graph=True)]


def _leaves_the_sum(kind: Any) -> bool:
    """Whether it is a class of interactions that can leave the sum over neighbours to its tensor product."""
    forward: Any = getattr(kind, "forward", None)
    is_interaction = inspect.isclass(kind) and issubclass(kind, blocks.InteractionBlock)
    return is_interaction and "conv_fusion" in forward.__code__.co_consts


def reorder():
    """Put the other order in the place of MACE's, in this process.

    Returns:
        What becomes of it; None: this version of MACE has no place for it.
    """
    interactions: list[Any] = [each for each in vars(blocks).values() if _leaves_the_sum(each)]
    if not interactions:
        return None
    reordered, pairs = Reordered(), PairsOfInteractions()
    for each in interactions:
        each.forward = pairs.wrapped(each.forward, reordered)
    # with it MACE leaves the sum over neighbours to its tensor product; saved models do not have what a class has
    blocks.InteractionBlock.conv_fusion = True
    product, contraction = o3.TensorProduct.forward, symmetric_contraction.Contraction.forward
    made: Any = WeakKeyDictionary()

    def of(module, kind):
        if module not in made:
            with torch.no_grad():
                made[module] = kind(module)
        return made[module]

    def convolved(self, x, y, weight=None, edge_index=None):
        if edge_index is None:
            return product(self, x, y, weight)
        of_step = pairs.of(edge_index)
        if of_step is None:
            of_pairs = product(self, x.index_select(0, edge_index[0]), y, weight)
            return scatter_sum(src=of_pairs, index=edge_index[1], dim=0, dim_size=x.shape[0])
        return of(self, Convolution)(x, y, weight, of_step)

    def contracted(self, x, y):
        return reordered(self, [x], lambda: contraction(self, x, y), lambda: of(self, Contraction)(self, x, y))

    o3.TensorProduct.forward = convolved
    symmetric_contraction.Contraction.forward = contracted
    return reordered


if __name__ == "__main__":
    from mace.cli.run_train import main

    done = reorder()
    try:
        main()
    finally:
        print(f"Lamplighter: {done or 'this version of MACE leaves no place for another order'}", flush=True)
