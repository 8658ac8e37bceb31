"""A failure on one rank ends all ranks at once; and how many ranks there are does not change a trajectory."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
import yaml
from lammps_evaluation import load
from safetensors.numpy import load_file
from tests.conftest import PROGRAMS, Run
from tests.driver.test_stall import process_of_rank

import lamplighter
import structures
from lamplighter.errors import ConfigError
from lamplighter.potentials import mace_compile
from lamplighter.potentials.native import compile_files
from lamplighter.run_folder.events import read_events

HERE = Path(__file__).parent


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_an_exception_on_one_rank_ends_all_with_its_traceback(
    mpirun: Run, python: Path, small_model: Path, ranks: int
) -> None:
    done = mpirun(ranks, [python, HERE / "failing_rank.py", small_model, "exception"], timeout=120)
    assert done.returncode != 0
    assert "reached the end" not in done.stdout
    assert "ArithmeticError: the model broke on this rank alone" in done.stderr
    assert "failing_rank.py" in done.stderr  # the traceback leads to the line


@pytest.mark.mpi
def test_a_rank_without_memory_ends_all_and_says_what_to_do(mpirun: Run, python: Path, small_model: Path) -> None:
    """A real allocation, which no machine can make."""
    done = mpirun(2, [python, HERE / "failing_rank.py", small_model, "memory"], timeout=120)
    assert done.returncode != 0
    assert "reached the end" not in done.stdout
    assert "[rank 1 of 2] Error: this machine has not enough memory for " in done.stderr
    assert "take fewer atoms, or more machines with one rank on each; or `dtype: float32`" in done.stderr
    assert "you tried to allocate 562949953421312 bytes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.mpi
def test_numbers_of_one_rank_that_are_not_finite_end_all(mpirun: Run, python: Path, small_model: Path) -> None:
    done = mpirun(2, [python, HERE / "failing_rank.py", small_model, "nan"], timeout=120)
    assert done.returncode != 0
    assert "reached the end" not in done.stdout
    assert f"Model {small_model} gives a force on atom " in done.stderr
    assert "that is no finite number at step " in done.stderr


@pytest.mark.mpi
@pytest.mark.quick("a killed rank ends all")
def test_a_killed_rank_ends_all(mpirun: Run, python: Path, small_model: Path) -> None:
    done = mpirun(2, [python, HERE / "failing_rank.py", small_model, "kill"], timeout=120)
    assert done.returncode != 0
    assert "reached the end" not in done.stdout


def computes_in_the_plugin(process: int) -> bool:
    """Whether a process that SIGSTOP holds was in the code of the plugin; see proc(5) on `syscall` and `maps`."""
    words = Path(f"/proc/{process}/syscall").read_text().split()
    if words[0] != "-1":  # in a call of the system, or not stopped yet
        return False
    place = int(words[-1], 16)
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        begin, end = (int(each, 16) for each in line.split()[0].split("-"))
        if begin <= place < end:
            return "lamplighterplugin" in line
    return False


@pytest.mark.mpi
def test_a_rank_that_stands_still_within_the_native_engine_ends_all(small_model: Path, tmp_path: Path) -> None:
    compile_files([small_model], tmp_path / "small.lamp")
    molecules = ase.build.molecule("CH3CH2OH", cell=[5.0] * 3, pbc=True).repeat(3)
    ase.io.write(tmp_path / "liquid.xyz", molecules)
    content = {
        "structure": "liquid.xyz",
        "potential": {"models": ["small.lamp"]},
        "timestep": "0.001 fs",  # nobody has trained the model
        "velocities": "1 K",
        "output": {"thermo": "10 steps"},
        "stages": [{"type": "nve", "length": "100000000 steps"}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content))
    words = [PROGRAMS / "mpirun", "-n", "2", PROGRAMS / "lamplighter", "run", "-q", tmp_path / "run.yaml"]
    run = subprocess.Popen([*words, "--stall", "10s"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    table, deadline = tmp_path / "run" / "thermo.csv", time.monotonic() + 100
    while not (table.exists() and table.read_text().count("\n") > 3):
        assert time.monotonic() < deadline
        assert run.poll() is None, run.stdout and run.stdout.read()
        time.sleep(0.05)
    rank = process_of_rank(1, tmp_path / "run")
    os.kill(rank, signal.SIGSTOP)
    try:
        while not computes_in_the_plugin(rank):
            assert time.monotonic() < deadline + 60
            os.kill(rank, signal.SIGCONT)
            time.sleep(0.002)
            os.kill(rank, signal.SIGSTOP)
            time.sleep(0.002)
        out, _ = run.communicate(timeout=100)
    finally:
        if Path(f"/proc/{rank}").exists():
            os.kill(rank, signal.SIGKILL)
        run.kill()
    assert run.returncode == 75, out
    assert f"rank 1 (process {rank} on " in out
    assert "is stopped by a signal; --resume goes on" in out


@pytest.mark.mpi
def test_the_trajectory_does_not_depend_on_the_number_of_ranks(
    mpirun: Run, python: Path, small_model: Path, tmp_path: Path
) -> None:
    final = []
    # with pairs and exchanges on the device of the model, too, as on GPUs
    for ranks, pairs in ((1, ""), (2, ""), (4, ""), (2, "model")):
        out = tmp_path / f"{ranks}{pairs}.npy"
        words = [python, HERE / "same_trajectory.py", small_model, out]
        done = mpirun(ranks, words, timeout=200, env={"LAMPLIGHTER_PAIRS": pairs})
        assert done.returncode == 0, done.stderr[-2000:]
        final.append(np.load(out))
    for each in final[1:]:
        np.testing.assert_allclose(each, final[0], rtol=0, atol=1e-7)


def test_a_broken_model_of_the_native_engine_is_named(lammps_instance, small_model: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Energies of atoms that are finite, and whose sum is not."""
    file = tmp_path / "both.lamp"
    compile_files([small_model, small_model], file)
    arrays, labels = load_file(file), mace_compile.read_metadata(file)
    own = {key: text for key, text in labels.items() if key not in ("format", "version", "crc32")}
    arrays["member.1.energies"][:] = 1e308
    file.write_bytes(mace_compile.to_bytes(arrays, own))
    words = f"{file} {' '.join(structures.ELEMENTS)}"
    load(lammps_instance, structures.liquid(), "lamplighter committee every 2", words)
    message = f"Model 2 of 2 in {file} gives an energy that is no finite number at step 0"
    with pytest.raises(Exception, match=message):
        lammps_instance.command("run 0 post no")

    arrays["member.0.energies"][:] = 1e308
    file.write_bytes(mace_compile.to_bytes(arrays, own))
    content = {
        "structure": {"file": str(structures.LIQUID)},
        "potential": {"models": [str(file)]},
        "velocities": "300 K",
        "guard": {"temperature": "100000 K"},
        "stages": [{"type": "nve", "length": "2 steps"}],
    }
    with pytest.raises(ConfigError, match=f"guard: Model 1 of 2 in {file} gives an energy .*failure.xyz"):
        lamplighter.run(content, output=tmp_path / "run", progress=False)
    (event,) = read_events(tmp_path / "run")
    assert event.criterion == "finite"
    assert not event.atoms


def test_what_another_style_of_an_overlay_gives_is_not_the_models(lammps_instance, small_model: Path) -> None:  # type: ignore[no-untyped-def]
    """The forces of the styles before it are there when the model adds its own."""
    lmp = lammps_instance
    load(lmp, structures.liquid(), "hybrid/overlay lj/cut 3.0 lamplighter", f"lamplighter {small_model} H C O")
    lmp.commands_string("pair_coeff * * lj/cut 1e308 1.0\nrun 0 post no")
    assert not np.isfinite(lmp.numpy.extract_atom("f")[: lmp.extract_global("nlocal")]).all()
    lmp.command("fix move all nve")
    with pytest.raises(Exception, match=r"Atom .* has the position .* at step 1: the run has become unstable"):
        lmp.command("run 5 post no")
