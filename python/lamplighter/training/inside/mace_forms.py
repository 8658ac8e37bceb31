"""Modules of MACE as operations that can be traced with shapes left open, and that compile well.

Numbers are laid out with components before channels, (n_atoms, components, channels), wherever one module hands them
to the next: what e3nn puts together one after the other knows its parts.
"""

import contextlib

import torch
from e3nn import o3
from e3nn.o3 import _spherical_harmonics
from mace.modules import blocks, loss, symmetric_contraction
from mace_contraction import Contraction  # type: ignore[import-not-found]


class Forms:
    """Of the modules of one model.

    Raises:
        NotImplementedError: a module is of another kind than MACE's.
    """

    def __init__(self, model):
        self._products, self._contractions = {}, {}
        for module in model.modules():
            if isinstance(module, o3.TensorProduct):
                kinds = {each.connection_mode for each in module.instructions}
                if kinds not in ({"uvu"}, {"uvw"}):
                    raise NotImplementedError(f"a tensor product of the kind {', '.join(sorted(kinds))}")
                self._products[module] = _Sum(module) if kinds == {"uvu"} else _OfElements(module)
            elif isinstance(module, symmetric_contraction.Contraction):
                with torch.no_grad():
                    self._contractions[module] = Contraction(module)

    @contextlib.contextmanager
    def in_place(self):
        """While a step is traced."""

        def product(module, x, y, weight=None, edge_index=None):
            return self._products[module](module, x, y, weight, edge_index)

        def contracted(module, x, y):
            return self._contractions[module](module, x, y)

        harmonics = _spherical_harmonics._spherical_harmonics
        places = [
            (o3.TensorProduct, "forward", product),
            (o3.Linear, "forward", _linear),
            (symmetric_contraction.Contraction, "forward", contracted),
            (blocks.InteractionBlock, "conv_fusion", True),
            (_spherical_harmonics, "_spherical_harmonics", getattr(harmonics, "_torchdynamo_inline", harmonics)),
            (loss, "conditional_huber_forces", _conditional_huber_forces),
        ]
        own = [vars(place).get(name) for place, name, _ in places]
        try:
            for place, name, ours in places:
                setattr(place, name, ours)
            yield
        finally:
            for (place, name, _), each in zip(places, own, strict=True):
                delattr(place, name) if each is None else setattr(place, name, each)


class _Sum:
    """An interaction's product of features and harmonics and its sum over neighbours."""

    def __init__(self, product):
        if any(mul != 1 for mul, _ in product.irreps_in2):
            raise NotImplementedError("several channels of harmonics")
        self._couplings = [_coupling(product, number) for number in range(len(product.instructions))]

    def __call__(self, product, features, harmonics, weights, edge_index):
        senders, receivers = edge_index
        n_atoms = features.shape[0]
        sent = [each[senders] for each in _parts(features, product.irreps_in1)]
        angular = harmonics.split([ir.dim for _, ir in product.irreps_in2], dim=1)
        radial = weights.split([product.irreps_in1[each.i_in1].mul for each in product.instructions], dim=1)
        found = [None] * len(product.irreps_out)
        for path, coupling, of_pairs in zip(product.instructions, self._couplings, radial, strict=True):
            first, second, third = coupling.shape
            coupled = angular[path.i_in2] @ coupling.transpose(0, 1).reshape(second, first * third)
            components = (sent[path.i_in1].unsqueeze(2) * coupled.view(-1, first, third, 1)).sum(1)
            message = of_pairs.unsqueeze(1) * components
            sums = message.new_zeros(n_atoms, *message.shape[1:]).index_put((receivers,), message, accumulate=True)
            found[path.i_out] = sums if found[path.i_out] is None else found[path.i_out] + sums
        return _whole(found, product.irreps_out, features)


