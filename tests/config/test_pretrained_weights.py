"""Weights of SevenNet by name, where its package is there and where it is not."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

from lamplighter import pretrained_weights
from lamplighter.config.potential import PotentialSection
from lamplighter.errors import ModelError
from lamplighter.labelling.named_methods import named_method

PLACE = "pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth"


def installed(folder: Path) -> Path:
    """A package with one of the weights."""
    weights = folder / "sevenn" / PLACE
    weights.parent.mkdir(parents=True)
    weights.touch()
    (folder / "sevenn" / "__init__.py").touch()
    return weights.resolve()


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Of a package that is installed here."""
    found = installed(tmp_path / "site")
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: importlib.machinery.PathFinder.find_spec(name, [str(tmp_path / "site")]),
    )
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    return found


def test_a_run_file_names_weights(weights: Path, tmp_path: Path) -> None:
    for name in ("7net-0", "SevenNet-0", "7net-0_11Jul2024"):
        assert PotentialSection(models=[Path(name)]).resolved(tmp_path).models == [weights]
    (tmp_path / "7net-0").touch()  # a file of that name is that file
    assert PotentialSection(models=[Path("7net-0")]).resolved(tmp_path).models == [tmp_path / "7net-0"]


@pytest.mark.usefixtures("without_package")
def test_weights_are_looked_for_in_the_environment_of_the_run(tmp_path: Path) -> None:
    found = installed(tmp_path / "env" / "lib" / "python3.11" / "site-packages")
    section = PotentialSection(models=[Path("7net-0")], python=Path("env/bin/python"))
    assert section.resolved(tmp_path).models == [found]
    with pytest.raises(ModelError, match=r"7net-0 names weights .* nor the package sevenn: pip install"):
        PotentialSection(models=[Path("7net-0")]).resolved(tmp_path)


@pytest.mark.usefixtures("weights")
def test_a_name_of_no_weights_is_told_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"7net-9 is neither a file nor .*; those on this machine are 7net-0"):
        PotentialSection(models=[Path("7net-9")]).resolved(tmp_path)
    with pytest.raises(ModelError, match="the weights 7net-omni are not on this machine, where there are 7net-0"):
        named_method("7net-omni")
    assert not pretrained_weights.is_name(Path("7net-0.lamp"))
