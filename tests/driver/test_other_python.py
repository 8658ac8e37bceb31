"""`potential.python`: a run goes on in the Python of another environment, on every rank, before MPI starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

import lamplighter
from lamplighter import exit_status
from lamplighter.driver import other_python
from lamplighter.errors import EnvironmentProblem

PROGRAM = Path(sys.prefix) / "bin" / "lamplighter"
LINES = ["pair_style lj/cut 7.0", "pair_coeff * * 0.0104 3.40"]

Program = Callable[..., Any]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An environment of its own whose packages are those of this one."""
    folder = tmp_path / "other"
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "packages.pth").write_text("\n".join(f"import site; site.addsitedir({path!r})" for path in here))
    for library in (Path(sys.prefix) / "lib").iterdir():  # libmpi, where mpi4py looks, and its own libraries
        if not library.name.startswith("python"):
            (folder / "lib" / library.name).symlink_to(library)
    return folder / "bin" / "python"


@pytest.fixture
def written(write_run_file: Callable[..., Path]) -> Callable[[object], Path]:
    def write(python: object, **potential: Any) -> Path:
        return write_run_file(
            [{"type": "nvt", "length": "2 steps", "temperature": "80 K"}],
            potential={"lammps": LINES, "python": str(python), **potential},
        )

    return write


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_run_goes_on_in_the_other_python(
    run: Program, mpirun: Program, written: Callable[[object], Path], elsewhere: Path, tmp_path: Path, ranks: int
) -> None:
    words = [PROGRAM, "run", "-q", written(elsewhere), "-o", "out"]
    done = run(words) if ranks == 1 else mpirun(ranks, words)
    assert done.returncode == 0, done.stderr
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["environment"]["python"] == str(elsewhere)
    assert provenance["environment"]["started_by"].startswith(sys.prefix)
    assert provenance["ranks"] == ranks
    assert provenance["command_line"][1:3] == ["run", "-q"]
    assert json.loads((tmp_path / "out" / "status.json").read_text())["status"] == "completed"


def test_signals_and_the_wall_time_end_it_in_good_order(
    run: Program, write_run_file: Callable[..., Path], elsewhere: Path, tmp_path: Path
) -> None:
    """Also a signal that comes while one Python becomes the other."""
    stage = {"type": "nvt", "length": "100000000 steps", "temperature": "80 K"}
    path = write_run_file([stage], potential={"lammps": LINES, "python": str(elsewhere)})
    words = [str(PROGRAM), "run", "-q", str(path), "--resume"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    command_line = Path(f"/proc/{process.pid}/cmdline")
    while not command_line.read_bytes().startswith(str(elsewhere).encode()):
        assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=60)
    assert process.returncode == exit_status.LATER, said
    assert "SIGUSR1 ended the run before its first step" in said
    done = run([*words, "--walltime", "6s", "--margin", "2s"])
    assert done.returncode == exit_status.LATER, done.stderr
    assert "the wall time ended the run at step" in done.stderr
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["environment"]["python"] == str(elsewhere)
    assert (tmp_path / "run" / "restart.interrupted.bin").exists()


def test_this_python_is_not_replaced(run: Program, written: Callable[[object], Path], tmp_path: Path) -> None:
    done = run([PROGRAM, "run", "-q", written(Path(sys.prefix) / "bin" / "python"), "-o", "out"])
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["environment"]["started_by"] is None


