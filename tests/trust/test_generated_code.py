"""Source and TorchScript from model files are accepted only where they are tensor arithmetic."""

from __future__ import annotations

import io
import zipfile
from pickle import UnpicklingError

import pytest
import torch

from lamplighter.model_files.generated_code import require_arithmetic_source, require_arithmetic_torchscript


def scripted(module: torch.nn.Module) -> bytes:
    archive = io.BytesIO()
    torch.jit.save(torch.jit.script(module), archive)
    return archive.getvalue()


class Arithmetic(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ij,jk->ik", x, x).reshape(-1).sum()


class SaveAsFunction(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "somewhere")
        return x


class MapsAFile(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_file("somewhere", True, 10)


class OfAnotherLibrary(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.prims.sin(x)


def test_contractions_as_e3nn_writes_them_are_accepted() -> None:
    require_arithmetic_source(
        "\n\n\ndef forward(self, x : torch.Tensor, y, z):\n"
        "    tensordot = torch.functional.tensordot(z, y, dims = ((1,), (0,)), out = None);  z = y = None\n"
        "    weight = self.weight\n"
        "    add = tensordot + self.linear(x).reshape(-1, 3)[:, 0]\n"
        "    return add\n"
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("import os", "Import"),
        ("return open('f', 'w')", "calls open"),
        ("return torch.save(x, 'f')", "calls torch.save"),
        ("return torch.hub.load('a', 'b')", "calls torch.hub.load"),
        ("return torch.os.system('true')", "torch.os.system"),
        ("return torch.load", "uses torch.load"),
        ("return x.__class__", "__class__"),
        ("return x.numpy().tofile('f')", r"x\.numpy\(\)\.tofile"),
        ("return self.compile()", r"self\.compile"),
        ("return self.child.apply(x)", r"self\.child\.apply"),
        ("return (lambda: x)()", "calls"),
        ("return [y for y in x]", "ListComp"),
        ("return f'{x}'", "JoinedStr"),
        ("while True: pass", "While"),
        ("torch.functional.einsum = self.child", "assigns to torch.functional.einsum"),
        ("self.child = x", "assigns to self.child"),
        ("global torch", "Global"),
    ],
)
def test_source_that_does_anything_else_is_refused(body: str, found: str) -> None:
    with pytest.raises(UnpicklingError, match=found):
        require_arithmetic_source(f"def forward(self, x):\n    {body}\n")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@torch.compile\ndef forward(self, x):\n    return x\n", "decorators"),
        ("def forward(self, x=1):\n    return x\n", "defaults"),
        ("def forward(self, *, x=1):\n    return x\n", "defaults"),
        ("x = 1\n", "other than one function"),
        ("def forward(self, x):\n    return x\nforward(1, 2)\n", "other than one function"),
        ("def forward(self, x)", "not Python"),
        ("def forward(self, x : open('f', 'w')):\n    return x\n", "calls open"),
        ("def forward(self, x) -> open('f', 'w'):\n    return x\n", "calls open"),
    ],
)
def test_source_that_is_more_than_a_plain_forward_is_refused(source: str, found: str) -> None:
    with pytest.raises(UnpicklingError, match=found):
        require_arithmetic_source(source)


def test_torchscript_arithmetic_is_accepted() -> None:
    require_arithmetic_torchscript(scripted(Arithmetic()))


@pytest.mark.parametrize(
    ("module", "found"),
    [(SaveAsFunction(), r"torch\.save"), (MapsAFile(), "from_file"), (OfAnotherLibrary(), r"ops\.prims\.sin")],
)
def test_torchscript_that_does_anything_else_is_refused(module: torch.nn.Module, found: str) -> None:
    with pytest.raises(UnpicklingError, match=found):
        require_arithmetic_torchscript(scripted(module))


def test_an_operator_called_as_a_method_is_found() -> None:
    original = zipfile.ZipFile(io.BytesIO(scripted(Arithmetic())))
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name in original.namelist():
            content = original.read(name)
            if name.endswith(".py"):
                content = content.replace(b"torch.sum(", b"x.save(")
            archive.writestr(name, content)
    with pytest.raises(UnpicklingError, match=r"x\.save"):
        require_arithmetic_torchscript(changed.getvalue())


@pytest.mark.parametrize("content", [b"", b"PTMF....", "text", None])
def test_what_is_no_torchscript_archive_is_refused(content: object) -> None:
    with pytest.raises(UnpicklingError, match="generated code"):
        require_arithmetic_torchscript(content)


def test_an_archive_with_two_members_of_one_name_is_refused() -> None:
    archive = io.BytesIO(scripted(Arithmetic()))
    with zipfile.ZipFile(archive, "a") as members:
        name = next(name for name in members.namelist() if name.endswith(".py"))
        with pytest.warns(UserWarning, match="Duplicate"):
            members.writestr(name, "harmless")
    with pytest.raises(UnpicklingError, match="ordinary"):
        require_arithmetic_torchscript(archive.getvalue())
