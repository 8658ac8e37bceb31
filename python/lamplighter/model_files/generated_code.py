"""Programs inside model files, and the test that they only compute.

e3nn and MACE write generated code into their models, in two forms:

- the Python source of a traced tensor contraction (`torch.fx.GraphModule`), which torch compiles and *executes* when
  the file is loaded, whatever it says;
- TorchScript archives, whose operators include some that write files.

Both are parsed here, without being run, and accepted only where they consist of tensor arithmetic.
"""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from pickle import UnpicklingError
from typing import Any

import torch
import torch.fx

ARITHMETIC = frozenset({
    "abs", "add", "broadcast_tensors", "broadcast_to", "cat", "clone", "concat", "contiguous", "cos", "div",
    "dot", "einsum", "empty", "exp", "expand", "expand_as", "flatten", "full", "gather", "index_add",
    "index_select", "log", "matmul", "mm", "mul", "narrow", "neg", "new_empty", "new_ones", "new_zeros", "norm",
    "ones", "ones_like", "permute", "pow", "reciprocal", "relu", "repeat", "reshape", "rsqrt", "scatter_add",
    "select", "sigmoid", "silu", "sin", "size", "slice", "split", "sqrt", "squeeze", "stack", "sub", "sum",
    "swapaxes", "t", "tanh", "tensordot", "to", "transpose", "true_divide", "unbind", "unsqueeze", "view",
    "view_as", "zeros", "zeros_like",
})  # fmt: skip
"""Tensor functions and methods that compute and do nothing else."""

_SOURCE_NODES = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AnnAssign, ast.Expr, ast.Name,
    ast.Load, ast.Store, ast.Attribute, ast.Call, ast.keyword, ast.Constant, ast.Tuple, ast.List, ast.Subscript,
    ast.Slice, ast.UnaryOp, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Pow,
)  # fmt: skip

_SOURCE_IMPORTS = "import torch\nfrom torch import device\nfrom math import inf, nan\nNoneType = type(None)\n"

_MODULE_STATE = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training")

_TORCHSCRIPT_NAMES = [[name] for name in sorted(ARITHMETIC | {"device", "__is__", "__isnot__", "__not__"})]

_EFFECTS = ("save", "load", "file", "write", "read", "open", "exec", "system")


def rebuild_graph_module(body: dict[str, Any], import_block: str) -> torch.nn.Module:
    """Rebuild a traced module from its source, once the source is known to be tensor arithmetic.

    Stands in for `torch.fx.graph_module.reduce_graph_module`, which would execute any source. The file's import block
    is not used.

    Raises:
        UnpicklingError: the source does anything but tensor arithmetic.
    """
    source = body.get("_code") or body.get("code")
    if not isinstance(source, str):
        raise UnpicklingError("a traced module in it has no source")
    require_arithmetic_source(source)
    state = torch.nn.Module().__dict__ | {name: body[name] for name in _MODULE_STATE if name in body}
    return torch.fx.graph_module.reduce_graph_module(state | {"_code": source}, _SOURCE_IMPORTS)


def require_arithmetic_source(source: str) -> None:
    """Refuse Python source other than one function `forward` of tensor arithmetic.

    Raises:
        UnpicklingError: naming what was found.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise UnpicklingError(f"a traced module in it has source that is not Python: {problem}") from problem
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].name != "forward":
        raise UnpicklingError("a traced module in it has source other than one function `forward`")
    function = tree.body[0]
    if function.decorator_list or function.args.defaults or function.args.kw_defaults:
        raise UnpicklingError("a traced module in it has a `forward` with decorators or defaults")
    for node in ast.walk(tree):
        if not isinstance(node, _SOURCE_NODES):
            raise UnpicklingError(f"a traced module in it holds a Python {type(node).__name__}")
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if "__" in name:
            raise UnpicklingError(f"a traced module in it uses the name {name}")
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            raise UnpicklingError(f"a traced module in it assigns to {ast.unparse(node)}")
        if isinstance(node, ast.Call) and not _computes(node.func):
            raise UnpicklingError(f"a traced module in it calls {ast.unparse(node.func)}")
        if isinstance(node, ast.Attribute) and _chain(node)[:1] == ["torch"] and not _is_harmless_torch(_chain(node)):
            raise UnpicklingError(f"a traced module in it uses {ast.unparse(node)}")


def require_arithmetic_torchscript(archive: object) -> None:
    """Refuse a TorchScript archive (as bytes) whose code uses operators other than tensor arithmetic.

    Raises:
        UnpicklingError: naming what was found.
    """
    if not isinstance(archive, bytes):
        raise UnpicklingError(f"generated code in it is of type {type(archive).__name__}, not bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            names = members.namelist()
            if len(set(names)) != len(names) or any(name.endswith("bytecode.pkl") for name in names):
                raise UnpicklingError("generated code in it is not an ordinary TorchScript archive")
            sources = [members.read(name).decode("utf-8") for name in names if name.endswith(".py")]
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError) as problem:
        raise UnpicklingError(f"generated code in it is not an ordinary TorchScript archive: {problem}") from problem
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
            raise UnpicklingError(f"TorchScript in it cannot be parsed: {problem}") from problem
        for name in _effects(tree):
            raise UnpicklingError(f"TorchScript in it uses {name}")


def _chain(node: ast.expr) -> list[str]:
    """`a.b.c` as ["a", "b", "c"]; empty where the expression is no such chain."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _is_harmless_torch(chain: list[str]) -> bool:
    path, last = chain[1:-1], chain[-1]
    if path == [] and (last in ("functional", "Tensor") or isinstance(getattr(torch, last, None), torch.dtype)):
        return True
    return path in ([], ["functional"]) and last in ARITHMETIC


def _computes(function: ast.expr) -> bool:
    """Whether a called expression of Python source is a submodule, a device, or a tensor function or method."""
    chain = _chain(function)
    if chain[:1] == ["self"]:
        return len(chain) > 1 and not any(hasattr(torch.nn.Module, name) for name in chain[1:])
    if chain[:1] == ["torch"]:
        return _is_harmless_torch(chain)
    if isinstance(function, ast.Name):
        return function.id == "device"
    return isinstance(function, ast.Attribute) and function.attr in ARITHMETIC


def _effects(tree: ast.Module) -> Iterator[str]:
    """Operators of TorchScript code that are not known to only compute.

    TorchScript writes an operator of torch as `torch.name(x)` or `x.name()`, of other libraries as `ops.library.name`;
    `__torch__.name` is code of the same archive.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        chain = _chain(node)
        has_effect = chain[:1] != ["__torch__"] and any(word in node.attr.lower() for word in _EFFECTS)
        of_torch = chain[:1] == ["torch"] and chain[1:] not in _TORCHSCRIPT_NAMES
        of_library = chain[:1] == ["ops"] and chain[1:] not in (["prim"], ["prim", "RaiseException"])
        if has_effect or of_torch or of_library:
            yield ".".join(chain) or node.attr
