"""`lamplighter lmp` takes the place of `lmp`: same switches, same output, same exit status."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamplighter.cli.lmp import LmpUsageError, split_arguments
from lamplighter.driver.script_models import require_possible
from lamplighter.errors import LamplighterError

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


@pytest.mark.parametrize("switch", ["-partition", "-p", "--partition"])
def test_partitions_need_a_script_that_each_can_read(switch: str) -> None:
    assert split_arguments(["-in", "in.argon", switch, "2x1"]) == ("in.argon", [switch, "2x1"], True)
    for script in ([], ["-in", "-"], ["-in", "none"]):
        with pytest.raises(LmpUsageError, match="need a script that each can read: give -in FILE"):
            split_arguments([*script, switch, "2x1"])


@pytest.mark.thorough
def test_scripts_come_from_pipes_and_from_standard_input_by_name(script: Path, tmp_path: Path) -> None:
    expected = thermo_of(subprocess.run([PROGRAM, "lmp", "-in", script], cwd=tmp_path, capture_output=True, text=True,
                                        check=True).stdout)  # fmt: skip
    ours, mpirun = shlex.quote(str(PROGRAM)), shlex.quote(str(PROGRAM.with_name("mpirun")))
    for line in (
        f"{ours} lmp -log none -in <(cat {script.name})",
        f"{ours} lmp -log none -in - < {script.name}",
        f"cat {script.name} | {ours} lmp -log none -in /dev/stdin",
        f"mkfifo pipe; cat {script.name} > pipe & {mpirun} -n 2 {ours} lmp -log none -in pipe",
        f"{mpirun} -n 2 {ours} lmp -log none -in - < {script.name}",
    ):
        done = subprocess.run(["bash", "-c", line], cwd=script.parent, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (line, done.stderr)
        assert thermo_of(done.stdout) == expected, line


@pytest.mark.thorough
def test_a_script_from_a_pipe_can_jump_and_one_from_standard_input_is_told_that_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "in.loop").write_text("variable i loop 2\nlabel again\nprint 'turn $i'\nnext i\njump SELF again\n")
    ours = shlex.quote(str(PROGRAM))
    for line, status in ((f"{ours} lmp -in <(cat in.loop)", 0), (f"cat in.loop | {ours} lmp", 1)):
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, done.stderr
        assert "turn 1" in done.stdout
        assert ("turn 2" in done.stdout) == (status == 0)
    assert "cannot jump within standard input: give the script with -in FILE" in done.stderr


def test_what_mpirun_does_not_hand_on_is_said(mpirun: Run) -> None:
    done = mpirun(2, [PROGRAM, "lmp", "-in", "/dev/fd/63"], timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("mpirun hands no descriptor of the shell on") == 1


REPLICAS = """
units metal
atom_modify map yes
variable t world 150 300
log log.$t
lattice fcc 5.5
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 15.999
displace_atoms all random 0.1 0.1 0.1 7
pair_style lamplighter
pair_coeff * * {model} O
velocity all create $t 3
fix 1 all nve
thermo 2
run 4
"""


@pytest.mark.mpi
def test_replicas_run_where_the_potential_needs_no_python(run: Run, mpirun: Run, lmp: Path, tmp_path: Path) -> None:
    model = Path(__file__).parents[2] / "examples" / "ec_emc" / "models" / "ec_emc_0.model"
    compiled = run([PROGRAM, "compile", model, "--elements", "O", "-o", "o.lamp"])
    assert compiled.returncode == 0, compiled.stderr
    (tmp_path / "in.replicas").write_text(REPLICAS.format(model="o.lamp"))
    done = mpirun(2, [PROGRAM, "lmp", "-in", "in.replicas", "-partition", "2x1"])
    assert done.returncode == 0, done.stderr
    for temperature in ("150", "300"):
        text = REPLICAS.format(model="o.lamp").replace("world 150 300", f"string {temperature}")
        (tmp_path / "in.one").write_text(text.replace("log log.$t", ""))
        alone = run([lmp, "-in", "in.one"])
        assert thermo_of((tmp_path / f"log.{temperature}").read_text()) == thermo_of(alone.stdout)
    (tmp_path / "in.replicas").write_text(REPLICAS.format(model=model))
    done = mpirun(2, [PROGRAM, "lmp", "-in", "in.replicas", "-partition", "2x1"], timeout=60)
    assert done.returncode != 0
    assert "with -partition replicas have none. Compile the model" in done.stderr


def test_all_other_switches_are_left_alone() -> None:
    arguments = ["-in", "a", "-var", "x", "1", "2", "-pk", "omp", "1", "--echo", "both", "-nc"]
    assert split_arguments(arguments) == (
        "a",
        ["-var", "x", "1", "2", "-pk", "omp", "1", "--echo", "both", "-nc"],
        False,
    )


@pytest.mark.mpi
@pytest.mark.quick("a script of LAMMPS on two ranks")
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


def test_a_model_that_cannot_run_is_refused_before_lammps_starts(tmp_path: Path) -> None:
    script = tmp_path / "in.liquid"
    calculator = tmp_path / "emt.calculator.yaml"
    calculator.write_text("calculator: ase.calculators.emt:EMT\n")
    (tmp_path / "there.xml").write_text("<any/>")
    style = "pair_style lamplighter dtype float64"

    def refused(ranks: int, *lines: str) -> str:
        script.write_text("\n".join(["units metal", *lines]))
        try:
            require_possible(script, ranks)
        except LamplighterError as problem:
            return str(problem)
        return ""

    lacking = refused(1, style, f"pair_coeff * * {tmp_path}/nowhere.model H C  # the model")
    assert lacking.startswith("in.liquid, line 3: ")
    assert lacking.endswith("nowhere.model does not exist")
    assert "nowhere.model" in refused(1, style, f"pair_coeff * * {tmp_path}/there.xml {tmp_path}/nowhere.model H")
    assert refused(1, style, f"pair_coeff * * {tmp_path}/there.xml H") == ""
    assert "on one rank, and there are 2" in refused(
        2, "pair_style lamplighter kind ase", f"pair_coeff * * {calculator} Cu"
    )
    assert refused(1, "pair_style lamplighter kind ase", f"pair_coeff * * {calculator} Cu") == ""
    for decides_later in ("shell cp a nowhere.model", "include more", "if 1 then quit", "variable a string ${b}"):
        assert refused(1, decides_later, style, f"pair_coeff * * {tmp_path}/nowhere.model H C") == ""
    assert refused(1, "pair_style lj/cut 7", "pair_coeff * * 1.0 3.4") == ""