class _OfElements:
    """A product of features with the one-hot elements."""

    def __init__(self, product):
        if product.irreps_in2.lmax != 0 or len(product.irreps_in2) != 1:
            raise NotImplementedError("elements with components")
        self._factors = []
        for path in product.instructions:
            ir = product.irreps_in1[path.i_in1].ir
            identity = float(o3.wigner_3j(ir.l, 0, ir.l).flatten()[0])
            self._factors.append(float(path.path_weight) * identity)

    def __call__(self, product, features, elements, weight, edge_index):
        if weight is not None or edge_index is not None:
            raise NotImplementedError("weights from outside")
        parts = _parts(features, product.irreps_in1)
        found, begin = [None] * len(product.irreps_out), 0
        for path, factor in zip(product.instructions, self._factors, strict=True):
            channels, kinds, wide = path.path_shape
            matrix = product.weight[begin : begin + channels * kinds * wide].view(channels, kinds * wide)
            begin += channels * kinds * wide
            part = parts[path.i_in1]
            of_kinds = (part @ matrix).view(*part.shape[:2], kinds, wide)
            mine = factor * (of_kinds * elements.view(-1, 1, kinds, 1)).sum(2)
            found[path.i_out] = mine if found[path.i_out] is None else found[path.i_out] + mine
        return _whole(found, product.irreps_out, features)


def _coupling(product, number):
    """The coefficients of a path with its weight, (2 l1 + 1, 2 l2 + 1, 2 l3 + 1)."""
    path = product.instructions[number]
    degrees = (
        product.irreps_in1[path.i_in1].ir.l,
        product.irreps_in2[path.i_in2].ir.l,
        product.irreps_out[path.i_out].ir.l,
    )
    return float(path.path_weight) * o3.wigner_3j(*degrees)


def _linear(module, features, weight=None, bias=None):
    """As e3nn's linear layer gives it."""
    if weight is not None or bias is not None or module.bias_numel:
        raise NotImplementedError("a linear layer with biases, or weights from outside")
    parts = _parts(features, module.irreps_in)
    found, begin = [None] * len(module.irreps_out), 0
    for path in module.instructions:
        channels, wide = path.path_shape
        matrix = module.weight[begin : begin + channels * wide].view(channels, wide)
        begin += channels * wide
        mine = float(path.path_weight) * (parts[path.i_in] @ matrix)
        found[path.i_out] = mine if found[path.i_out] is None else found[path.i_out] + mine
    return _whole(found, module.irreps_out, features)


def _parts(features, irreps):
    """Features by their degrees, each (n_atoms, components, channels)."""
    known = getattr(features, "parts", None)
    if known is not None:
        return known
    parts = features.split([mul * ir.dim for mul, ir in irreps], dim=1)
    shapes = [(-1, mul, ir.dim) for mul, ir in irreps]
    return [part.view(shape).transpose(1, 2) for part, shape in zip(parts, shapes, strict=True)]


def _whole(parts, irreps, like):
    """Features as e3nn lays them out, which know their parts."""
    n_atoms = like.shape[0]
    parts = [
        like.new_zeros(n_atoms, ir.dim, mul) if part is None else part
        for part, (mul, ir) in zip(parts, irreps, strict=True)
    ]
    whole = torch.cat([each.transpose(1, 2).reshape(n_atoms, -1) for each in parts], dim=1)
    whole.parts = parts
    return whole


def _conditional_huber_forces(ref_forces, pred_forces, huber_delta, ddp=None):
    """MACE's loss of forces that counts large ones less, without masks, whose sizes depend on numbers."""
    if ddp:
        raise NotImplementedError("several processes")
    size = ref_forces.norm(dim=-1, keepdim=True)
    delta = huber_delta * (1.0 - 0.3 * ((size >= 100).to(size) + (size >= 200).to(size) + (size >= 300).to(size)))
    difference = (pred_forces - ref_forces).abs()
    return torch.where(difference < delta, 0.5 * difference.square(), delta * (difference - 0.5 * delta)).mean()
