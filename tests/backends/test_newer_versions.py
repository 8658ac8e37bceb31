"""Models of newer frameworks than the installed ones: the message names both versions and the remedy."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import yaml
from small_models import build_nequip, require

from lamplighter.errors import ModelError
from lamplighter.potentials import recognition
from lamplighter.potentials.nequip import read_network


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
    with pytest.raises(ModelError, match=r"written with nequip 99\.0\.0, and .* is installed: pip install"):
        read_network(newer)