def test_a_python_without_lamplighter_is_told_once(
    mpirun: Program, written: Callable[[object], Path], tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    done = mpirun(2, [PROGRAM, "run", written(python)], env={"PYTHONPATH": None})
    assert done.returncode != 0
    assert done.stderr.count(f"lamplighter cannot be imported by {python}") == 1
    assert "Traceback" not in done.stderr


def test_another_version_is_refused(run: Program, written: Callable[[object], Path], tmp_path: Path) -> None:
    venv.create(tmp_path / "old", with_pip=False, symlinks=True)
    packages = next((tmp_path / "old").glob("lib/python*/site-packages"))
    (packages / "lamplighter").mkdir()
    (packages / "lamplighter" / "__init__.py").write_text('__version__ = "0.0.1"\n')
    done = run([PROGRAM, "run", written(tmp_path / "old" / "bin" / "python")], env={"PYTHONPATH": None})
    assert done.returncode == 1
    assert "has lamplighter 0.0.1, and this one is" in done.stderr


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: d / "none", "does not exist; python -m venv makes an environment"),
        (lambda d: d, "is a folder; name its Python"),
        (lambda d: (d / "text", (d / "text").write_text(""))[0], "is no program that can be started"),
    ],
)
def test_what_is_no_python_is_refused(
    run: Program, written: Callable[[object], Path], tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    done = run([PROGRAM, "run", written(make(tmp_path))])
    assert done.returncode == 1
    assert "potential.python: " in done.stderr
    assert message in done.stderr


def test_a_relative_path_is_the_run_files_own(written: Callable[[object], Path], tmp_path: Path) -> None:
    from lamplighter.config.loading import load_run_file

    assert load_run_file(written("env/bin/python")).potential.python == tmp_path / "env" / "bin" / "python"
    assert load_run_file(written("~/env/bin/python")).potential.python == Path.home() / "env" / "bin" / "python"


def test_from_python_the_other_python_is_named(written: Callable[[object], Path], elsewhere: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="start it with `lamplighter run`"):
        lamplighter.run(written(elsewhere))


def test_a_process_that_was_replaced_goes_on_by_itself(
    written: Callable[[object], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two environments that name each other would go on for ever."""

    def started(*_: object) -> None:
        raise AssertionError("it is replaced again")

    monkeypatch.setattr(other_python, "_started_by", None)
    monkeypatch.setattr(os, "execv", started)
    monkeypatch.setenv(other_python.ORIGIN, "/usr/bin/python3")
    other_python.continue_in_python_of(written("/usr/bin/env"), ["run"])
    assert other_python.started_by() == "/usr/bin/python3"
    assert other_python.ORIGIN not in os.environ
    monkeypatch.setattr(other_python, "_started_by", None)
    with pytest.raises(AssertionError, match="replaced again"):
        other_python.continue_in_python_of(written("/usr/bin/env"), ["run"])
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()), "a process that was not replaced hands on what was held"


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_frames_are_evaluated_in_the_other_python(
    run: Program, mpirun: Program, written: Callable[[object], Path], elsewhere: Path, tmp_path: Path, ranks: int
) -> None:
    """Beside a potential of this one; the calculator says where it runs."""
    (tmp_path / "where.py").write_text(
        "import sys\nfrom ase.calculators.lj import LennardJones\n"
        "def there(prefix):\n    assert sys.prefix == prefix, sys.prefix\n    print('is opened', file=sys.stderr)\n"
        "    return LennardJones(sigma=3.4, rc=9.0)\n"
    )
    atoms = Atoms("Ar4", [[0, 0, 0], [3.7, 0, 0], [0, 3.9, 0], [0, 0, 4.1]], cell=[9, 10, 11], pbc=True)
    frames = []
    for scale in (1.0, 1.1, 1.2):
        atoms.set_cell(np.array([9.0, 10.0, 11.0]) * scale)
        atoms.calc = LennardJones(sigma=3.4, rc=9.0)
        known = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        frames.append(atoms.copy())
        frames[-1].calc = SinglePointCalculator(frames[-1], **known)
    write(tmp_path / "frames.xyz", frames)
    path = written(elsewhere)
    content = yaml.safe_load(path.read_text())
    content["potential"] = {
        "calculator": "where:there", "options": {"prefix": str(elsewhere.parents[1])}, "python": str(elsewhere)
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    words = [PROGRAM, "scan", "--atomic", "--trust", "--reference", "frames.xyz", "--model", path, "--json"]
    env = {"PYTHONPATH": str(tmp_path)}
    done = run(words, env=env) if ranks == 1 else mpirun(ranks, words, env=env)
    assert done.returncode == 0, done.stderr
    assert "is opened" not in done.stderr
    curves = json.loads(done.stdout)["curves"]
    expected = [atoms.get_potential_energy() for atoms in frames[::-1]]
    np.testing.assert_allclose(curves[0]["total"], expected, rtol=1e-12)


def test_the_last_that_the_other_python_printed_is_told_where_it_ends_early(
    run: Program, written: Callable[[object], Path], elsewhere: Path, tmp_path: Path
) -> None:
    (tmp_path / "gone.py").write_text(
        "import os\nfrom ase.calculators.lj import LennardJones\nclass Gone(LennardJones):\n"
        "    def calculate(self, *_, **__):\n        print('no more of this', flush=True)\n        os._exit(3)\n"
    )
    (tmp_path / "frames.xyz").write_text(
        '1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=0.0 pbc="F F F"\nAr 0 0 0 0 0 0\n'
    )
    path = written(elsewhere)
    content = yaml.safe_load(path.read_text())
    content["potential"] = {"calculator": "gone:Gone", "python": str(elsewhere)}
    path.write_text(yaml.safe_dump(content))
    done = run([PROGRAM, "errors", "frames.xyz", "--run-file", path, "--trust"], env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "ended while it evaluated (exit status 3); the last that it printed:\n" in done.stderr
    assert done.stderr.rstrip().endswith("  no more of this")
    assert "Traceback" not in done.stderr


def test_what_the_other_python_refuses_is_said_here(
    run: Program, written: Callable[[object], Path], elsewhere: Path, tmp_path: Path
) -> None:
    (tmp_path / "frames.xyz").write_text(
        '1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=0.0 pbc="F F F"\nXe 0 0 0 0 0 0\n'
    )
    path = written(elsewhere, lammps=["pair_style lj/cut 7.0", "pair_coeff * * nonsense"])
    done = run([PROGRAM, "errors", "frames.xyz", "--run-file", path])
    assert done.returncode == 1
    assert done.stderr.startswith("Error: LAMMPS: ")
    assert "pair_coeff * * nonsense" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_committee_in_the_other_python_tells_how_far_it_disagrees_and_a_slab_its_stress(elsewhere: Path) -> None:
    members = [["pair_style lj/cut 7.0", f"pair_coeff * * {epsilon} 3.40"] for epsilon in (0.0104, 0.0114)]
    atoms = Atoms("Ar4", [[0, 0, 0], [3.7, 0, 0], [0, 3.9, 0], [0.2, 0.1, 4.1]], cell=[16.0] * 3, pbc=(1, 1, 0))
    here, there = (lamplighter.Calculator({"members": members, **more}) for more in ({}, {"python": str(elsewhere)}))
    assert there.is_committee
    found = []
    for calculator in (here, there):
        with calculator:
            atoms.calc = calculator
            found.append((atoms.get_stress(), calculator.results))
    assert np.allclose(found[0][0], found[1][0], rtol=1e-10)
    assert {"member_energies", "energy_deviation", "forces_deviation"} <= set(found[1][1])
    for key, value in found[0][1].items():
        assert np.allclose(value, found[1][1][key], rtol=1e-9, atol=1e-12), key
    assert found[1][1]["energy_deviation"] > 0.0
