"""Calling commands in this process, and a LAMMPS script to compare `lamplighter lmp` with `lmp`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lamplighter import cli

Lamplighter = Callable[..., tuple[int, str, str]]

SCRIPT = """
units           metal
lattice         fcc 5.3
region          box block 0 3 0 3 0 3
create_box      1 box
create_atoms    1 box
mass            1 39.948
pair_style      lj/cut 7.0
pair_coeff      1 1 0.0104 3.4
velocity        all create 80 1 loop geom
fix             integrate all nve
variable        n index 10
print           "steps: $n"
thermo          5
run             ${n}
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """`in.argon`: ten steps (variable `n`) of argon."""
    path = tmp_path / "in.argon"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def lamplighter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lamplighter:
    """`lamplighter(*words)`: exit status, output and errors of the command, in this process and the test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lamplighter", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call
