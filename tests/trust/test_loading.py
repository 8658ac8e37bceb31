"""Model files load with the narrowest loader that works, and nothing in an untrusted file runs."""

from __future__ import annotations

import io
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lamplighter.errors import ModelError, UntrustedModelError
from lamplighter.model_files import trust
from lamplighter.model_files.loading import load_torch, require_model_file, sha256


class Reduced:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def saved(folder: Path, content: Any, name: str = "attack.pt") -> Path:
    path = folder / name
    torch.save(content, path)
    return path


def energy(network: Any) -> float:
    positions = torch.tensor([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [0.0, 0.96, 0.0]], dtype=torch.float64)
    edges = torch.tensor([[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]])
    data = {
        "positions": positions,
        "node_attrs": torch.eye(2, dtype=torch.float64)[[1, 0, 0]],
        "edge_index": edges,
        "shifts": torch.zeros(6, 3, dtype=torch.float64),
        "unit_shifts": torch.zeros(6, 3, dtype=torch.float64),
        "cell": torch.zeros(3, 3, dtype=torch.float64),
        "batch": torch.zeros(3, dtype=torch.long),
        "ptr": torch.tensor([0, 3]),
    }
    return float(network(data, compute_force=False)["energy"][0])


def test_a_mace_model_loads_narrowly_and_computes_the_same(model_file: Path, mace_network: Any) -> None:
    loaded = load_torch(model_file, "cpu")
    assert (loaded.loader, loaded.reason) == ("weights_only", "")
    assert loaded.sha256 == sha256(model_file)
    assert type(loaded.object) is type(mace_network)
    assert energy(loaded.object) == pytest.approx(energy(mace_network), abs=1e-12)


def test_every_part_of_a_narrowly_loaded_model_is_of_its_own_class_and_can_be_saved_again(
    model_file: Path, mace_network: Any, tmp_path: Path
) -> None:
    loaded = load_torch(model_file, "cpu").object
    ours = {name: type(part).__qualname__ for name, part in loaded.named_modules()}
    theirs = {name: type(part).__qualname__ for name, part in mace_network.named_modules()}
    assert {n: t for n, t in ours.items() if n in theirs} == {n: t for n, t in theirs.items() if n in ours}
    again = saved(tmp_path, loaded, "again.model")
    assert load_torch(again, "cpu").loader == "weights_only"


def test_an_mliap_object_loads_narrowly(mliap_file: Path) -> None:
    loaded = load_torch(mliap_file, "cpu")
    assert loaded.loader == "weights_only"
    assert type(loaded.object).__name__ == "LAMMPS_MLIAP_MACE"
    assert list(loaded.object.element_types) == ["H", "O"]
    assert loaded.object.rcutfac == pytest.approx(2.0)


def test_a_torchscript_file_loads_as_a_program_and_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "scripted.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), path)
    with pytest.raises(UntrustedModelError, match="TorchScript"):
        load_torch(path, "cpu")
    trust.add([path])
    loaded = load_torch(path, "cpu")
    assert loaded.loader == "torchscript"
    assert isinstance(loaded.object, torch.jit.ScriptModule)


def test_the_restriction_holds_although_mace_switches_it_off_by_default(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    mark = tmp_path / "attacked"
    path = saved(tmp_path, Reduced(exec, f"open({str(mark)!r}, 'w').close()"))
    with pytest.raises(UntrustedModelError, match="exec"):
        load_torch(path, "cpu")
    assert not mark.exists()


def attack(kind: str, mark: Path, model_file: Path) -> Any:
    """Objects that would create the file `mark` when the full pickle loads them."""
    code = f"open({str(mark)!r}, 'w').close()"
    if kind == "call":
        return {"weights": torch.zeros(2), "attack": Reduced(exec, code)}
    if kind == "hidden deep in a model":
        network = torch.load(model_file, weights_only=False)
        network.interactions[0].attack = Reduced(exec, code)
        return network
    if kind == "source of a traced module":
        body = {**torch.nn.Module().__dict__, "_code": f"def forward(self, x):\n    {code}\n    return x\n"}
        return Reduced(torch.fx.graph_module.reduce_graph_module, body, "import torch\n")
    if kind == "imports of a traced module":
        body = {**torch.nn.Module().__dict__, "_code": f"{code}\ndef forward(self, x):\n    return x\n"}
        return Reduced(torch.fx.graph_module.reduce_graph_module, body, "import torch\n")
    if kind == "default argument of a traced module":
        body = {**torch.nn.Module().__dict__, "_code": f"def forward(self, x=exec({code!r})):\n    return x\n"}
        return Reduced(torch.fx.graph_module.reduce_graph_module, body, "import torch\n")
    raise ValueError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "call",
        "hidden deep in a model",
        "source of a traced module",
        "imports of a traced module",
        "default argument of a traced module",
    ],
)
def test_code_in_an_untrusted_file_does_not_run(kind: str, tmp_path: Path, model_file: Path) -> None:
    mark = tmp_path / "attacked"
    path = saved(tmp_path, attack(kind, mark, model_file))
    with pytest.raises(UntrustedModelError, match=r"lamplighter trust .*attack\.pt") as refusal:
        load_torch(path, "cpu")
    assert sha256(path) in str(refusal.value)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the attack itself must work, or the test shows nothing"


def test_the_import_block_of_a_traced_module_is_not_used(tmp_path: Path) -> None:
    mark = tmp_path / "attacked"
    body = {**torch.nn.Module().__dict__, "_code": "def forward(self, x):\n    return torch.mul(x, 2.0)\n"}
    code = f"import torch\nopen({str(mark)!r}, 'w').close()\n"
    path = saved(tmp_path, Reduced(torch.fx.graph_module.reduce_graph_module, body, code))
    loaded = load_torch(path, "cpu")
    assert loaded.loader == "weights_only"
    assert float(loaded.object(torch.tensor(3.0))) == 6.0
    assert not mark.exists()


