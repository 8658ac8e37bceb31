"""The names that the narrow loader lets a model file ask for; `permitted_classes` gives each what it stands for.

Nothing is imported here, so that a file can be looked at before torch is loaded.
"""

from __future__ import annotations

import re

NETWORK_PACKAGES = (
    "e3nn.math._normalize_activation",
    "e3nn.nn.",
    "e3nn.o3.",
    "mace.modules.",
    "torch.nn.modules.",
)
"""Modules (or, ending with a dot, packages) whose subclasses of `torch.nn.Module` may be named."""

EMPTY_OBJECTS = {
    "mace.calculators.lammps_mliap_mace.LAMMPS_MLIAP_MACE",
    "mace.calculators.lammps_mliap_mace.MACEEdgeForcesWrapper",
    "mace.calculators.lammps_mliap_mace.MACELammpsConfig",
}
"""Other classes that may be created empty and filled with state."""

VALUES = {
    "e3nn.o3._irreps.Irrep",
    "e3nn.o3._irreps.Irreps",
    "e3nn.o3._irreps._MulIr",
    "e3nn.o3._linear.Instruction",
    "e3nn.o3._tensor_product._instruction.Instruction",
}
"""Tuples with names; their constructors check their arguments and do nothing else."""

OBJECTS = {"builtins.frozenset", "builtins.range", "builtins.slice", "numpy.dtype", "numpy.ndarray"}
"""What gets the thing itself."""

STAND_INS = {
    "builtins.getattr",
    "torch._C._VariableFunctionsClass",
    "torch.fx._symbolic_trace.Tracer",
    "torch.fx.graph_module.reduce_graph_module",
}
"""What gets something of Lamplighter's own, which does less."""

FUNCTIONS = ("elu", "gelu", "hardtanh", "leaky_relu", "relu", "selu", "sigmoid", "silu", "tanh")
"""Of `torch.nn.functional`."""

NUMPY_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
NUMPY_FUNCTIONS = ("_reconstruct", "scalar")
NUMPY_TYPES = ("BoolDType", "Float32DType", "Float64DType", "Int32DType", "Int64DType", "StrDType")

_BY_TORCH = re.compile(
    r"collections\.(OrderedDict|Counter|defaultdict)|_codecs\.encode"
    r"|(builtins|__builtin__)\.(set|bytearray|complex|bool|int|float|str|list|dict|tuple)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2|torch\.serialization\._get_layout"
    r"|torch\.(nn\.parameter\.)?(Parameter|Buffer|UninitializedParameter)|torch\.(Tensor|Size|device|dtype)"
    r"|torch\.(storage\.)?\w*Storage|torch\.(b?float|int|uint|bool|complex|q?u?int|half|double|long|short)\w*"
)
"""What torch's restricted unpickler knows by itself."""


def is_permitted(name: str) -> bool:
    """Whether a file may ask for `package.module.name`, as far as the name alone tells.

    The narrow loader looks closer: at what a class is, and at what is done with it.
    """
    module = name.rpartition(".")[0]
    if any(module.startswith(each) if each.endswith(".") else module == each for each in NETWORK_PACKAGES):
        return True
    return name in _EVERY_NAME or known_to_torch(name)


def known_to_torch(name: str) -> bool:
    """Whether torch's restricted unpickler has a name on its own list."""
    return _BY_TORCH.fullmatch(name) is not None


_EVERY_NAME = (
    EMPTY_OBJECTS
    | VALUES
    | OBJECTS
    | STAND_INS
    | {"torch._C._nn.softplus"}
    | {f"torch.nn.functional.{name}" for name in FUNCTIONS}
    | {f"{core}.{name}" for core in NUMPY_CORES for name in NUMPY_FUNCTIONS}
    | {f"numpy.dtypes.{name}" for name in NUMPY_TYPES}
)
