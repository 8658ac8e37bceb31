"""Potentials of other packages that were written for the former names of the interface."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from lamplighter.potentials import interface, registry

ONE_OF_PAIRS = """
from lamplighter.potentials.interface import LoadOptions, PairData, Potential

class Old(Potential):
    kind = "old"
    @classmethod
    def recognises(cls, path): return False
    @classmethod
    def load(cls, path, options): return cls()
    def element_index(self, symbol): return 0
    def compute(self, data): pass
"""
ONE_OF_POSITIONS = """
from lamplighter.potentials.interface import AnyPotential
from lamplighter.potentials.positions import SystemPotential

class Old(SystemPotential):
    kind = "old"
    @classmethod
    def recognises(cls, path): return False
    @classmethod
    def load(cls, path, options): return cls()
    def compute(self, system): pass

assert issubclass(Old, AnyPotential)
"""


def loaded(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The potential of a package that names its class by an entry point."""
    (folder / "old_potential.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "old_potential", raising=False)
    monkeypatch.delitem(sys.modules, "lamplighter.potentials.positions", raising=False)
    importlib.invalidate_caches()
    point = EntryPoint("old", "old_potential:Old", registry.GROUP)
    monkeypatch.setattr(registry, "installed", lambda: {"old": point})
    return registry.load_kind("old")


def test_a_potential_of_the_former_base_class_is_a_pair_potential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.warns(FutureWarning, match=r"old_potential\.Old .* derive it from interface\.PairPotential"):
        found = loaded(ONE_OF_PAIRS, tmp_path, monkeypatch)
    assert isinstance(found.load(tmp_path, None), interface.PairPotential)


def test_the_former_places_of_names_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(FutureWarning) as told:
        found = loaded(ONE_OF_POSITIONS, tmp_path, monkeypatch)
    assert issubclass(found, interface.SystemPotential)
    assert not issubclass(found, interface.PairPotential)
    messages = " ".join(str(each.message) for each in told)
    assert "interface.AnyPotential is now called Potential" in messages
    assert "potentials.positions is now part of lamplighter.potentials.interface" in messages


def test_todays_names_are_taken_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    assert issubclass(registry.load_kind("ase"), interface.SystemPotential)
    assert [each for each in recwarn if each.category is FutureWarning] == []
