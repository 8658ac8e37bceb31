"""Models that cannot be together, and models of newer frameworks."""

from __future__ import annotations

import zipfile
from pathlib import Path

import ase.io
import pytest
import yaml
from small_models import build_nequip, require, sevennet_checkpoint
from tests.conftest import PROGRAMS, Run

from lamplighter.conformance import structures
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


def test_a_committee_of_two_frameworks_is_refused(run: Run, tmp_path: Path) -> None:
    require("nequip")
    require("sevenn")
    models = [build_nequip(tmp_path / "a.nequip.zip"), sevennet_checkpoint("SevenNet_0__11Jul2024")]
    ase.io.write(tmp_path / "liquid.xyz", structures.liquid(("H", "C", "O")))
    content = {
        "structure": "liquid.xyz",
        "potential": {"models": [str(model) for model in models], "engine": "bridge"},
        "committee": 1,
        "stages": [{"type": "minimise", "max_steps": 1}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    done = run([PROGRAMS / "lamplighter", "run", "run.yaml"], timeout=250)
    assert done.returncode == 1
    assert "is of kind sevennet, and the committee has models of kind nequip" in done.stderr
    assert "potential.members" in done.stderr