@pytest.mark.parametrize("module", ["torch.nn.modules.container.ModuleList", "torch.nn.modules.linear.Linear"])
def test_constructors_are_not_called(module: str, tmp_path: Path) -> None:
    package, _, name = module.rpartition(".")
    found = getattr(__import__(package, fromlist=[name]), name)
    path = saved(tmp_path, Reduced(found, 3, 4) if name == "Linear" else Reduced(found))
    with pytest.raises(UntrustedModelError, match=rf"calls {module}"):
        load_torch(path, "cpu")


def test_torchscript_that_writes_files_is_not_loaded_narrowly(tmp_path: Path, model_file: Path) -> None:
    pytest.importorskip("mace")
    from e3nn import o3

    class Writer(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, "written-by-the-model")
            return x

    archive = io.BytesIO()
    torch.jit.save(torch.jit.script(Writer()), archive)
    linear = o3.Linear("2x0e", "2x0e")
    harmless = saved(tmp_path, linear, "harmless.pt")
    assert load_torch(harmless, "cpu").loader == "weights_only"
    state = linear.__getstate__()
    state["__codegen__"] = {"_compiled_main": archive.getvalue()}
    forged = o3.Linear.__new__(o3.Linear)
    forged.__dict__["_state"] = state
    path = tmp_path / "attack.pt"
    monkey = o3.Linear.__getstate__
    try:
        o3.Linear.__getstate__ = lambda self: self.__dict__["_state"]
        torch.save(forged, path)
    finally:
        o3.Linear.__getstate__ = monkey
    with pytest.raises(UntrustedModelError, match=r"TorchScript in it uses torch\.save"):
        load_torch(path, "cpu")


def test_getattr_gives_torchs_activations_and_nothing_else(tmp_path: Path) -> None:
    assert load_torch(saved(tmp_path, [torch.tanh, torch.sigmoid]), "cpu").object == [
        torch.tanh,
        torch.sigmoid,
    ]
    with pytest.raises(UntrustedModelError, match="from_file"):
        load_torch(saved(tmp_path, torch.from_file), "cpu")
    with pytest.raises(UntrustedModelError, match="__globals__"):
        load_torch(saved(tmp_path, Reduced(getattr, torch.nn.functional.silu, "__globals__")), "cpu")


def test_a_file_that_asks_for_more_is_read_by_the_full_pickle_only_where_it_is_trusted(tmp_path: Path) -> None:
    path = saved(tmp_path, {"a": [1, Path("somewhere")]})
    with pytest.raises(UntrustedModelError, match=r"pathlib\S*Path, in its attribute a"):
        load_torch(path, "cpu")
    trust.add([path])
    loaded = load_torch(path, "cpu")
    assert (loaded.loader, loaded.object) == ("pickle", {"a": [1, Path("somewhere")]})
    assert "pathlib" in loaded.reason


def test_torch_keeps_no_permissions_after_a_load(model_file: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    load_torch(model_file, "cpu")
    assert set(torch.serialization.get_safe_globals()) == before


def spoiled(kind: str, folder: Path, model_file: Path) -> Path:
    path = folder / "spoiled.model"
    content = model_file.read_bytes()
    if kind == "missing":
        return path
    if kind == "folder":
        path.mkdir()
        return path
    damaged = bytearray(content)
    middle = content.find(b"data.pkl") + 200
    damaged[middle : middle + 400] = b"\x00" * 400
    path.write_bytes(
        {
            "empty": b"",
            "truncated": content[: len(content) // 2],
            "text": b"just some words\n",
            "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            "page": b"<!DOCTYPE html><html>404</html>",
            "damaged": bytes(damaged),
        }[kind]
    )
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "does not exist"),
        ("folder", "is a folder"),
        ("empty", "is empty"),
        ("truncated", "is truncated"),
        ("text", "is not a torch file: it begins with b'just some words"),
        ("lfs", "Git LFS pointer"),
        ("page", "a web page"),
        ("damaged", "damaged"),
    ],
)
def test_a_spoiled_file_is_named_with_what_was_found(kind: str, message: str, tmp_path: Path, model_file: Path) -> None:
    path = spoiled(kind, tmp_path, model_file)
    with pytest.raises(ModelError, match=message) as refusal:
        load_torch(path, "cpu")
    assert str(path) in str(refusal.value)
    if kind != "damaged":
        with pytest.raises(ModelError, match=message):
            require_model_file(path)


def test_a_zip_archive_without_a_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.nequip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/readme", "no model")
    with pytest.raises(ModelError, match="zip archive without a torch model"):
        require_model_file(path)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("not_installed_here")
    package.Network = type("Network", (), {"__module__": "not_installed_here"})
    with monkeypatch.context() as here:
        here.setitem(sys.modules, "not_installed_here", package)
        path = saved(tmp_path, package.Network())
    trust.add([path])
    with pytest.raises(ModelError, match="needs the Python package not_installed_here"):
        load_torch(path, "cpu")


def test_a_class_that_other_versions_have_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as here:
        here.setattr(torch.nn, "Gone", type("Gone", (), {"__module__": "torch.nn"}), raising=False)
        path = saved(tmp_path, torch.nn.Gone())
    trust.add([path])
    with pytest.raises(ModelError, match=r"other versions of its packages.*Gone"):
        load_torch(path, "cpu")


def test_files_of_torch_before_1_6_load(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert float(load_torch(path, "cpu").object["a"].sum()) == 2.0
