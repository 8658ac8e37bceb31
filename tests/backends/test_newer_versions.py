"""Models of newer frameworks than the installed ones: the message names both versions and the remedy."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from small_models import build_nequip, require, sevennet_checkpoint

from lamplighter.errors import ModelError
from lamplighter.model_files import recognition, tested_versions, trust
from lamplighter.potentials import registry
from lamplighter.potentials.interface import LoadOptions
from lamplighter.potentials.nequip import read_network

EXAMPLE = Path(__file__).parents[2] / "examples" / "ec_emc"
OPTIONS = LoadOptions(elements=("H", "C", "O"))


def load(path: Path) -> None:
    registry.recognise(path).load(path, OPTIONS)


@pytest.mark.parametrize("written", ["0.19.1+local", None, "0.0.1"])
def test_of_a_version_that_is_not_newer_nothing_is_said(written: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition.importlib.metadata, "version", lambda package: "0.19.1")
    assert recognition.newer_than_installed("nequip", written) == ""


def test_the_newer_version_is_named() -> None:
    said = recognition.newer_than_installed("torch", "99.1.0")
    assert said.startswith("it was written with torch 99.1.0, and ")
    assert said.endswith("pip install 'torch>=99.1.0'")
    assert recognition.newer_than_installed("no-such-package", "1.0") == ""


def test_a_package_of_a_newer_nequip(tmp_path: Path) -> None:
    require("nequip")
    package, newer = build_nequip(tmp_path / "a.nequip.zip"), tmp_path / "newer.nequip.zip"
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(newer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("/eager_model.pkl"):
                continue  # as a later version may lay out its packages
            if name.endswith("/model/package_metadata.txt"):
                labels = yaml.safe_load(content)
                labels["versions"]["nequip"] = "99.0.0"
                labels["package_version_id"] = 99
                content = yaml.dump(labels).encode()
            target.writestr(name, content)
    trust.add([newer])
    with pytest.raises(ModelError, match=r"written with nequip 99\.0\.0, and .* is installed: pip install"):
        read_network(newer)


def test_a_checkpoint_of_a_newer_nequip_and_allegro(tmp_path: Path) -> None:
    """In the layout of nequip 0.19, without what a network is made from."""
    require("nequip")
    path = tmp_path / "best.ckpt"
    settings = {
        "model": {"_target_": "nequip.model.Unknown", "model_dtype": "float32", "r_max": 4.0},
        "info_dict": {"versions": {"nequip": "99.0.0", "allegro": "98.0.0", "torch": "2.0.0"}},
    }
    torch.save({"pytorch-lightning_version": "2.6.6", "hyper_parameters": settings}, path)
    trust.add([path])
    with pytest.raises(
        ModelError, match=r"written with nequip-allegro 98\.0\.0.*written with nequip 99\.0\.0"
    ) as found:
        load(path)
    assert "with torch" not in str(found.value)


def test_a_checkpoint_of_a_newer_sevennet(tmp_path: Path) -> None:
    require("sevenn")
    content = torch.load(sevennet_checkpoint("SevenNet_0__11Jul2024"), weights_only=False, map_location="cpu")
    content["config"]["version"] = "99.0.0"
    weights = content["model_state_dict"]
    name = next(iter(weights))
    weights[f"{name}_by_another_name"] = weights.pop(name)  # as a later version may call it
    path = tmp_path / "newer.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match=r"written with sevenn 99\.0\.0, and .* is installed: pip install 'sevenn>=99"):
        load(path)


def test_a_mace_model_with_a_class_that_the_installed_mace_lacks(tmp_path: Path) -> None:
    """MACE models do not say which version wrote them."""
    require("mace")
    path = tmp_path / "newer.model"
    with zipfile.ZipFile(EXAMPLE / "models" / "ec_emc_0.model") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("/data.pkl"):
                assert b"ScaleShiftMACE" in content
                content = content.replace(b"ScaleShiftMACE", b"ScaleShiftNext")
            target.writestr(name, content)
    with pytest.raises(ModelError, match=r"other versions .*ScaleShiftNext.*mace-torch .* is installed: pip install"):
        load(path)


def test_a_gap_of_a_newer_gap_fit(tmp_path: Path) -> None:
    require("quippy")
    for file in (EXAMPLE / "frameworks" / "models" / "gap").glob("gap_0.xml*"):
        shutil.copy(file, tmp_path)
    path = tmp_path / "gap_0.xml"
    text = path.read_text()
    assert 'gap_version="1769700636"' in text
    path.write_text(text.replace('gap_version="1769700636"', 'gap_version="2000000000"'))
    with pytest.raises(ModelError, match=r"a newer gap_fit wrote it, pip install --upgrade quippy-ase .*2000000000"):
        load(path)


def test_the_extras_are_bounded_by_what_was_tested() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    for each in tested_versions.all_of_them():
        bounds = f">={each.first},<{each.before}"
        assert re.search(rf'"{re.escape(each.package)}(\[[\w,]+\])?{re.escape(bounds)}"', text), each.requirement


@pytest.mark.parametrize(
    ("kind", "newer"),
    [
        ("mace", "0.4.0"),
        ("mace", "0.3.17rc1"),
        ("nequip", "0.20.0"),
        ("sevennet", "0.14"),
        ("deepmd", "4.0"),
        ("gap", "1.0"),
    ],
)
def test_a_newer_framework_is_refused_where_a_model_is_to_be_opened(
    kind: str, newer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tested_versions.TESTED[kind][0]
    monkeypatch.setattr(tested_versions.importlib.metadata, "version", lambda name: newer)
    monkeypatch.delenv(tested_versions.VARIABLE, raising=False)
    openings: list[Callable[[], object]] = [lambda: tested_versions.require_tested(kind)]
    if kind in registry.installed():
        openings.append(lambda: registry.load_kind(kind))
        openings.append(lambda: recognition.require_framework(kind, Path("a.model")))
    for opening in openings:
        with pytest.raises(ModelError) as refused:
            opening()
        assert f"{package.package} {newer} is installed" in str(refused.value)
        assert f"pip install '{package.requirement}'" in str(refused.value)
    monkeypatch.setenv(tested_versions.VARIABLE, "1")
    tested_versions.require_tested(kind)


def test_the_installed_frameworks_are_tested_ones() -> None:
    assert [text for kind in tested_versions.TESTED for text in tested_versions.untested(kind)] == []
