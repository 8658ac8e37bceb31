"""`lamplighter lmp` takes the place of `lmp`: same switches, same output, same exit status."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamplighter.cli.lmp import LmpUsageError, split_arguments

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
Run = Callable[..., Any]


def thermo_of(output: str) -> list[str]:
    """The rows of the thermo output."""
    lines = output.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.split()[:1] == ["Step"])
    end = next(number for number, line in enumerate(lines) if line.startswith("Loop time"))
    return lines[begin:end]


def test_it_does_what_lmp_does(run: Run, lmp: Path, script: Path) -> None:
    ours, theirs = run([PROGRAM, "lmp", "-in", script]), run([lmp, "-in", script])
    assert ours.returncode == theirs.returncode == 0
    assert thermo_of(ours.stdout) == thermo_of(theirs.stdout)


def test_switches_reach_lammps(run: Run, script: Path, tmp_path: Path) -> None:
    done = run([PROGRAM, "lmp", "-i", script, "-v", "n", "5", "-l", "my.log", "-e", "screen", "-sf", "opt"])
    assert done.returncode == 0
    assert "steps: 5" in done.stdout
    assert "pair_style      lj/cut 7.0" in done.stdout
    assert "lj/cut/opt" in done.stdout
    assert (tmp_path / "my.log").exists()
    assert not (tmp_path / "log.lammps").exists()


def test_a_script_comes_from_standard_input_too(script: Path, tmp_path: Path) -> None:
    with script.open() as lines:
        done = subprocess.run(
            [PROGRAM, "lmp", "-log", "none"], stdin=lines, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0
    assert "Loop time" in done.stdout


def test_it_knows_the_pair_style_and_quit_gives_the_exit_status(run: Run, lmp: Path, tmp_path: Path) -> None:
    (tmp_path / "in.end").write_text("units metal\npair_style lamplighter\nquit 3\n")
    assert run([PROGRAM, "lmp", "-in", "in.end"]).returncode == 3
    (tmp_path / "in.end").write_text("quit 3\n")
    assert run([lmp, "-in", "in.end"]).returncode == 3


def test_a_wrong_command_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.bad").write_text("units metal\nnonsense 1\n")
    done = run([PROGRAM, "lmp", "-in", "in.bad"])
    assert done.returncode == 1
    assert "Unknown command: nonsense 1" in done.stderr
    assert "script: in.bad" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_is_that_of_lammps(run: Run) -> None:
    done = run([PROGRAM, "lmp", "-h"])
    assert done.returncode == 0
    assert "List of command-line options supported by this LAMMPS executable" in done.stdout


def test_a_missing_script_is_named(run: Run) -> None:
    done = run([PROGRAM, "lmp", "-in", "in.none"])
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: -in: the input script in.none does not exist"


@pytest.mark.parametrize("switch", ["-partition", "-p", "-plog", "-pscreen", "-reorder"])
def test_partitions_are_refused(switch: str) -> None:
    with pytest.raises(LmpUsageError, match=f"{switch}: several partitions .* are not supported"):
        split_arguments(["-in", "in.argon", switch, "2x1"])


def test_all_other_switches_are_left_alone() -> None:
    arguments = ["-in", "a", "-var", "x", "1", "2", "-pk", "omp", "1", "--echo", "both", "-nc"]
    assert split_arguments(arguments) == ("a", ["-var", "x", "1", "2", "-pk", "omp", "1", "--echo", "both", "-nc"])


@pytest.mark.mpi
def test_two_ranks_share_the_work(mpirun: Run, run: Run, script: Path) -> None:
    one, two = run([PROGRAM, "lmp", "-in", script]), mpirun(2, [PROGRAM, "lmp", "-in", script])
    assert two.returncode == 0
    assert thermo_of(two.stdout) == thermo_of(one.stdout)
    assert "on 2 procs" in two.stdout


@pytest.mark.mpi
def test_an_error_ends_both_ranks(mpirun: Run, tmp_path: Path) -> None:
    (tmp_path / "in.bad").write_text("nonsense 1\n")
    done = mpirun(2, [PROGRAM, "lmp", "-in", "in.bad"], timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("script: in.bad") == 1
