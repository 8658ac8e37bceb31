"""A MACE model as plain arrays, for the native engine: what `lamplighter compile` writes.

`pair_styles/native/mace_parameters.h` says what the arrays mean. Linear maps and couplings are read off the model
by applying its own modules to unit vectors, so that every normalisation of e3nn is inside; nothing is assumed about
how e3nn stores its weights. The result is checked against the model before it is used (`verify`).
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from lamplighter.errors import ModelError
from lamplighter.model_files import compiled_file
from lamplighter.potentials import mace_gated
from lamplighter.potentials.mace_conditions import has_conditions, put_inside
from lamplighter.potentials.mace_linear_maps import (
    NotCovered,
    affine_of,
    blocks_by_degree,
    blocks_of,
    channels_by_degree,
    doubles,
    matrices_of_perceptron,
    matrix_of,
    silu_factor,
)
from lamplighter.potentials.requirements import chosen_head, require_elements

FORMAT = "lamplighter-mace"
VERSION, VERSION_WITH_GATES, VERSION_WITH_DEEP_READOUTS = "1", "2", "3"
LARGEST_DEGREE = 3

_INTERACTIONS = (
    "RealAgnosticInteractionBlock",
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
    mace_gated.NAME,
)
_BASES = {"BesselBasis": 0, "GaussianBasis": 1}  # torch itself has no derivative of the Chebyshev basis
_TRANSFORMS = {"AgnesiTransform": 1, "SoftTransform": 2}

Arrays = dict[str, np.ndarray]


class DifferentArchitectures(ModelError):
    """Models that cannot be in one file."""


def compile_models(
    models: Sequence[torch.nn.Module], elements: Sequence[str] | None = None, head: str | None = None
) -> Arrays:
    """The arrays of one model, or of several of one architecture.

    Args:
        models: MACE or ScaleShiftMACE modules.
        elements: Symbols to keep; None: all that the models know.
        head: Which head of a multi-head model; None: its only one, or the one called Default.

    Returns:
        float64 and int64 arrays by name.

    Raises:
        NotCovered: naming the part of the model that the native engine has no equivalent of.
        DifferentArchitectures: naming what differs.
        ModelError: an element or head that the model does not have.
    """
    arrays: Arrays = {"members": _integers(len(models))}
    first: Arrays = {}
    for number, model in enumerate(models):
        shared, own = _Member(model, elements, head).arrays()
        first = first or shared
        require_same_shared(first, shared, number, len(models))
        arrays |= shared | {f"member.{number}.{name}": value for name, value in own.items()}
        if number:
            _require_same_shapes(arrays, number)
    return arrays


def require_same_shared(first: Arrays, other: Arrays, number: int, count: int) -> None:
    """Refuse models that differ in what those of one file share; one may have an array that the other lacks.

    Args:
        first, other: The shared arrays of two models.
        number: Of the other model, from 0 on.
        count: Of the models.

    Raises:
        DifferentArchitectures: naming an array.
    """
    for name in sorted({*first, *other}):
        if name not in first or name not in other or not np.array_equal(first[name], other[name]):
            raise DifferentArchitectures(
                f"model {number + 1} of {count} differs from the first in {name!r}: models of one file must have the "
                "same architecture and elements"
            )


def to_bytes(arrays: Arrays, metadata: dict[str, str]) -> bytes:
    """A safetensors file with a checksum: `pair_styles/native/tensor_file.h` says how."""
    import safetensors.numpy

    labels = {"format": FORMAT, "version": _version(arrays), "crc32": "0" * 8} | metadata
    content = bytearray(safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, labels))
    key = b'"crc32":"'
    place = content.index(key) + len(key)
    content[place : place + 8] = f"{zlib.crc32(content[8:]):08x}".encode()
    return bytes(content)


def _version(arrays: Arrays) -> str:
    """The first whose readers know all arrays, since readers pass over those that they do not know."""
    if any(name.endswith(".readout_mid") for name in arrays):
        return VERSION_WITH_DEEP_READOUTS
    return VERSION_WITH_GATES if any(name.endswith(".gate.factors") for name in arrays) else VERSION


def read_metadata(path: Path) -> dict[str, str]:
    """The labels of a compiled model: where it came from and what it was checked against.

    Raises:
        ModelError: not a compiled model.
    """
    import safetensors

    try:
        with safetensors.safe_open(str(path), "np") as file:
            labels = file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as problem:
        raise ModelError(f"{path} is not a compiled model ({problem})") from problem
    if labels.get("format") not in compiled_file.FORMATS:
        raise ModelError(f"{path} is not a compiled model: make one with `lamplighter compile`")
    return dict(labels)


def _require_same_shapes(arrays: Arrays, number: int) -> None:
    first, this = "member.0.", f"member.{number}."
    shapes = {name[len(first) :]: value.shape for name, value in arrays.items() if name.startswith(first)}
    others = {name[len(this) :]: value.shape for name, value in arrays.items() if name.startswith(this)}
    if shapes != others:
        name = sorted(set(shapes.items()) ^ set(others.items()))[0][0]
        raise DifferentArchitectures(
            f"model {number + 1} differs from the first in {name!r}: models of one file must have the same architecture"
        )


def _integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


class _Member:
    """One model, in float64 on the CPU, and the species and head of it that are wanted."""

    def __init__(self, model: torch.nn.Module, elements: Sequence[str] | None, head: str | None) -> None:
        self.model: Any = model
        name = type(model).__name__
        if name not in ("MACE", "ScaleShiftMACE"):
            raise NotCovered(f"a model of the class {name}, where MACE and ScaleShiftMACE are covered")
        if has_conditions(model):
            self.model = copy.deepcopy(model)
            put_inside(self.model)
        if getattr(model, "use_so3", False):
            raise NotCovered("features without parity (use_so3)")
        heads = getattr(model, "heads", None) or ["Default"]
        self.head = heads.index(chosen_head(None, head, heads))
        self.nheads = len(heads)
        known = [chemical_symbols[int(z)] for z in self.model.atomic_numbers]
        wanted = list(elements) if elements else known
        require_elements(None, known, wanted)
        self.numbers = [atomic_numbers[symbol] for symbol in wanted]
        self.rows = [known.index(symbol) for symbol in wanted]
        self.nknown = len(known)
        self.l_max = int(self.model.spherical_harmonics.irreps_out.lmax)
        if self.l_max > LARGEST_DEGREE:
            raise NotCovered(f"spherical harmonics up to degree {self.l_max} (covered: {LARGEST_DEGREE})")

    def arrays(self) -> tuple[Arrays, Arrays]:
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.no_grad():
                return self._shared(), self._own()
        finally:
            torch.set_default_dtype(default)

    def _shared(self) -> Arrays:
        model = self.model
        radial = model.radial_embedding
        basis = type(radial.bessel_fn).__name__
        if basis not in _BASES:
            raise NotCovered(f"the radial basis {basis}")
        transform = type(radial.distance_transform).__name__ if hasattr(radial, "distance_transform") else None
        if transform is not None and transform not in _TRANSFORMS:
            raise NotCovered(f"the distance transform {transform}")
        prefactor = {
            "BesselBasis": lambda f: float(f.prefactor),
            "GaussianBasis": lambda f: float(f.coeff),
        }[basis](radial.bessel_fn)
        arrays = {
            "atomic_numbers": _integers(*self.numbers),
            "channels": _integers(self._channels(0)),
            "l_max": _integers(self.l_max),
            "layers": _integers(len(model.interactions)),
            "r_max": doubles(float(model.r_max)),
            "basis.kind": _integers(_BASES[basis]),
            "basis.prefactor": doubles(prefactor),
            "basis.cutoff_power": _integers(int(radial.cutoff_fn.p)),
            "basis.cutoff_after_perceptron": _integers(0 if getattr(radial, "apply_cutoff", True) else 1),
            "basis.transform": _integers(_TRANSFORMS[transform] if transform else 0),
            "covalent_radii": doubles([covalent_radii[z] for z in self.numbers]),
        }
        source = getattr(model, "pair_repulsion_fn", None) or getattr(radial, "distance_transform", None)
        if source is not None:
            arrays["covalent_radii"] = doubles(source.covalent_radii[self.numbers])
        if hasattr(model, "pair_repulsion"):
            zbl = model.pair_repulsion_fn
            arrays["repulsion"] = doubles([*map(float, zbl.c), float(zbl.a_exp), float(zbl.a_prefactor), float(zbl.p)])
        return arrays

    def _own(self) -> Arrays:
        model = self.model
        radial = model.radial_embedding
        function = radial.bessel_fn
        parameters = {
            "BesselBasis": lambda: function.bessel_weights,
            "GaussianBasis": lambda: function.gaussian_weights,
        }[type(function).__name__]()
        energies = torch.atleast_2d(model.atomic_energies_fn.atomic_energies)
        arrays = {
            "basis.parameters": doubles(parameters).ravel(),
            "energies": doubles(energies[min(self.head, len(energies) - 1)][self.rows]),
            "scale": doubles(1.0),
            "shift": doubles(0.0),
        }
        if hasattr(radial, "distance_transform"):
            transform = radial.distance_transform
            names = ("a", "q", "p") if hasattr(transform, "q") else ("alpha",)
            arrays["basis.transform_parameters"] = doubles([float(getattr(transform, name)) for name in names])
        if hasattr(model, "scale_shift"):
            for name in ("scale", "shift"):
                values = torch.atleast_1d(getattr(model.scale_shift, name))
                arrays[name] = doubles(values[min(self.head, len(values) - 1)])
        for t in range(len(model.interactions)):
            layer = self._layer(t)
            arrays["shift"] = arrays["shift"] + arrays["scale"] * layer.pop("readout_constant", 0.0)
            arrays |= {f"layer.{t}.{name}": value for name, value in layer.items()}
        return arrays

    def _channels(self, t: int) -> int:
        return int(self.model.products[t].linear.irreps_in[0].mul)

    def _layer(self, t: int) -> Arrays:
        model = self.model
        interaction, product = model.interactions[t], model.products[t]
        name = type(interaction).__name__
        if name not in _INTERACTIONS:
            raise NotCovered(f"the interaction {name}")
        for part in (interaction, product):
            config = getattr(part, "cueq_config", None)
            if config is not None and getattr(config, "enabled", False):
                raise NotCovered("layers converted to cuEquivariance: convert the model back to e3nn first")
        channels = self._channels(t)
        sent = channels_by_degree(interaction.linear_up.irreps_out, "edge features")
        before = channels_by_degree(interaction.linear_up.irreps_in, "node features")
        after = channels_by_degree(product.linear.irreps_out, "node features")
        if t == len(model.interactions) - 1:
            after = after[:1]  # readouts see scalars alone (keep_last_layer_irreps)
        target = channels_by_degree(interaction.irreps_out, "interaction features")
        if target != [channels] * (self.l_max + 1) or after != [channels] * len(after):
            raise NotCovered(f"layer {t + 1} with other numbers of channels in different degrees")
        if t and before != [channels] * len(before):
            raise NotCovered(f"layer {t + 1} with other numbers of channels in different degrees")
        if len(after) > 3:
            raise NotCovered(f"hidden features of degree {len(after) - 1} (covered: 2)")
        arrays: Arrays = {
            "edge_channels": _integers(sent[0]),
            "l_sent": _integers(len(sent) - 1),
            "l_in": _integers(len(before) - 1),
            "l_out": _integers(len(after) - 1),
        }
        if sent != [sent[0]] * len(sent):
            raise NotCovered(f"layer {t + 1} with other numbers of channels in different degrees")
        arrays |= self._convolution(t, interaction, sent[0])
        linear = [arrays[f"linear.{degree}"] for degree in range(self.l_max + 1)]
        arrays |= self._selection(t, interaction, linear, len(sent), len(after))
        arrays |= self._contraction(product, len(after))
        for degree, block in enumerate(blocks_of(product.linear)[: len(after)]):
            arrays[f"product.{degree}"] = block
        readout = t - (len(model.interactions) - len(model.readouts)) if len(model.readouts) == 1 else t
        if 0 <= readout < len(model.readouts):
            arrays |= self._readout(model.readouts[readout], channels)
        return arrays

    def _convolution(self, t: int, interaction: Any, sent: int) -> Arrays:
        conv = interaction.conv_tp
        paths: list[tuple[int, int, int]] = []
        couplings: list[np.ndarray] = []
        slots: list[slice] = []
        in1, in2, out = conv.irreps_in1.slices(), conv.irreps_in2.slices(), conv.irreps_out.slices()
        for p, instruction in enumerate(conv.instructions):
            if instruction.connection_mode != "uvu" or not instruction.has_weight:
                raise NotCovered(f"a tensor product of the kind {instruction.connection_mode}")
            l1 = conv.irreps_in1[instruction.i_in1].ir.l
            l2 = conv.irreps_in2[instruction.i_in2].ir.l
            l3 = conv.irreps_out[instruction.i_out].ir.l
            n1, n2, n3 = 2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1
            x = torch.zeros(n1, n2, conv.irreps_in1.dim)
            y = torch.zeros(n1, n2, conv.irreps_in2.dim)
            w = torch.zeros(n1 * n2, conv.weight_numel)
            for m in range(n1):
                x[m, :, in1[instruction.i_in1].start + m] = 1.0
            for m in range(n2):
                y[:, m, in2[instruction.i_in2].start + m] = 1.0
            w[:, p * sent] = 1.0
            slot = out[instruction.i_out]
            result = conv(x.reshape(n1 * n2, -1), y.reshape(n1 * n2, -1), w)
            couplings.append(doubles(result[:, slot.start : slot.start + n3]).ravel())
            paths.append((l1, l2, l3))
            slots.append(slot)
        arrays = {
            "paths": np.array(paths, dtype=np.int64),
            "couplings": np.concatenate(couplings),
        }
        gated = type(interaction).__name__ == mace_gated.NAME
        if gated:
            if getattr(self.model.radial_embedding, "apply_cutoff", True):
                raise NotCovered("non-linear interactions whose radial functions do not end at the cutoff")
            arrays |= mace_gated.networks_of_species(interaction, self.nknown, self.rows)
        else:
            for k, matrix in enumerate(matrices_of_perceptron(interaction.conv_tp_weights)):
                arrays[f"perceptron.{k}"] = matrix
        after = interaction.linear_1 if gated else interaction.linear
        linear = matrix_of(after)
        divide = 1.0
        if gated:
            pass
        elif "Density" in type(interaction).__name__:
            arrays["density"] = matrices_of_perceptron(interaction.density_fn)[0][:, 0]
        else:
            divide = float(interaction.avg_num_neighbors)
        targets = after.irreps_out.slices()
        for degree in range(self.l_max + 1):
            rows = [
                slot.start + c * (2 * degree + 1)
                for (_, _, l3), slot in zip(paths, slots, strict=True)
                if l3 == degree
                for c in range(sent)
            ]
            columns = np.arange(targets[degree].start, targets[degree].stop, 2 * degree + 1)
            if gated and degree == 0:  # the gates of the other degrees stand behind
                arrays |= mace_gated.gate_arrays(
                    interaction,
                    self._channels(t),
                    self.l_max,
                    linear[np.ix_(rows, columns)],
                    None if t else self._embedding(),
                )
                columns = columns[: self._channels(t)]
            arrays[f"linear.{degree}"] = linear[np.ix_(rows, columns)][None] / divide
        return arrays

    def _selection(self, t: int, interaction: Any, linear: list[np.ndarray], nsent: int, nafter: int) -> Arrays:
        """What depends on the species of the receiving or sending atom, and the linear layer before the exchange."""
        model = self.model
        arrays: Arrays = {}
        up = blocks_of(interaction.linear_up)
        embedding = self._embedding()
        if t == 0:
            arrays["sent"] = embedding @ up[0]
        else:
            for degree in range(nsent):
                arrays[f"up.{degree}"] = up[degree]
        skip = [self._species_matrix(interaction.skip_tp, row) for row in self.rows]
        if "Residual" not in type(interaction).__name__:
            out = [
                blocks_by_degree(matrix, interaction.skip_tp.irreps_in1, interaction.skip_tp.irreps_out)
                for matrix in skip
            ]
            for degree in range(self.l_max + 1):
                arrays[f"linear.{degree}"] = np.stack([linear[degree][0] @ blocks[degree] for blocks in out])
        elif model.products[t].use_sc:
            before = getattr(interaction.skip_tp, "irreps_in1", None) or interaction.skip_tp.irreps_in
            blocks = [blocks_by_degree(m, before, interaction.skip_tp.irreps_out) for m in skip]
            if t == 0:
                arrays["residual_constant"] = np.stack([e @ b[0] for e, b in zip(embedding, blocks, strict=True)])
            else:
                for degree in range(min(nafter, *(len(b) for b in blocks))):
                    arrays[f"residual.{degree}"] = np.stack([b[degree] for b in blocks])
        return arrays

    def _embedding(self) -> np.ndarray:
        """Node features before the first layer, (elements, channels)."""
        return doubles(self.model.node_embedding(torch.eye(self.nknown)))[self.rows]

    def _species_matrix(self, skip: Any, row: int) -> np.ndarray:
        if not hasattr(skip, "irreps_in1"):  # the same for all elements
            return matrix_of(skip)
        dim = skip.irreps_in1.dim
        attributes = torch.nn.functional.one_hot(torch.tensor(row), self.nknown).to(torch.float64)
        return doubles(skip(torch.eye(dim), attributes.expand(dim, -1)))

    def _contraction(self, product: Any, nafter: int) -> Arrays:
        arrays: Arrays = {}
        for degree, contraction in enumerate(product.symmetric_contractions.contractions[:nafter]):
            correlation = int(contraction.correlation)
            if correlation > 3:
                raise NotCovered(f"correlation {correlation} (covered: 3)")
            for order in range(1, correlation + 1):
                weights = (
                    contraction.weights_max if order == correlation else contraction.weights[correlation - 1 - order]
                )
                u = doubles(contraction.U_tensors(order))
                if degree == 0 and u.ndim == order + 1:
                    u = u[None]
                if u.ndim != order + 2:
                    raise NotCovered("a symmetric contraction of an unexpected shape")
                indices = np.argwhere(np.abs(u) > 1e-12)
                values = u[tuple(indices.T)]
                species = doubles(weights)
                if len(species) == 1 and self.nknown > 1:  # use_agnostic_product
                    species = np.repeat(species, self.nknown, axis=0)
                arrays[f"contraction.{degree}.order.{order}.indices"] = indices.astype(np.int64)
                arrays[f"contraction.{degree}.order.{order}.values"] = values
                arrays[f"contraction.{degree}.order.{order}.weights"] = species[self.rows]
        return arrays

    def _readout(self, readout: Any, channels: int) -> Arrays:
        name = type(readout).__name__
        if name == "LinearReadoutBlock":
            return {"readout": matrix_of(readout.linear)[:channels, self.head]}
        if name not in ("NonLinearReadoutBlock", "NonLinearBiasReadoutBlock"):
            raise NotCovered(f"the readout {name}")
        hidden = matrix_of(readout.linear_1)
        out, constant = affine_of(readout.linear_2, readout.linear_2.irreps_in.dim)
        factor = silu_factor(readout.non_linearity)
        # other heads are masked in all hidden layers
        width = hidden.shape[1] // self.nheads
        mine = slice(self.head * width, (self.head + 1) * width)
        arrays = {
            "readout_hidden": hidden[:channels, mine],
            "readout_out": factor * out[mine, self.head],
            "readout_constant": constant[self.head],
        }
        if hasattr(readout, "linear_mid"):
            middle, bias = affine_of(readout.linear_mid, readout.linear_mid.irreps_in.dim)
            arrays |= {"readout_mid": factor * middle[mine, mine], "readout_mid_bias": bias[mine]}
        return arrays
